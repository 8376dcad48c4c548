"""Verifying a repository on the Hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf.verification_sources import git_blob_of
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.samples import parquet
from tests.hub.server import LoopbackHub
from tests.hub.storage import Blob, Repository
from tests.hub_helpers import CLIENT, REPOSITORY, TOKEN, read_files, requested

Client = Callable[..., Any]
MAIN = "a1/train-00000-of-00001.parquet"
STALE = "a1/train-00001-of-00002.parquet"
VERIFY = """
from deepstrf_hf import verify

def verified(source=repository, **options):
    return attempt(lambda: verify(source, **options).to_json())
"""


@pytest.fixture
def repository(hub: LoopbackHub, ns1_built: Path) -> Repository:  # noqa: F811
    """Give a private repository that holds the build."""
    found = hub.add_repository(REPOSITORY, private=True)
    found.commit(read_files(ns1_built), title="built")
    return found


def verified(client: Client, code: str = "report(verified())", **options: Any) -> Any:  # noqa: F811
    """Verify in a process of its own."""
    return client(
        VERIFY + code, **{"arguments": {"repository": REPOSITORY}, "token": TOKEN, "extra": CLIENT, **options}
    )


def failures(found: dict[str, Any]) -> set[tuple[str, str | None, str]]:
    """Return (problem, field, file) of each failure."""
    assert found["error"] is None, found
    return {
        (finding["problem"], finding["field"], finding["file"])
        for finding in found["value"]["findings"]
        if finding["severity"] == "failure"
    }


def test_a_whole_private_repository(hub: LoopbackHub, client: Client, repository: Repository, ns1_built: Path) -> None:  # noqa: F811
    found, again = verified(client, "report([verified(), verified()])")
    assert failures(found) == set()
    assert found == again
    value = found["value"]
    assert value["whole"]
    assert value["revision"] == repository.resolve().oid
    assert value["counts"]["a1"]["rows"] == 100
    assert value["files"] == len([name for name in read_files(ns1_built) if name.endswith(".parquet")])
    fetched = [record.path for record in requested(hub.requests.records(), "GET", "/resolve/")]
    assert len(fetched) == len(set(fetched)), "nothing is fetched twice"


def test_who_may_not_read_it(client: Client, repository: Repository, tmp_path: Path) -> None:  # noqa: F811
    for number, token in enumerate((None, "hf_mallory", "hf_wrong")):
        found = verified(client, token=token, home=tmp_path / str(number))
        assert found["error"] == "HubError", found
        assert "Mend:" in found["message"]
        assert "hf_mallory" not in found["message"] and "hf_wrong" not in found["message"]


def test_revisions(client: Client, repository: Repository) -> None:  # noqa: F811
    """Each revision is verified as it is: a tag of the whole one stays whole."""
    repository.create_reference(repository.tags, "v1.0.0", "main")
    whole = repository.resolve().oid
    repository.commit({STALE: parquet(3)}, deletions=[MAIN])
    tag, main, commit, unknown = verified(
        client,
        f'report([verified(revision=name) for name in ("v1.0.0", "main", "{whole}", "v9")])',
    )
    assert failures(tag) == failures(commit) == set()
    assert tag["value"]["revision"] == whole
    assert failures(main) == {
        ("A file that the build report names is missing", None, MAIN),
        ("A file of ours is there that the build report does not name", None, STALE),
    }
    assert unknown["error"] == "HubError" and "'v9'" in unknown["message"]


def test_files_of_other_people_are_left_alone(hub: LoopbackHub, client: Client, repository: Repository) -> None:  # noqa: F811
    """Whose a file is, its end tells; no more of it is fetched."""
    theirs = parquet(300, payload=4000)
    files = repository.resolve().files
    repository.commit({"mine/train-00000-of-00001.parquet": theirs, "a1-dt10/x.parquet": files[MAIN], "notes": b"x"})
    found = verified(client)
    assert failures(found) == {
        ("A file of ours is there that the build report does not name", None, "a1-dt10/x.parquet")
    }
    assert hub.requests.bytes_sent("GET", "/mine/") < len(theirs) / 4


def test_content_that_was_not_built(client: Client, repository: Repository, ns1_built: Path) -> None:  # noqa: F811
    """Somebody put another file of ours in place of one: the Hub states what it has, the report what was built."""
    other = read_files(ns1_built)["a1/test-00000-of-00001.parquet"]
    repository.commit({MAIN: other})
    found = verified(client)
    assert ("A file has not the content that was built", "sha256", MAIN) in failures(found)
    assert not any(problem.startswith("What was fetched") for problem, _, _ in failures(found))


def test_a_cache_that_was_damaged(client: Client, repository: Repository) -> None:  # noqa: F811
    """What lies in the cache of the Hub's client is held against what the Hub states: LFS's digest, and git's."""
    first, second = verified(
        client,
        """
from pathlib import Path
from huggingface_hub import snapshot_download

first = verified()
root = Path(snapshot_download(repository, repo_type="dataset"))
for name in (main, "README.md"):
    content = (root / name).read_bytes()
    target = (root / name).resolve()
    target.write_bytes(content[:-1] + b" " if name == "README.md" else content[:-9] + b"x" + content[-8:])
report([first, verified()])
""",
        arguments={"repository": REPOSITORY, "main": MAIN},
    )
    assert failures(first) == set()
    found = failures(second)
    assert ("What was fetched is not what the Hub states", "SHA-256", MAIN) in found
    assert ("What was fetched is not what the Hub states", "git blob", "README.md") in found
    mend = {
        finding["mend"] for finding in second["value"]["findings"] if finding["problem"].startswith("What was fetched")
    }
    assert len(mend) == 1 and "hf cache rm" in mend.pop()


def test_repositories_that_are_not_ours(hub: LoopbackHub, client: Client, ns1_built: Path) -> None:  # noqa: F811
    files = read_files(ns1_built)
    hub.add_repository("deepstrf/empty")
    hub.add_repository("deepstrf/prose").commit({"README.md": b"# No tables here\n"})
    hub.add_repository("deepstrf/card").commit({"README.md": files["README.md"]})
    later = files["build_report.json"].replace(b'"table_version": 1', b'"table_version": 99')
    hub.add_repository("deepstrf/later").commit({**files, "build_report.json": later})
    names = ["empty", "prose", "card", "later", "nothing"]
    found = verified(
        client,
        'report({name: verified(f"deepstrf/{name}") for name in names})',
        arguments={"repository": "", "names": names},
    )
    assert {name: result["error"] for name, result in found.items()} == {
        "empty": "HubError",
        "prose": "TableFormatError",
        "card": "HubError",
        "later": "TableFormatError",
        "nothing": "HubError",
    }
    assert "build_report.json" in found["card"]["message"]
    assert "later version" in found["later"]["message"]


@pytest.mark.parametrize("path", ["/tree/", r"/resolve/.*/a1/train-.*"])
def test_a_refusal_in_between(hub: LoopbackHub, client: Client, repository: Repository, path: str) -> None:  # noqa: F811
    """A file that cannot be fetched is an error, not a finding; the next verification succeeds."""
    hub.fail_next(method="GET", path_regex=path, status=403)
    refused, again = verified(client, "report([verified(), verified()])")
    assert refused["error"] == "HubError", refused
    assert failures(again) == set()


def test_the_command(client: Client, repository: Repository) -> None:  # noqa: F811
    repository.create_reference(repository.tags, "v1.0.0", "main")
    repository.commit({}, deletions=[MAIN])
    found = verified(
        client,
        """
import contextlib, io, json
from deepstrf_hf import cli

def run(*arguments):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            cli.main(["verify", repository, *arguments])
        except SystemExit as left:
            return [left.code, text.getvalue()]

report([run(), run("--revision", "v1.0.0", "--json")])
""",
    )
    (code, text), (code_of_tag, json_of_tag) = found
    assert code == 1 and MAIN in text and "1 failure," in text
    assert code_of_tag == 0 and '"whole": true' in json_of_tag


def test_git_blob_of_a_file(tmp_path: Path) -> None:
    for content in (b"", b"some text\n"):
        (tmp_path / "file").write_bytes(content)
        assert git_blob_of(tmp_path / "file") == Blob.from_content(content).git_oid
