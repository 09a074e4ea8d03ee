"""Every reader of files that others write, with a small whole file for each: `readers`."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from soak.scenes import Scenes

TESTS = Path(__file__).resolve().parents[2] / "tests"


@dataclass(frozen=True)
class Reader:
    """``read`` reads ``files``, of which one is damaged at a time, in ``folder``."""

    name: str
    folder: Path
    files: Sequence[Path]
    read: Callable[[], object]


def readers(scenes: Scenes, place: Path) -> dict[str, Reader]:
    """All readers by name, their files below ``place``."""
    groups = (_pictures, _rasters, _arrays, _importers, _texts, _weights, _exports, _others)
    made = [reader for group in groups for reader in group(scenes, place)]
    return {reader.name: reader for reader in made}


def _one(place: Path, name: str, file: str, write: Callable[[Path], object],
         read: Callable[[Path], object]) -> Reader:  # fmt: skip
    """A reader of one file."""
    path = place / name / file
    path.parent.mkdir(parents=True)
    write(path)
    return Reader(name, path.parent, (path,), lambda: read(path))


def _unchanged(
    read: Callable[[Path], Any], arrays: Callable[[Any], object]
) -> Callable[[Path], None]:
    """``read``, which raises where a damaged file is read as other arrays than the whole one.

    For files with a checksum: damage that is not seen is worse than an error.
    """
    whole: list[object] = []

    def checked(path: Path) -> None:
        result = arrays(read(path))
        if not whole:
            whole.append(result)
        elif result != whole[0]:
            raise RuntimeError("damage that was not seen: other weights were read")

    return checked


def _net_bytes(checkpoint: Any) -> dict[str, bytes]:
    return _bytes_of(checkpoint.net.state_dict())


def _state_bytes(state: Any) -> tuple[Any, dict[str, bytes]]:
    progress, tensors = state
    return progress, _bytes_of(tensors)


def _bytes_of(tensors: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def _pixels(channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 32, channels), np.uint8)


def _pictures(scenes: Scenes, place: Path) -> Iterator[Reader]:
    """Photos, also as the service takes them, and masks."""
    from PIL import Image

    from fullconv.classes import VOC
    from fullconv.data import read_mask, read_photo
    from fullconv.serve.decode_photo import decode_photo

    photo = Image.fromarray(_pixels())
    sixteen = Image.fromarray(_pixels()[..., 0].astype(np.uint16) * 257)
    mask = Image.fromarray(_pixels()[..., 0] % 21)
    palette = mask.copy()
    palette.putpalette(VOC.palette().ravel().tolist())
    for ending, options in {"png": {}, "jpg": {"progressive": True}, "webp": {}, "gif": {},
                            "bmp": {}, "tif": {"compression": "tiff_lzw"}, "jp2": {}, "avif": {},
                            "ppm": {}}.items():  # fmt: skip

        def save(path: Path, options: dict = options) -> None:
            photo.save(path, **options)

        yield _one(place, f"photo-{ending}", f"x.{ending}", save, read_photo)
    yield _one(place, "photo-16-bit", "x.png", sixteen.save,
               lambda path: read_photo(path, options=_range()))  # fmt: skip
    for ending in ("png", "jpg", "tif"):
        yield _one(place, f"upload-{ending}", f"x.{ending}", photo.save,
                   lambda path: decode_photo(path.read_bytes(), 10**7))  # fmt: skip
    for name, picture, ending in (("grey", mask, "png"), ("palette", palette, "png"),
                                  ("tif", mask, "tif"), ("gif", palette, "gif")):  # fmt: skip
        yield _one(place, f"mask-{name}", f"x.{ending}", picture.save,
                   lambda path: read_mask(path, VOC))  # fmt: skip


def _range():
    from fullconv.modalities import ReadOptions

    return ReadOptions(range=(0.0, 65535.0))


def _rasters(scenes: Scenes, place: Path) -> Iterator[Reader]:
    """GeoTIFFs, whole and by windows, with a file beside that GDAL reads; a VRT."""
    import rasterio
    from rasterio.shutil import copy
    from rasterio.transform import from_origin

    from fullconv.data import read_photo
    from fullconv.data.reading.raster import open_raster

    def write(path: Path, **options) -> None:
        where = {"crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 1, 1)}
        with rasterio.open(path, "w", driver="GTiff", width=32, height=24, count=3, dtype="uint8",
                           photometric="RGB", **where, **options) as dataset:  # fmt: skip
            dataset.write(_pixels().transpose(2, 0, 1))

    def windows(path: Path) -> None:
        with open_raster(path) as raster:
            window = [slice(0, min(length, 4096)) for length in raster.size]  # as predictions read
            raster.photo(*window)
            raster.valid(*window)
            _ = raster.georeference, raster.files

    yield _one(place, "geotiff", "x.tif", write, read_photo)
    yield _one(place, "geotiff-windows", "x.tif",
               lambda path: write(path, tiled=True, blockxsize=16, blockysize=16,
                                  compress="deflate"), windows)  # fmt: skip
    folder = place / "vrt"
    folder.mkdir()
    write(folder / "x.tif")
    copy(str(folder / "x.tif"), str(folder / "x.vrt"), driver="VRT")
    yield Reader("vrt", folder, (folder / "x.vrt",), lambda: windows(folder / "x.vrt"))


def _arrays(scenes: Scenes, place: Path) -> Iterator[Reader]:
    """MATLAB's files, both kinds, and depth."""
    import h5py
    from PIL import Image
    from scipy.io import savemat

    from fullconv.data.reading.matlab_files.matlab import read_array
    from fullconv.data.reading.modality_files import read_plane

    labels = _pixels()[..., 0] % 21

    def write_73(path: Path) -> None:
        with h5py.File(path, "w", userblock_size=512) as file:
            file.create_dataset("x", data=labels, chunks=(8, 8), compression="gzip")
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")

    depth = Image.fromarray(_pixels()[..., 0].astype(np.uint16) * 30)
    for name, packed in (("mat-5", False), ("mat-5-packed", True)):
        yield _one(place, name, "x.mat",
                   lambda path, packed=packed: savemat(path, {"x": labels}, do_compression=packed),
                   lambda path: read_array(path, "x"))  # fmt: skip
    yield _one(place, "mat-7.3", "x.mat", write_73, lambda path: read_array(path, "x"))
    yield _one(place, "depth", "x.png", depth.save, lambda path: read_plane(path, "depth"))


def _importers(scenes: Scenes, place: Path) -> Iterator[Reader]:
    """All labelling tools' exports; of each every file that is no photo."""
    sys.path.insert(0, str(TESTS))
    from example_exports import EXPORTS

    for name, write in EXPORTS.items():
        folder = place / f"import-{name}"
        write(folder / "source")
        files = [path for path in sorted((folder / "source").rglob("*")) if path.is_file()]
        labels = [path for path in files if path.suffix not in (".png", ".jpg")]
        yield Reader(f"import-{name}", folder, labels or files, _import(folder, name))


def _import(folder: Path, name: str) -> Callable[[], None]:
    import shutil

    from fullconv.data.importers import Request, import_data

    def read() -> None:
        shutil.rmtree(folder / "out", ignore_errors=True)
        import_data(folder / "source", folder / "out", Request(val=0.0), name)

    return read


def _texts(scenes: Scenes, place: Path) -> Iterator[Reader]:
    """Class files, configs, lists, and what a run has beside its net."""
    import shutil

    from fullconv.classes.class_files import read_classes
    from fullconv.data import open_source
    from fullconv.report.run_files import read_run
    from fullconv.training.config.config_sources import read_config

    classes = '[[class]]\nname = "rest"\ncolor = [0, 0, 0]\n[[class]]\nname = "a"\n'
    pairs = "images/a.png;masks/a.png;train\nimages/b.png;masks/b.png;val\n"
    yield _one(place, "classes.toml", "classes.toml", lambda p: p.write_text(classes), read_classes)
    yield _one(place, "labelmap.txt", "labelmap.txt",
               lambda p: p.write_text("# label:color_rgb:parts:actions\nrest:0,0,0::\na:9,0,0::\n"),
               read_classes)  # fmt: skip
    run = scenes.net.parent
    yield _one(place, "config.toml", "config.toml",
               lambda p: shutil.copy(run / "config.toml", p), read_config)  # fmt: skip
    yield _one(place, "pair list", "list.csv", lambda p: _pair_list(p, pairs, classes),
               lambda path: open_source(str(path.parent), "train"))  # fmt: skip
    lists = place / "split list"
    shutil.copytree(scenes.photos / "images" / "train", lists / "images")
    shutil.copytree(scenes.photos / "masks" / "train", lists / "masks")
    shutil.copy(scenes.photos / "classes.toml", lists)
    names = [path.stem for path in sorted((lists / "images").iterdir())]
    (lists / "train.txt").write_text("\n".join(names))
    yield Reader("split list", lists, (lists / "train.txt",),
                 lambda: open_source(str(lists), "train"))  # fmt: skip
    shown = place / "report"
    shutil.copytree(run, shown / "run")
    files = [shown / "run" / name for name in ("config.toml", "log.csv", "scores.json")]
    yield Reader("report", shown, [f for f in files if f.exists()], lambda: read_run(shown / "run"))


def _pair_list(path: Path, pairs: str, classes: str) -> None:
    from PIL import Image

    for name in ("images/a.png", "masks/a.png", "images/b.png", "masks/b.png"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        pixels = _pixels() if "images" in name else _pixels()[..., 0] % 2
        Image.fromarray(pixels).save(path.parent / name)
    path.write_text(pairs)
    (path.parent / "classes.toml").write_text(classes)


def _weights(scenes: Scenes, place: Path) -> Iterator[Reader]:
    """Checkpoints of this project and of others, and the state of a training."""
    import shutil

    import h5py
    import torch
    from safetensors.torch import save_file

    from fullconv.checkpoints import load
    from fullconv.checkpoints.foreign.recognize_net import read_foreign
    from fullconv.training.run.resume import _verified

    arrays = {"conv1_1/W": np.ones((2, 3, 3, 3), np.float32), "conv1_1/b": np.ones(2, np.float32)}
    tensors = {f"features.{n}.weight": torch.ones(2, 3, 3, 3) for n in (0, 2)}
    state = scenes.net.parent / "resume" / "state.safetensors"

    def caffe(path: Path) -> None:
        from caffe_schema import MESSAGE

        net = MESSAGE.Net(name="small")
        for number in range(2):
            layer = net.layer.add(name=f"conv{number}")
            blob = layer.blobs.add()
            blob.shape.dim.extend((2, 3))
            blob.data.extend([1.0] * 6)
        path.write_bytes(net.SerializeToString())

    def keras(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"block1_conv1"]
            group = file.create_group("block1_conv1")
            group.attrs["weight_names"] = [b"k", b"b"]
            group["k"], group["b"] = np.ones((3, 3, 3, 2), np.float32), np.ones(2, np.float32)

    yield _one(place, "checkpoint", "model.safetensors",
               lambda p: shutil.copy(scenes.net, p), _unchanged(load, _net_bytes))  # fmt: skip
    yield _one(place, "training state", "state.safetensors",
               lambda p: shutil.copy(state, p), _unchanged(_verified, _state_bytes))  # fmt: skip
    yield _one(place, "pytorch", "net.pth", lambda p: torch.save(tensors, p), read_foreign)
    yield _one(place, "pytorch-old", "net.pth",
               lambda p: torch.save(tensors, p, _use_new_zipfile_serialization=False),
               read_foreign)  # fmt: skip
    yield _one(place, "foreign safetensors", "net.safetensors",
               lambda p: save_file(tensors, p), read_foreign)  # fmt: skip
    yield _one(place, "caffemodel", "net.caffemodel", caffe, read_foreign)
    yield _one(place, "chainer", "net.npz", lambda p: np.savez(p, **arrays), read_foreign)
    yield _one(place, "keras", "net.h5", keras, read_foreign)


def _exports(scenes: Scenes, place: Path) -> Iterator[Reader]:
    """Exported nets: .pt2, .onnx, .xml and .bin."""
    import openvino  # noqa: F401  writes into the home folder when it is first imported

    from fullconv.checkpoints import load
    from fullconv.inference.open_predictor import open_engine

    for kind, name in (("torch", "net.pt2"), ("onnx", "net.onnx"), ("openvino", "net.xml")):
        folder = place / kind
        folder.mkdir()
        _export(scenes.net, kind, folder / name)
        files = tuple(sorted(path for path in folder.iterdir() if path.suffix != ".log"))
        read = partial(load if kind == "torch" else open_engine, folder / name)
        yield Reader(f"export-{kind}", folder, files, read)


def _export(net: Path, kind: str, path: Path) -> None:
    """In a fork: exporting leaves threads."""
    from soak.children import command

    child = command(["export", net, "--to", kind, "--out", path], path.with_name("export.log"))
    if code := child.wait():
        raise RuntimeError(f"the net of the soak was not exported ({code}): {child.said()}")


def _others(scenes: Scenes, place: Path) -> Iterator[Reader]:
    """Archives, videos, and the journal of a raster."""
    import shutil
    import tarfile
    import zipfile

    from fullconv.download.unpack import unpack
    from fullconv.inference.rasters.partial import Partial

    photo = next((scenes.photos / "images" / "train").iterdir())

    def pack_zip(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(photo, "a/b.png")
            archive.writestr("a/list.txt", "b\n" * 50)

    def pack_tar(path: Path) -> None:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(photo, "a/b.png")

    def unpacked(path: Path) -> None:
        shutil.rmtree(path.parent / "out", ignore_errors=True)
        unpack(path, path.parent / "out")

    yield _one(place, "zip", "x.zip", pack_zip, unpacked)
    yield _one(place, "tar", "x.tar.gz", pack_tar, unpacked)
    yield _one(place, "video", "x.mp4", _clip, _frames)
    job = {"net": "x", "size": [24, 32]}
    folder = place / "journal"
    folder.mkdir()
    Partial(folder / "x.partial", (24, 32), np.uint8, job).append(np.ones((5, 32), np.uint8))
    journal = folder / "x.partial.json"
    json.loads(journal.read_text())
    yield Reader("journal", folder, (journal,),
                 lambda: Partial(folder / "x.partial", (24, 32), np.uint8, job))  # fmt: skip


def _clip(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(_pixels(seed=number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _frames(path: Path) -> None:
    from itertools import islice

    from fullconv.inference.video.video_file import open_video

    with open_video(path) as video:
        for _ in islice(video.frames(), 20):
            pass
