"""Mean IU as this project counts it, for the venvs of the peers: NumPy alone."""

import numpy as np


def confusion(truth, prediction, classes, ignore=255):
    """int64 (K, K), rows the truth; pixels whose truth is ``ignore`` are left out."""
    counted = truth != ignore
    pairs = truth[counted].astype(np.int64) * classes + prediction[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def mean_iu(matrix):
    """0..1; a class neither in the truth nor in the prediction leaves the mean."""
    hits = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - hits
    return float((hits[union > 0] / union[union > 0]).mean())
