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
    shape = {"label": "a", "points": SQUARE, "shape_type": "polygon", "flags": {}}
    write(folder / "p0.json", {
        "version": "5.4.1", "flags": {}, "shapes": [shape], "imagePath": "p0.png",
        "imageData": None, "imageHeight": 48, "imageWidth": 64})  # fmt: skip


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
    write(
        folder / "annotations.xml",
        f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels><label><name>a</name><color>#fa3253</color>
</label></labels></task></meta><image id="0" name="p0.png" width="64" height="48">
<polygon label="a" points="{points}" z_order="0" occluded="0"/></image></annotations>""",
    )


def voc(folder):
    photo(folder / "JPEGImages/p0.jpg")
    mask(folder / "SegmentationClass/p0.png", inside=(200, 0, 0), outside=(0, 0, 0))
    write(
        folder / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\na:200,0,0::"
    )
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


def label_studio(folder):
    photo(folder / "ls0.png")
    value = {"points": [[100 * x / 64, 100 * y / 48] for x, y in SQUARE], "polygonlabels": ["a"]}
    result = {"id": "r", "type": "polygonlabels", "from_name": "label", "to_name": "image",
              "original_width": 64, "original_height": 48, "value": value}  # fmt: skip
    write(folder / "export.json", [{"id": 1, "data": {"image": "/data/upload/1/ls0.png"},
                                    "annotations": [{"id": 1, "result": [result]}]}])  # fmt: skip


def supervisely(folder):
    photo(folder / "dataset/img/p0.png")
    points = {"exterior": SQUARE, "interior": []}
    write(folder / "dataset/ann/p0.png.json", {
        "description": "", "tags": [], "size": {"height": 48, "width": 64},
        "objects": [{"classTitle": "a", "geometryType": "polygon", "points": points, "tags": []}],
    })  # fmt: skip
    classes = [{"title": "a", "shape": "polygon", "color": "#FF0000"}]
    write(folder / "meta.json", {"classes": classes, "tags": []})


def via(folder):
    photo(folder / "v0.png")
    shape = {"name": "polygon", "all_points_x": RING[::2], "all_points_y": RING[1::2]}
    region = {"shape_attributes": shape, "region_attributes": {"type": "a"}}
    image = {"filename": "v0.png", "size": 1, "regions": [region], "file_attributes": {}}
    write(folder / "via_project.json", {"_via_settings": {}, "_via_attributes": {},
                                        "_via_img_metadata": {"v0.png1": image}})  # fmt: skip


def darwin(folder):
    photo(folder / "images/d0.png")
    slot = {"type": "image", "slot_name": "0", "width": 64, "height": 48}
    path = [{"x": x, "y": y} for x, y in SQUARE]
    write(folder / "darwin/d0.json", {
        "version": "2.0", "item": {"name": "d0.png", "path": "/", "slots": [slot]},
        "annotations": [{"id": "x", "name": "a", "polygon": {"paths": [path]}}]})  # fmt: skip


def isat(folder):
    photo(folder / "i0.png")
    region = {"category": "a", "group": 1, "segmentation": SQUARE, "area": 400.0, "layer": 1.0,
              "bbox": [5, 5, 25, 25], "iscrowd": 0, "note": ""}  # fmt: skip
    write(folder / "i0.json", {
        "info": {"description": "ISAT", "folder": "x", "name": "i0.png", "width": 64, "height": 48,
                 "depth": 3, "note": ""}, "objects": [region]})  # fmt: skip


def yolo(folder):
    for split, name in (("train", "y0"), ("val", "y1")):
        photo(folder / f"images/{split}/{name}.png", len(split))
        line = " ".join(f"{x / 64} {y / 48}" for x, y in SQUARE)
        write(folder / f"labels/{split}/{name}.txt", f"0 {line}\n")
    write(folder / "data.yaml", "train: images/train\nval: images/val\nnames:\n  0: a\n")


def datumaro(folder):
    photo(folder / "images/default/t0.png")
    polygon = {"id": 0, "type": "polygon", "attributes": {}, "group": 0, "label_id": 0,
               "points": RING, "z_order": 0}  # fmt: skip
    image = {"path": "t0.png", "size": [48, 64]}
    labels = {"labels": [{"name": "a", "parent": "", "attributes": []}], "attributes": []}
    write(folder / "annotations/default.json", {
        "info": {}, "categories": {"label": labels},
        "items": [{"id": "t0", "annotations": [polygon], "image": image}]})  # fmt: skip


def roboflow(folder):
    photo(folder / "train/r0_jpg.rf.0a.jpg")
    mask(folder / "train/r0_jpg.rf.0a_mask.png")
    write(folder / "train/_classes.csv", "Pixel Value, Class\n0, background\n1, a\n")


EXPORTS = {
    "labelme": labelme,
    "coco": coco,
    "coco-panoptic": coco_panoptic,
    "cvat": cvat,
    "label-studio": label_studio,
    "supervisely": supervisely,
    "via": via,
    "darwin": darwin,
    "isat": isat,
    "yolo": yolo,
    "datumaro": datumaro,
    "roboflow": roboflow,
    "voc": voc,
    "cityscapes": cityscapes,
    "ade20k": ade20k,
    "colors": colors,
    "masks": masks,
}
