"""Class files that other tools write as tables: CSV, JSON, YAML, text with colors."""

import json

import pytest

from fullconv.classes.class_files import read_classes
from fullconv.errors import UserError

NAMES = ("background", "road", "light sky")
COLORS = ((0, 0, 0), (0, 128, 0), (128, 0, 0))
COCO = [{"id": i, "name": NAMES[i]} for i in range(3)]
RGB = ["0,0,0", "0,128,0", "128,0,0"]


def read(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode())
    return read_classes(tmp_path / name)


@pytest.mark.parametrize("heading", ["", "name,r,g,b\n", "Class, Red, Green, Blue\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", [".csv", ".txt"])
def test_a_heading_is_no_class_and_colors_are_read(tmp_path, heading, separator, ending):
    rows = [f"{name},{color}" for name, color in zip(NAMES, RGB, strict=True)]
    text = (heading + "\n".join(rows) + "\n").replace(",", separator)
    classes = read(tmp_path, f"class_dict{ending}", text)
    assert (classes.names, classes.colors) == (NAMES, COLORS)


def test_colors_may_stand_before_the_names_as_in_camvids_list(tmp_path):
    text = "0 0 0\tbackground\n0 128 0\troad\n128 0 0\tlight sky\n"
    classes = read(tmp_path, "label_colors.txt", text)
    assert (classes.names, classes.colors) == (NAMES, COLORS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_classes.csv", "Pixel Value, Class\n0, background\n1, road\n2, light sky\n"),
        ("ids.csv", "id,name\r\n1,background\r\n2,road\r\n3,light sky\r\n"),
        ("names.csv", "name\nbackground\nroad\nlight sky\n"),
        ("names.csv", "background\nroad\nlight sky\n"),
        ("names.csv", 'background,\nroad,\n"light sky",\n'),
        ("classes.json", json.dumps(NAMES)),
        ("config.json", json.dumps({"id2label": {"2": NAMES[2], "0": NAMES[0], "1": NAMES[1]}})),
        ("label2id.json", json.dumps({"road": 1, "background": 0, "light sky": 2})),
        ("meta.json", json.dumps({"classes": [{"title": name} for name in NAMES]})),
        ("coco.json", json.dumps({"categories": COCO})),
        ("data.yaml", "path: /x\nnc: 3\nnames: [background, road, light sky]\n"),
        ("data.yml", "names:\n  0: background\n  1: road\n  2: light sky\n"),
        ("list.yaml", "- background\n- road\n- light sky\n"),
        ("CLASSES.TOML", "".join(f'[[class]]\nname = "{name}"\n' for name in NAMES)),
    ],
)  # fmt: skip
def test_names_are_read_in_the_order_of_their_values(tmp_path, name, text):
    assert read(tmp_path, name, text).names == NAMES


def test_colors_of_json_are_numbers_or_hexadecimal(tmp_path):
    pairs = zip(NAMES, COLORS, strict=True)
    as_objects = [{"title": n, "color": f"#{bytes(c).hex()}"} for n, c in pairs]
    assert read(tmp_path, "m.json", json.dumps({"classes": as_objects})).colors == COLORS
    by_name = dict(zip(NAMES, COLORS, strict=True))
    assert read(tmp_path, "c.json", json.dumps(by_name)).colors == COLORS


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("a.csv", "id,name\n0,background\n2,road\n", "FC-CLASS-001"),
        ("a.csv", "background,0,0,0\nroad,128\n", "FC-CLASS-001"),
        ("a.csv", "background,street\nroad,way\n", "FC-CLASS-001"),
        ("a.csv", "", "FC-CLASS-001"),
        ("a.csv", "background,0,0,0\nroad,300,0,0\n", "FC-CLASS-005"),
        ("a.txt", "background,0,0,0\nroad,1,1,1\nsky\n", "FC-CLASS-001"),
        ("a.json", '{"0": "background", "7": "road"}', "FC-CLASS-001"),
        ("a.json", '{"background": 0, "road": [1, 2, 3]}', "FC-CLASS-001"),
        ("a.json", '{"background": "black", "road": "red"}', "FC-CLASS-005"),
        ("a.json", "[1, 2]", "FC-CLASS-001"),
        ("a.json", "3", "FC-CLASS-001"),
        ("a.json", '["a"', "FC-FILE-012"),
        ("a.yaml", "names: road", "FC-CLASS-005"),
        ("a.yaml", "a: [", "FC-FILE-012"),
        ("a.json", '["road", "road"]', "FC-CLASS-004"),
    ],
)
def test_tables_that_are_none_name_the_file(tmp_path, name, text, code):
    with pytest.raises(UserError) as caught:
        read(tmp_path, name, text)
    assert caught.value.code == code
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)


def test_names_that_end_in_a_number_stay_names(tmp_path):
    assert read(tmp_path, "labels.txt", "lane 1\nlane 2\n4 wheel drive\n").names == (
        "lane 1",
        "lane 2",
        "4 wheel drive",
    )


@pytest.mark.parametrize("line", ["1" * 10**6, "1 " * 10**6, "a " * 10**6, "a1 " * 10**6 + "x"])
def test_a_line_of_a_million_characters_takes_no_time(tmp_path, line):
    with pytest.raises(UserError):
        read(tmp_path, "labels.txt", f"{line}\n{line}\n")


def test_a_name_may_end_in_a_number_before_its_color(tmp_path):
    classes = read(tmp_path, "labels.txt", "lane 1, 9, 8, 7\nlane 2, 1, 2, 3\n")
    assert classes.names == ("lane 1", "lane 2")
    assert classes.colors == ((9, 8, 7), (1, 2, 3))
