"""Ultralytics' YOLO26-sem: trained for a given time, timed on a photo.

From random weights: its own are on GitHub alone, and no package brings them. A job's ``do`` is
`train` or `predict` (worker.py's, by torch or OpenVINO).
"""

import math
import os
import time
import tomllib
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

os.environ |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}

import cv2

import torchvision_operators  # noqa: F401
import worker
from mean_iu import confusion, mean_iu

RECIPES = {"default": {}, "tuned": {"imgsz": 480, "batch": 4, "nbs": 4}}
"""What differs from its defaults; of those, ``nbs`` are the photos of a step of the optimizer."""


def described(job):
    """A YAML file of the data, as Ultralytics takes it; the number of classes."""
    data, out = Path(job["data"]).resolve(), Path(job["out"])
    classes = tomllib.loads((data / "classes.toml").read_text("utf-8"))["class"]
    names = "".join(f"  {number}: {each['name']}\n" for number, each in enumerate(classes))
    out.mkdir(parents=True, exist_ok=True)
    file = out / "data.yaml"
    file.write_text(
        f"path: {data}\ntrain: images/train\nval: images/val\nmasks_dir: masks\nnames:\n{names}"
    )
    return file, len(classes)


def size(job):
    """The longer side of photos for the net, in training and prediction."""
    return RECIPES[job["recipe"]].get("imgsz", 640)


def validated(net, job, classes):
    """Mean IU of whole photos at their own size, as its own command predicts them."""
    from ultralytics import YOLO

    model = YOLO(f"{job['arch']}.yaml", task="semantic")
    model.model = deepcopy(net).float().eval()
    matrix = np.zeros((classes, classes), np.int64)
    for mask in sorted((Path(job["data"]) / "masks" / "val").iterdir()):
        photo = next((Path(job["data"]) / "images" / "val").glob(f"{mask.stem}.*"))
        found = model.predict(str(photo.resolve()), imgsz=size(job), verbose=False)[0]
        found = found.semantic_mask.data
        matrix += confusion(cv2.imread(str(mask), cv2.IMREAD_UNCHANGED), found.numpy(), classes)
    return mean_iu(matrix)


def keep(net, path):
    save_file({name: array.clone().contiguous() for name, array in net.state_dict().items()}, path)


class Watch:
    """Validates the averaged weights some times; the clock of the training stands meanwhile."""

    def __init__(self, job, classes):
        self.job, self.classes = job, classes
        self.curve, self.steps, self.parameters = [], 0, 0

    def after_batch(self, trainer):
        self.steps += 1

    def after_epoch(self, trainer):
        minutes = (time.time() - trainer.train_time_start) / 60
        if minutes < self.job["minutes"] * (len(self.curve) + 1) / self.job["validations"]:
            return
        began = time.time()
        score = validated(trainer.ema.ema, self.job, self.classes)
        if score > max((earlier[1] for earlier in self.curve), default=-1):
            keep(trainer.ema.ema, Path(self.job["out"]) / "best.safetensors")
        self.curve.append([minutes, score, self.steps])
        self.parameters = sum(weight.numel() for weight in trainer.model.parameters())
        paused = time.time() - began
        trainer.train_time_start += paused
        trainer.epoch_time_start += paused


def train(job):
    from ultralytics import YOLO

    file, classes = described(job)
    watch = Watch(job, classes)
    model = YOLO(f"{job['arch']}.yaml", task="semantic")
    model.add_callback("on_train_batch_end", watch.after_batch)
    model.add_callback("on_train_epoch_end", watch.after_epoch)
    worker.forget_peak()
    model.train(
        data=str(file), time=job["minutes"] / 60, seed=job["seed"], device="cpu", val=False,
        plots=False, project=job["out"], name="run", exist_ok=True, **RECIPES[job["recipe"]],
    )  # fmt: skip
    worker.answer(
        curve=watch.curve, steps=watch.steps, data_wait=0.0, parameters=watch.parameters,
        classes=classes, mib=worker.peak_mib(),
    )  # fmt: skip


def predict(job):
    from ultralytics import YOLO
    from ultralytics.nn.tasks import SemanticSegmentationModel
    from ultralytics.utils import DEFAULT_CFG_DICT

    net = SemanticSegmentationModel(f"{job['arch']}.yaml", nc=job["classes"], verbose=False)
    net.load_state_dict(load_file(job["weights"]))
    model = YOLO(f"{job['arch']}.yaml", task="semantic")
    model.model = net.eval()
    height, width = np.load(job["photo"]).shape[:2]
    scale = size(job) / max(height, width)
    sides = [32 * math.ceil(side * scale / 32) for side in (height, width)]
    if job["engine"] == "openvino":
        net.args = {**DEFAULT_CFG_DICT, **model.overrides, "imgsz": size(job), "data": ""}
        net.task, net.pt_path = "semantic", str(job["weights"])
        model = YOLO(model.export(format="openvino", imgsz=sides), task="semantic")

    def class_map(image):
        found = model.predict(image[..., ::-1], imgsz=sides, verbose=False)[0]
        return found.semantic_mask.data.numpy()

    worker.predict(job, class_map)


def main():
    job = worker.job()
    torch.set_num_threads(job["threads"])
    {"train": train, "predict": predict}[job["do"]](job)


if __name__ == "__main__":
    main()
