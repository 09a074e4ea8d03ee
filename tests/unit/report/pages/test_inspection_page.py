import numpy as np
import pytest

from fullconv.classes import ClassSet
from fullconv.data import Finding, findings_in, open_source, survey, write_folder
from fullconv.report import write_inspection
from fullconv.report.class_examples import example_pictures, spread_places, window
from fullconv.report.pages.inspection_page import SHEET, contact_sheet, log_part, share_text
from fullconv.visualize import layer


@pytest.fixture
def data(tmp_path):
    write_folder([open_source("shapes:96x128:n=40", "train")], tmp_path / "d", 6)
    return tmp_path / "d"


def inspected(data, tmp_path, findings=None):
    looked = survey({"train": open_source(data, "train")})
    found = findings_in(looked) if findings is None else findings
    return write_inspection("my <data>", looked, found, tmp_path / "page.html")


def test_the_page_of_clean_data(data, tmp_path, parsed):
    page = parsed(inspected(data, tmp_path))
    assert "Nothing looks wrong" in page.text
    assert "my <data>" in page.text
    assert "128 x 96 6" in page.text
    assert {alt.split(" in ")[0] for alt, _ in page.pictures() if " in " in alt} == {
        "background", "disc", "box", "triangle", "star", "ring",
    }  # fmt: skip


def test_whole_masks_are_shown_over_their_photos(data, tmp_path, parsed):
    page = parsed(inspected(data, tmp_path))
    masks = [image for alt, image in page.pictures() if alt.startswith("mask of ")]
    assert len(masks) == 6
    source = open_source(data, "train")
    laid = np.asarray(masks[0].convert("RGBA"))
    np.testing.assert_array_equal(laid, layer(source.mask(0), source.classes))


def test_the_contact_sheet_is_spread_over_all_splits_and_bounded(make_many):
    survey_of = make_many(3, photos=200)
    object.__setattr__(
        survey_of,
        "sources",
        {"train": survey_of.sources["train"]} | {"val": survey_of.sources["train"]},
    )
    object.__setattr__(
        survey_of, "measurements", dict.fromkeys(("train", "val"), survey_of.measurements["train"])
    )
    sheet = contact_sheet(survey_of)
    assert [part["split"] for part in sheet] == ["train", "val"]
    assert sum(len(part["masks"]) for part in sheet) <= SHEET
    places = [int(each["name"]) for each in sheet[0]["masks"]]
    assert places[0] == 0 and places[-1] == 199 and np.diff(places).min() > 5


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0"), (1, "100.0"), (0.1234, "12.3"), (0.00042, "0.042"),
                        (0.0099, "0.99"), (1e-9, "< 0.0001")],
)  # fmt: skip
def test_shares_of_rare_classes_have_digits(share, text):
    assert share_text(share) == text


def test_bars_are_on_a_scale_of_tens():
    assert log_part(1) == 1
    assert log_part(0.1) == pytest.approx(0.75)
    assert log_part(0.001) == pytest.approx(0.25)
    assert 0 < log_part(1e-7) < 0.05
    assert log_part(0) == 0


def test_examples_of_one_class_are_no_neighbouring_frames():
    rng = np.random.default_rng(0)
    for count in (8, 40, 367):
        areas = [(place, int(rng.integers(1, 1000))) for place in range(count)]
        places = spread_places(areas, 4)
        assert places == sorted(places) and len(set(places)) == 4
        assert np.diff(places).min() >= count // 16 + 1
        chosen = [dict(areas)[place] for place in places]
        assert min(chosen) >= np.median([area for _, area in areas])
    assert spread_places([(5, 1)], 4) == [5]
    assert spread_places([(5, 1), (6, 9)], 4) == [5, 6]


def test_findings_name_files_and_the_mend_and_show_them(data, tmp_path, parsed):
    file = str(data / "masks/train/shapes-train-00002.png")
    findings = [
        Finding(file, "odd <script>alert(1)</script>", "a cause", "a fix", "warning"),
        Finding("split train", "worse", "", "another fix"),
    ]
    page = parsed(inspected(data, tmp_path, findings))
    assert page.text.index("worse") < page.text.index("odd <script>")  # errors first
    for words in (file, "a cause", "a fix", "another fix"):
        assert words in page.text
    assert len(page.all("script")) == 1  # the page's own
    assert "<script>alert" not in (tmp_path / "page.html").read_text("utf-8")
    assert any("borders of its mask" in alt for alt, _ in page.pictures())


def test_many_findings_of_a_kind_stay_short(data, tmp_path, parsed):
    findings = [Finding(f"{n}.png", "x", "cause", "fix", "warning") for n in range(5000)]
    path = inspected(data, tmp_path, findings)
    assert "4800 more" in parsed(path).text
    assert path.stat().st_size < 2**20


def test_photos_that_cannot_be_read_are_findings(data, tmp_path, parsed):
    (data / "images/train/shapes-train-00001.jpg").write_bytes(b"no photo")
    page = parsed(inspected(data, tmp_path))
    assert "shapes-train-00001.jpg" in page.text
    assert "errors: 1, warnings: 0" in page.text


def test_the_window_holds_the_class_in_its_colours():
    image = np.full((300, 400, 3), 90, np.uint8)
    image[200:220, 300:330] = (200, 10, 10)
    mask = np.zeros((300, 400), np.uint8)
    mask[200:220, 300:330] = 4
    shown = window(image, mask, 4)
    assert max(shown.shape[:2]) < 100
    assert (shown == (200, 10, 10)).all(-1).sum() == 20 * 30
    assert (shown.mean(-1) > 120).sum() == shown.shape[0] * shown.shape[1] - 20 * 30


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (70, 70)])
def test_a_window_of_any_photo(size):
    image, mask = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
    assert window(image, mask, 0).size > 0


def test_many_classes_get_fewer_examples(tmp_path, make_many):
    few, many = make_many(3), make_many(100)
    assert len(example_pictures(few, 1)) == 4
    assert len(example_pictures(many, 1)) == 2


@pytest.fixture
def make_many(tmp_path):
    def make(count, photos=9):
        class Source:
            classes = ClassSet(tuple(map(str, range(count))))
            split = "train"
            names = tuple(map(str, range(photos)))

            def __len__(self):
                return photos

            def files(self, index):
                return None, None

            def mask(self, index):
                return np.ones((40, 40), np.uint8)

            def __getitem__(self, index):
                from fullconv.data import Sample

                return Sample(str(index), np.zeros((40, 40, 3), np.uint8), self.mask(index))

        return survey({"train": Source()})

    return make
