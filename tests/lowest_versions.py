"""The lowest versions that pyproject.toml allows, as constraints for pip: what `make lowest` installs.

    python tests/lowest_versions.py > lowest.txt

Torch stays as constraints.txt pins it: of older ones pip finds only builds with CUDA.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTED = ("hub", "convert", "large", "serve", "export")
PINNED = {"torch"}


def lowest() -> list[str]:
    """``name==version`` of the core and of the extras that the tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for name in TESTED for line in extras[name])]
    bounds = dict(re.fullmatch(r"([\w-]+)>=([\w.]+)", line).groups() for line in wanted)
    return [f"{name}=={version}" for name, version in bounds.items() if name not in PINNED]


if __name__ == "__main__":
    print("\n".join([*(ROOT / "constraints.txt").read_text("utf-8").splitlines(), *lowest()]))
