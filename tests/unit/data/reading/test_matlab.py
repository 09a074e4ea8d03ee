import pickle
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import loadmat, savemat

from fullconv.data import DataError
from fullconv.data.reading.matlab_files.matlab import (
    MissingVariable,
    read_array,
    read_labels,
    read_names,
    shape,
)
from fullconv.errors import UserError

MAP = np.arange(12, dtype=np.uint8).reshape(3, 4)
many = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "i8", "f4", "f8", "?"])


def fails(call, *says: str) -> None:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for word in says:
        assert word in str(caught.value)


@settings(many, max_examples=40)
@given(
    arrays.arrays(NUMBERS, arrays.array_shapes(min_dims=2, max_dims=4, max_side=5)), st.booleans()
)
def test_against_scipys_own_reading_of_version_5(tmp_path, array, packed):
    file = tmp_path / "a.mat"
    savemat(file, {"other": [[1, 2]], "x": array, "last": "text"}, do_compression=packed)
    read = read_array(file, "x")
    assert read.dtype == loadmat(file)["x"].dtype
    np.testing.assert_array_equal(read, loadmat(file)["x"])
    assert shape(file, "x") == array.shape


@settings(many, max_examples=25)
@given(arrays.arrays(NUMBERS, arrays.array_shapes(min_dims=2, max_dims=4, max_side=5)))
def test_version_73_comes_back_along_matlabs_axes(tmp_path, savemat73, array):
    file = savemat73(tmp_path / "a.mat", {"x": array.astype(array.dtype.newbyteorder("="))})
    np.testing.assert_array_equal(read_array(file, "x"), array)
    assert shape(file, "x") == array.shape
    np.testing.assert_array_equal(read_array(file, "x", array.shape[-1] - 1), array[..., -1])


def test_big_endian_files(tmp_path):
    parts = [(6, struct.pack(">II", 9, 0)), (5, struct.pack(">ii", 3, 4)), (1, b"x"),
             (2, MAP.tobytes("F"))]  # fmt: skip
    body = b"".join(struct.pack(">II", k, len(d)) + d + b"\0" * (-len(d) % 8) for k, d in parts)
    head = b"MATLAB 5.0 MAT-file, by hand".ljust(124) + struct.pack(">HH", 0x0100, 0x4D49)
    (tmp_path / "a.mat").write_bytes(head + struct.pack(">II", 14, len(body)) + body)
    np.testing.assert_array_equal(read_array(tmp_path / "a.mat", "x"), MAP)


def test_names_and_fields(tmp_path, savemat73):
    names = ["sky", "", "floor mat"]
    cells = np.array([[name] for name in names], object)
    file = tmp_path / "5.mat"
    savemat(file, {"names": cells, "s": {"map": MAP, "deep": {"x": MAP}}}, do_compression=True)
    assert read_names(file, "names") == tuple(names)
    np.testing.assert_array_equal(read_array(file, "s.map"), MAP)
    np.testing.assert_array_equal(read_array(file, "s.deep.x"), MAP)
    fails(lambda: read_array(file, "s.none"), "s.none", "map")
    fails(lambda: read_array(file, "s"), "neither numbers nor texts")
    fails(lambda: read_array(file, "names"), "not an array of numbers")
    fails(lambda: read_names(file, "s.map"), "not a list of names")
    new = savemat73(tmp_path / "73.mat", {"names": names, "map": MAP})
    assert read_names(new, "names") == tuple(names)
    fails(lambda: read_array(new, "names"), "not an array of numbers")
    fails(lambda: read_names(new, "map"), "not a list of names")


def test_label_maps_are_whole_numbers_of_two_axes(tmp_path, savemat73):
    for write in (savemat, savemat73):
        file = tmp_path / "a.mat"
        halves, gap = MAP + 0.5, np.where(MAP == 3, np.nan, MAP)
        write(file, {"d": MAP - 1.0, "halves": halves, "gap": gap, "cube": np.ones((2, 2, 2)),
                     "huge": MAP * 1e300})  # fmt: skip
        np.testing.assert_array_equal(read_labels(file, "d"), MAP.astype(int) - 1)
        assert read_labels(file, "d").dtype == np.int32
        for name in ("halves", "gap", "huge"):
            fails(lambda name=name: read_labels(file, name), "a.mat", name, "whole")  # noqa: B023
        fails(lambda: read_labels(file, "cube"), "(2, 2, 2)")  # noqa: B023


def test_a_missing_variable_says_what_is_there(tmp_path, savemat73):
    savemat(tmp_path / "5.mat", {"first": 1, "second": 2})
    savemat73(tmp_path / "73.mat", {"first": MAP, "second": MAP})
    for file in (tmp_path / "5.mat", tmp_path / "73.mat"):
        with pytest.raises(MissingVariable, match=r"'S'; it has first, second"):
            read_array(file, "S")
        fails(lambda file=file: read_array(file, "first.S"), "first.S")
    copy = pickle.loads(pickle.dumps(MissingVariable("a", "b")))
    assert isinstance(copy, MissingVariable)


@pytest.mark.parametrize(
    "content", [b"", b"MATLAB 5.0", b"\x89PNG\r\n", pickle.dumps(print), b"MATLAB 5.0".ljust(600)]
)
def test_what_is_no_matlab_file(tmp_path, content):
    (tmp_path / "a.mat").write_bytes(content)
    fails(lambda: read_array(tmp_path / "a.mat", "x"), "a.mat", "no MATLAB file")


def test_missing_files_and_folders(tmp_path):
    fails(lambda: read_array(tmp_path / "a.mat", "x"), "a.mat", "no such file")
    fails(lambda: read_array(tmp_path, "x"), "cannot be read")


def test_every_cut_is_named(tmp_path, savemat73):
    cells = np.array([["sky"], ["tree"]], object)
    content = {"names": cells, "S": np.random.default_rng(0).random((20, 20)), "t": {"a": [1, 2]}}
    for packed in (True, False):
        savemat(tmp_path / "5.mat", content, do_compression=packed)
        whole = (tmp_path / "5.mat").read_bytes()
        end = whole.rindex(b"\x0f\0\0\0" if packed else b"\x0e\0\0\0")
        for size in [*range(0, 128, 9), *range(128, end, 37)]:
            (tmp_path / "cut.mat").write_bytes(whole[:size])
            with pytest.raises(DataError):
                read_array(tmp_path / "cut.mat", "t.a")
    whole = savemat73(tmp_path / "73.mat", {"S": content["S"]}).read_bytes()
    for size in range(0, len(whole), 97):
        (tmp_path / "cut.mat").write_bytes(whole[:size])
        with pytest.raises(DataError):
            read_array(tmp_path / "cut.mat", "S")


DAMAGE = st.lists(st.tuples(st.floats(0, 0.999), st.sampled_from([0, 1, 3, 14, 127, 128, 255])))


@pytest.mark.parametrize("packed", [True, False])
@settings(many, max_examples=150)
@given(damage=DAMAGE)
def test_a_damaged_version_5_file_is_read_or_refused_and_nothing_else(tmp_path, packed, damage):
    whole = tmp_path / "5.mat"
    if not whole.is_file():
        cells = np.array([["sky"], ["tree"]], object)
        savemat(whole, {"x": {"S": MAP, "names": cells, "d": MAP / 3}}, do_compression=packed)
    damaged = bytearray(whole.read_bytes())
    for place, value in damage:
        damaged[128 + int(place * (len(damaged) - 128))] = value
    (tmp_path / "bad.mat").write_bytes(damaged)
    for read, variable in ((read_array, "x.S"), (read_names, "x.names"), (read_labels, "x.S")):
        try:
            assert read(tmp_path / "bad.mat", variable) is not None
        except UserError as error:
            assert "\n" not in str(error)


HEAD = b"MATLAB 5.0 MAT-file, by hand".ljust(124) + b"\x00\x01IM"


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def matrix(form: int, sizes: tuple[int, ...], name: bytes, *rest: bytes) -> bytes:
    flags, sizes_ = struct.pack("<II", form, 0), struct.pack(f"<{len(sizes)}i", *sizes)
    return element(14, element(6, flags) + element(5, sizes_) + element(1, name) + b"".join(rest))


def test_files_that_declare_more_than_they_hold(tmp_path):
    file = tmp_path / "a.mat"
    fields = element(5, struct.pack("<i", 1)) + element(1, bytes(2**16))
    hostile = {
        "numbers declared in 8 bytes": matrix(6, (2**31 - 1,) * 3, b"x", element(9, bytes(8))),
        "letters declared, 8 found": matrix(4, (1, 2**31 - 1), b"x", element(2, bytes(8))),
        "neither numbers nor texts": matrix(1, (2**31 - 1, 1), b"x"),
        "has the sizes (-1, 5)": matrix(6, (-1, 5), b"x", element(9, bytes(8))),
        "MATLAB class 3": matrix(3, (1, 1), b"x", element(1, b"inline")),
        "MATLAB class 2": matrix(2, (2**16, 1), b"x", fields),
        "complex": matrix(6 + 0x800, (1, 1), b"x", element(9, bytes(8)), element(9, bytes(8))),
        "2147483648 bytes declared": matrix(6, (1, 1), b"x", struct.pack("<II", 9, 2**31)),
    }
    for says, content in hostile.items():
        file.write_bytes(HEAD + content)
        fails(lambda: read_array(file, "x"), "a.mat", says)


def test_nested_cells_are_not_followed(tmp_path):
    content = matrix(6, (1, 1), b"", element(9, bytes(8)))
    for level in range(3000):
        content = matrix(1, (1, 1), b"x" if level == 2999 else b"", content)
    (tmp_path / "a.mat").write_bytes(HEAD + content)
    fails(lambda: read_array(tmp_path / "a.mat", "x"), "holds no text")


def test_compressed_parts_that_inflate_without_end(tmp_path):
    def packed(size: int, content: bytes) -> bytes:
        inner = zlib.compress(struct.pack("<II", 14, size) + content)
        return HEAD + struct.pack("<II", 15, len(inner)) + inner

    start = matrix(6, (4096, 4096), b"x")[8:]
    file = tmp_path / "a.mat"
    for size in (2**31, 2**27 + 8, 2**26):  # too much; a little too much; more than zlib can make
        file.write_bytes(packed(size, start + bytes(2**12)))
        fails(lambda: read_array(file, "x"), f"declares {size} bytes")
    file.write_bytes(packed(2**16, start + bytes(2**24)))  # 16 MiB behind 64 KiB: never inflated
    fails(lambda: read_array(file, "x"), "a.mat")
    big = tmp_path / "big.mat"
    with big.open("wb") as opened:
        opened.write(HEAD)
        opened.truncate(2**27 + 1)
    fails(lambda: read_array(big, "x"), "are read up to")


def test_hdf5_that_leads_out_of_the_file_or_is_endless(tmp_path, savemat73):
    h5py = pytest.importorskip("h5py")
    secret = savemat73(tmp_path / "secret.mat", {"S": MAP})
    file = tmp_path / "a.mat"
    with h5py.File(file, "w") as opened:
        opened["out"] = h5py.ExternalLink(secret.name, "/S")
        opened["soft"] = h5py.SoftLink("/endless")
        opened.create_dataset("endless", (2**31, 2**31), np.float64, chunks=(64, 64))
        opened.create_dataset("wide", (4, 4), np.uint8, chunks=(2**14, 2**14), maxshape=(None,) * 2)
        opened.create_dataset("raw", (2, 2), np.uint8, external=[(str(secret), 0, 4)])
        opened.create_dataset("words", data=["a", "b"])
        layout = h5py.VirtualLayout((3, 4), np.uint8)
        layout[...] = h5py.VirtualSource(secret, "S", (3, 4))
        opened.create_virtual_dataset("virtual", layout)
    for name in ("out", "soft"):
        fails(lambda name=name: read_array(file, name), "no variable")
    for name in ("endless", "wide"):
        fails(lambda name=name: read_array(file, name), "declares")
    for name in ("raw", "virtual"):
        fails(lambda name=name: read_array(file, name), "in other files")
    fails(lambda: read_array(file, "words"), "words")


def test_without_h5py_the_extra_is_named(tmp_path, savemat73, monkeypatch):
    savemat73(tmp_path / "73.mat", {"S": MAP})
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    fails(lambda: read_array(tmp_path / "73.mat", "S"), "h5py", "fullconv[convert]")
