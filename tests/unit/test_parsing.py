"""JSON, TOML, XML and CSV: what is read, and that nothing but one error comes out of the rest."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullconv import parsing
from fullconv.errors import DataError
from fullconv.parsing import read_csv, read_json, read_text, read_toml, read_xml

READERS = {"json": read_json, "toml": read_toml, "xml": read_xml, "csv": read_csv}
DOCTYPE = '<!DOCTYPE a [<!ENTITY b "cc">]><a>&b;</a>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_text_is_read_in_every_encoding_of_unicode(encoding, tmp_path):
    content = {"label": "道路", "points": [1, 2.5]}
    file = tmp_path / "a.json"
    file.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert read_json(file) == content


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_xml_is_read_in_the_encoding_that_it_states(encoding, tmp_path):
    file = tmp_path / "a.xml"
    text = f'<?xml version="1.0" encoding="{encoding}"?><a><b c="é">ü</b></a>'
    file.write_bytes(text.encode(encoding))
    inner = read_xml(file).find("b")
    assert inner is not None
    assert (inner.get("c"), inner.text) == ("é", "ü")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_of_any_separator_and_line_end(separator, end, tmp_path):
    rows = [["name", "r"], ["a, b; c", "1"]]
    text = end.join(separator.join(f'"{cell}"' for cell in row) for row in rows)
    (tmp_path / "a.csv").write_bytes(text.encode("utf-16"))
    assert read_csv(tmp_path / "a.csv") == rows


def test_a_number_beyond_all_floats_is_infinite_and_not_an_error():
    assert parsing.parse_json("[1" + "0" * 5000 + "]", "a") == [math.inf]
    assert parsing.parse_json("[123456789012345678901]", "a") == [123456789012345678901]


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [
        ("json", b"[" * 200_000, "FC-FILE-012"),
        ("json", b'{"a": 1', "FC-FILE-012"),
        ("json", b"", "FC-FILE-012"),
        ("json", "裂缝".encode("gbk"), "FC-FILE-011"),
        ("toml", b"a = " + b"1" * 5000, "FC-FILE-012"),
        ("toml", b"a = " + b"[" * 100_000, "FC-FILE-012"),
        ("toml", b"a = 1\rb = 2", "FC-FILE-012"),
        ("toml", b"a = \xff", "FC-FILE-011"),
        ("xml", b"<a>" * 200_000 + b"</a>" * 200_000, "FC-FILE-012"),
        ("xml", b'<?xml version="1.0" encoding="klingon"?><a/>', "FC-FILE-012"),
        ("xml", b'<?xml version="1.0" encoding="gbk"?><a>\xff</a>', "FC-FILE-012"),
        ("xml", DOCTYPE.encode(), "FC-FILE-012"),
        ("xml", DOCTYPE.encode("utf-16"), "FC-FILE-012"),
        ("xml", b"<a>", "FC-FILE-012"),
        ("csv", b'"a"b,c\n', "FC-FILE-012"),
    ],
)
def test_what_cannot_be_parsed_is_one_line_with_its_file(kind, content, code, tmp_path):
    file = tmp_path / f"a.{kind}"
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        READERS[kind](file)
    assert caught.value.code == code
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert len(message) < 500
    assert message.isprintable()


@pytest.mark.parametrize("kind", READERS)
@given(content=st.binary(max_size=60) | st.text("[]{}<>\"'=,:\n\r\0 a1é", max_size=60))
def test_nothing_but_a_parse_error_comes_out_of_any_bytes(kind, content, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / f"any.{kind}"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        READERS[kind](file)
    except DataError as error:
        assert str(file) in str(error)


def test_files_that_are_not_there_or_are_folders(tmp_path):
    for path, code in ((tmp_path / "no", "FC-FILE-003"), (tmp_path, "FC-FILE-004")):
        with pytest.raises(DataError) as caught:
            read_text(path)
        assert caught.value.code == code


@pytest.mark.parametrize("name", ["a.json", "a.toml", "a.xml", "a.csv", "a.yaml"])
def test_a_pointer_of_git_lfs_is_said_to_be_one(name, tmp_path):
    """What lies in a repository that was cloned without its large files."""
    oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n"
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="git lfs pull") as caught:
        getattr(parsing, f"read_{name[2:]}")(tmp_path / name)
    assert caught.value.code == "FC-FILE-013"


@pytest.mark.parametrize("depth", [201, 30_000])
@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_yaml_that_is_nested_too_deep_is_refused(tmp_path, opening, depth):
    (tmp_path / "a.yaml").write_text("a: " + opening * depth)
    with pytest.raises(DataError, match="more than 200 lists and mappings"):
        parsing.read_yaml(tmp_path / "a.yaml")


def test_yaml_within_the_depth_is_read(tmp_path):
    (tmp_path / "a.yaml").write_text("a: " + "[" * 190 + "]" * 190)
    content = parsing.read_yaml(tmp_path / "a.yaml")["a"]
    for _ in range(189):
        (content,) = content
    assert content == []
