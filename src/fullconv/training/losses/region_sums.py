"""Region losses (Dice, Jaccard) of a photo that is seen band by band.

Such a loss (`losses.RegionLoss`) is no sum over pixels, but a function of three sums for each
class. Once they are known for the whole photo, so is how much the loss falls with each, and the
gradient of a pixel needs no other pixel. So the bands are gone through twice: once to sum, once for
the gradient.

Letters: K classes; R and W height and width of a band.
"""

import torch
from torch import Tensor

from fullconv.training.losses import RegionLoss


class RegionSums:
    """Sums over the labelled pixels of a photo, float64 (K,) each.

    ``mass`` of the softmax p, ``truth`` of the one-hot labels y, ``both`` of p y.
    """

    def __init__(self, classes: int, device: torch.device) -> None:
        self.mass, self.truth, self.both = torch.zeros(
            3, classes, dtype=torch.float64, device=device
        )

    def add(self, shares: Tensor, labels: Tensor, labelled: Tensor) -> None:
        """A band's softmax K,R,W, 0 where ``labelled`` R,W is 0; ``labels`` R,W."""
        where = labels.flatten()
        right = shares.gather(0, labels[None]).flatten()
        self.mass += shares.sum((1, 2))
        self.truth.scatter_add_(0, where, labelled.flatten().double())
        self.both.scatter_add_(0, where, right.double())

    def loss(self, loss: RegionLoss) -> Tensor:
        """The loss of the photo: mean over the classes that are shown."""
        return (self._weight() * loss.of_classes(self.mass, self.truth, self.both)).sum()

    def slopes(self, loss: RegionLoss, factor: Tensor) -> tuple[Tensor, Tensor]:
        """The derivative of ``factor`` times the loss by ``mass`` and by ``both``: (K,) each."""
        return loss.slopes(self.mass, self.truth, self.both, self._weight() * factor)

    def _weight(self) -> Tensor:
        """The loss of each class in the mean."""
        shown = self.truth > 0
        return shown.double() / shown.sum().clamp(min=1)


def to_gradient(
    shares: Tensor, labels: Tensor, weights: Tensor, slopes: tuple[Tensor, Tensor]
) -> None:
    """Turn a band's softmax K,R,W into the gradient towards the logits.

    Of the cross-entropy, weighed by ``weights`` R,W (0 where not labelled, as are the shares), and
    of the region loss. With a and b the slopes and y the label, the derivative by p_k is a_k, and
    b_y more where k = y; that by logit k is p_k (it - sum_j p_j it_j).
    """
    mass, both = (slope.to(shares.dtype) for slope in slopes)
    right = both[labels] * shares.gather(0, labels[None])[0]  # R,W
    mean = torch.tensordot(mass, shares, 1) + right  # R,W
    shares.mul_((weights - mean) + mass[:, None, None])
    shares.scatter_add_(0, labels[None], (right - weights)[None])
