import numpy as np
import pytest

from fullconv.data import available_splits, check, open_source
from fullconv.data.layouts.datasets.sift_flow import FOLDER
from fullconv.errors import UserError
from sift_flow_files import GEOMETRIC, SEMANTIC, write_labels


@pytest.fixture
def sift(tmp_path, save):
    for i, name in enumerate(["coast_natu975", "street_par8", "tallbuilding_art2"]):
        save(np.full((2, 3, 3), 40 * i, np.uint8), f"Images/{FOLDER}/{name}.jpg")
        write_labels(tmp_path, "SemanticLabels", name, [[0, 1, 2], [28, 32, 33]], SEMANTIC)
        write_labels(tmp_path, "GeoLabels", name, [[-1, 1, 2], [0, 3, 3]], GEOMETRIC)
    (tmp_path / "trainval.txt").write_text("street_par8\ntallbuilding_art2\n")
    (tmp_path / "test.txt").write_text("coast_natu975\n")
    return tmp_path


def test_semantic_classes(sift):
    assert available_splits(sift) == ["trainval", "test"]
    source = open_source(sift, "trainval")
    assert source.names == ("street_par8", "tallbuilding_art2")
    assert source.classes.names == SEMANTIC
    assert len(SEMANTIC) == 33
    assert source[0].mask.tolist() == [[255, 0, 1], [27, 31, 32]]
    assert source[0].mask.dtype == np.uint8
    assert source.files(0)[0] == sift / "Images" / FOLDER / "street_par8.jpg"


def test_geometric_classes_by_their_names(sift, tmp_path):
    source = open_source(sift, "test", "sift-flow-geometric")
    assert source[0].mask.tolist() == [[255, 0, 1], [255, 2, 2]]
    own = tmp_path / "own.txt"
    own.write_text("vertical\nhorizontal\n")
    assert open_source(sift, "test", own).mask(0).tolist() == [[255, 255, 1], [255, 0, 0]]
    own.write_text("window\ntree\nsky\n")  # of the semantic ones, though sky is in both
    assert open_source(sift, "test", own).mask(0).tolist() == [[255, 255, 255], [2, 1, 0]]
    own.write_text("window\nvertical\n")
    with pytest.raises(UserError, match=r"neither label map.*awning.*sky, horizontal, vertical"):
        open_source(sift, "test", own)


def test_every_file_is_read_by_its_own_names(sift):
    write_labels(sift, "SemanticLabels", "coast_natu975", [[0, 1, 2]] * 2, SEMANTIC[::-1])
    assert open_source(sift, "test").mask(0).tolist() == [[255, 32, 31]] * 2
    write_labels(sift, "SemanticLabels", "coast_natu975", [[0, 1, 2]] * 2)
    assert open_source(sift, "test").mask(0).tolist() == [[255, 0, 1]] * 2  # none: as published


def test_the_published_list_of_test_photos(sift, save):
    for name in ("trainval.txt", "test.txt"):
        (sift / name).unlink()
    assert available_splits(sift) == ["all"]
    save(np.zeros((2, 3, 3), np.uint8), f"Images/{FOLDER}/street_urb506.jpg")  # has no labels
    assert len(open_source(sift, "all")) == 3
    (sift / "TestSet1.txt").write_text(f"{FOLDER}\\coast_natu975.jpg\r\n")
    assert available_splits(sift) == ["train", "test"]
    assert open_source(sift, "test").names == ("coast_natu975",)
    assert open_source(sift, "train").names == ("street_par8", "tallbuilding_art2")


def test_version_73(sift, savemat73):
    file = sift / "SemanticLabels" / FOLDER / "coast_natu975.mat"
    content = {"S": np.array([[0.0, 1, 2], [28, 32, 33]]), "names": list(SEMANTIC)}
    savemat73(file, content)
    assert open_source(sift, "test").mask(0).tolist() == [[255, 0, 1], [27, 31, 32]]


def test_the_check_names_what_is_wrong(sift):
    write_labels(sift, "SemanticLabels", "street_par8", [[0, -1, 2]] * 2, SEMANTIC)
    write_labels(sift, "SemanticLabels", "coast_natu975", [[0, 34, 34]] * 2, SEMANTIC)
    (sift / "SemanticLabels" / FOLDER / "tallbuilding_art2.mat").unlink()
    (sift / "Images" / FOLDER / "coast_b.jpg").write_bytes(b"")
    (sift / "SemanticLabels" / FOLDER / "coast_b.mat").write_bytes(b"")
    (sift / "test.txt").write_text("coast_b\ncoast_natu975\n")  # the first one is broken
    sources = {split: open_source(sift, split) for split in ("trainval", "test")}
    errors = [str(error) for error in check(sources)]
    expected = {
        "street_par8.mat": "value -1 (2 pixels) is no label",
        "coast_natu975.mat": "value 34 (4 pixels)",
        "coast_b.mat": "no MATLAB file",
        "tallbuilding_art2.jpg": "no mask",
    }
    for file, says in expected.items():
        assert any(file in error and says in error for error in errors), (file, errors)


def test_lists_that_are_empty_or_wrong(sift):
    (sift / "test.txt").write_text("\n")
    with pytest.raises(UserError, match=r"test\.txt.*empty"):
        open_source(sift, "test")
    (sift / "test.txt").write_text("nowhere_1\n")
    errors = check({"test": open_source(sift, "test")})
    assert any("nowhere_1.jpg" in str(error) for error in errors)
