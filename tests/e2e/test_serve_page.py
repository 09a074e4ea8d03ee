"""The page in a real browser: a photo in, its classes over it, numbers that are the net's."""

import io
import json

import httpx
import numpy as np
import pytest
from accessibility import serious_findings
from browser import chromium
from PIL import Image
from serving import served

from fullconv import Predictor
from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import CAMVID, ClassSet
from fullconv.models import TORCH, NetSpec, build
from fullconv.visualize import overlay
from small_runs import small_run

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytestmark = pytest.mark.slow
HEIGHT, WIDTH = 90, 120


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("runs") / "street")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        made = chromium(
            playwright, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
        )
        yield made
        made.close()


@pytest.fixture(scope="module")
def service(run, browser):
    with served(run, run / "model.safetensors") as made:
        yield made


@pytest.fixture
def page(browser, service):
    """The page; it must ask nobody else and say nothing on the console."""
    made = browser.new_page(viewport={"width": 1200, "height": 800})
    foreign, said = [], []
    made.on("request", lambda r: foreign.append(r.url))
    made.on("console", lambda message: said.append(message.text))
    made.on("pageerror", lambda error: said.append(str(error)))
    made.goto(service.url)
    made.locator("#model option").first.wait_for(state="attached")
    yield made
    own = (service.url, "blob:", "data:")
    assert [url for url in foreign if not url.startswith(own)] == []
    expected = ("status of 4", "Canvas2D: Multiple readback")  # what a test provokes, and reads
    assert [line for line in said if not any(text in line for text in expected)] == []
    made.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    small = np.random.default_rng(3).integers(0, 256, (9, 12, 3), np.uint8)
    path = tmp_path_factory.mktemp("photos") / "a street.png"
    Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture(scope="module")
def truth(run, photo):
    return Predictor(run, device="cpu")(photo)


def choose(page, photo):
    page.set_input_files("#file", photo)
    page.locator("#list button").first.wait_for()
    return page


def point(page, x, y):
    box = page.locator("#classes").bounding_box()
    page.mouse.move(
        box["x"] + (x + 0.5) * box["width"] / WIDTH, box["y"] + (y + 0.5) * box["height"] / HEIGHT
    )


def pixels(page, canvas="classes"):
    """What a canvas holds, RGBA (H, W, 4)."""
    data = page.locator(f"#{canvas}").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    return np.array(data, np.uint8).reshape(HEIGHT, WIDTH, 4)


def probable(truth, x, y):
    odds = np.exp(truth.scores[:, y, x].astype(float))
    return odds[truth.mask[y, x]] / odds.sum()


def test_the_colours_are_the_classes_of_every_pixel(page, photo, truth):
    choose(page, photo)
    shown = pixels(page)
    np.testing.assert_array_equal(shown[..., :3], CAMVID.palette()[truth.mask])
    assert (shown[..., 3] == 255).all()
    assert f"{WIDTH} x {HEIGHT} pixels" in page.inner_text("#status")


def test_under_the_pointer_are_the_class_and_its_probability(page, photo, truth):
    choose(page, photo)
    point(page, 1, 1)
    page.locator("#readout", has_text="%").wait_for()
    for x, y in [(0, 0), (60, 40), (119, 89), (17, 80)]:
        point(page, x, y)
        name, number = page.inner_text("#readout").split(" % at ")[0].rsplit(", ", 1)
        assert name == CAMVID.names[truth.mask[y, x]]
        assert abs(int(number) - 100 * probable(truth, x, y)) <= 1
        assert page.inner_text("#readout").endswith(f"at {x}, {y}")


def test_the_first_answer_has_the_probabilities(page, photo, truth):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    choose(page, photo)
    point(page, 60, 40)
    assert "%" in page.inner_text("#readout")
    assert len([url for url in asked if "/v1/segment" in url]) == 1


def test_borders_are_those_that_predict_draws(page, photo, truth):
    choose(page, photo)
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    plain = truth.classes.to_dict() | {"colors": [[0, 0, 0]] * len(truth.classes)}
    drawn = overlay(black, truth.mask, ClassSet.from_dict(plain), legend="none")
    white = (drawn == 255).all(-1)
    assert white.any()
    np.testing.assert_array_equal(pixels(page, "borders")[..., 3] == 255, white)
    page.uncheck("#show-borders")
    assert not page.locator("#borders").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing_serious(page, photo, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    assert serious_findings(page) == []
    choose(page, photo)
    assert serious_findings(page) == []


def test_the_background_leaves_the_photo_and_is_seen_when_it_is_chosen(browser, tmp_path, photo):
    mask = Predictor(small_run(tmp_path / "run"), device="cpu")(photo).mask
    rest = int(np.bincount(mask.ravel()).argmax())
    run = small_run(tmp_path / "run", ClassSet(CAMVID.names, CAMVID.colors, background=(rest,)))
    with served(run) as service:
        page = browser.new_page()
        page.goto(service.url)
        page.locator("#model option").first.wait_for(state="attached")
        choose(page, photo)
        np.testing.assert_array_equal(pixels(page)[..., 3] == 255, mask != rest)
        page.locator(f"#list button[data-index='{rest}']").click()
        np.testing.assert_array_equal(pixels(page)[..., 3] == 255, mask == rest)
        page.close()


def test_the_arrow_keys_do_what_the_pointer_does(page, photo, truth):
    choose(page, photo)
    page.locator("#stage").focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    x, y = WIDTH // 2 + 1, HEIGHT // 2 + 9
    assert page.inner_text("#readout").endswith(f"at {x}, {y}")
    assert page.inner_text("#readout").startswith(CAMVID.names[truth.mask[y, x]])
    assert page.locator("#cross").is_visible()


def test_the_shares_are_the_masks(page, photo, truth):
    choose(page, photo)
    counts = np.bincount(truth.mask.ravel(), minlength=len(CAMVID))
    rows = page.locator("#list button")
    assert rows.count() == (counts > 0).sum()
    for row, index in zip(rows.all(), np.argsort(-counts, kind="stable"), strict=False):
        assert row.locator(".name").inner_text() == CAMVID.names[index]
        share = float(row.locator(".share").inner_text().removeprefix("< ").removesuffix(" %"))
        assert share == pytest.approx(100 * counts[index] / truth.mask.size, abs=0.06)
    absent = f"Not found: {(counts == 0).sum()} of 11 classes"
    assert page.locator("#absent summary").text_content() == absent


def test_one_class_alone_by_keyboard_and_all_again(page, photo, truth):
    choose(page, photo)
    most = np.bincount(truth.mask.ravel()).argmax()
    page.locator("#list button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#list button").first.get_attribute("aria-pressed") == "true"
    np.testing.assert_array_equal(pixels(page)[..., 3] == 255, truth.mask == most)
    page.keyboard.press("Enter")
    assert (pixels(page)[..., 3] == 255).all()


def test_opacity(page, photo):
    choose(page, photo)
    page.locator("#opacity").focus()
    page.keyboard.press("End")
    assert page.inner_text("#opacity-value") == "100 %"
    assert page.locator("#classes").evaluate("c => getComputedStyle(c).opacity") == "1"
    page.keyboard.press("Home")
    assert page.locator("#classes").evaluate("c => getComputedStyle(c).opacity") == "0"


def test_downloads(page, photo, truth):
    choose(page, photo)
    found = {}
    for name in ("mask", "overlay", "json"):
        with page.expect_download() as download:
            page.click(f"#get-{name}")
        found[download.value.suggested_filename] = download.value.path().read_bytes()
    assert list(found) == ["a_street.png", "a_street_overlay.png", "a_street.json"]
    mask = io.BytesIO()
    truth.write_mask(mask)
    assert found["a_street.png"] == mask.getvalue()
    saved = np.asarray(Image.open(io.BytesIO(found["a_street_overlay.png"])).convert("RGB"))
    blend = 0.4 * truth.image + 0.6 * CAMVID.palette()[truth.mask]
    white = (saved == 255).all(-1)
    assert 0 < white.sum() < white.size / 2
    assert np.abs(saved - blend)[~white].max() <= 2
    said = json.loads(found["a_street.json"])
    assert (said["width"], said["height"], said["model"]) == (WIDTH, HEIGHT, "street")
    assert "mask" not in said and "probability" not in said


GIVE = """([how, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "../x/given.png", {type: "image/png"}));
  const options = {cancelable: true, bubbles: true};
  document.body.dispatchEvent(how === "drop"
    ? new DragEvent("drop", {dataTransfer: data, ...options})
    : new ClipboardEvent("paste", {clipboardData: data, ...options}));
}"""


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted(page, photo, truth, how):
    page.evaluate(GIVE, [how, list(photo.read_bytes())])
    page.locator("#list button").first.wait_for()
    np.testing.assert_array_equal(pixels(page)[..., :3], CAMVID.palette()[truth.mask])
    with page.expect_download() as download:
        page.click("#get-mask")
    assert download.value.suggested_filename == "given.png"


def test_a_photo_is_taken_by_the_camera(page):
    page.click("#camera")
    page.locator("#shutter video").wait_for()
    page.locator("#video").evaluate("v => new Promise(d => v.videoWidth ? d() : v.onplaying = d)")
    page.click("#take")
    page.locator("#list button").first.wait_for()
    assert not page.locator("#shutter").is_visible()
    assert page.locator("#video").evaluate("v => v.srcObject") is None


def test_another_model_answers(page, photo):
    choose(page, photo)
    page.select_option("#model", "street.safetensors")
    page.locator("#status", has_text="pixels in").wait_for()
    with page.expect_download() as download:
        page.click("#get-json")
    assert json.loads(download.value.path().read_bytes())["model"] == "street.safetensors"


def test_a_smaller_photo_is_sent_where_that_is_chosen(page, tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGB", (1500, 750), (90, 120, 30)).save(path)
    page.select_option("#side", "640")
    choose(page, path)
    page.locator("#status", has_text="640 x 320 pixels").wait_for()


def test_a_photo_from_a_phone_lies_as_it_is_seen(page, photo, tmp_path, run):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone.jpg"
    Image.open(photo).save(path, exif=exif, quality=95)
    choose(page, path)
    assert page.inner_text("#status").startswith(f"{HEIGHT} x {WIDTH} pixels")
    shown = page.locator("#photo").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    shown = np.array(shown, float).reshape(WIDTH, HEIGHT, 4)[..., :3]
    assert np.abs(shown - Predictor(run, device="cpu")(path).image).mean() < 2


def test_what_is_no_photo_is_said_and_the_last_one_stays(page, photo, tmp_path):
    choose(page, photo)
    (tmp_path / "text.jpg").write_text("no photo")
    page.set_input_files("#file", tmp_path / "text.jpg")
    page.locator("#status.error", has_text="not a picture").wait_for()
    assert page.locator("#list button").count() > 0


def test_names_of_classes_are_text_not_html(browser, tmp_path, photo):
    hostile = CAMVID.to_dict()
    hostile["names"] = [f"<img src=x onerror=alert({n})>" for n in range(len(CAMVID))]
    net = build(NetSpec("fcn8s-resnet18", len(CAMVID), width=0.0625))
    classes = type(CAMVID).from_dict(hostile)
    save(tmp_path / "run" / "model.safetensors", Checkpoint(net, classes, TORCH))
    with served(tmp_path / "run") as service:
        page = browser.new_page()
        page.goto(service.url)
        choose(page, photo)
        assert page.locator("#list .name").first.inner_text().startswith("<img src=x")
        assert page.locator("#list img").count() == 0
        page.close()


def test_the_token_is_asked_for_and_used(browser, run, photo):
    token = "0123456789abcdef0123"
    with served(run, FULLCONV_TOKEN=token) as service:
        page = browser.new_page()
        page.goto(service.url)
        page.locator("#token-form").wait_for()
        page.fill("#token", token)
        page.keyboard.press("Enter")
        page.locator("#model option").first.wait_for(state="attached")
        choose(page, photo)
        assert not page.locator("#token-form").is_visible()
        page.close()


@pytest.mark.parametrize(("width", "height"), [(360, 740), (740, 360), (1920, 1080)])
def test_nothing_stands_out_of_a_phone_or_a_desk(page, photo, width, height):
    page.set_viewport_size({"width": width, "height": height})
    choose(page, photo)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_of_others_can_neither_read_nor_send(browser, service, photo):
    page = browser.new_page()
    empty = {"body": "<p>evil", "content_type": "text/html"}
    page.route("http://evil.example/", lambda route: route.fulfill(**empty))
    page.goto("http://evil.example/")
    outcome = page.evaluate(
        """async (url) => {
          const form = new FormData();
          form.append("photo", new Blob(["x"]), "x.png");
          const read = await fetch(url + "/v1/models").then(() => "read", () => "refused");
          const options = {method: "POST", mode: "no-cors", body: form};
          const sent = await fetch(url + "/v1/segment", options)
            .then((answer) => answer.type, () => "refused");
          return [read, sent];
        }""",
        service.url,
    )
    assert outcome[0] == "refused"
    assert outcome[1] in ("refused", "opaque"), "the browser may send it; the service refuses it"
    text = httpx.get(f"{service.url}/metrics").text
    assert 'path="/v1/segment",status="403"' in text or outcome[1] == "refused"
    page.close()
