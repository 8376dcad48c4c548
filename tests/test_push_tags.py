"""The tag that a push gives its version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf import build
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub.storage import Repository
from tests.hub_helpers import (
    CLIENT,
    REPOSITORY,
    TOKEN,
    digests,
    expected_fingerprint,
    hub_digests,
    rewrite,
    steps,
)
from tests.push_helpers import (  # noqa: F401
    NEURONS,
    PUSH,
    Client,
    plain_built,
    push_once,
    writing,
)

TAG = "v1.0.0"


def with_version(directory: Path, version: str) -> Path:
    """Make a build say that it is of another version."""
    path = directory / "build_report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "corpus_version": version}))
    return directory


@pytest.fixture
def other_data(plain_built: Path, tmp_path: Path) -> Path:
    """Return the same build with one file of other bytes."""
    directory = Path(shutil.copytree(plain_built, tmp_path / "other"))
    rewrite(directory / NEURONS, lambda table: table, compression="snappy")
    return directory


@pytest.fixture
def other_card(plain_built: Path, tmp_path: Path) -> Path:
    """Return the same build with another text in its card."""
    directory = Path(shutil.copytree(plain_built, tmp_path / "card"))
    with (directory / "README.md").open("a") as card:
        card.write("\nA remark.\n")
    return directory


@pytest.fixture
def fewer_data(plain_built: Path, tmp_path: Path) -> Path:
    """Return a build of the same version that lacks a configuration which `plain_built` has."""
    directory = Path(shutil.copytree(plain_built, tmp_path / "fewer"))
    report = json.loads((directory / "build_report.json").read_text())
    del report["cohorts"]["a1"]["configs"]["a1-neurons"]
    (directory / "build_report.json").write_text(json.dumps(report))
    lines = (directory / "README.md").read_text()
    start = lines.index("- config_name: a1-neurons\n  data_files")
    stop = min(place for word in ("- config_name", "dataset_info", "---") if (place := lines.find(word, start + 1)) > 0)
    (directory / "README.md").write_text(lines[:start] + lines[stop:])
    return directory


def test_tag_of_a_version(
    hub: LoopbackHub,
    client: Client,
    plain_built: Path,
    other_data: Path,
    other_card: Path,
    fewer_data: Path,
) -> None:
    """Made by the first push, left alone by the same data, never given other data unless asked."""
    found = client(
        PUSH
        + """
from huggingface_hub import HfApi

results = []
for directory, options in pushes:
    results.append(pushed(directory, repository, private=True, **options))
    HfApi().whoami()
report(results)
""",
        token=TOKEN,
        arguments={
            "repository": REPOSITORY,
            "pushes": [
                [str(plain_built), {}],
                [str(plain_built), {}],
                [str(other_card), {}],
                [str(other_data), {}],
                [str(fewer_data), {}],
                [str(other_data), {"revision": "trial"}],
                [str(plain_built), {}],
                [str(other_data), {"replace_tag": True}],
                [str(other_data), {"replace_tag": True}],
            ],
        },
        extra=CLIENT,
    )
    first, again, card, refused, fewer, trial, back, moved, stays = found
    of_refused, of_fewer = (steps(hub)[place] for place in (3, 4))
    repository = hub.repositories[REPOSITORY]
    assert first["value"] == again["value"]
    assert (first["value"]["tag"], first["value"]["tag_moved_from"]) == (TAG, None)
    assert card["value"]["commit"] != first["value"]["commit"], "a better card is committed"
    for result, requests in ((refused, of_refused), (fewer, of_fewer)):
        assert result["error"] == "HubError", result
        for part in (TAG, "replace_tag=True", "--replace-tag", "revision=", first["value"]["commit"]):
            assert part in result["message"]
        assert requests
        assert writing(requests) == [], "refused before anything is sent"
    assert trial["error"] is None
    assert trial["value"]["tag"] is None
    assert hub_digests(repository, "trial") == digests(other_data)
    assert back["value"]["tag_moved_from"] is None
    assert moved["value"]["tag_moved_from"] == first["value"]["commit"], "it says where the tag was"
    assert stays["value"] == {**moved["value"], "tag_moved_from": None}
    assert repository.tags == {TAG: moved["value"]["commit"]}
    assert hub_digests(repository, TAG) == digests(other_data)
    assert hub_digests(repository, first["value"]["commit"]) == digests(plain_built), "the old commit keeps its data"


def test_a_paper_reads_its_version(
    hub: LoopbackHub, client: Client, ns1_raw: Path, plain_built: Path, tmp_path: Path
) -> None:
    """After a later version took its place, by the unmodified clients, by `load` and by `stream`."""
    later = tmp_path / "later"
    build("ns1", data_dir=ns1_raw, out=later, on_error="skip", parameters={"dt_ms": 10.0})
    with_version(later, "1.1.0")
    assert push_once(client, plain_built, private=True)["value"]["tag"] == TAG
    assert push_once(client, later, private=True)["value"]["tag"] == "v1.1.0"
    repository = hub.repositories[REPOSITORY]
    assert sorted(repository.tags) == [TAG, "v1.1.0"]
    assert not [name for name in hub_digests(repository) if name.startswith("a1/")], "main has gone on"
    found = client(
        """
        import deepstrf_hf
        from datasets import get_dataset_config_names, load_dataset
        from huggingface_hub import list_repo_refs
        from tests.hub_helpers import fingerprint_of

        def ids(rows):
            return sorted([row["stim_id"], row["neuron_id"]] for row in rows)

        def streamed(source, **options):
            items = deepstrf_hf.stream(source, "a1", split="test", preprocessing=None, **options)
            return [
                [item["stim_meta"]["stim_id"], *(response.tolist() for response in item["responses"])]
                for item in items
            ]

        rows = load_dataset(repository, "a1", split="test", revision=tag)
        report({
            "tags": sorted(reference.name for reference in list_repo_refs(repository, repo_type="dataset").tags),
            "configs": get_dataset_config_names(repository, revision=tag),
            "rows": ids(rows) == ids(load_dataset(directory, "a1", split="test")),
            "streamed": ids(load_dataset(repository, "a1", split="test", revision=tag, streaming=True)) == ids(rows),
            "load": fingerprint_of(deepstrf_hf.load(repository, "a1", revision=tag, preprocessing=None)),
            "stream": repr(streamed(repository, revision=tag)) == repr(streamed(directory)),
            "items": len(streamed(directory)),
            "head": attempt(deepstrf_hf.load, repository, "a1")["error"],
            "no such version": attempt(deepstrf_hf.load, repository, "a1", revision="v9.9.9")["error"],
        })
        """,
        token=TOKEN,
        arguments={"repository": REPOSITORY, "directory": str(plain_built), "tag": TAG},
    )
    assert found == {
        "tags": [TAG, "v1.1.0"],
        "configs": ["a1", "a1-stimuli", "a1-neurons"],
        "rows": True,
        "streamed": True,
        "load": expected_fingerprint(plain_built),
        "stream": True,
        "items": 4,
        "head": "UnknownNameError",
        "no such version": "HubError",
    }


@pytest.mark.parametrize("replace", [False, True])
def test_tag_that_cannot_be_made(
    hub: LoopbackHub, client: Client, plain_built: Path, other_data: Path, replace: bool
) -> None:
    """The error says that the data are there; the repeat makes the tag, even after the old one was taken away."""
    if replace:
        push_once(client, plain_built, private=True)
    hub.fail_next("POST", "/tag/", status=403, message=f"{TOKEN} may not tag")
    failed = push_once(client, other_data, private=True, replace_tag=replace)
    repository = hub.repositories[REPOSITORY]
    head = repository.resolve().oid
    assert hub_digests(repository) == digests(other_data)
    assert repository.tags == {}
    assert failed["error"] == "HubError"
    for part in (head, "holds the data", TAG, "push again"):
        assert part in failed["message"]
    assert TOKEN not in failed["message"]
    hub.requests.clear()
    again = push_once(client, other_data, private=True)
    assert again["value"]["commit"] == head
    assert repository.tags == {TAG: head}
    assert hub.requests.records("PUT") == []


def test_somebody_tags_meanwhile(hub: LoopbackHub, client: Client, plain_built: Path) -> None:
    repository = hub.add_repository(REPOSITORY, private=True)
    first = repository.resolve().oid
    hub.before_commit = lambda found: found.tags.update({TAG: first})
    failed = push_once(client, plain_built, private=True)
    assert failed["error"] == "HubError"
    assert "Somebody else made the tag" in failed["message"]
    assert repository.tags == {TAG: first}, "theirs is left alone"


def _tagged(repository: Repository, name: str) -> None:
    repository.tags[name] = repository.resolve().oid


REVISIONS: dict[str, dict[str, Any]] = {
    "a version": {"options": {"revision": TAG}, "error": "ParameterError"},
    "a tag": {"options": {"revision": "frozen"}, "error": "HubError"},
    "a branch like the tag": {"options": {}, "error": "HubError"},
}


@pytest.mark.parametrize("kind", REVISIONS)
def test_tags_and_branches_do_not_share_names(hub: LoopbackHub, client: Client, plain_built: Path, kind: str) -> None:
    """A branch with the name of a tag would hide the data that it pins."""
    repository = hub.add_repository(REPOSITORY, private=True)
    _tagged(repository, "frozen")
    if kind == "a branch like the tag":
        repository.branches[TAG] = repository.resolve().oid
    before = dict(repository.branches)
    failed = push_once(client, plain_built, private=True, **REVISIONS[kind]["options"])
    assert failed["error"] == REVISIONS[kind]["error"], failed
    assert "Mend:" in failed["message"]
    assert repository.branches == before
    assert writing(hub.requests.records()) == []


def test_main_by_name_is_the_main_branch(hub: LoopbackHub, client: Client, plain_built: Path) -> None:
    found = push_once(client, plain_built, private=True, revision="main")
    assert found["value"]["tag"] == TAG
    assert hub.repositories[REPOSITORY].tags == {TAG: found["value"]["commit"]}
