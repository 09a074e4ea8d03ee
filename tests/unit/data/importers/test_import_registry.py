"""Which format a source is: each alone, every pair of them, and what the pages say of them."""

import itertools
from pathlib import Path

import pytest

from example_exports import EXPORTS
from fullconv.cli.completion import formats
from fullconv.data.importers import import_data
from fullconv.data.importers.registry import importers, recognise
from fullconv.errors import UserError

DOCS = Path(__file__).parents[4] / "docs/import.md"
LABEL = {"cityscapes": "car", "ade20k": "sky"}


def test_every_format_has_an_example():
    assert list(EXPORTS) == [name for name in importers() if not importers()[name].instead]


@pytest.mark.parametrize("name", EXPORTS)
def test_each_is_recognised_and_its_square_is_read(name, tmp_path):
    EXPORTS[name](tmp_path / "src")
    report = import_data(tmp_path / "src", tmp_path / "out")
    assert report.format == name
    pixels = {each.label: each.pixels for each in report.labels}
    assert pixels[LABEL.get(name, "a")] == 400 * sum(report.splits.values())


@pytest.mark.parametrize("pair", itertools.combinations(EXPORTS, 2), ids="+".join)
def test_of_two_formats_the_more_specific_wins_or_the_user_is_asked(pair, tmp_path):
    for name in pair:
        EXPORTS[name](tmp_path)
    first, second = (importers()[name] for name in pair)
    if second.name in first.over:
        assert recognise(tmp_path) is first
    elif first.name in second.over:
        assert recognise(tmp_path) is second
    else:
        with pytest.raises(UserError) as caught:
            recognise(tmp_path)
        assert caught.value.code == "FC-IMPORT-002"
        assert all(name in str(caught.value) for name in pair)
    assert [recognise(tmp_path, name).name for name in pair] == list(pair)


def test_a_more_specific_format_is_one_of_the_registry_and_none_is_over_itself():
    for importer in importers().values():
        assert set(importer.over) <= set(importers()) - {importer.name}
        assert not any(importer.name in importers()[name].over for name in importer.over)


def test_an_import_can_be_imported_again(tmp_path):
    EXPORTS["labelme"](tmp_path / "src")
    import_data(tmp_path / "src", tmp_path / "one")
    report = import_data(tmp_path / "one", tmp_path / "two")
    assert report.format == "masks"
    assert report.splits == {"train": 1}


@pytest.mark.parametrize("name", ["nothing", "archive.zip"])
def test_what_fits_no_format_is_said(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError) as caught:
        recognise(tmp_path / name)
    assert caught.value.code == "FC-IMPORT-001"


def test_the_page_and_the_completion_list_the_formats():
    rows = [f"| `{i.name}` | {i.files} | {i.splits} |" for i in importers().values()]
    page = DOCS.read_text("utf-8").splitlines()
    assert [line for line in page if line in rows] == rows
    assert formats("") == list(EXPORTS)
    assert formats("coco") == ["coco", "coco-panoptic"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("via3.json", '{"project": {"vid_list": []}, "metadata": {}}', "VIA 3"),
        ("export.ndjson", '{"data_row": {}, "projects": {}}', "Labelbox.*COCO"),
        ("a.json", '{"metadata": {}, "instances": [{"classId": 1}]}', "SuperAnnotate.*COCO"),
        ("a.xml", "<annotation><object><bndbox>", "boxes and no outlines"),
        ("train/_classes.csv", "filename, cat, dog\na.jpg, 0, 1\n", "Semantic Segmentation Masks"),
        ("a.tfrecord", "x", "TensorFlow"),
        ("project.csv", "image,annotation_id,lead_time\n", "as JSON"),
        ("annotations/train.datum", "x", "JSON"),
        ("a.geojson", '{"type": "FeatureCollection"}', "GeoJSON"),
    ],
)
def test_a_tool_that_is_not_read_is_named_with_the_export_to_choose(
    save, tmp_path, name, text, said
):
    with pytest.raises(UserError, match=said) as caught:
        import_data(save(name, text), tmp_path / "out")
    assert caught.value.code == "FC-IMPORT-068"
    assert name.split("/")[-1] in str(caught.value)
