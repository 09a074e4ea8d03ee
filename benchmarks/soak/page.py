"""docs/reliability.md, from the counts that the parts have left."""

from pathlib import Path

from soak.tally import RESULTS, Counts, Run, load

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
HEAD = """\
# Reliability

What is left when a command is killed, when a file is damaged, and when a service is used hard:
counted by `make soak`, which writes this page. It takes hours and is not part of `make test`; some
of it, or fewer rounds:

```
make soak SOAK='--only training,kills --kills 20'
make soak SOAK='--only kills --kills 20 --jobs import,export'
make soak SOAK='--only mutations --mutations 200 --readers photo-png,import-coco'
make soak SOAK='--only service --requests 2000'
```

The commands run in processes of their own; a kill is a SIGKILL, which no program can handle. Below
each table stands which command counted which rows, with which version, and where.
"""
TITLES = {
    "training": (
        "A killed training",
        "A training is killed at random moments and resumed, until it ends. A run is *unreadable* "
        "when its checkpoint, its report or its state cannot be read after a kill.",
    ),
    "processes": (
        "A training that loses one of its processes",
        "One of the processes is killed at a random moment, or the command gets a SIGTERM; the "
        "others have to end, with one line that says how to resume. Then the run is resumed, until "
        "it ends ([Several processes](scaling.md#when-a-process-dies)).",
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
    parts = {part: counts for part in TITLES if (counts := load(part, results))}
    sections = [_section(part, counts) for part, counts in parts.items()]
    path.write_text("\n".join([HEAD, *sections]), "utf-8")


def _section(part: str, counts: Counts) -> str:
    title, about = TITLES[part]
    runs = [_run(run, counts) for run in counts.runs]
    faults = [f"Fault, {row}: {line}" for row in counts.findings for line in counts.findings[row]]
    lines = "\n".join(f"- {_plain(note)}" for note in (*counts.notes, *runs, *faults))
    return f"## {title}\n\n{about}\n\n{_table(counts)}\n\n{lines}\n"


def _run(run: Run, counts: Counts) -> str:
    rows = "" if len(run.rows) == len(counts.rows) else f"{', '.join(run.rows)}: "
    minutes = f"{run.seconds / 60:.1f} minutes"
    return f"{rows}`{run.command}`, fullconv {run.version}, {minutes}; {run.machine}."


def _table(counts: Counts) -> str:
    head = ["", *counts.columns]
    rows = [
        [name, *(_cell(cells[c]) for c in counts.columns)] for name, cells in counts.rows.items()
    ]
    if len(rows) > 1:
        total = (_cell(counts.total(column)) for column in counts.columns)
        rows.append(["all", *total])
    rule = ["---", *["---:"] * len(counts.columns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(text: str) -> str:
    return " ".join(text.split())
