"""Caffe's files: every array is read as it was written, and every published net recognised."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import caffe_writer
import refusals
from caffe_schema import MESSAGE
from caffe_writer import Layer, caffemodel, classifier, fcn
from fullconv.checkpoints import convert, load, save, start_from
from fullconv.checkpoints.foreign.caffe import looks_like, read
from fullconv.checkpoints.foreign.skipped_arrays import upsampling_reason
from fullconv.classes import VOC, ClassSet
from fullconv.classes.lists import class_list
from fullconv.errors import UserError
from fullconv.inference import TorchEngine
from fullconv.models import CAFFE, NetSpec, build


def spec(name, classes=21, width=None):
    """A net so thin that it is quick; GoogLeNet's widest layer may not reach the least width."""
    width = width or (1 / 32 if "googlenet" in name else 1 / 64)
    return NetSpec(name, classes, padding="paper", width=width)


@pytest.fixture
def saved(tmp_path):
    """``saved(content)`` is the path of a caffemodel with these bytes."""

    def write(content):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(content)
        return path

    return write


def refused(path, *says, **options):
    return refusals.refused(lambda: convert(path, **options), path, *says)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("backbone", ["vgg16", "caffenet", "alexnet", "googlenet"])
def test_both_generations_give_the_arrays_that_were_written(saved, backbone, old):
    layers = classifier(spec(f"fcn32s-{backbone}"))
    file = read(saved(caffemodel(layers, old)))
    written = {
        f"{layer.name}.{kind}": array
        for layer in layers
        for kind, array in zip(("weight", "bias"), layer.blobs, strict=False)
    }
    assert file.layers == tuple(layer.name for layer in layers)
    assert list(file.arrays) == list(written)
    for name, array in written.items():
        shape = (1, 1, 1, 1, *array.shape)[-4:] if old else array.shape
        assert file.arrays[name].shape == shape
        assert np.array_equal(file.arrays[name].reshape(array.shape), array)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("backbone", ["vgg16", "caffenet", "alexnet", "googlenet"])
def test_a_classifier_gives_its_backbone(saved, backbone, old):
    layers = classifier(spec(f"fcn32s-{backbone}"))
    conversion = convert(saved(caffemodel(layers, old)))
    net = conversion.checkpoint.net
    assert conversion.is_classifier
    assert net.spec == NetSpec(f"fcn32s-{backbone}", 21, width=net.spec.width)
    by_name = {layer.name: layer for layer in layers}
    assert len(conversion.loaded) == sum(p.startswith("backbone.") for p in net.state_dict())
    for row in conversion.loaded:
        layer, _, kind = row.theirs.rpartition(".")
        array = by_name[layer].blobs[kind == "bias"]
        assert torch.equal(net.state_dict()[row.ours].flatten(), torch.tensor(array).flatten())
    assert [row.ours for row in conversion.missing] == ["score.32.weight", "score.32.bias"]
    assert {row.note for row in conversion.missing} == {"starts at zero"}
    assert net.score["32"].weight.abs().max() == 0
    left = {row.theirs: row.note for row in conversion.not_needed}
    if backbone == "googlenet":
        assert "auxiliary" in left["loss1/fc.weight"]
        assert "ImageNet" in left["loss3/classifier.bias"]
        assert len(left) == 10
    else:
        assert "ImageNet" in left["fc8.weight"]
        assert len(left) == 2


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("backbone", ["vgg16", "caffenet"])
def test_convolutions_compute_what_the_fully_connected_layers_did(saved, backbone, old):
    layers = classifier(spec(f"fcn32s-{backbone}"))
    # In double precision: two orders of 25,088 products differ by more than fp32 tells apart.
    blobs = {
        layer.name: [torch.tensor(b, dtype=torch.float64) for b in layer.blobs] for layer in layers
    }
    net = convert(saved(caffemodel(layers, old))).checkpoint.net.backbone.double()
    size = 7 if backbone == "vgg16" else 6
    channels = net.get_submodule("conv5_3" if size == 7 else "conv5").out_channels
    x = torch.randn(3, channels, size, size).double()
    linear = x.flatten(1)
    for name in ("fc6", "fc7"):
        linear = F.relu(F.linear(linear, *blobs[name]))
        conv = net.get_submodule(name)
        x = F.relu(F.conv2d(x, conv.weight, conv.bias))  # unpadded, as the classifier
    torch.testing.assert_close(x[..., 0, 0], linear)


def test_groups_are_those_of_caffe(saved):
    """The first half of conv2's filters sees the first half of the channels, and so on."""
    layers = {layer.name: layer for layer in classifier(spec("fcn32s-caffenet", width=1 / 8))}
    conv = convert(saved(caffemodel(layers.values()))).checkpoint.net.backbone.get_submodule(
        "conv2"
    )
    weight, bias = (torch.tensor(blob) for blob in layers["conv2"].blobs)
    x = torch.randn(1, 12, 9, 11)
    halves = zip(x.chunk(2, 1), weight.chunk(2), bias.chunk(2), strict=True)
    expected = torch.cat([F.conv2d(part, w, b, padding=2) for part, w, b in halves], 1)
    torch.testing.assert_close(conv(x), F.relu(expected))


@pytest.mark.parametrize(
    ("name", "classes", "known", "mean"),
    [
        ("fcn32s-vgg16", 21, VOC, CAFFE.mean),
        ("fcn16s-vgg16", 21, VOC, CAFFE.mean),
        ("fcn8s-vgg16", 21, VOC, CAFFE.mean),
        ("fcn8s-atonce-vgg16", 21, VOC, CAFFE.mean),
        ("fcn32s-caffenet", 21, VOC, CAFFE.mean),
        ("fcn32s-googlenet", 21, VOC, CAFFE.mean),
        ("fcn8s-vgg16", 60, class_list("pascal-context-59"), (104.007, 116.669, 122.679)),
        ("fcn16s-vgg16", 40, class_list("nyud-40"), (116.190, 97.203, 92.318)),
        ("fcn16s-vgg16", 5, ClassSet(tuple(f"class {i}" for i in range(5))), CAFFE.mean),
    ],
)
def test_the_fcns_of_the_reference_are_recognised(saved, name, classes, known, mean):
    written = spec(name, classes)
    conversion = convert(saved(caffemodel(fcn(written))))
    assert conversion.checkpoint.net.spec == written
    assert conversion.checkpoint.classes.names == known.names
    assert conversion.checkpoint.preprocessing.order == "BGR"
    assert conversion.checkpoint.preprocessing.mean == mean
    assert not conversion.missing
    assert not conversion.is_classifier
    assert conversion.checkpoint.origin["format"] == "Caffe"
    assert conversion.checkpoint.origin["source"] == "net.caffemodel"
    reasons = {row.theirs.split(".")[0]: row.note for row in conversion.not_needed}
    assert all("bilinear upsampling" in reasons[layer] for layer in reasons if "up" in layer)
    assert ("scale_pool3" in reasons) == ("atonce" in name)


def test_hha_is_told_from_colour_by_the_data_layer(saved):
    data = ("NYUDSegDataLayer", "{'tops': ['hha', 'label'], 'split': 'trainval'}")
    conversion = convert(saved(caffemodel(fcn(spec("fcn16s-vgg16", 40)), data=data)))
    assert "HHA" in conversion.title
    # The reference reads HHA in the order of the file, unlike colours.
    assert conversion.checkpoint.preprocessing.order == "RGB"
    assert conversion.checkpoint.preprocessing.mean == (132.431, 94.076, 118.477)


SIFT = {"semantic": class_list("sift-flow"), "geometric": class_list("sift-flow-geometric")}
ENDINGS = {"semantic": "_sem", "geometric": "_geo"}


@pytest.fixture(params=["fcn32s", "fcn16s", "fcn8s"])
def sift_flow(request, saved):
    """(path, spec's head, arrays by name) of a net with SIFT Flow's two outputs."""
    layers = fcn(spec(f"{request.param}-vgg16"), outputs={"_sem": 33, "_geo": 3})
    arrays = {layer.name: layer.blobs for layer in layers}
    return saved(caffemodel(layers)), request.param, arrays


@pytest.mark.parametrize("output", SIFT)
def test_one_of_two_outputs_is_chosen(sift_flow, output):
    path, head, arrays = sift_flow
    conversion = convert(path, output=output)
    assert conversion.checkpoint.classes.parts == ((output, SIFT[output]),)
    assert conversion.checkpoint.classes.names == SIFT[output].names
    assert conversion.checkpoint.net.spec == spec(f"{head}-vgg16", len(SIFT[output]))
    assert conversion.checkpoint.preprocessing.mean == (114.578, 115.294, 108.353)
    weight = conversion.checkpoint.net.state_dict()["score.32.weight"]
    assert torch.equal(weight, torch.tensor(arrays[f"score_fr{ENDINGS[output]}"][0]))
    (other,) = set(SIFT) - {output}
    left = {row.theirs: row.note for row in conversion.not_needed}
    assert "another one than was chosen" in left[f"score_fr{ENDINGS[other]}.weight"]


def test_both_outputs_are_taken_as_one_net(sift_flow):
    """Its scores are those of the two nets that take one output each."""
    path, head, _ = sift_flow
    both = convert(path)
    classes = both.checkpoint.classes
    assert [(o.name, o.classes) for o in classes.outputs] == list(SIFT.items())
    assert both.checkpoint.net.spec == spec(f"{head}-vgg16", 36)
    assert not [row for row in both.not_needed if row.theirs.startswith("score")]
    photo = np.random.default_rng(0).integers(0, 256, (45, 67, 3), np.uint8)
    scores = TorchEngine(both.checkpoint).scores(photo)
    for output in classes.outputs:
        alone = TorchEngine(convert(path, output=output.name).checkpoint).scores(photo)
        assert np.allclose(scores[output.channels], alone, rtol=1e-4, atol=1e-3)


def test_an_output_that_is_not_there_is_refused(sift_flow, saved):
    refused(sift_flow[0], "semantic and geometric", output="depth")
    path = saved(caffemodel(fcn(spec("fcn32s-vgg16"))))
    refused(path, "one output", output="semantic")


def test_alexnet_and_caffenet_are_told_by_the_order_of_their_layers(saved):
    layers = fcn(spec("fcn32s-caffenet"))
    bare = [layer for layer in layers if layer.blobs]
    assert convert(saved(caffemodel(layers))).checkpoint.net.spec.backbone == "caffenet"
    refused(saved(caffemodel(layers)), "pool1 before norm1", net="fcn32s-alexnet")
    refused(saved(caffemodel(bare)), "--net fcn32s-caffenet or fcn32s-alexnet")
    photo = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
    scores = [
        TorchEngine(convert(saved(caffemodel(bare)), net=f"fcn32s-{name}").checkpoint).scores(photo)
        for name in ("caffenet", "alexnet")
    ]
    assert np.abs(scores[0] - scores[1]).max() > 0.01 * np.abs(scores[0]).max()


def test_another_head_can_be_asked_for(saved):
    path = saved(caffemodel(fcn(spec("fcn16s-vgg16"))))
    conversion = convert(path, net="fcn8s-vgg16", padding="same")
    assert [row.ours for row in conversion.missing] == ["score.8.weight", "score.8.bias"]
    assert conversion.checkpoint.net.spec.padding == "same"
    conversion = convert(path, net="fcn32s-vgg16")
    left = {row.theirs: row.note for row in conversion.not_needed}
    assert left["score_pool4.weight"] == "fcn32s-vgg16 does not score stride 16"
    refused(path, "scaled by 1, that of fcn8s-atonce-vgg16 by 0.01", net="fcn8s-atonce-vgg16")
    refused(path, "AlexNet", net="fcn32s-alexnet")


def test_scales_of_an_at_once_net_must_be_those_here(saved):
    layers = fcn(spec("fcn8s-atonce-vgg16"))
    refused(saved(caffemodel(layers)), "scaled by 0.01", net="fcn8s-vgg16")
    (scale,) = [layer for layer in layers if layer.name == "scale_pool4"]
    scale.blobs[0][:] = 0.1
    refused(saved(caffemodel(layers)), "stride 16", "0.1")
    scale.blobs[0][3] = 0.01
    refused(saved(caffemodel(layers)), "stride 16", "nan")


def test_an_upsampling_that_was_trained_is_named(saved):
    layers = fcn(spec("fcn32s-vgg16"))
    (upscore,) = [layer for layer in layers if layer.name == "upscore"]
    upscore.blobs[0][0, 0, 30, 30] += 0.1
    (row,) = convert(saved(caffemodel(layers))).not_needed
    assert "64x64 deconvolution that is not bilinear" in row.note


def test_colour_and_depth_share_the_first_layer(saved):
    """nyud-fcn32s-color-d: four channels into conv1_1_bgrd."""
    layers = fcn(spec("fcn32s-vgg16", 40))
    layers[0].name = "conv1_1_bgrd"
    kernels = layers[0].blobs[0]
    layers[0].blobs[0] = np.concatenate([kernels, kernels.mean(1, keepdims=True)], 1)
    conversion = convert(saved(caffemodel(layers)))
    assert conversion.checkpoint.net.spec == NetSpec(
        "fcn32s-vgg16", 40, padding="paper", width=1 / 64, streams=(4,)
    )
    first = conversion.checkpoint.net.state_dict()["backbone.conv1_1.weight"]
    assert torch.equal(first, torch.tensor(layers[0].blobs[0]))
    preprocessing = conversion.checkpoint.preprocessing
    assert preprocessing.inputs == ("color", "depth")
    assert preprocessing.mean == (116.190, 97.203, 92.318, 7.844)
    assert preprocessing.order == "BGR"


def test_two_streams_become_one_net_with_the_mean_of_their_scores(saved):
    """nyud-fcn32s-color-hha: scores are fused with the coefficients 0.5 and 0.5."""
    one, other = (fcn(spec("fcn32s-vgg16", 40), seed) for seed in (0, 1))
    alone = [convert(saved(caffemodel(layers))).checkpoint.net for layers in (one, other)]
    for layers, ending in ((one, "color"), (other, "hha")):
        for layer in layers:
            layer.name += ending
    conversion = convert(saved(caffemodel([*one, *other])))
    assert conversion.checkpoint.net.spec.streams == (3, 3)
    assert not conversion.missing
    assert all("bilinear" in row.note for row in conversion.not_needed)
    preprocessing = conversion.checkpoint.preprocessing
    assert preprocessing.inputs == ("color", "hha")
    assert preprocessing.mean == (116.190, 97.203, 92.318, 132.431, 94.076, 118.477)
    images = 100 * torch.randn(1, 6, 41, 70, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = (alone[0](images[:, :3]) + alone[1](images[:, 3:])) / 2
        assert torch.allclose(conversion.checkpoint.net(images), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("old", [False, True])
def test_shared_and_double_blobs(saved, old):
    net = MESSAGE.Net(name="shared")
    add = net.layers.add if old else net.layer.add
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    one, other, exact = add(name="one"), add(name="other"), add(name="exact")
    for layer in (one, other):
        layer.param.append("w") if old else layer.param.add(name="w")
    caffe_writer.put(one.blobs.add(), array, old)
    other.blobs.add()  # without numbers of its own
    blob = exact.blobs.add(double_data=[0.1, 1e300])
    blob.shape.dim.append(2)
    arrays = read(saved(net.SerializeToString())).arrays
    assert np.array_equal(arrays["one.weight"], arrays["other.weight"])
    assert arrays["exact.weight"].tolist() == [np.float32(0.1), np.inf]
    del net.layers[:], net.layer[:]
    net.layer.add(name="alone").blobs.add()
    refused(saved(net.SerializeToString()), "alone.weight")


def test_a_caffemodel_is_known_by_its_first_bytes(tmp_path):
    path = tmp_path / "weights.bin"
    for old in (False, True):
        content = caffemodel(classifier(spec("fcn32s-vgg16")), old)
        assert looks_like(path, content[:512])
        assert looks_like(path, content[5:517])  # without the net's name
    for head in (
        b"",
        b"PK\3\4",
        b"\x80\x02}",
        b"\x89HDF\r\n\x1a\n",
        b'8\0\0\0\0\0\0\0{"a":',
        b"\n\n\n",
    ):
        assert not looks_like(path, head)


def test_what_does_not_fit_is_named(saved):
    layers = classifier(spec("fcn32s-vgg16", width=1 / 16))[:6]
    refused(saved(caffemodel(layers)), "looks like VGG16", "24 of 30 arrays do", "2.weight is miss")
    other = [Layer("ip1", "InnerProduct", ["data"], "ip1", "", [np.ones((3, 4), np.float32)])]
    refused(saved(caffemodel(other)), "holds none of", "GoogLeNet", "ip1.weight")
    layers = classifier(spec("fcn32s-vgg16"))
    layers[0].blobs[0] = layers[0].blobs[0][:, :, :1]
    refused(saved(caffemodel(layers)), "conv1_1.weight is (8, 3, 1, 3) there")


def test_weights_of_a_training_that_diverged_are_refused(saved):
    layers = fcn(spec("fcn32s-vgg16"))
    layers[2].blobs[0][0, 0, 0, 0] = np.nan
    refused(saved(caffemodel(layers)), "conv1_2.weight holds nan")


def test_a_class_file_must_name_as_many_classes(saved):
    path = saved(caffemodel(fcn(spec("fcn32s-vgg16", 3))))
    names = ClassSet(("sky", "road", "car"))
    assert convert(path, classes=names).checkpoint.classes == names
    refused(path, "scores 3 classes", "names 2", classes=ClassSet(("sky", "road")))


@pytest.mark.parametrize("converted", [False, True])
def test_a_net_starts_from_a_classifier_with_scores_at_zero(saved, tmp_path, converted):
    layers = classifier(spec("fcn32s-vgg16"))
    path = saved(caffemodel(layers, old=True))
    if converted:
        save(tmp_path / "vgg16.safetensors", convert(path).checkpoint)
        path = tmp_path / "vgg16.safetensors"
    net = build(NetSpec("fcn8s-vgg16", 21, width=1 / 64))
    report = start_from(net, path, VOC)
    assert len(report.loaded) == 30
    assert set(report.fresh) == {f"score.{s}.{k}" for s in (32, 16, 8) for k in ("weight", "bias")}
    assert set(report.fresh.values()) == {"starts at zero: the source is a classifier"}
    assert ("fc8.weight" in report.unused) is not converted
    assert report.preprocessing == CAFFE
    with pytest.raises(UserError, match="no scores of pixels"):
        load(path)


def test_a_net_starts_from_an_fcn_with_its_scores_and_its_report(saved):
    path = saved(caffemodel(fcn(spec("fcn16s-vgg16"))))
    net = build(NetSpec("fcn8s-vgg16", 21, width=1 / 64))
    report = start_from(net, path, VOC)
    assert report.fresh == dict.fromkeys(
        ("score.8.weight", "score.8.bias"), "starts at zero: not in the source"
    )
    assert len(report.loaded) == 34
    assert set(report.unused) == {"upscore2.weight", "upscore16.weight"}
    with pytest.raises(UserError, match="holds a vgg16, the net is a caffenet"):
        start_from(build(NetSpec("fcn32s-caffenet", 21, width=1 / 64)), path, VOC)


@pytest.mark.parametrize("classes", [2, 21, 150])
@pytest.mark.parametrize("order", ["C", "F"])
def test_bilinear_upsampling_of_many_classes_is_one(classes, order):
    """Sums over millions of zeros and tents round; each weight alone does not."""
    axis = 1 - np.abs(np.arange(63) - 31) / 32
    kernel = np.zeros((classes, classes, 63, 63), np.float32, order)
    kernel[range(classes), range(classes)] = np.outer(axis, axis)
    assert upsampling_reason(kernel).startswith("bilinear upsampling")
    kernel[0, 1, 5, 5] = 2e-4
    assert "not bilinear" in upsampling_reason(kernel)
