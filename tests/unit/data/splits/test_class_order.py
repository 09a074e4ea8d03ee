"""The same classes in another order are the same classes; others are refused, by every command."""

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassOrderWarning, ClassSet, match_classes
from fullconv.data import Sample, as_source, in_order_of, open_source
from fullconv.errors import UserError
from fullconv.evaluation import evaluate, open_for
from fullconv.metrics import PhotoMetrics, difference
from fullconv.training import train
from small_runs import small_run

NAMES = ("red", "green", "blue")
COLORS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}
CLASSES = ClassSet(NAMES, tuple(COLORS.values()))


@pytest.fixture
def make(tmp_path):
    """``make(folder, names)``: the same photos and truth, its classes listed in that order."""

    def write(folder, names, splits=("train", "val")):
        base = tmp_path / folder
        for split in splits:
            for number in range(3):
                rng = np.random.default_rng([number, len(split)])
                truth = rng.integers(0, 3, (6, 8)).repeat(8, 0).repeat(8, 1)
                truth[:4] = 3  # ignored
                photo = np.array([*COLORS.values(), (0, 0, 0)], np.uint8)[truth]
                values = [names.index(name) if name in names else 0 for name in NAMES]
                mask = np.array([*values, 255], np.uint8)[truth]
                for kind, pixels in (("images", photo), ("masks", mask)):
                    path = base / kind / split / f"{number}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(path)
        lines = (
            f'[[class]]\nname = "{n}"\ncolor = {list(COLORS.get(n, (9, 9, 9)))}' for n in names
        )
        (base / "classes.toml").write_text("\n".join(lines))
        return base

    return write


def test_places_are_by_name_and_other_names_are_told():
    assert match_classes(["a", "b", "c"], ["c", "a", "b"]) == (2, 0, 1)
    assert match_classes(["caf\u00e9"], ["cafe\u0301"]) == (0,)
    with pytest.raises(
        UserError, match=r"only the net has 'b'; only the data has 'x', 'y'"
    ) as caught:
        match_classes(["a", "b"], ["a", "x", "y"])
    assert caught.value.code == "FC-CLASS-008"


def test_masks_are_renumbered_and_colors_follow(make):
    plain = open_source(make("a", NAMES), "val")
    with pytest.warns(ClassOrderWarning, match="another order"):
        mapped = in_order_of(open_source(make("b", ("blue", "red", "green")), "val"), NAMES)
    assert mapped.classes == plain.classes
    for place in range(3):
        assert np.array_equal(mapped[place].mask, plain[place].mask)
        assert np.array_equal(mapped.mask(place), plain.mask(place))
        assert 255 in mapped.mask(place)


def test_a_source_in_the_right_order_stays_itself(make, recwarn):
    source = open_source(make("a", NAMES), "val")
    assert in_order_of(source, NAMES) is source
    assert not recwarn.list


class Objects:
    """A dataset from Python whose classes are listed backwards."""

    classes = NAMES[::-1]

    def __init__(self, source):
        self.source = source

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        sample = self.source[index]
        mask = np.where(sample.mask == 255, 255, 2 - sample.mask).astype(np.uint8)
        return Sample(sample.name, sample.image, mask)


@pytest.mark.filterwarnings("ignore::fullconv.classes.ClassOrderWarning")
def test_evaluating_by_any_way_gives_the_same_iu_by_name(make, tmp_path):
    run = small_run(tmp_path / "run", CLASSES)
    data = make("a", NAMES)
    expected = evaluate(run, data)
    for other in (make("b", NAMES[::-1]), Objects(open_source(data, "val"))):
        scores = evaluate(run, other)
        assert scores.names == NAMES
        assert np.array_equal(scores.confusion, expected.confusion)


@pytest.mark.filterwarnings("ignore::fullconv.classes.ClassOrderWarning")
def test_outputs_are_matched_each_by_itself():
    data = "shapes:48x64:n=10"
    source = open_source(data, "val", outputs=("kinds", "outlines"))
    names = list(source.classes.names)
    wanted = [*names[:6][::-1], *names[6:]]
    mapped = in_order_of(source, wanted)
    assert list(mapped.classes.names) == wanted
    before, after = source[0].mask, mapped[0].mask
    assert np.array_equal(after[..., 1], before[..., 1])
    labelled = before[..., 0] != 255
    assert np.array_equal(after[..., 0][labelled], 5 - before[..., 0][labelled])


@pytest.mark.parametrize("names", [("red", "green", "cyan"), ("red", "green")])
def test_other_names_are_refused(make, tmp_path, names):
    run = small_run(tmp_path / "run", CLASSES)
    with pytest.raises(UserError, match="blue") as caught:
        evaluate(run, make("b", names))
    assert caught.value.code == "FC-CLASS-008"


def test_a_resume_matches_classes_by_name(make, tmp_path):
    data, run = make("a", NAMES), tmp_path / "run"
    changes = {
        "net.width": 0.0625, "schedule.steps": 2, "schedule.batch_size": 2, "data.workers": 0,
        "augment.crop": [32, 32], "compute.device": "cpu", "compute.precision": "fp32",
    }  # fmt: skip
    train(data, run, recipe="scratch", overrides=changes, quiet=True)
    assert 'class_names = [\n    "red",' in (run / "config.toml").read_text()
    make("a", NAMES[::-1])
    with pytest.warns(ClassOrderWarning):
        train(None, run, overrides={"schedule.steps": 3}, resume=True, quiet=True)
    assert open_for(_load(run), data, "val").classes.names == NAMES
    make("a", ("red", "green", "cyan"))
    with pytest.raises(UserError, match="cyan") as caught:
        train(None, run, overrides={"schedule.steps": 4}, resume=True, quiet=True)
    assert caught.value.code == "FC-CLASS-008"


def _load(run):
    from fullconv.checkpoints import load

    return load(run)


def test_two_nets_are_compared_by_name():
    counts = np.array([[[8, 4, 1], [9, 6, 5], [10, 6, 4]], [[7, 2, 3], [8, 5, 5], [9, 4, 5]]])
    first = PhotoMetrics(("p", "q"), NAMES, counts)
    second = PhotoMetrics(("p", "q"), NAMES[::-1], counts[..., ::-1])
    assert difference(first, second).value == 0
    assert np.array_equal(second.ordered(NAMES).counts, counts)


def test_val_of_other_classes_is_refused(make):
    source = open_source(make("a", NAMES), "train")
    other = open_source(make("b", ("red", "green", "cyan")), "val")
    with pytest.raises(UserError, match="cyan") as caught:
        train(as_source(source, "train"), "never", val=other)
    assert caught.value.code == "FC-CLASS-008"
