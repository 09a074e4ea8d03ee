"""The confusion matrix of true and predicted classes, and the three counts of each class in it."""

from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Matrix = npt.NDArray[np.int64]
"""Confusion matrix, int64 (K, K): rows are the truth, columns the prediction."""
Counts = npt.NDArray[Any]
"""Pixels (..., 3, K), whole numbers: right, true and predicted ones of each class.

They are the diagonal and the two margins of a confusion matrix, so they are added as it is, and a
thousand photos of a thousand classes are still a small array.
"""


@overload
def confusion(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], classes: int, ignore: int
) -> Matrix: ...
@overload
def confusion(
    truth: "torch.Tensor", prediction: "torch.Tensor", classes: int, ignore: int
) -> "torch.Tensor": ...
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
    if not isinstance(truth, np.ndarray):
        return _of_tensors(truth[counted].long(), prediction[counted].long(), classes)
    true, predicted = truth[counted].astype(np.int64), prediction[counted]
    _check_range(true, predicted, classes)
    counts = np.bincount(true * classes + predicted, minlength=classes**2)
    return counts.astype(np.int64, copy=False).reshape(classes, classes)


def _of_tensors(true: "torch.Tensor", predicted: "torch.Tensor", classes: int) -> "torch.Tensor":
    import torch  # which the commands that only count need not load

    _check_range(true, predicted, classes)
    return torch.bincount(true * classes + predicted, minlength=classes**2).view(classes, -1)


def _check_range(true: Any, predicted: Any, classes: int) -> None:
    for what, values in (("truth", true), ("prediction", predicted)):
        if len(values) and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(
                f"{what} holds the values {int(values.min())} to {int(values.max())}; "
                f"the {classes} classes are 0 to {classes - 1}"
            )


def counts_of(matrix: npt.NDArray[Any]) -> Counts:
    """The counts (3, K) of a confusion matrix (K, K), rows the truth."""
    return np.stack([np.diag(matrix), matrix.sum(1), matrix.sum(0)])
