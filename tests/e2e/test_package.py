"""The package as it is shipped: a light command line, and a wheel that holds all it needs."""

import importlib.util
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch",
    "numpy",
    "PIL",
    "matplotlib",
    "lightning_fabric",
    "tensorboard",
    "fastapi",
    "uvicorn",
)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["serve", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys\nfrom fullconv.cli import main\n"
        f"sys.argv = ['fullconv', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "fullconv" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    for needed in ("build", "hatchling"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed, so no wheel can be built without a download")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.iterdir()
    return path


def test_the_wheel_holds_everything_that_is_read(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    files = {
        path.relative_to(source).as_posix()
        for path in (source / "fullconv").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files <= names
    assert any(name.endswith("recipes/default.toml") for name in files)
    assert "fullconv/serve/page/page.js" in files


def test_the_wheel_holds_nothing_else(wheel):
    for name in zipfile.ZipFile(wheel).namelist():
        top = name.split("/")[0]
        assert top == "fullconv" or top.endswith(".dist-info"), name
        assert not Path(name).name.startswith(("test", "conftest")), name


def test_the_wheel_says_what_it_is(wheel):
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    (entries,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    text = archive.read(metadata).decode()
    assert "Name: fullconv\n" in text
    assert "Requires-Python: >=3.11" in text
    assert "Requires-Dist: torch>=2.8" in text
    assert "torchvision" not in text.partition("\n\n")[0]
    assert "fullconv = fullconv.__main__:main" in archive.read(entries).decode()


@pytest.mark.slow
def test_the_wheel_runs_in_an_empty_venv(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
    subprocess.run([*install, wheel], check=True, cwd=tmp_path)

    def fullconv(*arguments):
        command = [python, "-m", "fullconv", *arguments]
        return subprocess.run(
            command, check=True, cwd=tmp_path, capture_output=True, text=True
        ).stdout

    assert "camvid-scratch" in fullconv("recipes")
    fullconv(
        "train", "shapes:48x64:n=20", "--net", "fcn8s-resnet18", "--out", "run", "--steps", "2",
        "--batch-size", "2", "--crop", "32x48", "--set", "net.width=0.125",
    )  # fmt: skip
    assert (tmp_path / "run" / "report.html").is_file()
    assert "mean IU" in fullconv("evaluate", "run")
