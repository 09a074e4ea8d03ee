"""Exports carry a checksum, and their target is tried before the work."""

import itertools
import os
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from small_nets import checkpoint

from fullconv.checkpoints import save
from fullconv.errors import UserError
from fullconv.exporting import export
from fullconv.files.write_targets import check_target
from fullconv.inference import ChangedExportWarning, Predictor
from refusals import survived

FILES = {
    "onnx": ("onnx", "fcn8s-vgg16"),
    "openvino": ("openvino", "fcn16s-caffenet", "paper", None, False),
}


def flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 16
    path.write_bytes(content)


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_a_flipped_byte_in_an_export_is_one_line(exported, tmp_path, photo, to):
    _, made = exported(*FILES[to])
    copies = [tmp_path / path.name for path in made.paths]

    def restore():
        for path, copy in zip(made.paths, copies, strict=True):
            copy.write_bytes(path.read_bytes())

    restore()
    Predictor(copies[0])(photo(48, 64))  # as it was written it is fine
    for file, part in itertools.product(copies, (0.3, 0.6, 0.9)):
        restore()
        flipped(file, int(part * file.stat().st_size))
        with pytest.raises(UserError) as error:
            Predictor(copies[0])
        assert error.value.code == "FC-EXPORT-009"
        assert str(copies[0]) in str(error.value)


def test_other_tools_read_a_file_with_its_checksum(exported):
    onnx = pytest.importorskip("onnx")
    _, made = exported("onnx", "fcn8s-vgg16")
    model = onnx.load(made.paths[0])
    onnx.checker.check_model(model)
    assert {entry.key for entry in model.metadata_props} == {"fullconv", "fullconv_crc32"}


def saved_again(path, copy, change=lambda model: None):
    """The file as another program saves it."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    change(model)
    onnx.save(model, copy)
    return copy


def renamed(model):
    """What a simplifier does: another producer, other names of nodes."""
    model.producer_name, model.producer_version = "simplifier", "1.0"
    for node in model.graph.node:
        node.name = f"{node.name}_s"


@pytest.mark.parametrize(
    ("change", "says"),
    [(renamed, r"simplifier 1.0 has saved it: its \d+ nodes were changed; no weights changed"),
     (lambda m: setattr(m, "doc_string", "mine"), "only the way it is written")],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_that_another_program_has_saved_is_used_with_a_warning(
    exported, tmp_path, photo, change, says, engine
):
    _, made = exported("onnx", "fcn8s-vgg16")
    copy = saved_again(made.paths[0], tmp_path / "copy.onnx", change)
    with pytest.warns(ChangedExportWarning, match=says) as said:
        predictor = Predictor(copy, "cpu", engine=engine)
    assert len(said) == 1
    assert "\n" not in str(said[0].message)
    image = photo(48, 64)
    assert (predictor(image).mask == Predictor(made.paths[0], "cpu")(image).mask).all()


def test_a_quantised_copy_is_used_with_a_warning_that_names_the_nodes(exported, tmp_path, photo):
    quantization = pytest.importorskip("onnxruntime.quantization")
    _, made = exported("onnx", "fcn8s-vgg16")
    copy = tmp_path / "dynamic.onnx"
    quantization.quantize_dynamic(made.paths[0], copy, extra_options={"DefaultTensorType": 1})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            assert Predictor(copy, "cpu")(photo(48, 64)).mask.shape == (48, 64)
            assert any("nodes became" in str(each.message) for each in said)
        except UserError as error:  # 8 bits lose too much of this random net
            assert error.code == "FC-EXPORT-009"
            assert "nodes became" in str(error)


def other_weights(model):
    from onnx import numpy_helper

    weight = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    values = numpy_helper.to_array(weight).copy()
    values.flat[7] += 1e-6
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def negative(model):
    """All weights in a graph that was changed too, so that they might be a tool's."""
    from onnx import numpy_helper

    renamed(model)
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.ndim == 4:
            weight.CopyFrom(numpy_helper.from_array(-values, weight.name))


def other_names(model):
    entry = next(each for each in model.metadata_props if each.key == "fullconv")
    assert '"road"' in entry.value or '"names"' in entry.value
    entry.value = entry.value.replace('"names": ["', '"names": ["x', 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [(other_weights, "the weights .* differ"), (negative, "get another class"),
     (other_names, "its description was changed")],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_what_computes_something_else_is_refused(exported, tmp_path, change, says, engine):
    _, made = exported("onnx", "fcn8s-vgg16")
    copy = saved_again(made.paths[0], tmp_path / "copy.onnx", change)
    with pytest.raises(UserError, match=says) as error:
        Predictor(copy, "cpu", engine=engine)
    assert error.value.code == "FC-EXPORT-009"


def without_type(tensor):
    tensor.data_type = 0


def of_other_size(tensor):
    tensor.dims[0] += 1


def of_no_such_type(tensor):
    tensor.data_type = 99


@pytest.mark.parametrize("damage", [without_type, of_other_size, of_no_such_type])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_weight_that_cannot_be_read_is_one_line(exported, tmp_path, damage, engine):
    _, made = exported("onnx", "fcn8s-vgg16")
    copy = tmp_path / "copy.onnx"
    saved_again(made.paths[0], copy, lambda model: damage(model.graph.initializer[0]))
    error = survived(lambda: Predictor(copy, "cpu", engine=engine), copy)
    assert error is None


def test_names_that_are_no_text_are_no_traceback(exported, tmp_path):
    """The graph may still be whole: of a name that changed everywhere it is used."""
    onnx = pytest.importorskip("onnx")
    _, made = exported("onnx", "fcn8s-vgg16")
    content = made.paths[0].read_bytes()
    name = onnx.load(made.paths[0]).graph.initializer[0].name.encode()
    path = tmp_path / "net.onnx"
    path.write_bytes(content.replace(name, b"\xff" + name[1:]))
    survived(lambda: Predictor(path), path)


def test_a_truncated_export_is_damaged(exported, tmp_path):
    _, made = exported("onnx", "fcn8s-vgg16")
    content = made.paths[0].read_bytes()
    for length in (0, 100, len(content) // 2, len(content) - 5):
        copy = tmp_path / "short.onnx"
        copy.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"short\.onnx"):
            Predictor(copy, "cpu")


@pytest.fixture
def run(tmp_path):
    save(tmp_path / "run" / "model.safetensors", checkpoint("fcn32s-resnet18"))
    return tmp_path / "run"


def test_a_target_that_cannot_be_written_is_said_before_any_work(run, tmp_path, monkeypatch):
    def never(*args):
        pytest.fail("the net was loaded")

    monkeypatch.setattr(import_module("fullconv.exporting.export"), "load", never)
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.pt2").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for target, code in {
        tmp_path / "folder.pt2": "FC-FILE-004",
        tmp_path / "file" / "net.pt2": "FC-FILE-004",
        tmp_path / f"{'n' * 300}.pt2": "FC-FILE-005",
        tmp_path / "loop" / "net.pt2": "FC-FILE-005",
        Path("/proc/net.pt2"): "FC-FILE-002",
        Path("/proc/new/net.pt2"): "FC-FILE-002",
    }.items():
        with pytest.raises(UserError) as error:
            export(run, "torch", target)
        assert error.value.code == code, target
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 500


def test_trying_a_target_leaves_nothing_behind(tmp_path):
    check_target(tmp_path / "new" / "folders" / "net.onnx")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "net.onnx").write_text("old")
    check_target(tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_said(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(UserError) as error:
        check_target(tmp_path / "net.onnx")
    assert error.value.code == "FC-FILE-002"


def test_evaluating_a_run_on_a_few_photos_exports_nothing(run, tmp_path, monkeypatch):
    import numpy as np
    from PIL import Image

    from fullconv import evaluate

    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    for kind, value in (("images", np.zeros((40, 40, 3))), ("masks", np.zeros((40, 40)))):
        (data / kind / "val").mkdir(parents=True)
        ending = "jpg" if kind == "images" else "png"
        Image.fromarray(value.astype(np.uint8)).save(data / kind / "val" / f"a.{ending}")
    names = "".join(f'[[class]]\nname = "{n}"\n' for n in ("sky", "road", "car"))
    (data / "classes.toml").write_text(names)
    evaluate(run, data, "val")
    assert not list((tmp_path / "cache").glob("graphs/*"))
    assert [path.name for path in run.iterdir()] == ["model.safetensors"]
