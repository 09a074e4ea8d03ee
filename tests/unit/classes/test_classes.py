import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.classes import CAMVID, VOC, ClassSet, default_colors
from fullconv.classes.class_files import read_classes
from fullconv.classes.matching import match_classes
from fullconv.errors import UserError


def test_voc_palette_is_the_devkits():
    # VOClabelcolormap's published values, and 255's cream.
    palette = VOC.palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert palette[0].tolist() == [0, 0, 0]
    assert palette[1].tolist() == [128, 0, 0]
    assert palette[15].tolist() == [192, 128, 128]
    assert palette[20].tolist() == [0, 64, 128]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(VOC) == 21
    assert VOC.index("person") == 15


def test_palette_agrees_with_a_real_voc_mask(shared_data):
    from PIL import Image

    file = shared_data("voc_sample") / "SegmentationClass" / "2007_000063.png"
    stored = np.array(Image.open(file).getpalette(), np.uint8).reshape(-1, 3)
    assert (stored == VOC.palette()[: len(stored)]).all()


def test_camvid_agrees_with_its_file(shared_data):
    assert read_classes(shared_data("camvid") / "classes.toml") == CAMVID


def test_default_colors_are_all_different():
    assert len(set(default_colors(256))) == 256


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip),
        min_size=1,
        max_size=20,
        unique=True,
    )
)
def test_toml_and_json_bring_back_the_same(tmp_path_factory, names):
    classes = ClassSet(tuple(names))
    file = tmp_path_factory.mktemp("classes") / "classes.toml"
    file.write_text(classes.to_toml(), "utf-8", newline="")
    assert read_classes(file) == classes
    assert ClassSet.from_dict(json.loads(json.dumps(classes.to_dict()))) == classes


@pytest.mark.parametrize(
    ("name", "is_background"),
    [("background", True), ("_Background_", True), ("Un-labelled", True), ("VOID", True),
     ("unlabeled", True), ("road", False), ("backgrounds", False), ("avoid", False)],
)  # fmt: skip
def test_class_0_is_the_background_where_it_is_called_so(name, is_background):
    assert ClassSet((name, "cat")).background == ((0,) if is_background else ())
    assert ClassSet(("cat", name)).background == ()


def test_a_class_file_marks_the_background(tmp_path):
    text = '[[class]]\nname = "{}"\nbackground = {}\n[[class]]\nname = "b"\nbackground = {}\n'
    for name, first, second in (("a", "false", "true"), ("void", "false", "false")):
        (tmp_path / "classes.toml").write_text(text.format(name, first, second))
        classes = read_classes(tmp_path / "classes.toml")
        assert classes.background == ((1,) if second == "true" else ())
        (tmp_path / "again.toml").write_text(classes.to_toml())
        assert read_classes(tmp_path / "again.toml") == classes
        assert ClassSet.from_dict(json.loads(json.dumps(classes.to_dict()))) == classes
    (tmp_path / "classes.toml").write_text('[[class]]\nname = "a"\nbackground = "yes"\n')
    with pytest.raises(UserError, match="true or false") as caught:
        read_classes(tmp_path / "classes.toml")
    assert caught.value.code == "FC-CLASS-003"


@pytest.mark.parametrize("value", [2, -2, "a", 0.0, True, None])
def test_a_background_that_is_no_class_is_refused(value):
    with pytest.raises(UserError) as caught:
        ClassSet.from_dict({"names": ["a", "b"], "background": [value]})
    assert caught.value.code in ("FC-CLASS-013", "FC-CLASS-003")


def test_joint_classes_keep_the_backgrounds_of_their_parts():
    parts = {"a": ClassSet(("background", "x")), "b": ClassSet(("void", "y", "z"))}
    joint = ClassSet.joint(parts)
    assert joint.background == (0, 2)
    assert ClassSet.from_dict(joint.to_dict()) == joint


def test_cvat_labelmap(tmp_path):
    file = tmp_path / "labelmap.txt"
    file.write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\n__ignore__:1,2,3::\n"
    )
    classes = read_classes(file)
    assert classes.names == ("background", "cat")
    assert classes.colors == ((0, 0, 0), (250, 50, 83))
    assert classes.ignore_color == (1, 2, 3)


def test_labelme_labels(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text("__ignore__\n_background_\ncat\n\ndog\n")
    classes = read_classes(file)
    assert classes.names == ("background", "cat", "dog")
    assert classes.colors == default_colors(3, background=True)
    assert classes.ignore == 255


def test_more_than_255_classes_get_a_wider_ignore(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text("\n".join(f"class {i}" for i in range(300)))
    classes = read_classes(file)
    assert classes.ignore == 65535
    assert classes.palette().shape == (65536, 3)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("classes.toml", "[[class]\n", "TOML"),
        ("classes.toml", "ignore = 255\n", "no [[class]]"),
        ("classes.toml", "[[class]]\ncolor = [1, 2, 3]\n", "no name"),
        ("classes.toml", '[[class]]\nname = "a"\ncolour = [1, 2, 3]\n', "'colour'"),
        ("classes.toml", '[[class]]\nname = "a"\ncolor = [1, 2, 300]\n', "300"),
        ("classes.toml", '[[class]]\nname = "a"\n[[class]]\nname = "a"\n', "'a' stands 2 times"),
        ("classes.toml", 'ignore = 0\n[[class]]\nname = "a"\n', "ignore = 0"),
        ("labelmap.txt", "cat:1,2::\n", "cat:1,2::"),
        ("labels.txt", "\n# nothing\n", "one name a line"),
    ],
)
def test_faults_name_the_file(tmp_path, name, text, says):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        read_classes(file)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert says in message
    assert "\n" not in message


def test_missing_file_and_missing_class():
    with pytest.raises(UserError, match=r"nowhere.toml"):
        read_classes("nowhere.toml")
    with pytest.raises(UserError, match=r"'lorry'.*bus"):
        VOC.index("lorry")


@pytest.mark.parametrize(
    ("wanted", "those", "is_told"),
    [
        (("road", "car"), ("background", "car", "road"), True),
        (("road", "car"), ("background", "bus", "car", "road"), False),
        (("road", "bus"), ("background", "road"), False),
    ],
)
def test_data_with_one_class_more_that_an_import_made_is_told_to_do_without(wanted, those, is_told):
    with pytest.raises(UserError) as error:
        match_classes(wanted, those)
    assert error.value.code == "FC-CLASS-008"
    assert ("--background __ignore__" in str(error.value)) == is_told
