"""Test-time augmentation against its definition, written out with torch and Pillow."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import interpolate

from fullconv.classes import CAMVID, ClassSet
from fullconv.errors import UserError
from fullconv.inference import (
    TTA,
    Predictor,
    TorchEngine,
    parse_tta,
    with_tiles,
    with_tta,
)
from fullconv.models import TORCH
from small_runs import small_net, small_run

CLASSES = ClassSet(("a", "b", "c", "d", "e"))
JOINT = ClassSet.joint({"what": ClassSet(("a", "b", "c")), "where": ClassSet(("up", "down"))})


ENGINE = TorchEngine((small_net(5), TORCH), "cpu")


@pytest.fixture(scope="module")
def engine():
    return ENGINE


def noise(height=50, width=70, seed=0):
    """A photo of blocks, so that resizing keeps something of it."""
    blocks = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return np.asarray(Image.fromarray(blocks[::5, ::5]).resize((width, height)))


def as_defined(engine, image, tta, parts):
    """The mean of the softmax of each view, as float64 K,H,W."""
    height, width = image.shape[:2]
    views = []
    for scale in tta.scales:
        size = (int(width * scale + 0.5), int(height * scale + 0.5))
        seen = np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
        for turned in (False, True) if tta.mirror else (False,):
            view = np.fliplr(seen).copy() if turned else seen
            logits = torch.from_numpy(engine.scores(view)).double()
            shares = torch.cat([logits[part].softmax(0) for part in parts])[None]
            back = interpolate(shares, (height, width), mode="bilinear", align_corners=False)[0]
            views.append(back.flip(-1) if turned else back)
    return torch.stack(views).mean(0).numpy()


@pytest.mark.parametrize("text", ["mirror", "0.5,1,1.5", "mirror,0.75,1.25", "0.4", "1"])
@pytest.mark.parametrize("classes", [CLASSES, JOINT])
def test_against_the_definition(engine, text, classes):
    tta, image = parse_tta(text), noise()
    parts = [output.channels for output in classes.outputs]
    expected = as_defined(engine, image, tta, parts)
    tta_engine = with_tta(engine, classes, tta)
    assert tta_engine.probabilities(image) == pytest.approx(expected, abs=1e-6)
    best = np.stack([expected[part].argmax(0) + part.start for part in parts], -1)
    classified = tta_engine.class_map(image)
    assert classified.dtype == np.uint8
    assert (classified.reshape(best.shape) == best).mean() > 0.999  # but for equals to rounding
    logits = torch.from_numpy(tta_engine.scores(image))
    shares = torch.cat([logits[part].softmax(0) for part in parts])
    assert shares.numpy() == pytest.approx(expected, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 70), st.integers(1, 70), st.booleans(),
    st.lists(st.sampled_from([0.1, 0.5, 0.77, 1.0, 1.3]), min_size=1, max_size=3, unique=True),
)  # fmt: skip
def test_photos_of_any_size_get_probabilities_that_add_up_to_one(height, width, mirror, scales):
    image, tta = noise(75, 75)[:height, :width], TTA(tuple(scales), mirror)
    found = with_tta(ENGINE, CLASSES, tta).probabilities(image)
    assert found.shape == (5, height, width)
    assert found.sum(0) == pytest.approx(1, abs=1e-5)
    assert found.min() >= 0


def test_a_mirrored_photo_gives_the_mirrored_answer(engine):
    found, image = with_tta(engine, CLASSES, TTA(mirror=True)), noise()
    turned = found.probabilities(np.ascontiguousarray(image[:, ::-1]))
    assert turned[:, :, ::-1] == pytest.approx(found.probabilities(image), abs=1e-6)
    alone = engine.scores(np.ascontiguousarray(image[:, ::-1]))[:, :, ::-1]
    assert np.abs(alone - engine.scores(image)).max() > 1e-3  # the net itself is not symmetric


def test_probabilities_of_zero_have_a_finite_logarithm():
    class Sure(TorchEngine):
        def scores(self, image):
            return super().scores(image) * 1e4

    tta_engine = with_tta(Sure((small_net(5), TORCH), "cpu"), CLASSES, TTA(mirror=True))
    assert (tta_engine.probabilities(noise()) == 0).any()
    assert np.isfinite(tta_engine.scores(noise())).all()


def test_pieces_give_the_same(engine):
    tta, image = parse_tta("mirror,0.8,1"), noise(600, 40)
    pieces = with_tiles(engine, engine.net.spec, 512)
    whole = with_tta(engine, CLASSES, tta).probabilities(image)
    assert with_tta(pieces, CLASSES, tta).probabilities(image) == pytest.approx(whole, abs=1e-5)


def test_the_predictor(tmp_path):
    run, image = small_run(tmp_path), noise()
    plain, tta = Predictor(run), Predictor(run, tta="mirror,0.75")
    found = tta(image)
    expected = with_tta(plain.engine, CAMVID, TTA((0.75,), True))
    assert np.array_equal(found.mask, expected.class_map(image))
    assert found.probabilities == pytest.approx(expected.probabilities(image), abs=1e-6)
    assert np.array_equal(found.scores.argmax(0), found.mask)
    assert np.array_equal(tta(image, scores=True).mask, found.mask)
    assert [np.array_equal(each.mask, found.mask) for each in tta.predict_batch([image] * 2)] == [
        True
    ] * 2
    usual = plain(image)
    softmax = torch.from_numpy(usual.scores).softmax(0).numpy()
    assert np.array_equal(usual.probabilities, softmax)
    assert not np.array_equal(usual.mask, found.mask)


def test_several_at_once_go_one_by_one(engine):
    images = [noise(seed=seed) for seed in range(3)]
    tta_engine = with_tta(engine, CLASSES, TTA(mirror=True))
    for image, classified in zip(images, tta_engine.class_maps(np.stack(images)), strict=True):
        assert np.array_equal(classified, tta_engine.class_map(image))


@pytest.mark.parametrize(
    ("text", "tta"),
    [
        ("none", None),
        ("mirror", TTA((1.0,), True)),
        ("0.5", TTA((0.5,))),
        (" Mirror, .75 ,1,1.25", TTA((0.75, 1.0, 1.25), True)),
    ],
)
def test_what_can_be_asked_for(text, tta):
    assert parse_tta(text) == tta


@pytest.mark.parametrize(
    "text",
    ["", "flip", "mirror,", "0", "-1", "nan", "inf", "1e9", "1,1.0", "mirror,mirror", "none,1"],
)
def test_nonsense_is_refused_in_one_line(text):
    with pytest.raises(UserError) as refused:
        parse_tta(text)
    assert str(refused.value).startswith(f"--tta {text}: ")
    assert "\n" not in str(refused.value)


def test_without_it_the_engine_is_the_same(engine):
    assert with_tta(engine, CLASSES, None) is engine
    assert with_tta(engine, CLASSES, "none") is engine


def test_pieces_and_views_are_one_wrapper(engine):
    pieces = with_tiles(engine, engine.net.spec, 512)
    both = with_tta(pieces, CLASSES, "mirror")
    assert both.engine is engine
    assert both.tiling is pieces.tiling


def test_the_cost_counts_pixels():
    assert parse_tta("mirror,0.5,1").cost == pytest.approx(2.5)


def test_what_an_engine_refuses_names_the_scale(engine):
    class Picky(TorchEngine):
        def scores(self, image):
            if len(image) < 32:
                raise UserError("takes photos from 32 x 32 on")
            return super().scores(image)

    picky = Picky((small_net(5), TORCH), "cpu")
    with pytest.raises(UserError, match=r"^at scale 0.5 of --tta: takes photos from"):
        with_tta(picky, CLASSES, TTA((1.0, 0.5))).class_map(noise())
    for wrong in (noise()[..., 0], noise().astype(np.int64)):
        with pytest.raises(UserError, match="an image is"):
            with_tta(engine, CLASSES, TTA(mirror=True)).class_map(wrong)
