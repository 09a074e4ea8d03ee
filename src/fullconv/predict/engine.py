"""The net behind a prediction: a photo in, scores or classes out, both of the photo's size."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fullconv.classes import ClassSet
from fullconv.device import Precision, is_out_of_memory, pick_device, pick_precision
from fullconv.errors import UserError
from fullconv.nets import FCN, Preprocessing

if TYPE_CHECKING:
    from fullconv.weights import Checkpoint

Image = npt.NDArray[Any]
"""uint8 RGB, (H, W, 3); of a net with further inputs (H, W, channels), as in a Sample."""
Classes = npt.NDArray[np.uint8 | np.uint16]
"""The class of each pixel, (H, W); of a net with several outputs (H, W, outputs)."""


class Engine(Protocol):
    """Whatever runs a net: torch here, ONNX Runtime and OpenVINO in the files beside."""

    @property
    def channels(self) -> int:
        """How many classes are scored."""
        ...

    def class_map(self, image: Image) -> Classes:
        """The best class of each pixel; uint8, uint16 with more than 256 classes."""
        ...

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """Scores before any softmax, float32 (K, H, W)."""
        ...


class TorchEngine:
    """Runs an FCN by torch, one photo at a time, at the photo's own size.

    ``source`` is a Checkpoint or ``(net, preprocessing)``, then with the
    ``classes`` where the net has several outputs. ``device`` is 'auto' (a GPU if there is
    one), 'cpu', 'cuda', 'cuda:1', 'mps'; ``precision`` as `fullconv.device.Precision`. The net is
    moved to the device and put in evaluation mode, not copied: a training that shares it calls
    ``net.train()`` afterwards.
    """

    def __init__(
        self,
        source: "Checkpoint | tuple[FCN, Preprocessing]",
        device: str | torch.device = "auto",
        precision: Precision = "fp32",
        classes: ClassSet | None = None,
    ) -> None:
        if isinstance(source, tuple):
            net, self.preprocessing = source
        else:
            net, self.preprocessing, classes = source.net, source.preprocessing, source.classes
        self.outputs = parts_of(classes) if classes else [slice(0, None)]
        self.device = pick_device(device)
        self.precision = pick_precision(precision, self.device)
        self.net = net.to(self.device, memory_format=torch.channels_last)  # pyright: ignore

    @property
    def channels(self) -> int:
        """How many classes the net scores."""
        return self.net.spec.classes

    def class_map(self, image: Image) -> Classes:
        """The class of the highest score at each pixel of ``image``, for each output.

        uint8, uint16 with more than 256 classes. Raises UserError when the memory does not suffice.
        """
        return self.class_maps(image[None])[0]

    def class_maps(self, images: Image) -> list[Classes]:
        """As ``class_map``, of photos of one size (N, H, W, 3) by one pass of the net."""
        with self._running(images[0]):
            return [best_classes(scores, self.outputs) for scores in self._together(images)]

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """Scores of ``image`` before any softmax, float32 (K, H, W)."""
        with self._running(image):
            return self._forward(image)[0].float().cpu().contiguous().numpy()

    def _forward(self, image: Image) -> Tensor:
        return self._together(image[None])  # 1,K,H,W

    def _together(self, images: Image) -> Tensor:
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(
            self.device
        )  # N,H,W,3
        inputs = self.preprocessing(pixels).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.net(inputs)  # N,K,H,W

    @contextmanager
    def _running(self, image: Image) -> Iterator[None]:
        check_image(image, self.net.spec.in_channels)
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
                "predict it in pieces (--tile auto, or a smaller --tile), make it smaller, use "
                "precision bf16, or another device"
            ) from error


def parts_of(classes: ClassSet) -> list[slice]:
    """The score channels of each output."""
    return [output.channels for output in classes.outputs]


def best_classes(scores: Tensor, outputs: list[slice]) -> Classes:
    """The class of the highest score at each pixel of K,H,W, for each output: (H, W) or one more.

    uint8, uint16 with more than 256 classes.
    """
    best = torch.stack([scores[part].argmax(0) + part.start for part in outputs], -1).squeeze(
        -1
    )  # H,W or H,W,outputs
    if len(scores) <= 256:
        return best.to(torch.uint8).cpu().numpy()
    return best.to(torch.int32).cpu().numpy().astype(np.uint16)


def check_image(image: Image, channels: int = 3) -> None:
    """Raise UserError unless ``image`` is (H, W, channels) with at least one pixel.

    Of uint8 where there are three; float32 is allowed where there are others.
    """
    types = (np.uint8,) if channels == 3 else (np.uint8, np.float32)
    right = image.dtype in types and image.ndim == 3 and image.shape[2] == channels and image.size
    if right:
        return
    what = "array (H, W, 3) in RGB" if channels == 3 else f"or float32 array (H, W, {channels})"
    raise UserError(f"an image is a uint8 {what}, not {image.dtype} {image.shape}")
