"""JSON with one value exchanged for another: what hostile files are made from."""

import copy


def places(tree, most=None, way=()):
    """The way to every value of a JSON tree, itself too; of a list the first ``most`` alone."""
    yield way
    if isinstance(tree, dict):
        items = list(tree.items())
    else:
        items = list(enumerate(tree))[:most] if isinstance(tree, list) else []
    for key, child in items:
        yield from places(child, most, (*way, key))


def exchanged(tree, way, value):
    """A copy of ``tree`` with ``value`` at the end of ``way``."""
    if not way:
        return value
    tree = copy.deepcopy(tree)
    inner = tree
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    return tree
