"""A measurement in a process of its own, which gives its memory back: a job in, an answer out.

`ask` is called from outside, `answer` is what the process does.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from fullconv.errors import UserError

Answer = dict[str, Any]


def ask(module: str, job: dict[str, Any], name: str, fix: str) -> Answer:
    """The answer to ``job`` of a process that runs ``module``, both JSON.

    UserError with ``name`` for a "error" that it answers, and, with the ``fix``, where the system
    ended it; RuntimeError with its messages where it failed.
    """
    # -P: what lies in the user's folder is not taken for a module.
    command = [sys.executable, "-P", "-m", module]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True)
    if done.returncode < 0:
        raise UserError(
            f"{name}: its process was ended by the system (signal {-done.returncode}), most likely "
            f"for want of memory: {fix}",
            "FC-REPORT-006",
        )
    if done.returncode:
        raise RuntimeError(f"{name} could not be measured:\n{done.stderr}")
    result = json.loads(done.stdout.splitlines()[-1])
    if "error" in result:
        raise UserError(f"{name}: {result['error']}", result["code"])
    return result


def answer(measure: Callable[[dict[str, Any]], Answer]) -> None:
    """Answer the job on standard input with one line of JSON; a UserError as its "error"."""
    job = json.load(sys.stdin)
    try:
        result = measure(job)
    except UserError as error:
        result = {"error": str(error), "code": error.code}
    print(json.dumps(result))
