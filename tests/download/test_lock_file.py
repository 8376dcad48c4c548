"""The lock file of a data directory: written whole or not at all, read strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.download.lock_file import LOCK_NAME, LockedArchive, LockedFile, LockFile
from deepstrf_hf.errors import DataDirectoryError

DIGEST = "0123456789abcdef" * 4
ARCHIVE = LockedArchive(
    url="https://osf.io/download/5nxga/",
    fetched_at="2026-01-31T12:00:00Z",
    complete=True,
    size_bytes=123,
    checksum="md5:31dc53e98e09bfecf73c69d7180277a5",
    sha256=DIGEST,
    etag='"abc"',
    members={"SH.En.C/source.1": LockedFile(5, DIGEST), "dataAC/P01/cluster.01.data.mat": LockedFile(0, DIGEST)},
)
LOCK = LockFile("ns1", {"spikesandwav.zip": ARCHIVE})


def test_what_is_written_is_read(tmp_path):
    assert LockFile.read(tmp_path) is None
    LOCK.write(tmp_path)
    assert LockFile.read(tmp_path) == LOCK
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME], "nothing else is left"
    LockFile("ns1").write(tmp_path)
    assert LockFile.read(tmp_path) == LockFile("ns1")


PART = st.text(min_size=1, max_size=8).filter(
    lambda text: not set(text) & set("/\\\0:") and text not in (".", "..") and text.isprintable()
)
NAME = st.lists(PART, min_size=1, max_size=3).map("/".join)
FILE = st.builds(LockedFile, st.integers(0, 2**50), st.just(DIGEST))
OPTIONAL_TEXT = st.none() | st.text(min_size=1, max_size=10)


@given(
    st.dictionaries(
        NAME,
        st.builds(
            LockedArchive,
            url=st.sampled_from(["https://host/a", "http://127.0.0.1:80/b%20c.zip"]),
            fetched_at=st.just("2026-01-31T12:00:00Z"),
            complete=st.booleans(),
            size_bytes=st.none() | st.integers(0, 2**50),
            checksum=OPTIONAL_TEXT,
            sha256=st.none() | st.just(DIGEST),
            etag=OPTIONAL_TEXT,
            members=st.dictionaries(NAME, FILE, max_size=3),
        ),
        max_size=3,
    )
)
def test_any_lock_comes_back_and_is_written_the_same(tmp_path_factory, archives):
    directory = tmp_path_factory.mktemp("lock")
    LockFile("x", archives).write(directory)
    text = (directory / LOCK_NAME).read_bytes()
    found = LockFile.read(directory)
    assert found == LockFile("x", archives)
    LockFile("x", dict(reversed(archives.items()))).write(directory)
    assert (directory / LOCK_NAME).read_bytes() == text, "sorted, whatever the order was"


def changed(place, value):
    """Return the content of a lock file with one value changed; `...` removes it."""
    content = json.loads(json.dumps({"version": 1, "corpus": "ns1", "archives": {"a.zip": as_json(ARCHIVE)}}))
    *path, last = place
    entry = content
    for key in path:
        entry = entry[key]
    if value is ...:
        del entry[last]
    else:
        entry[last] = value
    return content


def as_json(archive):
    members = {name: vars(member) for name, member in archive.members.items()}
    return {**vars(archive), "members": members}


MEMBER = {"size_bytes": 1, "sha256": DIGEST}


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (["version"], 2, "version"),
        (["version"], ..., "version"),
        (["corpus"], "", "corpus"),
        (["archives"], [], "archives"),
        (["remark"], "x", None),
        (["archives", "a.zip"], None, "archives.a.zip"),
        (["archives", "a.zip", "etag"], ..., "archives.a.zip"),
        (["archives", "a.zip", "password"], "x", "archives.a.zip"),
        (["archives", "../a.zip"], as_json(ARCHIVE), "archives.../a.zip"),
        (["archives", "a.zip", "url"], 5, "archives.a.zip.url"),
        (["archives", "a.zip", "url"], "file:///etc/passwd", "archives.a.zip.url"),
        (["archives", "a.zip", "url"], "https://[", "archives.a.zip.url"),
        (["archives", "a.zip", "fetched_at"], "yesterday", "archives.a.zip.fetched_at"),
        (["archives", "a.zip", "complete"], 1, "archives.a.zip.complete"),
        (["archives", "a.zip", "size_bytes"], -1, "archives.a.zip.size_bytes"),
        (["archives", "a.zip", "size_bytes"], True, "archives.a.zip.size_bytes"),
        (["archives", "a.zip", "size_bytes"], 1.5, "archives.a.zip.size_bytes"),
        (["archives", "a.zip", "checksum"], "", "archives.a.zip.checksum"),
        (["archives", "a.zip", "sha256"], DIGEST.upper(), "archives.a.zip.sha256"),
        (["archives", "a.zip", "members"], None, "archives.a.zip.members"),
        (["archives", "a.zip", "members", "x"], {"size_bytes": 1}, "archives.a.zip.members.x"),
        (["archives", "a.zip", "members", "x"], {**MEMBER, "sha256": "0"}, "archives.a.zip.members.x.sha256"),
        *(
            (["archives", "a.zip", "members", name], MEMBER, f"archives.a.zip.members.{name}")
            for name in ("", "/etc/passwd", "../x", "a/../x", "a//b", "./a", "a\\b", "C:/x", "C:x", "//host/x")
        ),
    ],
)
def test_damage_is_told_where_it_is(tmp_path, place, value, field):
    (tmp_path / LOCK_NAME).write_text(json.dumps(changed(place, value)))
    with pytest.raises(DataDirectoryError) as refused:
        LockFile.read(tmp_path)
    error = refused.value
    assert (error.path, error.field) == (str(tmp_path / LOCK_NAME), field)
    assert error.found is not None
    assert error.expected
    assert "deepstrf-hf download" in error.mend


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[]", b"null", b'{"version": 1, "version": 1}', b"[" * 100_000]
)
def test_what_is_no_lock_file_is_refused(tmp_path, content):
    (tmp_path / LOCK_NAME).write_bytes(content)
    with pytest.raises(DataDirectoryError, match="lock file"):
        LockFile.read(tmp_path)


def test_a_directory_in_its_place_is_refused(tmp_path):
    (tmp_path / LOCK_NAME).mkdir()
    with pytest.raises(DataDirectoryError, match="lock file"):
        LockFile.read(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:canary@host/file",
        "https://canary@host/file",
        "https://host/file?token=canary",
        "https://host/file#canary",
    ],
)
def test_no_credential_goes_into_it_or_into_the_error(tmp_path, url):
    LOCK.write(tmp_path)
    before = (tmp_path / LOCK_NAME).read_bytes()
    with pytest.raises(DataDirectoryError) as refused:
        LockFile("ns1", {"a": LockedArchive(url, "2026-01-31T12:00:00Z", True)}).write(tmp_path)
    assert "canary" not in str(refused.value)
    assert (tmp_path / LOCK_NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME]


def test_a_write_that_fails_leaves_the_earlier_one(tmp_path, monkeypatch):
    LOCK.write(tmp_path)

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        LockFile("other").write(tmp_path)
    assert LockFile.read(tmp_path) == LOCK
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME]
