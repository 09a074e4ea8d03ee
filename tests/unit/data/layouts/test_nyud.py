import numpy as np
import pytest
from scipy.io import savemat

from fullconv.classes.lists import class_list
from fullconv.data import available_splits, check, count_classes, open_source
from fullconv.errors import UserError

FORTY = class_list("nyud-40").names
RNG = np.random.default_rng(0)


@pytest.fixture
def nyud(tmp_path, save):
    """The reference's layout: photos, and 'segmentation' of 0 to 40."""
    (tmp_path / "segmentation").mkdir()
    for number in (5001, 5002, 5003, 5004):
        save(RNG.integers(0, 255, (2, 3, 3), np.uint8), f"data/images/img_{number}.png")
        content = {"segmentation": np.array([[0, 1, 2], [38, 39, 40]], np.uint8)}
        savemat(tmp_path / f"segmentation/img_{number}.mat", content)
    for split, lines in {"train": "5003\n5001\n", "val": "5002\n", "test": "5004\n"}.items():
        (tmp_path / f"{split}.txt").write_text(lines)
    return tmp_path


def test_one_file_a_photo(nyud):
    assert available_splits(nyud) == ["train", "val", "trainval", "test"]
    source = open_source(nyud, "train")
    assert source.names == ("img_5003", "img_5001")
    assert source.classes.names == FORTY
    assert len(FORTY) == 40
    assert source[0].mask.tolist() == [[255, 0, 1], [37, 38, 39]]
    assert open_source(nyud, "trainval").names == ("img_5003", "img_5001", "img_5002")


def test_hha_and_depth_beside_the_photos(nyud, save):
    hha, depth = RNG.integers(0, 255, (2, 3, 3), np.uint8), np.full((2, 3), 2550, np.uint16)
    save(hha, "data/hha/img_5002.png")
    save(depth, "data/depth/img_5002.png")
    image = open_source(nyud, "val", inputs=("color", "depth", "hha"))[0].image
    np.testing.assert_array_equal(image[..., 4:], hha)
    np.testing.assert_allclose(image[..., 3], np.log(2550), rtol=1e-6)


def test_lists_by_splits_mat_or_none(nyud):
    for split in ("train", "val", "test"):
        (nyud / f"{split}.txt").unlink()
    assert open_source(nyud, "all").names == ("img_5001", "img_5002", "img_5003", "img_5004")
    savemat(nyud / "splits.mat", {"trainNdxs": [[1], [4]], "testNdxs": [[2]]})
    assert available_splits(nyud) == ["train", "test"]
    assert open_source(nyud, "train").names == ("img_5001", "img_5004")
    (nyud / "train.txt").write_text("img_5002\nhello\n")
    with pytest.raises(UserError, match=r"train\.txt: line 'hello'"):
        open_source(nyud, "train")


def test_the_check_names_what_is_wrong(nyud):
    savemat(nyud / "segmentation/img_5001.mat", {"segmentation": np.full((2, 3), 41)})
    savemat(nyud / "segmentation/img_5003.mat", {"groundTruth": np.full((2, 3), 1)})
    savemat(nyud / "segmentation/img_5002.mat", {"segmentation": np.full((4, 6), 1)})
    (nyud / "segmentation/img_5004.mat").unlink()
    sources = {split: open_source(nyud, split) for split in ("train", "val", "test")}
    errors = [str(error) for error in check(sources)]
    expected = {
        "img_5001.mat": "value 41 (6 pixels) is no label",
        "img_5003.mat": "no variable 'segmentation'; it has groundTruth",
        "img_5002.mat": "the mask is 6 x 4",
        "img_5004.png": "no mask",
    }
    for file, says in expected.items():
        assert any(file in error and says in error for error in errors), (file, errors)


def test_classes_by_name(nyud, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("background\nfloor\nwall\n")
    assert open_source(nyud, "val", own).mask(0).tolist() == [[255, 2, 1], [0, 0, 0]]
    own.write_text("floor\ncanopy\n")
    with pytest.raises(UserError, match="canopy"):
        open_source(nyud, "val", own)


@pytest.fixture
def labeled(tmp_path, savemat73):
    """The one 7.3 file: photos H x W x 3 x N, labels 0 to 894; the mapping and splits beside it."""
    images = RNG.integers(0, 255, (4, 6, 3, 5), np.uint8)
    labels = RNG.integers(0, 895, (4, 6, 5)).astype(np.uint16)
    depths = RNG.random((4, 6, 5), np.float32)
    content = {"images": images, "labels": labels, "depths": depths, "names": ["book", "wall"]}
    savemat73(tmp_path / "nyu_depth_v2_labeled.mat", content)
    mapping = RNG.integers(1, 41, (1, 894)).astype(np.uint8)
    cells = np.array([[name.replace(" ", "-") for name in FORTY]], object)
    savemat(tmp_path / "classMapping40.mat", {"mapClass": mapping, "className": cells})
    savemat(tmp_path / "splits.mat", {"trainNdxs": [[1], [3], [5]], "testNdxs": [[2], [4]]})
    return tmp_path, images, labels, mapping[0], depths


def test_the_one_file(labeled):
    data, images, labels, mapping, _ = labeled
    for place in (data, data / "nyu_depth_v2_labeled.mat"):
        assert available_splits(place) == ["train", "test"]
        source = open_source(place, "test")
        assert source.names == ("img_5002", "img_5004")
    sample = source[1]
    np.testing.assert_array_equal(sample.image, images[..., 3])
    expected = [[255 if n == 0 else mapping[n - 1] - 1 for n in row] for row in labels[..., 3]]
    assert sample.mask.tolist() == expected
    assert sample.image.flags.c_contiguous
    assert count_classes(source).pixels.sum() == (labels[..., [1, 3]] > 0).sum()
    sources = {split: open_source(data, split) for split in ("train", "test")}
    assert all(error.severity == "warning" for error in check(sources))


def test_depth_of_the_one_file(labeled):
    """In metres there; log of millimetres here, as of the reference's files."""
    data, images, *_, depths = labeled
    sample = open_source(data, "test", inputs=("color", "depth"))[0]
    np.testing.assert_array_equal(sample.image[..., :3], images[..., 1])
    metres = np.exp(sample.image[..., 3].astype(np.float64)) / 1000
    np.testing.assert_allclose(metres, depths[..., 1], rtol=1e-5)
    with pytest.raises(UserError, match="has color and depth, no hha"):
        open_source(data, "test", inputs=("color", "hha"))[0]


def test_the_one_file_without_its_companions(labeled, savemat73):
    data = labeled[0]
    (data / "splits.mat").unlink()
    assert len(open_source(data, "all")) == 5
    (data / "val.txt").write_text("5006\n")
    with pytest.raises(UserError, match=r"photo 6; it has 1 to 5"):
        open_source(data, "val")
    savemat(data / "classMapping40.mat", {"mapClass": np.full((1, 3), 2)})  # 3 labels only
    (data / "val.txt").write_text("5005\n")
    errors = check({"val": open_source(data, "val")})
    assert any("img_5005" in str(error) and "0 to 3" in str(error) for error in errors)
    savemat(data / "classMapping40.mat", {"mapClass": np.full((1, 894), 41)})
    with pytest.raises(UserError, match=r"classMapping40\.mat.*0 to 40"):
        open_source(data, "val")
    (data / "classMapping40.mat").unlink()
    with pytest.raises(UserError, match=r"classMapping40\.mat, which is not at"):
        open_source(data, "val")


def test_one_file_that_is_cut_or_another(labeled, savemat73):
    data, images, *_ = labeled
    file = data / "nyu_depth_v2_labeled.mat"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"labeled\.mat: labels cannot be read"):
        open_source(data, "test")
    savemat73(file, {"images": images[:3], "labels": np.ones((4, 6, 5), np.uint16)})
    assert any("the mask is 6 x 4" in str(f) for f in check({"test": open_source(data, "test")}))
    savemat73(file, {"images": images / 255, "labels": np.ones((4, 6, 5), np.uint16)})
    assert any("no RGB" in str(f) for f in check({"test": open_source(data, "test")}))
