import numpy as np
import pytest

from fullconv.classes import CAMVID, VOC
from fullconv.data import available_splits, count_classes, open_source
from fullconv.errors import UserError

GREY = np.zeros((8, 10), np.uint8)
RGB = np.zeros((8, 10, 3), np.uint8)


def fails(data, split: str, *says: str, classes=None) -> None:
    with pytest.raises(UserError) as caught:
        open_source(data, split, classes)
    assert "\n" not in str(caught.value)
    for word in says:
        assert word in str(caught.value)


def test_split_folders(make_folder):
    data = make_folder(train=3, val=2)
    assert available_splits(data) == ["train", "val"]
    source = open_source(data, "val")
    assert source.names == ("000", "001")
    assert source.classes.names == ("ground", "cat", "dog")
    assert source[1].image.shape == (24, 32, 3)
    assert source[1].mask.shape == (24, 32)
    assert source.files(0) == (data / "images/val/000.png", data / "masks/val/000.png")
    fails(data, "test", "no split 'test'", "train, val")


def test_names_with_dots_are_parted_at_the_last_one_and_files_without_an_ending_are_none(
    make_folder, save
):
    data = make_folder(all=0)
    for name in ("photo.v2.png", "a.b/c.PNG", "a.b/d.e.png"):
        save(RGB, f"set/images/{name}")
        save(GREY, f"set/masks/{name}")
    for name in ("png", "a.b/jpg", "x.", "y.txt"):
        (data / "images" / name).write_bytes(b"no picture")
    source = open_source(data, "all")
    assert source.names == ("a.b/c", "a.b/d.e", "photo.v2")
    assert source.files(0) == (data / "images/a.b/c.PNG", data / "masks/a.b/c.PNG")
    assert any("4 files are left out" in finding.what for finding in source.findings)


def test_lists(make_folder):
    data = make_folder(train=3)
    (data / "train.txt").write_text("train/000\ntrain/002.png\n")
    (data / "val.txt").write_text("# the rest\n\ntrain/001\n")
    (data / "notes.txt").write_text("Photographed in June\n")
    assert available_splits(data) == ["train", "val"]
    assert open_source(data, "train").names == ("train/000", "train/002")
    assert open_source(data, "val")[0].mask is not None
    (data / "val.txt").write_text("\n")
    fails(data, "val", "val.txt", "empty")


@pytest.mark.parametrize(
    "first", ["photographed in June, " * 30, "** Photos **", "[photos]", "../.."]
)
def test_a_text_beside_the_photos_is_no_list(make_folder, first):
    data = make_folder(train=1)
    (data / "readme.txt").write_text(f"{first}\n")
    assert available_splits(data) == ["train"]


def test_flat_folder_is_one_split_and_says_how_to_part_it(make_folder, save):
    data = make_folder(train=0)
    save(RGB, "set/images/a b.PNG")
    save(GREY, "set/masks/a b.png")
    assert available_splits(data) == ["all"]
    assert open_source(data, "all")[0].name == "a b"
    fails(data, "train", "train.txt")


def test_missing_partners_and_orphans(make_folder):
    data = make_folder(train=3)
    (data / "images/train/000.png").unlink()
    (data / "masks/train/002.png").unlink()
    source = open_source(data, "train")
    assert source.names == ("001", "002")
    assert source[1].mask is None
    assert [path.name for path in source.orphans] == ["000.png"]


def test_sizes_that_differ_name_both_files(make_folder, save):
    data = make_folder(train=1)
    save(np.zeros((12, 16), np.uint8), "set/masks/train/000.png")
    with pytest.raises(UserError) as caught:
        open_source(data, "train")[0]
    for word in ("masks/train/000.png", "images/train/000.png", "16 x 12", "32 x 24", "resized"):
        assert word in str(caught.value)


def test_class_file_given_or_missing(make_folder, tmp_path):
    data = make_folder(train=1)
    other = tmp_path / "labels.txt"
    other.write_text("a\nb\nc\nd\n")
    assert len(open_source(data, "train", other).classes) == 4
    (data / "classes.toml").unlink()
    fails(data, "train", "classes.toml", "labelmap.txt", "[[class]]")


def test_same_stem_twice(make_folder, save):
    data = make_folder(train=1)
    save(RGB, "set/images/train/000.jpg")
    fails(data, "train", "000.png", "000.jpg")


@pytest.mark.parametrize("line", ["a.png {}b.png", "a.png\t{}b.png", "a.png, {}b.png"])
def test_pair_lists(save, tmp_path, line):
    save(RGB, "a.png")
    save(GREY, "labels/b.png")
    (tmp_path / "labels.txt").write_text("x\ny\n")
    for name in ("train", "val"):
        (tmp_path / f"{name}.txt").write_text(line.format("labels/") + "\n")
    assert available_splits(tmp_path / "val.txt") == ["train", "val"]
    assert available_splits(tmp_path) == ["train", "val"]
    for data in (tmp_path, tmp_path / "train.txt"):
        sample = open_source(data, "val")[0]
        assert sample.name == "a"
        assert sample.mask.shape == (8, 10)


def test_pair_list_with_a_split_column(save, tmp_path):
    save(RGB, "my photos/a 1.png")
    save(GREY, "b.png")
    (tmp_path / "classes.txt").write_text("x\ny\n")
    rows = ["image,mask,split", '"my photos/a 1.png",b.png,train', "my photos/a 1.png,b.png,val"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    data = tmp_path / "pairs.csv"
    assert available_splits(data) == ["train", "val"]
    assert len(open_source(data, "train")) == 1
    assert open_source(data, "val")[0].mask is not None
    data.write_text("\n".join([*rows, "a b c d"]))
    fails(data, "train", "a b c d", "comma")


def voc(save, root: str, names: list[str]) -> None:
    for name in names:
        save(RGB, f"{root}/JPEGImages/{name}.jpg")
        image = np.array([[0, 20, 255]] * 8, np.uint8).repeat([3, 4, 3], 1)
        save(image, f"{root}/SegmentationClass/{name}.png")


@pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_voc(save, tmp_path, below):
    voc(save, "VOCdevkit/VOC2012", ["2007_000001", "2007_000002"])
    lists = tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000002\n")
    (lists / "test.txt").write_text("2008_000009\n")
    data = tmp_path / below
    assert available_splits(data) == ["test", "train"]
    source = open_source(data, "train")
    assert source.classes == VOC
    assert set(np.unique(source[0].mask)) == {0, 20, 255}
    assert open_source(data, "test").files(0)[1] is None


def test_a_name_in_a_list_that_is_too_long_for_a_file_is_a_missing_photo(save, tmp_path):
    voc(save, "VOC2012", ["a"])
    lists = tmp_path / "VOC2012/ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text(f"a\n{'n' * 300}\n")
    source = open_source(tmp_path / "VOC2012", "train")
    assert source.files(1)[1] is None
    with pytest.raises(UserError, match="nnn"):
        source[1]


def test_several_years_must_be_named(save, tmp_path):
    voc(save, "VOCdevkit/VOC2007", ["a"])
    voc(save, "VOCdevkit/VOC2012", ["a"])
    fails(tmp_path / "VOCdevkit", "train", "VOC2007, VOC2012", "name one")


def test_real_voc_sample(shared_data):
    data = shared_data("voc_sample")
    source = open_source(data, available_splits(data)[0])
    assert len(source) == 2
    for i in range(2):
        assert source[i].image.shape[:2] == source[i].mask.shape
        assert 255 in source[i].mask


def sbd(tmp_path, save, names: dict[str, list[str]]):
    from scipy.io import savemat

    root = tmp_path / "benchmark_RELEASE/dataset"
    (root / "cls").mkdir(parents=True)
    for split, members in names.items():
        (root / f"{split}.txt").write_text("\n".join(members))
        for name in members:
            save(RGB, f"benchmark_RELEASE/dataset/img/{name}.jpg")
            mask = np.full((8, 10), 15, np.uint8)
            content = {"GTcls": {"Segmentation": mask, "CategoriesPresent": 15}}
            savemat(root / "cls" / f"{name}.mat", content)
    return root


def test_sbd(save, tmp_path):
    root = sbd(tmp_path, save, {"train": ["a", "b"], "val": ["c"]})
    for data in (tmp_path, tmp_path / "benchmark_RELEASE", root):
        if data.name == "benchmark_RELEASE":
            assert available_splits(data) == ["train", "val"]
        source = open_source(data, "train")
        assert source.names == ("a", "b")
        assert (source[0].mask == 15).all()
    (root / "cls/a.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(UserError, match=r"a\.mat"):
        open_source(root, "train")[0]


def test_seg11valid_is_voc2011_val_without_sbd_train(save, tmp_path):
    voc(save, "VOCdevkit/VOC2011", ["a", "b", "c"])
    lists = tmp_path / "VOCdevkit/VOC2011/ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("a\nb\nc\n")
    data = tmp_path / "VOCdevkit/VOC2011"
    fails(data, "seg11valid", "benchmark_RELEASE", "seg11valid.txt")
    sbd(tmp_path, save, {"train": ["b", "x"]})
    assert "seg11valid" in available_splits(data)
    assert open_source(data, "seg11valid").names == ("a", "c")


def test_camvid_in_segnets_form(save, tmp_path):
    for split in ("train", "val"):
        for name in ("one", "two"):
            save(RGB, f"{split}/{name}.png")
            save(np.array([[0, 11]] * 4, np.uint8).repeat(5, 1), f"{split}annot/{name}.png")
    lines = "/SegNet/CamVid/val/two.png /SegNet/CamVid/valannot/two.png\n"
    (tmp_path / "val.txt").write_text(lines)
    assert available_splits(tmp_path) == ["train", "val"]
    assert len(open_source(tmp_path, "train")) == 2
    source = open_source(tmp_path, "val")
    assert source.names == ("two",)
    assert source.classes == CAMVID
    assert set(np.unique(source.mask(0))) == {0, 255}


def test_real_camvid(shared_data):
    data = shared_data("camvid")
    train, val = open_source(data, "train"), open_source(data, "val")
    assert (len(train), len(val)) == (367, 101)
    assert train[0].image.shape == (360, 480, 3)
    assert train[0].mask.shape == (360, 480)
    assert (count_classes(val, most=20).pixels > 0).sum() >= 10


def test_what_is_not_recognised_lists_what_was_looked_for(tmp_path):
    (tmp_path / "stuff").mkdir()
    fails(tmp_path, "train", "images/SPLIT", "VOCdevkit", "cls/", "trainannot", "Found: stuff")
    fails(tmp_path / "none", "train", "no such file")
    note = tmp_path / "a.bin"
    note.write_bytes(b"\0")
    fails(note, "train", "not a known layout")
