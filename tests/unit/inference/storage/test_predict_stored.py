"""Photos in buckets and other storage: the bytes of a local call, a record, one line for errors."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fullconv.errors import UserError
from fullconv.inference import Predictor, find_inputs


@pytest.fixture
def local(predict, photos, results, tmp_path):
    """What the local command writes of the photos."""
    code, _, _ = predict(str(photos[0]), "--out", str(tmp_path / "local"))
    assert code == 1  # one is no picture
    return results(tmp_path / "local")


def stored_results(bucket, prefix):
    keys = [key for key in bucket.keys(prefix) if "/.fullconv/" not in key]
    return {key.removeprefix(prefix): bucket.get(key) for key in keys}


def test_a_bucket_gets_the_bytes_that_a_folder_gets(bucket, predict, photos, local):
    for name, content in photos[1].items():
        bucket.put(f"in/{name}", content)
    code, _, err = predict(f"s3://{bucket.name}/in/", "--out", f"s3://{bucket.name}/maps/")
    assert code == 1
    assert err.count("FC-") == 1 and f"s3://{bucket.name}/in/bad.png" in err
    assert "FC-DATA-002" in err
    assert stored_results(bucket, "maps/") == local
    assert {"a.png.png", "a.bmp.png", "street/b.png", "street/c d_overlay.jpg"} <= set(local)


def test_photos_come_from_a_bucket_into_a_folder_and_the_other_way_round(
    bucket, predict, photos, local, results, tmp_path
):
    for name, content in photos[1].items():
        bucket.put(f"in/{name}", content)
    place = f"s3://{bucket.name}/in"
    assert predict(place, "--out", str(tmp_path / "here"))[0] == 1
    assert results(tmp_path / "here") == local
    assert predict(str(photos[0]), "--out", f"s3://{bucket.name}/maps")[0] == 1
    assert stored_results(bucket, "maps/") == local


def test_a_second_call_does_only_what_is_missing_or_changed(bucket, predict, picture, photos):
    names = ["a.png", "street/b.png", "street/c d.png"]
    for name in names:
        bucket.put(f"in/{name}", photos[1][name])
    call = f"s3://{bucket.name}/in", "--out", f"s3://{bucket.name}/maps", "--no-overlay"
    assert predict(*call)[0] == 0
    first = stored_results(bucket, "maps/")
    bucket.put("maps/a.png", b"as it was")  # done: not touched again
    bucket.put("in/street/b.png", photos[1]["a.png"])  # another photo now
    bucket.client.delete_object(Bucket=bucket.name, Key="maps/street/c d.png")
    code, out, err = predict(*call)
    assert code == 0 and "1 of 3" in err and "2 of 2" in out
    assert stored_results(bucket, "maps/") == {
        "a.png": b"as it was",
        "street/b.png": first["a.png"],
        "street/c d.png": first["street/c d.png"],
    }
    code, out, err = predict(*call, "--tta", "mirror")  # decides the classes: all anew
    assert code == 0 and "3 of 3" in out and bucket.get("maps/a.png") != b"as it was"
    bucket.put("maps/a.png", b"as it was")
    assert predict(*call)[0] == 0  # what was recorded before is gone with its results
    assert bucket.get("maps/a.png") == first["a.png"]


def test_addresses_of_files_are_files_and_memory_is_storage(
    predict, photos, local, results, tmp_path
):
    import fsspec

    out = (tmp_path / "out").as_uri()
    assert predict(photos[0].as_uri(), "--out", out)[0] == 1
    assert results(tmp_path / "out") == local
    memory = fsspec.filesystem("memory")
    for name, content in photos[1].items():
        memory.pipe_file(f"/in/{name}", content)
    assert predict("memory://in", "--out", "memory://maps")[0] == 1
    files = [name for name in memory.find("/maps") if "/.fullconv/" not in name]
    assert {name.removeprefix("/maps/"): memory.cat_file(name) for name in files} == local
    memory.rm("/", recursive=True)


def test_patterns_single_files_and_results_below_the_photos(bucket, predict, photos):
    for name in ("a.png", "street/b.png", "street/c d.png"):
        bucket.put(f"in/{name}", photos[1][name])
    base, out = f"s3://{bucket.name}/in", f"s3://{bucket.name}/in/maps"
    assert predict(f"{base}/street/*.png", f"{base}/a.png", "--out", out)[0] == 0
    assert {"a.png", "b.png", "c d.png"} <= set(stored_results(bucket, "in/maps/"))
    code, stdout, _ = predict(base, "--out", out)  # not the results of before
    assert code == 0 and "2 of 2" in stdout  # street/b.png and street/c d.png are new names
    assert predict(f"{base}/none*.png", "--out", out)[0] == 2


def test_a_photo_is_never_replaced(bucket, predict, photos):
    place = bucket.put("in/a.png", photos[1]["a.png"])
    code, _, err = predict(place, "--out", f"s3://{bucket.name}/in")
    assert code == 2 and "FC-PREDICT-003" in err and bucket.keys() == ["in/a.png"]


@pytest.mark.parametrize(
    ("images", "masks"),
    [("images/val", "masks/val"), ("images", "masks"), ("JPEGImages", "SegmentationClass")],
)
def test_results_replace_no_masks_of_a_data_set_and_do_not_come_among_its_photos(
    bucket, predict, photos, images, masks
):
    photo, mask, other = f"set/{images}/a.png", f"set/{masks}/a.png", "elsewhere/b.png"
    for key in (photo, mask, other):
        bucket.put(key, photos[1]["a.png"])
    base = f"s3://{bucket.name}/set"
    for named in (f"{base}/{images}", f"s3://{bucket.name}/{photo}"):
        code, _, err = predict(named, "--out", f"{base}/{masks}")
        assert code == 2 and "mask of a data set" in err and "FC-PREDICT-003" in err
    for out in (images, f"{images}/new"):
        code, _, err = predict(f"s3://{bucket.name}/{other}", "--out", f"{base}/{out}")
        assert code == 2 and "would be read as photos" in err and "FC-PREDICT-003" in err
    assert sorted(bucket.keys()) == sorted([photo, mask, other])


def test_masks_of_a_data_set_are_not_predicted_and_missing_ones_may_be_made(
    bucket, predict, photos
):
    for key in ("set/images/val/a.png", "set/masks/val/a.png", "set/images/val/b.png"):
        bucket.put(key, photos[1]["a.png"])
    base = f"s3://{bucket.name}/set"
    code, out, _ = predict(base, "--out", f"s3://{bucket.name}/maps", "--no-overlay")
    assert code == 0 and "2 of 2" in out
    assert set(stored_results(bucket, "maps/")) >= {"images/val/a.png", "images/val/b.png"}
    for _ in range(2):  # the second call finds its own results there, with their overlays
        code, _, err = predict(f"{base}/images/val/b.png", "--out", f"{base}/masks/val")
        assert code == 0, err


@pytest.mark.parametrize("out", ["s3://no-such-bucket/maps", "s3://no-such-bucket"])
def test_a_bucket_that_is_not_there_is_one_line_before_any_work(predict, bucket, photos, out):
    place = bucket.put("in/a.png", photos[1]["a.png"])
    for call in [(place, "--out", out), (f"{out}/in", "--out", f"s3://{bucket.name}/maps")]:
        code, stdout, err = predict(*call)
        assert code == 2 and stdout == ""
        assert err.count("\n") == 1 and "FC-STORAGE-003" in err and "s3://no-such-bucket" in err


def test_missing_credentials_are_one_line(predict, bucket, monkeypatch):
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    s3fs.S3FileSystem.clear_instance_cache()
    code, _, err = predict(f"s3://{bucket.name}/in", "--out", "maps")
    assert code == 2 and err.count("\n") == 1 and "FC-STORAGE-004" in err


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_one_line(predict, bucket, monkeypatch):
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    s3fs.S3FileSystem.clear_instance_cache()
    code, _, err = predict(f"s3://{bucket.name}/in", "--out", "maps")
    assert code == 2 and err.count("\n") == 1 and "FC-STORAGE-005" in err


@pytest.mark.parametrize(
    ("place", "package", "extra"),
    [("s3://b/a.png", "s3fs", "s3"), ("gs://b/a.png", "gcsfs", "gs"),
     ("hf://datasets/o/r/a.png", "huggingface_hub", "hub")],
)  # fmt: skip
def test_a_package_that_is_missing_is_named_with_its_extra(
    predict, photos, monkeypatch, place, package, extra
):
    monkeypatch.setitem(sys.modules, package, None)
    for call in [(place, "--out", "maps"), (str(photos[0]), "--out", place)]:
        code, _, err = predict(*call)
        assert code == 2 and "FC-STORAGE-001" in err and f"fullconv[{extra}]" in err


@pytest.mark.parametrize(
    "options", [("--to", "labelme"), ("--areas",), ("--frames",), ("--input", "depth=d")]
)
def test_options_that_need_a_folder_are_refused_for_a_bucket(predict, photos, options):
    code, _, err = predict(str(photos[0]), "--out", "s3://b/maps", *options)
    assert code == 2 and "FC-CLUSTER-002" in err and options[0] in err


def test_python_reads_a_photo_at_an_address(run, bucket, picture, photos):
    place = bucket.put("in/a.png", photos[1]["a.png"])
    np.testing.assert_array_equal(Predictor(run, "cpu")(place).image, picture(seed=0))
    with pytest.raises(UserError) as caught:
        Predictor(run, "cpu")(f"{place}.none")
    assert caught.value.code == "FC-STORAGE-003"


def test_names_that_differ_in_an_ending_or_a_folder_get_results_of_their_own(bucket, tmp_path):
    keys = ["a/x.jpg", "a/x.png", "b/x.jpg", "b//x.jpg", "b/../hidden.jpg", "b/x.txt"]
    for key in keys:
        bucket.put(key, b"photo")
    found = find_inputs([f"s3://{bucket.name}/a", f"s3://{bucket.name}/b"], tmp_path / "out")
    assert len({entry.result for entry in found}) == len(found) == 4
    assert all((tmp_path / "out") in entry.result.resolve().parents for entry in found)


def test_a_raster_in_a_bucket_is_predicted_by_windows_as_on_the_disk(
    bucket, predict, write, picture, results, tmp_path, monkeypatch
):
    from rasterio.transform import from_origin

    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    image = picture(90, 120)
    scene = write(image, "scenes/scene.tif", crs="EPSG:32632", transform=from_origin(0, 0, 1, 1))
    Image.fromarray(image).save(tmp_path / "scenes/photo.tif")
    local = str(tmp_path / "scenes"), "--out", str(tmp_path / "local"), "--probability"
    assert predict(*local)[0] == 0
    bucket.put("in/scene.tif", scene.read_bytes())
    bucket.put("in/photo.tif", (tmp_path / "scenes/photo.tif").read_bytes())
    call = f"s3://{bucket.name}/in", "--out", f"s3://{bucket.name}/maps", "--probability"
    code, out, _ = predict(*call)
    assert code == 0 and "120 x 90" in out
    assert {"scene_probability.tif", "photo_probability.png"} <= results(tmp_path / "local").keys()
    assert stored_results(bucket, "maps/") == results(tmp_path / "local")
    assert not list((tmp_path / "cache").rglob("*.tif"))
    assert "2 of 2" in predict(*call)[2]


def test_the_local_command_imports_nothing_of_storage_or_ray(run, photos, tmp_path):
    code = (
        "import sys\nfrom fullconv.cli import app\n"
        f"app(['predict', {str(run)!r}, {str(photos[0] / 'a.png')!r}, '--out', 'out', "
        "'--device', 'cpu'], standalone_mode=False)\n"
        "print(sorted({'fsspec', 's3fs', 'ray', 'pyarrow', 'botocore'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr
