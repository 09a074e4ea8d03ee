"""Processes in turn: each way once in each round, so that a slow minute meets all of them.

Each turn is a process of its own, so that its peak memory is its own and the peers run in their own
venvs. A way that fails is left out from then on, with the reason.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
VENVS = {
    "pytorch_fcn": ".venv-peers",
    "smp_camvid": ".venv-peers",
    "ultralytics_camvid": ".venv-peers",
    "chainer_fcn": ".venv-chainer",
    "opencv_dnn": ".venv-opencv",
}


@dataclass(frozen=True)
class Way:
    """A script of peers/ with its job; the peers' scripts run in the peers' venvs."""

    name: str
    script: str
    job: dict[str, Any]

    @property
    def python(self) -> Path:
        """The interpreter of its venv; this one for the project's own scripts."""
        venv = VENVS.get(self.script)
        return HERE.parent / venv / "bin" / "python" if venv else Path(sys.executable)


@dataclass
class Found:
    """The answers of each way, one a round, and why ways were left out."""

    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def median(self, name: str, key: str) -> float:
        """Over all values of all rounds."""
        values = [answer[key] for answer in self.answers[name]]
        flat = [v for value in values for v in (value if isinstance(value, list) else [value])]
        return statistics.median(flat)


def in_turn(ways: Sequence[Way], rounds: int) -> Found:
    """Run all ``ways`` in each round; what they answered."""
    found = Found()
    for number in range(1, rounds + 1):
        for way in ways:
            if way.name in found.left_out:
                continue
            try:
                answer = run(way)
            except TurnError as error:
                found.answers.pop(way.name, None)
                found.left_out[way.name] = str(error)
                answer = f"left out: {error}"
            else:
                found.answers.setdefault(way.name, []).append(answer)
            print(f"{number}/{rounds} {way.name}: {answer}", file=sys.stderr, flush=True)
    return found


class TurnError(Exception):
    """A process that failed; its text is the reason, in a line."""


def run(way: Way) -> dict[str, Any]:
    """The answer of one turn."""
    if not way.python.exists():
        raise TurnError(f"{way.python.parents[1].name} is missing; `make bench` builds it")
    script = HERE / "peers" / f"{way.script}.py"
    return json.loads(_output([way.python, script, json.dumps(way.job)]).splitlines()[-1])


def fullconv(*arguments: str | Path) -> str:
    """What a command of fullconv prints."""
    return _output([sys.executable, "-m", "fullconv", *arguments])


def _output(command: Sequence[str | Path]) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip(" │╭╰─╯")]
        reason = lines[-1] if lines else f"it ended with {done.returncode}"
        raise TurnError(reason.strip("│ "))
    return done.stdout
