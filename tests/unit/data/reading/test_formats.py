"""Which files are opened at all: by their first bytes, by a list, without network and programs."""

import io
import struct
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from PIL import Image

from fullconv.data import check, open_source, read_mask, read_photo
from fullconv.data.reading.formats import PILLOW_FORMATS
from fullconv.data.reading.image import size_said
from fullconv.data.reading.raster import open_raster
from fullconv.data.reading.recognize_file import is_raster
from fullconv.errors import DataError
from fullconv.modalities import AS_STORED, ReadOptions
from fullconv.serve.decode_photo import decode_photo

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


def vrt(source: str, relative: int = 0) -> str:
    return (
        '<VRTDataset rasterXSize="8" rasterYSize="6"><VRTRasterBand dataType="Byte" band="1">'
        f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )


@pytest.fixture
def web():
    """A web server on this machine: its address, and the paths that were asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def code_of(read, *arguments, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(*arguments, **options)
    assert "\n" not in str(caught.value)
    return caught.value.code


def open_whole(path):
    with open_raster(path) as raster:
        return raster.photo(slice(0, 6), slice(0, 8)), raster.valid(slice(0, 6), slice(0, 8))


@pytest.mark.parametrize("name", ["photo.jpg", "scene.tif", "scene.png", "scene.vrt"])
def test_a_vrt_never_reaches_the_network(tmp_path, web, name):
    address, asked = web
    for source in (f"/vsicurl/{address}/a.tif", f"{address}/a.tif", f"/vsizip//vsicurl/{address}"):
        path = tmp_path / name
        path.write_text(vrt(source))
        assert code_of(read_photo, path) in ("FC-DATA-006", "FC-RASTER-007")
        assert code_of(open_whole, path) in ("FC-RASTER-006", "FC-RASTER-007")
        is_raster(path)
    assert not asked


def test_a_vrt_of_local_pictures_is_read_by_its_name_only(tmp_path, save):
    save(GREY, "part.png")
    for name in ("mosaic.vrt", "photo.jpg"):
        (tmp_path / name).write_text(vrt("part.png", 1))
    assert np.array_equal(read_photo(tmp_path / "mosaic.vrt")[..., 0], GREY)
    assert code_of(read_photo, tmp_path / "photo.jpg") == "FC-DATA-006"
    (tmp_path / "outer.vrt").write_text(vrt("mosaic.vrt", 1))
    assert np.array_equal(read_photo(tmp_path / "outer.vrt")[..., 0], GREY)
    (tmp_path / "self.vrt").write_text(vrt("self.vrt", 1))
    assert code_of(read_photo, tmp_path / "self.vrt") == "FC-RASTER-007"
    (tmp_path / "text.vrt").write_text(vrt(__file__))
    assert code_of(read_photo, tmp_path / "text.vrt") == "FC-RASTER-007"


@pytest.mark.parametrize("ending", [".ovr", ".msk", ".aux.xml"])
def test_files_beside_a_raster_do_not_lead_away(tmp_path, write, web, ending):
    address, asked = web
    path = write(GREY[None], nodata=0)
    beside = path.with_name(f"{path.name}{ending}")
    said = f'<PAMDataset><Metadata><MDI key="OVERVIEW_FILE">{address}</MDI></Metadata></PAMDataset>'
    beside.write_text(said if ending == ".aux.xml" else vrt(f"/vsicurl/{address}/a.tif"))
    assert code_of(open_whole, path) == "FC-RASTER-007"
    assert not asked


def test_other_programs_are_never_started(tmp_path, monkeypatch):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("started a program"))
    assert code_of(read_photo, path) == "FC-DATA-006"
    assert code_of(read_mask, path, None) == "FC-DATA-006"
    assert "EPS" not in PILLOW_FORMATS


@pytest.mark.parametrize("brand", ["heic", "heix", "hevc", "mif1", "msf1"])
@pytest.mark.parametrize("name", ["a.heic", "a.jpg", "a.png"])
def test_heic_is_named_with_the_fix(tmp_path, brand, name):
    path = tmp_path / name
    path.write_bytes(b"\0\0\0\x18ftyp" + brand.encode() + b"\0" * 60)
    assert code_of(read_photo, path) == "FC-DATA-005"


def test_a_photo_beyond_the_limit_is_refused_before_it_is_decoded(tmp_path, save, write):
    for path in (save(GREY, "a.png"), save(GREY, "b.jpg"), write(GREY[None], nodata=0)):
        with pytest.raises(DataError, match=r"8 x 6.*GiB.*--max-megapixels") as caught:
            read_photo(path, options=ReadOptions(max_megapixels=47e-6))
        assert caught.value.code == "FC-DATA-004"
        assert read_photo(path, options=ReadOptions(max_megapixels=48e-6)).shape == (6, 8, 3)
    big = tmp_path / "big.png"
    Image.new("1", (12000, 9000)).save(big)
    assert code_of(read_photo, big) == "FC-DATA-004"


def test_a_damaged_tiff_ends_in_one_line_wherever_it_is_cut_or_changed(tmp_path, write, save):
    random = np.random.default_rng(0)
    photo = random.integers(0, 255, (3, 16, 16), np.uint8)
    scene = write(photo, crs="EPSG:32632", transform=(1, 0, 5e5, 0, -1, 5e6), compress="deflate")
    plain = save(photo.transpose(1, 2, 0), "plain.tif", compression="tiff_lzw")
    for source in (scene.read_bytes(), plain.read_bytes()):
        for number in range(120):
            content = bytearray(source)
            if number % 3 == 0:
                del content[int(random.integers(len(content))) :]
            for _ in range(1 + number % 4):
                if content:
                    content[int(random.integers(len(content)))] = int(random.integers(256))
            path = tmp_path / "bad.tif"
            path.write_bytes(content)
            for read in (read_photo, open_whole, is_raster):
                try:
                    read(path)
                except DataError as error:
                    assert str(error).startswith(str(path))
                    assert "\n" not in str(error)


def test_a_heic_photo_of_a_data_set_is_found_unless_it_was_converted(make_folder):
    data = make_folder(train=2)
    heic = data / "images" / "train" / "phone.heic"
    heic.write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 60)
    findings = check({"train": open_source(data, "train")})
    assert [each.code for each in findings if each.file == str(heic)] == ["FC-DATA-005"]
    Image.fromarray(GREY).save(heic.with_suffix(".jpg"))
    names = [path.name for path in open_source(data, "train").photos]
    assert "phone.jpg" in names
    assert "phone.heic" not in names


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_libtiff_writes_nothing_beside_the_error_of_a_damaged_file(tmp_path, capfd, compression):
    path = tmp_path / "a.tif"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path, compression=compression)
    content = bytearray(path.read_bytes())
    refused = 0
    for place in range(200, len(content) - 400, len(content) // 12):
        damaged = bytearray(content)
        damaged[place : place + 300 : 7] = bytes(43)
        path.write_bytes(damaged)
        try:
            read_photo(path)
        except DataError:
            refused += 1
    assert refused
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("dtype", "bands"), [("float32", 5), ("float64", 3), ("int16", 2)])
def test_the_size_of_a_tiff_that_pillow_does_not_know_is_read_from_an_open_file(
    tmp_path, dtype, bands
):
    rasterio = pytest.importorskip("rasterio")
    path, profile = tmp_path / "a.tif", {"driver": "GTiff", "width": 8, "height": 6}
    with rasterio.open(path, "w", count=bands, dtype=dtype, **profile) as file:
        file.write(np.zeros((bands, 6, 8), dtype))
    content = io.BytesIO(path.read_bytes())
    assert size_said(path) == size_said(content) == (6, 8)
    options = ReadOptions(tuple(range(1, bands + 1)), (0, 1))
    assert decode_photo(path.read_bytes(), 100, options).shape == (6, 8, bands)


def test_a_palette_of_16_bits_is_named(tmp_path):
    path = tmp_path / "a.tif"
    colors = np.arange(65536).repeat(3).reshape(-1, 3).T.astype("<u2").tobytes()
    tags = [(256, 4, 8), (257, 4, 6), (258, 3, 16), (259, 3, 1), (262, 3, 3), (277, 3, 1),
            (278, 4, 6), (279, 4, 96)]  # fmt: skip
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags]
    after = 8 + 2 + 12 * 10 + 4
    entries.insert(5, struct.pack("<HHII", 273, 4, 1, after + len(colors)))
    entries.append(struct.pack("<HHII", 320, 3, 3 * 65536, after))
    head = b"II*\0" + struct.pack("<IH", 8, 10) + b"".join(entries) + bytes(4)
    path.write_bytes(head + colors + np.full(48, 300, "<u2").tobytes())
    for options in (AS_STORED, ReadOptions(range=(0, 4095))):
        assert code_of(read_photo, path, options=options) == "FC-DATA-008"
