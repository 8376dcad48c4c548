"""The parts of the Hub below the clients: ranges, bodies, storage rules, and the runner of snippets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from .attributes import is_ignored, is_lfs
from .client_env import ClientError, run_client
from .errors import HubError
from .server import LoopbackHub
from .storage import Repository

AUTHORISED = {"Authorization": "Bearer hf_alice"}


def ask(
    hub: LoopbackHub, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Send one plain request."""
    connection = HTTPConnection(urlsplit(hub.endpoint).netloc, timeout=10)
    try:
        connection.request(method, path, body, headers, encode_chunked=headers.get("Transfer-Encoding") == "chunked")
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.headers)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("wanted", "status", "content", "described"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_ranges(
    hub: LoopbackHub, wanted: str | None, status: int, content: bytes | None, described: str | None
) -> None:
    """Each form of range gives the bytes, the status and the header that the protocol asks for."""
    commit = hub.add_repository("deepstrf/demo").commit({"a b/digits.txt": b"0123456789"})
    path = "/datasets/deepstrf/demo/resolve/main/a%20b/digits.txt"
    headers = {} if wanted is None else {"Range": wanted}
    found_status, found, found_headers = ask(hub, "GET", path, **headers)
    assert (found_status, found_headers.get("Content-Range")) == (status, described)
    assert content is None or found == content
    head_status, nothing, head = ask(hub, "HEAD", path)
    assert (head_status, nothing, head["Content-Length"], head["X-Repo-Commit"]) == (200, b"", "10", commit.oid)


def test_lfs_object_with_wrong_bytes_is_refused(hub: LoopbackHub) -> None:
    """Bytes with another hash, a forged address and an object that never came make no file."""
    repository = hub.add_repository("deepstrf/demo")
    oid = hashlib.sha256(b"right").hexdigest()
    batch = {"operation": "upload", "objects": [{"oid": oid, "size": 5}]}
    base = "/datasets/deepstrf/demo.git/info/lfs"
    status, body, _ = ask(hub, "POST", f"{base}/objects/batch", json.dumps(batch), **AUTHORISED)
    assert status == 200
    href = json.loads(body)["objects"][0]["actions"]["upload"]["href"].removeprefix(hub.endpoint)
    assert ask(hub, "PUT", href, b"wrong")[0] == 400
    assert ask(hub, "PUT", href.split("?")[0], b"right")[0] == 403
    assert ask(hub, "POST", f"{base}/verify", json.dumps({"oid": oid, "size": 5}), **AUTHORISED)[0] == 404
    lines = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "lfsFile", "value": {"path": "a.bin", "algo": "sha256", "oid": oid, "size": 5}},
    ]
    commit = "\n".join(map(json.dumps, lines))
    assert ask(hub, "POST", "/api/datasets/deepstrf/demo/commit/main", commit, **AUTHORISED)[0] == 400
    assert ask(hub, "PUT", href, iter([b"ri", b"ght"]), **{"Transfer-Encoding": "chunked"})[0] == 200
    assert ask(hub, "POST", "/api/datasets/deepstrf/demo/commit/main", commit, **AUTHORISED)[0] == 200
    assert repository.read("a.bin") == b"right"


@pytest.mark.parametrize("path", ["../a", "/a", "a/../b", ".git/config", ""])
def test_paths_that_leave_the_repository_are_refused(hub: LoopbackHub, path: str) -> None:
    """No commit writes outside its repository."""
    repository = hub.add_repository("deepstrf/demo")
    lines = [{"key": "header", "value": {"summary": "x"}}, {"key": "file", "value": {"path": path, "content": ""}}]
    commit = "\n".join(map(json.dumps, lines))
    assert ask(hub, "POST", "/api/datasets/deepstrf/demo/commit/main", commit, **AUTHORISED)[0] == 400
    assert list(repository.resolve().files) == [".gitattributes"]


def test_unknown_paths_are_told_apart(hub: LoopbackHub) -> None:
    """Repository, revision and file that are missing each have their code; an unknown page is logged as such."""
    head = hub.add_repository("deepstrf/demo").resolve().oid
    for path, code in (
        ("deepstrf/none/resolve/main/a", "RepoNotFound"),
        ("deepstrf/demo/resolve/none/a", "RevisionNotFound"),
        ("deepstrf/demo/resolve/main/none", "EntryNotFound"),
    ):
        status, body, headers = ask(hub, "GET", f"/datasets/{path}", **AUTHORISED)
        assert (status, headers["X-Error-Code"]) == (404, code)
        assert json.loads(body)["error"] == headers["X-Error-Message"]
    assert headers["X-Repo-Commit"] == head, "with it, clients remember that the file is not there"
    with LoopbackHub() as other:
        assert ask(other, "GET", "/api/nothing")[0] == 404
        assert [record.path for record in other.requests.unrouted()] == ["/api/nothing"]


def test_storage_rules() -> None:
    """Old snapshots never change, identical content has one name, and short ids resolve."""
    repository = Repository("deepstrf/demo")
    first = repository.commit({"a.txt": b"1", "b/c.txt": b"1"})
    second = repository.commit({"a.txt": b"2"}, ["b/"], parent=first.oid)
    assert repository.read("a.txt", first.oid[:10]) == b"1"
    assert first.files["a.txt"].blob == first.files["b/c.txt"].blob
    assert sorted(second.files) == [".gitattributes", "a.txt"]
    assert repository.last_change(".gitattributes", second).title == "initial commit"
    with pytest.raises(HubError, match="412"):
        repository.commit({"a.txt": b"3"}, parent=first.oid)
    with pytest.raises(HubError, match="Invalid rev id"):
        repository.resolve("nothing")


def test_upload_modes_and_ignored_files() -> None:
    """Suffix, size and binary content send a file to LFS; ``.gitignore`` rules apply in order."""
    assert is_lfs("a.parquet", 10, b"PAR1")
    assert is_lfs("a.txt", 20_000_000, b"text")
    assert is_lfs("a.dat", 10, b"\0binary")
    assert not is_lfs("a.txt", 10, b"text")
    assert not is_lfs("a.parquet", 0, b"")
    rules = "# comment\n*.tmp\nbuild/\n!keep.tmp\n/docs/*.html\n"
    paths = ["a.tmp", "x/build/a.txt", "keep.tmp", "docs/a.html", "x/docs/a.html", "build"]
    assert [is_ignored(path, rules) for path in paths] == [True, True, False, True, False, False]


def test_runner_reports_failures(hub: LoopbackHub, client: Callable[..., Any], tmp_path: Path) -> None:
    """A snippet's result comes back, its traceback too, and it is ended when it hangs."""
    assert client("print('noise'); report({'a': [1, None]})") == {"a": [1, None]}
    assert client("pass") is None
    with pytest.raises(ClientError, match=r"(?s)raise RuntimeError.*on purpose") as failed:
        client("report(1)\nraise RuntimeError('on ' + 'purpose')")
    assert failed.value.status == 1
    with pytest.raises(ClientError, match="took too long"):
        run_client(hub, "import time; time.sleep(60)", home=tmp_path / "slow", timeout=0.5)


def test_runner_keeps_clients_on_the_loopback(client: Callable[..., Any], tmp_path: Path) -> None:
    """A client sees this Hub, no other host, and keeps its files at home."""
    found = client(
        """
        import os, socket, tempfile
        from huggingface_hub import constants

        report({
            "outside": attempt(socket.create_connection, ("example.org", 443), 1)["message"],
            "cache": constants.HF_HUB_CACHE,
            "temporary": tempfile.gettempdir(),
            "proxies": [name for name in os.environ if name.lower().endswith("_proxy") and name != "NO_PROXY"],
        })
        """
    )
    assert "example.org is not the loopback" in found["outside"]
    assert found["proxies"] == []
    assert found["cache"].startswith(str(tmp_path))
    assert found["temporary"].startswith(str(tmp_path))
