"""The site of docs/: its nav, its reference, and that what other libraries' tables name is real."""

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
import yaml

import fullconv
from fullconv.cli import app
from fullconv.cli.options import change_of
from fullconv.training import make_config

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import reference_pages  # noqa: E402

COMMANDS = typer.main.get_command(app).commands
MADE = {"readme.md", "contributing.md", "changelog.md", "reference/cli.md", "reference/python.md"}


def test_the_nav_names_every_page_once():
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    named = re.findall(r"(\S+\.md)$", nav, re.MULTILINE)
    pages = {p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md")}
    assert len(named) == len(set(named))
    assert set(named) == pages | MADE
    assert yaml.safe_load(nav)  # a colon in a title would be YAML's


def test_the_reference_has_every_command_option_and_example():
    text = reference_pages.commands()
    for name, command in COMMANDS.items():
        section = text.partition(f"\n## fullconv {name}\n")[2].partition("\n## ")[0]
        assert f"fullconv {name}" in section.partition("Examples:")[2]
        for each in command.params:
            for option in (*each.opts, *each.secondary_opts):
                assert option in section or each.hidden, (name, option)
    assert "\b" not in text


def test_the_reference_has_every_public_name():
    text = reference_pages.python()
    for name in fullconv.__all__:
        assert name.startswith("_") or re.search(rf"^::: fullconv\.[\w.]+\.{name}$", text, re.M)


def test_links_that_leave_docs_are_turned_to_pages_of_the_site():
    pytest.importorskip("mkdocs", reason="the site's tools are not installed: make docs")
    import site_hooks

    assert site_hooks.turned("../CONTRIBUTING.md", "docs", "") == "contributing.md"
    assert site_hooks.turned("../import.md", "docs/ja", "ja") == "../import.md"
    assert site_hooks.turned("docs/nets.md", "", "") == "nets.md"
    assert site_hooks.turned("docs/pictures/demo.jpg", "", "") == "pictures/demo.jpg"


def here():
    """What the tables of docs/coming-from.md say to write here."""
    for row in (ROOT / "docs" / "coming-from.md").read_text("utf-8").splitlines():
        cells = re.split(r"(?<!\\)\|", row)
        if len(cells) == 4:
            yield from re.findall(r"`([^`]+)`", cells[2])


@pytest.mark.parametrize("line", [each for each in here() if each.startswith(("fullconv ", "--"))])
def test_what_is_written_here_is_understood(line, request):
    """The command's own parser takes the line; keys and values make a config."""
    if "-timm." in line:
        request.getfixturevalue("timm")
    name, *given = shlex.split(line.removeprefix("fullconv ")) if line[0] != "-" else ("train",)
    given = given or shlex.split(line) if line[0] == "-" else given
    context = COMMANDS[name].make_context(name, [*given])
    if name == "train":
        named = {
            "net": "net.name",
            "epochs": "schedule.epochs",
            "batch_size": "schedule.batch_size",
        }
        values = {key: context.params[p] for p, key in named.items() if context.params[p]}
        values |= dict(map(change_of, context.params["changes"] or ()))
        make_config(context.params["recipe"] or "default", values)


@pytest.mark.parametrize("line", [each for each in here() if each.startswith("fullconv.")])
def test_the_python_that_is_written_here_exists(line):
    called = [node.func for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call)]
    for each in called:
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            assert each.attr in fullconv.__all__
