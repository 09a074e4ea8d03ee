"""Damaged and hostile caffemodels: refused in one line, in little memory, whatever they say."""

import io
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caffe_writer
import refusals
from caffe_schema import MESSAGE
from caffe_writer import varint
from fullconv.checkpoints import convert, load
from fullconv.checkpoints.foreign.caffe import read
from fullconv.errors import UserError
from refusals import survived


def net_of(*arrays):
    net = MESSAGE.Net(name="small")
    for number, array in enumerate(arrays):
        caffe_writer.put(net.layer.add(name=f"layer{number}").blobs.add(), array)
    return net


def field(number, content):
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


GOOD = net_of(np.ones((2, 3), np.float32), np.arange(5, dtype=np.float32)).SerializeToString()
LAYER = field(1, b"conv") + field(7, b"")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.caffemodel"


def refused(path, content, *says):
    """The one line for these bytes, in little memory: 20000 small arrays are allowed."""
    path.write_bytes(content)
    memory = 4 * len(content) + 2**23
    return refusals.refused(lambda: read(path), path, *says, memory=memory)


def test_truncated_anywhere(path):
    whole = field(100, field(1, b"conv") + field(7, b""))
    boundaries = {len(field(1, b"small")), len(GOOD) - len(whole)}
    for length in range(len(GOOD)):
        path.write_bytes(GOOD[:length])
        file = survived(lambda: read(path), path)
        if file:
            assert list(file.arrays) == ["layer0.weight"]  # cut between the two layers
            boundaries.add(length)
    assert len(boundaries) == 3


def of_shape(shape, numbers):
    """Arrays whose shape contradicts their numbers."""
    net = net_of(np.ones(numbers, np.float32))
    blob = net.layer[0].blobs[0]
    del blob.shape.dim[:]
    blob.shape.dim.extend(shape)
    return net.SerializeToString()


def of_old_dimensions(*dimensions):
    net = MESSAGE.Net()
    blob = net.layers.add(name="conv").blobs.add(data=[1.0] * 5)
    blob.num, blob.channels, blob.height, blob.width = dimensions
    return net.SerializeToString()


def of_ones(count):
    net = net_of(np.ones(1, np.float32))
    net.layer[0].blobs[0].shape.dim.extend([1] * count)
    return net.SerializeToString()


def of_many_arrays():
    blobs = field(7, field(5, b"\0\0\0\0")) * 900
    return b"".join(field(100, field(1, b"conv%d" % n) + blobs) for n in range(30))


def nested(content, depth):
    for _ in range(depth):
        content = field(7, content)
    return field(100, field(1, b"conv") + content)


def transposed():
    net = net_of(np.ones((3, 3), np.float32))
    net.layer[0].inner_product_param.transpose = True
    return net.SerializeToString()


ARRAY = field(7, field(5, b"\0\0\0\0"))
SHAPES = [((1 << 40, 1 << 40), 4), ((2, -3), 6), ((-2, -3), 6), ((0, 3), 0), ((2, 3), 5), ((), 2)]
OLD_SHAPES = [(1, 1, 2, 2**31 - 1), (1, 1, -1, -5), (0, 0, 0, 0)]
NAMES = {"none": b"", "two lines": b"two\nlines", "long": b"long" * 10_000, "red": b"\x1b[31mred"}
HOSTILE = {
    **{f"a length of 2**{bits}": (lambda bits=bits: b"\xa2\x06" + varint(2**bits) + b"abc", [])
       for bits in (32, 40, 62, 63, 70)},
    **{f"{numbers} numbers as {shape}": (partial(of_shape, shape, numbers), ["layer0.weight"])
       for shape, numbers in SHAPES},
    **{f"5 numbers as {shape}": (partial(of_old_dimensions, *shape), ["conv.weight"])
       for shape in OLD_SHAPES},
    **{f"{count} dimensions": (partial(of_ones, count), ["more than 32 dimensions"])
       for count in (40, 1_000_000)},
    "30,000 layers": (lambda: field(100, LAYER[:6]) * 30_000, ["more than 20000 parts"]),
    "500,000 fields": (lambda: b"\x18\x01" * 500_000, ["more than 20000 parts"]),
    "100,000 arrays of a layer": (
        lambda: field(100, field(1, b"conv") + field(7, b"") * 100_000), ["more than 1000 fields"]),
    "27,000 arrays": (of_many_arrays, ["more than 20000 arrays"]),
    "nested 3,000 deep": (lambda: nested(b"", 3_000), []),
    "100,000 groups": (lambda: nested(b"\x0b" * 100_000, 0), []),
    "100,000 groups in an array": (lambda: nested(b"\x0b" * 100_000, 1), []),
    **{f"a name: {kind}": (lambda name=name: field(100, field(1, name) + ARRAY),
                           ["no name, or none that can be read"]) for kind, name in NAMES.items()},
    "a layer twice": (lambda: GOOD + GOOD, ["layer0.weight stands in it twice"]),
    "a transposed matrix": (transposed, ["layer0", "transposed"]),
    **{f"no model: {content[:4]}": (lambda content=content: content,
                                    ["no Caffe model, or a damaged one"])
       for content in (b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(99), b"\xff" * 99)},
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_what_contradicts_itself_or_is_no_model_is_refused(path, what):
    content, says = HOSTILE[what]
    refused(path, content(), *says)
    with pytest.raises(UserError):
        load(path)
    with pytest.raises(UserError):
        convert(path)


class Dangerous:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


def test_no_code_runs(path, tmp_path):
    trap = tmp_path / "executed"
    code = pickle.dumps(Dangerous(trap))
    refused(path, code)
    net = net_of(np.ones(1, np.float32))
    net.layer[0].python_param.layer = "Layer"
    net.layer[0].python_param.module = "os"
    net.layer[0].python_param.param_str = f"open({str(trap)!r}, 'w')"
    path.write_bytes(net.SerializeToString())
    read(path)  # what a data layer in Python says is text here
    assert not trap.exists()
    pickle.load(io.BytesIO(code))
    assert trap.exists()  # else the trap proves nothing


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    _survives(tmp_path_factory.getbasetemp() / "any.caffemodel", content)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_damage_is_read_or_refused(tmp_path_factory, data):
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        size = data.draw(st.integers(0, 3))
        content[place : place + size] = data.draw(st.binary(max_size=4))
        if not content:
            content = bytearray(b"\0")
    _survives(tmp_path_factory.getbasetemp() / "damaged.caffemodel", bytes(content))


def _survives(path, content):
    path.write_bytes(content)
    file = survived(lambda: read(path), path)
    if file:
        assert sum(array.nbytes for array in file.arrays.values()) <= len(content)
