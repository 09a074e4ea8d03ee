"""Files of every kind that is read, damaged at random: refused, or read; never more."""

import random
import shutil
from collections import Counter
from pathlib import Path

from soak.limits import CASES, MEMORY, SECONDS, outcomes
from soak.mutate import mutated
from soak.readers import Reader, readers
from soak.scenes import Scenes
from soak.tally import Tally

COLUMNS = ["files", "refused", "read", "tracebacks", "hangs", "deaths", "code run"]
_COLUMN = {"refused": "refused", "read": "read", "traceback": "tracebacks", "hang": "hangs",
           "died": "deaths", "ran code": "code run"}  # fmt: skip


def mutate(scenes: Scenes, count: int, seed: int, names: list[str] | None, findings: Path) -> Tally:
    """``count`` damaged files for each reader, or for those called ``names``."""
    tally = Tally("mutations", COLUMNS)
    place = scenes.scratch("mutations")
    known = readers(scenes, place)
    for name in names or list(known):
        _damage(known[name], count, seed, tally, findings.absolute())
    tally.notes.append(
        f"Read in child processes, at most {CASES} files each, with {MEMORY >> 30} GiB of address "
        f"space more than at their start and {SECONDS} s of the processor a file. 'Code run' also "
        "counts connections, and files written anywhere but in the folder of the child."
    )
    shutil.rmtree(place)
    return tally


def _damage(reader: Reader, count: int, seed: int, tally: Tally, findings: Path) -> None:
    whole = {path: path.read_bytes() for path in reader.files}
    # What is not damaged must be read: in a child, as threads that it starts would not be forked.
    whole_one = list(outcomes(lambda number: None, reader.read, 1, reader.folder))
    if whole_one[0][1] != "read":
        raise RuntimeError(f"{reader.name}: the whole file: {whole_one[0][1:]}")
    kinds: Counter[str] = Counter()

    def prepare(number: int) -> None:
        chance = random.Random(f"{seed} {reader.name} {number}")
        chosen = chance.choice(reader.files)
        for path, content in whole.items():
            path.write_bytes(mutated(content, chance) if path == chosen else content)

    for number, outcome, what in outcomes(prepare, reader.read, count, reader.folder):
        tally.count(reader.name, "files")
        tally.count(reader.name, _COLUMN[outcome])
        if outcome in ("read", "refused"):
            continue
        kinds[f"{outcome}: {what}"] += 1
        if kinds[f"{outcome}: {what}"] <= 2:
            tally.find(reader.name, f"file {number}, {outcome}: {what}")
            _keep(prepare, reader, number, findings)
    for path, content in whole.items():
        path.write_bytes(content)


def _keep(prepare, reader: Reader, number: int, findings: Path) -> None:
    """Copy the file that broke the reader."""
    prepare(number)
    target = findings / f"{reader.name}-{number}"
    target.mkdir(parents=True, exist_ok=True)
    for path in reader.files:
        shutil.copy(path, target / path.name)
