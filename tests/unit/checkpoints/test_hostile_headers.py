"""Headers with anything in any field: the reader's own error, in bounded time and memory."""

import itertools
import json
import os
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest
import torch

from fullconv.checkpoints import Checkpoint, load, save
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.exporting import export
from fullconv.inference.export_metadata import Description
from fullconv.models import CAFFE, NetSpec, build
from json_trees import exchanged, places
from refusals import survived

DIGITS, DEEP = "§digits§", "§deep§"
RAW = {DIGITS: "7" * 5000, DEEP: "[" * 100_000 + "]" * 100_000}
"""What stands in the text for these values, which `json.dumps` cannot write."""
JUNK = (None, "x", "", -1, 0, 1.5, 1e99, float("nan"), float("inf"), True, [], {}, [[1, 2]], DIGITS)


def small(**options) -> Checkpoint:
    torch.manual_seed(1)
    net = build(NetSpec("fcn32s-vgg16_convs", 2, width=1 / 64, **options))
    return Checkpoint(net, ClassSet(("a", "b")), CAFFE, {"step": 3, "weights": [{"name": "x"}]})


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "model.safetensors", small())
    return tmp_path / "model.safetensors"


def parts(path: Path) -> tuple[dict, bytes]:
    """The whole JSON header of a safetensors file, and its data."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def text_of(value) -> str:
    text = json.dumps(value)
    for mark, raw in RAW.items():
        text = text.replace(json.dumps(mark), raw)
    return text


def write(path: Path, outer: dict, data: bytes, own: dict | None = None) -> None:
    """The file of a header; ``own`` is this project's part of it."""
    if own is not None:
        outer = outer | {"__metadata__": outer["__metadata__"] | {"fullconv": text_of(own)}}
    header = text_of(outer).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def test_any_junk_in_any_field_of_a_checkpoint_is_one_line_or_harmless(path):
    outer, data = parts(path)
    own = json.loads(outer["__metadata__"]["fullconv"])
    for way in places(own, 4):
        for junk in JUNK if len(way) < 3 else JUNK[1::3]:
            write(path, outer, data, exchanged(own, way, junk))
            survived(lambda: load(path), path, (way, junk))


def test_any_junk_in_any_field_of_the_file_s_own_header_is_one_line_or_harmless(path):
    outer, data = parts(path)
    for way in places({key: outer[key] for key in list(outer)[:3]}, 4):
        for junk in (*JUNK, DEEP):
            write(path, exchanged(outer, way, junk), data)
            survived(lambda: load(path), path, (way, junk))


def test_any_junk_in_any_field_of_an_export_s_description_is_one_line_or_harmless(tmp_path):
    text = Description.of(small()).to_json()
    path = tmp_path / "net.onnx"
    for way in places(json.loads(text), 4):
        for junk in (*JUNK, DEEP) if len(way) < 2 else JUNK:
            said = text_of(exchanged(json.loads(text), way, junk))
            survived(lambda said=said: Description.from_json(path, said), path, (way, junk))


@pytest.mark.parametrize("name", ["features.0.weight", "conv1_1.weight", "a" * 5000, "\x1b[31m"])
def test_foreign_arrays_of_any_name_and_type_are_one_line(tmp_path, name):
    path = tmp_path / "net.safetensors"
    for dtype, size in {"F32": 4, "I64": 8, "F8_E4M3": 1, "C64": 8, "BOOL": 1}.items():
        entry = {"dtype": dtype, "shape": [4], "data_offsets": [0, 4 * size]}
        write(path, {name: entry}, bytes(4 * size))
        survived(lambda: load(path), path, (name, dtype))
    entry = {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}
    write(path, {name: entry}, bytes(4))
    survived(lambda: load(path), path)


HUGE = [
    {"width": 8},
    {"streams": [3] * 16},
    {"streams": [3] * 300},
    {"streams": [60_000]},
    {"name": "fcn8s-deconv-vgg16_convs", "classes": 65535},
    {"name": "fcn8s-resnet101", "width": 8, "learn_upsampling": True, "classes": 60_000},
]
PROGRAM = """
import resource, sys
from fullconv.checkpoints import load
from fullconv.errors import UserError

load(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[2:]:
    try:
        load(path)
        print("loaded", path)
    except UserError as error:
        print(error.code)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_small_file_that_describes_a_huge_net_takes_no_memory(path):
    outer, data = parts(path)
    own = json.loads(outer["__metadata__"]["fullconv"])
    files = []
    for number, net in enumerate(HUGE):
        count = net.get("classes", 2)
        streams = net.get("streams", [3])
        ones = [1.0] * sum(streams)
        said = {
            **own,
            "net": own["net"] | net,
            "classes": {"names": [f"c{i}" for i in range(count)], "ignore": 65535},
            "preprocessing": own["preprocessing"] | {"mean": ones, "std": ones},
        }
        files.append(path.with_name(f"huge{number}.safetensors"))
        write(files[-1], outer, data, said)
    done = subprocess.run([sys.executable, "-c", PROGRAM, path, *files], capture_output=True,
                          text=True, env=os.environ)  # fmt: skip
    *codes, grown = done.stdout.split()
    assert len(codes) == len(HUGE), done.stdout + done.stderr
    assert set(codes) <= {"FC-WEIGHTS-003", "FC-WEIGHTS-005"}
    assert int(grown) < 300 << 10  # KiB


def test_a_flipped_byte_anywhere_in_a_checkpoint_is_one_line(path):
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    data = range(start, len(content), max((len(content) - start) // 60, 1))
    for place in (*data, len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        with pytest.raises(UserError) as error:
            load(path)
        assert error.value.code == "FC-WEIGHTS-006"
        assert str(path) in str(error.value)
    for place in range(0, start, 101):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        survived(lambda: load(path), path)


def test_arrays_of_another_type_are_refused(path):
    outer, data = parts(path)
    name = next(key for key, entry in outer.items() if entry.get("dtype") == "F32")
    outer[name]["dtype"] = "I32"
    write(path, outer, data)
    with pytest.raises(UserError) as error:
        load(path)
    assert error.value.code == "FC-WEIGHTS-005"
    assert name in str(error.value)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A .pt2 file."""
    run = tmp_path_factory.mktemp("run")
    save(run / "model.safetensors", small())
    export(run, "torch")
    return run / "model.pt2"


def rezipped(source: Path, target: Path, change) -> Path:
    """The .pt2 again, with ``change(name, content)`` as the content of each member."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def test_a_program_whose_members_unpack_to_far_more_is_refused_unread(program, tmp_path):
    for part in ("extra/fullconv", "model_weights_config.json", "weight_0"):
        wide = rezipped(
            program,
            tmp_path / "wide.pt2",
            lambda name, content, part=part: b" " * (80 << 20) if name.endswith(part) else content,
        )
        started = time.process_time()
        with pytest.raises(UserError) as error:
            load(wide)
        assert error.value.code == "FC-WEIGHTS-002"
        assert time.process_time() - started < 5


def test_any_junk_in_the_description_of_a_program_s_arrays_is_one_line(program, tmp_path):
    damaged = tmp_path / "damaged.pt2"
    with zipfile.ZipFile(program) as archive:
        config = next(n for n in archive.namelist() if n.endswith("weights_config.json"))
        said = json.loads(archive.read(config))
    first = {"config": dict(list(said["config"].items())[:1])}
    for way in places(first, 4):
        for junk in (None, "x", -1, 1e99, [], {}, True, DIGITS, DEEP):
            text = text_of(exchanged(said, way, junk)).encode()
            rezipped(program, damaged, lambda name, old, text=text: text if name == config else old)
            survived(lambda: load(damaged), damaged, (way, junk))


def test_a_flipped_byte_in_a_program_s_weights_is_one_line(program, tmp_path):
    content = bytearray(program.read_bytes())
    with zipfile.ZipFile(program) as archive:
        weights = [m for m in archive.infolist() if "/data/weights/weight_" in m.filename]
        largest = max(weights, key=lambda member: member.file_size)
        member = archive.read(largest)
    place = bytes(content).index(member) + len(member) // 2
    content[place] ^= 16
    damaged = tmp_path / "damaged.pt2"
    damaged.write_bytes(content)
    with pytest.raises(UserError) as error:
        load(damaged)
    assert error.value.code == "FC-WEIGHTS-002"
    assert zlib.crc32(member) == largest.CRC  # what is compared


def members(program: Path, part: str) -> list[str]:
    with zipfile.ZipFile(program) as archive:
        return [name for name in archive.namelist() if part in name]


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return error.value.code


def test_a_program_packed_again_with_other_weights_is_refused(program, tmp_path):
    """Whose zip checksums are right: zipfile has made them anew."""
    arrays = [n for n in members(program, "/data/weights/weight_") if not n.endswith(".json")]
    assert len(arrays) > 10
    for name in arrays:
        for place in (0, -1):

            def change(member, content, name=name, place=place):
                content = bytearray(content)
                content[place] ^= 1 if member == name else 0
                return bytes(content)

            other = rezipped(program, tmp_path / "other.pt2", change)
            assert refused(other) == "FC-WEIGHTS-006", name


def test_a_program_whose_arrays_are_exchanged_is_refused(program, tmp_path):
    (config,) = members(program, "weights_config.json")
    folder = config.rpartition("/")[0]
    with zipfile.ZipFile(program) as archive:
        entries = json.loads(archive.read(config))["config"]
        values = {name: archive.read(f"{folder}/{e['path_name']}") for name, e in entries.items()}
    one, other = next(
        pair
        for pair in itertools.combinations(entries, 2)
        if entries[pair[0]]["tensor_meta"] == entries[pair[1]]["tensor_meta"]
        and values[pair[0]] != values[pair[1]]
    )
    entries[one], entries[other] = entries[other], entries[one]
    text = json.dumps({"config": entries}).encode()
    program = rezipped(
        program, tmp_path / "other.pt2", lambda name, old: text if name == config else old
    )
    assert refused(program) == "FC-WEIGHTS-006"


def test_a_program_packed_again_with_another_description_is_refused(program, tmp_path):
    (described,) = members(program, "extra/fullconv")

    def named(name, content):
        return content.replace(b'"a"', b'"b"', 1) if name == described else content

    assert refused(rezipped(program, tmp_path / "other.pt2", named)) == "FC-WEIGHTS-003"


def test_a_program_packed_again_with_the_same_content_and_one_without_checksums_are_read(
    program, tmp_path
):
    """What other programs pack anew, and the files of older versions."""
    (described,) = members(program, "extra/fullconv")

    def without_values(name, content):
        header = json.loads(content) if name == described else {}
        return json.dumps({**header, "checksums": None}).encode() if header else content

    def older(name, content):
        header = json.loads(content) if name == described else {}
        header.pop("checksums", None)
        return json.dumps(header).encode() if header else content

    net = load(program).net.state_dict()
    for change in (lambda name, content: content, older):
        again = load(rezipped(program, tmp_path / "again.pt2", change)).net.state_dict()
        assert all(net[name].equal(again[name]) for name in net)
    assert refused(rezipped(program, tmp_path / "null.pt2", without_values)) == "FC-WEIGHTS-003"


def test_a_checkpoint_and_its_golden_have_short_reprs(path):
    checkpoint = load(path)
    shown = repr(checkpoint)
    assert "fcn32s-vgg16_convs" in shown
    assert "2 classes" in shown
    assert "\n" not in shown
    assert len(shown) < 200
    assert len(repr(checkpoint.golden)) < 80
    checkpoint.classes = ClassSet(("<script>", "b"))
    assert "<script>" not in checkpoint._repr_html_()
