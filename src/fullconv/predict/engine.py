"""The net behind a prediction: a photo in, scores or classes out, both of the photo's size."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fullconv.classes import ClassSet
from fullconv.device import (
    Precision,
    is_out_of_memory,
    keep_freed_memory,
    pick_device,
    pick_precision,
)
from fullconv.errors import UserError
from fullconv.nets import FCN, Preprocessing
from fullconv.nets.border import for_prediction
from fullconv.nets.folded import folded
from fullconv.nets.winograd import with_winograd
from fullconv.predict.classmap import Classes, Head, parts_of
from fullconv.predict.proof import Proof

if TYPE_CHECKING:
    from fullconv.weights import Checkpoint

Image = npt.NDArray[Any]
"""uint8 RGB, (H, W, 3); of a net with further inputs (H, W, channels), as in a Sample."""


class Engine(Protocol):
    """Whatever runs a net: torch here, ONNX Runtime and OpenVINO in the files beside."""

    @property
    def channels(self) -> int:
        """How many classes are scored."""
        ...

    @property
    def in_blocks(self) -> bool:
        """Whether ``class_map`` holds scores of the photo's size only for some rows at a time."""
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
    one), 'cpu', 'cuda', 'cuda:1', 'mps'; ``precision`` as `fullconv.device.Precision`. A net given
    by itself is moved to the device and put in evaluation mode, not copied: a training that shares
    it calls ``net.train()`` afterwards. A checkpoint's net with batch norms is copied, and they are
    folded into its convolutions. The net of a checkpoint proves itself at the first photo
    (`fullconv.predict.proof`): a DisagreementWarning where it computes something else.
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
            net, self.preprocessing = folded(source.net), source.preprocessing
            classes = source.classes
        self.device = pick_device(device)
        self.precision = pick_precision(precision, self.device)
        self.net = net.to(self.device, memory_format=torch.channels_last)  # pyright: ignore
        self.run = for_prediction(self.net)
        self.head = Head(self.net.upscore, parts_of(classes) if classes else [slice(0, None)])
        self.proof: Proof | None = None
        if not isinstance(source, tuple):
            self.to_prove(source)

    def to_prove(self, checkpoint: "Checkpoint") -> None:
        """Prove at the first photo that this computes what the file of ``checkpoint`` says."""
        if checkpoint.golden is not None:
            # Elsewhere than on a CPU fp32 need not be all of it: TF32 on a GPU.
            exact = self.precision == "fp32" and self.device.type == "cpu"
            name = f"{self.net.spec.name} in torch on {self.device}"
            kinds, parts = self.preprocessing.inputs, self.head.outputs
            self.proof = Proof(checkpoint.golden, kinds, parts, exact, name)

    @property
    def channels(self) -> int:
        """How many classes the net scores."""
        return self.net.spec.classes

    @property
    def in_blocks(self) -> bool:
        return True

    def class_map(self, image: Image) -> Classes:
        """The class of the highest score at each pixel of ``image``, for each output.

        uint8, uint16 with more than 256 classes. Raises UserError when the memory does not suffice.
        """
        return self.class_maps(image[None])[0]

    def class_maps(self, images: Image) -> list[Classes]:
        """As ``class_map``, of photos of one size (N, H, W, 3) by one pass of the net."""
        height, width = images.shape[1:3]
        with self._running(images[0]):
            maps = self._maps_of(images)
            alone = ({s: m[n : n + 1] for s, m in maps.items()} for n in range(len(images)))
            return [self.head.class_map(each, (height, width)) for each in alone]

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """Scores of ``image`` before any softmax, float32 (K, H, W)."""
        with self._running(image):
            return self.head.scores(self._maps(image), (image.shape[0], image.shape[1]))

    def _maps(self, image: Image) -> dict[int, Tensor]:
        """The maps that are enlarged: {stride: 1,K,h,w}."""
        return self._maps_of(image[None])

    def _maps_of(self, images: Image) -> dict[int, Tensor]:
        """Those of photos of one size: {stride: N,K,h,w}."""
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(
            self.device
        )  # N,H,W,3
        inputs = self.preprocessing(pixels).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.run.maps(inputs)

    @contextmanager
    def _running(self, image: Image) -> Iterator[None]:
        check_image(image, self.net.spec.in_channels)
        if self.net.training:
            self.net.eval()
        proof, self.proof = self.proof, None
        if proof is not None:
            proof(self.scores, self.class_map)
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


def winograd_engine(
    checkpoint: "Checkpoint", device: str | torch.device = "cpu", precision: Precision = "fp32"
) -> TorchEngine:
    """The net of a checkpoint by minimal filtering (`fullconv.nets.winograd`).

    The process then keeps the memory that it frees: tiles are carried over anew at each photo, and
    asking the system for it took a fifth of the time. The peak is the same.

    Raises UserError for another device than the CPU, and another precision than fp32.
    """
    place = pick_device(device)
    if place.type != "cpu" or pick_precision(precision, place) != "fp32":
        raise UserError(
            "engine winograd computes in fp32 on a CPU: use --device cpu --precision fp32, or "
            "engine torch"
        )
    keep_freed_memory()
    net = with_winograd(folded(checkpoint.net.eval()))
    made = TorchEngine((net, checkpoint.preprocessing), "cpu", "fp32", checkpoint.classes)
    made.to_prove(checkpoint)
    return made


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
