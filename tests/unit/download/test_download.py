"""Downloads from a server that cuts, stalls, lies and loops: the right bytes, or one line."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fullconv.download import Checksum, Patience, RemoteFile, cache_folder, download
from fullconv.errors import UserError
from webserver import serving

CONTENT = random.Random(1).randbytes(600_000)
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
# A timeout that a busy machine does not meet by itself; short only where a stall is the matter.
QUICK = Patience(timeout=20, attempts=3, pause=0.01, longest=0.05)
STALLED = Patience(timeout=0.7, attempts=2, pause=0.01)


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy between the test and its server, and nothing switched off."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("FULLCONV_OFFLINE", raising=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "weights.bin"


def remote(url, *more, size=SIZE, checksum=("sha256", SHA256), **options):
    check = Checksum(*checksum) if checksum else None
    return RemoteFile("weights.bin", (url, *more), size=size, checksum=check, **options)


def fetch(file, path, patience=QUICK, **options):
    return download(file, path, patience=patience, **options)


def refused(file, path, *says, patience=QUICK, **options):
    """The one line that ``download`` ends with; nothing lies under the final name."""
    with pytest.raises(UserError) as error:
        fetch(file, path, patience, **options)
    message = str(error.value)
    assert "\n" not in message
    assert not path.exists()
    for part in (*says, path.name):
        assert part in message
    return message


def left(path):
    """What lies beside the file, but for the file."""
    return sorted(p.name for p in path.parent.iterdir() if p != path)


def good(handler, _):
    handler.give(CONTENT)


def test_a_file_arrives_whole_and_alone(path):
    moves = []
    with serving(good) as server:
        assert fetch(remote(server.url), path, progress=lambda *m: moves.append(m)) == path
        assert path.read_bytes() == CONTENT
        assert left(path) == []
        assert server.ranges == [None]
        fetch(remote(server.url), path)  # it is there: no second request
        assert server.ranges == [None]
    assert [done for done, _ in moves] == sorted(done for done, _ in moves)
    assert moves[-1] == (SIZE, SIZE)


@pytest.mark.parametrize("cut", [1, 70_000, SIZE - 1])
def test_a_cut_connection_goes_on_with_the_rest_only(path, cut):
    def behave(handler, number):
        handler.give(CONTENT, until=cut if number == 1 else None)

    with serving(behave) as server:
        fetch(remote(server.url), path)
        assert server.ranges == [None, f"bytes={cut}-"]
        assert server.asked[1]["If-Range"] == '"one"'
    assert path.read_bytes() == CONTENT


def test_a_later_call_goes_on_where_the_first_gave_up(path):
    def behave(handler, number):
        handler.give(CONTENT, until=200_000 if number == 1 else 0)

    with serving(behave) as server:
        message = refused(remote(server.url), path, "call again to go on from byte 200000")
        assert server.url in message
        assert left(path) == [".weights.bin.part", ".weights.bin.part.json"]
        server.behave = good
        server.ranges.clear()
        fetch(remote(server.url), path)
        assert server.ranges == ["bytes=200000-"]
    assert path.read_bytes() == CONTENT
    assert left(path) == []


def test_many_cuts_are_no_end_while_each_brings_something(path):
    content = bytes(3 << 20)
    with serving(lambda h, _: h.give(content, until=(1 << 20) + 1)) as server:
        file = remote(server.url, size=len(content), checksum=None)
        fetch(file, path, Patience(attempts=1, pause=0.0))
        assert len(server.ranges) == 3
    assert path.read_bytes() == content


def test_a_stall_is_cut_and_resumed(path):
    def behave(handler, number):
        handler.give(CONTENT, until=100_000 if number == 1 else None)
        if number == 1:
            handler.stall(60)

    with serving(behave) as server:
        fetch(remote(server.url), path, STALLED)
        assert server.ranges[0] is None
        assert set(server.ranges[1:]) == {"bytes=100000-"}
    assert path.read_bytes() == CONTENT


def test_a_server_that_only_stalls_ends_in_one_line(path):
    with serving(lambda handler, _: handler.stall(60)) as server:
        refused(remote(server.url), path, "stalled", server.url, str(path), patience=STALLED)
        assert len(server.ranges) <= STALLED.attempts


def test_a_drip_of_bytes_counts_as_a_stall(path):
    def behave(handler, _):
        handler.start(200, Content_Length=SIZE)
        while not handler.server.over.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    with serving(behave) as server:
        refused(remote(server.url), path, "nearly stalled", patience=STALLED)


def test_a_server_without_ranges_is_asked_for_all_again(path):
    def behave(handler, number):
        handler.give(CONTENT, ranges=False, until=150_000 if number == 1 else None)

    with serving(behave) as server:
        fetch(remote(server.url), path)
        assert server.ranges == [None, "bytes=150000-"]
    assert path.read_bytes() == CONTENT


def test_a_file_changed_between_attempts_begins_anew(path):
    """ETags differ, so the server answers If-Range with the whole of the new file."""
    old = random.Random(2).randbytes(SIZE)

    def behave(handler, number):
        if number == 1:
            handler.give(old, tag='"old"', until=300_000)
        else:
            handler.give(CONTENT, tag='"new"')

    with serving(behave) as server:
        fetch(remote(server.url, checksum=None), path)
        assert server.asked[1]["If-Range"] == '"old"'
    assert path.read_bytes() == CONTENT


def test_a_changed_file_behind_a_server_that_ignores_if_range_is_found_by_the_checksum(path):
    old = random.Random(2).randbytes(SIZE)

    def behave(handler, number):
        handler.give(
            old if number == 1 else CONTENT, tag=None, until=5_000 if number == 1 else None
        )

    with serving(behave) as server:
        fetch(remote(server.url), path)
        assert server.ranges == [None, "bytes=5000-", None]
    assert path.read_bytes() == CONTENT


def test_without_validator_and_checksum_nothing_is_kept(path):
    def behave(handler, number):
        handler.give(CONTENT, tag=None, until=5_000 if number == 1 else None)

    with serving(behave) as server:
        fetch(remote(server.url, checksum=None), path)
        assert server.ranges == [None, None]


def test_last_modified_serves_where_there_is_no_strong_tag(path):
    def behave(handler, number):
        handler.start(
            200, Content_Length=9, ETag='W/"weak"', Last_Modified=formatdate(0, usegmt=True)
        )
        handler.wfile.write(b"123456789"[: 4 if number == 1 else 9])

    with serving(behave) as server:
        fetch(remote(server.url, size=9, checksum=None), path)
        assert server.asked[1]["If-Range"] == formatdate(0, usegmt=True)
    assert path.read_bytes() == b"123456789"


def test_another_range_than_asked_for_is_not_glued_on(path):
    def behave(handler, number):
        if number == 1:
            handler.give(CONTENT, until=1000)
        elif number == 2:
            span = f"bytes 0-{SIZE - 1}/{SIZE}"
            handler.start(206, Content_Range=span, Content_Length=SIZE)
            handler.wfile.write(CONTENT)
        else:
            handler.give(CONTENT)

    with serving(behave) as server:
        fetch(remote(server.url), path)
        assert server.ranges == [None, "bytes=1000-", None]
    assert path.read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_the_part_is_gone(path):
    wrong = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with serving(lambda handler, _: handler.give(wrong)) as server:
        refused(remote(server.url), path, "sha256", SHA256, "damaged", server.url)
        assert left(path) == []
        assert len(server.ranges) == 1  # asking again would bring the same


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5", "sha256-prefix"])
def test_every_algorithm_accepts_the_file_and_refuses_another(path, algorithm):
    name = algorithm.removesuffix("-prefix")
    digest = hashlib.new(name, CONTENT).hexdigest()[: 8 if "prefix" in algorithm else None]
    with serving(good) as server:
        wrong = digest[:-1] + "0123456789abcdef"[int(digest[-1], 16) ^ 1]
        refused(remote(server.url, checksum=(algorithm, wrong)), path, digest, wrong)
        fetch(remote(server.url, checksum=(algorithm, digest)), path)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_stated_length_that_is_not_the_file_s_is_refused_before_a_byte(path, change):
    def behave(handler, _):
        handler.start(200, Content_Length=SIZE + change)
        handler.wfile.write(CONTENT)

    with serving(behave) as server:
        refused(remote(server.url), path, f"{SIZE + change} bytes, not {SIZE}")
        assert left(path) == []


def test_a_length_too_long_is_a_cut_where_no_size_is_known(path):
    def behave(handler, _):
        handler.start(200, Content_Length=SIZE + 5)
        handler.wfile.write(CONTENT)

    with serving(behave) as server:
        refused(remote(server.url, size=None, checksum=None), path, "was cut after")


def test_a_length_too_short_is_found_by_the_checksum(path):
    def behave(handler, _):
        handler.start(200, Content_Length=SIZE - 5)
        handler.wfile.write(CONTENT)

    with serving(behave) as server:
        refused(remote(server.url, size=None), path, "sha256")
        assert left(path) == []


@pytest.mark.parametrize("known", [{"size": 100_000}, {"size": None, "about": 100_000}])
def test_endless_data_ends(path, known):
    def behave(handler, _):
        handler.start(200, Transfer_Encoding="chunked")
        while not handler.server.over.is_set():
            handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    with serving(behave) as server:
        refused(remote(server.url, checksum=None, **known), path, "more than", "another file")
        assert left(path) == []


def test_a_chunked_answer_without_length_is_taken_and_a_cut_one_is_not(path):
    def behave(handler, number):
        handler.start(200, Transfer_Encoding="chunked")
        handler.wfile.write(b"5\r\nhello\r\n")
        if number > 1:
            handler.wfile.write(b"0\r\n\r\n")

    with serving(behave) as server:
        fetch(remote(server.url, size=None, checksum=None), path)
        assert len(server.ranges) == 2
    assert path.read_bytes() == b"hello"


def test_an_empty_answer_is_no_file(path):
    with serving(lambda handler, _: handler.give(b"")) as server:
        refused(remote(server.url, size=None, checksum=None), path, "empty")


def test_a_web_page_is_not_taken_for_the_file(path):
    def behave(handler, _):
        handler.start(200, Content_Type="text/html; charset=utf-8", Content_Length=5)
        handler.wfile.write(b"<html")

    with serving(behave) as server:
        refused(remote(server.url, size=None, checksum=None), path, "a web page", str(path))


def test_a_server_that_packs_unasked_is_refused(path):
    def behave(handler, _):
        handler.start(200, Content_Encoding="gzip", Content_Length=5)
        handler.wfile.write(b"\x1f\x8b...")

    with serving(behave) as server:
        refused(remote(server.url, size=None, checksum=None), path, "packs it", "gzip")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_fault_is_waited_for(path, status):
    def behave(handler, number):
        if number == 1:
            handler.start(status, Retry_After="0", Content_Length=0)
        else:
            handler.give(CONTENT)

    with serving(behave) as server:
        fetch(remote(server.url), path)
        assert len(server.ranges) == 2


def test_retry_after_is_kept_up_to_the_longest_pause(path):
    def behave(handler, number):
        if number == 1:
            handler.start(503, Retry_After="3600", Content_Length=0)
        else:
            handler.give(CONTENT)

    with serving(behave) as server:
        started = time.monotonic()
        fetch(remote(server.url), path, Patience(attempts=2, pause=0.0, longest=0.3))
        assert 0.3 <= time.monotonic() - started < 600


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (410, 1), (500, 3), (503, 3)])
def test_a_status_that_stays_ends_in_one_line(path, status, requests):
    def behave(handler, _):
        handler.start(status, Content_Length=0)

    with serving(behave) as server:
        refused(remote(server.url), path, f"HTTP {status}", server.url, str(path))
        assert len(server.ranges) == requests


def test_the_second_address_is_asked_where_the_first_fails(path):
    with serving(lambda h, _: h.start(404, Content_Length=0)) as gone, serving(good) as mirror:
        fetch(remote(gone.url, mirror.url), path)
        assert len(gone.ranges) == len(mirror.ranges) == 1
    assert path.read_bytes() == CONTENT


def test_a_mirror_goes_on_with_the_part_of_another_when_a_checksum_will_tell(path):
    def behave(handler, number):
        handler.give(CONTENT, until=400_000 if number == 1 else 0)

    with serving(behave) as first, serving(good) as mirror:
        fetch(remote(first.url, mirror.url), path)
        assert mirror.ranges == ["bytes=400000-"]
        assert "If-Range" not in mirror.asked[0]  # the tag is the other server's
    assert path.read_bytes() == CONTENT


def test_redirects_are_followed_and_a_circle_is_not(path):
    def behave(handler, number):
        if handler.path == "/weights.bin":
            handler.start(302, Location="/moved", Content_Length=0)
        else:
            handler.give(CONTENT)

    with serving(behave) as server:
        fetch(remote(server.url), path)
        assert path.read_bytes() == CONTENT
        path.unlink()
        server.behave = lambda h, _: h.start(302, Location="/weights.bin", Content_Length=0)
        server.ranges.clear()
        refused(remote(server.url), path, "redirects in a circle")
        assert len(server.ranges) < 10


@pytest.mark.parametrize("to", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_away_from_the_web_is_refused(path, to):
    with serving(lambda h, _: h.start(302, Location=to, Content_Length=0)) as server:
        refused(remote(server.url), path, "redirects")
        assert left(path) == []


def test_a_redirect_from_https_to_http_is_refused():
    """The rule itself: a server with a certificate would need one that this machine trusts."""
    from urllib.request import Request

    from fullconv.download.request import Refused, _Redirects

    ask = _Redirects().redirect_request
    with pytest.raises(Refused, match="https to http"):
        ask(Request("https://a.example/x"), None, 302, "", {}, "http://a.example/x")
    assert ask(Request("http://a.example/x"), None, 302, "", {}, "https://a.example/x")


@pytest.mark.parametrize(
    "url",
    ["file:///x", "ftp://a/b", "http://", "a.bin", "http://a/b c", "http://a:x/", "http://ä/"],
)
def test_only_web_addresses_are_files(url):
    with pytest.raises(UserError, match="no http or https address"):
        RemoteFile("x", (url,))


def test_nobody_listens(path):
    with serving(good) as server:
        url = server.url
    refused(remote(url), path, url, "refused")


def test_garbage_instead_of_http(path):
    def behave(handler, _):
        handler.wfile.write(b"\x00\xff nothing like HTTP\r\n\r\n")

    with serving(behave) as server:
        refused(remote(server.url), path, "no valid answer")


def test_offline_says_address_and_place(path, monkeypatch):
    with serving(good) as server:
        refused(remote(server.url), path, server.url, str(path), "by hand", offline=True)
        monkeypatch.setenv("FULLCONV_OFFLINE", "1")
        refused(remote(server.url), path, server.url)
        assert server.ranges == []
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(CONTENT)
        assert fetch(remote(server.url), path) == path
        monkeypatch.setenv("FULLCONV_OFFLINE", "perhaps")
        path.unlink()
        with pytest.raises(UserError, match="FULLCONV_OFFLINE=perhaps"):
            fetch(remote(server.url), path)


def test_a_file_put_there_by_hand_is_verified_and_kept(path):
    path.parent.mkdir()
    path.write_bytes(b"something else")
    with pytest.raises(UserError, match=r"14 bytes.*remove it"):
        fetch(remote("http://127.0.0.1:1/x"), path)
    assert path.read_bytes() == b"something else"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        fetch(remote("http://127.0.0.1:1/x"), tmp_path / "cache" / "weights.bin")


def test_two_at_once_fetch_once(path):
    def behave(handler, _):
        time.sleep(0.2)
        handler.give(CONTENT)

    with serving(behave) as server:
        threads = [
            threading.Thread(target=fetch, args=(remote(server.url), path, Patience()))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.ranges == [None]
    assert path.read_bytes() == CONTENT
    assert left(path) == []


KILLED = """
import sys
from pathlib import Path
from fullconv.download import RemoteFile, download
download(RemoteFile("weights.bin", (sys.argv[1],)), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_leaves_no_final_file_and_blocks_nobody(path, how):
    def behave(handler, number):
        handler.give(CONTENT, until=100_000 if number == 1 else None)
        if number == 1:
            handler.stall(120)

    with serving(behave) as server:
        child = subprocess.Popen([sys.executable, "-c", KILLED, server.url, path], stderr=-3)
        part = path.with_name(".weights.bin.part")
        until = time.monotonic() + 100
        while not (part.exists() and part.stat().st_size == 100_000):
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(child.pid, how)
        child.wait()
        assert not path.exists()
        fetch(remote(server.url), path)
        assert server.ranges == [None, "bytes=100000-"]
    assert path.read_bytes() == CONTENT
    assert left(path) == []


FATES = st.lists(
    st.tuples(
        st.sampled_from(["cut", "status", "whole", "wrong range", "unknown"]),
        st.integers(0, 5000),
    ),
    max_size=6,
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(fates=FATES, size_known=st.booleans(), tag=st.sampled_from([None, '"t"']))
def test_whatever_happens_on_the_way_the_bytes_are_right(tmp_path_factory, fates, size_known, tag):
    content = CONTENT[:5000]
    path = tmp_path_factory.mktemp("any") / "weights.bin"

    def behave(handler, number):
        what, at = fates[number - 1] if number <= len(fates) else ("whole", 0)
        if what == "cut":
            handler.give(content, tag=tag, until=at)
        elif what == "status":
            handler.start(503, Content_Length=0)
        elif what == "wrong range":
            handler.start(
                206, Content_Range=f"bytes {at}-{at + 9}/{len(content)}", Content_Length=9
            )
            handler.wfile.write(b"123456789")
        elif what == "unknown":
            handler.give(content, ranges=False, tag=tag, until=at)
        else:
            handler.give(content, tag=tag)

    check = ("sha256", hashlib.sha256(content).hexdigest())
    with serving(behave) as server:
        file = remote(server.url, size=len(content) if size_known else None, checksum=check)
        for _ in range(8):  # a call may give up; calls together come to the end
            try:
                fetch(file, path, Patience(1.0, 2, 0.0, 0.0))
                break
            except UserError:
                assert not path.exists()
    assert path.read_bytes() == content
    assert left(path) == []


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("FULLCONV_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "fullconv"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "fullconv"


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [("crc32", "0" * 8), ("sha1", "0" * 39), ("md5", "G" * 32), ("sha256-prefix", "1234567")],
)
def test_what_is_no_checksum_is_refused(algorithm, digest):
    with pytest.raises(UserError):
        Checksum(algorithm, digest)
