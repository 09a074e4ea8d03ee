"""Outlines of the generated objects, as signed distances.

Each takes coordinates (u, v) in units of the object's radius and returns how far outside the
outline each point lies (negative inside), float32, in the same units.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating]
Outline = Callable[[Field, Field], Field]


def disc(u: Field, v: Field) -> Field:
    """A circle of radius 1."""
    return np.hypot(u, v) - np.float32(1)


def box(u: Field, v: Field) -> Field:
    """A rectangle of 1.8 by 1.3 with slightly rounded corners."""
    round_off = np.float32(0.08)
    across, along = np.abs(u) - np.float32(0.82), np.abs(v) - np.float32(0.57)
    outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
    return outside + np.minimum(np.maximum(across, along), 0) - round_off


def triangle(u: Field, v: Field) -> Field:
    """An equilateral triangle with its corners at distance 1.1."""
    half = np.float32(0.55)
    slope = np.float32(np.sqrt(0.75)) * np.abs(u)
    return np.maximum(-v, slope + np.float32(0.5) * v) - half


def star(u: Field, v: Field) -> Field:
    """A five-pointed star with points at 1.15 and notches at 0.5."""
    point, notch, sector = 1.15, 0.5, np.float32(np.pi / 5)
    angle = np.abs((np.arctan2(u, v) + sector) % (2 * sector) - sector)
    radius = np.hypot(u, v)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    edge_x = np.float32(notch * np.cos(np.pi / 5) - point)
    edge_y = np.float32(notch * np.sin(np.pi / 5))
    return ((x - np.float32(point)) * edge_y - y * edge_x) / np.float32(np.hypot(edge_x, edge_y))


def ring(u: Field, v: Field) -> Field:
    """A ring between the radii 0.5 and 1."""
    return np.abs(np.hypot(u, v) - np.float32(0.75)) - np.float32(0.25)


OUTLINES: dict[str, Outline] = {
    "disc": disc,
    "box": box,
    "triangle": triangle,
    "star": star,
    "ring": ring,
}
