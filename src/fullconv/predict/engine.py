"""The net behind a prediction: a photo in, scores or classes out, both of the photo's size."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fullconv.device import Precision, is_out_of_memory, pick_device, pick_precision
from fullconv.errors import UserError
from fullconv.nets import FCN, Preprocessing

if TYPE_CHECKING:
    from fullconv.weights import Checkpoint

Image = npt.NDArray[np.uint8]
"""uint8 RGB, (H, W, 3)."""


class Engine(Protocol):
    """Whatever runs a net: torch here."""

    @property
    def channels(self) -> int:
        """How many classes are scored."""
        ...

    def class_map(self, image: Image) -> npt.NDArray[np.uint8 | np.uint16]:
        """The best class of each pixel, (H, W); uint8, uint16 with more than 256 classes."""
        ...

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """Scores before any softmax, float32 (K, H, W)."""
        ...


class TorchEngine:
    """Runs an FCN by torch, one photo at a time, at the photo's own size.

    ``source`` is a Checkpoint or ``(net, preprocessing)``. ``device`` is 'auto' (a GPU if there is
    one), 'cpu', 'cuda', 'cuda:1', 'mps'; ``precision`` as `fullconv.device.Precision`. The net is
    moved to the device and put in evaluation mode, not copied: a training that shares it calls
    ``net.train()`` afterwards.
    """

    def __init__(
        self,
        source: "Checkpoint | tuple[FCN, Preprocessing]",
        device: str | torch.device = "auto",
        precision: Precision = "fp32",
    ) -> None:
        net, self.preprocessing = (
            source if isinstance(source, tuple) else (source.net, source.preprocessing)
        )
        self.device = pick_device(device)
        self.precision = pick_precision(precision, self.device)
        self.net = net.to(self.device, memory_format=torch.channels_last)  # pyright: ignore

    @property
    def channels(self) -> int:
        """How many classes the net scores."""
        return self.net.spec.classes

    def class_map(self, image: Image) -> npt.NDArray[np.uint8 | np.uint16]:
        """The class of the highest score at each pixel of ``image``, (H, W).

        uint8, uint16 with more than 256 classes. Raises UserError when the memory does not suffice.
        """
        with self._running(image):
            best = self._forward(image).argmax(1)[0]  # H,W
            if self.channels <= 256:
                return best.to(torch.uint8).cpu().numpy()
            return best.to(torch.int32).cpu().numpy().astype(np.uint16)

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """Scores of ``image`` before any softmax, float32 (K, H, W)."""
        with self._running(image):
            return self._forward(image)[0].float().cpu().contiguous().numpy()

    def _forward(self, image: Image) -> Tensor:
        pixels = torch.from_numpy(np.require(image, requirements=["C", "W"]))[None].to(
            self.device
        )  # 1,H,W,3
        inputs = self.preprocessing(pixels).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.net(inputs)  # 1,K,H,W

    @contextmanager
    def _running(self, image: Image) -> Iterator[None]:
        check_image(image)
        if self.net.training:
            self.net.eval()
        try:
            with torch.inference_mode():
                yield
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            height, width = image.shape[:2]
            raise UserError(
                f"a photo of {width}x{height} needs more memory than {self.device} has: "
                "make it smaller, use precision bf16, or another device"
            ) from error


def check_image(image: Image) -> None:
    """Raise UserError unless ``image`` is uint8 (H, W, 3) with at least one pixel."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise UserError(
            f"an image is a uint8 array (H, W, 3) in RGB, not {image.dtype} {image.shape}"
        )
