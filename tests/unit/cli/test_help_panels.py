"""The help in parts: nothing is left out of it, and what beginners need comes first."""

import re

from typer.testing import CliRunner

from fullconv.cli import app


def help_of(*command):
    result = CliRunner().invoke(app, [*command, "--help"], terminal_width=100)
    assert result.exit_code == 0
    sections = re.split(r"^(\S.*):$", result.output, flags=re.MULTILINE)
    return {
        name: re.findall(r"^  (--?[a-z-]+|[a-z]+) ", text, re.MULTILINE)
        for name, text in zip(sections[1::2], sections[2::2], strict=True)
    }


def test_every_command_stands_in_one_panel_and_a_beginners_five_first():
    parts = help_of()
    del parts["Options"]
    parts = {name: entries for name, entries in parts.items() if name[0].isupper()}
    assert list(parts) == ["Start here", "Data", "Using a run", "Nets and weights"]
    assert parts["Start here"] == ["check", "train", "evaluate", "predict", "export"]
    shown = [command for commands in parts.values() for command in commands]
    registered = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]
    assert sorted(shown) == sorted(registered)


def test_training_shows_what_most_people_need_before_the_rest():
    parts = help_of("train")
    assert set(parts["Options"]) >= {"--out", "--net", "--epochs", "--time", "--lr", "--resume"}
    assert len(parts["Options"]) <= 13
    assert {"--seed", "--stages", "--overwrite"} <= set(parts["More options"])
