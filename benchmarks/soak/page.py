"""docs/reliability.md, from the counts that the parts have left."""

from pathlib import Path

from soak.tally import RESULTS, Tally, load

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
HEAD = """\
# Reliability

What is left when a command is killed, when a file is damaged, and when a service is used hard:
counted by `make soak`, which writes this page. It takes hours and is not part of `make test`; some
of it, or fewer rounds:

```
make soak SOAK='--only training,kills --kills 20'
make soak SOAK='--only mutations --mutations 200 --readers photo-png,import-coco'
make soak SOAK='--only service --requests 2000'
```

The commands run in processes of their own; a kill is a SIGKILL, which no program can handle. Below
each table stands what was counted, when and where: the counts are of that one run.
"""
TITLES = {
    "training": (
        "A killed training",
        "A training is killed at random moments and resumed, until it ends. A run is *unreadable* "
        "when its checkpoint, its report or its state cannot be read after a kill.",
    ),
    "kills": (
        "Other killed commands",
        "After each kill every result that is there is compared with that of an undisturbed run; "
        "then the same command is typed again. A *half that looks whole* is a file under its final "
        "name with other content.",
    ),
    "mutations": (
        "Damaged files",
        "Files of every kind that the package reads, damaged at random: bits, bytes and ranges "
        "changed, removed, repeated and cut, extreme numbers put into fields, hostile text and "
        "pickles put in, also inside archives. A refusal is the package's own error, of one line.",
    ),
    "service": (
        "The service",
        "Eight clients send photos at once, while others misbehave. Each class map is compared "
        "with the one that Python gives for the photo.",
    ),
}


def write(path: Path = PAGE, results: Path = RESULTS) -> None:
    """Write the page from what parts have saved in ``results``."""
    tallies = {part: tally for part in TITLES if (tally := load(part, results))}
    sections = [_section(part, tally) for part, tally in tallies.items()]
    path.write_text("\n".join([HEAD, *sections]), "utf-8")


def _section(part: str, tally: Tally) -> str:
    title, about = TITLES[part]
    command = f"`{tally.command}`, fullconv {tally.version}, {tally.seconds / 60:.1f} minutes; "
    notes = [*tally.notes, f"{command}{tally.machine}."]
    faults = [f"Fault: {line}" for line in tally.findings]
    lines = "\n".join(f"- {_plain(note)}" for note in (*notes, *faults))
    return f"## {title}\n\n{about}\n\n{_table(tally)}\n\n{lines}\n"


def _table(tally: Tally) -> str:
    head = ["", *tally.columns]
    rows = [[name, *(_cell(cells[c]) for c in tally.columns)] for name, cells in tally.rows.items()]
    if len(rows) > 1:
        total = (_cell(tally.total(column)) for column in tally.columns)
        rows.append(["all", *total])
    rule = ["---", *["---:"] * len(tally.columns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(text: str) -> str:
    return " ".join(text.split())
