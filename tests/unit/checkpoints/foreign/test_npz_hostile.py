"""Damaged and hostile .npz files: refused in one line, in little memory, and nothing runs."""

import io
import os
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import refusals
from fullconv.checkpoints.foreign.chainer import LINEAGES, looks_like, read
from fullconv.checkpoints.foreign.foreign_arrays import ForeignFile
from fullconv.checkpoints.foreign.transplant import transplant
from fullconv.models import NetSpec
from fullconv.models.analysis.cost import meta_net
from refusals import survived

SMALL = {
    "conv1_1/W": np.arange(12, dtype=np.float32).reshape(2, 6),
    "conv1_1/b": np.ones(2, np.float32),
}


def npz(arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def zipped(members, **options):
    """A zip of raw members; ``tamper`` changes what the table of contents says of the first."""
    tamper = options.pop("tamper", lambda info: None)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
        tamper(archive.filelist[0])
    return buffer.getvalue()


def npy(header):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def plain(shape, kind="<f4"):
    return npy(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}")


@pytest.fixture
def refused(tmp_path):
    """``refused(content, *says)``: the one line, made in less than 50 MB."""
    path = tmp_path / "net.npz"

    def check(content, *says):
        if isinstance(content, bytes):
            path.write_bytes(content)
        return refusals.refused(lambda: read(path), path, *says, memory=50e6)

    return check


class Trap:
    """What a pickle can do when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_with_code_is_named_and_not_run(refused, tmp_path):
    trap = tmp_path / "sprung"
    arrays = SMALL | {"conv1_2/W": np.array([Trap(trap), None], object)}
    refused(npz(arrays), "conv1_2/W is an object array, a pickle, which can run code")
    single = np.empty((), object)
    single[()] = Trap(trap)
    (tmp_path / "single.npz").write_bytes(npz(SMALL | {"spare/W": single}))
    assert "spare/W" in read(tmp_path / "single.npz").left_out
    assert not trap.exists()
    with np.load(tmp_path / "single.npz", allow_pickle=True) as file:
        file["spare/W"]
    assert trap.exists()  # the trap is a real one


def test_declared_sizes_are_checked_before_they_are_used(refused):
    small = npz(SMALL)
    assert len(small) < 1000

    def huge(info):
        info.file_size = 1 << 40

    weights = [("conv1_1/W.npy", plain("(2, 3)") + bytes(24))]
    refused(zipped(weights, tamper=huge), "its net declares 1099.5 GB")
    for shape in ("(1000000000000,)", "(9" + "9" * 150 + ",)", "(2, 4)", "(-2, -3)"):
        refused(zipped([("conv1_1/W.npy", plain(shape) + bytes(24))]), "truncated or damaged")


def test_a_member_that_unpacks_to_more_than_it_declares_is_refused(refused):
    """A real bomb: 100 MB of zeros in 100 KB, said to be 24 bytes."""

    def small(info):
        info.file_size = len(weights) + 24

    weights = plain("(2, 3)")
    members = [("conv1_1/W.npy", weights + bytes(100 << 20))]
    bomb = zipped(members, tamper=small, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    assert len(bomb) < 1 << 20
    refused(bomb, "Bad CRC-32")


def test_a_table_of_contents_of_gigabytes_is_not_read(refused, tmp_path):
    size = 3 << 30
    with (tmp_path / "net.npz").open("wb") as file:
        file.seek(size)  # a hole: takes no room on the disk
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0))
    refused(None, "its table of contents has 3221225472 bytes")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (zipped([("conv1_1/W.npy", plain("(2,)") + bytes(8))], compression=zipfile.ZIP_BZIP2),
         "packed in an unknown way"),
        (zipped([("conv1_1/W.npy", b"\x93NUMPY\x02\x00" + bytes(200))]), "no .npy of version 1.0"),
        (zipped([("conv1_1/W.npy", b"")]), "no .npy of version 1.0"),
        (zipped([("conv1_1/W.npy", npy("__import__('os').abort()"))]), "not that of a plain array"),
        (zipped([("conv1_1/W.npy", npy("{'descr': [('a', '|O')], 'fortran_order': False, "
                                       "'shape': (1,), }"))]), "not that of a plain array"),
        (zipped([("conv1_1/W.npy", npy("(" * 90))]), "not that of a plain array"),
        (zipped([("conv1_1/W.npy", plain("(1,)")), ("a\nb.npy", b"")]), "a name that no array has"),
        (zipped([("conv1_1/W.npy", plain("(1,)")), ("a" * 999, b"")]), "a name that no array has"),
        (b"PK\x03\x04", "truncated or damaged"),
    ],
)  # fmt: skip
def test_what_is_no_chainer_file_is_said_in_one_line(refused, content, says):
    refused(content, says)


def test_a_name_that_appears_twice_is_refused(refused):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped([("conv1_1/W.npy", plain("(2,)") + bytes(8))] * 2)
    refused(content, "a name appears twice")


def test_a_zip_of_torch_is_told_apart(tmp_path):
    head = zipped([("archive/data.pkl", b"\x80\x02"), ("archive/data/0", bytes(8))])
    assert not looks_like(tmp_path, head[:512])
    assert looks_like(tmp_path, npz(SMALL)[:512])
    for cut in range(31):
        assert not looks_like(tmp_path, npz(SMALL)[:cut])


def test_a_file_cut_anywhere_is_refused(refused):
    content = npz(SMALL)
    for cut in range(0, len(content), 7):
        refused(content[:cut], "truncated or damaged")


FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(st.data())
def test_changed_bytes_are_refused_or_change_nothing(tmp_path, data):
    """Checksums guard the arrays; a changed name only leaves its array out."""
    content = bytearray(npz(SMALL))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "fuzzed.npz"
    path.write_bytes(content)
    file = survived(lambda: read(path), path)
    if isinstance(file, ForeignFile) and "conv1_1/W" in file.arrays:
        assert np.array_equal(file.arrays["conv1_1/W"], SMALL["conv1_1/W"])


SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4, 7, 32, 64]), max_size=5).map(tuple)
NAMES = st.sampled_from(
    [f"{layer}/W" for layer in ("fc6", "fc8", "score_fr", "score_pool4", "upscore", "upscore2")]
    + [f"{layer}/b" for layer in ("fc6", "fc8", "score_fr", "score_pool4", "upscore")]
    + ["upscore2.x/W", "scale_pool4/W", "conv1_1/x/W", "W", "/", "fc8"]
)
KINDS = st.sampled_from(["<f4", ">f8", "<i8", "|b1", "<U3", "|S2", "<c8", "<f2"])
ARRAYS = st.dictionaries(NAMES, st.tuples(SHAPES, KINDS), max_size=6)


@settings(FUZZ, max_examples=60)
@given(ARRAYS)
def test_any_arrays_beside_a_whole_net_are_refused_or_accounted_for(tmp_path, arrays):
    made = {n: np.zeros(s, k) for n, (s, k) in arrays.items() if np.prod(s, initial=1) < 10**5}
    path = tmp_path / "odd.npz"
    path.write_bytes(npz(WHOLE | made))
    file = survived(lambda: read(path), path)
    taken = file and survived(lambda: transplant(file, LINEAGES), path)
    if taken:
        assert set(taken.used.values()) | set(taken.not_needed) == set(WHOLE | made)


WHOLE = {
    origin.name: np.zeros(tensor.shape, np.float32)
    for name, tensor in meta_net(NetSpec("fcn32s-vgg16", 2, width=1 / 64)).state_dict().items()
    if (origin := LINEAGES[0].origins.get(name.removeprefix("backbone.")))
}
