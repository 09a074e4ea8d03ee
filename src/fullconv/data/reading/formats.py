"""The picture formats that are read, and the one place where Pillow and GDAL open a file.

A file is told by its first bytes, never by its name, and only by the formats listed here: Pillow
and GDAL know others that start programs (EPS) or open further files and addresses (VRT).
"""

import ctypes.util
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import IO, Any
from xml.etree import ElementTree

import PIL
from PIL import Image

from fullconv.errors import DataError, reason_of
from fullconv.parsing import pointer_error

Picture = str | Path | IO[bytes]
"""A file by its path, or open and seekable."""

_ENDINGS = "jpg jpeg jfif png bmp tif tiff webp gif ppm pgm pbm jp2 avif heic heif"
SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split(" "))
"""Endings (lower case) of the files taken for pictures. HEIC is not read, and refused by name."""

_VIDEO_ENDINGS = "mp4 m4v mov mkv webm avi mpg mpeg ts mts m2ts wmv asf flv ogv 3gp 3g2"
VIDEO_SUFFIXES = frozenset(f".{ending}" for ending in _VIDEO_ENDINGS.split(" "))
"""Endings (lower case) of the files taken for videos."""

HEIC_SUFFIXES = frozenset({".heic", ".heif"})
"""Those of HEIC, of which a readable copy may lie beside."""
PILLOW_FORMATS = ("JPEG", "MPO", "PNG", "BMP", "DIB", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000",
                  "AVIF")  # fmt: skip
"""What Pillow may open, by its names."""
_PLUGINS = ("Jpeg", "Mpo", "Png", "Bmp", "Tiff", "WebP", "Gif", "Ppm", "Jpeg2K", "Avif")
_SIGNATURES = (
    ("JPEG", rb"\xff\xd8\xff"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("TIFF", rb"II[*+]\0|MM\0[*+]"),
    ("JPEG2000", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    ("GIF", rb"GIF8[79]a"),
    ("BMP", rb"BM"),
    ("WEBP", rb"RIFF....WEBP"),
    ("HEIC", rb"....ftyp(?:hei|hev|mif1(?!.{0,24}avif)|msf1)"),
    ("AVIF", rb"....ftypavi[fs]|....ftypmif1"),
    ("HFA", rb"EHFA_HEADER_TAG"),
    ("VRT", rb"\s*(?:<\?xml[^>]*>\s*)?<VRTDataset"),
    ("EPS", rb"%!PS|\xc5\xd0\xd3\xc6"),
    ("PDF", rb"%PDF"),
    ("PSD", rb"8BPS"),
    ("SVG", rb"\s*(?:<\?xml[^>]*>\s*)?<svg"),
)
_DRIVERS = {
    "TIFF": "GTiff",
    "JPEG": "JPEG",
    "PNG": "PNG",
    "JPEG2000": "JP2OpenJPEG",
    "GIF": "GIF",
    "BMP": "BMP",
    "WEBP": "WEBP",
    "HFA": "HFA",
}
"""What GDAL may open, by the format of a file: its own driver alone."""
_OFF_LINE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "FALSE",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
}
CACHE = 2**28
"""The most bytes of decoded blocks that GDAL keeps; its own choice is 5% of the memory."""
_HEAD = 2**16
_ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # EXIF 2.3: those that swap height and width
_NESTED = 8  # VRTs of VRTs
_lock = Lock()

HEIC_FIX = (
    "convert it to JPEG (heif-convert, or an image viewer's export); iPhones write JPEG with "
    "Settings > Camera > Formats > Most Compatible"
)


def head_of(file: Picture, size: int = _HEAD) -> bytes:
    """The first bytes of a file; an open one stays where it is. OSError passes through."""
    if isinstance(file, str | Path):
        with open(file, "rb") as opened:
            return opened.read(size)
    place = file.tell()
    try:
        return file.read(size)
    finally:
        file.seek(place)


def format_of(head: bytes) -> str | None:
    """What a file is by its first bytes, by Pillow's names where Pillow knows it; None: unknown."""
    start = head[:4096]
    for name, signature in _SIGNATURES:
        if re.match(signature, start, re.DOTALL):
            return name
    return None


def open_picture(
    file: Picture, label: str, formats: tuple[str, ...] | list[str] | None = None
) -> Image.Image:
    """A picture whose header is read and whose pixels are not, by the listed formats alone.

    ``formats`` are fewer of `PILLOW_FORMATS`. Every Pillow image of the package is opened here.
    Raises DataError naming ``label`` for a file that is missing, of another format or damaged.
    """
    try:
        return opened(file, formats)
    except Exception as error:  # broken files make Pillow raise nearly anything
        raise unreadable(file, label, error) from error


def opened(file: Picture, formats: tuple[str, ...] | list[str] | None = None) -> Image.Image:
    """As ``open_picture``, with Pillow's exceptions."""
    _load_plugins()
    _silence_libtiff()
    allowed = [name for name in PILLOW_FORMATS if name in Image.OPEN]
    with _lock, warnings.catch_warnings(action="ignore"):  # large sizes are refused by read_photo
        image = Image.open(file, formats=[f for f in allowed if formats is None or f in formats])
    if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(_ORIENTATION, 1) in SIDEWAYS:
        # Pillow 13 maps the file of a picture that is not packed, by the size that it has upright.
        image.filename = ""  # pyright: ignore[reportAttributeAccessIssue]
    return image


@cache
def _load_plugins() -> None:
    """Import what reads `PILLOW_FORMATS`; `Image.init` would import forty others too."""
    for name in _PLUGINS:
        with suppress(ImportError):  # of a Pillow that has it not
            import_module(f"PIL.{name}ImagePlugin")


@cache
def _silence_libtiff() -> None:
    """Keep libtiff of Pillow from writing its own lines beside the error of a damaged file.

    Pillow turns its warnings off, not its errors, which go to stderr. Where it is no library of its
    own (Windows) they stay.
    """
    package = Path(PIL.__file__).parent
    bundled = (package.parent / "pillow.libs", package.parent / "Pillow.libs", package / ".dylibs")
    files = [str(file) for folder in bundled for file in folder.glob("libtiff*")]
    if not files and (system := ctypes.util.find_library("tiff")):
        files = [system]
    for file in files:
        with suppress(OSError, AttributeError):
            set_handler = ctypes.CDLL(file).TIFFSetErrorHandler
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


def unreadable(file: Picture, label: str, error: BaseException) -> DataError:
    """What an exception of a reader means to the user."""
    if isinstance(error, DataError):
        return error
    if isinstance(error, FileNotFoundError):
        return DataError(label, "there is no such file", "", "check the name", "FC-FILE-003")
    if isinstance(error, IsADirectoryError):
        return DataError(label, "is a folder, not a picture", code="FC-FILE-004")
    if isinstance(error, Image.DecompressionBombError):
        return DataError(label, f"too large: {error}", "", "cut it into pieces", "FC-DATA-004")
    if isinstance(error, Image.UnidentifiedImageError):
        return _unidentified(file, label)
    reason = reason_of(error)
    return DataError(label, f"cannot be decoded: {reason}", "a truncated or damaged file",
                     "copy it again from its origin, or remove it", "FC-DATA-003")  # fmt: skip


def _unidentified(file: Picture, label: str) -> DataError:
    try:
        if not isinstance(file, str | Path):
            file.seek(0)  # Pillow has read some of it
        head = head_of(file)
    except (OSError, ValueError):
        head = None
    if pointer := pointer_error(label, head or b"-"):
        return pointer
    name = format_of(head or b"")
    if head == b"":
        return DataError(label, "is empty (0 bytes)", "a copy or download that did not end",
                         "copy it again from its origin, or remove it", "FC-DATA-003")  # fmt: skip
    if name == "HEIC":
        return DataError(label, "is HEIC, as iPhones write it, which is not read", "", HEIC_FIX,
                         "FC-DATA-005")  # fmt: skip
    if name in ("VRT", "EPS", "PDF", "PSD", "SVG", "HFA"):
        return DataError(label, f"is not a picture but a {name} file, whatever its name says", "",
                         "save it as PNG, JPEG or TIFF", "FC-DATA-006")  # fmt: skip
    return DataError(label, "cannot be read as a picture", "not a picture, or a broken one",
                     "open it in a viewer, then replace or remove it", "FC-DATA-002")  # fmt: skip


@contextmanager
def gdal_dataset(file: Path | bytes, label: str) -> Iterator[Any]:
    """A raster opened by rasterio, by the driver of its format alone and without any network.

    A VRT is opened where the file is called so and is made of local files of the listed formats.
    Raises DataError naming ``label`` where it cannot be opened, or read within the block, or
    rasterio is not installed.
    """
    rasterio = needed(label)
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    driver = _driver_of(file, label)
    if isinstance(file, Path):
        _check_beside(file, label)
    with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=CACHE, **_OFF_LINE):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            if isinstance(file, bytes):
                dataset = rasterio.MemoryFile(file).open(driver=driver)
            else:
                dataset = rasterio.open(os.path.abspath(file), driver=driver)
        except (RasterioError, CPLE_BaseError, ValueError, TypeError, AttributeError) as error:
            raise DataError(label, f"cannot be opened as a raster ({reason_of(error)})",
                            "a truncated or damaged file", "check it, or save it as a GeoTIFF",
                            "FC-RASTER-006") from error  # fmt: skip
        with gdal_errors(label), dataset:
            yield dataset


@contextmanager
def gdal_errors(label: str) -> Iterator[None]:
    """Turns what rasterio raises about a raster that is open into a DataError naming ``label``.

    Its attributes read the file too, and raise GDAL's own errors, which are no RasterioError.
    """
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        raise DataError(label, f"cannot be read to its end ({reason_of(error)})",
                        "truncated or damaged", "copy it again from its origin",
                        "FC-RASTER-008") from error  # fmt: skip


def _check_beside(file: Path, label: str) -> None:
    """DataError where overviews, masks or metadata beside a raster lead to other files."""
    for ending in (".ovr", ".msk", ".msk.ovr"):
        beside = file.with_name(f"{file.name}{ending}")
        if beside.is_file() and format_of(head_of(beside)) == "VRT":
            raise _leads_away(label, beside)
    said = file.with_name(f"{file.name}.aux.xml")
    if said.is_file() and re.search(rb"OVERVIEW_FILE|SourceFilename|/vsi", said.read_bytes()):
        raise _leads_away(label, said)


def _leads_away(label: str, beside: Path) -> DataError:
    return DataError(label, f"{beside.name} beside it leads to other files", "",
                     f"remove {beside.name}, or put a GeoTIFF in its place",
                     "FC-RASTER-007")  # fmt: skip


def needed(label: str) -> Any:
    """The package rasterio; DataError where it is not installed."""
    try:
        import rasterio
    except ImportError:
        raise DataError(
            label, "is a raster (georeferenced, of further bands, of more than 8 bits, or with a "
            "mask inside), which is read by rasterio", "", "pip install 'fullconv[large]'",
            "FC-RASTER-005",
        ) from None  # fmt: skip
    return rasterio


def has_driver(file: Path) -> bool:
    """Whether GDAL is let open a file that Pillow does not know."""
    name = format_of(head_of(file))
    return name in _DRIVERS or _is_envi(file) or (name == "VRT" and file.suffix.lower() == ".vrt")


def _driver_of(file: Path | bytes, label: str) -> str:
    try:
        head = file[:_HEAD] if isinstance(file, bytes) else head_of(file)
    except OSError as error:
        raise unreadable(file if isinstance(file, Path) else "", label, error) from error
    name = format_of(head)
    if name in _DRIVERS:
        return _DRIVERS[name]
    if isinstance(file, Path) and name == "VRT" and file.suffix.lower() == ".vrt":
        check_vrt(file, label)
        return "VRT"
    if isinstance(file, Path) and _is_envi(file):
        return "ENVI"
    raise DataError(label, f"cannot be opened as a raster (it is {name or 'of no known format'})",
                    "", "save it as a GeoTIFF", "FC-RASTER-006")  # fmt: skip


def _is_envi(file: Path) -> bool:
    """A raw file with the header of ENVI beside it."""
    headers = file.with_suffix(".hdr"), file.with_name(f"{file.name}.hdr")
    try:
        return any(head_of(header, 4) == b"ENVI" for header in headers if header != file)
    except OSError:
        return False


def check_vrt(file: Path, label: str, depth: int = 0) -> None:
    """DataError unless all that a VRT is made of are local files of the listed formats."""
    try:
        tree = ElementTree.fromstring(_plain_xml(file))
    except (ElementTree.ParseError, ValueError, OSError, RecursionError) as error:
        raise DataError(label, f"is a VRT that cannot be read ({reason_of(error)})", "",
                        "make it again with gdalbuildvrt", "FC-RASTER-006") from error  # fmt: skip
    for node in tree.iter():
        if node.tag in ("SourceFilename", "SourceDataset"):
            _check_source(file, node.text or "", node.attrib, label, depth)
        elif node.tag == "PixelFunctionCode":
            raise _forbidden(label, "runs code of its own")


def _plain_xml(file: Path) -> bytes:
    content = file.read_bytes()
    if b"<!" in content.replace(b"<!--", b"") or b"\0" in content:
        raise ValueError("it declares a document type")
    return content


def _check_source(
    file: Path, text: str, attributes: Mapping[str, str], label: str, depth: int
) -> None:
    relative = attributes.get("relativeToVRT", attributes.get("relativetoVRT", "0")) == "1"
    source = file.parent / text if relative else Path(text)
    if text.startswith("/vsi") or not source.is_file():
        raise _forbidden(label, f"names {text[:80]!r}, which is no file on this machine")
    if source.suffix.lower() == ".vrt" and format_of(head_of(source)) == "VRT":
        if depth >= _NESTED:
            raise _forbidden(label, "is made of VRTs that are nested too deep")
        check_vrt(source, label, depth + 1)
    elif not has_driver(source):
        raise _forbidden(label, f"names {text[:80]!r}, which is of no format that is read")


def _forbidden(label: str, what: str) -> DataError:
    return DataError(label, f"is a VRT that {what}", "", "a VRT may only be made of local "
                     "GeoTIFF, PNG, JPEG, JPEG 2000 and ERDAS files: copy them here",
                     "FC-RASTER-007")  # fmt: skip
