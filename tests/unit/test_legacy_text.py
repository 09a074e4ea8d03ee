"""Lists, class files and XML in GBK, Shift-JIS, Latin-1: read where it is certain, else named."""

import subprocess

import pytest

from fullconv.classes.class_files import read_classes
from fullconv.data.layouts.listing import read_lines
from fullconv.errors import UserError
from fullconv.legacy_text import how_to_convert, readings
from fullconv.parsing import read_json, read_xml

TEXTS = [
    ("裂缝\n背景\n道路\n", "gbk", "GB18030", "裂缝"),
    ("背景\n道路標識\n建物\nひび割れ\n", "shift_jis", "CP932", "背景"),
    ("道路\n建物\n", "euc_jp", "EUC-JP", "道路"),
    ("背景\n裂縫\n", "big5", "BIG5", "背景"),
    ("배경\n균열\n", "euc_kr", "CP949", "배경"),
    ("ground\nStraße\nGehölz\n", "latin-1", "WINDOWS-1252", "Straße"),
    ("chaussée\nforêt\n", "cp1252", "WINDOWS-1252", "chaussée"),
    ("фон\nдорога\n", "cp1251", "WINDOWS-1251", "фон"),
]


@pytest.mark.parametrize(("text", "codec", "name", "word"), TEXTS)
def test_the_encoding_is_among_those_that_are_named(tmp_path, text, codec, name, word):
    content = text.encode(codec)
    assert readings(content)[name] == word
    what, fix = how_to_convert(content, "classes.txt")
    assert f"{name} ({word!r})" in what
    assert "iconv -f" in fix


@pytest.mark.parametrize(("text", "codec", "name", "word"), [TEXTS[i] for i in (0, 1, 5, 7)])
def test_the_command_that_is_named_makes_it_readable(tmp_path, text, codec, name, word):
    file = tmp_path / "my classes.txt"
    file.write_bytes(text.encode(codec))
    with pytest.raises(UserError, match=word) as caught:
        read_classes(file)
    assert caught.value.code == "FC-CLASS-001"
    command = (
        str(caught.value).rpartition("convert it: ")[2].replace("NEW", f"'{tmp_path}/new.txt'")
    )
    subprocess.run(command.replace(command.split()[2], name, 1), shell=True, check=True)
    assert read_classes(tmp_path / "new.txt").names == tuple(text.split())


@pytest.mark.parametrize("codec", ["gbk", "shift_jis", "big5", "euc_kr", "latin-1", "cp1251"])
def test_a_list_is_read_by_the_names_that_are_there(tmp_path, codec):
    names = {"gbk": ["裂缝1", "背景 2"], "shift_jis": ["道路", "建物"], "big5": ["裂縫", "b"],
             "euc_kr": ["균열", "도로"], "latin-1": ["Straße", "plain"],
             "cp1251": ["дорога", "лес"]}[codec]  # fmt: skip
    for name in names:
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{name}.jpg").touch()
    for lines in (names, [f"images/{n}.jpg" for n in names], [f"images\\{n}.jpg" for n in names]):
        (tmp_path / "train.txt").write_bytes("\r\n".join(lines).encode(codec))
        assert read_lines(tmp_path / "train.txt") == lines
    pairs = [f"images/{n}.jpg,masks/{n}.png" for n in names]
    (tmp_path / "train.txt").write_bytes("\n".join(pairs).encode(codec))
    assert read_lines(tmp_path / "train.txt") == pairs
    (tmp_path / "train.txt").write_bytes("\n".join([f"{n}x" for n in names]).encode(codec))
    with pytest.raises(UserError, match="iconv") as caught:
        read_lines(tmp_path / "train.txt")
    assert caught.value.code == "FC-DATA-105"


def test_names_of_the_same_bytes_as_the_list_are_found(tmp_path):
    raw = "裂缝".encode("gbk")
    with open(bytes(tmp_path) + b"/" + raw + b".jpg", "wb"):
        pass
    (tmp_path / "train.txt").write_bytes(raw + b"\n")
    (line,) = read_lines(tmp_path / "train.txt")
    assert (tmp_path / f"{line}.jpg").is_file()


def test_what_is_no_text_is_named_so(tmp_path):
    content = bytes(range(128, 256)) * 9
    assert readings(content) == {}
    assert how_to_convert(content, "a")[0] == "is neither UTF-8 nor UTF-16 text"
    file = tmp_path / "a.json"
    file.write_bytes('{"label": "裂缝"}'.encode("gbk"))
    with pytest.raises(UserError, match="裂缝") as caught:
        read_json(file)
    assert caught.value.code == "FC-FILE-011"


@pytest.mark.parametrize("codec", ["GBK", "Shift_JIS", "EUC-KR", "windows-1252", "utf-8", "big5"])
def test_xml_is_read_by_the_encoding_that_it_declares(tmp_path, codec):
    word = {"EUC-KR": "균열", "windows-1252": "Straße"}.get(codec, "道路")
    file = tmp_path / "a.xml"
    file.write_bytes(f'<?xml version="1.0" encoding="{codec}"?>\n<a>{word}</a>'.encode(codec))
    assert read_xml(file).text == word
    file.write_bytes(b'<?xml version="1.0" encoding="none-such"?><a>b</a>')
    with pytest.raises(UserError) as caught:
        read_xml(file)
    assert caught.value.code == "FC-FILE-012"
