"""One generated scene: background, objects with shadows, light, blur, noise and the mask.

An outline takes coordinates (u, v) in units of the object's radius and returns how far outside of
it each point lies (negative inside), float32, in the same units.
"""

import colorsys
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageFilter

from fullconv.data.sample import Image, Mask
from fullconv.data.synthetic.textures import TEXTURES, clouds

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

KINDS = tuple(OUTLINES)

# What each kind tends to look like: hue (0..1) and texture. Only a tendency, so that colour alone
# does not tell the kind: see STRAY.
HUE = {"disc": 0.0, "box": 0.6, "triangle": 0.36, "star": 0.15, "ring": 0.82}
TEXTURE = {
    "disc": "dots",
    "box": "checks",
    "triangle": "stripes",
    "star": "speckle",
    "ring": "bands",
}
STRAY = 0.03  # chance that a colour or a texture is drawn without regard to the kind


@dataclass(frozen=True)
class SceneObject:
    """One object: place and radius in pixels, angle in radians."""

    kind: str
    y: float
    x: float
    radius: float
    angle: float


def scene(height: int, width: int, rng: np.random.Generator) -> tuple[Image, Mask, Mask]:
    """A scene of uint8 (height, width, 3), its mask, and which object is seen, counted from 1.

    Both are uint8 (height, width); kind k of KINDS has the value k + 1. The mask holds 255 along
    the border between any two objects and towards the background.
    """
    canvas = _background(height, width, rng)
    owner = np.zeros((height, width), np.uint8)
    value = np.zeros((height, width), np.uint8)
    light = rng.uniform(0, 2 * math.pi)
    for number, item in enumerate(_objects(height, width, rng), 1):
        seen, window = _draw(canvas, item, light, rng)
        owner[window][seen] = number
        value[window][seen] = 1 + KINDS.index(item.kind)
    value[_borders(owner, max(1, round(min(height, width) / 130)))] = 255
    return _photograph(canvas, light, rng), value, owner


def distances(owner: Mask, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """How far away each pixel is, in millimetres, float32 (H, W).

    A wall at about four metres, leaning; an object is nearer the later it was put there. The
    sensor adds a hundredth of noise.
    """
    height, width = owner.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lean = rng.uniform(-400, 400, 2)
    wall = 4000 + lean[0] * y + lean[1] * x
    nearer = np.linspace(0.8, 0.3, int(owner.max(initial=1)) + 1) * rng.uniform(0.9, 1.1)
    nearer[0] = 1
    noise = rng.normal(1, 0.01, owner.shape)
    return (wall * nearer[owner] * noise).astype(np.float32)


def _background(height: int, width: int, rng: np.random.Generator) -> Field:
    cell = max(3, min(height, width) // int(rng.integers(8, 24)))
    mix = clouds((height, width), rng, cell)
    if rng.random() < 0.6:
        v, u = np.mgrid[0:height, 0:width].astype(np.float32) * np.float32(4 / min(height, width))
        angle = rng.uniform(0, np.pi)
        across, along = _turned(u, v, angle)
        name = str(rng.choice(list(TEXTURES)))
        share = np.float32(rng.uniform(0.15, 0.5))
        mix = (1 - share) * mix + share * TEXTURES[name](across, along, rng)
    one, other = _color(rng.random(), 0.3, rng), _color(rng.random(), 0.3, rng)
    return one + (other - one) * mix


def _turned(u: Field, v: Field, angle: float) -> tuple[Field, Field]:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * u + sin * v, cos * v - sin * u


def _color(hue: float, saturation: float, rng: np.random.Generator) -> Field:
    strength = float(np.clip(saturation + rng.normal(0, 0.15), 0, 1))
    rgb = colorsys.hsv_to_rgb(hue % 1, strength, rng.uniform(0.4, 1))
    return np.array(rgb, np.float32)[:, None, None]


def _objects(height: int, width: int, rng: np.random.Generator) -> list[SceneObject]:
    """Three to seven objects; each may overlap earlier ones but seldom hides them."""
    placed: list[SceneObject] = []
    for _ in range(int(rng.integers(3, 8))):
        tries = [_object(height, width, rng) for _ in range(3)]
        placed.append(next((t for t in tries if _is_free(t, placed)), tries[-1]))
    return placed


def _object(height: int, width: int, rng: np.random.Generator) -> SceneObject:
    return SceneObject(
        kind=KINDS[int(rng.integers(len(KINDS)))],
        y=rng.uniform(0.06, 0.94) * height,
        x=rng.uniform(0.06, 0.94) * width,
        radius=rng.uniform(0.16, 0.32) * min(height, width),
        angle=rng.uniform(0, 2 * math.pi),
    )


def _is_free(item: SceneObject, placed: list[SceneObject]) -> bool:
    gaps = (math.hypot(item.y - t.y, item.x - t.x) / (item.radius + t.radius) for t in placed)
    return all(gap > 0.7 for gap in gaps)


def _draw(
    canvas: Field, item: SceneObject, light: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.bool_], tuple[slice, slice]]:
    """Paint shadow and surface; which pixels of the window show the object, and the window."""
    window = _window(item, canvas.shape[1:])
    part = canvas[:, *window]
    rows, columns = np.ogrid[window]
    right = ((columns - item.x) / item.radius).astype(np.float32)
    down = ((rows - item.y) / item.radius).astype(np.float32)
    drop = rng.uniform(0.08, 0.3)
    fallen = _coverage(item, right + drop * math.cos(light), down + drop * math.sin(light), 0.16)
    part *= 1 - np.float32(rng.uniform(0.3, 0.6)) * fallen
    cover = _coverage(item, right, down, 1 / item.radius)
    part += cover * (_surface(item, right, down, light, rng) - part)
    return cover > 0.5, window


def _window(item: SceneObject, shape: tuple[int, ...]) -> tuple[slice, slice]:
    reach = 1.6 * item.radius + 2  # the star's points, the shadow and its soft edge
    top, left = max(int(item.y - reach), 0), max(int(item.x - reach), 0)
    bottom, right = min(int(item.y + reach) + 1, shape[0]), min(int(item.x + reach) + 1, shape[1])
    return slice(top, bottom), slice(left, right)


def _coverage(item: SceneObject, right: Field, down: Field, softness: float) -> Field:
    """Share of each pixel that the object covers, 0..1; the edge is ``softness`` radii wide."""
    u, v = _turned(right.astype(np.float32), down.astype(np.float32), item.angle)
    distance = OUTLINES[item.kind](u, v)
    return np.clip(np.float32(0.5) - distance / np.float32(softness), 0, 1)


def _surface(
    item: SceneObject, right: Field, down: Field, light: float, rng: np.random.Generator
) -> Field:
    stray_hue, stray_texture = rng.random(2) < STRAY
    hue = rng.random() if stray_hue else HUE[item.kind] + rng.normal(0, 0.05)
    name = str(rng.choice(list(TEXTURES))) if stray_texture else TEXTURE[item.kind]
    u, v = _turned(right, down, item.angle)
    mix = TEXTURES[name](u, v, rng)
    one, other = _color(hue, 0.75, rng), _color(hue + rng.normal(0, 0.06), 0.55, rng)
    facing = -(right * np.float32(math.cos(light)) + down * np.float32(math.sin(light)))
    shade = 1 - np.float32(0.18) * facing
    return (one + (other - one) * mix) * shade


def _borders(owner: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.bool_]:
    """Pixels with another object within ``width`` pixels."""
    return _spread(owner, width, np.maximum) != _spread(owner, width, np.minimum)


def _spread(values: npt.NDArray[np.uint8], width: int, pick: np.ufunc) -> npt.NDArray[np.uint8]:
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (width, width)
        padded = np.pad(values, padding, mode="edge")
        size = values.shape[axis]
        shifted = [padded.take(range(k, k + size), axis) for k in range(2 * width + 1)]
        values = pick.reduce(shifted)
    return values


def _photograph(canvas: Field, light: float, rng: np.random.Generator) -> Image:
    """Uneven light, a lens that blurs a little, and sensor noise."""
    _, height, width = canvas.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    slope = np.float32(rng.uniform(0.05, 0.3))
    run = -(x * np.float32(math.cos(light)) + y * np.float32(math.sin(light)))
    dark = np.float32(rng.uniform(0, 0.2)) * (x * x + y * y)
    lit = canvas * ((1 - slope * run - dark) * np.float32(rng.uniform(205, 270)))
    lit = np.clip(lit, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    lens = ImageFilter.BoxBlur(rng.uniform(0.1, 1))
    blurred = np.asarray(Pillow.fromarray(np.ascontiguousarray(lit)).filter(lens))
    # Even noise from plain bytes: a tenth of the time of a normal distribution.
    noise = np.frombuffer(rng.bytes(blurred.size), np.int8).reshape(blurred.shape)
    noisy = blurred + noise * np.float32(rng.uniform(1, 8) / 74)  # 74: an even byte's deviation
    return np.clip(noisy, 0, 255).astype(np.uint8)
