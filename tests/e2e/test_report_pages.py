"""The pages of runs and data in a real browser: offline, on a phone, in the dark, by keyboard."""

import pytest
from accessibility import serious_findings
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
def test_writing_on_curves_is_large_enough_on_a_phone(opened, name):
    page = opened(name, 390)
    high = (
        "[...document.querySelectorAll('#curves text')].map(t => t.getBoundingClientRect().height)"
    )
    assert min(page.evaluate(high)) >= 11


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["run", "runs", "data"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing_serious(opened, name, width, scheme):
    assert serious_findings(opened(name, width, scheme)) == []


def test_the_page_of_a_run_opens_with_figures_and_pictures(opened):
    page = opened("run", 1440)
    assert page.locator(".figures dd").count() == 3
    assert page.locator(".opening img").count() == 6
    box = page.locator(".opening img").first.bounding_box()
    assert box["y"] < 700


@pytest.mark.parametrize("name", ["run", "runs"])
def test_the_pointer_reads_the_values_of_all_curves(opened, name):
    page = opened(name)
    plot = page.locator("#curves .plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 60)
    readings = page.locator("#curves output").all_inner_texts()
    assert all(text.startswith("step 4: ") for text in readings)
    first = plot.locator("[data-points]").first.get_attribute("data-points")
    assert first.split(" ")[-1].split(",")[3] in readings[0]


def test_the_arrow_keys_read_the_values_too(opened):
    page = opened("run")
    page.locator("#curves .plot").first.focus()
    page.keyboard.press("Home")
    assert page.locator("#curves output").first.inner_text().startswith("step 1: ")
    page.keyboard.press("ArrowRight")
    assert page.locator("#curves output").first.inner_text().startswith("step 2: ")
    assert page.locator("#curves .mark.on").count() == page.locator("#curves .mark").count()


def test_no_point_of_the_curves_lies_under_a_legend(opened):
    page = opened("run")
    inside = "document.querySelectorAll('#curves svg .keys, #curves .plot .keys').length"
    assert page.evaluate(inside) == 0
    overlap = """[...document.querySelectorAll('#curves .chart')].some(chart => {
      const plot = chart.querySelector('.plot').getBoundingClientRect();
      const keys = chart.querySelector('.keys')?.getBoundingClientRect();
      return keys && keys.top < plot.bottom; })"""
    assert not page.evaluate(overlap)


def column(page, place):
    cells = page.locator(f"#scores table[data-sortable] tbody tr > :nth-child({place})")
    return cells.all_inner_texts()


def test_tables_are_sorted_by_the_keyboard(opened):
    page = opened("run")
    head = page.locator("#scores table[data-sortable] thead th")
    head.nth(0).locator("button").focus()
    page.keyboard.press("Enter")
    assert column(page, 1) == sorted(column(page, 1))
    assert head.nth(0).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert column(page, 1) == sorted(column(page, 1), reverse=True)
    head.filter(has_text="share of pixels").locator("button").click()
    shares = [float(text) for text in column(page, 5)]
    assert shares == sorted(shares, reverse=True)
    assert page.locator("[aria-sort]").count() == 1


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
    page.locator("#scores .wide").nth(1).focus()
    page.keyboard.press("ArrowRight")
    moved = "document.querySelectorAll('#scores .wide')[1].scrollLeft > 0"
    page.wait_for_function(moved)
