"""The pages of runs and data in a real browser: offline, on a phone, in the dark, by keyboard."""

import pytest
from browser import chromium

from fullconv.data import open_source, survey
from fullconv.report import write_inspection, write_report, write_run_comparison
from fullconv.training import train

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytestmark = pytest.mark.slow
DATA = "shapes:48x64:n=40"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The page of a run, of two runs, and of a data set."""
    folder = tmp_path_factory.mktemp("pages")
    for name, rate in (("first", 1e-3), ("second", 1e-2)):
        keys = {"net.name": "fcn32s-caffenet", "net.width": 0.05, "schedule.steps": 4,
                "schedule.batch_size": 2, "schedule.validate_every": 2, "schedule.log_every": 1,
                "augment.crop": [48, 64], "data.workers": 0, "optimizer.lr": rate}  # fmt: skip
        train(DATA, folder / name, overrides=keys, quiet=True)
    looked = survey({split: open_source(DATA, split) for split in ("train", "val")})
    return {
        "run": write_report(folder / "first"),
        "runs": write_run_comparison([folder / "first", folder / "second"], folder / "runs.html"),
        "data": write_inspection("scenes", looked, (), folder / "inspect.html"),
    }


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        made = chromium(playwright)
        yield made
        made.close()


@pytest.fixture
def opened(browser, pages):
    """``opened(page, width, scheme)``; pages must ask nobody and say nothing on the console."""
    made, asked, said = [], [], []

    def open_page(name, width=1100, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 780}, color_scheme=scheme)
        page.on("request", lambda r: asked.append(r.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(pages[name].as_uri())
        made.append(page)
        return page

    yield open_page
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert said == []
    for page in made:
        page.close()


@pytest.mark.parametrize("width", [320, 390, 1100, 1920])
@pytest.mark.parametrize("name", ["run", "runs", "data"])
def test_nothing_stands_out_and_every_picture_is_shown(opened, name, width):
    page = opened(name, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")


@pytest.mark.parametrize("name", ["run", "runs"])
def test_curves_are_not_shrunk_beyond_reading_on_a_phone(opened, name):
    box = opened(name, 390).locator("#curves img").bounding_box()
    assert box["width"] >= 700


@pytest.mark.parametrize("name", ["run", "runs", "data"])
def test_dark_is_dark(opened, name):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = (opened(name, 1100, scheme).evaluate(ground) for scheme in ("light", "dark"))
    assert light == "rgb(255, 255, 255)"
    assert max(map(int, dark[4:-1].split(","))) < 50


def shown_to(page):
    """Up to how many percent of its width the first photo shows the truth."""
    style = "document.querySelector('.layers').style.getPropertyValue('--split')"
    return float(page.evaluate(style).rstrip("%"))


def test_the_slider_follows_keys_and_the_pointer(opened):
    page = opened("run")
    slider, photo = page.locator("[data-split]").first, page.locator(".layers").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert shown_to(page) == 51
    assert slider.get_attribute("aria-valuetext") == "51 % truth, 49 % prediction"
    photo.scroll_into_view_if_needed()
    box = photo.bounding_box()
    page.mouse.click(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
    assert shown_to(page) == pytest.approx(20, abs=1)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.up()
    assert shown_to(page) == pytest.approx(80, abs=1)


def test_the_tint_is_that_of_all_photos(opened):
    page = opened("run")
    page.locator("[data-tint]").focus()
    page.keyboard.press("Home")
    clear = "[...document.querySelectorAll('.truth')].map(i => getComputedStyle(i).opacity)"
    assert set(page.evaluate(clear)) == {"0"}


def test_what_is_too_wide_is_scrolled_by_keys(opened):
    page = opened("run", 390)
    page.locator("#curves .wide").focus()
    page.keyboard.press("ArrowRight")
    moved = "document.querySelector('#curves .wide').scrollLeft > 0"
    page.wait_for_function(moved)
