"""How the peers of SMP are built and trained: data only, so that it can be read without them."""

import math

LITE0, RESNET18 = "tu-tf_efficientnet_lite0", "resnet18"
# Scale and shift of photos 0..255. Lite0: as its weights were trained; ResNet-18: SMP's default.
PREPROCESSING = {
    LITE0: {"mean": (127.0, 127.0, 127.0), "std": (128.0, 128.0, 128.0)},
    RESNET18: {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)},
}
# `example`: examples/camvid_segmentation_multiclass.ipynb of SMP 0.5 and 0.6, with what it gets
# wrong put right in the peer's favour: it subtracts means of 0..1 from photos of 0..255, its cosine
# has a period of 50 steps whatever the length, and it scores the unlabelled as a class of its own.
# Layers are channels last, which the example does not ask for and which is quicker on a CPU.
# `tuned`: cross-entropy and AdamW, a pretrained encoder at a lower rate, as is usual today.
RECIPES = {
    "example": {
        "loss": "dice",
        "optimizer": "adam",
        "lr": 2e-4,
        "lr_end": 1e-5,
        "encoder_lr": 1.0,
        "weight_decay": 0.0,
        "warmup": 0.0,
        "bf16": False,
    },
    "tuned": {
        "loss": "cross-entropy",
        "optimizer": "adamw",
        "lr": 1e-3,
        "lr_end": 1e-5,
        "encoder_lr": 0.3,  # of a pretrained one
        "weight_decay": 0.01,
        "warmup": 0.05,
        "bf16": True,  # where the processor computes in it, as fullconv does by itself
    },
}
CROP = 320
MULTIPLE = 32  # SMP takes photos whose sides are multiples of it


def lr_factor(done, recipe):
    """What the rate is multiplied by at the share ``done`` (0..1) of the time: warm-up, cosine."""
    if done < recipe["warmup"]:
        return max(done / recipe["warmup"], 0.01)
    end = recipe["lr_end"] / recipe["lr"]
    along = min((done - recipe["warmup"]) / (1 - recipe["warmup"]), 1.0)
    return end + (1 - end) * (1 + math.cos(math.pi * along)) / 2


def padding(size):
    """(left, right, top, bottom) to the next multiples of 32 around a photo (H, W)."""
    rows, columns = (-side % MULTIPLE for side in size)
    return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2
