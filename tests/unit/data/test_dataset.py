"""Data sets handed in from Python: what they need, what is added, what is refused and how."""

import pickle
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data import (
    Sample,
    Source,
    as_source,
    check,
    from_huggingface,
    from_pairs,
    loader,
    open_source,
)
from fullconv.errors import UserError

NAMES = ("ground", "road", "tree")
CLASSES = ClassSet(NAMES, colors=((0, 0, 0), (255, 0, 0), (0, 255, 0)))


class Plain:
    """The three members and nothing else."""

    def __init__(self, samples, classes=NAMES):
        self.samples, self.classes = samples, classes

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def photo(seed=0, size=(6, 8)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def mask(seed=0, size=(6, 8)):
    return np.random.default_rng(seed).integers(0, 3, size, dtype=np.uint8)


def refused(*parts):
    return pytest.raises(UserError, match=".*".join(parts))


def test_three_members_make_a_source():
    data = Plain([Sample("a", photo(), mask()), Sample("", photo(1), mask(1))])
    source = as_source(data, "train")
    assert isinstance(source, Source)
    assert source.classes == ClassSet(NAMES)
    assert (len(source), source.split, list(source.names)) == (2, "train", ["train[0]", "train[1]"])
    assert source[0].name == "a" and source[1].name == "train[1]"
    assert (source[1].image == photo(1)).all() and (source.mask(1) == mask(1)).all()
    assert source.files(0) == (None, None)


def test_a_source_stays_what_it_is():
    source = open_source("shapes:48x64:n=20", "train")
    assert as_source(source, "val") is source


def test_names_of_more_than_255_classes_ignore_another_value():
    many = as_source(Plain([], [f"c{n}" for n in range(300)]), "train")
    assert many.classes.ignore == 65535


def test_what_is_missing_is_named():
    with refused("list has no classes", "from_pairs"):
        as_source([1, 2], "train")
    with refused("names or a ClassSet, not 'road'"):
        as_source(Plain([], "road"), "train")


@pytest.mark.parametrize(
    ("sample", "parts"),
    [
        ((photo(), mask()), (r"val\[0\]: is a tuple, not a Sample", "from_pairs")),
        (
            Sample("x", photo() / 255, mask()),
            ("x: the image is float64 .6, 8, 3.", "normalisation"),
        ),
        (Sample("x", photo()[..., 0], mask()), (r"x: the image is uint8 \(6, 8\)",)),
        (Sample("x", photo(), mask() / 2), ("x: the mask is float64",)),
        (Sample("x", photo(), mask()[:4]), ("x: the mask is 8 x 4 but the image 8 x 6",)),
        (Sample("x", photo(), mask() + 1), ("x: value 3", "class numbers that start at 1")),
    ],
)
def test_a_sample_that_cannot_be_meant_is_refused(sample, parts):
    with refused(*parts):
        as_source(Plain([sample]), "val")[0]


def test_the_check_lists_all_faults_of_an_object():
    samples = [Sample("a", photo(), mask()), Sample("b", photo(1), None)]
    samples += [Sample("c", photo(2), mask()[:4]), Sample("d", photo(), mask())]
    other = Plain([Sample("e", photo(), mask())])
    errors = check({"train": as_source(Plain(samples), "train"), "val": as_source(other, "val")})
    said = " ".join(map(str, errors))
    assert "train[1]: this photo has no mask" in said
    assert "c: the mask is 8 x 4" in said
    assert "val[0]: the same photo is in val and in train" in said


def test_photos_are_read_one_at_a_time():
    class Single(Plain):
        busy, most = 0, 0

        def __getitem__(self, index):
            self.busy += 1
            self.most = max(self.most, self.busy)
            threading.Event().wait(0.005)
            self.busy -= 1
            return super().__getitem__(index)

    data = Single([Sample(str(n), photo(n), mask(n)) for n in range(12)])
    check({"train": as_source(data, "train")})
    assert data.most == 1


def test_a_source_of_an_object_goes_to_another_process():
    source = as_source(from_pairs([(photo(), mask())], NAMES), "train")
    again = pickle.loads(pickle.dumps(source))
    assert (again[0].image == source[0].image).all()
    batches = list(loader(source, batch_size=2, stop_step=2, workers=1))
    assert batches[0].names == ["train[0]", "train[0]"]


# Pairs, as torch's data sets give them.


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(photo()),
        photo(),
        torch.from_numpy(photo()).permute(2, 0, 1),
        torch.from_numpy(photo()).permute(2, 0, 1).float() / 255,
        photo() / np.float32(255),
        np.dstack([photo(), np.full((6, 8), 255, np.uint8)]),
    ],
)
@pytest.mark.parametrize(
    "labels",
    [
        mask(),
        mask().astype(np.int64),
        mask()[..., None],
        torch.from_numpy(mask()).long(),
        torch.from_numpy(mask())[None],
        Image.fromarray(mask()),
        Image.fromarray(np.array(CLASSES.colors, np.uint8)[mask()]),
    ],
)
def test_images_and_masks_of_every_kind_are_the_same_sample(image, labels):
    sample = as_source(from_pairs([(image, labels)], CLASSES), "train")[0]
    assert sample.image.dtype == sample.mask.dtype == np.uint8
    assert (sample.image == photo()).all()
    assert (sample.mask == mask()).all()


def test_grey_images_become_rgb():
    grey = photo()[..., 0]
    for image in (grey, grey[..., None], torch.from_numpy(grey), torch.from_numpy(grey)[None]):
        sample = from_pairs([(image, mask())], NAMES)[0]
        assert (sample.image == grey[..., None]).all() and sample.image.shape == (6, 8, 3)


def test_an_image_is_turned_as_its_exif_says(tmp_path):
    picture, exif = Image.fromarray(photo(size=(6, 8))), Image.Exif()
    exif[0x0112] = 6  # turned a quarter clockwise when shown
    picture.save(tmp_path / "photo.png", exif=exif)
    sample = from_pairs([(Image.open(tmp_path / "photo.png"), None)], NAMES)[0]
    assert (sample.image == np.rot90(photo(size=(6, 8)), -1)).all()


@pytest.mark.parametrize(("value", "dtype"), [(-100, np.int64), (-1, np.int16), (255, np.uint8)])
def test_the_value_of_unlabelled_pixels_becomes_that_of_the_classes(value, dtype):
    labels = mask().astype(dtype)
    labels[0, :3] = value
    sample = from_pairs([(photo(), labels)], NAMES, ignore=value)[0]
    assert sample.mask.dtype == np.uint8
    assert sample.mask[0, :3].tolist() == [255] * 3
    assert (sample.mask[1:] == mask()[1:]).all()


@pytest.mark.parametrize(
    ("pair", "parts"),
    [
        ((photo(), mask(), 3), (r"train\[0\]: is a tuple of 3",)),
        ((photo().transpose(2, 0, 1), mask()), (r"shape \(3, 6, 8\)", r"arrays are \(H, W, 3\)")),
        ((photo() / 100, mask()), ("floats from 0 to 2", "normalised")),
        ((np.full((6, 8, 3), np.nan), mask()), ("floats from nan",)),
        ((photo().astype(np.int64), mask()), ("the image is int64",)),
        ((photo(), torch.zeros(6, 8)), ("mask is float32", "ToTensor")),
        ((photo(), mask().astype(int) - 100), ("value -",)),
        (("a.jpg", mask()), ("the image is a str",)),
        ((photo(), "a.png"), ("the mask is a str",)),
    ],
)
def test_a_pair_that_cannot_be_meant_is_refused(pair, parts):
    with refused(*parts):
        as_source(from_pairs([pair], NAMES), "train")[0]


def test_an_ignored_value_that_is_a_class_is_refused():
    with refused("ignore 0 is the class 'ground'"):
        from_pairs([], NAMES, ignore=0)


def test_a_stream_is_refused():
    with refused("generator has no __len__"):
        from_pairs((pair for pair in ()), NAMES)


# Rows, as Hugging Face's `datasets` gives them.


class HuggingFaceSplit:
    """The members of ``datasets.Dataset`` that are used: features by column, rows as dicts."""

    def __init__(self, **columns):
        self.columns = columns
        self.features = dict.fromkeys(columns, "Image(mode=None, decode=True)")

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index):
        return {name: values[index] for name, values in self.columns.items()}


def rows(**more):
    pictures = [Image.fromarray(photo(n)) for n in range(3)]
    masks = [Image.fromarray(mask(n)) for n in range(3)]
    return HuggingFaceSplit(image=pictures, annotation=masks, **more)


def test_rows_of_hugging_face_become_samples():
    source = as_source(from_huggingface(rows(), NAMES, mask="annotation"), "validation")
    assert [source[n].name for n in range(3)] == [f"validation[{n}]" for n in range(3)]
    assert all((source[n].image == photo(n)).all() for n in range(3))
    assert all((source.mask(n) == mask(n)).all() for n in range(3))


def test_a_column_can_name_the_photos():
    split = rows(file=["a", "b", "c"])
    source = as_source(from_huggingface(split, NAMES, mask="annotation", name="file"), "val")
    assert source[2].name == "c"


def test_hugging_faces_splits_and_columns_are_named_where_they_do_not_fit():
    with refused("several splits .train, test."):
        from_huggingface({"train": rows(), "test": rows()}, NAMES)
    with refused("no column label; it has image, annotation"):
        from_huggingface(rows(), NAMES)


def test_the_real_datasets_package_gives_such_rows():
    datasets = pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed")
    made = datasets.Dataset.from_dict(
        {"image": [Image.fromarray(photo())], "label": [Image.fromarray(mask())]},
        features=datasets.Features({"image": datasets.Image(), "label": datasets.Image()}),
    )
    sample = from_huggingface(made, NAMES)[0]
    assert (sample.image == photo()).all() and (sample.mask == mask()).all()
