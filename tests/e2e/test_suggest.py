"""``fullconv suggest`` and ``inspect --run`` as a user types them."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from fullconv.curation import labelled_views, view_photos
from fullconv.data import available_splits, check, open_source
from fullconv.data.layouts.registry import layout_of
from fullconv.inference import Predictor, find_inputs
from small_runs import small_run


@pytest.fixture
def data(run, tmp_path):
    run("shapes", tmp_path / "scenes", "--number", "8", "--size", "96x128")
    return tmp_path / "scenes"


@pytest.fixture
def net(data, tmp_path):
    """A run of a net with the classes of the scenes, that names them as its data."""
    folder = small_run(tmp_path / "run", open_source(data, "train").classes)
    (folder / "config.toml").write_text(f'[data]\npath = "{data}"\n')
    return folder


@pytest.fixture
def pool(data, tmp_path):
    """Six new photos, a copy of a labelled one under another quality, one that is broken."""
    folder = tmp_path / "pool"
    (folder / "deeper").mkdir(parents=True)
    scenes = open_source("shapes:96x128:seed=9:n=20", "train")
    for place in range(6):
        image = Image.fromarray(scenes[place].image)
        image.save(folder / ("deeper" if place == 5 else "") / f"new{place}.jpg", quality=95)
    copy = Image.open(data / "images/train/shapes-train-00002.jpg")
    copy.save(folder / "copy.jpg", quality=70)
    return folder


def rows_of(file):
    return list(csv.DictReader(file.read_text("utf-8").splitlines()))


def test_photos_are_suggested_with_reasons_and_prelabels(run, net, pool, tmp_path):
    out = tmp_path / "next"
    said = run("suggest", net, pool, "--number", "3", "--out", out)
    assert "3 of 7 photos; duplicates left out: 1" in said
    rows = rows_of(out / "suggestions.csv")
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert all(row["reasons"] and "copy" not in row["photo"] for row in rows)
    page = (out / "suggestions.html").read_text("utf-8")
    assert all(row["photo"] in page for row in rows)
    assert available_splits(out / "masks") == ["all"]
    source = open_source(out / "masks", "all")
    assert len(source) == 3
    assert [f for f in check({"all": source}) if f.severity == "error"] == []


def test_all_photos_keep_their_folders_and_bytes(run, net, pool, tmp_path):
    out = tmp_path / "next"
    run("suggest", net, pool, "--number", "50", "--out", out)
    for name in ("new0.jpg", "deeper/new5.jpg"):
        assert (out / "masks/images" / name).read_bytes() == (pool / name).read_bytes()


def test_a_broken_photo_is_named_and_the_others_are_suggested(run, net, pool, tmp_path):
    (pool / "broken.jpg").write_bytes(b"no photo")
    said = run("suggest", net, pool, "--number", "2", "--out", tmp_path / "next", code=1)
    assert "broken.jpg" in said
    assert len(rows_of(tmp_path / "next/suggestions.csv")) == 2


def test_all_that_cannot_be_read_is_named_and_counted(run, net, pool, data, tmp_path):
    (pool / "broken.jpg").write_bytes(b"no photo")
    (pool / "deeper/empty.png").touch()
    for split in ("train", "val"):
        next((data / "images" / split).iterdir()).write_bytes(b"no photo")
    inputs, out = (pool, tmp_path / "missing.jpg"), tmp_path / "next"
    said = run("suggest", net, *inputs, "--number", "2", "--out", out, code=1)
    for name in ("broken.jpg", "deeper/empty.png", "missing.jpg"):
        assert f"{name}: " in said
    assert "2 of 10 photos; duplicates left out: 1; could not be read: 3" in said
    assert said.count("note: left out of what is labelled: ") == 2


def test_from_python_all_that_cannot_be_read_is_named(net, pool, data, tmp_path):
    broken = pool / "broken.jpg"
    broken.write_bytes(b"no photo")
    (data / "images/train/shapes-train-00001.jpg").write_bytes(b"no photo")
    predictor = Predictor(net, engine="torch")
    photos = find_inputs([pool, tmp_path / "missing.jpg"], tmp_path / "next")
    viewed = view_photos(predictor, photos)
    assert [error.code for error in viewed.errors] == ["FC-DATA-002", "FC-FILE-003"]
    assert str(broken) in str(viewed.errors[0])
    assert len(viewed.views) == len(viewed.photos) == 7
    assert all(v.name == str(p) for v, p in zip(viewed.views, viewed.photos, strict=True))
    labelled = labelled_views(predictor, data, ["train", "val"])
    assert ["shapes-train-00001" in str(error) for error in labelled.errors] == [True]
    assert (len(labelled.views), len(labelled.held_out)) == (7, 8)


def test_without_its_data_a_run_still_spreads_the_photos(run, net, pool, tmp_path):
    (net / "config.toml").unlink()
    said = run("suggest", net, pool, "--number", "2", "--out", tmp_path / "next")
    assert "the labelled data set is not known" in said
    assert rows_of(tmp_path / "next/suggestions.csv")[0]["nearest"] == ""


def test_errors_of_the_user_leave_nothing_behind(run, net, pool, data, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    assert "[FC-FILE-006]" in run("suggest", net, pool, "--out", tmp_path / "full", code=2)
    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(data / "images/train/shapes-train-00001.jpg", only)
    out = tmp_path / "next"
    assert "[FC-CURATE-002]" in run("suggest", net, only, "--out", out, code=2)
    assert "FC-FILE-003" in run("suggest", net, tmp_path / "nothing", "--out", out, code=2)
    assert not out.exists()


def test_a_labelling_tool_gets_its_own_files(run, net, pool, tmp_path):
    pytest.importorskip("fullconv.data.exporters")
    out = tmp_path / "next"
    run("suggest", net, pool, "--number", "2", "--out", out, "--to", "labelme")
    assert len(list((out / "labelme").rglob("*.json"))) == 2
    assert "[FC-LABELS-002]" in run("suggest", net, pool, "--out", out / "x", "--to", "no", code=2)


def test_inspect_with_a_run_ranks_the_masks_on_the_page_and_in_a_table(run, net, data, tmp_path):
    page = tmp_path / "page.html"
    said = run("inspect", data, "--split", "val", "--run", net, "--out", page)
    assert "val: the 8 masks ranked by their likely label errors" in said
    rows = rows_of(tmp_path / "page_label_errors.csv")
    assert {row["split"] for row in rows} == {"val"}
    label_errors = [float(row["score"]) for row in rows]
    assert label_errors == sorted(label_errors, reverse=True)
    text = page.read_text("utf-8")
    assert "Likely label errors" in text
    assert rows[0]["mask"] in text
    for row in rows:
        mask = np.array(Image.open(row["mask"]))
        top, left = int(row["top"]), int(row["left"])
        window = mask[top : top + int(row["height"]), left : left + int(row["width"])]
        names = open_source(data, "val").classes.names
        assert (window == names.index(row["labelled"])).any()


def test_inspect_names_splits_without_masks_and_a_net_of_other_classes(run, net, data, tmp_path):
    shutil.rmtree(data / "masks/test")
    (data / "masks/test").mkdir()
    page = tmp_path / "page.html"
    said = run(
        "inspect", data, "--split", "test", "--split", "val", "--run", net, "--out", page, code=1
    )
    assert "test has no masks" in said
    other = small_run(tmp_path / "other")
    assert "FC-CLASS" in run("inspect", data, "--run", other, "--out", page, code=2)


def test_check_fix_writes_a_copy_that_passes_the_check(run, data, tmp_path):
    for file in (data / "masks").rglob("*.png"):
        mask = np.array(Image.open(file))
        Image.fromarray(np.where(mask == 255, 255, mask + 1).astype(np.uint8)[::2, ::2]).save(file)
    out = tmp_path / "fixed"
    said = run("check", data, "--fix", out)
    assert "count from 0; resized by 2" in said
    assert "errors: 0" in run("check", out)
    page = (out / "fixes.html").read_text("utf-8")
    assert "before" in page
    assert "after" in page
    layout = layout_of(out)
    assert layout is not None
    assert layout.name == "folder"


def test_check_fix_asks_what_a_0_below_classes_from_1_is(run, data, tmp_path):
    for file in (data / "masks").rglob("*.png"):
        mask = np.array(Image.open(file))
        Image.fromarray(np.where(mask == 255, 0, mask + 1).astype(np.uint8)).save(file)
    out = tmp_path / "fixed"
    said = run("check", data, "--fix", out, code=2)
    assert "--ignore 0" in said
    assert "[FC-FIX-003]" in said
    assert not out.exists()
    assert "goes with --fix" in run("check", data, "--ignore", "0", code=2)
    assert "count from 0" in run("check", data, "--fix", out, "--ignore", "0")
    assert "errors: 0" in run("check", out)


def test_a_copy_may_lie_beside_a_list_of_pairs(run, data, tmp_path):
    photos = sorted((data / "images/train").iterdir())
    lines = [f"{photo},{data}/masks/train/{photo.stem}.png\n" for photo in photos]
    (tmp_path / "pairs.csv").write_text("".join(lines))
    (tmp_path / "classes.toml").write_text((data / "classes.toml").read_text())
    run("check", tmp_path / "pairs.csv", "--fix", tmp_path / "copy")
    assert "errors: 0" in run("check", tmp_path / "copy")


def test_check_fix_is_never_in_place_and_says_what_it_left_out(run, data, tmp_path):
    assert "[FC-FIX-002]" in run("check", data, "--fix", data / "fixed", code=2)
    assert "[FC-FIX-002]" in run("check", data, "--fix", data, code=2)
    (data / "images/train/shapes-train-00001.jpg").write_bytes(b"no photo")
    out = tmp_path / "fixed"
    said = run("check", data, "--fix", out, code=1)
    assert "left out: " in said
    assert "shapes-train-00001.jpg" in said
    assert "7 train" in said
    assert "[FC-FILE-006]" in run("check", data, "--fix", out, code=2)


def test_labels_are_counted_by_another_class_file(run, net, pool, data, tmp_path):
    classes = (data / "classes.toml").read_text("utf-8")
    (data / "classes.toml").write_text(classes.replace('"box"', '"crate"'))
    (tmp_path / "names.toml").write_text(classes)
    out = ("--number", "2", "--out", tmp_path / "next")
    assert "[FC-CLASS-008]" in run("suggest", net, pool, *out, code=2)
    run("suggest", net, pool, *out, "--classes", tmp_path / "names.toml")
    assert rows_of(tmp_path / "next/suggestions.csv")[0]["nearest"]


def test_the_page_names_the_colours_of_what_is_predicted(run, net, pool, tmp_path):
    run("suggest", net, pool, "--number", "6", "--out", tmp_path / "next")
    legend = (tmp_path / "next/suggestions.html").read_text("utf-8")
    legend = legend.partition("aria-label='classes'")[2].partition("</ul>")[0]
    masks = [np.array(Image.open(file)) for file in (tmp_path / "next/masks/masks").rglob("*.png")]
    predicted = np.unique(np.concatenate([mask.ravel() for mask in masks]))
    names = open_source(tmp_path / "next/masks", "all").classes.names
    assert len(masks) == 6
    for value, name in enumerate(names):
        assert (f"{name}</li>" in legend) == (value in predicted)


def test_only_of_its_own_masks_a_net_is_said_to_have_learnt_the_errors(run, net, data, tmp_path):
    page, note = tmp_path / "page.html", "has learnt some of their errors"
    options = ("--run", net, "--out", page, "--most", "2")
    said = run("inspect", data, "--split", "train", *options)
    assert f"note: the net was trained on the masks of train, so it {note}" in said
    assert note not in run("inspect", data, "--split", "val", *options)
    shutil.copytree(data, tmp_path / "others")
    assert note not in run("inspect", tmp_path / "others", "--split", "train", *options)
    (net / "config.toml").unlink()
    said = run("inspect", tmp_path / "others", "--split", "train", *options)
    assert f"note: if the net was trained on the masks of train, it {note}" in said
