"""The notebook of the quick start, run by a kernel as Jupyter and Colab do."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel")
nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
pytest.importorskip("ipykernel", reason="pip install ipykernel")
pytestmark = pytest.mark.slow
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The outputs of each code cell, by the beginning of its source."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells), "stored without outputs"
    folder = tmp_path_factory.mktemp("notebook")
    client = nbclient.NotebookClient(
        book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return {cell.source: cell.outputs for cell in book.cells if cell.cell_type == "code"}, folder


def html_of(outputs, part):
    """The HTML of all that the cell with ``part`` in it shows."""
    found = [each for source, each in outputs.items() if part in source]
    assert len(found) == 1
    return "".join(item.get("data", {}).get("text/html", "") for item in found[0])


def test_the_first_cell_installs_and_every_cell_runs(outputs):
    cells, folder = outputs
    assert "%pip install" in next(iter(cells))
    for name in ("scenes/classes.toml", "runs/first/report.html", "pictures/scene.png"):
        assert (folder / name).is_file()


def test_classes_metrics_runs_predictions_and_explanations_show_themselves(outputs):
    cells, _ = outputs
    assert "triangle" in html_of(cells, "source = fullconv.open_source")
    training = html_of(cells, "run = fullconv.train")
    assert "mean IU" in training and training.count("data:image") == 6
    assert "background" in html_of(cells, 'fullconv.evaluate(run, "scenes"')
    assert "data:image/png" in html_of(cells, "predictor = ")
    assert "receptive field" in html_of(cells, "fullconv.explain")


def test_progress_is_a_bar_that_ends_full(outputs):
    cells, _ = outputs
    bars = html_of(cells, "run = fullconv.train")
    assert "<progress" in bars and ("step 40/40" in bars or "validating" in bars)
