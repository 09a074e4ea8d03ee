"""What costs nothing to refuse is refused before torch is loaded."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from fullconv.cli import main
try:
    main()
finally:
    print("torch" in sys.modules)
"""


def refused(*arguments):
    """What the command says, once it has ended with code 2 and without torch."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "train", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == "False\n"
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("options", [(), ("--net", "fcn8s-resnet18", "--steps", "5")])
def test_a_folder_that_holds_a_run(tmp_path, options):
    (tmp_path / "config.toml").write_text("")
    assert "[FC-TRAIN-004]" in refused("shapes", "--out", tmp_path, *options)


def test_weights_that_are_not_there(tmp_path):
    line = refused("shapes", "--weights", tmp_path / "none", "--out", tmp_path / "run")
    assert str(tmp_path / "none") in line
    assert "[FC-FILE-003]" in line


def test_a_recipe_that_there_is_not(tmp_path):
    assert "defalt" in refused("shapes", "--recipe", "defalt", "--out", tmp_path / "run")
    assert "mine.toml" in refused("shapes", "--recipe", tmp_path / "mine.toml")
