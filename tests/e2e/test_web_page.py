"""The exported page in a real browser, without a server and without a network.

Its class maps are those of ONNX Runtime in Python on the same photo: at least 99.9 % of the pixels
of a photo that is read alike (PNG), 99 % of a JPEG, whose decoders may round elsewhere.
"""

import io
import shutil
import struct
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from browser import chromium
from PIL import Image, PngImagePlugin

from fullconv import Predictor
from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import CAMVID, ClassSet
from fullconv.data import open_source
from fullconv.download import cache_folder
from fullconv.exporting import export
from fullconv.exporting.web.runtime import PACKAGE, VERSION
from fullconv.models import TORCH
from small_runs import small_net, small_run

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytest.importorskip("onnxscript", reason="needs fullconv[export]")
pytestmark = pytest.mark.slow

SAME, SAME_JPEG = 0.999, 0.99
JOINT = ClassSet.joint({"kinds": ClassSet(("a", "b")), "slope": ClassSet(("c", "d", "e"))})


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory):
    """ONNX Runtime Web in a cache of these tests: from this machine's, else by npm."""
    with pytest.MonkeyPatch.context() as patch:
        own = cache_folder() / "web" / PACKAGE.name
        folder = tmp_path_factory.mktemp("cache") / "web"
        folder.mkdir()
        if own.is_file():
            shutil.copy(own, folder)
        elif npm := shutil.which("npm"):
            call = [npm, "pack", "--silent", f"onnxruntime-web@{VERSION}"]
            if subprocess.run(call, cwd=folder, timeout=300).returncode:
                pytest.skip("npm cannot reach its registry")
        else:
            pytest.skip("needs npm, or onnxruntime-web in the cache of fullconv")
        patch.setenv("FULLCONV_CACHE", str(folder.parent))
        patch.setenv("FULLCONV_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory, package):
    """A run with its page and the ONNX file of the same graph."""
    folder = small_run(tmp_path_factory.mktemp("runs") / "street")
    export(folder)
    export(folder, "web")
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = chromium(playwright)
        yield started
        started.close()


@pytest.fixture
def opened(browser):
    """``opened(address)``: the page there when its net is loaded; it asks for nothing else."""
    asked, said, contexts = [], [], []

    def open_page(address):
        contexts.append(browser.new_context(viewport={"width": 1200, "height": 800}))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        contexts[-1].set_offline(True)
        finished(page)
        assert page.inner_text("#status") == "Ready."
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in asked[1:] if not url.startswith(("blob:", "data:"))] == []
    assert [line for line in said if "willReadFrequently" not in line] == []


@pytest.fixture
def page(opened, run):
    return opened((run / "model.html").as_uri())


def finished(page):
    page.locator("#status:not(.busy):not(:empty)").wait_for(timeout=120_000)


def segment(page, path):
    """Choose the photo; what the page says of it."""
    page.evaluate("document.getElementById('status').textContent = ''")
    page.set_input_files("#file", path)
    finished(page)
    return page.inner_text("#status")


def download(page, button):
    with page.expect_download() as file:
        page.click(button)
    return file.value.suggested_filename, Image.open(io.BytesIO(file.value.path().read_bytes()))


def class_map(page):
    """The mask that is downloaded: a palette PNG, whose pixels are the classes."""
    _, image = download(page, "#get-mask")
    assert image.mode == "P"
    return np.asarray(image)


def onnx_map(run, photo):
    """ONNX Runtime's class map in Python."""
    return Predictor(run / "model.onnx")(photo).mask


def same(a, b):
    assert a.shape == b.shape
    return float(np.mean(a == b))


def photo(path, height, width, mode="RGB", **options):
    """A scene of large areas, with noise on it."""
    scene = open_source(f"shapes:{max(height, 64)}x{max(width, 64)}:seed=3:n=20", "val")[0].image
    noise = np.random.default_rng(0).integers(-20, 21, scene.shape)
    pixels = np.clip(scene + noise, 0, 255).astype(np.uint8)[:height, :width]
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize("size", [(97, 131), (200, 64), (1, 7), (33, 32), (512, 640)])
def test_the_class_map_is_that_of_onnx_runtime(page, run, tmp_path, size):
    path = photo(tmp_path / "a.png", *size)
    said = segment(page, path)
    assert said.startswith(f"{size[1]} x {size[0]} pixels in ")
    assert same(class_map(page), onnx_map(run, path)) >= SAME


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_grey_palettes_and_transparency_are_read_as_in_python(page, run, tmp_path, mode):
    path = photo(tmp_path / "a.png", 97, 131, mode)
    if mode == "RGBA":
        image = Image.open(path)
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        image.save(path)
    segment(page, path)
    assert same(class_map(page), onnx_map(run, path)) >= (SAME if mode != "RGBA" else SAME_JPEG)


def test_no_colour_management_changes_the_pixels(page, run, tmp_path):
    gamma = PngImagePlugin.PngInfo()
    gamma.add(b"gAMA", struct.pack(">I", 100_000))  # linear light: converted, it would be brighter
    path = photo(tmp_path / "a.png", 97, 131, pnginfo=gamma)
    segment(page, path)
    assert same(class_map(page), onnx_map(run, path)) >= SAME


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
def test_photos_of_phones_stand_upright(page, run, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = photo(tmp_path / "a.jpg", 97, 131, exif=exif, quality=95, subsampling=0)
    said = segment(page, path)
    assert said.startswith("97 x 131" if orientation >= 5 else "131 x 97")
    assert same(class_map(page), onnx_map(run, path)) >= SAME_JPEG


def test_a_large_photo_is_reduced_and_that_is_said(page, run, tmp_path):
    path = photo(tmp_path / "a.png", 1500, 2001)
    page.select_option("#side", "512")
    said = segment(page, path)
    assert said.startswith("2001 x 1500 reduced to 512 x 384 pixels in ")
    page.fill("#opacity", "0")
    name, seen = download(page, "#get-overlay")
    assert name == "a_overlay.png"
    shown = np.asarray(seen.convert("RGB"))
    assert same(class_map(page), onnx_map(run, shown)) >= SAME
    with Image.open(path) as image:
        reduced = np.asarray(image.resize((512, 384), Image.Resampling.LANCZOS))
    assert np.abs(shown.astype(float) - reduced).mean() < 6


def test_the_legend_has_the_shares_and_shows_one_class_alone(page, run, tmp_path):
    path = photo(tmp_path / "a.png", 97, 131)
    segment(page, path)
    found = class_map(page)
    counts = np.bincount(found.ravel(), minlength=len(CAMVID))
    rows = page.locator("#list button")
    assert rows.count() == (counts > 0).sum()
    for row, index in zip(rows.all(), np.argsort(-counts, kind="stable"), strict=False):
        assert row.locator(".name").inner_text() == CAMVID.names[index]
        share = float(row.locator(".share").inner_text().removeprefix("< ").removesuffix(" %"))
        assert share == pytest.approx(100 * counts[index] / found.size, abs=0.06)
    page.fill("#opacity", "100")
    rows.first.click()
    assert rows.first.get_attribute("aria-pressed") == "true"
    _, alone = download(page, "#get-overlay")
    first = np.asarray(alone.convert("RGB"))[found == counts.argmax()]
    assert (first == CAMVID.colors[counts.argmax()]).all()


def test_under_the_pointer_are_the_class_and_its_probability(page, run, tmp_path):
    path = photo(tmp_path / "a.png", 97, 131)
    segment(page, path)
    scores = Predictor(run / "model.onnx")(path).scores
    odds = np.exp(scores - scores.max(0))
    box = page.locator("#classes").bounding_box()
    for x, y in [(0, 0), (60, 40), (130, 96)]:
        page.mouse.move(
            box["x"] + (x + 0.5) * box["width"] / 131, box["y"] + (y + 0.5) * box["height"] / 97
        )
        name, number = page.inner_text("#readout").split(" % at ")[0].rsplit(", ", 1)
        assert name == CAMVID.names[scores[:, y, x].argmax()]
        assert abs(int(number) - 100 / odds[:, y, x].sum()) <= 1
        assert page.inner_text("#readout").endswith(f"at {x}, {y}")


def test_what_is_no_photo_is_said_and_the_next_one_works(page, run, tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    assert segment(page, tmp_path / "text.jpg").startswith("This browser cannot read text.jpg")
    path = photo(tmp_path / "a.png", 97, 131)
    assert "pixels in" in segment(page, path)


DROP = """bytes => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "../x/given.png", {type: "image/png"}));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
}"""


def test_a_photo_is_dropped(page, run, tmp_path):
    path = photo(tmp_path / "a.png", 97, 131)
    page.evaluate(DROP, list(path.read_bytes()))
    page.locator("#list button").first.wait_for()
    assert same(class_map(page), onnx_map(run, path)) >= SAME
    assert download(page, "#get-mask")[0] == "given.png"


def test_a_server_of_files_serves_it_too(opened, run, tmp_path):
    handler = partial(SimpleHTTPRequestHandler, directory=str(run))
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = opened(f"http://127.0.0.1:{server.server_address[1]}/model.html")
        path = photo(tmp_path / "a.png", 97, 131)
        segment(page, path)
        assert same(class_map(page), onnx_map(run, path)) >= SAME
        server.shutdown()


@pytest.mark.parametrize(
    ("options", "least"),
    [({"output": "classes"}, SAME), ({"half": True}, 0.99), ({"calibrate": True}, 0.95)],
    ids=["classes", "half", "int8"],
)
def test_other_forms_of_the_graph_run_too(opened, run, tmp_path, options, least):
    if options.get("calibrate"):
        pytest.importorskip("nncf", reason="needs fullconv[quantize]")
        (tmp_path / "photos").mkdir()
        for number in range(6):
            photo(tmp_path / "photos" / f"{number}.png", 96 + number, 128)
        options = {"calibrate": str(tmp_path / "photos"), "accept_drop": True}
    made = export(run, "web", tmp_path / "page.html", **options)
    export(run, "onnx", tmp_path / "page.onnx", **options)
    page = opened(made.paths[0].as_uri())
    path = photo(tmp_path / "a.png", 97, 131)
    segment(page, path)
    assert same(class_map(page), Predictor(tmp_path / "page.onnx")(path).mask) >= least


def test_several_outputs_are_chosen_between(opened, run, tmp_path):
    save(tmp_path / "model.safetensors", Checkpoint(small_net(5), JOINT, TORCH))
    export(tmp_path)
    page = opened(export(tmp_path, "web").paths[0].as_uri())
    path = photo(tmp_path / "a.png", 97, 131)
    segment(page, path)
    wanted = Predictor(tmp_path / "model.onnx")(path)
    assert same(class_map(page), wanted.mask) >= SAME
    page.select_option("#output", label="slope")
    assert same(class_map(page), wanted.other_outputs["slope"].mask) >= SAME
    shown = page.locator("#list .name").all_inner_texts()
    assert set(shown) <= {"c", "d", "e"}
    assert shown
