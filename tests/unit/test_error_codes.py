"""Every code that is raised is documented, and every documented code is raised."""

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import fullconv
from fullconv.errors import DataError, UserError

SOURCE = Path(fullconv.__file__).parent
PAGE = Path(__file__).parents[2] / "docs/errors.md"
CODE = re.compile(r"FC-[A-Z]+-\d{3}")


def _strings() -> Iterator[str]:
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def _listed() -> list[str]:
    return re.findall(rf"^\| ({CODE.pattern}) \|", PAGE.read_text("utf-8"), re.MULTILINE)


def test_every_code_of_the_source_is_listed_once_with_cause_and_fix():
    raised = {value for value in _strings() if CODE.fullmatch(value)}
    assert sorted(_listed()) == sorted(raised)


def test_an_error_keeps_its_code_on_the_way_between_processes():

    for error in (UserError("a.png: is empty", "FC-DATA-001"), DataError("a", "b", code="FC-X-1")):
        back = pickle.loads(pickle.dumps(error))
        assert (str(back), back.code) == (str(error), error.code)
