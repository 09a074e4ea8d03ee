"""A net that sees colour and depth and gives two label maps, as a user would train and use it."""

import json

import numpy as np
import pytest
from PIL import Image

from fullconv.data import open_source, write_folder

TINY = (  # noqa: SIM905
    "--net fcn8s-resnet18 --steps 2 --batch-size 2 --set net.width=0.125 --workers 0 "
    "--set schedule.validate_every=2 --crop 48x64 --device cpu --precision fp32"
).split()


@pytest.fixture(scope="module")
def rgbd(tmp_path_factory):
    """Scenes as a folder data set, with ``depth/`` and the second label map ``outlines/``."""
    splits = [open_source("shapes:48x64:n=30", split) for split in ("train", "val")]
    root = write_folder(splits, tmp_path_factory.mktemp("rgbd") / "scenes", limit=4)
    for plain in splits:
        split = plain.split
        deep = open_source("shapes:48x64:n=30", split, inputs=("depth",))
        outlines = open_source("shapes:48x64:n=30", split, outputs=("outlines",))
        (root / "outlines.toml").write_text(outlines.classes.to_toml())
        for index, photo in enumerate(sorted((root / "images" / split).iterdir())):
            for kind, array in (
                ("depth", np.exp(deep[index].image[..., 0]).round().astype(np.uint16)),
                ("outlines", outlines[index].mask),
            ):
                file = root / kind / split / f"{photo.stem}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(file)
    return root


@pytest.mark.parametrize("inputs", ["color,depth", "color+depth"])
def test_train_evaluate_predict(inside, rgbd, tmp_path, inputs):
    net = tmp_path / "net"
    shown = ["--inputs", inputs, "--outputs", "masks,outlines"]
    out, _ = inside("train", rgbd, *shown, *TINY, "--out", net)
    assert "9 classes, 0 findings" in out
    out, _ = inside("evaluate", net, "--out", tmp_path / "scores")
    assert out.count("mean IU") == 4  # for each output in a table, and with its interval
    assert out.index("masks") < out.index("ring") < out.index("outlines") < out.index("angular")
    names = [
        c["name"] for c in json.loads((tmp_path / "scores/scores.json").read_text())["classes"]
    ]
    assert names[-1] == "outlines: angular"

    photo = sorted((rgbd / "images/val").iterdir())[0]
    inside("predict", net, photo, "--out", tmp_path / "scored", "--scores")
    assert np.load(tmp_path / "scored" / f"{photo.stem}_outlines_scores.npy").shape == (3, 48, 64)
    inside("predict", net, photo, "--out", tmp_path / "beside")
    written = sorted(path.name for path in (tmp_path / "beside").iterdir())
    stem = photo.stem
    assert written == [
        f"{stem}{ending}"
        for ending in (".png", "_outlines.png", "_outlines_overlay.jpg", "_overlay.jpg")
    ]
    mask = np.asarray(Image.open(tmp_path / "beside" / f"{stem}_outlines.png"))
    assert mask.shape == (48, 64)
    assert mask.max() < 3

    copy = tmp_path / "elsewhere.jpg"
    copy.write_bytes(photo.read_bytes())
    _, error = inside("predict", net, copy, "--out", tmp_path / "no", code=1)
    assert "depth/elsewhere.png: there is no such file" in error
    depth = rgbd / "depth/val" / f"{stem}.png"
    inside("predict", net, copy, "--input", f"depth={depth}", "--out", tmp_path / "given")
    for name in (".png", "_outlines.png"):
        given = (tmp_path / "given" / f"elsewhere{name}").read_bytes()
        assert given == (tmp_path / "beside" / f"{stem}{name}").read_bytes()
    _, error = inside("predict", net, copy, "--input", "hha=x", "--out", tmp_path / "x", code=2)
    assert "--input hha: no further input of this net; it needs depth" in error


def test_one_output_alone_is_scored_on_its_own_label_map(inside, rgbd, tmp_path):
    inside("train", rgbd, "--outputs", "outlines", *TINY, "--out", tmp_path / "net")
    out, _ = inside("evaluate", tmp_path / "net")
    assert "angular" in out
    assert "ring" not in out
    out, _ = inside("compare", "--runs", tmp_path / "net", "--rounds", 1, "--out", tmp_path / "c")
    assert "mean IU" in out


def test_a_net_without_colour_finds_its_input(inside, rgbd, tmp_path):
    inside("train", rgbd, "--inputs", "depth", *TINY, "--out", tmp_path / "net")
    photo = sorted((rgbd / "images/val").iterdir())[0]
    depth = rgbd / "depth/val" / f"{photo.stem}.png"
    results = []
    for name, arguments in {
        "photo": [photo],
        "plane": [depth],
        "told": [photo, "--input", f"depth={depth.parent}"],
    }.items():
        inside("predict", tmp_path / "net", *arguments, "--out", tmp_path / name)
        results.append((tmp_path / name / f"{photo.stem}.png").read_bytes())
    assert results[0] == results[1] == results[2]


def test_a_second_output_overwrites_no_other_photo(inside, rgbd, tmp_path):
    inside("train", rgbd, "--outputs", "masks,outlines", *TINY, "--out", tmp_path / "net")
    photo = sorted((rgbd / "images/val").iterdir())[0].read_bytes()
    for name in ("a", "a_outlines"):
        (tmp_path / f"{name}.jpg").write_bytes(photo)
    _, error = inside(
        "predict", tmp_path / "net", tmp_path / "a.jpg", tmp_path / "a_outlines.jpg",
        "--out", tmp_path / "out", code=2,
    )  # fmt: skip
    assert "a_outlines.png: is the name of" in error


def test_a_late_fusion_starts_from_two_runs(inside, rgbd, tmp_path):
    for kind in ("color", "depth"):
        inside("train", rgbd, "--inputs", kind, *TINY, "--out", tmp_path / kind)
    both = ["--weights", tmp_path / "color", "--weights", tmp_path / "depth"]
    out, _ = inside(
        "train", rgbd, "--inputs", "color,depth", *both, *TINY, "--out", tmp_path / "both"
    )
    assert "arrays loaded from" in out
    assert "fresh" not in out


def test_faults_of_options_are_one_line(inside, rgbd, tmp_path):
    for options, says in (
        (["--inputs", "depth,color"], "color comes first"),
        (["--inputs", "color,lidar"], "'lidar' is unknown"),
        (["--outputs", "masks,edges"], "no label map 'edges'; it has masks, outlines"),
        (["--inputs", "color,hha"], "hha/train/"),
    ):
        _, error = inside("train", rgbd, *options, *TINY, "--out", tmp_path / "run", code=2)
        assert says in error
        assert not (tmp_path / "run").exists()
