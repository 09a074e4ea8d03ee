"""A folder at an address is used as the folder itself would be, and messages name the address."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from fullconv import train
from fullconv.cli import app
from fullconv.curation import find_label_errors
from fullconv.data import CacheOptions, available_splits, check, listing, open_source
from fullconv.data.data_of_run import cache_of
from fullconv.data.remote import local_copy
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.inference import open_engine
from small_runs import small_run


def assert_same(source, other) -> None:
    assert list(source.names) == list(other.names)
    for index in range(len(source)):
        assert np.array_equal(source[index].image, other[index].image)
        assert np.array_equal(source[index].mask, other[index].mask)


def with_lists(folder: Path) -> Path:
    """``train.txt`` and ``val.txt`` in place of split folders."""
    for kind in ("images", "masks"):
        for file in sorted(folder.glob(f"{kind}/*/*.png")):
            file.rename(folder / kind / f"{file.parent.name}-{file.name}")
        for split in ("train", "val"):
            (folder / kind / split).rmdir()
    for split in ("train", "val"):
        names = [file.stem for file in sorted(folder.glob(f"images/{split}-*.png"))]
        (folder / f"{split}.txt").write_text("\n".join(names))
    return folder


def as_voc(folder: Path) -> Path:
    (folder / "JPEGImages").mkdir()
    (folder / "SegmentationClass").mkdir()
    lists = folder / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for split in ("train", "val"):
        names = []
        for photo in sorted((folder / "images" / split).iterdir()):
            names.append(f"{split}_{photo.stem}")
            photo.rename(folder / "JPEGImages" / f"{names[-1]}.jpg")
            mask = folder / "masks" / split / photo.name
            mask.rename(folder / "SegmentationClass" / f"{names[-1]}.png")
        (lists / f"{split}.txt").write_text("\n".join(names))
    shutil.rmtree(folder / "images")
    shutil.rmtree(folder / "masks")
    return folder


def as_pairs(folder: Path) -> Path:
    (folder / "images").rename(folder / "photos")
    (folder / "masks").rename(folder / "labels")
    for split in ("train", "val"):
        photos = sorted(folder.glob(f"photos/{split}/*.png"))
        lines = [f"photos/{split}/{file.name} labels/{split}/{file.name}" for file in photos]
        (folder / f"{split}.txt").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("arrange", [lambda folder: folder, with_lists, as_voc, as_pairs])
def test_every_layout_is_that_of_the_folder(make_folder, in_memory, arrange) -> None:
    folder = arrange(make_folder(train=3, val=2))
    url = in_memory.fill(folder).url
    assert available_splits(url) == available_splits(folder) == ["train", "val"]
    for split in ("train", "val"):
        assert_same(open_source(url, split), open_source(folder, split))


def test_a_folder_in_s3_is_that_folder(make_folder, in_s3) -> None:
    folder = make_folder(train=3, val=2)
    in_s3.fill(folder)
    assert_same(open_source(in_s3.url, "train"), open_source(folder, "train"))
    assert_same(open_source(Path(in_s3.url), "val"), open_source(folder, "val"))


def test_a_list_of_pairs_at_an_address_brings_its_folder(make_folder, remote) -> None:
    folder = as_pairs(make_folder(train=3, val=2))
    url = f"{remote.fill(folder).url}/train.txt"
    assert_same(open_source(url, "train"), open_source(folder / "train.txt", "train"))
    assert available_splits(url) == ["train", "val"]


@pytest.mark.parametrize("outside", ["../outside.png", "/outside.png", "photos/../../x.png"])
def test_a_list_does_not_lead_out_of_the_copy(make_folder, in_memory, outside: str) -> None:
    folder = as_pairs(make_folder(train=1, val=1))
    (folder / "train.txt").write_text(f"{outside} labels/train/000.png")
    with pytest.raises(UserError) as error:
        open_source(in_memory.fill(folder).url, "train")
    assert error.value.code == "FC-REMOTE-006"
    assert str(error.value).startswith(f"{in_memory.url}: names ")


def test_messages_name_the_address(make_folder, in_memory) -> None:
    folder = make_folder(train=4)
    for number in range(3):
        (folder / f"images/train/00{number}.png").write_bytes(b"no picture")
    source = open_source(in_memory.fill(folder).url, "train")
    photo = f"{in_memory.url}/images/train/00"
    with pytest.raises(UserError) as error:
        source[0]
    assert str(error.value).startswith(f"{photo}0.png: ")
    line = next(line for line in listing(check({"train": source})) if "picture" in line)
    assert line.startswith(f"error: {photo}0.png: ")
    assert f"(also {photo}1.png, {photo}2.png)" in line
    with pytest.raises(UserError, match=f"^{in_memory.url}: there is no split 'val'"):
        open_source(in_memory.url, "val")


def test_what_is_in_no_known_layout_is_named(in_memory) -> None:
    in_memory.put("notes.txt", b"nothing")
    with pytest.raises(UserError, match=f"^{in_memory.url}: not a known layout") as error:
        open_source(in_memory.url, "train")
    assert error.value.code == "FC-DATA-100"


def small(data, out: Path, **options) -> dict[str, np.ndarray]:
    """The weights of a tiny net after a few steps."""
    overrides = {"net.width": 1 / 16, "data.workers": 0, **options.pop("overrides", {})}
    options = {"steps": 3, "net": "fcn8s-resnet18", **options}
    train(data, out=out, quiet=True, device="cpu", overrides=overrides, **options)
    return load_file(out / "model.safetensors")


def test_a_training_and_its_resume(make_folder, in_s3, tmp_path: Path, copying) -> None:
    folder = make_folder(train=4, val=2)
    in_s3.fill(folder)
    other = small(folder, tmp_path / "local")
    weights = small(in_s3.url, tmp_path / "run")
    assert all(np.array_equal(weights[name], other[name]) for name in other)
    assert f'path = "{in_s3.url}"' in (tmp_path / "run/config.toml").read_text()
    assert evaluate(tmp_path / "run").mean_iu == evaluate(tmp_path / "local").mean_iu
    copying()

    in_s3.put("images/train/000.png", (folder / "images/train/001.png").read_bytes())
    train(out=tmp_path / "run", resume=True, overrides={"schedule.steps": 4}, quiet=True)
    assert copying() == ["1 of 13"]

    in_s3.put("images/train/004.png", (folder / "images/train/001.png").read_bytes())
    in_s3.put("masks/train/004.png", (folder / "masks/train/001.png").read_bytes())
    with pytest.raises(UserError, match=f"{in_s3.url} has 5 and 2") as error:
        train(out=tmp_path / "run", resume=True, overrides={"schedule.steps": 5}, quiet=True)
    assert error.value.code == "FC-TRAIN-018"


def test_the_cache_of_a_run_is_that_of_its_evaluation(
    make_folder, in_memory, tmp_path: Path
) -> None:
    in_memory.fill(make_folder(train=2, val=1))
    own = tmp_path / "own"
    small(in_memory.url, tmp_path / "run", steps=1, overrides={"data.cache": str(own)})
    assert cache_of(tmp_path / "run") == CacheOptions(own)
    evaluate(tmp_path / "run")
    assert own.is_dir()
    assert not (tmp_path / "cache/datasets").exists()
    with pytest.raises(UserError) as error:
        small(in_memory.url, tmp_path / "other", overrides={
            "data.cache": str(tmp_path / "third"), "data.cache_size": "1k"})  # fmt: skip
    assert error.value.code == "FC-REMOTE-002"
    assert not (tmp_path / "other").exists()


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_commands_take_the_address(make_folder, in_s3, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    in_s3.fill(make_folder(train=3, val=2))
    assert "errors: 0, warnings: 0, in 3 train, 2 val photos" in run("check", in_s3.url)
    assert "3 masks" in run("statistics", in_s3.url)
    assert "inspect.html" in run("inspect", in_s3.url)
    assert "3 train, 2 val photos in 2 shards" in run("pack", in_s3.url, "shards")
    assert_same(open_source("shards", "train"), open_source(in_s3.url, "train"))
    assert "copy: fixed: 3 train, 2 val photos" in run("check", in_s3.url, "--fix", "fixed")


def test_pack_copies_whatever_the_disk_takes(
    make_folder, in_memory, tmp_path: Path, monkeypatch
) -> None:
    in_memory.fill(make_folder(train=3))
    check_room, limits = local_copy._check_room, []

    def noted(*arguments) -> None:
        limits.append(arguments[-1].limit)
        check_room(*arguments)

    monkeypatch.setattr(local_copy, "_check_room", noted)
    run("pack", in_memory.url, str(tmp_path / "shards"))
    assert limits == [sys.maxsize]


def test_shards_at_an_address_are_read_as_shards(make_folder, in_memory, tmp_path: Path) -> None:
    run("pack", str(make_folder(train=3)), str(tmp_path / "shards"))
    in_memory.fill(tmp_path / "shards")
    assert len(open_source(in_memory.url, "train")) == 3
    assert not (tmp_path / "cache/datasets").exists()


def test_a_file_address_is_the_folder_itself(make_folder, tmp_path: Path) -> None:
    folder = make_folder(train=3)
    assert_same(open_source(f"file://{folder}", "train"), open_source(folder, "train"))
    assert not (tmp_path / "cache/datasets").exists()


def test_tables_and_pages_name_the_address(make_folder, in_memory, tmp_path: Path) -> None:
    in_memory.fill(make_folder("set/named", train=2, val=3).parent)
    url, copies = f"{in_memory.url}/named", str(tmp_path / "cache/datasets")
    source = open_source(url, "val")
    run = small_run(tmp_path / "run", source.classes)
    errors = find_label_errors(open_engine(run, "cpu").engine, source)
    assert all(mask.file.startswith(f"{url}/masks/val/") for mask in errors.masks)
    page = tmp_path / "page.html"
    arguments = ["inspect", url, "--split", "val", "--run", str(run), "--out", str(page)]
    assert CliRunner().invoke(app, arguments).exit_code in (0, 1)
    for file in (page, tmp_path / "page_label_errors.csv"):
        assert copies not in file.read_text("utf-8")
    new = make_folder("new", size=(30, 40), train=3) / "images/train"
    out = tmp_path / "next"
    arguments = ["suggest", str(run), str(new), "--data", url, "--out", str(out)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    for file in (out / "suggestions.csv", out / "suggestions.html"):
        assert copies not in file.read_text("utf-8")
    assert f"{url}/images/train/" in (out / "suggestions.csv").read_text("utf-8")
