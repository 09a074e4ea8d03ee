"""Small data sets made on the spot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet

TOML = '[[class]]\nname = "ground"\n[[class]]\nname = "cat"\n[[class]]\nname = "dog"\n'


@pytest.fixture
def three() -> ClassSet:
    return ClassSet(("ground", "cat", "dog"))


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """``save(array, name, mode=None, **options)`` writes a picture file and returns its path."""

    def write(pixels, name: str, mode: str | None = None, **options) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
        (image.convert(mode) if mode else image).save(path, **options)
        return path

    return write


@pytest.fixture
def make_folder(tmp_path: Path, save) -> Callable[..., Path]:
    """``make_folder(train=3, val=2)`` writes images/SPLIT, masks/SPLIT and classes.toml."""

    def make(name: str = "set", size: tuple[int, int] = (24, 32), **splits: int) -> Path:
        rng = np.random.default_rng(0)
        for split, count in splits.items():
            for i in range(count):
                photo = rng.integers(0, 256, (*size, 3), np.uint8)
                mask = rng.integers(0, 3, size, np.uint8).repeat(4, 0).repeat(4, 1)
                mask = mask[: size[0], : size[1]]
                save(photo, f"{name}/images/{split}/{i:03d}.png")
                save(mask, f"{name}/masks/{split}/{i:03d}.png")
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "classes.toml").write_text(TOML)
        return tmp_path / name

    return make


@pytest.fixture
def savemat73() -> Callable[[Path, dict], Path]:
    """``savemat73(path, {name: array or list of texts})`` writes the way MATLAB 7.3 does.

    A block of 512 bytes with MATLAB's header, then HDF5: axes the other way round, texts as
    16-bit codes behind references.
    """
    h5py = pytest.importorskip("h5py")

    def text(refs, letters: str):
        codes = np.array([[ord(c)] for c in letters], np.uint16)
        stored = refs.create_dataset(str(len(refs)), data=codes if letters else np.uint64([0, 0]))
        stored.attrs["MATLAB_class"] = np.bytes_("char")
        if not letters:
            stored.attrs["MATLAB_empty"] = np.uint8(1)
        return stored.ref

    def write(path: Path, variables: dict) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w", userblock_size=512) as file:
            refs = file.create_group("#refs#")
            for name, value in variables.items():
                if isinstance(value, list):
                    cells = np.array([[text(refs, entry) for entry in value]], h5py.ref_dtype)
                    stored = file.create_dataset(name, data=cells)
                    stored.attrs["MATLAB_class"] = np.bytes_("cell")
                    continue
                array = np.asarray(value)
                stored = file.create_dataset(name, data=array.T, compression="gzip", chunks=True)
                kind = {"float64": "double", "float32": "single"}.get(str(array.dtype))
                stored.attrs["MATLAB_class"] = np.bytes_(kind or str(array.dtype))
        with path.open("r+b") as file:
            head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 ."
            file.write(head.ljust(124) + b"\x00\x02IM")
        return path

    return write
