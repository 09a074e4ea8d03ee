"""Masks whose values could mean two things: nothing is corrected then, and the user is asked."""

from collections import Counter
from collections.abc import Collection, Sequence

from fullconv.classes import ClassSet
from fullconv.data.fixing.value_rules import WHITE, ValueRule, is_damaged


def ambiguity(
    masks: Sequence[frozenset[int]],
    classes: ClassSet,
    rule: ValueRule,
    unlabelled: Collection[int] = (),
    background_added: bool = False,
) -> str | None:
    """What is ambiguous in masks with these sets of values, and how to resolve it; None if nothing.

    ``unlabelled`` are the values that the user said to be those of unlabelled pixels; with
    ``background_added`` the class file named a single class, which is class 1 now.
    """
    values, count = frozenset().union(*masks), len(classes)
    if background_added and {1, WHITE} <= values and WHITE not in unlabelled:
        return (
            f"some masks have the value 1 and some 255 for {classes.names[1]!r}, or 255 is "
            "unlabelled; say so with --ignore 255, or write 1 in all of them"
        )
    ignores_background = 0 in unlabelled and 0 in classes.background and not background_added
    if ignores_background and count not in values:
        return (
            f"--ignore 0: no mask has the value {count}, so it is ambiguous whether classes "
            f"count from 1 or 0 is {classes.names[0]!r}; write the masks anew"
        )
    value = _value_of_another_numbering(masks, classes, rule)
    if value is None:
        return None
    return (
        f"masks have the value {value}, and the {count} classes are 0 to {count - 1}: "
        "what the numbers mean is ambiguous, in the other masks too; say which value is unlabelled "
        f"(--ignore 0, if classes count from 1, or --ignore {value}), or add the missing class to "
        "the class file"
    )


def _value_of_another_numbering(
    masks: Sequence[frozenset[int]], classes: ClassSet, rule: ValueRule
) -> int | None:
    """A value without a meaning which makes the numbers of all masks ambiguous; None without one.

    One more class than there is can mean that classes count from 1, in the masks without it too.
    So can other values in at least half of the masks mean another numbering.
    """
    known = {value for value, _ in rule.mapping} or {*range(len(classes)), classes.ignore}
    whole = [mask for mask in masks if not is_damaged(mask, classes)]
    unknown = Counter(value for mask in whole for value in mask - known)
    if len(classes) in unknown:
        return len(classes)
    if unknown and 2 * sum(not mask <= known for mask in whole) >= len(whole):
        return max(sorted(unknown), key=lambda value: unknown[value])
    return None
