"""Whatever is typed, an error is one short line with a code, and exit code 2."""

import errno
import os
import re
import sys
import warnings

import pytest

from fullconv.cli import main
from fullconv.errors import LONGEST_LINE, UserError, UserErrors, one_line, printable

LONG, DIGITS = "a/" * 2500, "9" * 5000
CLEARING = "\x1b[2Jx\ny\u202ez\udcff"
COMMANDS = [
    ["--nonsense"],
    ["nonsense"],
    ["check"],
    ["check", LONG],
    ["check", "x" * 5000],
    ["check", "loop"],
    ["check", "loop/x"],
    ["check", CLEARING],
    ["check", "x", "--split", DIGITS],
    ["check", "x", "--classes", LONG],
    ["import", "loop", "out"],
    ["import", ".", "out", "--line-width", "nan"],
    ["import", ".", "out", "--line-width", "-inf"],
    ["import", ".", "out", "--val", DIGITS],
    ["import", ".", "out", "--seed", DIGITS],
    ["import", ".", "out", "--merge", DIGITS],
    ["inspect", "x", "--most", DIGITS],
    ["inspect", "x", "--most", "0"],
    ["shapes", "loop/x", "--number", "1"],
    ["shapes", "/proc/x", "--number", "1"],
    ["shapes", "/dev/null/x", "--number", "1"],
    ["shapes", "out", "--number", DIGITS],
    ["shapes", "out", "--size", "nan"],
    ["shapes", "out", "--size", f"{DIGITS}x1"],
    ["shapes", "out", "--size", "100000x100000"],
    ["shapes", "out", "--size", "0x9"],
    ["nets", "--size", "x"],
    ["recipes", CLEARING],
    ["recipes", DIGITS],
    ["download", DIGITS, "out"],
    ["report", LONG],
    ["report", "loop"],
    ["report", CLEARING],
    ["serve", "x", "--max-mb", "nan"],
    ["serve", "x", "--max-megapixels", "inf"],
    ["serve", "x", "--timeout", "-1"],
    ["serve", "x", "--timeout", DIGITS],
    ["serve", "x", "--port", DIGITS],
    ["serve", "x", "--queue", "0"],
    ["serve", "x", "--host", "x" * 5000],
    ["serve", "x", "--token-file", LONG],
    ["serve", "x", "--token-file", "."],
    ["serve", "x", "--token-file", "/dev/zero"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: printable(" ".join(command), 40))
def test_an_error_is_one_short_line_without_control_characters(
    command, inside, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FULLCONV_TOKEN", "0123456789abcdef")
    (tmp_path / "loop").symlink_to("loop")
    _, error = inside(*command, code=2)
    assert error.startswith("fullconv: ")
    assert error.count("\n") == 1 and error.endswith("\n")
    assert error[:-1].isprintable()
    assert len(error) < 700
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["check"], "FC-CLI-001"),
        (["check", "x", "--wrong"], "FC-CLI-001"),
        (["serve", "x", "--queue", "many"], "FC-CLI-001"),
        (["serve", "x", "--timeout", "nan"], "FC-CLI-002"),
        (["nets", "--size", "9"], "FC-CLI-003"),
        (["import", ".", "out", "--merge", "old"], "FC-IMPORT-006"),
        (["recipes", "nothing"], "FC-CONFIG-001"),
        (["serve", "x", "--timeout", "0"], "FC-SERVE-018"),
        (["serve", "x", "--host", "0.0.0.0"], "FC-SERVE-020"),
    ],
)
def test_the_kind_of_error_is_its_code(command, code, inside, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FULLCONV_TOKEN", raising=False)
    assert inside(*command, code=2)[1].endswith(f" [{code}]\n")


def failing(error):
    """What ``fullconv recipes`` does when it meets ``error``."""

    def raise_it(name):
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, "FC-FILE-001"),
        (errno.EIO, "FC-FILE-001"),
        (errno.ENOSPC, "FC-FILE-002"),
        (errno.EROFS, "FC-FILE-002"),
        (errno.ENOENT, "FC-FILE-003"),
        (errno.EISDIR, "FC-FILE-004"),
        (errno.ENOTDIR, "FC-FILE-004"),
        (errno.ENAMETOOLONG, "FC-FILE-005"),
        (errno.ELOOP, "FC-FILE-005"),
    ],
)
def test_an_error_of_the_system_that_no_command_handles_is_one_line(
    number, code, inside, monkeypatch
):
    error = OSError(number, os.strerror(number), "some file")
    monkeypatch.setattr("fullconv.cli.commands.recipes_and_report.recipe_text", failing(error))
    _, line = inside("recipes", "x", code=2)
    assert line.startswith("fullconv: some file: ")
    assert line.endswith(f" [{code}]\n")


def test_several_errors_are_a_line_each_and_names_in_them_begin_no_other(inside, monkeypatch):
    error = UserErrors(["a\nb: is empty", "nothing is written"], "FC-IMPORT-001")
    monkeypatch.setattr("fullconv.cli.commands.recipes_and_report.recipe_text", failing(error))
    assert inside("recipes", "x", code=2)[1] == (
        "fullconv: a\\nb: is empty\nfullconv: nothing is written [FC-IMPORT-001]\n"
    )


class OwnWarning(UserWarning):
    """A warning of this package."""


def test_a_warning_is_one_line_too(inside, monkeypatch):
    monkeypatch.setattr(OwnWarning, "__module__", "fullconv.tests")

    def warn(name):
        warnings.warn(f"{CLEARING}{'x' * 5000}: is odd", OwnWarning, stacklevel=2)
        raise UserError("x")

    monkeypatch.setattr("fullconv.cli.commands.recipes_and_report.recipe_text", warn)
    first, last = inside("recipes", "x", code=2)[1].splitlines()
    assert re.fullmatch(r"fullconv: warning: \\x1b\[2Jx\\ny\\u202ez\\xffx+\.\.\.x+: is odd", first)
    assert last == "fullconv: x"


def test_a_usual_message_stays_as_it_is():
    text = "données/写真 (1).jpg: is 640 x 480 and its mask 320 x 240; make them equal"
    assert one_line(text) == text
    assert len(one_line("word " * 5000)) <= LONGEST_LINE


def test_names_that_are_no_text_can_be_printed(tmp_path):
    """A file name of other bytes than the terminal's encoding has."""
    import subprocess

    code = "import sys; sys.argv=['fullconv','recipes']\n"
    code += "from fullconv.cli import main, recipes_and_report as command\n"
    code += "command.recipe_summary = lambda name: 'caf\\udce9'\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"caf\\udce9" in done.stdout


def test_main_is_the_program_of_the_package():
    assert main.__module__ == "fullconv.cli.main"
