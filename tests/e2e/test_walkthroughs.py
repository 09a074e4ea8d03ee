"""The pages that are typed along: their shell blocks, in order, in an empty folder.

Every line of every ``sh`` block runs, in this process, on small scenes: a few options are added to
what would take minutes. What is not run is named in SKIPPED.
"""

import re
import shlex
import sys
from pathlib import Path

import pytest
from serving import served

from fullconv.cli import main
from fullconv.data import open_source

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from labelme_files import write_labelme  # noqa: E402

SKIPPED = ("pip install",)
QUICK = {
    "shapes": ["--number", "3", "--size", "64x80"],
    "train": ["--steps", "2", "--set", "net.width=0.125", "--workers", "0", "--crop", "64x80",
              "--batch-size", "2", "--set", "schedule.log_every=1"],
}  # fmt: skip
PAGES = ("quickstart.md", "own-photos.md", "ja/index.md")


def blocks(page, language):
    text = (ROOT / "docs" / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def lines(page):
    """The commands of a page without what is remarked on them."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith(SKIPPED):
                yield shlex.split(line, comments=True)


def ended(arguments, monkeypatch):
    """The exit code of ``fullconv`` with these arguments."""
    resumed = "--resume" in arguments
    more = [] if resumed else QUICK.get(arguments[0], [])
    monkeypatch.setattr(sys, "argv", ["fullconv", *arguments, *more])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code or 0


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_line_works(page, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_labelme(open_source("shapes:64x80:n=8:seed=3", "train"), tmp_path / "labelme")
    seen = set()
    for program, command, *rest in lines(page):
        assert program == "fullconv", program
        seen.add(command)
        if command == "serve":
            with served(*rest) as service:
                assert service.url.startswith("http://127.0.0.1")
            continue
        code = ended([command, *rest], monkeypatch)
        assert code == 0, f"{command} {rest}: {capfd.readouterr().err}"
    assert {"train", "evaluate", "predict", "report", "serve"} <= seen
    assert (tmp_path / "runs/first/report.html").is_file()
    assert list((tmp_path / "pictures").glob("*_overlay.jpg"))
    for block in blocks(page, "python"):
        exec(block, {})
    assert "Traceback" not in capfd.readouterr().err


def test_the_pages_hold_no_other_commands():
    """A line that is shown but not run would rot: it stands in the text with its reason."""
    shown = [line for page in PAGES for block in blocks(page, "") for line in block.splitlines()
             if line.startswith("fullconv ")]  # fmt: skip
    assert all("weights" in line or "width" in line for line in shown), shown
