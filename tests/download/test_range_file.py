import io
import os
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepstrf_hf.download import range_file
from deepstrf_hf.download.range_file import RangeFile
from deepstrf_hf.errors import DownloadError, RangesNotServedError

from .helpers import URL, Waits, content, session_for

BLOCK = 10_000
CONTENT = content(1_234_567)


@pytest.fixture
def file(lab):
    return lab.publish(URL, CONTENT)


@pytest.fixture
def session(lab):
    with session_for(URL) as made:
        yield made


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_members_of_a_zip_are_read_without_the_rest(lab, session):
    members = {f"session_{number}/data.mat": content(300_000, str(number)) for number in range(30)}
    file = lab.publish(URL, zipped(members))
    with RangeFile(session, URL, block_bytes=BLOCK) as remote, zipfile.ZipFile(remote) as archive:
        assert remote.size_bytes == len(file.content)
        assert archive.namelist() == list(members)
        assert archive.read("session_17/data.mat") == members["session_17/data.mat"]
        assert archive.testzip() is None
    read = lab.requests.records()
    # Size, directory at the end, one member; then all of it, as many blocks at a time as are asked for at once.
    assert len(read) <= 4 + len(file.content) / (BLOCK * range_file.BLOCKS_PER_REQUEST) + 2


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("seek"), st.integers(0, len(CONTENT) + 10), st.just(os.SEEK_SET)),
            st.tuples(st.just("seek"), st.integers(-len(CONTENT), 10), st.just(os.SEEK_END)),
            st.tuples(st.just("seek"), st.integers(0, 50_000), st.just(os.SEEK_CUR)),
            st.tuples(st.just("read"), st.integers(0, 60_000)),
            st.tuples(st.just("readinto"), st.integers(0, 60_000)),
        ),
        max_size=12,
    )
)
def test_it_reads_as_a_file_on_disk_does(lab, file, session, steps):
    with RangeFile(session, URL, block_bytes=BLOCK) as remote:
        local = io.BytesIO(CONTENT)
        for name, *arguments in steps:
            if name == "readinto":
                buffers = [bytearray(arguments[0]), bytearray(arguments[0])]
                assert remote.readinto(buffers[0]) == local.readinto(buffers[1])
                assert buffers[0] == buffers[1]
            else:
                assert getattr(remote, name)(*arguments) == getattr(local, name)(*arguments)
            assert remote.tell() == local.tell()


def test_all_of_it(file, session):
    with RangeFile(session, URL) as remote:
        assert remote.read() == CONTENT
        assert remote.read() == b""
        assert remote.readable()
        assert remote.seekable()
        assert not remote.writable()
        with pytest.raises(ValueError, match="no place -1"):
            remote.seek(-1)


def test_blocks_are_kept_but_not_too_many(lab, file, session):
    with RangeFile(session, URL, block_bytes=BLOCK) as remote:
        for place in (500_000, 0, 500_001, 1):
            remote.seek(place)
            remote.read(10)
        assert len(lab.requests.records()) == 3  # size, and two places
        for place in range(0, len(CONTENT), BLOCK):
            remote.seek(place)
            remote.read(1)
        assert len(remote._kept) == range_file.BLOCKS_KEPT


@pytest.mark.parametrize("kind", ["no_ranges", "chunked"])
def test_a_host_without_ranges(lab, file, session, kind):
    if kind == "chunked":
        lab.fail("answer", file, status=206, content=b"x")
    else:
        lab.fail(kind, file)
    with pytest.raises(RangesNotServedError, match="fetch the whole file"):
        RangeFile(session, URL)


def test_a_page(lab, file, session):
    lab.fail("answer", file, headers={"Content-Type": "text/html"}, content=b"<html>")
    with pytest.raises(DownloadError, match="a page in place") as raised:
        RangeFile(session, URL)
    assert not isinstance(raised.value, RangesNotServedError)


@pytest.mark.parametrize("ignores_if_range", [False, True])
@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 1])
def test_a_file_that_changes_while_it_is_read(lab, file, session, size, ignores_if_range):
    with RangeFile(session, URL, block_bytes=BLOCK) as remote:
        remote.read(10)
        file.replace(content(size, "newer"))
        if ignores_if_range:
            stop = 1_000_000 + 10 * BLOCK
            headers = {"Content-Range": f"bytes 1000000-{stop - 1}/{size}", "ETag": file.etag}
            lab.fail("answer", file, status=206, headers=headers, content=file.content[1_000_000:stop])
        remote.seek(1_000_000)
        with pytest.raises(DownloadError, match="changed while it was read"):
            remote.read(10)


@pytest.mark.parametrize("kind", ["truncated", "stall", "reset", "answer"])
def test_what_breaks_is_read_again(lab, file, kind):
    waits = Waits()
    with session_for(URL, waits) as session, RangeFile(session, URL, block_bytes=BLOCK) as remote:
        lab.fail(kind, file, after_bytes=123_456, status=503, times=2)
        assert remote.read() == CONTENT
    assert len(waits) == 2


def test_a_host_that_gives_less_than_was_asked_for(lab, file, session):
    with RangeFile(session, URL, block_bytes=BLOCK) as remote:
        headers = {"Content-Range": f"bytes 0-{3 * BLOCK - 1}/{len(CONTENT)}", "ETag": file.etag}
        lab.fail("answer", file, status=206, headers=headers, content=CONTENT[: 3 * BLOCK])
        assert remote.read() == CONTENT


def test_giving_up(lab, file, session):
    with RangeFile(session, URL, block_bytes=BLOCK) as remote:
        lab.fail("answer", file, status=503, times=None)
        with pytest.raises(DownloadError, match="8 times"):
            remote.read(10)
