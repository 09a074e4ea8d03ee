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
from urllib.request import Request

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fullconv.download import Checksum, RemoteFile, RetryPolicy, cache_folder, download
from fullconv.download.request import PermanentError, _Redirects
from fullconv.errors import UserError
from webserver import serving

CONTENT = random.Random(1).randbytes(600_000)
OLD = random.Random(2).randbytes(600_000)
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
# A timeout that a busy machine does not meet by itself; short only where a stall is the matter.
QUICK = RetryPolicy(timeout=20, attempts=3, pause=0.01, longest=0.05)
STALLED = RetryPolicy(timeout=0.7, attempts=2, pause=0.01)
UNKNOWN = {"size": None, "checksum": None}
NOWHERE = "http://127.0.0.1:1/x"


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


def fetch(file, path, policy=QUICK, **options):
    return download(file, path, retry=policy, **options)


def refused(file, path, *names, policy=QUICK, code="FC-DOWNLOAD-002", **options):
    """The one line that ``download`` ends with; nothing lies under the final name."""
    with pytest.raises(UserError) as error:
        fetch(file, path, policy, **options)
    message = str(error.value)
    assert error.value.code == code, message
    assert "\n" not in message
    assert not path.exists()
    for part in (*names, path.name):
        assert part in message
    return message


def left(path):
    """What lies beside the file, but for the file."""
    return sorted(p.name for p in path.parent.iterdir() if p != path)


def gives(content=CONTENT, **options):
    return lambda handler: handler.give(content, **options)


def answers(status, body=b"", **headers):
    """An answer with these headers; its length is stated unless they say another."""

    def behave(handler):
        named = headers if "Transfer_Encoding" in headers else {"Content_Length": len(body)}
        handler.start(status, **{**named, **headers})
        handler.wfile.write(body)

    return behave


def then(*fates):
    """The first request meets the first fate, ...; the last one stays."""
    return lambda handler, number: fates[min(number, len(fates)) - 1](handler)


def stalls(handler, after=None):
    if after:
        handler.give(CONTENT, until=after)
    handler.stall(60)


def drips(handler):
    handler.start(200, Content_Length=SIZE)
    while not handler.server.over.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def never_ends(handler):
    handler.start(200, Transfer_Encoding="chunked")
    while not handler.server.over.is_set():
        handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")


ALL, WRONG_SPAN = None, {"Content_Range": f"bytes 0-{SIZE - 1}/{SIZE}"}
RECOVERED = {
    "nothing happens": ([gives()], [ALL], {}),
    "cut after a byte": ([gives(until=1), gives()], [ALL, 1], {}),
    "cut before the last byte": ([gives(until=SIZE - 1), gives()], [ALL, SIZE - 1], {}),
    "a server without ranges": (
        [gives(until=150_000), gives(ranges=False)], [ALL, 150_000], {},
    ),
    "changed in between, by its tag": (
        [gives(OLD, tag='"old"', until=9), gives(tag='"new"')], [ALL, 9], {"checksum": None},
    ),
    "changed in between, by the checksum": (
        [gives(OLD, tag=None, until=5), gives(tag=None)], [ALL, 5, ALL], {},
    ),
    "neither tag nor checksum": (
        [gives(tag=None, until=5), gives(tag=None)], [ALL, ALL], {"checksum": None},
    ),
    "another range than asked for": (
        [gives(until=9), answers(206, CONTENT, **WRONG_SPAN), gives()], [ALL, 9, ALL], {},
    ),
    "a range of 5,000 digits": (
        [gives(until=9), answers(206, b"x", Content_Range=f"bytes {'9' * 5000}-9/9"), gives()],
        [ALL, 9, ALL], {},
    ),
    "a size of 5,000 digits": (
        [gives(until=9), answers(206, CONTENT[9:], Content_Range=f"bytes 9-9/{'9' * 5000}")],
        [ALL, 9], {},
    ),
    **{
        f"status {status}, then good": ([answers(status, Retry_After="0"), gives()], [ALL] * 2, {})
        for status in (429, 500, 503)
    },
}  # fmt: skip


@pytest.mark.parametrize("what", RECOVERED)
def test_the_file_arrives_whole_with_no_more_requests_than_needed(path, what):
    fates, starts, known = RECOVERED[what]
    with serving(then(*fates)) as server:
        assert fetch(remote(server.url, **known), path) == path
        assert server.ranges == [None if at is ALL else f"bytes={at}-" for at in starts]
        fetch(remote(server.url, **known), path)  # it is there: no further request
        assert len(server.ranges) == len(starts)
    assert path.read_bytes() == CONTENT
    assert left(path) == []


STAYS = "another file"
REFUSED = {
    "wrong bytes": ([gives(CONTENT[:-1] + b"?")], {}, ("sha256", SHA256, "damaged"), 1),
    "too long by its header": ([answers(200, CONTENT + b"x")], {}, (f"{SIZE + 1} bytes, not",), 1),
    "too short by its header": ([answers(200, CONTENT[1:])], {}, (f"{SIZE - 1} bytes, not",), 1),
    "a length longer than the bytes": (
        [answers(200, CONTENT, Content_Length=SIZE + 5)], UNKNOWN, ("was cut after",), 3,
    ),
    "a length shorter than the bytes": (
        [answers(200, CONTENT, Content_Length=SIZE - 5)], {"size": None}, ("sha256",), 1,
    ),
    "endless, of a known size": (
        [never_ends], {"size": 100_000, "checksum": None}, ("more than", STAYS), 1,
    ),
    "endless, of about a size": (
        [never_ends], {**UNKNOWN, "about": 100_000}, ("more than", STAYS), 1,
    ),
    "empty": ([gives(b"")], UNKNOWN, ("empty",), 1),
    "a web page": (
        [answers(200, b"<html", Content_Type="text/html; charset=utf-8")],
        UNKNOWN, ("a web page",), 1,
    ),
    "packed on the way": (
        [answers(200, b"\x1f\x8b..", Content_Encoding="gzip")], UNKNOWN, ("packs it", "gzip"), 1,
    ),
    "no HTTP": (
        [lambda handler: handler.wfile.write(b"\x00\xff no HTTP\r\n\r\n")], {},
        ("no valid answer",), 3,
    ),
    "a circle": ([answers(302, Location="/weights.bin")], {}, ("redirects in a circle",), None),
    **{f"a redirect to {to[:5]}": ([answers(302, Location=to)], {}, ("redirects",), 1)
       for to in ("file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x")},
    "a redirect to no address": ([answers(302, Location="http://[::1/")], {}, (), 3),
    **{f"status {status}": ([answers(status)], {}, (f"HTTP {status}",), 1)
       for status in (403, 404, 410, 799)},
    **{f"status {status}": ([answers(status)], {}, (f"HTTP {status}",), 3)
       for status in (500, 503)},
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_the_file_ends_in_one_line_that_names_address_and_place(path, what):
    fates, known, names, requests = REFUSED[what]
    with serving(then(*fates)) as server:
        refused(remote(server.url, **known), path, *names, server.url, str(path))
        assert len(server.ranges) == requests or (requests is None and len(server.ranges) < 10)
        if "was cut after" not in names:  # what is not spoiled may be resumed
            assert left(path) == []


@pytest.mark.parametrize(
    ("fates", "word"), [([stalls], "stalled"), ([drips], "nearly stalled")]
)  # fmt: skip
def test_a_server_that_only_stalls_ends_in_one_line(path, fates, word):
    with serving(then(*fates)) as server:
        refused(remote(server.url), path, word, server.url, str(path), policy=STALLED)
        assert len(server.ranges) <= STALLED.attempts


def test_a_stall_is_cut_and_resumed(path):
    with serving(then(lambda handler: stalls(handler, 100_000), gives())) as server:
        fetch(remote(server.url), path, RetryPolicy(timeout=3, attempts=4, pause=0.01))
        assert server.ranges[0] is None
        assert set(server.ranges[1:]) == {"bytes=100000-"}
    assert path.read_bytes() == CONTENT


def test_progress_rises_to_the_whole(path):
    moves = []
    with serving(then(gives())) as server:
        fetch(remote(server.url), path, progress=lambda *move: moves.append(move))
    assert [done for done, _ in moves] == sorted(done for done, _ in moves)
    assert moves[-1] == (SIZE, SIZE)


def test_a_later_call_resumes_where_the_first_gave_up(path):
    with serving(then(gives(until=200_000), gives(until=0))) as server:
        refused(remote(server.url), path, "call again to resume at byte 200000", server.url)
        assert left(path) == [".weights.bin.part", ".weights.bin.part.json"]
        server.behave = then(gives())
        server.ranges.clear()
        fetch(remote(server.url), path)
        assert server.ranges == ["bytes=200000-"]
    assert path.read_bytes() == CONTENT
    assert left(path) == []


def test_many_cuts_are_no_end_while_each_brings_something(path):
    content = bytes(3 << 20)
    with serving(then(gives(content, until=(1 << 20) + 1))) as server:
        file = remote(server.url, size=len(content), checksum=None)
        fetch(file, path, RetryPolicy(attempts=1, pause=0.0))
        assert len(server.ranges) == 3
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"one"'}, '"one"'),
        ({"ETag": 'W/"weak"', "Last_Modified": formatdate(0, usegmt=True)},
         formatdate(0, usegmt=True)),
    ],
)  # fmt: skip
def test_a_strong_tag_or_else_the_date_says_that_the_rest_belongs_to_it(path, headers, validator):
    def behave(handler, number):
        handler.start(200, Content_Length=9, **headers)
        handler.wfile.write(b"123456789"[: 4 if number == 1 else 9])

    with serving(behave) as server:
        fetch(remote(server.url, size=9, checksum=None), path)
        assert server.asked[1]["If-Range"] == validator
    assert path.read_bytes() == b"123456789"


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5", "sha256-prefix"])
def test_every_algorithm_accepts_the_file_and_refuses_another(path, algorithm):
    name = algorithm.removesuffix("-prefix")
    digest = hashlib.new(name, CONTENT).hexdigest()[: 8 if "prefix" in algorithm else None]
    with serving(then(gives())) as server:
        wrong = digest[:-1] + "0123456789abcdef"[int(digest[-1], 16) ^ 1]
        refused(remote(server.url, checksum=(algorithm, wrong)), path, digest, wrong)
        fetch(remote(server.url, checksum=(algorithm, digest)), path)


def test_a_chunked_answer_without_length_is_taken_and_a_cut_one_is_not(path):
    chunk, end = b"5\r\nhello\r\n", b"0\r\n\r\n"
    chunked = {"Transfer_Encoding": "chunked"}
    with serving(then(answers(200, chunk, **chunked), answers(200, chunk + end, **chunked))) as at:
        fetch(remote(at.url, **UNKNOWN), path)
        assert len(at.ranges) == 2
    assert path.read_bytes() == b"hello"


def test_retry_after_is_kept_up_to_the_longest_pause(path):
    with serving(then(answers(503, Retry_After="3600"), gives())) as server:
        started = time.monotonic()
        fetch(remote(server.url), path, RetryPolicy(attempts=2, pause=0.0, longest=0.3))
        assert 0.3 <= time.monotonic() - started < 600


def test_the_second_address_is_asked_where_the_first_fails(path):
    with serving(then(answers(404))) as gone, serving(then(gives())) as mirror:
        fetch(remote(gone.url, mirror.url), path)
        assert len(gone.ranges) == len(mirror.ranges) == 1
    assert path.read_bytes() == CONTENT


def test_a_mirror_resumes_the_part_of_another_when_a_checksum_will_tell(path):
    with serving(then(gives(until=400_000), gives(until=0))) as first, serving(then(gives())) as m:
        fetch(remote(first.url, m.url), path)
        assert m.ranges == ["bytes=400000-"]
        assert "If-Range" not in m.asked[0]  # the tag is the other server's
    assert path.read_bytes() == CONTENT


def test_a_redirect_is_followed(path):
    def behave(handler, _):
        moved = answers(302, Location="/moved") if handler.path == "/weights.bin" else gives()
        moved(handler)

    with serving(behave) as server:
        fetch(remote(server.url), path)
    assert path.read_bytes() == CONTENT


def test_a_redirect_from_https_to_http_is_refused():
    """The rule itself: a server with a certificate would need one that this machine trusts."""
    ask = _Redirects().redirect_request
    with pytest.raises(PermanentError, match="https to http"):
        ask(Request("https://a.example/x"), None, 302, "", {}, "http://a.example/x")
    assert ask(Request("http://a.example/x"), None, 302, "", {}, "https://a.example/x")


@pytest.mark.parametrize(
    "url",
    ["file:///x", "ftp://a/b", "http://", "a.bin", "http://a/b c", "http://a:x/", "http://ä/"],
)
def test_only_web_addresses_are_files(url):
    with pytest.raises(UserError) as error:
        RemoteFile("x", (url,))
    assert error.value.code == "FC-DOWNLOAD-009"


def test_a_server_that_is_not_there(path):
    with serving(then(gives())) as server:
        url = server.url
    refused(remote(url), path, url, "refused")


def test_offline_says_address_and_place(path, monkeypatch):
    with serving(then(gives())) as server:
        offline = {"code": "FC-DOWNLOAD-001"}
        refused(remote(server.url), path, server.url, str(path), offline=True, **offline)
        monkeypatch.setenv("FULLCONV_OFFLINE", "1")
        refused(remote(server.url), path, server.url, **offline)
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
    with pytest.raises(UserError, match="14 bytes") as error:
        fetch(remote(NOWHERE), path)
    assert error.value.code == "FC-DOWNLOAD-003"
    assert path.read_bytes() == b"something else"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match="cannot be written") as error:
        fetch(remote(NOWHERE), tmp_path / "cache" / "weights.bin")
    assert error.value.code == "FC-FILE-002"


def test_four_at_once_fetch_once(path):
    def behave(handler, _):
        time.sleep(0.2)
        handler.give(CONTENT)

    with serving(behave) as server:
        threads = [
            threading.Thread(target=fetch, args=(remote(server.url), path, RetryPolicy()))
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
    with serving(then(lambda handler: stalls(handler, 100_000), gives())) as server:
        child = subprocess.Popen([sys.executable, "-c", KILLED, server.url, path], stderr=-3)
        part = path.with_name(".weights.bin.part")
        until = time.monotonic() + 100
        while not (part.exists() and part.stat().st_size == 100_000):
            assert time.monotonic() < until
            time.sleep(0.01)
        while child.poll() is None:  # an interrupt can meet a destructor, which swallows it
            os.kill(child.pid, how)
            time.sleep(0.2)
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

    def fate(what, at):
        span = f"bytes {at}-{at + 8}/{len(content)}"
        return {
            "cut": gives(content, tag=tag, until=at),
            "status": answers(503),
            "wrong range": answers(206, b"123456789", Content_Range=span),
            "unknown": gives(content, ranges=False, tag=tag, until=at),
            "whole": gives(content, tag=tag),
        }[what]

    check = ("sha256", hashlib.sha256(content).hexdigest())
    with serving(then(*(fate(*each) for each in fates), gives(content, tag=tag))) as server:
        file = remote(server.url, size=len(content) if size_known else None, checksum=check)
        for _ in range(8):  # a call may give up; calls together come to the end
            try:
                fetch(file, path, RetryPolicy(1.0, 2, 0.0, 0.0))
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
    with pytest.raises(UserError) as error:
        Checksum(algorithm, digest)
    assert error.value.code == "FC-DOWNLOAD-009"
