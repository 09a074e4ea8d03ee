"""Real work on a real Ray cluster of two nodes' processes: the bytes of one machine."""

import json
import os

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow


def stored(bucket, prefix):
    keys = [key for key in bucket.keys(prefix) if "/.fullconv/" not in key]
    return {key.removeprefix(prefix): bucket.get(key) for key in keys}


def test_a_killed_worker_costs_no_result_and_no_duplicate(
    cluster, bucket, fullconv, vgg, photos, results, wait_until, kill, tmp_path
):
    local = fullconv("predict", vgg, photos, "--out", tmp_path / "local")
    assert local.returncode == 1
    for file in photos.rglob("*.png"):
        bucket.put(f"in/{file.relative_to(photos).as_posix()}", file.read_bytes())
    work = fullconv(
        "predict", vgg, "s3://photos/in/", "--out", "s3://photos/maps/", "--cluster",
        cluster.address, background=True,
    )  # fmt: skip
    wait_until(lambda: len(stored(bucket, "maps/")) >= 6 or work.poll() is not None)
    done = len(stored(bucket, "maps/"))
    kill(wait_until(cluster.workers)[0])
    out, err = work.communicate(timeout=300)
    assert done < 78, "the kill came too late to tell"
    assert work.returncode == 1, err
    assert "39 of 40 photos predicted" in out
    assert err.count("FC-") == 1 and "s3://photos/in/street1/07.png" in err
    assert stored(bucket, "maps/") == results(tmp_path / "local")
    records = [key for key in bucket.keys("maps/.fullconv/") if key.endswith(".jsonl")]
    lines = [json.loads(line) for key in records for line in bucket.get(key).splitlines()]
    assert len({line["photo"] for line in lines}) == 39


def test_a_killed_command_resumes_with_what_is_left(
    cluster, fullconv, vgg, photos, results, wait_until, kill, tmp_path
):
    assert fullconv("predict", vgg, photos, "--out", tmp_path / "local").returncode == 1
    call = "predict", vgg, photos, "--out", tmp_path / "out", "--cluster", cluster.address
    work = fullconv(*call, background=True)
    wait_until(lambda: len(results(tmp_path / "out")) >= 10 or work.poll() is not None)
    assert work.poll() is None, "it ended too early to tell"
    kill(work.pid)
    work.communicate()
    wait_until(lambda: not cluster.workers())
    recorded = len(list((tmp_path / "out/.fullconv").rglob("*.jsonl")))
    again = fullconv(*call)
    assert again.returncode == 1 and recorded
    left = int(again.stdout.split(" of ")[1].split(" ")[0])
    assert 0 < left < 40 and f"{40 - left} of 40 photos are already done" in again.stderr
    assert results(tmp_path / "out") == results(tmp_path / "local")


def test_a_table_and_a_fraction_of_a_machine_give_the_same_bytes(
    cluster, fullconv, vgg, photos, results, tmp_path
):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    files = sorted(photos.rglob("*.png"))[:9]
    table = pyarrow.table({
        "path": [file.relative_to(photos).as_posix() for file in files],
        "bytes": [file.read_bytes() for file in files],
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "photos.parquet", row_group_size=2)
    source = tmp_path / "photos.parquet"
    local = fullconv("predict", vgg, source, "--out", tmp_path / "local", "--cluster", "auto",
                     "--no-overlay", "--workers", "1", "--worker-cpus", "0.5")  # fmt: skip
    assert local.returncode == 0, local.stderr
    other = fullconv("predict", vgg, *files, "--out", tmp_path / "files", "--no-overlay")
    assert other.returncode == 0, other.stderr
    ours = {
        name.rpartition("/")[2]: content for name, content in results(tmp_path / "local").items()
    }
    theirs = {name.rpartition("/")[2]: b for name, b in results(tmp_path / "files").items()}
    assert ours == theirs


def test_a_raster_by_rows_of_windows_is_the_local_file(
    cluster, fullconv, vgg, results, write, tmp_path
):
    from rasterio.transform import from_origin

    coarse = np.random.default_rng(1).integers(0, 256, (20, 15, 3), np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((700, 1000), Image.Resampling.BICUBIC))
    scene = write(image, crs="EPSG:32632", transform=from_origin(5e5, 5e6, 1, 1))
    for out, more in [("local", ()), ("out", ("--cluster", cluster.address))]:
        place = tmp_path / out
        done = fullconv(
            "predict", vgg, scene, "--tile", 640, "--probability", "--out", place, *more
        )
        assert done.returncode == 0 and "tiles" in done.stdout, done.stderr
    here, there = results(tmp_path / "local"), results(tmp_path / "out")
    files = [tmp_path / out / "scene_probability.tif" for out in ("local", "out")]
    # A sum rounds by the number of threads, which moves a probability over a border of 1/255.
    apart = np.abs(np.subtract(*(_values(file).astype(int) for file in files)))
    assert apart.max() <= 1 and np.mean(apart > 0) < 1e-3
    assert here.pop("scene_probability.tif") and there.pop("scene_probability.tif")
    assert here == there


def _values(file):
    import rasterio

    with rasterio.open(file) as dataset:
        return dataset.read(1)


def test_a_split_is_scored_to_the_last_digit(cluster, fullconv, vgg, results, tmp_path):
    assert fullconv("shapes", tmp_path / "shapes").returncode == 0
    from fullconv.data import open_source

    classes = open_source(tmp_path / "shapes", "val").classes
    from small_runs import small_run

    run = small_run(tmp_path / "run", classes)
    for out, more in [("here", ()), ("there", ("--cluster", cluster.address))]:
        done = fullconv(
            "evaluate", run, os.path.relpath(tmp_path / "shapes"), "--boundary", "--out",
            tmp_path / out, *more,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    here, there = results(tmp_path / "here"), results(tmp_path / "there")
    assert here["scores.json"] == there["scores.json"] and here == there
