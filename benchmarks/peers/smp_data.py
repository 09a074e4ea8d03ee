"""A folder's photos and masks held in memory, and SMP's example of augmentation."""

import os
import tomllib
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else it asks a server for its newest version

import albumentations as A
import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from smp_recipes import CROP

IGNORE = 255
NOISE = (10**0.5 / 255, 50**0.5 / 255)  # what the example's release had by default; now 20 times it


def classes_of(folder):
    """How many there are."""
    return len(tomllib.loads((Path(folder) / "classes.toml").read_text("utf-8"))["class"])


def arrays(folder, split):
    """Photos uint8 RGB (H, W, 3) and masks uint8 (H, W) of a split, sorted by name."""
    found = []
    for mask in sorted((Path(folder) / "masks" / split).iterdir()):
        photo = next((Path(folder) / "images" / split).glob(f"{mask.stem}.*"))
        image = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
        found.append((image, cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)))
    return found


def augmentation(seed):
    """The example's list; what is padded is not labelled, as there."""
    filled = {"border_mode": cv2.BORDER_CONSTANT, "fill_mask": IGNORE}
    changed = [
        A.HorizontalFlip(p=0.5),
        A.ShiftScaleRotate(scale_limit=0.5, rotate_limit=0, shift_limit=0.1, p=1, **filled),
        A.PadIfNeeded(min_height=CROP, min_width=CROP, **filled),
        A.RandomCrop(height=CROP, width=CROP),
        A.GaussNoise(std_range=NOISE, p=0.2),
        A.Perspective(p=0.5, **filled),
        _one_of(A.CLAHE(p=1), A.RandomBrightnessContrast(p=1), A.RandomGamma(p=1)),
        _one_of(A.Sharpen(p=1), A.Blur(blur_limit=3, p=1), A.MotionBlur(blur_limit=3, p=1)),
        _one_of(A.RandomBrightnessContrast(p=1), A.HueSaturationValue(p=1)),
    ]
    return A.Compose(changed, seed=seed)


def _one_of(*changes):
    return A.OneOf(changes, p=0.9)


class Endless(IterableDataset):
    """Augmented samples, each epoch in an order of its own; a batch may span two epochs."""

    def __init__(self, samples, seed):
        self.samples, self.seed = samples, seed

    def __iter__(self):
        cv2.setNumThreads(0)  # the cores are for the net
        order, change = np.random.default_rng(self.seed), augmentation(self.seed)
        while True:
            for index in order.permutation(len(self.samples)):
                image, mask = self.samples[index]
                found = change(image=image, mask=mask)
                yield torch.from_numpy(found["image"]).permute(2, 0, 1), found["mask"].astype("i8")


def batches(samples, batch_size, seed):
    """uint8 N,3,320,320 and int64 N,320,320 without end, made by a process beside the training."""
    data = Endless(samples, seed)
    return iter(DataLoader(data, batch_size=batch_size, num_workers=1, prefetch_factor=4))
