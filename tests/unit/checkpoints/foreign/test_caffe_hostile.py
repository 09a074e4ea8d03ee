"""Damaged and hostile caffemodels: refused in one line, in little memory, whatever they say."""

import io
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caffe_writer
from caffe_schema import MESSAGE
from caffe_writer import varint
from fullconv.checkpoints import convert, load
from fullconv.checkpoints.foreign.caffe import read
from fullconv.errors import UserError


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
    """The one line for these bytes, and that they took little memory."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as error:
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(content) + 2**23  # 20000 small arrays are allowed
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 600
    for part in says:
        assert part in message


def test_truncated_anywhere(path):
    whole = field(100, field(1, b"conv") + field(7, b""))
    boundaries = {len(field(1, b"small")), len(GOOD) - len(whole)}
    for length in range(len(GOOD)):
        path.write_bytes(GOOD[:length])
        try:
            found = read(path)
        except UserError as error:
            assert "\n" not in str(error)
            continue
        assert list(found.arrays) == ["layer0.weight"]  # cut between the two layers
        boundaries.add(length)
    assert len(boundaries) == 3


@pytest.mark.parametrize("bits", [32, 40, 62, 63, 70])
def test_a_length_beyond_the_end(path, bits):
    refused(path, b"\xa2\x06" + varint(2**bits) + b"abc")


@pytest.mark.parametrize(
    ("shape", "numbers"),
    [((1 << 40, 1 << 40), 4), ((2, -3), 6), ((-2, -3), 6), ((0, 3), 0), ((2, 3), 5), ((), 2)],
)
def test_a_shape_that_contradicts_the_numbers(path, shape, numbers):
    net = net_of(np.ones(numbers, np.float32))
    blob = net.layer[0].blobs[0]
    del blob.shape.dim[:]
    blob.shape.dim.extend(shape)
    refused(path, net.SerializeToString(), "layer0.weight")


def test_old_dimensions_that_contradict_the_numbers(path):
    for dims in ((1, 1, 2, 2**31 - 1), (1, 1, -1, -5), (0, 0, 0, 0)):
        net = MESSAGE.Net()
        blob = net.layers.add(name="conv").blobs.add(data=[1.0] * 5)
        blob.num, blob.channels, blob.height, blob.width = dims
        refused(path, net.SerializeToString(), "conv.weight")


def test_very_many_dimensions(path):
    net = net_of(np.ones(1, np.float32))
    net.layer[0].blobs[0].shape.dim.extend([1] * 40)
    refused(path, net.SerializeToString(), "more than 32 dimensions")
    net.layer[0].blobs[0].shape.dim.extend([1] * 1_000_000)
    refused(path, net.SerializeToString(), "more than 32 dimensions")


def test_very_many_parts(path):
    refused(path, field(100, LAYER[:6]) * 30_000, "more than 20000 parts")
    refused(path, b"\x18\x01" * 500_000, "more than 20000 parts")
    refused(path, field(100, field(1, b"conv") + field(7, b"") * 100_000), "more than 1000 fields")
    blobs = field(7, field(5, b"\0\0\0\0")) * 900
    layers = b"".join(field(100, field(1, b"conv%d" % n) + blobs) for n in range(30))
    refused(path, layers, "more than 20000 arrays")


def test_deep_nesting(path):
    deep = b""
    for _ in range(3_000):
        deep = field(7, deep)
    for content in (deep, b"\x0b" * 100_000, field(7, b"\x0b" * 100_000)):
        refused(path, field(100, field(1, b"conv") + content))


def test_names_that_cannot_be_shown(path):
    array = field(7, field(5, b"\0\0\0\0"))
    for name in (b"", b"two\nlines", b"long" * 10_000, b"\x1b[31mred"):
        refused(path, field(100, field(1, name) + array), "no name, or none that can be read")


def test_a_layer_that_stands_twice(path):
    refused(path, GOOD + GOOD, "layer0.weight stands in it twice")


def test_a_transposed_matrix(path):
    net = net_of(np.ones((3, 3), np.float32))
    net.layer[0].inner_product_param.transpose = True
    refused(path, net.SerializeToString(), "layer0", "transposed")


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


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(99), b"\xff" * 99])
def test_no_caffemodel_at_all(path, content):
    refused(path, content, "no Caffe model, or a damaged one")
    with pytest.raises(UserError):
        load(path)
    with pytest.raises(UserError):
        convert(path)


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
    try:
        found = read(path)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert sum(array.nbytes for array in found.arrays.values()) <= len(content)
