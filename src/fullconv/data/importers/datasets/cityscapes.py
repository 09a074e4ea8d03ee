"""Cityscapes: leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with gtFine/SPLIT/CITY/*_labelIds.png.

Without --classes, the 19 classes of the benchmark (its train ids); everything else is ignored. A
label that is ignored so becomes a class with --merge LABEL=CLASS, or in a class file of its name.
"""

from pathlib import Path

from fullconv.classes import Color
from fullconv.data.importers.annotations import Export, Item, Note
from fullconv.data.importers.drawing.label_image import LabelFile, read_numbers
from fullconv.data.importers.import_request import Request
from fullconv.data.sample import Mask
from fullconv.errors import Finding, UserError

_ENDING = "_labelIds.png"
_KINDS = ("gtFine", "gtCoarse")

# cityscapesscripts/helpers/labels.py: number, 'train' where it is one of the 19, colour, name.
_TABLE = """
0 - 000000 unlabeled
1 - 000000 ego vehicle
2 - 000000 rectification border
3 - 000000 out of roi
4 - 000000 static
5 - 6f4a00 dynamic
6 - 510051 ground
7 train 804080 road
8 train f423e8 sidewalk
9 - faaaa0 parking
10 - e6968c rail track
11 train 464646 building
12 train 66669c wall
13 train be9999 fence
14 - b4a5b4 guard rail
15 - 966464 bridge
16 - 96785a tunnel
17 train 999999 pole
18 - 999999 polegroup
19 train faaa1e traffic light
20 train dcdc00 traffic sign
21 train 6b8e23 vegetation
22 train 98fb98 terrain
23 train 4682b4 sky
24 train dc143c person
25 train ff0000 rider
26 train 00008e car
27 train 000046 truck
28 train 003c64 bus
29 - 00005a caravan
30 - 00006e trailer
31 train 005064 train
32 train 0000e6 motorcycle
33 train 770b20 bicycle
"""
_ROWS = [line.split(" ", 3) for line in _TABLE.strip().splitlines()]
_LABELS = {int(number): name for number, _, _, name in _ROWS} | {255: "license plate"}
_IGNORED = frozenset(name for _, use, _, name in _ROWS if use == "-") | {"license plate"}


def _colors() -> dict[str, Color]:
    rgb = {name: bytes.fromhex(color) for _, _, color, name in _ROWS}
    return {name: (color[0], color[1], color[2]) for name, color in rgb.items()}


def recognise(source: Path) -> bool:
    """A folder with gtFine or gtCoarse in it."""
    return any((source / kind).is_dir() for kind in _KINDS)


def read(source: Path, request: Request) -> Export:
    """All photos that have label ids; the fine ones where there are both kinds."""
    kind = next((kind for kind in _KINDS if (source / kind).is_dir()), None)
    if kind is None:
        raise UserError(f"{source}: has no folder gtFine or gtCoarse", "FC-IMPORT-004")
    photos = request.images or source / "leftImg8bit"
    items: list[Item] = []
    findings: list[Finding] = []
    for file in sorted((source / kind).rglob(f"*{_ENDING}")):
        *folders, name = file.relative_to(source / kind).parts
        name = name.removesuffix(_ENDING).removesuffix(f"_{kind}")
        photo = photos.joinpath(*folders, f"{name}_leftImg8bit.png")
        if photo.is_file():
            labelling = LabelFile(file, photo, _LABELS, _read)
            place = Path(*folders[1:], name).as_posix()
            items.append(Item(place, folders[0] if folders else None, photo, str(file), labelling))
        else:
            fix = "unpack leftImg8bit beside it, or name its folder with --images"
            what = f"its photo {photo} is not there"
            findings.append(Finding(str(file), what, "", fix, code="FC-IMPORT-020"))
    if not items and not findings:
        raise UserError(
            f"{source / kind}: has no *{_ENDING}; unpack {kind}'s archive there", "FC-IMPORT-004"
        )
    notes = [] if kind == "gtFine" else [Note("split", kind, "coarse labels: much is unlabelled")]
    used = {item.photo for item in items}
    rest = (photo for photo in sorted(photos.rglob("*_leftImg8bit.png")) if photo not in used)
    notes += [Note("unlabelled", str(photo)) for photo in rest]
    labels = (*_train_first(), *(name for name in _LABELS.values() if name in _IGNORED))
    return Export(labels, tuple(items), None, _colors(), _IGNORED, tuple(notes), tuple(findings))


def _train_first() -> list[str]:
    return [name for name in _LABELS.values() if name not in _IGNORED]


def _read(file: Path) -> Mask:
    return read_numbers(file, _LABELS, "a label id of Cityscapes")
