"""Archives are unpacked as they are, or refused: nothing outside, no links, no bombs."""

import io
import stat
import struct
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fullconv.download import unpack
from fullconv.errors import UserError

FILES = {"VOC/a/1.jpg": b"one", "VOC/b.txt": b"", "VOC/deep/er/2.png": bytes(3000)}


def entry(name, kind=tarfile.REGTYPE, size=0, link=""):
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


def tarred(path, members, mode="w"):
    """A tar of (TarInfo or name, bytes)."""
    with tarfile.open(path, mode) as tar:
        for info, content in members:
            info = entry(info) if isinstance(info, str) else info
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def zipped(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        for info, content in members:
            file.writestr(info, content)
    return path


def refused(archive, tmp_path, *names, code="FC-DOWNLOAD-006"):
    """The one line that the archive is refused with; nothing appears outside the folder."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError) as error:
        unpack(archive, tmp_path / "inside" / "new")
    message = str(error.value)
    assert error.value.code == code, message
    assert "\n" not in message
    for part in (*names, archive.name):
        assert part in message
    inside = tmp_path / "inside"
    after = [p for p in tmp_path.rglob("*") if p != inside and inside not in p.parents]
    assert sorted(after) == before
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))
    return message


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_files_come_out_as_they_went_in(tmp_path, mode):
    make = zipped if mode == "zip" else tarred
    archive = make(tmp_path / "x.archive", FILES.items(), *(() if mode == "zip" else (mode,)))
    moves = []
    count = unpack(archive, tmp_path / "new", lambda *move: moves.append(move))
    unpacked = {
        p.relative_to(tmp_path / "new").as_posix(): p.read_bytes()
        for p in (tmp_path / "new").rglob("*")
        if p.is_file()
    }
    assert unpacked == FILES
    assert count == len(FILES)
    assert moves == [(1, None), (2, None), (3, None)]


def test_modes_and_owners_of_the_archive_are_not_taken(tmp_path):
    info = entry("run.sh")
    info.mode, info.uid = 0o6777, 0
    unpack(tarred(tmp_path / "x.tar", [(info, b"x")]), tmp_path / "new")
    mode = (tmp_path / "new" / "run.sh").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_ISGID | 0o111)


NAMES = [
    "../evil",
    "a/../../evil",
    "/tmp/evil",
    "a\\..\\evil",
    "C:evil",
    "a/\x07bell",
    "a/new\nline",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [tarred, zipped])
def test_names_that_lead_out_are_refused(tmp_path, make, name):
    archive = make(tmp_path / "x.archive", [("good", b"1"), (name, b"2")])
    refused(archive, tmp_path, "leads out of the folder", code="FC-DOWNLOAD-007")


def zip_link(name):
    link = zipfile.ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return link


LINKS = {
    "symlink in a zip": (zipped, zip_link("link")),
    **{
        f"tar type {kind.decode()}": (tarred, entry("link", kind, link="/etc"))
        for kind in (
            *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE),
            tarfile.FIFOTYPE,
        )
    },
}


@pytest.mark.parametrize("what", LINKS)
def test_what_is_no_file_is_refused(tmp_path, what):
    make, link = LINKS[what]
    archive = make(tmp_path / "x.archive", [(link, b""), ("link/passwd", b"2")])
    refused(archive, tmp_path, "'link'", "no plain file", code="FC-DOWNLOAD-007")


@pytest.mark.parametrize("make", [tarred, zipped])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(tmp_path, make):
    archive = make(tmp_path / "x", [("a", b"1"), ("a", b"2")])
    refused(archive, tmp_path, "exists", code="FC-FILE-002")


def test_a_name_that_is_a_file_and_a_folder_is_refused(tmp_path):
    archive = tarred(tmp_path / "x.tar", [("a", b"1"), ("a/b", b"2")])
    refused(archive, tmp_path, code="FC-FILE-002")


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path, kind):
    """A small archive of many zeros, over RATIO times itself."""
    parts = [(f"{n}.png", bytes(8 << 20)) for n in range(5)]
    archive = tmp_path / f"x.{kind}"
    zipped(archive, parts) if kind == "zip" else tarred(archive, parts, "w:gz")
    assert archive.stat().st_size < 100_000
    refused(archive, tmp_path, "more than such data has", code="FC-DOWNLOAD-007")
    written = sum(p.stat().st_size for p in (tmp_path / "inside").rglob("*") if p.is_file())
    assert written <= 16 << 20


def test_a_huge_declared_size_is_refused_at_once(tmp_path):
    archive = tmp_path / "x.tar"
    archive.write_bytes(entry("huge", size=2**60).tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    refused(archive, tmp_path, "more than such data has", code="FC-DOWNLOAD-007")


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path):
    archive = zipped(tmp_path / "x.zip", [("a", bytes(1 << 20))])
    content = archive.read_bytes()
    archive.write_bytes(content.replace(struct.pack("<L", 1 << 20), struct.pack("<L", 10)))
    refused(archive, tmp_path, "damaged")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_endless_description_is_refused_before_it_is_read(tmp_path, kind):
    archive = tmp_path / "x.tar"
    archive.write_bytes(entry("x", kind, size=2**33).tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    refused(archive, tmp_path, "damaged", "description of 8589934592 bytes")


def test_a_zip_with_a_password_is_refused(tmp_path):
    archive = zipped(tmp_path / "x.zip", [("a", b"secret")])
    content = bytearray(archive.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    refused(archive, tmp_path, "damaged")


@pytest.mark.parametrize("content", [b"", b"<html>gone</html>", bytes(100), b"PK\x03\x04rubbish"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    archive = tmp_path / "x.tar"
    archive.write_bytes(content)
    refused(archive, tmp_path, "damaged, or no tar or zip")


MAKERS = {
    "tar": lambda path: tarred(path, FILES.items()),
    "tgz": lambda path: tarred(path, FILES.items(), "w:gz"),
    "zip": lambda path: zipped(path, FILES.items()),
}


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(0, 255), where=st.floats(0, 1))
def test_a_truncated_or_damaged_archive_never_does_more_than_it_should(
    tmp_path_factory, kind, share, flip, where
):
    """It unpacks (the damage lay where it does not matter) or ends in one UserError."""
    folder = tmp_path_factory.mktemp("fuzz")
    content = bytearray(MAKERS[kind](folder / "x").read_bytes())
    content[int(where * (len(content) - 1))] ^= flip
    (folder / "x").write_bytes(content[: int(share * len(content)) if flip % 2 else None])
    try:
        unpack(folder / "x", folder / "new")
    except UserError as error:
        assert "\n" not in str(error)
    assert {p.name for p in folder.iterdir()} <= {"x", "new"}


@pytest.mark.parametrize("kind", MAKERS)
def test_an_archive_cut_in_a_file_is_refused(tmp_path, kind):
    archive = MAKERS[kind](tmp_path / "x")
    content = archive.read_bytes()
    archive.write_bytes(content[: 3300 if kind == "tar" else len(content) // 2])
    refused(archive, tmp_path, "damaged")
