"""Commits that meet other commits, faults that tests ask for, and the rights to write."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError, RepositoryNotFoundError

from .samples import dataset
from .server import LoopbackHub
from .storage import Repository

REPOSITORY = "deepstrf/demo"
DATASET: dict[str, Any] = {"repo_id": REPOSITORY, "repo_type": "dataset"}
DROPPED = "disconnected without sending a response"
ApiMaker = Callable[..., HfApi]


@pytest.fixture
def repository(hub: LoopbackHub) -> Repository:
    """Give a public repository with two shards."""
    repository = hub.add_repository(REPOSITORY)
    repository.commit(dataset(4))
    return repository


def commit_text(api: HfApi, content: bytes, parent: str | None = None) -> str:
    """Commit one small file and return the commit's id."""
    operations = [CommitOperationAdd("note.txt", content)]
    return str(api.create_commit(**DATASET, operations=operations, commit_message="note", parent_commit=parent).oid)


def test_stale_parent_gives_412(hub: LoopbackHub, repository: Repository, api_for: ApiMaker) -> None:
    """A head that moves under a commit refuses it whole; the retry on the new head keeps both changes."""
    api = api_for("hf_alice")
    head = repository.resolve().oid
    hub.before_commit = lambda found: found.commit({"other.txt": b"someone else"}, title="other")
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as refused:
        commit_text(api, b"mine", parent=head)
    assert refused.value.response.status_code == 412
    assert "note.txt" not in repository.resolve().files
    made = commit_text(api, b"mine", parent=api.dataset_info(REPOSITORY).sha)
    assert repository.resolve().oid == made
    assert (repository.read("note.txt"), repository.read("other.txt")) == (b"mine", b"someone else")


def test_one_of_many_writers_wins(repository: Repository, api_for: ApiMaker) -> None:
    """Of several commits on the same parent exactly one is applied."""
    head = repository.resolve().oid
    api = api_for("hf_alice")
    outcomes: list[int] = []

    def write(index: int) -> None:
        try:
            commit_text(api, f"writer {index}".encode(), parent=head)
        except HfHubHTTPError as error:
            outcomes.append(error.response.status_code)
        else:
            outcomes.append(200)

    threads = [threading.Thread(target=write, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [200] + [412] * 7
    assert repository.resolve().parent == head


def test_faults_on_a_commit(hub: LoopbackHub, repository: Repository, api_for: ApiMaker) -> None:
    """A commit can be refused, cut off before it is applied, or applied with its answer lost."""
    api = api_for("hf_alice")
    head = repository.resolve().oid
    hub.fail_next("POST", "/commit/main$", status=500)
    with pytest.raises(HfHubHTTPError, match="This fault was asked for"):
        commit_text(api, b"one")
    hub.fail_next("POST", "/commit/main$", close=True)
    with pytest.raises(Exception, match=DROPPED):
        commit_text(api, b"two")
    assert repository.resolve().oid == head
    hub.fail_next("POST", "/commit/main$", close=True, applied=True)
    with pytest.raises(Exception, match=DROPPED):
        commit_text(api, b"three")
    assert repository.read("note.txt") == b"three"
    assert hub.faults.pending() == 0
    assert [record.status for record in hub.requests.records("POST", "/commit/")] == [500, None, None]
    with pytest.raises(ValueError, match="exactly one"):
        hub.fail_next("GET", "", status=500, close=True)


@pytest.mark.filterwarnings("ignore:Use 'content")
def test_upload_survives_a_dropped_connection(hub: LoopbackHub, repository: Repository, api_for: ApiMaker) -> None:
    """The client sends a large file again when its connection drops, and the bytes that arrive are checked."""
    content = bytes(range(256)) * 1000
    hub.fail_next("PUT", "/lfs-uploads/", close=True)
    api_for("hf_alice").upload_file(path_or_fileobj=content, path_in_repo="a.bin", **DATASET)
    assert repository.read("a.bin") == content
    assert [record.status for record in hub.requests.records("PUT")] == [None, 200]


def test_download_resumes_after_a_dropped_connection(
    hub: LoopbackHub, repository: Repository, api_for: ApiMaker
) -> None:
    """A download that is cut goes on with a range where it stood, and is whole in the end."""
    content = hashlib.shake_256(b"seed").digest(24_000_000)
    repository.commit({"large.bin": content})
    hub.fail_next("GET", r"large\.bin$", after_bytes=15_000_000)
    path = api_for().hf_hub_download(REPOSITORY, "large.bin", repo_type="dataset")
    assert Path(path).read_bytes() == content
    first, second = hub.requests.records("GET", r"large\.bin$")
    assert (first.status, first.bytes_sent) == (200, 15_000_000)
    start = int(str(second.range).removeprefix("bytes=").rstrip("-"))
    assert start > 0
    assert (second.status, second.bytes_sent) == (206, len(content) - start)


def test_load_dataset_meets_a_dropped_connection(
    hub: LoopbackHub, repository: Repository, client: Callable[..., Any]
) -> None:
    """The first request of ``load_dataset`` is not repeated; what it raises is no `OSError`."""
    hub.fail_next("HEAD", r"README\.md$", close=True)
    found = client(
        """
        from datasets import load_dataset

        load = lambda: load_dataset(repository, "wehr", split="train")["number"][:]
        report([attempt(load), attempt(load)])
        """,
        arguments={"repository": REPOSITORY},
    )
    assert found[0]["error"] == "RemoteProtocolError"
    assert "OSError" not in found[0]["bases"]
    assert found[1]["value"] == [0, 1, 2, 3]


def test_delete_copy_and_unknown_paths(repository: Repository, api_for: ApiMaker) -> None:
    """Files and folders are deleted and copied; a path that is not there refuses the commit whole."""
    api = api_for("hf_alice")
    shard = "wehr/train-00000-of-00002.parquet"
    operations: list[Any] = [CommitOperationCopy(shard, "copy.parquet"), CommitOperationDelete("wehr/")]
    api.create_commit(**DATASET, operations=operations, commit_message="move")
    assert sorted(repository.resolve().files) == [".gitattributes", "README.md", "copy.parquet"]
    operations = [CommitOperationAdd("new.txt", b"new"), CommitOperationDelete("nothing.txt")]
    with pytest.raises(RemoteEntryNotFoundError, match="doesn't exist"):
        api.create_commit(**DATASET, operations=operations, commit_message="wrong")
    assert "new.txt" not in repository.resolve().files


def test_delete_repository(hub: LoopbackHub, repository: Repository, api_for: ApiMaker) -> None:
    """A deleted repository is gone, and only those who may write delete."""
    with pytest.raises(HfHubHTTPError, match="403"):
        api_for("hf_mallory").delete_repo(**DATASET)
    api = api_for("hf_alice")
    api.delete_repo(**DATASET)
    assert hub.repositories == {}
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info(REPOSITORY)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(**DATASET)
    api.delete_repo(**DATASET, missing_ok=True)
    assert not api.repo_exists(**DATASET)


def test_rights_to_write(hub: LoopbackHub, repository: Repository, api_for: ApiMaker) -> None:
    """A reading token, a stranger and nobody see a public repository, but none of them changes anything."""
    hub.add_user("reader", "hf_reader", orgs=["deepstrf"], role="read")
    head = repository.resolve().oid
    for token, status in (("hf_reader", 403), ("hf_mallory", 403), (False, 401)):
        api = api_for(token)
        assert api.dataset_info(REPOSITORY).sha == head
        for act in (
            lambda api=api: commit_text(api, b"x"),
            lambda api=api: api.create_repo("deepstrf/other", repo_type="dataset"),
            lambda api=api: api.create_tag(**DATASET, tag="v1"),
            lambda api=api: api.update_repo_settings(**DATASET, private=True),
        ):
            with pytest.raises(HfHubHTTPError) as refused:
                act()
            assert refused.value.response.status_code == status
    assert repository.resolve().oid == head
    assert repository.tags == {}
    assert list(hub.repositories) == [REPOSITORY]


def test_branches_settings_and_information(repository: Repository, api_for: ApiMaker) -> None:
    """Branches, visibility, gate and the information on files are what they were set to."""
    api = api_for("hf_alice")
    assert api.whoami()["orgs"][0]["name"] == "deepstrf"
    api.create_branch(**DATASET, branch="dev/next")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", revision="dev/next", **DATASET)
    assert api.file_exists(**DATASET, filename="x.txt", revision="dev/next")
    assert not api.file_exists(**DATASET, filename="x.txt")
    assert {branch.name for branch in api.list_repo_refs(**DATASET).branches} == {"main", "dev/next"}
    api.delete_branch(**DATASET, branch="dev/next")
    with pytest.raises(HfHubHTTPError, match="main branch"):
        api.delete_branch(**DATASET, branch="main")
    siblings = {file.rfilename: file for file in api.dataset_info(REPOSITORY, files_metadata=True).siblings or []}
    shard = siblings["wehr/train-00000-of-00002.parquet"]
    content = repository.read(shard.rfilename)
    assert shard.lfs is not None
    assert (shard.size, shard.lfs.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    folder, card = api.get_paths_info(**DATASET, paths=["wehr", "README.md", "nothing"], expand=True)
    assert (folder.path, card.path) == ("wehr", "README.md")
    assert card.last_commit is not None
    assert card.last_commit.title == "commit"
    api.update_repo_settings(**DATASET, private=True, gated="auto")
    info = api.dataset_info(REPOSITORY)
    assert (info.private, info.gated) == (True, "auto")
    assert [found.id for found in api.list_datasets(author="deepstrf")] == [REPOSITORY]
    assert list(api_for().list_datasets(author="deepstrf")) == []
    api.auth_check(**DATASET, write=True)
    with pytest.raises(RepositoryNotFoundError):
        api_for("hf_mallory").auth_check(**DATASET)
