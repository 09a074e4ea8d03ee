"""The net in torch, as it was trained; on a CPU also with the wide convolutions by Winograd."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fullconv.checkpoints import Checkpoint, load
from fullconv.classes import ClassSet
from fullconv.device import (
    Precision,
    is_out_of_memory,
    keep_freed_memory,
    pick_device,
    pick_precision,
)
from fullconv.errors import UserError
from fullconv.inference.class_map import Classes, Decision, Head
from fullconv.inference.confidence import Confidence, Softmaxes, confident_classes
from fullconv.inference.engines.engine import Engine, Image, check_image
from fullconv.inference.open_predictor import GoldenCheck, OpenedNet
from fullconv.models import FCN, Preprocessing
from fullconv.models.cpu_kernels.banded_upsampling import blocks
from fullconv.models.cpu_kernels.winograd import with_winograd
from fullconv.models.fold_batch_norm import fold_batch_norm
from fullconv.models.paper_padding.border import for_prediction


class TorchEngine(Engine):
    """Runs an FCN by torch, one photo at a time, at the photo's own size.

    ``source`` is a Checkpoint or ``(net, preprocessing)``, then with the
    ``classes`` where the net has several outputs. ``device`` is 'auto' (a GPU if there is
    one), 'cpu', 'cuda', 'cuda:1', 'mps'; ``precision`` as `fullconv.device.Precision`. A net given
    by itself is moved to the device and put in evaluation mode, not copied: a training that shares
    it calls ``net.train()`` afterwards. A checkpoint's net with batch norms is copied, and they are
    folded into its convolutions. The net of a checkpoint proves itself at the first photo
    (`fullconv.inference.open_predictor`): a DisagreementWarning where it computes something else.
    """

    def __init__(
        self,
        source: Checkpoint | tuple[FCN, Preprocessing],
        device: str | torch.device = "auto",
        precision: Precision = "fp32",
        classes: ClassSet | None = None,
    ) -> None:
        if isinstance(source, tuple):
            net, self.preprocessing = source
        else:
            net, self.preprocessing = fold_batch_norm(source.net), source.preprocessing
            classes = source.classes
        self.device = pick_device(device)
        self.precision = pick_precision(precision, self.device)
        self.net = net.to(self.device, memory_format=torch.channels_last)  # pyright: ignore
        self.run = for_prediction(self.net)
        self.head = Head(self.net.upscore, Decision.of(classes) if classes else Decision())
        self.proof: GoldenCheck | None = None
        if not isinstance(source, tuple):
            self.prove_against(source)

    def prove_against(self, checkpoint: Checkpoint) -> None:
        """Prove at the first photo that this computes what the file of ``checkpoint`` says."""
        if checkpoint.golden is not None:
            # Elsewhere than on a CPU fp32 need not be all of it: TF32 on a GPU.
            exact = self.precision == "fp32" and self.device.type == "cpu"
            name = f"{self.net.spec.name} in torch on {self.device}"
            kinds, decision = self.preprocessing.inputs, self.head.decision
            self.proof = GoldenCheck(checkpoint.golden, kinds, decision, exact, name)

    @property
    def channels(self) -> int:
        """How many classes the net scores."""
        return self.net.spec.classes

    @property
    def in_blocks(self) -> bool:
        return True

    def decide(self, classes: ClassSet) -> None:
        self.head = replace(self.head, decision=Decision.of(classes))

    def class_map(self, image: Image) -> Classes:
        """The class of the highest score at each pixel of ``image``, for each output.

        uint8, uint16 with more than 256 classes. Raises UserError when the memory does not suffice.
        """
        return self.class_maps(image[None])[0]

    def class_maps(self, images: Image) -> list[Classes]:
        """As ``class_map``, of photos of one size (N, H, W, 3) by one pass of the net."""
        size = images.shape[1], images.shape[2]
        with self._running(images[0]):
            return [self.head.class_map(maps, size) for maps in self._maps_of_each(images)]

    def confident_maps(
        self, images: Image, softmaxes: Softmaxes
    ) -> list[tuple[Classes, Confidence]]:
        size = images.shape[1], images.shape[2]
        with self._running(images[0]):
            return [
                confident_classes(blocks(self.head.upscore, maps, size), size, softmaxes)
                for maps in self._maps_of_each(images)
            ]

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """Scores of ``image`` before any softmax, float32 (K, H, W)."""
        with self._running(image):
            return self.head.scores(self._maps(image), (image.shape[0], image.shape[1]))

    def scores_and_features(
        self, image: Image
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The ``scores``, and the mean of the backbone's coarsest features over the photo, (C,)."""
        with self._running(image):
            inputs = self._inputs_of(image[None])
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                features = self.net.backbone(inputs)  # {stride: 1,C,h,w}
                maps = self.net.fused(self.net.scored(features))  # {stride: 1,K,h,w}
            pooled = features[max(features)].float().mean((2, 3))[0]  # C
            scores = self.head.scores(maps, (image.shape[0], image.shape[1]))
            return scores, pooled.cpu().numpy()

    def _maps(self, image: Image) -> dict[int, Tensor]:
        """The maps that are enlarged: {stride: 1,K,h,w}."""
        return self._maps_of(image[None])

    def _maps_of_each(self, images: Image) -> Iterator[dict[int, Tensor]]:
        """The classes of several photos of one size, by one pass of the net."""
        maps = self._maps_of(images)
        for n in range(len(images)):
            yield {s: m[n : n + 1] for s, m in maps.items()}

    def _maps_of(self, images: Image) -> dict[int, Tensor]:
        """The maps of photos of one size: {stride: N,K,h,w}."""
        inputs = self._inputs_of(images)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.run.maps(inputs)

    def _inputs_of(self, images: Image) -> Tensor:
        """Photos of one size (N, H, W, channels) as the net is shown them: N,C,H,W."""
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(
            self.device
        )  # N,H,W,3
        return self.preprocessing(pixels).contiguous(memory_format=torch.channels_last)

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
                "predict it in tiles (--tile auto, or a smaller --tile), make it smaller, use "
                "precision bf16, or another device",
                "FC-PREDICT-015",
            ) from error


def open_torch(path: str | Path, device: str = "auto", precision: Precision = "fp32") -> OpenedNet:
    """Open all that `fullconv.checkpoints.load` takes."""
    checkpoint = load(path)
    return opened_by(TorchEngine(checkpoint, device, precision), checkpoint)


def opened_by(engine: Engine, checkpoint: Checkpoint) -> OpenedNet:
    """``engine`` with what its ``checkpoint`` says."""
    net, classes = checkpoint.net, checkpoint.classes
    described = classes, checkpoint.preprocessing, checkpoint.origin
    return OpenedNet(engine, net.spec, *described, calibration=checkpoint.calibration)


def open_winograd(path: str | Path, device: str = "auto", precision: str = "fp32") -> OpenedNet:
    """Open all that `fullconv.checkpoints.load` takes."""
    checkpoint = load(path)
    return opened_by(winograd_engine(checkpoint, device, precision), checkpoint)


def winograd_engine(
    checkpoint: Checkpoint, device: str | torch.device = "cpu", precision: str = "fp32"
) -> TorchEngine:
    """The net of a checkpoint by minimal filtering.

    The process then keeps the memory that it frees: tiles are carried over anew at each photo, and
    asking the system for it took a fifth of the time. The peak is the same.

    Raises UserError for another device than the CPU, and another precision than fp32.
    """
    place = pick_device(device)
    if place.type != "cpu" or pick_precision(precision, place) != "fp32":
        raise UserError(
            "engine winograd computes in fp32 on a CPU: use --device cpu --precision fp32, or "
            "engine torch",
            "FC-PREDICT-011",
        )
    keep_freed_memory()
    net = with_winograd(fold_batch_norm(checkpoint.net.eval()))
    engine = TorchEngine((net, checkpoint.preprocessing), "cpu", "fp32", checkpoint.classes)
    engine.prove_against(checkpoint)
    return engine
