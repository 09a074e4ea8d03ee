"""A split whose masks are renumbered, so that its classes stand in the order of a net's."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassOrderWarning, ClassSet, Output, match_classes, order_line
from fullconv.data.sample import Mask, Source
from fullconv.data.splits.multimodal import Stacked
from fullconv.data.splits.overlapping import PickedPlanes
from fullconv.data.splits.remapped import remapped

Table = npt.NDArray[np.uint16]
"""The new value of each mask value."""


def in_order_of(
    source: Source, wanted: Sequence[str], which: tuple[str, str] = ("the net", "the data")
) -> Source:
    """``source`` with its classes in the order of the names ``wanted``; itself where it has it.

    Each class keeps its colour, and the ignored value its number. The other order is said by a
    ClassOrderWarning, which calls the two as ``which``. Raises UserError for other names.
    """
    order = match_classes(wanted, source.classes.names, which)
    if list(order) == sorted(order):
        return source
    warnings.warn(order_line(wanted, which), ClassOrderWarning, stacklevel=2)
    if isinstance(source, Stacked):
        return _stacked(source, order)
    return _renumbered(source, order)


def _stacked(source: Stacked, order: Sequence[int]) -> Stacked:
    """Each output by itself; the outputs keep their order, which the caller opened them in."""
    if source.classes.is_overlapping:
        part = _renumbered(source.sources[0], order)
        return replace(source, sources=(part,), classes=part.classes)
    outputs = source.classes.outputs
    parts = [
        _renumbered(source_of_output, [order[place] - output.first for place in _places(output)])
        for source_of_output, output in zip(source.sources, outputs, strict=True)
    ]
    joint = {output.name: part.classes for output, part in zip(outputs, parts, strict=True)}
    classes = ClassSet.joint(joint) if source.classes.parts else parts[0].classes
    return replace(source, sources=tuple(parts), classes=classes)


def _places(output: Output) -> range:
    return range(output.channels.start, output.channels.stop)


def _renumbered(source: Source, order: Sequence[int]) -> Source:
    given, places = source.classes, tuple(int(place) for place in np.argsort(order))
    classes = replace(
        given,
        names=tuple(given.names[place] for place in places),
        colors=tuple(given.colors[place] for place in places),
        background=tuple(order[value] for value in given.background),
        thresholds=tuple(given.thresholds[place] for place in places if given.is_overlapping),
    )
    if given.is_overlapping:
        return remapped(source, classes, PickedPlanes(places))
    table = np.arange(max(given.ignore, len(given)) + 1, dtype=np.uint16)
    table[: len(given)] = order
    return remapped(source, classes, partial(_by_table, table=table))


def _by_table(mask: Mask, table: Table) -> Mask:
    return table[mask].astype(mask.dtype)
