"""Label files of SIFT Flow as Tighe and Lazebnik publish them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from fullconv.classes.lists import class_list
from fullconv.data.layouts.datasets.sift_flow import FOLDER

SEMANTIC = class_list("sift-flow").names
GEOMETRIC = ("sky", "horizontal", "vertical")


def write_labels(root: Path, kind: str, name: str, array, names: Sequence[str] = ()) -> None:
    """``root/KIND/.../NAME.mat``: the label map S, and the names as a column of cells."""
    file = root / kind / FOLDER / f"{name}.mat"
    file.parent.mkdir(parents=True, exist_ok=True)
    cells = np.array([[entry] for entry in names], object)
    content = {"S": np.asarray(array, np.float64)} | ({"names": cells} if names else {})
    savemat(file, content, do_compression=True)
