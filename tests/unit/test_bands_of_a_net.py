"""Photos with any bands and depth: trained, evaluated and predicted as the same pixels."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from fullconv import evaluate, train
from fullconv.checkpoints import load
from fullconv.data import open_source
from fullconv.errors import UserError
from fullconv.evaluation import open_for
from fullconv.inference import Predictor
from fullconv.inference.rasters import predict_raster

UTM = {"crs": "EPSG:32632", "transform": Affine(0.5, 0, 500000, 0, -0.5, 5000000)}
QUICK = {"net.name": "fcn8s-resnet18", "net.width": 0.125, "net.weights": "none",
         "schedule.steps": 2, "schedule.batch_size": 2, "compute.device": "cpu",
         "compute.precision": "fp32", "data.workers": 0}  # fmt: skip


@pytest.fixture
def tiles(tmp_path):
    """``tiles(bands, dtype, head)``: a data set of georeferenced tiles."""

    def make(bands, dtype, head="", top=3000, **profile):
        random = np.random.default_rng(0)
        for split in ("train", "val"):
            for number in range(2):
                labels = (np.arange(40)[None] < random.integers(10, 30)).astype(np.uint8)
                labels = np.repeat(labels, 32, 0)
                top = min(top, 255) if dtype == "uint8" else top
                values = np.stack(
                    [labels.astype(int) * (top // (b + 2)) + 20 for b in range(bands)]
                )
                values = (values + random.integers(0, 20, values.shape)).astype(dtype)
                for folder in ("images", "masks"):
                    (tmp_path / "set" / folder / split).mkdir(parents=True, exist_ok=True)
                path = tmp_path / "set" / "images" / split / f"{number}.tif"
                with rasterio.open(path, "w", driver="GTiff", width=40, height=32, count=bands,
                                   dtype=dtype, **UTM, **profile) as dataset:  # fmt: skip
                    dataset.write(values)
                Image.fromarray(labels).save(tmp_path / "set" / "masks" / split / f"{number}.png")
        classes = '[[class]]\nname = "soil"\n[[class]]\nname = "plant"\n'
        (tmp_path / "set" / "classes.toml").write_text(head + classes)
        return tmp_path / "set"

    return make


@pytest.mark.parametrize(
    ("bands", "dtype", "head", "given", "channels"),
    [
        (4, "uint8", "", {}, 3),  # the fourth is called alpha
        (4, "uint8", "", {"data.bands": (1, 2, 3, 4)}, 4),
        (3, "uint16", "", {}, 3),
        (6, "uint16", "bands = [4, 3, 2, 6]\nrange = [0, 4000]\n", {}, 4),
        (2, "float32", "", {"data.bands": (1, 2), "data.range": (0, 3000)}, 2),
    ],
)
def test_evaluation_and_prediction_see_what_was_trained_on(
    tmp_path, tiles, bands, dtype, head, given, channels
):
    data, run = tiles(bands, dtype, head), tmp_path / "run"
    train(data, run, overrides={**QUICK, **given}, quiet=True)
    checkpoint = load(run)
    assert checkpoint.net.spec.in_channels == channels
    predictor = Predictor(run, "cpu")
    source = open_for(checkpoint, data, "val")
    read = predictor.read_options
    trained_on = open_source(data, "val", inputs=predictor.inputs, options=read, trained=read)
    agree = total = 0
    for index in range(len(source)):
        sample, path = source[index], source.files(index)[0]
        assert sample.image.shape == (32, 40, channels)
        assert sample.image.max() > 40, "nearly black"
        assert np.array_equal(sample.image, trained_on[index].image)
        assert np.array_equal(sample.image, predictor.read(path))
        predict_raster(predictor, path, tmp_path / f"out{index}", overlay=index == 0)
        with rasterio.open(tmp_path / f"out{index}.tif") as written:
            agree += int((written.read(1) == sample.mask).sum())
        total += sample.mask.size
    assert evaluate(run, data).pixel_accuracy == pytest.approx(agree / total)


def test_a_net_of_other_bands_is_refused_with_the_option(tmp_path, tiles):
    data, run = tiles(4, "uint8"), tmp_path / "run"
    train(data, run, overrides={**QUICK, "data.bands": (1, 2, 3, 4)}, quiet=True)
    for bands in ((1, 2), (1, 2, 3)):
        with pytest.raises(UserError, match="bands") as caught:
            Predictor(run, "cpu", bands=bands)
        assert caught.value.code == "FC-RASTER-001"
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 32)).save(photo)
    with pytest.raises(UserError) as caught:
        Predictor(run, "cpu")(photo)
    assert caught.value.code == "FC-RASTER-003"
