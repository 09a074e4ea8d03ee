"""A net as a graph: its layers and what flows between them, as Graphviz dot or Mermaid.

Sizes are those of the geometry, so nothing is computed and no weights are needed.
"""

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from fullconv.errors import UserError
from fullconv.geometry import Placement, Window, size_after
from fullconv.models.backbones.definition import Definition
from fullconv.models.fcn import placements_of
from fullconv.models.fpn import BLEND
from fullconv.models.spec import NetSpec
from fullconv.models.steps import Step

Language = Literal["dot", "mermaid"]


@dataclass(frozen=True)
class Node:
    """One layer: its name, which no other has, and the lines that are written into it."""

    name: str
    lines: tuple[str, ...]


@dataclass
class Graph:
    """Nodes in the order in which they run, and edges from one's name to another's."""

    name: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, *lines: str, after: Iterable[str] = ()) -> str:
        """Add a layer that takes the outputs of those ``after`` which it comes; its name."""
        self.nodes.append(Node(name, (name, *lines)))
        self.edges.extend((before, name) for before in after)
        return name


def graph_of(spec: NetSpec, size: tuple[int, int]) -> Graph:
    """The graph of ``spec`` for an image of ``size`` (H, W).

    GeometryError (a UserError) when a layer has no room at that size.
    """
    return _Drawing(spec, size).graph


def written(graph: Graph, language: str) -> str:
    """The graph in a ``Language``; UserError for another."""
    if language not in WRITERS:
        raise UserError(f"graph {language!r} is unknown: use {' or '.join(WRITERS)}", "FC-NET-009")
    return WRITERS[language](graph)


class _Drawing:
    """Draws a net layer by layer."""

    def __init__(self, spec: NetSpec, size: tuple[int, int]) -> None:
        self.spec, self.size = spec, size
        self.definition: Definition = spec.definition
        self.graph = Graph(spec.name)
        self.fuses_on_the_way, self.placements = placements_of(spec)
        image = self.graph.add("image", f"{spec.in_channels} channels, {_shown(size)}")
        features = self._backbones(image)
        if spec.is_pyramid:
            features = self._pyramid(features)
        self._head(self._scores(features))

    def _backbones(self, image: str) -> dict[int, list[str]]:
        """The layers that are scored or fused, by stride: one for each stream."""
        layers: dict[int, list[str]] = {stride: [] for stride in self.spec.tapped}
        taps = {self.definition.taps[stride]: stride for stride in self.spec.tapped}
        several = len(self.spec.streams) > 1
        if not self.definition.steps:
            return self._maps_of_others(image)
        for number, channels in enumerate(self.spec.streams):
            before, seen = image, list[Window]()
            for step in self.definition.steps:
                name = f"{number}.{step.name}" if several else step.name
                windows = step.windows_for(channels)
                seen.extend(windows)
                channels = step.out_channels(channels)
                lines = [*map(_window, windows)] or [type(step).__name__]
                out = f"{channels} channels, {self._size(seen)}"
                before = self.graph.add(name, *_kind(step), *lines, out, after=[before])
                if step.name in taps:
                    layers[taps[step.name]].append(before)
        return layers

    def _maps_of_others(self, image: str) -> dict[int, list[str]]:
        """The maps of a backbone whose layers are not known one by one, as timm's: finest first."""
        layers: dict[int, list[str]] = {stride: [] for stride in self.spec.tapped}
        for number in range(len(self.spec.streams)):
            before = image
            for stride in sorted(self.spec.tapped):
                name = f"{number}.map_{stride}" if len(self.spec.streams) > 1 else f"map_{stride}"
                lines = [self.definition.name, f"stride {stride}, {self._map_size(stride)}"]
                before = self.graph.add(name, *lines, after=[before])
                layers[stride].append(before)
        return layers

    def _pyramid(self, features: dict[int, list[str]]) -> dict[int, list[str]]:
        """The finest map of a pyramid; each coarser one is blended, upsampled and added."""
        before, coarse, channels = "", 0, self.spec.pyramid_channels
        for stride, layers in features.items():
            out = f"{channels[stride]} channels, {self._map_size(stride)}"
            lateral = self.graph.add(f"lateral_{stride}", "convolution 1x1", out, after=layers)
            if before:
                if channels[coarse] != channels[stride]:
                    narrowed = f"{channels[stride]} channels, {self._map_size(coarse)}"
                    before = self.graph.add(
                        f"narrow_{coarse}", "convolution 1x1", narrowed, after=[before]
                    )
                up = self.graph.add(
                    f"up_{coarse}", "bilinear, to the finer map", out, after=[before]
                )
                lateral = self.graph.add(f"add_{stride}", "sum", out, after=[lateral, up])
            before = self.graph.add(f"blend_{stride}", _window(BLEND), out, after=[lateral])
            coarse = stride
        return {self.spec.strides[0]: [before]}

    def _scores(self, features: dict[int, list[str]]) -> dict[int, str]:
        scores = {}
        for stride in self.spec.strides:
            scale = self.spec.scales[stride]
            scaled = [f"of {scale:g} times the features"] if scale != 1 else []
            scores[stride] = self.graph.add(
                f"score_{stride}",
                "convolution 1x1",
                *scaled,
                self._classes(self._map_size(stride)),
                after=features[stride],
            )
        return scores

    def _head(self, scores: dict[int, str]) -> None:
        *coarser, finest = scores
        if self.spec.is_deconv:
            added = [self._upscore(s, scores[s], self._map_size(finest)) for s in coarser]
            last = self._sum(finest, [scores[finest], *added])
        elif not self.fuses_on_the_way:
            to = _shown(self.size)
            self._output([self._upscore(stride, layer, to) for stride, layer in scores.items()])
            return
        else:
            last = next(iter(scores.values()))
            for coarse, fine in itertools.pairwise(scores):
                up = self._upscore(coarse, last, self._map_size(fine))
                last = self._sum(fine, [scores[fine], up])
        self._output([self._upscore(finest, last, _shown(self.size))])

    def _sum(self, stride: int, layers: list[str]) -> str:
        size = self._classes(self._map_size(stride))
        return self.graph.add(f"fuse_{stride}", "sum", size, after=layers)

    def _upscore(self, stride: int, layer: str, to: str) -> str:
        how = self._upsampling(self.placements[stride])
        return self.graph.add(f"upscore_{stride}", *how, self._classes(to), after=[layer])

    def _upsampling(self, placed: Placement) -> tuple[str, ...]:
        if self.spec.resizes_scores:
            return ("resized to the photo",)
        kernel = f"kernel {placed.kernel}, stride {placed.factor}"
        where = f"crop {placed.crop}" if placed.crop >= 0 else f"begins {-placed.crop} inside"
        learned = "learned, mixes the classes" if self.spec.is_deconv else "learned"
        kind = learned if self.spec.learns_upsampling else "bilinear"
        return f"upsampling, {kind}", f"{kernel}, {where}"

    def _output(self, layers: list[str]) -> None:
        kind = ["sum"] if len(layers) > 1 else []
        self.graph.add("logits", *kind, self._classes(_shown(self.size)), after=layers)

    def _classes(self, size: str) -> str:
        return f"{self.spec.classes} classes, {size}"

    def _map_size(self, stride: int) -> str:
        return self._size(self.definition.windows(stride))

    def _size(self, windows: list[Window]) -> str:
        return _shown((size_after(windows, self.size[0]), size_after(windows, self.size[1])))


def _shown(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _kind(step: Step) -> list[str]:
    """The kind of a block of several windows; a single window has its own."""
    return [type(step).__name__] if len(step.windows()) > 1 else []


def _window(w: Window) -> str:
    """A window in words, as `convolution 3x3, stride 1, pad 1`."""
    kind = "pooling" if w.channels is None and w.name != BLEND.name else "convolution"
    more = [f"dilation {w.dilation}"] if w.dilation > 1 else []
    more += [f"{w.groups} groups"] if w.groups > 1 else []
    return ", ".join(
        [f"{kind} {w.kernel}x{w.kernel}", f"stride {w.stride}", f"pad {_pads(w)}", *more]
    )


def _pads(window: Window) -> str:
    """As `1`, or `0 and 2` where they differ before and behind."""
    before, behind = window.pads
    return f"{before}" if before == behind else f"{before} and {behind}"


def dot(graph: Graph) -> str:
    """Graphviz' language: ``dot -Tsvg`` draws it."""
    lines = [f"digraph {_quoted(graph.name)} {{", "  node [shape=box];"]
    for node in graph.nodes:
        label = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in node.lines)
        lines.append(f'  {_quoted(node.name)} [label="{label}"];')
    lines += [f"  {_quoted(before)} -> {_quoted(after)};" for before, after in graph.edges]
    return "\n".join([*lines, "}"])


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def mermaid(graph: Graph) -> str:
    """Mermaid's flowchart, which GitHub draws in a fenced block; ids are numbers."""
    ids = {node.name: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    for node in graph.nodes:
        text = "<br/>".join(re.sub(r'["<>]', "'", line) for line in node.lines)
        lines.append(f'  {ids[node.name]}["{text}"]')
    lines += [f"  {ids[before]} --> {ids[after]}" for before, after in graph.edges]
    return "\n".join(lines)


WRITERS: dict[str, Callable[[Graph], str]] = {"dot": dot, "mermaid": mermaid}
