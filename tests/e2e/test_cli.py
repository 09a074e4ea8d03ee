"""The commands as typed: predict, evaluate, explain, nets, check, report, and their errors."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data import open_source
from fullconv.evaluation import evaluate
from fullconv.inference import Predictor
from fullconv.metrics import SUMMARY, Scores
from fullconv.models import available
from fullconv.training.recipes import RECOMMENDED, recipe_names
from fullconv.visualize import undrawable
from small_runs import small_run

DATA = "shapes:48x64:n=12"
COMMANDS = [
    "train",
    "evaluate",
    "predict",
    "serve",
    "convert",
    "export",
    "explain",
    "nets",
    "check",
    "compare",
    "recipes",
    "report",
    "shapes",
    "statistics",
    "weights",
    "download",
    "import",
]


def fullconv(*arguments, stdin=b"", code=0):
    """Run the command; its standard output and error."""
    done = subprocess.run(
        [sys.executable, "-m", "fullconv", *map(str, arguments)], input=stdin, capture_output=True
    )
    out, error = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, error + out
    assert "Traceback" not in error
    return out, error


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder as training leaves it, of a net with random weights."""
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    classes = open_source(DATA, "val").classes
    small_run(folder, classes)
    (folder / "config.toml").write_text(f'[data]\npath = "{DATA}"\n')
    return folder


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(open_source(DATA, "val")[0].image).save(path)
    return path


def test_help_names_every_command():
    out, _ = fullconv("--help")
    assert all(command in out for command in COMMANDS)


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom fullconv.cli import main\nsys.argv = ['fullconv', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numpy', 'matplotlib', 'pydantic', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(inside, command):
    assert f"\n    fullconv {command}" in inside(command, "--help")[0]


def test_version():
    assert fullconv("--version")[0].startswith("fullconv ")


def test_predict(run, photo, tmp_path):
    more = tmp_path / "more"
    (more / "deep").mkdir(parents=True)
    Image.fromarray(np.zeros((31, 77, 3), np.uint8)).save(more / "deep" / "dark.png")
    (more / "broken.jpg").write_bytes(photo.read_bytes()[:300])
    out = tmp_path / "out"
    said, error = fullconv("predict", run, photo, more, "--out", out, "--scores", code=1)
    assert error.startswith("fullconv: ")
    assert error.count("\n") == 1
    assert "broken.jpg" in error
    assert "2 of 3 photos" in said
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert files == [
        "deep/dark.png", "deep/dark_overlay.jpg", "deep/dark_scores.npy",
        "photo.png", "photo_overlay.jpg", "photo_scores.npy",
    ]  # fmt: skip
    mask = np.asarray(Image.open(out / "photo.png"))
    assert mask.shape == (48, 64)
    assert np.array_equal(np.load(out / "photo_scores.npy").argmax(0), mask)


def test_predict_standard_input(run, photo, tmp_path):
    out = tmp_path / "out"
    fullconv("predict", run, "-", "--out", out, "--no-overlay", stdin=photo.read_bytes())
    assert [path.name for path in out.iterdir()] == ["stdin.png"]


def test_predict_what_is_there_of_several(inside, run, photo, tmp_path):
    out, gone = tmp_path / "out", tmp_path / "two\nlines.jpg"
    said, error = inside("predict", run, gone, photo, "nothing*.jpg", "--out", out, code=1)
    assert "1 of 3 photos" in said
    assert [line[-13:] for line in error.splitlines()] == ["[FC-FILE-003]"] * 2
    assert "two\\nlines.jpg" in error and "nothing*.jpg" in error
    assert sorted(path.name for path in out.iterdir()) == ["photo.png", "photo_overlay.jpg"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--bands", "1,2"], "FC-RASTER-001"),
        (["--alpha", "nan"], "FC-CLI-001"),
        (["--tta", "mirror,mirror"], "FC-PREDICT-017"),
        (["--engine", "abacus"], "FC-PREDICT-009"),
    ],
)
def test_predict_refuses_wrong_options_before_the_first_photo(
    inside, run, photo, tmp_path, options, code
):
    _, error = inside("predict", run, photo, "--out", tmp_path / "out", *options, code=2)
    assert error.endswith(f"[{code}]\n") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_predict_an_empty_standard_input(run, tmp_path):
    _, error = fullconv("predict", run, "-", "--out", tmp_path / "out", stdin=b"", code=2)
    assert error.endswith("[FC-PREDICT-001]\n")


@pytest.mark.parametrize(("legend", "right"), [("none", 0), ("right", 1)])
def test_predict_with_legends_that_keep_the_height(inside, run, photo, tmp_path, legend, right):
    inside("predict", run, photo, "--out", tmp_path / "out", "--legend", legend)
    width, height = Image.open(tmp_path / "out" / "photo_overlay.jpg").size
    assert height == 48 and (width > 64) == bool(right)


@pytest.mark.skipif(not undrawable(["道路"]), reason="this system has a font for Japanese")
def test_predict_classes_whose_names_no_font_has(photo, tmp_path):
    run = small_run(tmp_path / "run", ClassSet(("道路", "été 🚗", "$x_{")))
    _, error = fullconv("predict", run, photo, "--out", tmp_path / "out")
    assert error.count("\n") == 1 and error.startswith("fullconv: note: ")
    assert "道路, été 🚗" in error and "$x" not in error


def test_predict_in_tiles(inside, run, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (600, 70, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "long.png")
    masks = []
    for option in ([], ["--tile", "auto"], ["--tile", 1024], ["--tile", 512]):
        out = tmp_path / "-".join(map(str, ["out", *option[1:]]))
        _, error = inside("predict", run, tmp_path / "long.png", "--out", out, *option)
        assert ("each pixel is computed 64 times" in error) == (option[1:] == [512])
        masks.append(np.asarray(Image.open(out / "long.png")))
    assert all(np.mean(mask == masks[0]) > 0.9999 for mask in masks)
    assert "mean IU" in inside("evaluate", run, "--tile", "auto")[0]
    for tile, says in (
        ("many", "neither auto nor"),
        ("-512", "neither auto nor"),
        ("96", "at least"),
    ):
        _, error = inside("predict", run, tmp_path / "long.png", "--tile", tile, code=2)
        assert says in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["classes.toml", "net", "net.svg"])
def test_a_drawn_net_replaces_no_file_of_another_kind(inside, tmp_path, name):
    (tmp_path / name).write_text("mine")
    _, error = inside("explain", "fcn32s-caffenet", "--plot", tmp_path / name, code=2)
    assert "FC-NET-009" in error and (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["map.png", "map.JPG", "below/map.tif"])
def test_a_picture_is_no_folder_for_results(inside, run, tmp_path, name):
    Image.new("RGB", (32, 24)).save(tmp_path / "a.png")
    _, error = inside("predict", run, tmp_path / "a.png", "--out", tmp_path / name, code=2)
    assert "FC-PREDICT-020" in error and error.count("\n") == 1
    assert not (tmp_path / name).exists()
    (tmp_path / name).mkdir(parents=True)  # a folder that is there is meant
    inside("predict", run, tmp_path / "a.png", "--out", tmp_path / name)
    assert (tmp_path / name / "a.png").is_file()


def test_evaluate_on_its_own_data(inside, run, tmp_path):
    said, _ = inside("evaluate", run, "--out", tmp_path)
    scores = Scores.from_dict(json.loads((tmp_path / "scores.json").read_text()))
    assert f"{100 * scores.mean_iu:.1f}" in said
    assert all(name in said for name in scores.names)
    assert Image.open(tmp_path / "confusion.png").size[0] > 300
    assert len((tmp_path / "photos.csv").read_text().splitlines()) == 2  # one photo: no interval
    assert "interval" not in said


def test_evaluate_never_replaces_the_scores_that_a_report_shows(inside, run, tmp_path):
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    _, error = inside("evaluate", run, "--split", "train", "--out", run, code=2)
    assert "FC-REPORT-007" in error
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    inside("evaluate", run, "--split", "train", "--out", tmp_path)
    assert (tmp_path / "scores.json").is_file()


def test_scores_and_comparisons_are_never_written_into_a_data_set(inside, run, tmp_path):
    data = tmp_path / "data"
    inside("shapes", data, "--number", "2", "--size", "48x64")
    voc = tmp_path / "VOCdevkit/VOC2012"
    for name in ("JPEGImages", "SegmentationClass"):
        (voc / name).mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    folders = (data, data / "images", data / "images/val", data / "masks/new", voc / "JPEGImages")
    for folder in folders:
        _, error = inside("evaluate", run, "--out", folder, code=2)
        assert f"{folder}: is a data set, or a folder of its photos or masks" in error
        assert "[FC-REPORT-008]" in error
    _, error = inside("compare", "--nets", "fcn8s-resnet18", "--out", data, code=2)
    assert "[FC-REPORT-008]" in error
    assert sorted(tmp_path.rglob("*")) == before
    for _ in range(2):  # the second finds its own scores
        inside("evaluate", run, "--out", data / "scores")
    assert (data / "scores/confusion.png").is_file()


def test_evaluate_says_how_far_to_trust_it(inside, run, tmp_path):
    source = "shapes:48x64:n=30"
    said, _ = inside("evaluate", run, source, "--boundary", "--out", tmp_path)
    scores = evaluate(run, source, boundary=0.02)
    low, high = (100 * end for end in json.loads(
        (tmp_path / "scores.json").read_text())["mean_iu_interval"])  # fmt: skip
    assert (
        f"mean IU {100 * scores.mean_iu:.1f} (95 % interval {low:.1f} to {high:.1f}, 3 photos)"
    ) in said
    for column in ("precision", "Dice", "boundary IU", "mean boundary IU"):
        assert column in said
    assert f"{100 * scores.mean_boundary_iu:.1f}" in said
    wide, _ = inside("evaluate", run, source, "--boundary-width", 0.2)
    mean = evaluate(run, source, boundary=0.2).mean_boundary_iu
    assert f"{100 * mean:.1f}" in wide and mean != scores.mean_boundary_iu


def test_test_time_augmentation(inside, run, tmp_path):
    source, tta = "shapes:48x64:n=30", "mirror,0.75,1"
    said, _ = inside("evaluate", run, source, "--tta", tta, "--tile", "auto")
    assert f"mean IU {100 * evaluate(run, source, tta=tta).mean_iu:.1f}" in said
    photo = open_source(DATA, "val")[0].image
    Image.fromarray(photo).save(tmp_path / "photo.png")
    inside(
        "predict", run, tmp_path / "photo.png", "--tta", tta, "--scores", "--out", tmp_path / "o"
    )
    found = Predictor(run, tta=tta)(photo)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "o" / "photo.png")), found.mask)
    assert np.array_equal(np.load(tmp_path / "o" / "photo_scores.npy"), found.scores)
    for command in (["predict", run, tmp_path / "photo.png"], ["evaluate", run]):
        _, error = inside(*command, "--tta", "flip", code=2)
        assert error.startswith("fullconv: --tta flip: 'flip' is neither mirror nor a scale")
        assert error.count("\n") == 1


def test_explain(inside, tmp_path):
    picture = tmp_path / "net.png"
    said, _ = inside("explain", "fcn8s-vgg16", "--size", "375x500", "--padding", "paper",
                       "--plot", picture)  # fmt: skip
    assert "404" in said
    assert all(f"a crop of {crop} " in said for crop in (5, 9, 31))
    assert Image.open(picture).size[0] > 800
    said, _ = inside("explain", "fcn8s-vgg16", "--size", "224x224", "--padding", "none")
    assert "1x1" in said


def test_a_run_in_place_of_a_name_or_a_data_set_is_told_apart(inside, tmp_path):
    folder = small_run(tmp_path / "my run", width=1 / 8, padding="paper")
    for path in (folder, folder / "model.safetensors"):
        _, error = inside("explain", path, code=2)
        command = "fullconv explain fcn8s-resnet18 --classes 11 --width 0.125 --padding paper"
        assert error == (
            f"fullconv: {path}: explain takes the name of a net, not a run; for its net: {command} "
            "[FC-NET-010]\n"
        )
    assert "376" in inside(*command.split()[1:], "--size", "376x500")[0]
    net = f"net.name={folder}"
    _, error = inside("train", "shapes", "--set", net, "--out", tmp_path / "new", code=2)
    assert "name it in net.weights" in error and "[FC-NET-001]" in error
    _, error = inside("explain", tmp_path, code=2)
    assert "no net is called" in error and "[FC-NET-001]" in error
    for command in ("check", "inspect"):
        _, error = inside(command, folder, code=2)
        assert f"{folder}: is the folder of a run, not a data set" in error
        assert f"fullconv evaluate {folder}" in error


def test_nets(inside):
    said, _ = inside("nets")
    rows = [line.split() for line in said.splitlines() if line.startswith("  ")]
    assert {f"{head}-{row[0]}" for row in rows for head in row[1:]} >= set(available())
    assert said.index("fpn4s-efficientnet_lite0") < said.index("caffenet  ")  # recommended


@pytest.mark.slow
def test_the_table_of_all_nets(inside):
    said, _ = inside("nets", "--size", "224x224")
    assert "134.3 M" in said


def test_compare(inside, run, tmp_path):
    out = tmp_path / "comparison"
    copy = shutil.copytree(run, tmp_path / "copy")
    said, _ = inside("compare", DATA, "--runs", run, "--runs", copy, "--rounds", 1, "--out", out)
    with (out / "comparison.csv").open(newline="") as file:
        row, again = csv.DictReader(file)
    assert (row["verdict"], again["verdict"]) == ("best", "no significant difference")
    assert "no significant difference between" in " ".join(said.lower().split())
    scores = evaluate(run, DATA)
    assert {key: float(row[key]) for key in SUMMARY} == scores.summary()
    assert (row["name"], row["photo_height"], row["photo_width"]) == ("shapes", "48", "64")
    assert f"{100 * scores.mean_iu:.1f}" in said
    assert float(row["fastest_seconds"]) <= float(row["forward_seconds"])
    assert Image.open(out / "comparison.png").size[0] > 300
    assert "fullconv compare shapes:48x64:n=12 --runs shapes --runs copy --rounds 1" in (
        out / "comparison.md"
    ).read_text("utf-8")


def test_check(inside, tmp_path):
    assert "errors: 0" in inside("check", DATA)[0]
    for folder, picture in (("images", np.zeros((4, 4, 3), np.uint8)), ("masks", None)):
        (tmp_path / folder / "train").mkdir(parents=True)
        values = np.full((4, 4), 9, np.uint8) if picture is None else picture
        Image.fromarray(values).save(tmp_path / folder / "train" / "one.png")
    (tmp_path / "classes.toml").write_text('[[class]]\nname = "a"\n[[class]]\nname = "b"\n')
    said, _ = inside("check", tmp_path, code=1)
    assert "one.png" in said
    assert "9" in said


def test_statistics(inside):
    said, _ = inside("statistics", DATA)
    assert "12 masks" in said
    assert "median-frequency" in said


def test_statistics_of_all_photos_where_there_are_no_splits(inside, tmp_path):
    inside("shapes", tmp_path / "scenes", "--number", 3, "--size", "48x64", "--split", "val")
    for kind in ("images", "masks"):
        (tmp_path / "scenes" / kind / "val").rename(tmp_path / kind)
        (tmp_path / "scenes" / kind).rmdir()
        (tmp_path / kind).rename(tmp_path / "scenes" / kind)
    assert "3 masks" in inside("statistics", tmp_path / "scenes")[0]


def test_shapes_are_a_data_set(inside, tmp_path):
    out = tmp_path / "scenes"
    said, _ = inside("shapes", out, "--number", 3, "--size", "48x64")
    assert said.startswith("9 scenes")
    assert "errors: 0, " in inside("check", out)[0]


def test_report(inside, run):
    (path,) = inside("report", run)[0].splitlines()
    assert path == str(run / "report.html")


def test_recipes(inside):
    recommended, _, names = inside("recipes")[0].partition("All:\n")
    assert [line.split()[0] for line in recommended.splitlines()[1:]] == list(RECOMMENDED)
    assert [line.split()[0] for line in names.splitlines()] == recipe_names()
    assert "Command:" in inside("recipes", "default")[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predict", "nowhere", "photo.jpg"], "photo.jpg"),
        (["evaluate", "nowhere"], "nowhere"),
        (["explain", "fcn8-vgg16"], "fcn8s-vgg16"),
        (["explain", "fcn8s-vgg16", "--size", "375"], "375x500"),
        (["check", "nowhere"], "nowhere"),
        (["compare", "--out", "out"], "--nets"),
        (["compare", "--nets", "fcn8s-resnet18,fcn8-vgg16", "--out", "out"], "fcn8s-vgg16"),
        (["compare", "--runs", "nowhere", "--out", "out"], "nowhere"),
        (["compare", "nowhere", "--nets", "fcn8s-vgg16", "--out", "out"], "nowhere"),
        (["compare", "--nets", "fcn8s-vgg16", "--size", "9", "--out", "out"], "375x500"),
        (["compare", "--nets", "fcn8s-vgg16", "--device", "x", "--out", "out"], "'x'"),
        (["compare", "--nets", "fcn8s-vgg16", "--padding", "none", "--out", "out"], "paper"),
        (["report", "nowhere"], "nowhere"),
        (["recipes", "pape"], "paper"),
        (["train"], "data"),
        (["train", "shapes", "--set", "rate"], "KEY=VALUE"),
        (["train", "shapes", "--set", "optimizer.rat=1"], "optimizer.lr"),
        (["train", "--resume"], "--out"),
    ],
)
def test_a_fault_is_one_line_and_code_2(inside, arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, error = inside(*arguments, code=2)
    assert error.startswith("fullconv: ")
    assert error.count("\n") == 1
    assert says in error
    assert not list(tmp_path.iterdir())


def test_a_fault_in_a_process_of_its_own(tmp_path):
    _, error = fullconv("evaluate", tmp_path, code=2)
    assert error.startswith("fullconv: ")
    assert error.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_ctrl_c_is_one_line_and_code_130(run, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(400):
        Image.fromarray(np.full((96, 128, 3), number % 256, np.uint8)).save(
            photos / f"{number}.png"
        )
    out = tmp_path / "out"
    command = [sys.executable, "-m", "fullconv", "predict", str(run), str(photos), "--out"]
    with subprocess.Popen(
        [*command, str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while not out.exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=200)
    assert process.returncode == 130
    assert error.decode() == "fullconv: stopped by Ctrl-C\n"
    assert not list(out.rglob("*.part"))


def test_weights_lists_what_is_known_and_what_is_in_the_cache(inside, tmp_path, monkeypatch):
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path))
    out, _ = inside("weights")
    assert "fcn8s-voc-berkeley" in out
    assert "not verified by checksum" in out
    assert str(tmp_path / "weights") in out
    _, error = inside("weights", "vgg16-caffe", "--offline", code=2)
    path = tmp_path / "weights" / "VGG_ILSVRC_16_layers.caffemodel"
    assert str(path) in error
    assert error.count("\n") == 1
    path.parent.mkdir()
    path.write_bytes(b"something else")
    assert "553432081" in inside("weights", "vgg16-caffe", code=2)[1]
    (tmp_path / "weights" / "fcn16s-heavy-pascal.caffemodel").write_bytes(b"by hand")
    out, error = inside("weights", "fcn16s-voc-berkeley")
    assert out == f"{tmp_path / 'weights' / 'fcn16s-heavy-pascal.caffemodel'}\n"
    assert "not verified by checksum" in error
    row = next(line for line in inside("weights")[0].splitlines() if "fcn16s-voc-b" in line)
    assert row.rstrip().endswith("yes")


def test_download_lists_data_sets_and_refuses_in_one_line(inside, tmp_path):
    out, _ = inside("download")
    assert "voc2012" in out
    assert "sbd" in out
    assert "name a folder" in inside("download", "voc2012", code=2)[1]
    _, error = inside("download", "voc2012", tmp_path / "new", "--offline", code=2)
    assert "VOCtrainval_11-May-2012.tar" in error
    assert error.count("\n") == 1
    (tmp_path / "VOCdevkit" / "VOC2012" / "JPEGImages").mkdir(parents=True)
    (tmp_path / "VOCdevkit" / "VOC2012" / "SegmentationClass").mkdir()
    out, _ = inside("download", "voc2012", tmp_path)
    assert "it was there" in out
    assert out.splitlines()[-1] == f"next: fullconv check {tmp_path / 'VOCdevkit' / 'VOC2012'}"
