"""The unmodified clients against the loopback Hub: upload, load, pin, stream, and who may do what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .samples import CARD, WITHOUT_TORCH, dataset, parquet
from .server import LoopbackHub

REPOSITORY = "deepstrf/demo"
ARGUMENTS = {"repository": REPOSITORY}
Client = Callable[..., Any]

LOAD_AND_SNAPSHOT = """
from datasets import load_dataset
from huggingface_hub import snapshot_download

report({
    "load": attempt(lambda: load_dataset(repository, "wehr", split="train")["number"][:]),
    "snapshot": attempt(snapshot_download, repository, repo_type="dataset"),
})
"""


def test_upload_then_load_and_stream(hub: LoopbackHub, client: Client, tmp_path: Path) -> None:
    """A created and filled repository loads with the same rows, as a map and as a stream."""
    shard = parquet(12)
    (tmp_path / "shard.parquet").write_bytes(shard)
    found = client(
        """
        from datasets import load_dataset
        from huggingface_hub import CommitOperationAdd, HfApi

        api = HfApi()
        dataset = {"repo_id": repository, "repo_type": "dataset"}
        operations = lambda: [
            CommitOperationAdd("README.md", card.encode()),
            CommitOperationAdd("wehr/train-00000-of-00001.parquet", shard),
        ]
        url = str(api.create_repo(**dataset, private=True))
        conflict = attempt(api.create_repo, **dataset)
        api.create_repo(**dataset, exist_ok=True)
        first = api.create_commit(**dataset, operations=operations(), commit_message="first")
        again = api.create_commit(**dataset, operations=operations(), commit_message="again")
        rows = load_dataset(repository, split="train")
        stream = load_dataset(repository, "wehr", split="train", streaming=True)
        report({
            "url": url,
            "conflict": conflict["status"],
            "oids": [first.oid, again.oid],
            "files": api.list_repo_files(**dataset),
            "rows": [rows["number"][:], rows["response"][:]],
            "stream": [[row["number"] for row in stream], [row["response"] for row in stream]],
        })
        """,
        token="hf_alice",
        arguments={**ARGUMENTS, "card": CARD.decode(), "shard": str(tmp_path / "shard.parquet")},
        extra=WITHOUT_TORCH,
    )
    expected = [list(range(12)), [[float(number)] * (number % 3 + 1) for number in range(12)]]
    assert found["url"] == f"{hub.endpoint}/datasets/{REPOSITORY}"
    assert found["conflict"] == 409
    assert found["oids"][0] == found["oids"][1], "an unchanged upload makes no commit"
    assert found["files"] == [".gitattributes", "README.md", "wehr/train-00000-of-00001.parquet"]
    assert found["rows"] == found["stream"] == expected
    repository = hub.repositories[REPOSITORY]
    files = repository.resolve().files
    assert repository.private
    assert [path for path, entry in files.items() if entry.lfs] == ["wehr/train-00000-of-00001.parquet"]
    assert repository.read("wehr/train-00000-of-00001.parquet") == shard
    assert repository.read("README.md") == CARD
    assert [commit.title for commit in repository.history()] == ["first", "initial commit"]
    assert hub.requests.bytes_received("PUT") == len(shard), "uploaded once"


def test_revisions_pin_old_data(hub: LoopbackHub, client: Client) -> None:
    """A tag and a commit id keep giving the old rows after the next commit."""
    repository = hub.add_repository(REPOSITORY)
    old = repository.commit(dataset(6))
    found = client(
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

        api = HfApi()
        dataset = {"repo_id": repository, "repo_type": "dataset"}
        api.create_tag(**dataset, tag="v1.0", tag_message="first release")
        twice = attempt(api.create_tag, **dataset, tag="v1.0")
        api.create_commit(**dataset, commit_message="second", operations=[
            CommitOperationDelete("wehr/train-00001-of-00002.parquet"),
            CommitOperationAdd("wehr/train-00000-of-00002.parquet", bytes.fromhex(shard)),
        ])
        from datasets import load_dataset

        def numbers(revision, streaming=False):
            rows = load_dataset(repository, "wehr", split="train", revision=revision, streaming=streaming)
            return [row["number"] for row in rows]

        report({
            "twice": twice["status"],
            "rows": [numbers("v1.0"), numbers(old), numbers("v1.0", True), numbers(old[:7]), numbers(None)],
            "missing": attempt(numbers, "v9"),
            "commits": [[commit.title, commit.authors] for commit in api.list_repo_commits(**dataset)],
            "tags": [[tag.name, tag.target_commit] for tag in api.list_repo_refs(**dataset).tags],
            "untag": attempt(api.delete_tag, **dataset, tag="v9"),
        })
        """,
        token="hf_alice",
        arguments={**ARGUMENTS, "old": old.oid, "shard": parquet(3, first=100).hex()},
        extra=WITHOUT_TORCH,
    )
    before, after = list(range(6)), [100, 101, 102]
    assert found["rows"] == [before, before, before, before, after]
    assert found["twice"] == 409
    assert (found["missing"]["error"], found["missing"]["cause"]) == ("DatasetNotFoundError", "RevisionNotFoundError")
    assert found["untag"]["error"] == "RevisionNotFoundError"
    assert found["commits"] == [["second", ["alice"]], ["commit", ["system"]], ["initial commit", ["system"]]]
    assert found["tags"] == [["v1.0", old.oid]]


@pytest.mark.parametrize(
    ("token", "load", "snapshot", "status"),
    [
        ("hf_mallory", "DatasetNotFoundError", "RepositoryNotFoundError", 404),
        ("hf_wrong", "HfHubHTTPError", "HfHubHTTPError", 401),
        (None, "DatasetNotFoundError", "RepositoryNotFoundError", 401),
    ],
)
def test_private_repository(
    hub: LoopbackHub, client: Client, token: str | None, load: str, snapshot: str, status: int
) -> None:
    """The exceptions of a user without access, of an unknown token and of nobody."""
    hub.add_repository(REPOSITORY, private=True).commit(dataset(4))
    found = client(LOAD_AND_SNAPSHOT, token=token, arguments=ARGUMENTS)
    assert found["load"]["error"] == load
    assert (found["snapshot"]["error"], found["snapshot"]["status"]) == (snapshot, status)
    assert {record.status for record in hub.requests} == {status}


def test_wrong_token_is_refused_on_a_public_repository(hub: LoopbackHub, api_for: Callable[..., Any]) -> None:
    """An unknown token is refused even where no token is needed, as the Hub does."""
    hub.add_repository(REPOSITORY).commit(dataset(4))
    with pytest.raises(OSError, match="Invalid credentials in Authorization header"):
        api_for("hf_wrong").dataset_info(REPOSITORY)
    assert not api_for().dataset_info(REPOSITORY).private


def test_cache_and_offline(hub: LoopbackHub, client: Client) -> None:
    """One online load serves the same home without any network, and serves a wrong token just as well."""
    hub.add_repository(REPOSITORY, private=True).commit(dataset(4))
    online = client(LOAD_AND_SNAPSHOT, token="hf_alice", arguments=ARGUMENTS)
    assert online["load"]["value"] == [0, 1, 2, 3]
    hub.requests.clear()
    offline = client(LOAD_AND_SNAPSHOT, arguments=ARGUMENTS, offline=True)
    assert offline == online
    assert len(hub.requests) == 0
    assert client(LOAD_AND_SNAPSHOT, token="hf_wrong", arguments=ARGUMENTS) == online
    assert {record.status for record in hub.requests} == {401}


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("hf_mallory", 403), ("hf_bob", None)])
def test_gated_repository(hub: LoopbackHub, client: Client, token: str | None, status: int | None) -> None:
    """A gated repository shows its listing to all and its files to those who were granted access."""
    hub.add_user("bob", "hf_bob")
    repository = hub.add_repository(REPOSITORY, gated="manual")
    repository.commit(dataset(4))
    repository.granted.add("bob")
    found = client(LOAD_AND_SNAPSHOT, token=token, arguments=ARGUMENTS)
    if status is None:
        assert found["load"]["value"] == [0, 1, 2, 3]
    else:
        assert found["load"]["error"] == "DatasetNotFoundError"
        assert "is a gated dataset" in found["load"]["message"]
        assert (found["snapshot"]["error"], found["snapshot"]["status"]) == ("GatedRepoError", status)
        assert {record.status for record in hub.requests.records("GET", "tree")} == {200}
        assert hub.requests.bytes_sent(path="/resolve/") == 0


def test_columns_of_a_stream_cost_their_bytes_only(hub: LoopbackHub, client: Client) -> None:
    """Range requests are honoured: one light column of a heavy file does not fetch the file."""
    heavy = parquet(32, payload=1_000_000)
    hub.add_repository(REPOSITORY).commit({"data/train.parquet": heavy})
    found = client(
        """
        from datasets import load_dataset

        rows = load_dataset(repository, split="train", streaming=True, columns=["number"])
        report([row for row in rows])
        """,
        arguments=ARGUMENTS,
        extra=WITHOUT_TORCH,
    )
    assert found == [{"number": number} for number in range(32)]
    reads = hub.requests.records("GET", r"train\.parquet$")
    assert reads
    assert {record.status for record in reads} == {206}
    assert hub.requests.bytes_sent("GET", r"train\.parquet$") < len(heavy) / 4


def test_snapshot_with_patterns_over_paged_tree(hub: LoopbackHub, api_for: Callable[..., Any]) -> None:
    """A snapshot follows the pages of the tree and fetches only what its patterns name."""
    hub.page_size = 3
    repository = hub.add_repository(REPOSITORY)
    repository.commit({"README.md": CARD, **{f"c{index}/data.parquet": parquet(index + 1) for index in range(9)}})
    folder = Path(api_for().snapshot_download(REPOSITORY, repo_type="dataset", allow_patterns=["*.md", "c4/*"]))
    got = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert got == ["README.md", "c4/data.parquet"]
    assert (folder / "c4/data.parquet").read_bytes() == parquet(5)
    pages = [record.query.partition("cursor=")[2] for record in hub.requests.records("GET", "tree")]
    assert pages == ["", "3", "6", "9", "12", "15", "18"], "11 files and 9 folders, three to a page"
    assert hub.requests.bytes_sent("GET", "/resolve/") == len(CARD) + len(parquet(5))
    names = [entry.path for entry in api_for().list_repo_tree(REPOSITORY, repo_type="dataset", expand=True)]
    assert names == sorted([".gitattributes", "README.md", *(f"c{index}" for index in range(9))])


def test_push_to_hub_of_two_configs(hub: LoopbackHub, client: Client) -> None:
    """The uploader of ``datasets`` itself works, and what it wrote loads again."""
    found = client(
        """
        from datasets import Dataset, get_dataset_config_names, load_dataset

        for start, name in enumerate(["one", "two"]):
            Dataset.from_dict({"x": [start, start + 1]}).push_to_hub(repository, config_name=name, private=True)
        names = get_dataset_config_names(repository)
        report({name: load_dataset(repository, name, split="train")["x"][:] for name in names})
        """,
        token="hf_alice",
        arguments=ARGUMENTS,
    )
    assert found == {"one": [0, 1], "two": [1, 2]}
    assert hub.repositories[REPOSITORY].private
    assert len(hub.repositories[REPOSITORY].history()) == 3
