"""The copy of a folder at an address: what is fetched, what is not, and what ends it."""

import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fullconv.data import CacheOptions
from fullconv.data.remote import local_copy as module
from fullconv.data.remote import remote_files
from fullconv.data.remote.local_copy import local_copy
from fullconv.data.remote.remote_files import THREADS, check_distinct, in_parallel, writer_of
from fullconv.data.shards.cache import RangeCache
from fullconv.data.shards.remote_storage import RemoteStorage
from fullconv.errors import UserError


def files_in(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def refusal(url: str, code: str, **options) -> str:
    with pytest.raises(UserError) as error:
        local_copy(url, **options)
    assert error.value.code == code
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_copy_has_the_bytes_of_the_folder_and_comes_once(make_folder, remote, copying) -> None:
    folder = make_folder(train=4, val=2)
    remote.fill(folder)
    for hidden in (".git/config", "images/train/.DS_Store", "__MACOSX/images/000.png"):
        remote.put(hidden, b"left out")
    copy = local_copy(remote.url)
    assert files_in(copy) == files_in(folder)
    assert copying() == ["13 of 13"]
    assert local_copy(f"{remote.url}/") == copy
    assert copying() == []


def test_only_what_changed_is_fetched_again(make_folder, remote, copying) -> None:
    folder = make_folder(train=4)
    remote.fill(folder)
    copy = local_copy(remote.url)
    (folder / "images/train/001.png").write_bytes(b"another")
    same_size = (folder / "classes.toml").read_bytes().replace(b"cat", b"cow")
    (folder / "classes.toml").write_bytes(same_size)
    (folder / "new").mkdir()
    (folder / "new/note.txt").write_bytes(b"")
    for name in ("images/train/001.png", "classes.toml", "new/note.txt"):
        remote.put(name, (folder / name).read_bytes())
    copying()
    assert files_in(local_copy(remote.url)) == files_in(folder)
    assert copying() == ["3 of 10"]
    assert (copy / "new/note.txt").is_file()


def test_what_is_removed_there_is_removed_here(make_folder, remote, capsys) -> None:
    folder = make_folder(train=2, val=1)
    remote.fill(folder)
    copy = local_copy(remote.url)
    for name in ("images/val/000.png", "masks/val/000.png"):
        remote.remove(name)
        (folder / name).unlink()
    assert files_in(local_copy(remote.url)) == files_in(folder)
    assert not (copy / "images/val").exists()
    assert "removing 2 from it" in capsys.readouterr().err


def test_what_was_changed_here_is_fetched_again(make_folder, remote, copying) -> None:
    folder = make_folder(train=2)
    copy = local_copy(remote.fill(folder).url)
    (copy / "images/train/000.png").write_bytes(b"cut")
    (copy / "images/train/001.png").unlink()
    (copy / "images/train/of mine.png").write_bytes(b"mine")
    copying()
    assert files_in(local_copy(remote.url)) == files_in(folder)
    assert copying() == ["2 of 5"]


def test_a_file_becomes_a_folder_and_the_reverse(remote) -> None:
    remote.put("a", b"file")
    remote.put("b/c", b"below")
    local_copy(remote.url)
    remote.remove("a")
    remote.remove("b/c")
    remote.put("a/d", b"below")
    remote.put("b", b"file")
    assert files_in(local_copy(remote.url)) == {"a/d": b"below", "b": b"file"}


KILLED = """
import os, signal, sys
from fullconv.data.remote import remote_files
from fullconv.data.remote.local_copy import local_copy
from fullconv.data.shards.remote_storage import RemoteStorage
remote_files.THREADS = 1
fetched, count = RemoteStorage.fetched, 0
def killed(self, *arguments):
    global count
    count += 1
    if count == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return fetched(self, *arguments)
RemoteStorage.fetched = killed
local_copy(sys.argv[1])
"""


def test_a_copy_that_was_killed_is_continued(make_folder, in_s3, capfd, tmp_path: Path) -> None:
    folder = make_folder(train=5)
    in_s3.fill(folder)
    done = subprocess.run([sys.executable, "-c", KILLED, in_s3.url], check=False)
    assert done.returncode == -signal.SIGKILL
    whole = files_in(folder)
    for name, content in files_in(next((tmp_path / "cache/datasets").glob("*/photos"))).items():
        assert name.rpartition("/")[2].startswith(".") or whole[name] == content
    assert files_in(local_copy(in_s3.url)) == whole
    said = capfd.readouterr().err
    assert "copying 7 of 11" in said or "copying 8 of 11" in said
    assert "removing" not in said  # what was half written is no file of theirs


def test_a_record_that_was_cut_or_damaged_costs_its_lines(make_folder, in_memory, copying) -> None:
    folder = make_folder(train=3)
    copy = local_copy(in_memory.fill(folder).url)
    record = copy.parent / "files.jsonl"
    first, second, *others = record.read_text().splitlines(keepends=True)
    record.write_text("".join([first, second[:9] + "\n", '["a", 1]\n', "[\n" * 3, *others])[:-4])
    copying()
    assert files_in(local_copy(in_memory.url)) == files_in(folder)
    assert copying() == ["2 of 7"]


def test_an_object_that_cannot_be_read_is_named_and_the_rest_stays(
    make_folder, in_s3, bucket, copying
) -> None:
    folder = make_folder(train=4)
    in_s3.fill(folder)
    bucket.deny("s3:GetObject", "sets/photos/masks/train/003.png")
    message = refusal(in_s3.url, "FC-SHARDS-004")
    assert message.startswith(f"{in_s3.url}/masks/train/003.png: access is denied")
    bucket.allow()
    copying()
    assert files_in(local_copy(in_s3.url)) == files_in(folder)
    (said,) = copying()
    assert int(said.split()[0]) <= 3  # the others had begun before the refusal came


def test_what_had_begun_comes_before_the_error_and_nothing_begins_after_it() -> None:
    began, failed = threading.Barrier(THREADS), threading.Event()

    def work(item: int) -> int:
        if item < THREADS:
            began.wait(30)
        if item == 0:
            failed.set()
            raise ValueError("of 0")
        failed.wait(30)
        time.sleep(0.2)  # so that the error is there first
        return item

    came = []
    results = in_parallel(work, range(10 * THREADS))
    with pytest.raises(ValueError, match="of 0"):
        for result in results:
            came.append(result)
    assert set(range(1, THREADS)) <= set(came)
    assert len(came) < 3 * THREADS


def test_keys_without_any_right_are_named(make_folder, in_s3, monkeypatch) -> None:
    in_s3.fill(make_folder(train=1))
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)  # keys count from now on
    assert in_s3.url in refusal(in_s3.url, "FC-SHARDS-004")


@pytest.mark.parametrize("hidden", [False, True])
def test_an_address_with_nothing_in_it_is_named(remote, hidden: bool) -> None:
    if hidden:
        remote.put(".keep", b"")
    assert remote.url in refusal(remote.url, "FC-SHARDS-003")


def test_a_bucket_that_is_not_there_is_named(bucket) -> None:
    assert "s3://no-bucket/photos" in refusal("s3://no-bucket/photos", "FC-SHARDS-003")


def test_a_file_that_is_no_data_set_is_named(remote) -> None:
    remote.put("photos.zip", b"PK")
    assert f"{remote.url}/photos.zip: is a file" in refusal(
        f"{remote.url}/photos.zip", "FC-REMOTE-001"
    )


@pytest.mark.parametrize(
    "name", ["../up.png", "a/../../up.png", "..", "a/..", "./a.png", "back\\slash.png", "C\\..\\x"]
)
def test_names_that_lead_elsewhere_are_refused(in_s3, name: str, tmp_path: Path) -> None:
    in_s3.put("classes.toml", b"")
    in_s3.put(name, b"evil")
    assert "which can be none" in refusal(in_s3.url, "FC-REMOTE-003")
    assert not (tmp_path / "cache").exists()


def test_what_is_a_file_and_a_folder_is_refused(in_s3) -> None:
    in_s3.put("a", b"file")
    in_s3.put("a/b", b"below")
    assert f"{in_s3.url}/a: is a file and a folder" in refusal(in_s3.url, "FC-REMOTE-003")


@pytest.mark.parametrize("names", [("a/B.png", "A/b.png"), ("\u00e9.png", "e\u0301.png")])
def test_names_that_are_alike_are_refused_where_the_disk_takes_one(names) -> None:
    storage = RemoteStorage("memory://sets/photos")
    check_distinct(storage, names, are_alike=False)
    with pytest.raises(UserError, match="by case") as error:
        check_distinct(storage, names, are_alike=True)
    assert error.value.code == "FC-REMOTE-003"


def test_more_than_the_cache_takes_is_refused_before_a_byte_comes(make_folder, remote) -> None:
    remote.fill(make_folder(train=4))
    message = refusal(remote.url, "FC-REMOTE-002", cache=CacheOptions(limit=2_000))
    assert f"fullconv pack {remote.url} shards/" in message
    assert "data.cache_size" in message
    copy = local_copy(remote.url)
    assert local_copy(remote.url, CacheOptions(limit=2_000)) == copy  # nothing is to be fetched


def test_more_than_the_disk_takes_is_refused(make_folder, remote, monkeypatch) -> None:
    remote.fill(make_folder(train=1))
    monkeypatch.setattr(module, "FREE", 2**62)
    assert f"fullconv pack {remote.url} shards/" in refusal(remote.url, "FC-REMOTE-002")


def test_a_listing_without_end_is_given_up(in_memory, monkeypatch) -> None:
    in_memory.put("/".join("abcdefgh"), b"deep")
    monkeypatch.setattr(remote_files, "DEEPEST", 7)
    assert "7 levels" in refusal(in_memory.url, "FC-REMOTE-004")
    monkeypatch.undo()
    for number in range(5):
        in_memory.put(f"{number}", b"")
    monkeypatch.setattr(remote_files, "MOST_FILES", 4)
    assert "more than 4 files" in refusal(in_memory.url, "FC-REMOTE-004")


def test_large_files_come_in_several_requests(in_memory, monkeypatch) -> None:
    monkeypatch.setattr(remote_files, "BLOCK", 10)
    content = bytes(range(35))
    in_memory.put("large.tif", content)
    in_memory.put("whole.tif", content[:30])
    assert files_in(local_copy(in_memory.url)) == {"large.tif": content, "whole.tif": content[:30]}


def test_a_file_that_changes_on_the_way_is_refused(in_memory, tmp_path: Path) -> None:
    in_memory.put("a.png", b"longer")
    write = writer_of(RemoteStorage(in_memory.url), "a.png", 4)
    with pytest.raises(UserError) as error, (tmp_path / "a.png").open("wb") as file:
        write(file)
    assert error.value.code == "FC-REMOTE-005"


def test_a_cache_that_cannot_be_written_is_named(make_folder, in_memory, tmp_path: Path) -> None:
    in_memory.fill(make_folder(train=1))
    (tmp_path / "file").write_text("")
    refusal(in_memory.url, "FC-FILE-004", cache=CacheOptions(tmp_path / "file"))


def test_the_cache_of_shards_leaves_copies_alone(make_folder, in_memory, tmp_path: Path) -> None:
    folder = make_folder(train=3)
    copy = local_copy(in_memory.fill(folder).url, CacheOptions(tmp_path / "own"))
    ranges = RangeCache(tmp_path / "own", 1_000)
    for number in range(4):
        ranges.put(bytes([number]) * 32, bytes(400))
    assert files_in(copy) == files_in(folder)


def copied(url: str) -> None:
    local_copy(url)


def test_processes_that_copy_at_once_wait_for_each_other(make_folder, in_s3, tmp_path) -> None:
    folder = make_folder(train=6)
    in_s3.fill(folder)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=copied, args=(in_s3.url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert files_in(local_copy(in_s3.url)) == files_in(folder)
    (place,) = (tmp_path / "cache/datasets").iterdir()
    assert sorted(file.name for file in place.iterdir()) == [".used", "files.jsonl", "photos"]
