"""The pages say what is true: links lead somewhere, and what they name exists."""

import re
import tomllib
from pathlib import Path

import pytest
import typer

from fullconv.checkpoints.registry import published
from fullconv.cli import app
from fullconv.models import available
from fullconv.models.registry import HEADS
from fullconv.training import keys, make_config, recipe_names
from fullconv.training.config.config_keys import flat
from fullconv.training.losses import KINDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
SECTIONS = {key.split(".")[0] for key in keys() if "." in key}


def pages(name):
    return pytest.mark.parametrize(name, PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def headings(text):
    """The anchors of a page, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pages("page")
def test_links_lead_to_files(page):
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = page if not place else page.parent / place
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in headings(target.read_text("utf-8")), f"{page.name}: {link}"


def test_every_page_is_reached_from_the_index():
    seen, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen or not page.is_file():
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)\s#]+\.md)", page.read_text("utf-8"))
        waiting += [page.parent / link for link in links if "://" not in link]
    assert {page.resolve() for page in (ROOT / "docs").rglob("*.md")} <= seen


def code(text):
    """What stands in code blocks and between single backticks."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", rest)])


@pages("page")
def test_commands_and_their_options_exist(page):
    commands = typer.main.get_command(app).commands
    for line in code(page.read_text("utf-8")).splitlines():
        called = re.match(r"^(?:\$ )?fullconv (?:COMMAND|([a-z]+))\b(.*)", line)
        if not called or not called[1]:
            continue
        assert called[1] in commands, f"{page.name}: {line}"
        known = {name for p in commands[called[1]].params for name in (*p.opts, *p.secondary_opts)}
        rest = called[2].split("#")[0].split(" | ")[0]
        for option in re.findall(r"(?<=\s)--[a-z0-9-]+", rest):
            assert option in {*known, "--help"}, f"{page.name}: {option} in {line}"


@pages("page")
def test_nets_recipes_and_keys_exist(page):
    text = code(page.read_text("utf-8"))
    wrong = re.findall(r"no (?:net|recipe) is called '([^']+)'", text)
    weights = re.findall(r"\b[a-z]+\d*s?(?:-\w+)*-(?:berkeley|torchvision|caffe|keras)\b", text)
    for name in weights:
        assert name in published(), f"{page.name}: weights {name}"
    short = [f"{name}-" for name in published()]  # a name of weights may be cut at a dash
    for name in re.findall(r"(?<!smp-)\bf[cp]n\d*s?(?:-atonce)?-(?!timm\.)[a-z]\w*\b", text):
        known = name in available() or name in (*HEADS, *wrong)
        known = known or f'BACKBONES["{name.partition("-")[2]}"]' in text  # an example adds it
        assert known or any(each.startswith(f"{name}-") for each in short), f"{page.name}: {name}"
    for name in re.findall(r"--recipe ([\w-]+)(?![\w./-])", text):
        assert name in recipe_names() or name == "NAME", f"{page.name}: recipe {name}"
    refused = re.findall(r"[:;] (\w+): no such key", text)
    for key in re.findall(r"(?:--set |^)([a-z_]+(?:\.[a-z_]+)+)(?==)", text, re.MULTILINE):
        is_term = key in {f"loss.{kind}" for kind in KINDS}
        named = key in keys() or key.split(".")[0] in refused or is_term
        assert named, f"{page.name}: key {key}"
    for key in re.findall(rf"^(?:{'|'.join(SECTIONS)})(?:\.[a-z_]+)+$", text, re.MULTILINE):
        if key == "data.yaml":  # a file of YOLO's
            continue
        assert key in keys(), f"{page.name}: key {key}"


def test_training_page_lists_every_key_with_its_default():
    text = (ROOT / "docs" / "training.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text, re.MULTILINE)
    table = {key: value for key, value in rows if key in set(keys())}
    assert list(table) == list(keys())
    of_kinds = {
        f"loss.{kind}.{option}": value
        for kind, term in KINDS.items()
        for option, value in term().model_dump().items()
    }
    config = of_kinds | flat(make_config("default"))
    for key, shown in table.items():
        value = config[key]
        value = list(value) if isinstance(value, tuple) else value
        shown = shown.strip("`")
        if shown == "none":
            assert value is None, key
        elif key == "recipe":
            assert value == shown
        else:
            assert tomllib.loads(f"x = {shown}")["x"] == value, key


def test_every_recipe_is_named_in_the_training_page():
    text = (ROOT / "docs" / "training.md").read_text("utf-8")
    assert all(name in text for name in recipe_names())


@pages("page")
def test_no_place_of_one_machine_is_named(page):
    assert not re.search(r"(?<![\w.])/(?:work|home|tmp|root|Users)/", page.read_text("utf-8"))
