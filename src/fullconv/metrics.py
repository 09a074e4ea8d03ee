"""One confusion matrix over a whole data set -> the four scores of the FCN paper, per class too.

Notation of the paper (section 5): n_ij pixels of class i predicted as class j, t_i = sum_j n_ij.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch

Matrix = npt.NDArray[np.int64]
"""Confusion matrix, int64 (K, K): rows are the truth, columns the prediction."""


@overload
def confusion(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], classes: int, ignore: int
) -> Matrix: ...
@overload
def confusion(
    truth: torch.Tensor, prediction: torch.Tensor, classes: int, ignore: int
) -> torch.Tensor: ...
def confusion(truth: Any, prediction: Any, classes: int, ignore: int) -> Any:
    """Count the pixels of each pair (true class, predicted class), int64 (K, K).

    ``truth`` and ``prediction`` are class indices of one shape, both arrays or both tensors; the
    counts of tensors stay on their device. Pixels whose truth is ``ignore`` are left out.
    Raises ValueError for two shapes that differ or a value that is no class.
    """
    if truth.shape != prediction.shape:
        raise ValueError(
            f"truth has shape {tuple(truth.shape)}, prediction {tuple(prediction.shape)}"
        )
    counted = truth != ignore
    if isinstance(truth, torch.Tensor):
        true, predicted = truth[counted].long(), prediction[counted].long()
        _check_range(true, predicted, classes)
        return torch.bincount(true * classes + predicted, minlength=classes**2).view(classes, -1)
    true, predicted = truth[counted].astype(np.int64), prediction[counted]
    _check_range(true, predicted, classes)
    counts = np.bincount(true * classes + predicted, minlength=classes**2)
    return counts.astype(np.int64, copy=False).reshape(classes, classes)


def _check_range(true: Any, predicted: Any, classes: int) -> None:
    for what, values in (("truth", true), ("prediction", predicted)):
        if len(values) and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(
                f"{what} holds the values {int(values.min())} to {int(values.max())}; "
                f"the {classes} classes are 0 to {classes - 1}"
            )


@dataclass(frozen=True, eq=False)
class Scores:
    """The four scores (0..1), and what they are made of.

    ``iu`` and ``accuracy`` hold one value a class, float64 (K,); ``pixels`` is t_i. A class that is
    neither in the truth nor in the prediction has the IU nan and leaves the mean; a class that is
    not in the truth has the accuracy nan (0/0) and leaves the mean. Without any counted pixel all
    scores are nan.
    """

    pixel_accuracy: float
    mean_accuracy: float
    mean_iu: float
    fw_iu: float
    iu: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    pixels: npt.NDArray[np.int64]
    confusion: Matrix
    names: tuple[str, ...]

    @classmethod
    def from_confusion(
        cls, matrix: Matrix | torch.Tensor, names: Sequence[str] | None = None
    ) -> "Scores":
        """Scores of ``matrix`` (K, K) as ``confusion`` counts it; ``names`` default to 0..K-1."""
        n = matrix.cpu().numpy() if isinstance(matrix, torch.Tensor) else np.asarray(matrix)
        hits, true, predicted = np.diag(n), n.sum(1), n.sum(0)
        iu = _ratio(hits, true + predicted - hits)
        accuracy = _ratio(hits, true)
        total = n.sum()
        return cls(
            pixel_accuracy=float(_ratio(hits.sum(), total)),
            mean_accuracy=_mean(accuracy),
            mean_iu=_mean(iu),
            fw_iu=float(_ratio(np.sum(true * np.nan_to_num(iu)), total)),
            iu=iu,
            accuracy=accuracy,
            pixels=true,
            confusion=n.astype(np.int64, copy=False),
            names=tuple(names) if names is not None else tuple(str(i) for i in range(len(n))),
        )

    def of(self, classes: slice) -> "Scores":
        """Those of some of the classes alone: the ones of one output of several."""
        return Scores.from_confusion(self.confusion[classes, classes], self.names[classes])

    def summary(self) -> dict[str, float]:
        """The four scores alone, as pixel_accuracy, mean_accuracy, mean_iu, fw_iu."""
        return {key: getattr(self, key) for key in SUMMARY}

    def to_dict(self) -> dict[str, Any]:
        """As JSON types (nan becomes None); ``from_dict`` reads it back."""
        rows = zip(self.names, self.iu, self.accuracy, self.pixels, strict=True)
        return {
            **{key: _plain(value) for key, value in self.summary().items()},
            "averaged": "over the classes, from one confusion matrix of the whole data set",
            "classes": [
                {"name": name, "iu": _plain(iu), "accuracy": _plain(acc), "pixels": int(pixels)}
                for name, iu, acc, pixels in rows
            ],
            "confusion": self.confusion.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Scores":
        """The Scores whose ``to_dict`` this is; KeyError or ValueError for anything else."""
        names = [row["name"] for row in content["classes"]]
        matrix = np.array(content["confusion"], np.int64).reshape(len(names), len(names))
        return cls.from_confusion(matrix, names)


SUMMARY = ("pixel_accuracy", "mean_accuracy", "mean_iu", "fw_iu")


def percent(value: float) -> str:
    """How a score is printed: '62.7', and '-' for nan."""
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def _ratio(part: Any, whole: Any) -> npt.NDArray[np.float64]:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean(values: npt.NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
