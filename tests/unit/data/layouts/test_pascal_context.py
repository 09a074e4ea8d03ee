import numpy as np
import pytest
from scipy.io import savemat

from fullconv.data import available_splits, check, count_classes, open_source
from fullconv.errors import UserError

# Numbers as in the published labels.txt, which has 459 of them; here those that are used.
LABELS = {1: "accordion", 2: "aeroplane", 19: "bedclothes", 59: "bird", 189: "grass", 284: "cloth",
          396: "table", 355: "sky", 420: "tree", 431: "unknown", 459: "wool"}  # fmt: skip


@pytest.fixture
def labels_txt():
    """All the names that the 59 classes need, and fillers in between."""
    from fullconv.classes.lists import class_list
    from fullconv.data.layouts.datasets.pascal_context import OTHER_NAMES

    names = [OTHER_NAMES.get(n, n) for n in class_list("pascal-context-59").names]
    free = iter(name for name in names[1:] if name not in LABELS.values())
    numbered = {n: LABELS.get(n) or next(free, f"thing {n}") for n in range(1, 460)}
    return "".join(f"{number}: {name}\n" for number, name in numbered.items())


@pytest.fixture
def context(tmp_path, save, labels_txt):
    """``context(names)``: VOC2010's photos and Mottaghi's files, the labels beside the photos."""
    values = np.array([2, 19, 284, 396, 431, 0, 189, 355], np.uint16).reshape(2, 4)

    def make(*names: str, labels=values, dtype=np.float64):
        root = tmp_path / "pascal-context"
        (root / "trainval").mkdir(parents=True, exist_ok=True)
        (root / "labels.txt").write_text(labels_txt)
        main = tmp_path / "VOC2010/ImageSets/Main"
        main.mkdir(parents=True, exist_ok=True)
        for name in names:
            file = root / "trainval" / f"{name}.mat"
            savemat(file, {"LabelMap": labels.astype(dtype)}, do_compression=True)
            photo = np.random.default_rng(len(name)).integers(0, 255, (*labels.shape, 3), np.uint8)
            save(photo, f"VOC2010/JPEGImages/{name}.jpg")
        (main / "train.txt").write_text(names[0] + "\n")
        (main / "val.txt").write_text("\n".join(names[1:] or names))
        (main / "bird_train.txt").write_text(f"{names[0]} -1\n")
        return root

    return make


@pytest.mark.parametrize("dtype", [np.float64, np.uint16, np.int32])
def test_59_classes_and_background_by_name(context, dtype):
    data = context("2008_000002", "2008_000003", dtype=dtype)
    assert available_splits(data) == ["train", "val"]
    source = open_source(data, "train")
    assert source.names == ("2008_000002",)
    names = source.classes.names
    assert len(names) == 60
    shown = [[names[value] for value in row] for row in source[0].mask]
    assert shown[0] == ["aeroplane", "bedcloth", "clothes", "diningtable"]
    assert shown[1] == ["background", "background", "grass", "sky"]
    assert source[0].image.shape == (2, 4, 3)
    assert count_classes(source).pixels.sum() == 8


def test_33_classes_ignore_the_rest(context):
    source = open_source(context("a"), "train", "pascal-context-33")
    assert len(source.classes) == 33
    names = [source.classes.names[v] if v != 255 else None for v in source[0].mask.ravel()]
    assert names == ["aeroplane", None, None, "diningtable", None, None, "grass", "sky"]


def test_any_names_of_the_459_can_be_classes(context, tmp_path, labels_txt):
    data = context("a")
    (tmp_path / "59_labels.txt").write_text("1: aeroplane\n2: table\n3: sky\n")
    source = open_source(data, "train", tmp_path / "59_labels.txt")
    assert source.mask(0).tolist() == [[0, 255, 255, 1], [255, 255, 255, 2]]
    whole = open_source(data, "train", data / "labels.txt")
    assert len(whole.classes) == 459
    assert whole.mask(0).dtype == np.uint16
    assert whole.mask(0)[0, 0] == 1  # label 2
    (data / "classes.toml").write_text('[[class]]\nname = "background"\n[[class]]\nname="sky"\n')
    assert open_source(data, "train").mask(0).tolist() == [[0, 0, 0, 0], [0, 0, 0, 1]]
    (data / "classes.toml").write_text('[[class]]\nname = "sky"\n[[class]]\nname="unicorn"\n')
    with pytest.raises(UserError, match=r"labels\.txt: has no label called 'unicorn'"):
        open_source(data, "train")


def test_where_photos_and_lists_may_lie(context, tmp_path):
    data = context("a", "b")
    assert open_source(tmp_path, "val").names == ("b",)  # the folder above
    (data / "val.txt").write_text("a\n")
    assert available_splits(data) == ["val"]
    inside = tmp_path / "one/VOC2010"
    inside.parent.mkdir()
    (tmp_path / "VOC2010").rename(inside)
    with pytest.raises(UserError, match=r"photos of VOC2010.*JPEGImages"):
        open_source(data, "val")
    for name in ("trainval", "labels.txt"):
        (data / name).rename(inside / name)
    assert open_source(inside, "train")[0].mask is not None
    for file in (inside / "ImageSets/Main").iterdir():
        file.unlink()
    assert available_splits(inside) == ["all"]
    assert open_source(inside, "all").names == ("a", "b")


def test_the_check_names_what_is_wrong(context):
    data = context("a", "b", "c")
    savemat(data / "trainval/b.mat", {"LabelMap": np.full((2, 4), 460)})
    (data / "trainval/c.mat").write_bytes((data / "trainval/a.mat").read_bytes()[:150])
    (data / "val.txt").write_text("a\nb\nc\nd\n")
    errors = [str(error) for error in check({"val": open_source(data, "val")})]
    expected = {
        "b.mat": "value 460 (8 pixels) is no label: the labels are 0 to 459",
        "c.mat": "LabelMap cannot be read",
        "d.jpg": "no such file",
    }
    for file, says in expected.items():
        assert any(file in error and says in error for error in errors), (file, errors)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("1 sky", "number: name"),
        ("1: a\n1: b", "twice"),
        ("9999999: a", "number: name"),
    ],
)
def test_a_wrong_labels_txt(context, text, says):
    data = context("a")
    (data / "labels.txt").write_text(text)
    with pytest.raises(UserError, match=says):
        open_source(data, "train")
    (data / "labels.txt").unlink()
    with pytest.raises(UserError, match=r"labels\.txt"):
        open_source(data, "train")


def test_opening_reads_no_label_map(context):
    data = context("a", "b")
    for name in "ab":
        (data / "trainval" / f"{name}.mat").write_bytes(b"")
    assert len(open_source(data, "val")) == 1


@pytest.mark.parametrize("text", ["1: sky\n3: tree\n", "2: sky\n3: tree\n", "2: sky\n1: tree\n"])
def test_a_numbered_class_file_must_count_up(context, tmp_path, text):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(UserError, match=r"classes\.txt: its numbers do not count up"):
        open_source(context("a"), "train", tmp_path / "classes.txt")


def test_an_unknown_class_file_lists_the_built_in_ones(context):
    with pytest.raises(UserError, match=r"pascal-context-33, pascal-context-59"):
        open_source(context("a"), "train", "pascal-context-60")
