"""What users named stays text on the pages, and a page's policy allows only what is in it."""

import base64
import hashlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.classes import ClassSet
from fullconv.data import Finding, Sample, survey
from fullconv.errors import UserError
from fullconv.files.write_targets import check_page_target
from fullconv.report import write_inspection, write_report, write_run_comparison
from fullconv.report.pages.page import write_page

HOSTILE = [
    "<script>alert(1)</script>", "' onload='x", '" onload="x', "</style><b>", "</title><img src=x>",
    "</pre></code>", "&lt;", "{{ 7*7 }}", "{% include 'x' %}", "-->", "javascript:x", "写真",
    "Stra\udcdfe.png", "\udcff\udc80",
]  # fmt: skip
SHORT = st.text(st.characters(exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=8)
ODD = st.sampled_from(HOSTILE)
NAMES = st.one_of(ODD, SHORT, st.builds("{}{}".format, SHORT, ODD))


class Source:
    """A tiny photo, named ``photo``, of a class named ``label``."""

    split = "train"

    def __init__(self, photo, label):
        self.names, self.classes = (photo,), ClassSet((label,))

    def __len__(self):
        return 1

    def files(self, index):
        return None, None

    def mask(self, index):
        return np.zeros((40, 40), np.uint8)

    def __getitem__(self, index):
        return Sample(self.names[0], np.zeros((40, 40, 3), np.uint8), self.mask(index))


def shown(text):
    """As a page shows a name: what is no UTF-8 as its bytes."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())


def tags(page):
    return [(tag, sorted(attrs)) for tag, attrs in page.tags]


@pytest.fixture(scope="module")
def looked():
    return survey({"train": Source("photo", "label")})


@settings(max_examples=40, deadline=None)
@given(title=NAMES, label=NAMES, photo=NAMES, file=NAMES, what=NAMES, cause=NAMES, fix=NAMES)
def test_no_name_changes_the_tags_of_an_inspection(
    looked, make_page, tmp_path_factory, title, label, photo, file, what, cause, fix
):
    out = tmp_path_factory.getbasetemp() / "page.html"

    def page(title, label, photo, file, *finding):
        object.__setattr__(looked, "sources", {"train": Source(photo, label)})
        return make_page(
            write_inspection(title, looked, [Finding(f"masks: {file}", *finding)], out).read_text(
                "utf-8"
            )
        )

    plain = page("x", "x", "x", "x", "x", "x", "x")
    made = page(title, label, photo, file, what, cause, fix)
    assert tags(made) == tags(plain)
    for text in (title, label, file, what, cause, fix):
        assert shown(text) in made.text
    assert any(shown(label) in " ".join(alt["alt"].split()) for alt in made.all("img"))


def test_no_name_changes_the_tags_of_a_run_or_a_comparison(make_run, make_page, tmp_path):
    def pages(*names):
        runs = [make_run(f"{number}/{name}") for number, name in enumerate(names)]
        for run, name in zip(runs, names, strict=True):
            for file in ("scores.json", "config.toml"):
                text = (
                    (run / file).read_text().replace('"sky"', '"' + name.replace('"', '\\"') + '"')
                )
                (run / file).write_text(text.replace("photos & more", name.replace('"', '\\"')))
        one, two = write_report(runs[0], tmp_path / "1.html"), tmp_path / "2.html"
        write_run_comparison(runs, two)
        return [make_page(path.read_text("utf-8")) for path in (one, two)]

    names = ["<b onload='x'>", '" onload="x{{ 7*7 }}&lt;']
    for made, plain in zip(pages(*names), pages("x", "y"), strict=True):
        assert tags(made) == tags(plain)
        assert names[0] in made.text


def test_a_run_in_a_folder_whose_name_is_no_utf8_has_its_pages(make_run, parsed, tmp_path):
    first, second = make_run("Stra\udcdfe"), make_run("other")
    assert r"Stra\udcdfe" in parsed(write_report(first)).text
    both = write_run_comparison([first, second], tmp_path / "page.html")
    assert r"Stra\udcdfe" in parsed(both).text


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def policy_of(page):
    found = [a for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(found) == 1
    return dict(part.strip().split(" ", 1) for part in found[0]["content"].split(";"))


def test_the_policy_of_a_page_allows_its_own_script_and_style_and_nothing_else(
    make_run, parsed, tmp_path
):
    run, other = write_report(make_run("a")), make_run("b")
    both = write_run_comparison([run.parent, other], tmp_path / "page.html")
    for path, scripts in ((run, 1), (both, 1)):
        text, page = path.read_text("utf-8"), parsed(path)
        policy = policy_of(page)
        assert policy.pop("default-src") == "'none'"
        assert policy.pop("img-src") == "data:"
        assert policy.pop("base-uri") == policy.pop("form-action") == "'none'"
        assert policy.pop("style-src-attr") == "'unsafe-inline'"
        assert [policy.pop("style-src")] == [
            digest(style) for style in re.findall("<style>(.*?)</style>", text, re.DOTALL)
        ]
        code = re.findall("<script>(.*?)</script>", text, re.DOTALL)
        assert len(code) == scripts
        assert [policy.pop("script-src")] == [*map(digest, code)] if scripts else not policy
        assert not policy
        meta = text.index("Content-Security-Policy")
        assert meta < text.index("<style>") and meta < text.index("<title>")


@pytest.mark.parametrize("name", ["config.toml", "classes.toml", "photo.jpg", "log.csv"])
def test_a_page_replaces_no_file_of_another_kind(tmp_path, name):
    """`report RUN --out RUN/config.toml` was the end of a run."""
    file = tmp_path / name
    file.write_bytes(b"net = 1\n")
    with pytest.raises(UserError, match="no page") as caught:
        write_page(file, "fixes.html")
    assert caught.value.code == "FC-FILE-007"
    assert file.read_bytes() == b"net = 1\n"


@pytest.mark.parametrize("content", [b"", b"\0" * 2000, b"<!doctype html>\n<html lang=en>"])
def test_a_page_that_is_there_empty_or_damaged_is_replaced(tmp_path, content):
    (tmp_path / "page.html").write_bytes(content)
    check_page_target(tmp_path / "page.html")
    check_page_target(tmp_path / "new.html")
