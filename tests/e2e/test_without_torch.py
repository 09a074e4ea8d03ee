"""Commands that compute nothing with a net do not load torch, which takes seconds."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

HEAVY = ("torch", "onnx", "onnxruntime", "openvino", "lightning_fabric", "tensorboard")
PROGRAM = f"""
import sys
from fullconv.cli import main
for command in {{commands!r}}:
    sys.argv = ["fullconv", *command]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (command, end.code)
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    assert not loaded, (command, loaded)
"""


def works_without_torch(*commands, cwd=None):
    code = PROGRAM.format(commands=[list(map(str, command)) for command in commands])
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_help_loads_it():
    from fullconv.cli.help_panels import COMMANDS

    names = [name for part in COMMANDS.values() for name in part]
    works_without_torch(["--help"], ["--version"], *([name, "--help"] for name in names))


@pytest.fixture
def labelled(tmp_path):
    """Three photos as labelme writes them."""
    folder = tmp_path / "labelme"
    folder.mkdir()
    corners = {"label": "car", "points": [[9, 9], [40, 9], [40, 40]], "shape_type": "polygon"}
    for name in "abc":
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (60, 80, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
        content = {"version": "5.0", "shapes": [corners], "imagePath": f"{name}.png"}
        content |= {"imageData": None, "imageHeight": 60, "imageWidth": 80}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_no_command_about_data_loads_it(tmp_path, labelled):
    works_without_torch(
        ["shapes", "scenes", "--number", 2, "--size", "48x64"],
        ["check", "scenes"],
        ["statistics", "scenes"],
        ["inspect", "scenes", "--out", "page.html"],
        ["import", labelled, "photos"],
        ["download"],
        ["weights"],
        ["recipes"],
        ["recipes", "default"],
        cwd=tmp_path,
    )
    assert (tmp_path / "page.html").stat().st_size > 1000
    assert (tmp_path / "photos" / "import-report.txt").exists()
