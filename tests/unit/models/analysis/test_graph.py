"""The net as a graph: read by pydot, checked against the real modules and the real sizes."""

import re

import pydot
import pytest
import torch
from typer.testing import CliRunner

from fullconv.cli import app
from fullconv.errors import UserError
from fullconv.models import NetSpec, available, build
from fullconv.models.analysis.graph import graph_of, written

SIZE = (75, 118)


def parsed(name, size=SIZE, **options):
    """Labels by name, and edges, as pydot reads the dot of a net (slowly)."""
    (graph,) = pydot.graph_from_dot_data(
        written(graph_of(NetSpec(name, 21, **options), size), "dot")
    )
    nodes = {
        node.get_name().strip('"'): node.get_label().strip('"').split("\\n")
        for node in graph.get_nodes()
        if node.get_name() != "node"  # the style of all
    }
    ends = [(e.get_source().strip('"'), e.get_destination().strip('"')) for e in graph.get_edges()]
    return nodes, ends


@pytest.mark.parametrize("padding", ["same", "paper"])
@pytest.mark.parametrize("name", available())
def test_every_edge_joins_known_layers_and_all_lead_from_the_image_to_the_logits(name, padding):
    graph = graph_of(NetSpec(name, 21, padding=padding), SIZE)
    nodes, edges = {node.name: node.lines for node in graph.nodes}, graph.edges
    assert len(nodes) == len(graph.nodes)
    assert {end for edge in edges for end in edge} == set(nodes)
    assert len(set(edges)) == len(edges)
    order = list(nodes)
    assert all(order.index(before) < order.index(after) for before, after in edges)
    sources, targets = {b for b, _ in edges}, {a for _, a in edges}
    assert set(nodes) - targets == {"image"}
    assert set(nodes) - sources == {"logits"}
    assert nodes["logits"][-1] == "21 classes, 75x118"


@pytest.mark.parametrize("name", ["fcn8s-atonce-vgg16", "fcn8s-googlenet", "fpn8s-resnet18"])
def test_dot_is_read_as_the_same_graph(name):
    graph = graph_of(NetSpec(name, 21), SIZE)
    nodes, edges = parsed(name)
    assert nodes == {node.name: list(node.lines) for node in graph.nodes}
    assert edges == graph.edges


@pytest.mark.parametrize(
    ("name", "padding"),
    [
        *(("fcn8s-vgg16", "same"), ("fcn8s-vgg16", "paper"), ("fcn8s-deconv-vgg16_convs", "same")),
        *(("fcn4s-resnet18", "same"), ("fcn8s-caffenet", "paper"), ("fcn8s-googlenet", "same")),
        *(("fpn8s-resnet18", "same"), ("fcn8s-resnet50_dilated", "same")),
    ],
)
def test_channels_and_sizes_are_those_that_the_modules_give(name, padding):
    spec = NetSpec(name, 4, padding=padding, width=1 / 16)
    net, shapes = build(spec).eval(), {}
    layers = dict(net.backbone.named_children())
    layers |= {f"score_{s}": layer for s, layer in net.score.items()}
    layers |= {f"upscore_{s}": layer for s, layer in net.upscore.items()}
    if net.pyramid is not None:
        layers |= {f"blend_{s}": layer for s, layer in net.pyramid.blend.items()}
        layers |= {f"up_{s}": layer for s, layer in net.pyramid.up.items()}
    for layer, module in layers.items():
        module.register_forward_hook(
            lambda _, __, out, layer=layer: shapes.update({layer: out.shape})
        )
    with torch.no_grad():
        net(torch.zeros(1, 3, *SIZE))
    nodes = {node.name: node.lines[-1] for node in graph_of(spec, SIZE).nodes}
    assert shapes.keys() <= nodes.keys()
    for layer, (_, channels, height, width) in shapes.items():
        count, size = re.fullmatch(r"(\d+) \w+, (\w+)", nodes[layer]).groups()
        assert (int(count), size) == (channels, f"{height}x{width}"), layer


def test_skips_join_where_the_padding_says():
    """Paper: on the next finer map. Same: at the photo.

    The original crops the skips by 5 and 9 and the sum by 31; here the coarser map is cropped to
    the skip, and the sum by 31 and nine pixels of stride 8.
    """
    nodes, edges = parsed("fcn8s-vgg16", padding="paper")
    assert nodes["upscore_8"][2] == "kernel 16, stride 8, crop 103"
    assert nodes["conv1_1"][1] == "convolution 3x3, stride 1, pad 100"
    into = {after: {b for b, a in edges if a == after} for _, after in edges}
    assert into["fuse_16"] == {"score_16", "upscore_32"}
    assert into["fuse_8"] == {"score_8", "upscore_16"}
    assert into["score_32"] == {"drop7"}
    _, edges = parsed("fcn8s-vgg16")
    assert {b for b, a in edges if a == "logits"} == {"upscore_32", "upscore_16", "upscore_8"}
    nodes, edges = parsed("fcn8s-deconv-vgg16_convs")
    assert {b for b, a in edges if a == "fuse_8"} == {"score_8", "upscore_32", "upscore_16"}
    assert nodes["upscore_32"][1:3] == [
        "upsampling, learned, mixes the classes", "kernel 8, stride 4, crop 2",
    ]  # fmt: skip


def test_streams_are_drawn_side_by_side():
    nodes, edges = parsed("fcn32s-vgg16", streams=(3, 1))
    assert nodes["image"][1] == "4 channels, 75x118"
    assert {b for b, a in edges if a == "score_32"} == {"0.drop7", "1.drop7"}
    assert ("image", "1.conv1_1") in edges


@pytest.mark.parametrize("name", ["fcn8s-vgg16", "fpn4s-resnet18", "fpn2s-resnet18"])
def test_mermaid_has_the_same_nodes_and_edges(name):
    """By the grammar of what is written: a head, nodes with quoted texts, edges between them."""
    graph = graph_of(NetSpec(name, 21), SIZE)
    head, *lines = written(graph, "mermaid").splitlines()
    assert head == "flowchart TD"
    nodes = [m for line in lines if (m := re.fullmatch(r'  (n\d+)\["([^"]+)"\]', line))]
    edges = [m for line in lines if (m := re.fullmatch(r"  (n\d+) --> (n\d+)", line))]
    assert len(nodes) + len(edges) == len(lines)
    names = {node[1]: node[2].split("<br/>")[0] for node in nodes}
    assert list(names.values()) == [node.name for node in graph.nodes]
    assert [(names[e[1]], names[e[2]]) for e in edges] == graph.edges


def test_the_command_prints_the_graph_and_nothing_else():
    done = CliRunner().invoke(app, ["explain", "fcn8s-vgg16", "--size", "75x118", "--graph", "dot"])
    assert done.exit_code == 0
    assert done.output == written(graph_of(NetSpec("fcn8s-vgg16", 21), SIZE), "dot") + "\n"


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(UserError, match="graph 'svg' is unknown: use dot or mermaid"):
        written(graph_of(NetSpec("fcn8s-vgg16", 21), SIZE), "svg")
    with pytest.raises(UserError, match="kernel 7 does not fit"):
        graph_of(NetSpec("fcn8s-vgg16", 21, padding="none"), (100, 100))


def test_a_depthwise_convolution_has_a_group_for_each_channel_that_it_takes():
    """16 channels go into the first block of stage 2, which has 6 times as many inside."""
    graph = graph_of(NetSpec("fcn32s-efficientnet_lite0", 21), SIZE)
    lines = {node.name: node.lines for node in graph.nodes}["stage2_0"]
    assert "convolution 3x3, stride 2, pad 0 and 2, 96 groups" in lines
