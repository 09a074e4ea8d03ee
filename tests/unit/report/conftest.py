"""Pages taken apart, and small runs to make them of."""

import base64
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data import Sample
from fullconv.metrics import Scores, confusion
from fullconv.report import BestAndWorst

EMPTY = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """A page that must be well-formed: every tag is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), attrs
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def pictures(self) -> list[tuple[str, Image.Image]]:
        """The alternative text and the decoded content of each image."""
        found = []
        for attrs in self.all("img"):
            kind, data = attrs["src"].removeprefix("data:image/").split(";base64,")
            image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
            image.load()
            assert image.format.lower() == kind
            found.append((attrs["alt"], image))
        return found


@pytest.fixture(scope="session")
def make_page() -> Callable[[str], Page]:
    """``make_page(text)`` is a Page, its links not looked at."""
    return Page


@pytest.fixture
def parsed() -> Callable[[str | Path], Page]:
    """``parsed(path)`` is a Page that needs no network, with links that lead somewhere."""

    def read(path) -> Page:
        text = path.read_text("utf-8") if isinstance(path, Path) else path
        page = Page(text)
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(ids) == len(set(ids))
        for _, attrs in page.tags:
            for name in ("src", "href", "action", "srcset", "poster"):
                target = attrs.get(name)
                assert target is None or target.startswith(("data:", "#")), target
                if target and target.startswith("#"):
                    assert target[1:] in ids
        for foreign in ("url(", "@import", "http:", "https:", "fetch(", "XMLHttpRequest"):
            assert foreign not in text
        assert all(attrs.get("alt") for attrs in page.all("img"))
        assert len(page.all("h1")) == len(page.all("title")) == 1
        return page

    return read


@pytest.fixture
def three() -> ClassSet:
    return ClassSet(("road", "car & <b>van</b>", "sky"), ((10, 20, 30), (200, 30, 30), (0, 0, 255)))


@pytest.fixture
def make_run(tmp_path, three) -> Callable[..., Path]:
    """``make_run(name, **values)`` writes the files that a finished run has, without a net."""

    def make(name: str, rate: float = 0.01, hits: float = 0.8, photos: int = 14) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(
            f'recipe = "default"\n[data]\npath = "photos & more"\n[net]\nname = "fcn8s-resnet18"\n'
            f"[schedule]\nsteps = 40\nbatch_size = 2\naccumulate = 3\n[optimizer]\nlr = {rate}\n"
        )
        columns = (
            "step,rate,loss_per_pixel,val_pixel_accuracy,val_mean_accuracy,val_mean_iu,val_fw_iu"
        )
        rows = [f"{s},{rate},{1 / s:.4f},{hits},{hits},{hits * s / 40},{hits}" for s in (20, 40)]
        (folder / "log.csv").write_text("\n".join([columns, *rows, ""]))
        (folder / "timing.csv").write_text(
            "step,seconds,images_per_second,data_wait,memory_mib\n20,100,4,0.1,500\n40,60,6,0.1,700\n"
        )
        scores = scored(three, hits, photos, folder)
        (folder / "scores.json").write_text(json.dumps({"step": 40, **scores.to_dict()}))
        return folder

    return make


def scored(classes: ClassSet, hits: float, photos: int, folder: Path) -> Scores:
    """Scores of predictions of which about ``hits`` are right, their best_and_worst written."""
    rng, best_and_worst, total = np.random.default_rng(0), BestAndWorst(), 0
    for number in range(photos):
        truth = rng.integers(0, 3, (8, 12), dtype=np.uint8).repeat(5, 0).repeat(5, 1)
        truth[:2] = classes.ignore
        wrong = rng.random(truth.shape) > hits * (number + 1) / photos
        guess = np.where(wrong | (truth == classes.ignore), (truth + 1) % 3, truth).astype(np.uint8)
        matrix = confusion(truth, guess, 3, classes.ignore)
        image = rng.integers(0, 256, (*truth.shape, 3), np.uint8)
        best_and_worst.add(Sample(f"street <{number}>", image, truth), guess, matrix)
        total = total + matrix
    best_and_worst.write(folder, classes, 40)
    return Scores.from_confusion(np.asarray(total), classes.names)
