"""Caffe's ``.caffemodel``: a NetParameter of protobuf, in either generation.

Its schema is built here, of the few messages that hold weights: numbers and types are those of
BVLC/caffe, src/caffe/proto/caffe.proto; what is not named is skipped. Two fields have another type
than there, with the same bytes in the file: packed numbers (``data``, ``double_data``) and the
shape are `bytes`, so that nothing grows while it is parsed.

The file is never parsed as a whole: its outermost fields are walked here and each layer is parsed
by itself, so memory stays within a few times the largest layer, beside the arrays. Nothing that
the file says about sizes is believed before it agrees with the bytes that are there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np

from fullconv.checkpoints.foreign.caffe_names import LINEAGES
from fullconv.checkpoints.foreign.foreign_arrays import Array, ForeignFile, Shape
from fullconv.errors import UserError
from fullconv.parsing import parser_errors

__all__ = ["LINEAGES", "looks_like", "read"]

KINDS = ("weight", "bias")  # a layer's first and second blob; further ones are numbered
MOST_LAYERS, MOST_FIELDS, MOST_ARRAYS = 20_000, 1_000, 20_000  # GoogLeNet: 150, some 10, 128
MOST_AXES = 32  # Caffe's own limit, kMaxBlobAxes
LONGEST_NAME = 200
HEADER = 20  # bytes that hold any tag and length
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # protobuf's wire types
NAME, OTHERS = 1, (3, 4, 5, 6, 7, 8)  # fields of a NetParameter beside its layers


# Of a NetParameter: where its layers are, in the newer and the older generation.
LAYER, V1_LAYER = 100, 2

# message: (field, number, type, repeated); a type in capitals is another message.
MESSAGES = {
    "Shape": (("dim", 1, "int64", True),),
    "Blob": (
        ("num", 1, "int32", False),
        ("channels", 2, "int32", False),
        ("height", 3, "int32", False),
        ("width", 4, "int32", False),
        ("data", 5, "bytes", False),
        ("shape", 7, "bytes", False),
        ("double_data", 8, "bytes", False),
    ),
    "Param": (("name", 1, "bytes", False),),
    "InnerProduct": (("transpose", 6, "bool", False),),
    "Python": (("layer", 2, "bytes", False), ("param_str", 3, "bytes", False)),
    "Layer": (
        ("name", 1, "bytes", False),
        ("param", 6, "Param", True),
        ("blobs", 7, "Blob", True),
        ("inner_product_param", 117, "InnerProduct", False),
        ("python_param", 130, "Python", False),
    ),
    "V1Layer": (
        ("name", 4, "bytes", False),
        ("type", 5, "int32", False),
        ("blobs", 6, "Blob", True),
        ("param", 1001, "bytes", True),
    ),
}


class Damaged(ValueError):
    """A damaged file, and how; `read` turns it into a message to the user."""


def looks_like(path: Path, head: bytes) -> bool:
    """Whether ``path`` is a caffemodel: by its ending, or by the first fields of a net."""
    if path.suffix.lower() == ".caffemodel":
        return True
    try:
        number, wire, start, stop = _field(head, 0)
        if (number, wire) == (NAME, BYTES) and head[start:stop].decode().isprintable():
            return _field(head, stop)[0] in (LAYER, V1_LAYER, *OTHERS)
        return number in (LAYER, V1_LAYER) and wire == BYTES
    except ValueError:  # with Damaged and UnicodeDecodeError
        return False


def read(path: Path) -> ForeignFile:
    """The arrays of a caffemodel as LAYER.weight and LAYER.bias.

    UserError when it is damaged, truncated, or its sizes contradict each other.
    """
    messages()
    with (
        parser_errors(path, "no Caffe model, or a damaged one", "FC-WEIGHTS-002"),
        path.open("rb") as file,
    ):
        return _read(path, file, path.stat().st_size)


@dataclass
class _Net:
    """What was met so far; ``owners``: arrays by the name under which layers share them."""

    arrays: dict[str, Array] = field(default_factory=dict)
    layers: list[str] = field(default_factory=list)
    owners: dict[bytes, Array] = field(default_factory=dict)
    data: str = ""


def _read(path: Path, file: IO[bytes], size: int) -> ForeignFile:
    net = _Net()
    for number, content in _layers(file, size):
        _take(net, number, content)
    if not net.arrays:
        raise Damaged("no layer in it holds an array")
    return ForeignFile(path, "Caffe", net.arrays, layers=tuple(net.layers), trained_on=net.data)


def _layers(file: IO[bytes], size: int) -> Iterator[tuple[int, bytes]]:
    """The number and the bytes of each layer, in the order of the file; other fields are passed."""
    place = 0
    for _ in range(MOST_LAYERS):
        if place == size:
            return
        file.seek(place)
        number, wire, start, stop = _field(file.read(HEADER), 0)
        start, stop = place + start, place + stop
        if stop > size:
            raise Damaged(f"it ends at byte {size}, within a field that ends at {stop}")
        if wire == BYTES and number in (LAYER, V1_LAYER):
            file.seek(start)
            yield number, file.read(stop - start)
        place = stop
    raise Damaged(f"it has more than {MOST_LAYERS} parts")


def _field(content: bytes, place: int) -> tuple[int, int, int, int]:
    """Number, wire type, start and stop of the field at ``place``; it may reach beyond the end."""
    tag, place = _varint(content, place)
    number, wire = tag >> 3, tag & 7
    if number == 0 or wire not in (VARINT, FIXED64, BYTES, FIXED32):
        raise Damaged(f"byte {place - 1} begins no field of protobuf")
    if wire == BYTES:
        length, place = _varint(content, place)
        return number, wire, place, place + length
    stop = _varint(content, place)[1] if wire == VARINT else place + (8 if wire == FIXED64 else 4)
    return number, wire, place, stop


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and the place behind it."""
    value = 0
    for group, byte in enumerate(content[place : place + 10]):
        value |= (byte & 127) << (7 * group)
        if byte < 128:
            return value, place + group + 1
    raise Damaged("a number in it has no end")


def _take(net: _Net, number: int, content: bytes) -> None:
    """Add one layer of the file to what was found."""
    layer = _parsed("Layer" if number == LAYER else "V1Layer", content)
    name = _name(layer.name)
    net.layers.append(name)
    if number == LAYER:
        shared = [param.name for param in layer.param]
        net.data = net.data or _text(layer.python_param)
        if layer.inner_product_param.transpose:
            raise Damaged(f"the matrix of {name} is stored transposed, which is not read")
    else:
        shared = list(layer.param)
    for index, blob in enumerate(layer.blobs):
        kind = KINDS[index] if index < len(KINDS) else f"blob{index}"
        _add(net, f"{name}.{kind}", blob, shared[index] if index < len(shared) else b"")


def _parsed(kind: str, content: bytes) -> Any:
    """The layer in ``content``; its fields are counted before they are parsed."""
    from google.protobuf.message import DecodeError

    place = 0
    for _ in range(MOST_FIELDS):
        if place >= len(content):
            break
        place = _field(content, place)[3]
    else:
        raise Damaged(f"a layer has more than {MOST_FIELDS} fields")
    try:
        return getattr(messages(), kind).FromString(content)
    except DecodeError as error:
        raise Damaged(f"a layer cannot be parsed ({error})") from None


def _name(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise Damaged("a layer has no name, or none that can be read")
    return text


def _text(python: Any) -> str:
    """The hints of a data layer about the data that the net was trained on."""
    return (python.layer + b" " + python.param_str)[:2000].decode("utf-8", "replace").strip()


def _add(net: _Net, name: str, blob: Any, shared: bytes) -> None:
    """Add a blob; one without numbers, shared by name with an earlier layer, is that one's."""
    if name in net.arrays:
        raise Damaged(f"{name} stands in it twice")
    if len(net.arrays) == MOST_ARRAYS:
        raise Damaged(f"it has more than {MOST_ARRAYS} arrays")
    if not blob.data and not blob.double_data and shared in net.owners:
        net.arrays[name] = net.owners[shared]
        return
    net.arrays[name] = _array(name, blob)
    if shared:
        net.owners.setdefault(shared, net.arrays[name])


def _array(name: str, blob: Any) -> Array:
    packed, kind = (blob.double_data, "<f8") if blob.double_data else (blob.data, "<f4")
    shape = _shape(name, blob)
    held, rest = divmod(len(packed), np.dtype(kind).itemsize)
    if rest or held != prod(shape) or not held:
        raise Damaged(
            f"{name} is {'x'.join(map(str, shape)) or 1} by its shape, {held} by its data"
        )
    with np.errstate(over="ignore"):  # what is too large is found when it is used
        return np.frombuffer(packed, kind).astype(np.float32).reshape(shape)


def _shape(name: str, blob: Any) -> Shape:
    """A blob's shape; older files have four numbers instead (number, channels, height, width)."""
    old = ("num", "channels", "height", "width")
    if any(blob.HasField(field) for field in old):
        shape = tuple(getattr(blob, field) for field in old)
    else:
        shape = tuple(_dimensions(name, blob.shape))
    if any(n < 0 for n in shape):
        raise Damaged(f"{name} has a negative dimension")
    return shape


def _dimensions(name: str, shape: bytes) -> list[int]:
    from google.protobuf.message import DecodeError

    try:
        dimensions = (
            list(messages().Shape.FromString(shape).dim) if len(shape) < 16 * MOST_AXES else []
        )
    except DecodeError:
        raise Damaged(f"{name} has a shape that cannot be parsed") from None
    if len(shape) >= 16 * MOST_AXES or len(dimensions) > MOST_AXES:
        raise Damaged(f"{name} has more than {MOST_AXES} dimensions")
    return dimensions


@cache
def messages() -> SimpleNamespace:
    """The message classes by name; UserError without protobuf."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError:
        raise UserError(
            "reading Caffe's files needs protobuf: pip install 'fullconv[convert]'",
            "FC-WEIGHTS-013",
        ) from None
    file = descriptor_pb2.FileDescriptorProto(
        name="fullconv/caffe.proto", package="fullconv.caffe", syntax="proto2"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for entry, number, kind, repeated in fields:
            added = message.field.add(name=entry, number=number)
            added.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".fullconv.caffe.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
            added.options.packed = name == "Shape"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    classes = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"fullconv.caffe.{name}"))
        for name in MESSAGES
    }
    return SimpleNamespace(**classes)
