"""What the commands of a soak work on: generated photos, a small net, a raster, labels."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PHOTOS = 12
NET = ("--net", "fcn8s-resnet18", "--scratch", "--set", "net.width=0.0625", "--crop", "48x64",
       "--device", "cpu", "--precision", "fp32")  # fmt: skip


@dataclass(frozen=True)
class Scenes:
    """Folders below ``folder``, made by `make`."""

    folder: Path

    @property
    def photos(self) -> Path:
        """A data set of generated scenes of 48 x 64 pixels, with train and val."""
        return self.folder / "photos"

    @property
    def net(self) -> Path:
        """The checkpoint of a small net, trained for two steps."""
        return self.folder / "run" / "model.safetensors"

    @property
    def raster(self) -> Path:
        """A GeoTIFF of 900 x 700 pixels."""
        return self.folder / "scene.tif"

    @property
    def labelme(self) -> Path:
        """Labelme's files for a few photos."""
        return self.folder / "labelme"

    def scratch(self, name: str) -> Path:
        """A new folder of this name."""
        path = self.folder / "".join(c if c.isalnum() else "-" for c in name)
        path.mkdir(parents=True)
        return path


def make(folder: Path) -> Scenes:
    """Everything of `Scenes`, without a fork: training leaves threads."""
    from fullconv.data import open_source, write_folder

    scenes = Scenes(folder)
    splits = [open_source(f"shapes:48x64:n={PHOTOS}", split) for split in ("train", "val")]
    write_folder(splits, scenes.photos, limit=PHOTOS)
    _write_raster(scenes.raster)
    _write_labelme(scenes.labelme)
    return scenes


def train_net(scenes: Scenes, log: Path) -> None:
    """The net of `Scenes`, by a command of its own."""
    from soak.children import command

    arguments = ["train", scenes.photos, "--out", scenes.net.parent, *NET, "--steps", 2]
    child = command([*arguments, "--batch-size", 2, "--workers", 0], log)
    if code := child.wait():
        raise RuntimeError(f"the net of the soak was not trained ({code}): {child.said()}")


def _write_raster(path: Path) -> None:
    import rasterio
    from rasterio.transform import from_origin

    pixels = np.random.default_rng(0).integers(0, 256, (3, 900, 700), np.uint8)
    place = {"crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 1, 1)}
    with rasterio.open(path, "w", driver="GTiff", width=700, height=900, count=3, dtype="uint8",
                       photometric="RGB", **place) as dataset:  # fmt: skip
        dataset.write(pixels)


def _write_labelme(folder: Path) -> None:
    from PIL import Image

    folder.mkdir()
    for number in range(PHOTOS):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")
        corner = number + 2
        points = [[corner, 5], [corner + 20, 5], [corner + 20, 25], [corner, 25]]
        shape = {"label": "ab"[number % 2], "points": points, "shape_type": "polygon"}
        label = {"version": "5.4.1", "flags": {}, "shapes": [shape | {"flags": {}}],
                 "imagePath": f"p{number}.png", "imageData": None,
                 "imageHeight": 48, "imageWidth": 64}  # fmt: skip
        (folder / f"p{number}.json").write_text(json.dumps(label), "utf-8")
