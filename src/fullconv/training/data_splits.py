"""The photos of a run: split by seed where the data has no splits, classes in the run's order."""

from fullconv.data import Source, in_order_of
from fullconv.data.open_dataset import is_unsplit
from fullconv.data.random_split import grouping_of, random_split
from fullconv.data.subset import FOLDER, only
from fullconv.training.config import Config
from fullconv.training.console import Screen
from fullconv.training.objects import NOTHING, Objects

SPLIT, VAL = "train", "val"
"""The splits that are trained and validated on where the config names no others."""


def split_by_seed(whole: Source, seed: int, screen: Screen) -> tuple[Source, Source | None]:
    """Photos without splits, a fifth of them to validate on."""
    if len(whole) < 2:
        warn_of_no_val("a single photo cannot be split", screen)
        return only(whole, whole.names, SPLIT), None
    names, grouping = random_split(whole.names, seed), grouping_of(whole.names)
    screen.say(
        f"split: the data has no train and val: {len(names[SPLIT])} photos to train and "
        f"{len(names[VAL])} to validate on, by seed {seed}"
        + (f", {grouping}" if grouping else "")
        + f" (their names are in {FOLDER}/ of the run)"
    )
    return only(whole, names[SPLIT], SPLIT), only(whole, names[VAL], VAL)


def is_split_by_seed(config: Config, objects: Objects = NOTHING) -> bool:
    """Whether `open_data` splits the data, so that the run must keep the names."""
    named = (config.data.split, config.data.val) != (SPLIT, VAL)
    return objects.data is None and not named and is_unsplit(config.data.path)


def with_class_names(config: Config, source: Source) -> Config:
    """The config of a new run with the names of its classes, which a resume compares."""
    data = config.data.model_copy(update={"class_names": source.classes.names})
    return config.model_copy(update={"data": data})


def in_saved_order(
    config: Config, source: Source, val: Source | None
) -> tuple[Source, Source | None]:
    """Both with their classes in the order of the run; UserError where they are other classes."""
    names = config.data.class_names
    if not names:  # a run of an older version
        return source, val
    which = ("the run", "the data")
    first = in_order_of(source, names, which)
    return first, None if val is None else in_order_of(val, names, which)


def warn_of_no_val(why: str, screen: Screen) -> None:
    """Say that no score will tell which weights are the best, and why."""
    screen.say(
        f"warning: {why}; the last weights will be kept, and no score will tell whether they are "
        "good",
        "yellow",
    )
