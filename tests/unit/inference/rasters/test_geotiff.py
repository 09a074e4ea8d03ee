"""The GeoTIFF as other programs see it, read back by GDAL."""

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy

from fullconv.classes import ClassSet
from fullconv.data.reading.raster import Georeference
from fullconv.inference.rasters.geotiff import write_class_map

NAMES = ClassSet(("Straße <b>", "tree & bush", "ルーフ"), ((1, 2, 3), (90, 0, 0), (0, 90, 0)))
ROTATED = Affine(0.4, 0.3, 500000, 0.3, -0.4, 5000000)


def written(folder, values, classes=NAMES, where=None):
    path = folder / "map.tif"
    write_class_map(path, values.shape, lambda rows: values[rows], classes, where or Georeference())
    return path


def some(height, width, top=3, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, top, (height // 8 + 1, width // 8 + 1)).repeat(
        8, 0
    ).repeat(8, 1)[:height, :width].astype(dtype)  # fmt: skip


LINES = [(513, 1), (1, 513), (2050, 1), (1, 4097), (3, 1600)]
"""Sizes whose overviews GDAL gives other factors than those that they were made with."""


@pytest.mark.parametrize("size", [(1, 1), (511, 513), (512, 512), (1300, 700), *LINES])
def test_values_blocks_and_overviews(tmp_path, size) -> None:
    values = some(*size)
    with rasterio.open(written(tmp_path, values)) as found:
        assert np.array_equal(found.read(1), values)
        assert (found.count, found.dtypes[0], found.nodata) == (1, "uint8", 255)
        assert found.block_shapes == [(512, 512)]
        assert found.compression.name == "deflate"
        levels = [2 ** (place + 1) for place in range(len(found.overviews(1)))]
        assert max(size) / (levels[-1] if levels else 1) <= 512
    for place, level in enumerate(levels):
        with rasterio.open(tmp_path / "map.tif", overview_level=place) as found:
            assert found.shape == tuple(-(-side // level) for side in size)
            assert set(np.unique(found.read(1))) <= {0, 1, 2}


@pytest.mark.parametrize("size", [(40, 60), (1300, 700)])
def test_the_file_is_cloud_optimised(tmp_path, size) -> None:
    """All directories lie before the first pixels, the largest picture's first, as COG demands."""
    path = written(tmp_path, some(*size))
    with rasterio.open(path) as found:
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    content = path.read_bytes()
    assert content[:4] == b"II*\0"

    def number(place, length):
        return int.from_bytes(content[place : place + length], "little")

    directories, tiles, widths = [number(4, 4)], [], []
    while directories[-1]:
        start = directories[-1]
        entries = [start + 2 + 12 * entry for entry in range(number(start, 2))]
        fields = {number(entry, 2): entry for entry in entries}
        width = fields[256]
        widths.append(number(width + 8, 2 if number(width + 2, 2) == 3 else 4))
        offsets, count = fields[324], number(fields[324] + 4, 4)
        place = offsets + 8 if count == 1 else number(offsets + 8, 4)
        tiles += [number(place + 4 * tile, 4) for tile in range(count)]
        directories.append(number(start + 2 + 12 * len(entries), 4))
    present = [tile for tile in tiles if tile]
    assert widths == sorted(widths, reverse=True) and len(widths) == (1 if size[0] < 512 else 3)
    assert max(directories) < min(present)


LIMITED = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from fullconv.classes import VOC
from fullconv.data.reading.raster import Georeference
from fullconv.errors import UserError
from fullconv.inference.rasters.geotiff import write_class_map

values = np.random.default_rng(0).integers(0, 21, (900, 700), np.uint8)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        path = Path(sys.argv[1], f"{limit}.tif")
        write_class_map(path, values.shape, lambda rows: values[rows], VOC, Georeference())
    except UserError as error:
        print(limit, error.code)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_FSIZE")
def test_a_file_that_the_system_cuts_is_refused_and_not_there(tmp_path) -> None:
    """GDAL closes a file whose last bytes could not be written without a word."""
    limits = [0, 1000, 100_000, 300_000, *range(330_000, 460_000, 10_000), 454_000, 10**7]
    command = [sys.executable, "-c", LIMITED, str(tmp_path), *map(str, limits)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    refused = [line.split() for line in done.stdout.splitlines()]
    assert {code for _, code in refused} == {"FC-FILE-002"}
    assert len(refused) >= 10
    values = np.random.default_rng(0).integers(0, 21, (900, 700), np.uint8)
    whole = {f"{limit}.tif" for limit in limits} - {f"{limit}.tif" for limit, _ in refused}
    assert {path.name for path in tmp_path.glob("*.tif*")} - whole <= {
        f"{name}.aux.xml" for name in whole
    }
    for name in whole:
        with rasterio.open(tmp_path / name) as found:
            assert np.array_equal(found.read(1), values)
        with rasterio.open(tmp_path / name, OVERVIEW_LEVEL=0) as found:
            assert np.isin(found.read(1), values).all() and found.read(1).any(0).mean() > 0.9


def test_colors_and_names(tmp_path) -> None:
    path = written(tmp_path, some(40, 60))
    with rasterio.open(path) as found:
        table = found.colormap(1)
        palette = NAMES.palette()
        assert all(table[value][:3] == tuple(palette[value]) for value in (0, 1, 2, 255))
        assert json.loads(found.tags()["CLASSES"]) == dict(zip("012", NAMES.names, strict=True))
    copy(path, tmp_path / "map.vrt", driver="VRT")
    text = (tmp_path / "map.vrt").read_text("utf-8")
    assert "<Category>Straße &lt;b&gt;</Category>" in text
    assert "<Category>tree &amp; bush</Category>" in text
    assert "<Category>ルーフ</Category>" in text


def test_more_values_than_a_palette_has(tmp_path) -> None:
    classes = ClassSet(tuple(f"c{n}" for n in range(300)), ignore=65535)
    values = some(40, 60, 300, np.uint16)
    with rasterio.open(written(tmp_path, values, classes)) as found:
        assert (found.dtypes[0], found.nodata) == ("uint16", 65535)
        assert np.array_equal(found.read(1), values)
        with pytest.raises(ValueError, match=r"[Cc]olor"):
            found.colormap(1)


@pytest.mark.parametrize("kind", ["Area", "Point"])
def test_the_place_of_the_source(tmp_path, kind) -> None:
    source = tmp_path / "source.tif"
    profile = {"height": 40, "width": 60, "count": 1, "dtype": "uint8", "driver": "GTiff"}
    with rasterio.open(source, "w", crs="EPSG:32632", transform=ROTATED, **profile) as made:
        made.update_tags(AREA_OR_POINT=kind)
    with rasterio.open(source) as opened:
        where = Georeference.of(opened)
        transform = opened.transform
    assert transform.almost_equals(ROTATED)
    with rasterio.open(written(tmp_path, some(40, 60), where=where)) as found:
        assert found.crs == "EPSG:32632"
        assert found.transform.almost_equals(transform)
        assert found.tags()["AREA_OR_POINT"] == kind


def test_rational_coefficients_of_the_source(tmp_path) -> None:
    numbers = [float(n) for n in range(20)]
    said = rasterio.rpc.RPC(100, 50, 45, 0.1, numbers, [1.0] * 20, 7, 20, 9, 0.1, numbers,
                            [1.0] * 20, 8, 30, 0.5, 0.5)  # fmt: skip
    source = tmp_path / "source.tif"
    profile = {"height": 40, "width": 60, "count": 1, "dtype": "uint8", "driver": "GTiff"}
    with rasterio.open(source, "w", rpcs=said, **profile):
        pass
    with rasterio.open(source) as opened:
        where = Georeference.of(opened)
    with rasterio.open(written(tmp_path, some(40, 60), where=where)) as found:
        assert found.rpcs == where.rational
        assert found.rpcs.lat_off == 45


def test_control_points_of_the_source(tmp_path) -> None:
    points = [
        rasterio.control.GroundControlPoint(row, column, 10 + column, 50 - row)
        for row, column in ((0, 0), (0, 60), (40, 0), (40, 60))
    ]
    source = tmp_path / "source.tif"
    profile = {"height": 40, "width": 60, "count": 1, "dtype": "uint8", "driver": "GTiff"}
    with rasterio.open(source, "w", crs="EPSG:4326", gcps=points, **profile):
        pass
    with rasterio.open(source) as opened:
        where = Georeference.of(opened)
    with rasterio.open(written(tmp_path, some(40, 60), where=where)) as found:
        back, crs = found.gcps
    assert crs == "EPSG:4326"
    assert [(p.row, p.col, p.x, p.y) for p in back] == [(p.row, p.col, p.x, p.y) for p in points]


def test_a_raster_without_a_place_has_none_afterwards(tmp_path) -> None:
    with rasterio.open(written(tmp_path, some(40, 60))) as found:
        assert found.crs is None
        assert found.transform.is_identity


def test_no_holes_are_left_in_the_file(tmp_path) -> None:
    """As long as its blocks: GDAL says of each where it lies and how long it is."""
    values = np.random.default_rng(0).integers(0, 3, (1100, 1100)).astype(np.uint8)
    path = written(tmp_path, values)
    with rasterio.open(path) as found:
        sizes = 0
        for row in range(3):
            for column in range(3):
                sizes += int(found.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1))
        for level in range(len(found.overviews(1))):
            blocks = -(-1100 // 2 ** (level + 1) // 128)
            for row in range(blocks):
                for column in range(blocks):
                    item = f"BLOCK_SIZE_{column}_{row}"
                    size = found.get_tag_item(item, "TIFF", bidx=1, ovr=level)
                    sizes += int(size or 0)
    assert path.stat().st_size - sizes < 8192  # directories, colours, names


def test_a_fault_leaves_the_old_file(tmp_path) -> None:
    path = written(tmp_path, some(40, 60))
    before = path.read_bytes()

    def fails(rows):
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        write_class_map(path, (40, 60), fails, NAMES, Georeference())
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "map.qml", "map.tif", "map.tif.aux.xml"
    ]  # fmt: skip
