"""Parts of labelling tools' exports, and what is looked for in an import."""

import base64
import io

import numpy as np
from matplotlib.path import Path as Outline
from PIL import Image


def square(label, left, top, right, bottom, **more):
    """A labelme polygon."""
    points = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return {"label": label, "points": points} | more


def notes(report, kind):
    """How often a kind of note was made."""
    return sum(note.count for note in report.notes if note.kind == kind)


def files(folder):
    """Every file below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def inside(corners, height=40, width=60):
    """The pixels whose centres matplotlib finds inside a polygon, (H, W)."""
    y, x = np.mgrid[:height, :width] + 0.5
    centers = np.stack([x.ravel(), y.ravel()], 1)
    return Outline(np.array([*corners, corners[0]])).contains_points(centers).reshape(height, width)


def ellipse(x, y, wide, high, degrees=0.0, height=40, width=60):
    """The pixels whose centres an ellipse holds, turned clockwise on the screen, (H, W)."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    angle = np.deg2rad(degrees)
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    return (along / wide) ** 2 + (across / high) ** 2 <= 1


def png(values, **options):
    """An array or picture as a PNG's bytes."""
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    content = io.BytesIO()
    image.save(content, "PNG", **options)
    return content.getvalue()


def text64(content):
    return base64.b64encode(content).decode()
