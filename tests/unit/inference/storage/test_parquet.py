"""Photos in Parquet files."""

import pytest

from fullconv.errors import UserError
from fullconv.inference.storage.parquet import PhotoTable

pyarrow = pytest.importorskip("pyarrow", reason="needs fullconv[ray]")
parquet = pytest.importorskip("pyarrow.parquet")


def write_table(file, rows, group=3, **columns):
    names, contents = zip(*rows, strict=True)
    table = pyarrow.table({"path": list(names), "bytes": list(contents), **columns})
    parquet.write_table(table, file, row_group_size=group)


def test_the_rows_of_a_table_are_predicted_as_files(predict, photos, results, tmp_path):
    folder, files = photos
    names = [name for name in files if not name.startswith(".")]
    assert predict(str(folder), "--out", str(tmp_path / "local"))[0] == 1
    write_table(tmp_path / "photos.parquet", [(name, files[name]) for name in names])
    code, _, err = predict(str(tmp_path / "photos.parquet"), "--out", "memory://from-table")
    assert code == 1 and "photos.parquet#bad.png" in err and "FC-DATA-002" in err
    import fsspec

    memory = fsspec.filesystem("memory")
    found = [name for name in memory.find("/from-table") if "/.fullconv/" not in name]
    local = results(tmp_path / "local")
    assert {n.removeprefix("/from-table/"): memory.cat_file(n) for n in found} == local
    memory.pipe_file("/tables/part-0.parquet", (tmp_path / "photos.parquet").read_bytes())
    assert predict("memory://tables", "--out", str(tmp_path / "again"))[0] == 1
    assert results(tmp_path / "again") == local
    memory.rm("/", recursive=True)


def test_any_row_can_be_read_in_any_order(tmp_path):
    rows = [(f"{n}.png", bytes([n]) * (n + 1)) for n in range(50)]
    write_table(tmp_path / "t.parquet", rows, group=37)
    table = PhotoTable(str(tmp_path / "t.parquet"))
    places = dict(table.paths())
    assert [*places.values()] == [name for name, _ in rows]
    by_name = dict(rows)
    orders = [list(places), list(places)[::-1], list(places)[::7], [(0, 36), (1, 0), (0, 0)]]
    for order in orders:
        assert [table.read(row) for row in order] == [by_name[places[row]] for row in order]


def test_what_is_no_table_of_photos_is_named(tmp_path, predict):
    parquet.write_table(pyarrow.table({"path": ["a"], "image": [b""]}), tmp_path / "no.parquet")
    with pytest.raises(UserError) as caught:
        PhotoTable(str(tmp_path / "no.parquet"))
    assert caught.value.code == "FC-STORAGE-006" and "bytes" in str(caught.value)
    whole = (tmp_path / "no.parquet").read_bytes()
    for content in (b"", b"text", whole[:-9], b"PAR1" + b"\0" * 50 + b"PAR1"):
        (tmp_path / "cut.parquet").write_bytes(content)
        code, _, err = predict(str(tmp_path / "cut.parquet"), "--out", str(tmp_path / "out"))
        assert code == 2 and "FC-STORAGE-007" in err and "cut.parquet" in err
    write_table(tmp_path / "null.parquet", [("a.png", None), ("b.png", b"x")])
    table = PhotoTable(str(tmp_path / "null.parquet"))
    with pytest.raises(UserError) as caught:
        table.read((0, 0))
    assert caught.value.code == "FC-STORAGE-006" and table.read((0, 1)) == b"x"


def test_names_in_a_table_cannot_lead_out_of_the_folder(predict, photos, tmp_path):
    names = ["../../up.png", "/etc/abs.png", "a/../../b.png", "", "s3://x/c.png", "same.png"]
    rows = [(name, photos[1]["a.png"]) for name in [*names, "same.png"]]
    write_table(tmp_path / "t.parquet", rows)
    out = tmp_path / "deep/er/out"
    call = str(tmp_path / "t.parquet"), "--out", str(out), "--no-overlay"
    before = {file for file in tmp_path.rglob("*") if file.is_file()}
    assert predict(*call)[0] == 0
    new = {file for file in tmp_path.rglob("*") if file.is_file()} - before
    assert all(out in file.parents for file in new)
    assert len([file for file in new if file.suffix == ".png"]) == len(set(names))
