"""Ctrl-C while the command is still being loaded."""

import subprocess
import sys

PROGRAM = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "fullconv.cli.commands.export":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from fullconv.__main__ import main
main()
"""


def test_ctrl_c_while_commands_are_loaded_is_one_line():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "nets"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr == "fullconv: stopped by Ctrl-C\n"
    assert done.stdout == ""


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "fullconv", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith("fullconv ")
