"""Two calls of one command at once, as a cron job that takes too long: both come to their end."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fullconv.inference.photos.find_photos import Input
from fullconv.inference.rasters.job import RasterOutcome
from fullconv.inference.storage.addresses import listed_files
from fullconv.inference.storage.manifest import Done, Recorder, records, start
from fullconv.inference.storage.outputs import FolderOutput, StoredOutput
from fullconv.inference.storage.stored_rasters import predict_raster_to


@pytest.mark.parametrize("kind", [FolderOutput, StoredOutput])
def test_records_that_another_call_puts_together_meanwhile_are_no_error(tmp_path, kind):
    class Overtaken(kind):
        """Another call comes between its listing and its reading."""

        def names(self, folder=""):
            listed = list(super().names(folder))
            assert records(kind(place), job) == done
            return iter(listed)

    place = tmp_path if kind is FolderOutput else "memory://overtaken"
    output = kind(place)
    job = start(output, {"net": ["a"]})
    output.write(".fullconv/another/a.jsonl", b"")
    done = {f"{n}.png": Done(f"{n}.png", "1", f"{n}", (f"{n}.png",)) for n in range(3)}
    recorder = Recorder(output, job, every=1)
    for name, record in done.items():
        output.write(name, b"result")
        recorder.add(record)
    assert records(Overtaken(place), job) == {}  # it may predict them again
    assert records(output, job) == done


def test_a_raster_of_storage_is_predicted_by_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    storage = StoredOutput("memory://two-at-once")
    storage.write("a.tif", b"raster")
    ((stored, _),) = listed_files("memory://two-at-once/a.tif")
    inside, seen = [], Counter()

    def predict(source: Path, stem: Path) -> RasterOutcome:
        inside.append(1)
        seen[len(inside)] += 1
        time.sleep(0.1)
        content = source.read_bytes()
        (written := stem.with_suffix(".tif")).write_bytes(content + b" predicted")
        inside.pop()
        return RasterOutcome((written,), (1, 1), 1, 0, 0)

    photo, output = Input(None, Path("a"), stored=stored), StoredOutput("memory://two-at-once/out")
    with ThreadPoolExecutor(3) as pool:
        names = list(pool.map(lambda _: predict_raster_to(output, photo, predict)[1], range(3)))
    assert names == [["a.tif"]] * 3 and seen == {1: 3}
    assert output.read("a.tif") == b"raster predicted"
    assert not list((tmp_path / "cache" / "rasters").iterdir())
