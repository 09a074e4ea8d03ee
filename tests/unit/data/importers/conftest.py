"""Exports as labelling tools write them, made on the spot."""

import json

import numpy as np
import pytest
from PIL import Image

from fullconv.data import open_source
from fullconv.data.importers import Request, import_data


@pytest.fixture
def picture(tmp_path):
    """``picture(name, height, width)`` writes a photo of noise below tmp_path."""

    def write(name, height=40, width=60, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = sum(map(ord, name))
        pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(path, **options)
        return path

    return write


@pytest.fixture
def grey(tmp_path):
    """``grey(name, array)`` writes a PNG of exactly these values."""

    def write(name, values):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(values, np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def labelme(tmp_path, picture):
    """``labelme(name, shapes, **changes)``: a photo and its JSON below tmp_path/src."""

    def write(name, shapes, height=40, width=60, **changes):
        photo = picture(f"src/{name}.jpg", height, width)
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": [
                {"group_id": None, "shape_type": "polygon", "flags": {}} | shape for shape in shapes
            ],
            "imagePath": photo.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        } | changes
        photo.with_suffix(".json").write_text(json.dumps(content))
        return tmp_path / "src"

    return write


@pytest.fixture
def imported(tmp_path):
    """``imported(source, format, **request)``: the report, and the mask of each photo by name."""

    def run(source, format=None, **request):
        out = tmp_path / "out"
        request = {"val": 0.0} | request  # all are for training, unless a test wants it otherwise
        report = import_data(source, out, Request(**request), format)
        masks = {}
        for split in report.splits:
            opened = open_source(out, split)
            for index, name in enumerate(opened.names):
                masks[f"{split}/{name}"] = opened[index].mask
        return report, masks

    return run


@pytest.fixture
def save(tmp_path):
    """``save(name, content)`` writes text, or anything else as JSON, below tmp_path/src."""

    def write(name, content):
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, "utf-8")
        return tmp_path / "src"

    return write
