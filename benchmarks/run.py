"""Runs the benchmarks and writes docs/benchmarks.md from what they found.

    python benchmarks/run.py                             # all of them: `make bench`
    python benchmarks/run.py --only prediction,training  # the other tables stay as they are
    python benchmarks/run.py --run RUN --data DATA       # and what a trained net loses
    python benchmarks/run.py --page                      # the page anew, nothing is measured

What a script found is kept in results/NAME.json, whole or not at all; the page is made from these.
"""

import argparse
import ast
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fullconv.files.atomic import write_atomically
from machine import machine
from result import Result

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "benchmarks.md"
INTRO = """# Benchmarks

Speed, memory and agreement of fullconv compared with other FCN programs: prediction, training,
int8, tiles, rasters, data loading. To measure the engines on your own net, photo and machine, use
`fullconv benchmark RUN PHOTO` ([Engines](predict.md#which-engine-is-fastest)).

`make bench` writes this page (`make bench ONLY=prediction,training`: only these tables). Whatever
is compared runs in turn, each in a process of its own, in several rounds; the figures are medians.
Compare the ratios: seconds depend on the machine and on its load.
"""


@dataclass(frozen=True)
class Script:
    """A benchmark. ``tables``: it writes its result by --json; else what it prints is kept.

    ``trained``: it takes --run and --data, a trained net and its data; ``on_data``: it needs data,
    named by itself.
    """

    name: str
    heading: str
    tables: bool = False
    trained: bool = False
    on_data: bool = False
    on_gpu: bool = False
    options: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        """The script itself; not all are in every version."""
        return HERE / f"{self.name}.py"

    @property
    def result(self) -> Path:
        """What it found."""
        return RESULTS / f"{self.name}.json"


SCRIPTS = (
    Script("prediction", "Prediction on a CPU", tables=True, trained=True),
    Script("int8", "Prediction in int8", tables=True, trained=True),
    Script("border", "The padding of the original"),
    Script(
        "folder", "A folder of photos", options=("--rounds", "1", "--engine", "winograd")
    ),  # 200 photos, twice
    Script("training", "A training step", tables=True),
    Script("convolutions", "Convolutions in training"),
    Script("loss", "Head and loss"),
    Script("memory", "Memory of a training"),
    Script("loading", "Loading data", on_data=True),
    Script("shards", "Loading data from shards behind a network", on_data=True),
    Script("many_photos", "A training on 100,000 photos", tables=True),
    Script("breakdown", "Where the time goes", tables=True),
    Script("tiling", "A large photo in pieces"),
    Script("raster", "A raster of any size"),
    Script("gpu", "On a GPU", on_gpu=True),
)


def main() -> None:
    """Run what is asked for, keep what was found, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="names of scripts, as prediction,training")
    parser.add_argument("--run", help="a trained run, for the scripts that take one")
    parser.add_argument("--data", help="the data of that run, and what is loaded")
    parser.add_argument("--page", action="store_true", help="only write the page")
    given = parser.parse_args()
    failed = []
    for script in [] if given.page else chosen(given.only, given.data):
        print(f"== {script.name}", file=sys.stderr, flush=True)
        try:
            keep(script, measured(script, given.run, given.data))
        except subprocess.CalledProcessError as error:
            failed.append(script.name)
            print(f"{script.name} failed ({error.returncode}); its old table stays")
    write_atomically(PAGE, page(SCRIPTS))
    print(f"written to {PAGE.relative_to(HERE.parent)}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def chosen(only: str | None, data: str | None) -> list[Script]:
    """The scripts that are there and meant; those of a GPU, or of data, where there is one."""
    names = only.split(",") if only else [script.name for script in SCRIPTS]
    if unknown := set(names) - {script.name for script in SCRIPTS}:
        known = ", ".join(script.name for script in SCRIPTS)
        sys.exit(f"no benchmark is called {', '.join(sorted(unknown))}: use {known}")
    lacking = {s.name for s in SCRIPTS if s.on_gpu and not torch.cuda.is_available()}
    lacking |= {s.name for s in SCRIPTS if s.on_data and not data}
    return [s for s in SCRIPTS if s.name in set(names) - lacking and s.file.exists()]


def measured(script: Script, run: str | None, data: str | None) -> dict[str, Any]:
    """What is kept of a script: its command, and its tables or what it printed."""
    own: list[str] = []
    places = ""
    if script.trained and run and data:
        own, places = ["--run", run, "--data", data], " --run RUN --data DATA"
    elif script.on_data and data:
        own, places = [data], " DATA"
    command = " ".join([f"python benchmarks/{script.name}.py", *script.options]) + places
    call = [sys.executable, str(script.file), *script.options, *own]
    if not script.tables:
        done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
        return {"command": command, "text": done.stdout, "machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        subprocess.run([*call, "--json", str(path)], check=True)
        return {"command": command, **json.loads(path.read_text())}


def keep(script: Script, found: dict[str, Any]) -> None:
    """Write it to the results."""
    write_atomically(script.result, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def page(scripts: Sequence[Script]) -> str:
    """The page of all results there are."""
    sections = [section(script) for script in scripts if script.result.exists()]
    return "\n".join([INTRO, *(sections or ["Nothing has been measured yet.\n"])])


def section(script: Script) -> str:
    """A heading, the command, what the script says of itself, what it found."""
    found = json.loads(script.result.read_text())
    if "tables" in found:
        body = Result.of(found).markdown()
    else:
        body = "\n".join(shown(found["text"])) + f"\n- Machine: {found['machine']}.\n"
    return f"## {script.heading}\n\n```\n{found['command']}\n```\n\n{about(script.file)}\n\n{body}"


def about(script: Path) -> str:
    """The sentences of a script's docstring, without its commands."""
    text = ast.get_docstring(ast.parse(script.read_text())) or ""
    return "\n\n".join(part for part in text.split("\n\n") if not part.startswith("    "))


def shown(text: str) -> Iterator[str]:
    """Printed lines as Markdown: tables as they are, everything else as it stands."""
    lines = text.rstrip().splitlines()
    for is_table, group in itertools.groupby(lines, lambda line: line.startswith("|")):
        block = "\n".join(group)
        yield f"{block}\n" if is_table else f"```\n{block}\n```\n"


if __name__ == "__main__":
    main()
