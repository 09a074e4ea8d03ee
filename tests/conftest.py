"""Where the real photos lie, for the tests that need them."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

settings.register_profile("fullconv", deadline=None)  # no test is timed: machines have other work
settings.load_profile("fullconv")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same random numbers in each run: a test that passes today passes tomorrow."""
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """``shared_data("camvid")`` is the folder of that data set, or a skip that says why."""
    base = Path(os.environ.get("FULLCONV_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        folder = base / name
        if not folder.is_dir():
            pytest.skip(f"real photos {name!r} are not at {base} (set FULLCONV_DATA)")
        return folder

    return find
