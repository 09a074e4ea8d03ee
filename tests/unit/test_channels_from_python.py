"""Images of N channels from Python; photos of N bands or 16 bits in all that reads them."""

import json

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image

from fullconv import evaluate, from_pairs, open_source, predict, train
from fullconv.benchmark import Request, compare
from fullconv.checkpoints import load
from fullconv.data import Sample
from fullconv.data.reading.bands import as_photo
from fullconv.errors import UserError
from fullconv.evaluation import open_for
from fullconv.inference import Predictor
from fullconv.modalities import ReadOptions
from fullconv.serve import open_models

QUICK = {"net.name": "fcn8s-resnet18", "net.width": 0.125, "net.weights": "none",
         "schedule.steps": 2, "schedule.batch_size": 2, "compute.device": "cpu",
         "compute.precision": "fp32", "data.workers": 0, "augment.crop": [32, 40]}  # fmt: skip


class Bands:
    """Photos of N bands of which the last tells the class."""

    classes = ("soil", "plant")

    def __init__(self, channels, wrong=None):
        self.channels, self.wrong = channels, wrong

    def __len__(self):
        return 4

    def __getitem__(self, index):
        random = np.random.default_rng(index)
        mask = (np.arange(40)[None] < 10 + 4 * index).astype(np.uint8).repeat(32, 0)
        count = self.wrong if self.wrong and index == 3 else self.channels
        image = random.integers(0, 50, (32, 40, count), np.uint8)
        image[..., -1] += 200 * mask
        return Sample(f"photo{index}", image, mask)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A net of four bands, trained on objects."""
    out = tmp_path_factory.mktemp("runs") / "four"
    return train(Bands(4), out, val=Bands(4), overrides=QUICK, quiet=True)


def test_a_net_takes_the_channels_of_the_images_handed_in(run):
    assert load(run).net.spec.streams == (4,)
    scores = evaluate(run, Bands(4))
    assert scores.confusion.sum() == 4 * 32 * 40
    resumed = train(Bands(4), run, val=Bands(4), resume=True, quiet=True,
                    overrides={"schedule.steps": 3})  # fmt: skip
    assert load(resumed).net.spec.in_channels == 4


@pytest.mark.parametrize("channels", [2, 5])
def test_any_number_of_channels_is_trained_on(tmp_path, channels):
    out = train(Bands(channels), tmp_path / "run", overrides={**QUICK, "schedule.steps": 1},
                quiet=True)  # fmt: skip
    assert Predictor(out, "cpu")(Bands(channels)[0].image).mask.shape == (32, 40)


def test_an_array_a_tensor_a_float_array_and_a_file_are_the_same_photo(run, tmp_path):
    image, predictor = Bands(4)[1].image, Predictor(run, "cpu")
    with rasterio.open(tmp_path / "photo.tif", "w", driver="GTiff", width=40, height=32, count=4,
                       dtype="uint8") as file:  # fmt: skip
        file.write(image.transpose(2, 0, 1))
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    expected = predictor(image).scores
    for same in (tensor, tensor / 255, image / 255, tmp_path / "photo.tif"):
        assert np.array_equal(predictor(same).scores, expected)


@pytest.mark.parametrize("shape", [(32, 40), (32, 40, 3), (4, 32, 40), (0, 40, 4)])
def test_an_array_of_other_channels_is_refused_by_its_shape(run, shape):
    with pytest.raises(UserError, match="4") as caught:
        Predictor(run, "cpu")(np.zeros(shape, np.uint8))
    assert caught.value.code in ("FC-PREDICT-005", "FC-DATA-017")


def test_images_whose_channels_differ_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"photo3: .*\(32, 40, 3\).*\(H, W, 4\)") as caught:
        train(Bands(4, wrong=3), tmp_path / "run", overrides=QUICK, quiet=True)
    assert caught.value.code == "FC-TRAIN-007"


def test_pairs_of_four_channels_keep_the_fourth():
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 4), np.uint8)
    mask, names = np.zeros((8, 9), np.uint8), ("a", "b")
    pairs = [(image, mask), (torch.from_numpy(image).permute(2, 0, 1), mask)]
    data = from_pairs(pairs, names, channels=4)
    assert all(np.array_equal(data[index].image, image) for index in (0, 1))
    with pytest.raises(UserError, match="channels") as caught:
        from_pairs([(image[..., :3], mask)], names, channels=4)[0]
    assert caught.value.code == "FC-DATA-017"


def test_sources_of_files_keep_how_they_are_read(tmp_path):
    data = deep_set(tmp_path, bands=4)
    read = ReadOptions((4, 3, 2, 1), (0, 4000))
    sources = [open_source(data, split, options=read) for split in ("train", "val")]
    out = train(sources[0], tmp_path / "run", val=sources[1], overrides=QUICK, quiet=True)
    known = load(out).preprocessing
    assert (known.bands, known.range) == ((4, 3, 2, 1), (0, 4000))
    assert evaluate(out, data).confusion.sum() == 2 * 32 * 40


def deep_set(folder, bands, dtype="uint16", top=4000):
    """A data set of 16-bit TIFFs."""
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (folder / "set" / kind / split).mkdir(parents=True, exist_ok=True)
        for index in range(2):
            sample = Bands(bands)[index]
            values = (sample.image.astype(float) / 255 * top).astype(dtype).transpose(2, 0, 1)
            path = folder / "set" / "images" / split / f"{index}.tif"
            with rasterio.open(path, "w", driver="GTiff", width=40, height=32, count=bands,
                               dtype=dtype) as file:  # fmt: skip
                file.write(values)
            Image.fromarray(sample.mask).save(folder / "set/masks" / split / f"{index}.png")
    (folder / "set/classes.toml").write_text('[[class]]\nname = "soil"\n[[class]]\nname="plant"\n')
    return folder / "set"


@pytest.mark.parametrize(
    "given",
    [
        {"data.bands": (4, 3, 1, 2), "data.range": (0, 4000)},
        pytest.param({}, marks=pytest.mark.slow),
    ],
)
def test_compare_scores_runs_of_many_bands_and_of_16_bits(tmp_path, given):
    data, run = deep_set(tmp_path, bands=4 if given else 3), tmp_path / "run"
    train(data, run, overrides={**QUICK, **given}, quiet=True)
    for where in (None, str(data)):
        row = compare(Request(where, runs=[run], rounds=1)).rows[0]
        assert row.scores.summary() == evaluate(run, data).summary()
    request = Request(str(data), nets=["fcn32s-resnet18"], width=0.125, rounds=1,
                      options=ReadOptions((1, 2, 3), (0, 4095)))  # fmt: skip
    assert "--bands 1,2,3 --range 0,4095" in request.command()
    assert compare(request).rows[0].candidate.spec.streams == (3,)


def test_a_pair_of_the_range_belongs_to_each_band(tmp_path):
    values = np.array([[[0, 50, 100]], [[1000, 1500, 2000]]], np.uint16)
    both = as_photo(values, (0, 100, 1000, 2000))
    assert both.tolist() == [[[0, 0], [128, 128], [255, 255]]]
    assert np.array_equal(as_photo(values, (0, 2000)), as_photo(values, (0, 2000, 0, 2000)))
    with pytest.raises(UserError, match="pairs") as caught:
        as_photo(values, (0, 1, 0, 1, 0, 1), "scene.tif")
    assert caught.value.code == "FC-RASTER-002"
    for span in ((0, 1, 2), (0, 1, 5, 5), ()):
        with pytest.raises(UserError, match="range") as caught:
            ReadOptions(range=span)
        assert caught.value.code == "FC-RASTER-002"
    with pytest.raises(UserError, match="2 pairs for 4 bands"):
        ReadOptions((1, 2, 3, 4), (0, 1, 0, 1))


def test_a_range_a_band_is_kept_in_the_run_and_read_everywhere(tmp_path):
    data, run = deep_set(tmp_path, bands=3), tmp_path / "run"
    head = "range = [0, 4000, 0, 2000, 0, 1000]\n"
    (data / "classes.toml").write_text(head + (data / "classes.toml").read_text())
    train(data, run, overrides=QUICK, quiet=True)
    span = (0, 4000, 0, 2000, 0, 1000)
    assert load(run).preprocessing.range == span
    photo = data / "images/val/0.tif"
    read = Predictor(run, "cpu").read(photo)
    with rasterio.open(photo) as file:
        assert np.array_equal(read, as_photo(file.read(), span))
    assert np.array_equal(open_source(data, "val")[0].image, read)
    assert json.loads(json.dumps(load(run).preprocessing.to_dict()))["range"] == list(span)


def test_the_service_and_predict_take_bands_and_range(tmp_path):
    data, run = deep_set(tmp_path, bands=4), tmp_path / "run"
    train(data, run, overrides={**QUICK, "data.bands": (1, 2, 3, 4), "data.range": (0, 4000)},
          quiet=True)  # fmt: skip
    options = ReadOptions((4, 3, 2, 1), (0, 1000))
    model = open_models([run], "cpu", options=options).pick(None)
    assert model.predictor.read_options.bands == (4, 3, 2, 1)
    assert model.predictor.read_options.range == (0, 1000)
    made = predict(run, data / "images/val", tmp_path / "out", device="cpu", overlay=False,
                   bands=(4, 3, 2, 1), range=(0, 1000))  # fmt: skip
    turned = Predictor(run, "cpu", bands=(4, 3, 2, 1), range=(0, 1000))
    for result in made:
        mask = np.asarray(Image.open(result.written[0]))
        assert np.array_equal(mask, turned(result.photo.file).mask)


def test_the_largest_photo_of_the_training_is_scored_too(tmp_path):
    data, run = deep_set(tmp_path, bands=3), tmp_path / "run"
    train(data, run, overrides={**QUICK, "data.max_megapixels": 150.0}, quiet=True)
    source = open_for(load(run), data, "val", run=run)
    assert source.options.max_megapixels == 150
    asked = open_for(load(run), data, "val", run=run, options=ReadOptions(max_megapixels=0.001))
    with pytest.raises(UserError) as caught:
        asked[0]
    assert caught.value.code == "FC-DATA-004"
