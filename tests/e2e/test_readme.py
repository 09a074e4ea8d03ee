"""README.md is true: its commands and its Python are taken out of it and executed, in order.

The sections in RUN are executed as they stand, on small scenes laid out as its ``photos/``;
a few options shorten the training. Of the commands in READ_ONLY only the arguments are read: they
need downloads, data of others, or minutes. A command that is in neither fails the test.
"""

import re
import shlex
import shutil
import signal
import tomllib
from pathlib import Path

import httpx
import numpy as np
import pytest
import typer
from PIL import Image
from serving import served

from fullconv.cli import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
RUN = ("Your own photos", "Correcting labels, and choosing what to label next", "Exporting")
QUICK = {"train": ["--set", "schedule.steps=3", "--set", "net.width=0.125", "--workers", "0"]}
QUICK_PYTHON = ('"schedule.epochs": 20', '"schedule.epochs": 1, "net.width": 0.125')
WITHIN_TEXT = {  # commands between backticks that are run as they stand: they need nothing
    "fullconv shapes scenes/", "fullconv nets", "fullconv recipes",
    "fullconv explain fcn8s-vgg16 --size 375x500",
}  # fmt: skip
READ_ONLY = {
    "fullconv import labelme/ photos/",  # runs in test_walkthroughs.py, on labelme's files
    "fullconv train data.yaml",  # runs in test_ultralytics_data.py
    "fullconv train photos/",  # runs with --out
    "fullconv train photos/ --time 10m",
    "fullconv train photos/ --time 15m",
    "fullconv train photos/ --scratch",
    "fullconv train photos/ --net fpn4s-timm.convnext_tiny --weights timm",
    "fullconv train photos/ --weights hf:jane/street-scenes",
    "fullconv train VOCdevkit/VOC2012 --recipe paper-vgg16 --out runs/voc",
    "fullconv train data/camvid --recipe camvid-scratch --out runs/camvid",
    "fullconv train photos/ --net fcn8s-vgg16 --stages 32,16,8",
    "fullconv predict voc-fcn8s.caffemodel photo.jpg",
    "fullconv predict snapshot_iter_100 photo.jpg",
    "fullconv train photos/ --net fcn8s-vgg16 --weights vgg16-caffe",
    "fullconv convert voc-fcn8s.caffemodel fcn8s.safetensors",
    "fullconv suggest runs/first unlabelled/ --number 20 --out next/",
    "fullconv predict runs/first clip.mp4 --out clip_overlay.mp4",
    "fullconv export runs/first --to web --out demo.html",  # downloads ONNX Runtime Web
    "fullconv compare --nets fcn32s-caffenet,fcn32s-vgg16,fcn32s-googlenet",
}
OTHER_PROGRAMS = {"pip install -c constraints.txt .", "pip install ."}


def sections():
    """Text by heading; what stands above the first one under ''."""
    parts = re.split(r"^## (.+)$", README, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def blocks(text, language=""):
    """The code blocks of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


def commands(text):
    """The lines of the blocks without language, all but the picture of a folder."""
    typed = [block for block in blocks(text) if not block.startswith("photos/\n")]
    lines = "".join(typed).replace("\\\n", " ").splitlines()
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]


def within_text(text):
    """Commands between single backticks."""
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", rest))
    return [span for span in spans if re.match(r"(fullconv|make|pip) ", span)]


@pytest.fixture
def place(tmp_path, monkeypatch, inside):
    """A folder with ``photos/``, ``photo.jpg`` and ``folder/`` as the README has them."""
    monkeypatch.chdir(tmp_path)
    inside("shapes", "scenes-made", "--number", "3", "--size", "96x128")
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            target = tmp_path / "photos" / kind / split
            target.mkdir(parents=True)
            made = sorted((tmp_path / "scenes-made" / kind / split).iterdir())
            for number, file in enumerate(made, 1 if split == "train" else 9):
                shutil.copy(file, target / f"street{number}{file.suffix}")
    for mask in (tmp_path / "photos/masks").rglob("*.png"):  # two classes, as in the README's file
        Image.fromarray((np.array(Image.open(mask)) > 0).astype(np.uint8)).save(mask)
    (toml,) = blocks(sections()[RUN[0]], "toml")
    (tmp_path / "photos/classes.toml").write_text(toml, "utf-8")
    shutil.copytree(tmp_path / "photos/images/val", tmp_path / "folder")
    shutil.copy(tmp_path / "folder/street9.jpg", tmp_path / "photo.jpg")
    return tmp_path


def serve(*arguments):
    """Started at a free port, asked once for a mask, and ended as by Ctrl-C."""
    with served(*arguments) as service, open("photo.jpg", "rb") as photo:
        answer = httpx.post(f"{service.url}/v1/segment", files={"photo": photo},
                            params={"answer": "mask"}, timeout=60)  # fmt: skip
        assert answer.status_code == 200
        assert answer.content == Path("pictures/photo.png").read_bytes()
        assert service.stop(signal.SIGINT) == 0


@pytest.mark.slow
def test_the_commands_work_in_their_order(place, inside):
    for section in RUN:
        for line in commands(sections()[section]):
            program, command, *rest = shlex.split(line)
            assert program == "fullconv", line
            if command == "serve":
                serve(*rest)
                continue
            if line in READ_ONLY:
                continue
            inside(command, *rest, *QUICK.get(command, []))
            if command == "train":  # the README compares it with a second one
                other = [word.replace("first", "second") for word in rest]
                inside(command, *other, *QUICK[command])
    left = {file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()}
    assert left >= {
        "inspect.html", "runs/first/model.safetensors", "runs/first/report.html",
        "pictures/photo.png", "pictures/street10_overlay.jpg", "runs/first/model.onnx",
        "errors.html", "fixed/fixes.html", "labels/street10.json",
        "runs/first/model.xml", "runs/first/model.bin",
    }  # fmt: skip


@pytest.mark.slow
def test_the_python_works(place, capfd):
    (block,) = blocks(README, "python")
    assert block.count(QUICK_PYTHON[0]) == 1
    names = {}
    exec(block.replace(*QUICK_PYTHON), names)
    prediction = names["prediction"]
    size = Image.open("photo.jpg").size[::-1]
    assert prediction.mask.shape == size
    assert prediction.scores.shape[-2:] == size
    assert prediction.overlay is not None
    assert 0 <= float(capfd.readouterr().out.splitlines()[-1]) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("line", sorted(WITHIN_TEXT))
def test_what_the_text_names_works(line, tmp_path, monkeypatch, inside):
    monkeypatch.chdir(tmp_path)
    more = ["--number", "1"] if "shapes" in line else []
    assert inside(*shlex.split(line)[1:], *more)[0].strip()


def known(line, section):
    """Whether a line is run above, read below, or a target of the Makefile."""
    if line.startswith("make "):
        makefile = (ROOT / "Makefile").read_text("utf-8")
        return re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE) is not None
    return line in READ_ONLY | WITHIN_TEXT | OTHER_PROGRAMS or section in RUN


def test_no_command_is_left_out():
    shown = [(line, name) for name, text in sections().items() for line in commands(text)]
    assert [line for line, name in shown if not known(line, name)] == []
    texts = [line for text in sections().values() for line in within_text(text)]
    assert [line for line in texts if not known(line, "")] == []
    everything = {line for line, _ in shown} | set(texts)
    assert everything >= READ_ONLY | WITHIN_TEXT | OTHER_PROGRAMS, "no longer in README.md"


@pytest.mark.parametrize("line", sorted(READ_ONLY))
def test_the_other_commands_can_be_read(line):
    _, command, *rest = shlex.split(line)
    typer.main.get_command(app).commands[command].make_context(command, rest)


def test_every_block_is_of_a_kind_that_is_tested():
    assert set(re.findall(r"^```(\w+)$", README, re.MULTILINE)) == {"toml", "python"}
    (toml,) = blocks(README, "toml")
    assert [each["name"] for each in tomllib.loads(toml)["class"]] == ["road", "everything else"]
