"""Classes are their names: the same names in another order are the same classes, others are not."""

import unicodedata
from collections.abc import Sequence

from fullconv.classes.class_set import ClassSet
from fullconv.errors import UserError

LISTED = 8  # names in a message
BACKGROUND = "background"
"""The class that an import gives to pixels without a label."""


class ClassOrderWarning(UserWarning):
    """The warning that the same classes came in another order and were renumbered by name."""


def match_classes(
    wanted: Sequence[str], given: Sequence[str], which: tuple[str, str] = ("the net", "the data")
) -> tuple[int, ...]:
    """The place in ``wanted`` of each name of ``given``: (0, 1, ...) where the order is the same.

    Names are compared in Unicode's composed form (NFC). Where ``wanted`` has no names of its own
    (`numbered_names`) only the number is compared. Raises UserError, which calls the two as
    ``which`` says and lists the names that only one of them has.
    """
    if tuple(wanted) == numbered_names(len(wanted)):
        return _by_number(len(wanted), given, which)
    places = {_composed(name): index for index, name in enumerate(wanted)}
    names = [_composed(name) for name in given]
    if places.keys() == set(names):
        return tuple(places[name] for name in names)
    only = [name for name in wanted if _composed(name) not in names]
    others = [name for name in given if _composed(name) not in places]
    differences = [
        f"only {who} has {_listed(rest)}" for who, rest in zip(which, (only, others), strict=True)
        if rest
    ]  # fmt: skip
    fix = "use data of the same classes, or give a class file with these names (--classes)"
    if not only and others == [BACKGROUND]:
        fix = (
            "import the data again with --background __ignore__, which leaves pixels without a "
            f"label out, or {fix}"
        )
    raise UserError(
        f"{which[0]} and {which[1]} have different classes ({len(wanted)} and {len(given)}): "
        f"{'; '.join(differences)}. Classes are compared by name: {fix}",
        "FC-CLASS-008",
    )


def numbered_names(count: int) -> tuple[str, ...]:
    """'class 0' and so on: of weights whose file does not name the classes."""
    return tuple(f"class {number}" for number in range(count))


def _by_number(count: int, given: Sequence[str], which: tuple[str, str]) -> tuple[int, ...]:
    if len(given) != count:
        raise UserError(
            f"{which[0]} has {count} classes without names, {which[1]} has {len(given)} "
            f"({_listed(given)}): use data of as many classes, in the same order",
            "FC-CLASS-009",
        )
    return tuple(range(count))


def order_line(wanted: Sequence[str], which: tuple[str, str] = ("the net", "the data")) -> str:
    """The note where ``match_classes`` found the same classes in another order."""
    return (
        f"{which[1]} lists the classes in another order than {which[0]}: they are matched by name, "
        f"as {_listed(wanted)}"
    )


def check_several(classes: ClassSet) -> None:
    """UserError where there is nothing to tell apart: a label map of a single class."""
    for output in classes.outputs:
        if len(output.classes) < 2:
            where = f" of the output {output.name!r}" if output.name else ""
            raise UserError(
                f"{output.classes.names[0]!r} is the only class{where}: every pixel would be right "
                "whatever the net does. Add a class for the rest, as 'background' (0), and give "
                f"the pixels of {output.classes.names[0]!r} the value 1 (fullconv check DATA --fix "
                "OUT does both in a copy)",
                "FC-CLASS-010",
            )


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more
