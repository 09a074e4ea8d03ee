"""Shapes that a small file can hold and that must not take the memory or the time of large ones."""

import base64
import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from exports import square
from fullconv.data.importers import Request, import_data
from fullconv.data.importers.drawing import draw_regions, regions
from fullconv.data.importers.drawing.draw_regions import Drawing, Region
from fullconv.data.importers.drawing.regions import Ellipse, Polygon, Stroke, cover
from fullconv.errors import UserError

LARGE = 1500, 2000


@pytest.mark.parametrize(
    "shape",
    [
        Ellipse((0.0, 0.0), (1e6, 1e6), 30.0),
        Stroke((np.array([[-1e6, -1e6], [1e6, 1e6]]),), 1e6),
        Polygon((np.array([[-1e6, -1e6], [1e6, -1e6], [1e6, 1e6], [-1e6, 1e6]]),)),
    ],
    ids=["ellipse", "line", "polygon"],
)
def test_a_shape_far_larger_than_its_photo_takes_a_few_bytes_a_pixel(shape):
    tracemalloc.start()
    bits = cover(shape, LARGE)[1]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bits.all()
    assert peak < 20 * LARGE[0] * LARGE[1]


def test_300_000_points_are_drawn_and_take_little_memory():
    places = np.random.default_rng(0).uniform(0, 2000, (300_000, 1, 2))
    tracemalloc.start()
    bits = cover(Stroke(tuple(places), 10.0), (2000, 2000))[1]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bits.mean() > 0.98  # 300,000 discs of 78 pixels on 4 million
    assert peak < 200 * 2**20


def test_more_crossings_than_a_photo_needs_are_refused():
    zigzag = np.empty((300_000, 2))
    zigzag[:, 0] = np.linspace(0, 4000, len(zigzag))
    zigzag[:, 1] = np.arange(len(zigzag)) % 2 * 4000
    for shape in (Polygon((zigzag,)), Stroke((zigzag,), 2.0)):
        with pytest.raises(UserError) as caught:
            cover(shape, (4000, 4000))
        assert caught.value.code == "FC-IMPORT-014"


def test_layers_upon_layers_are_refused(monkeypatch):
    monkeypatch.setattr(draw_regions, "LEAST_WORK", 1000)
    many = [Region("a", regions.box(0, 0, 20, 20))] * 201
    assert Drawing("a.json", tuple(many[:200])).paint((20, 20), {"a": 1}).numbers.all()
    with pytest.raises(UserError) as caught:
        Drawing("a.json", tuple(many)).paint((20, 20), {"a": 1})
    assert caught.value.code == "FC-IMPORT-014"
    assert "a.json" in str(caught.value)


def painted(height, width):
    """labelme's shape of a mask of this size, all of it inside."""
    content = io.BytesIO()
    Image.new("1", (width, height), 1).save(content, "PNG")
    return square("a", 0, 0, width - 1, height - 1) | {
        "points": [[0, 0], [width - 1, height - 1]],
        "shape_type": "mask",
        "mask": base64.b64encode(content.getvalue()).decode(),
    }


def test_a_mask_of_169_megapixels_is_refused_by_its_header(labelme, tmp_path):
    source = labelme("a", [painted(13_000, 13_000)])
    tracemalloc.start()
    with pytest.raises(UserError) as caught:
        import_data(source, tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "FC-IMPORT-013"
    assert "a.json" in str(caught.value)
    assert peak < 50 * 2**20


def test_a_mask_as_large_as_its_photo_is_drawn(labelme, imported):
    assert (imported(labelme("a", [painted(40, 60)]))[1]["train/a"] == 1).all()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_cvat_with_a_document_type_or_deep_nesting(encoding, picture, tmp_path):
    picture("src/a.png")
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    for body in (
        '<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>',
        f"<annotations>{'<a>' * 200_000}{'</a>' * 200_000}</annotations>",
    ):
        (tmp_path / "src/annotations.xml").write_bytes((head + body).encode(encoding))
        with pytest.raises(UserError) as caught:
            import_data(tmp_path / "src", tmp_path / "out", Request(), "cvat")
        assert caught.value.code == "FC-FILE-012"
        assert "annotations.xml" in str(caught.value)
        assert len(str(caught.value)) < 600
