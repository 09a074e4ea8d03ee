"""Where the real photos lie, for the tests that need them."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings

from fullconv.data.reading import file_stamps

settings.register_profile("fullconv", deadline=None)  # no test is timed: machines have other work
settings.load_profile("fullconv")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same random numbers in each run: a test that passes today passes tomorrow."""
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(scope="session", autouse=True)
def _own_stores(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What checks keep of the tests' files lies apart from what they keep of the user's."""
    folder, usual = tmp_path_factory.mktemp("stores"), file_stamps.cache_folder
    file_stamps.cache_folder = lambda: usual() if os.environ.get("FULLCONV_CACHE") else folder


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


@pytest.fixture(scope="session")
def timm() -> Any:
    """timm, or a skip that says that it is missing."""
    sys.path.append(str(Path(sys.prefix) / "timm"))  # where make puts it
    if importlib.util.find_spec("timm") is None or importlib.util.find_spec("torchvision") is None:
        pytest.skip("timm or torchvision is not installed (make sets them up)")
    _import_torchvision()
    import timm

    return timm


def _import_torchvision() -> None:
    """Import torchvision, which timm needs, also where its compiled part does not load.

    A torchvision that was built for CUDA describes two operators that are then not there beside a
    torch without CUDA; it imports once they are declared.
    """
    try:
        import torchvision
    except RuntimeError:
        for name in [each for each in sys.modules if each.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        boxes = "Tensor dets, Tensor scores, float iou_threshold"
        library.define(f"nms({boxes}) -> Tensor")
        library.define(f"qnms({boxes}) -> Tensor")
        DECLARED.append(library)
        import torchvision  # noqa: F401


DECLARED: list[torch.library.Library] = []
"""What is declared as long as the library that declares it lives."""
