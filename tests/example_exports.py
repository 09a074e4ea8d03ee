"""One small export of every format that can be imported, as its tool writes it.

Each holds the photo p0.png (and p1.png where one photo cannot be two splits) of 64 x 48 pixels with
the region x 5 to 25, y 5 to 25 labelled. ``EXPORTS[name](folder)`` writes it below ``folder``.
"""

import json

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 48, 64
SQUARE = [[5, 5], [25, 5], [25, 25], [5, 25]]
RING = [5, 5, 25, 5, 25, 25, 5, 25]


def photo(path, seed=0, height=HEIGHT, width=WIDTH):
    """A picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def mask(path, inside=1, outside=0):
    """A grey or RGB picture with the square in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.empty((HEIGHT, WIDTH, *np.shape(inside)), np.uint8)
    values[:] = outside
    values[5:25, 5:25] = inside
    Image.fromarray(values).save(path)


def write(path, content):
    """Text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, "utf-8")


def labelme(folder):
    photo(folder / "p0.png")
    shape = {"label": "a", "points": SQUARE, "shape_type": "polygon", "flags": {}, "group_id": None}
    write(folder / "p0.json", {"version": "5.4.1", "flags": {}, "shapes": [shape],
          "imagePath": "p0.png", "imageData": None, "imageHeight": 48, "imageWidth": 64})  # fmt: skip


def coco(folder):
    photo(folder / "images/p0.png")
    write(folder / "annotations.json", {
        "images": [{"id": 1, "file_name": "p0.png", "height": 48, "width": 64}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [RING],
                         "iscrowd": 0, "area": 400, "bbox": [5, 5, 20, 20]}],
        "categories": [{"id": 1, "name": "a"}]})  # fmt: skip


def coco_panoptic(folder):
    photo(folder / "p0.jpg")
    mask(folder / "panoptic_val/p0.png", inside=(5, 1, 0), outside=(0, 0, 0))
    segment = {"id": 5 + 256, "category_id": 1, "area": 400, "bbox": [5, 5, 20, 20], "iscrowd": 0}
    write(folder / "panoptic_val.json", {
        "images": [{"id": 1, "file_name": "p0.jpg", "height": 48, "width": 64}],
        "annotations": [{"image_id": 1, "file_name": "p0.png", "segments_info": [segment]}],
        "categories": [{"id": 1, "name": "a", "isthing": 1}]})  # fmt: skip


def cvat(folder):
    photo(folder / "images/p0.png")
    points = ";".join(f"{x},{y}" for x, y in SQUARE)
    write(folder / "annotations.xml", f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels><label><name>a</name><color>#fa3253</color>
</label></labels></task></meta><image id="0" name="p0.png" width="64" height="48">
<polygon label="a" points="{points}" z_order="0" occluded="0"/></image></annotations>""")


def voc(folder):
    photo(folder / "JPEGImages/p0.jpg")
    mask(folder / "SegmentationClass/p0.png", inside=(200, 0, 0), outside=(0, 0, 0))
    write(folder / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\na:200,0,0::")
    write(folder / "ImageSets/Segmentation/default.txt", "p0\n")


def cityscapes(folder):
    photo(folder / "leftImg8bit/val/ulm/ulm_0_0_leftImg8bit.png")
    mask(folder / "gtFine/val/ulm/ulm_0_0_gtFine_labelIds.png", inside=26, outside=7)


def ade20k(folder):
    photo(folder / "images/validation/p0.jpg")
    mask(folder / "annotations/validation/p0.png", inside=3)


def colors(folder):
    photo(folder / "ds/img/p0.png")
    mask(folder / "ds/masks_machine/p0.png", inside=(1, 1, 1), outside=(0, 0, 0))
    write(folder / "obj_class_to_machine_color.json", {"a": [1, 1, 1]})


def masks(folder):
    photo(folder / "images/train/p0.png")
    photo(folder / "images/val/p1.png", 1)
    mask(folder / "masks/train/p0.png")
    mask(folder / "masks/val/p1.png")
    write(folder / "classes.toml", '[[class]]\nname = "rest"\n[[class]]\nname = "a"\n')


EXPORTS = {
    "labelme": labelme,
    "coco": coco,
    "coco-panoptic": coco_panoptic,
    "cvat": cvat,
    "voc": voc,
    "cityscapes": cityscapes,
    "ade20k": ade20k,
    "colors": colors,
    "masks": masks,
}
