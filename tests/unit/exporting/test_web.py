"""The page of a net: what is in it, and what is refused. tests/e2e/test_web_page.py runs it."""

import base64
import gzip
import html.parser
import io
import json
import tarfile

import pytest
from small_nets import CLASSES, checkpoint

from fullconv.checkpoints import save
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.exporting import export
from fullconv.exporting.onnx_graph import OnnxGraph
from fullconv.exporting.web import page as web_page
from fullconv.exporting.web.page import WebPage, worker_script
from fullconv.exporting.web.runtime import BINARY, SCRIPT, Runtime, read_runtime
from fullconv.inference.export_metadata import Description

RUNTIME = Runtime(b"var a=1,b$=2;export{a as env,b$ as Tensor};\n//import.meta.url", b"\0asm")


class Scripts(html.parser.HTMLParser):
    """The page as a browser's parser takes it apart: the text of each script by its id."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.tags, self.policy, self._id = {}, [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self._id = attrs.get("id", "page") if tag == "script" else None
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]

    def handle_endtag(self, tag):
        self._id = None

    def handle_data(self, data):
        if self._id:
            self.scripts[self._id] = self.scripts.get(self._id, "") + data


def unpacked(text):
    return gzip.decompress(base64.b64decode(text, validate=True))


@pytest.fixture(scope="module")
def graph(exported):
    _, made = exported("onnx", "fcn8s-vgg16")
    return made.paths[0].read_bytes(), made.description


def scripts(graph, title="a page", description=None):
    return Scripts(WebPage(OnnxGraph(graph[0]), description or graph[1], RUNTIME).html(title))


def test_the_page_holds_the_graph_the_runtime_and_the_classes(graph):
    found = scripts(graph).scripts
    assert unpacked(found["graph"]) == graph[0]
    assert unpacked(found["binary"]) == RUNTIME.binary
    (output,) = json.loads(found["facts"])["outputs"]
    assert tuple(each["name"] for each in output["classes"]) == CLASSES.names
    assert [tuple(each["color"]) for each in output["classes"]] == list(CLASSES.colors)
    assert output["palette"] == CLASSES.palette().flatten().tolist()


def test_a_page_is_the_same_each_time(graph):
    pages = [WebPage(OnnxGraph(graph[0]), graph[1], RUNTIME).html("a") for _ in range(2)]
    assert pages[0] == pages[1]


def test_the_page_may_connect_to_nothing(graph):
    rules = dict(part.split(" ", 1) for part in scripts(graph).policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert not set(rules) & {"connect-src"}, "else default-src does not count"
    sources = {source for rule in rules.values() for source in rule.split()}
    assert sources <= {"'none'", "'unsafe-inline'", "'wasm-unsafe-eval'", "blob:", "data:"}


@pytest.mark.parametrize("text", ["</script><img src=x>", "<!--<script>", "{{ 1 + 1 }}", "'\"&"])
def test_names_and_titles_are_text(graph, text):
    plain = scripts(graph)
    names = ClassSet((text, "road", "car"))
    description = Description.of(checkpoint("fcn8s-vgg16", classes=names))
    found = scripts(graph, text, description)
    assert found.tags == plain.tags
    assert json.loads(found.scripts["facts"])["outputs"][0]["classes"][0]["name"] == text


def test_what_the_runtime_exports_is_an_object_of_the_worker():
    script = worker_script(RUNTIME).decode()
    assert script.startswith('"use strict";(()=>{var a=1,b$=2;self.ort={env:a,Tensor:b$};')
    assert "export{" not in script
    assert "import.meta" not in script


def test_a_net_too_large_for_a_page_is_refused(graph, monkeypatch):
    monkeypatch.setattr(web_page, "MOST_BYTES", len(graph[0]) - 1)
    with pytest.raises(UserError, match=r"--half") as error:
        scripts(graph)
    assert error.value.code == "FC-EXPORT-007"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"size": (64, 64)}, "FC-EXPORT-001"),
        ({"preprocess": False}, "FC-EXPORT-001"),
        ({"out": "demo.onnx"}, "FC-EXPORT-002"),
        ({}, "FC-DOWNLOAD-001"),
    ],
)
def test_what_no_page_can_be_made_of_is_refused(tmp_path, monkeypatch, options, code):
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FULLCONV_OFFLINE", "1")
    save(tmp_path / "model.safetensors", checkpoint("fcn32s-resnet18"))
    with pytest.raises(UserError) as error:
        export(tmp_path, "web", **options)
    assert error.value.code == code
    assert not (tmp_path / "model.html").exists()


def test_a_net_that_sees_depth_is_refused(tmp_path):
    seen = checkpoint("fcn32s-resnet18").preprocessing.of_inputs(("color", "depth"))
    net = checkpoint("fcn32s-resnet18", "same", CLASSES, seen, streams=(3, 1))
    save(tmp_path / "model.safetensors", net)
    with pytest.raises(UserError, match=r"color\+depth") as error:
        export(tmp_path, "web")
    assert error.value.code == "FC-EXPORT-007"


def archive(path, members):
    with tarfile.open(path, "w:gz") as made:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return path


def test_the_runtime_is_read_from_its_npm_package(tmp_path):
    path = archive(tmp_path / "a.tgz", {SCRIPT: b"script", BINARY: b"binary", "package/x": b""})
    assert read_runtime(path) == Runtime(b"script", b"binary")


def test_another_archive_is_named(tmp_path):
    (tmp_path / "text.tgz").write_bytes(b"no archive")
    for path in (archive(tmp_path / "a.tgz", {SCRIPT: b""}), tmp_path / "text.tgz"):
        with pytest.raises(UserError) as error:
            read_runtime(path)
        assert error.value.code == "FC-DOWNLOAD-006"
        assert str(path) in str(error.value)
