"""Messages of a disk that is full: they name the file that the user will look for."""

import re
import resource
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullconv.errors import UserError
from fullconv.files.atomic import folder_atomically, write_atomically
from fullconv.files.file_errors import file_errors
from fullconv.inference import predict
from fullconv.training.run.run_folder import COLUMNS, Table
from small_runs import small_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
NOISE = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)


@pytest.fixture
def full_disk():
    """``full_disk(limit)``: no file can be written beyond ``limit`` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def open_elsewhere(file):
    Path("/there/is/none.such").read_bytes()


CONTENTS = {
    "bytes": b"x" * 10_000,
    "text": "x" * 10_000,
    "numpy": lambda file: np.save(file, NOISE),
    "jpeg": lambda file: Image.fromarray(NOISE).save(file, "JPEG"),
    "png": lambda file: Image.fromarray(NOISE).save(file, "PNG"),
    "tiff": lambda file: Image.fromarray(NOISE).save(file, "TIFF"),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_whatever_is_written_the_final_name_and_the_reason_are_said(tmp_path, full_disk, kind):
    full_disk(4000)
    path = tmp_path / "deep/result.ext"
    for given in (None, tmp_path / "deep/result"):  # of which some callers know the stem alone
        with pytest.raises(UserError) as caught, file_errors(given, writing=True):
            write_atomically(path, CONTENTS[kind])
        assert str(caught.value).startswith(f"{path}: cannot be written: File too large; ")
    assert list(path.parent.iterdir()) == []


def test_a_file_that_cannot_be_begun_is_named_and_one_that_is_read_meanwhile(tmp_path):
    with pytest.raises(OSError) as caught:
        write_atomically("/proc/result.txt", b"")
    assert caught.value.filename == "/proc/result.txt"
    with pytest.raises(OSError) as caught:
        write_atomically(tmp_path / "a", open_elsewhere)
    assert caught.value.filename == "/there/is/none.such"


def copy_of_a_photo(folder):
    source = folder.parent / "source"
    shutil.copyfile(source, folder / "copy.png")


def refused(folder):
    raise UserError(f"{folder / 'copy.png'}: is refused", "FC-X-001")


FILLED = {
    "a write": (lambda folder: write_atomically(folder / "copy.png", b"x" * 10_000), "OUT: .*OUT/"),
    "a copy": (copy_of_a_photo, "OUT: cannot be written: .* .OUT/copy.png.; the system"),
    "no name": (lambda folder: (folder / "copy.png").write_bytes(b"x" * 10_000), "OUT: cannot"),
    "a refusal": (refused, "OUT/copy.png: is refused"),
}


@pytest.mark.parametrize("kind", FILLED)
def test_of_a_folder_that_appears_whole_no_hidden_name_is_said(tmp_path, full_disk, kind):
    (tmp_path / "source").write_bytes(b"x" * 10_000)
    fill, named = FILLED[kind]
    full_disk(4000)
    with pytest.raises(UserError) as caught, folder_atomically(tmp_path / "out") as folder:
        fill(folder)
    said = str(caught.value).replace(str(tmp_path / "out"), "OUT")
    assert re.match(named, said) and ".part" not in said and "source" not in said


@pytest.mark.parametrize(
    ("limit", "options", "name"),
    [
        (100, {}, "photo.png"),
        (8_000, {}, "photo_overlay.jpg"),
        (300_000, {"scores": True}, "photo_scores.npy"),
        (8_000, {"overlay": False, "probability": True}, "photo_probability.png"),
    ],
)
def test_predict_names_the_result_with_its_ending(tmp_path, full_disk, limit, options, name):
    run = small_run(tmp_path / "run")
    Image.fromarray(NOISE).save(tmp_path / "photo.png")
    full_disk(limit)
    with pytest.raises(UserError) as caught:
        predict(run, tmp_path / "photo.png", tmp_path / "out", **options)
    assert str(caught.value).startswith(f"{tmp_path / 'out' / name}: cannot be written: ")
    assert caught.value.code == "FC-FILE-002"


def test_a_row_of_a_log_names_the_log(tmp_path, full_disk):
    table = Table(tmp_path / "log.csv", COLUMNS)
    table.keep(0)
    full_disk(10)
    with pytest.raises(UserError, match=r"log\.csv: "), file_errors(tmp_path, writing=True):
        table.add({"step": 1})
