import io

import pytest
from PIL import Image
from typer.testing import CliRunner

from fullconv.cli import app


@pytest.fixture
def predict(run):
    """``predict(*arguments)`` is `fullconv predict RUN ...`: its exit code, stdout and stderr."""

    def call(*arguments):
        done = CliRunner().invoke(app, ["predict", str(run), "--device", "cpu", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return call


@pytest.fixture
def photos(picture, tmp_path):
    """A folder of photos, one of them no picture, and the bytes of each file by name."""
    folder = tmp_path / "photos"
    files = {}
    for number, name in enumerate(["a.png", "a.bmp", "street/b.png", "street/c d.png"]):
        file = io.BytesIO()
        Image.fromarray(picture(seed=number)).save(file, name[-3:])
        files[name] = file.getvalue()
    files["bad.png"] = b"no picture"
    files[".hidden/x.png"] = b"left out"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder, files


@pytest.fixture
def results():
    """``results(folder)``: the bytes of the files below it, without hidden ones, by name."""

    def read(folder):
        files = [file for file in folder.rglob("*") if file.is_file()]
        names = {file.relative_to(folder).as_posix(): file for file in files}
        return {n: f.read_bytes() for n, f in names.items() if not n.startswith(".")}

    return read
