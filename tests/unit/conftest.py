"""What tests of several packages share."""

import pytest

from buckets import buckets

_count = 0


@pytest.fixture(scope="session")
def make_bucket():
    with buckets() as make:
        yield make


@pytest.fixture
def bucket(make_bucket, monkeypatch):
    """An empty bucket, with the environment in which s3:// leads to its server."""
    import s3fs

    global _count
    _count += 1
    new = make_bucket(f"photos-{_count}")
    for name, value in new.environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield new
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def write(tmp_path):
    """``write(array, name, **profile)`` writes bands (C, H, W), or RGB (H, W, 3), as a raster."""
    rasterio = pytest.importorskip("rasterio", reason="needs fullconv[large]")

    def make(array, name="scene.tif", mask=None, meanings=None, **profile):
        bands = array.transpose(2, 0, 1) if array.ndim == 3 and array.shape[2] == 3 else array
        shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        profile = {"driver": "GTiff", "dtype": bands.dtype, **shape, **profile}
        with rasterio.open(path, "w", **profile) as dataset:
            if meanings:
                dataset.colorinterp = [rasterio.enums.ColorInterp[each] for each in meanings]
            dataset.write(bands)
            if mask is not None:
                dataset.write_mask(mask)
        return path

    return make
