import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepstrf_hf.download import replies
from deepstrf_hf.download.transfer import Expected, fetch
from deepstrf_hf.errors import DownloadError, ParameterError

from .helpers import URL, Waits, content, git_blob, names_in, session_for

CONTENT = content(500_000)


@pytest.fixture
def file(lab):
    return lab.publish(URL, CONTENT)


@pytest.fixture
def get(scratch):
    """Fetch to one place; what was fetched is compared with what is expected to be there."""

    def fetch_it(expected=None, url=URL, waits=None, whole=CONTENT, **details):
        with session_for(url, waits, **details.pop("session", {})) as session:
            fetched = fetch(session, url, scratch / "a.tgz", expected or Expected(), **details)
        assert fetched.path.read_bytes() == whole
        assert names_in(scratch) == ["a.tgz"]
        return fetched

    return fetch_it


def part(scratch, data, url=URL, **origin):
    """Leave what an earlier download that was broken off would leave."""
    (scratch / "a.tgz.part").write_bytes(data)
    known = {"url": url, "etag": None, "last_modified": None, "size_bytes": len(CONTENT)} | origin
    (scratch / "a.tgz.part.json").write_text(json.dumps(known))


def checksums(data):
    return {
        "md5": "md5:" + hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha256": "sha256:" + hashlib.sha256(data).hexdigest(),
        "git-blob": git_blob(data),
        "capitals": "md5:" + hashlib.md5(data, usedforsecurity=False).hexdigest().upper(),
        "none": None,
    }


@pytest.mark.parametrize("kind", checksums(b""))
def test_a_file_is_fetched_and_checked(lab, file, get, kind):
    fetched = get(Expected(len(CONTENT), checksums(CONTENT)[kind]))
    assert fetched.sha256 == file.published_sha256
    assert (fetched.size_bytes, fetched.etag, fetched.requests) == (len(CONTENT), file.etag, 1)
    (record,) = lab.requests.records()
    assert record.headers["Accept-Encoding"] == "identity"
    assert record.headers["User-Agent"].startswith("deepstrf-hf/")
    assert not {"Cookie", "Authorization", "Range"} & set(record.headers)


@pytest.mark.parametrize("kind", ["md5", "sha256", "git-blob"])
def test_one_wrong_bit_is_seen_and_the_file_fetched_again(lab, file, get, kind):
    wrong = bytearray(CONTENT)
    wrong[123_456] ^= 1
    lab.fail("content", file, content=bytes(wrong))
    assert get(Expected(None, checksums(CONTENT)[kind])).requests == 2


def test_wrong_content_twice_is_an_error_and_nothing_of_it_is_kept(lab, file, get, scratch):
    lab.fail("content", file, content=content(len(CONTENT), "other"), times=None)
    with pytest.raises(DownloadError, match=r"Twice.*Field: md5"):
        get(Expected(None, checksums(CONTENT)["md5"]))
    assert names_in(scratch) == []
    assert len(lab.requests.records()) == 2


@pytest.mark.parametrize("change", [-100_000, -1, 1, 100_000])
@pytest.mark.parametrize("kind", ["content", "chunked"])
def test_another_length_than_published(lab, file, get, scratch, change, kind):
    file.replace(content(len(CONTENT) + 100_000)[: len(CONTENT) + change])
    if kind == "chunked":
        lab.fail("chunked", file, times=None)
    with pytest.raises(DownloadError, match="another file than was published"):
        get(Expected(len(CONTENT)))
    assert names_in(scratch) == []


def test_what_is_here_already_is_checked_and_not_fetched(lab, file, get, scratch):
    (scratch / "a.tgz").write_bytes(CONTENT)
    part(scratch, CONTENT[:10])  # left by a process that was killed between its last two steps
    fetched = get(Expected(len(CONTENT), checksums(CONTENT)["md5"]))
    assert (fetched.requests, fetched.etag, fetched.sha256) == (0, None, file.published_sha256)
    assert lab.requests.records() == []


@pytest.mark.parametrize("here", [b"", CONTENT[:-1], CONTENT + b"x", content(len(CONTENT), "other")])
def test_what_is_here_and_wrong_is_replaced(lab, file, get, scratch, here):
    (scratch / "a.tgz").write_bytes(here)
    assert get(Expected(len(CONTENT), checksums(CONTENT)["md5"])).requests == 1


def test_what_is_here_and_wrong_stays_until_the_right_file_is_whole(lab, file, scratch):
    (scratch / "a.tgz").write_bytes(b"by hand")
    lab.fail("answer", file, status=404)
    with session_for(URL) as session, pytest.raises(DownloadError):
        fetch(session, URL, scratch / "a.tgz", Expected(len(CONTENT)))
    assert (scratch / "a.tgz").read_bytes() == b"by hand"


@pytest.mark.parametrize("known_by", ["etag", "last_modified"])
def test_a_part_is_continued(lab, file, get, scratch, known_by):
    part(scratch, CONTENT[:200_001], **{known_by: getattr(file, known_by)})
    seen = []
    fetched = get(progress=seen.append)
    assert (fetched.requests, fetched.resumed_from) == (1, 200_001)
    assert (seen[0], seen[-1]) == (200_001, len(CONTENT))
    (record,) = lab.requests.records()
    assert record.status == 206
    assert record.bytes_sent == len(CONTENT) - 200_001
    assert record.headers["If-Range"] == getattr(file, known_by)


def test_a_part_that_is_whole_is_only_checked(lab, file, get, scratch):
    part(scratch, CONTENT, etag=file.etag)
    assert get().requests == 0


def test_a_part_of_unknown_size_that_is_whole(lab, file, get, scratch):
    part(scratch, CONTENT, etag=file.etag, size_bytes=None)
    assert get().requests == 1
    assert [record.status for record in lab.requests.records()] == [416]


def test_a_part_that_is_longer_than_the_file_is_dropped(lab, file, get, scratch):
    part(scratch, CONTENT + b"more", etag=file.etag, size_bytes=None)
    assert get().requests == 2
    assert [record.status for record in lab.requests.records()] == [416, 200]


def test_a_part_that_nothing_tells_from_a_newer_file_is_continued_only_with_a_checksum(lab, file, get, scratch):
    part(scratch, CONTENT[:1000])
    assert get().resumed_from == 0
    (scratch / "a.tgz").unlink()
    part(scratch, CONTENT[:1000])
    assert get(Expected(None, checksums(CONTENT)["md5"])).resumed_from == 1000


def test_a_weak_etag_promises_nothing(lab, file, get):
    file.etag = f"W/{file.etag}"
    lab.fail("truncated", file, after_bytes=300_000)
    assert get().resumed_from == 300_000
    assert lab.requests.records()[1].headers["If-Range"] == file.last_modified


@pytest.mark.parametrize("sidecar", ["", "{", "[]", '{"url": 1}', '{"more": 1}', json.dumps({"url": "x"})])
def test_a_part_of_unknown_origin_is_dropped(lab, file, get, scratch, sidecar):
    part(scratch, CONTENT[:1000])
    (scratch / "a.tgz.part.json").write_text(sidecar)
    assert get().resumed_from == 0


def test_a_part_without_a_sidecar_or_of_another_address_is_dropped(lab, file, get, scratch):
    (scratch / "a.tgz.part").write_bytes(b"x" * 1000)
    assert get().resumed_from == 0
    (scratch / "a.tgz").unlink()
    part(scratch, CONTENT[:1000], url="https://zenodo.org/other", etag=file.etag)
    assert get().resumed_from == 0


def test_a_part_with_a_wrong_bit_is_not_continued_for_ever(lab, file, get, scratch):
    part(scratch, b"\0" * 1000, etag=file.etag)
    assert get(Expected(None, checksums(CONTENT)["md5"])).requests == 2


@pytest.mark.parametrize("change", ["content", "etag"])
def test_a_file_that_changes_is_fetched_anew(lab, file, get, change):
    newer = CONTENT if change == "etag" else content(400_000, "newer")
    lab.fail("truncated", file, after_bytes=300_000, then=lambda: file.replace(newer))
    file.etag = '"an older one"'
    assert get(whole=newer).resumed_from == 0
    assert [record.status for record in lab.requests.records()] == [200, 200]


def test_a_host_that_continues_another_file_is_seen(lab, file, get):
    """It ignores If-Range: the rest is of a newer file of the same size, but has its ETag."""
    newer = content(len(CONTENT), "newer")

    def change():
        file.replace(newer)
        lab.fail(
            "answer",
            file,
            status=206,
            headers={"Content-Range": f"bytes 300000-499999/{len(newer)}", "ETag": file.etag},
            content=newer[300_000:],
        )

    lab.fail("truncated", file, after_bytes=300_000, then=change)
    assert get(whole=newer).requests == 3


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes 300000-499999/*",
        None,
        "bytes 300001-499999/500000",
        "bytes 300000-499999/500001",
        "bytes 0-9/500000",
        "nonsense",
    ],
)
def test_a_part_that_was_not_asked_for_is_not_taken(lab, file, get, content_range):
    headers = {"ETag": file.etag} | ({} if content_range is None else {"Content-Range": content_range})
    lab.fail("truncated", file, after_bytes=300_000)
    lab.fail("answer", file, status=206, headers=headers, content=b"x" * 200_000)
    assert get().requests == 3


@pytest.mark.parametrize("first", ["truncated", "chunked_cut"])
@pytest.mark.parametrize("length", [0, 1, 50_000, 106_783])
def test_less_than_the_rest_is_not_taken_for_it(lab, file, get, first, length):
    part = CONTENT[393_216 : 393_216 + length]
    headers = {"ETag": file.etag, "Content-Range": f"bytes 393216-{393_215 + length}/{len(CONTENT)}"}
    lab.fail(first, file, after_bytes=393_216)
    lab.fail("answer", file, status=206, headers=headers, content=part)
    assert get().requests == 3


@pytest.mark.parametrize("first", ["truncated", "chunked_cut"])
def test_more_than_the_rest_is_not_taken_for_it(lab, file, get, first):
    headers = {"ETag": file.etag, "Content-Range": f"bytes 393216-{len(CONTENT) - 1}/{len(CONTENT)}"}
    lab.fail(first, file, after_bytes=393_216)
    lab.fail("answer", file, status=206, headers=headers, content=CONTENT[393_216:] + b"more")
    assert get().requests == 3


def test_a_part_in_answer_to_a_plain_question_is_an_error(lab, file, get):
    lab.fail("answer", file, status=206, headers={"Content-Range": "bytes 0-9/10"}, content=b"x" * 10)
    with pytest.raises(DownloadError, match="status 206"):
        get()


def test_a_body_in_chunks(lab, file, get):
    lab.fail("chunked", file, times=None)
    assert get().requests == 1


@pytest.mark.parametrize("after_bytes", [0, 1_000, 300_000, 300_123, 500_000])
def test_a_body_in_chunks_that_is_cut_is_not_taken_for_the_whole(lab, file, get, after_bytes):
    lab.fail("chunked_cut", file, after_bytes=after_bytes)
    fetched = get()
    assert fetched.requests == 2
    # At most one block is lost.
    assert fetched.resumed_from >= after_bytes - after_bytes % replies.BLOCK_BYTES


def test_a_body_whose_end_nothing_tells(lab, file, get, scratch):
    lab.fail("no_end", file, times=None)
    with pytest.raises(DownloadError, match="does not say where the file ends"):
        get()
    assert names_in(scratch) == []
    assert get(Expected(len(CONTENT))).requests == 1


def test_only_identity_is_taken(lab, file, get):
    lab.fail("answer", file, headers={"Content-Encoding": "gzip"}, content=b"\x1f\x8b")
    with pytest.raises(DownloadError, match="Found: gzip"):
        get()


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("text/html; charset=utf-8", b"anything"),
        ("application/octet-stream", b"\n  <!DOCTYPE html><title>Maintenance"),
        ("application/zip", b"\xef\xbb\xbf<HTML><body>"),
        ("text/plain", b"<form action='login'>"),
    ],
)
def test_a_page_is_not_a_file(lab, file, get, scratch, kind, page):
    part(scratch, CONTENT[:1000], etag=file.etag)
    lab.fail("answer", file, headers={"Content-Type": kind}, content=page)
    with pytest.raises(DownloadError, match="a page in place of the file"):
        get()
    assert get().resumed_from == 1000  # what was here was not touched


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_does_not_pass_is_not_tried_again(lab, file, get, scratch, status):
    waits = Waits()
    lab.fail("answer", file, status=status, times=None)
    with pytest.raises(DownloadError, match=f"status {status}"):
        get(waits=waits)
    assert (waits, len(lab.requests.records()), names_in(scratch)) == ([], 1, [])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(lab, file, get, status):
    waits = Waits()
    lab.fail("answer", file, status=status, times=3)
    assert get(waits=waits).requests == 4
    assert waits == [1, 2, 4]


def test_giving_up_keeps_what_is_there(lab, file, get, scratch):
    lab.fail("truncated", file, after_bytes=300_000)
    lab.fail("answer", file, status=503, times=8)
    with pytest.raises(DownloadError, match=r"failed 8 times in a row\. Found: zenodo.org answered with status 503"):
        get()
    assert names_in(scratch) == ["a.tgz.part", "a.tgz.part.json"]
    lab.faults.clear()
    assert get().resumed_from == 300_000


def test_tries_that_bring_something_do_not_count(lab, file, get):
    waits = Waits()
    lab.fail("truncated", file, after_bytes=40_000, times=12)
    assert get(waits=waits).requests == 13
    assert set(waits) == {1}


def test_a_host_that_is_not_there(lab, get, scratch):
    waits = Waits()
    with pytest.raises(DownloadError, match="no connection to nowhere.example"):
        get(url="https://nowhere.example/a.tgz", waits=waits)
    assert len(waits) == 7
    assert names_in(scratch) == []


def test_a_checksum_that_is_none():
    with pytest.raises(ParameterError, match="md5:<32 hexadecimal digits>"):
        Expected(1, "md5:abc")


def test_a_directory_that_cannot_be_made(lab, file, scratch):
    (scratch / "file").write_bytes(b"")
    with session_for(URL) as session, pytest.raises(DownloadError, match="cannot be written") as raised:
        fetch(session, URL, scratch / "file" / "below" / "a.tgz", Expected())
    assert raised.value.path == str(scratch / "file" / "below" / "a.tgz")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["truncated", "chunked_cut", "reset", "no_ranges", "chunked", "answer", "changed"]),
        st.integers(0, len(CONTENT)),
    ),
    max_size=7,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, checksum=st.booleans())
def test_whatever_happens_on_the_way_the_file_is_right(lab, file, scratch, steps, checksum):
    lab.faults.clear()
    file.replace(CONTENT)
    (scratch / "a.tgz").unlink(missing_ok=True)

    def newer():
        file.etag = f'"{len(lab.requests.records())}"'

    for kind, after_bytes in steps:
        if kind == "changed":
            lab.fail("truncated", file, after_bytes=after_bytes, then=newer)
        else:
            lab.fail(kind, file, after_bytes=after_bytes, status=503)
    expected = Expected(None, checksums(CONTENT)["sha256"]) if checksum else Expected()
    with session_for(URL, retries=Waits().retries(tries=20)) as session:
        fetch(session, URL, scratch / "a.tgz", expected)
    assert (scratch / "a.tgz").read_bytes() == CONTENT
    assert names_in(scratch) == ["a.tgz"]
