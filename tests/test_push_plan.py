"""What a dry run says, and that it says the truth and does nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import build
from deepstrf_hf.hub_state import HubState, StoredFile
from deepstrf_hf.push_plan import planned_files
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub.storage import FileEntry
from tests.hub_helpers import CLIENT, REPOSITORY, TOKEN, hub_digests, lfs_bytes, read_files, rewrite
from tests.push_helpers import (  # noqa: F401
    MAIN,
    NEURONS,
    PERMISSION,
    Client,
    plain_built,
    push_once,
    writing,
)

PLAN = """
from deepstrf_hf import push

def planned(*arguments, **options):
    plan = push(*arguments, dry_run=True, **options)
    facts = {**vars(plan), "files": [vars(file) for file in plan.files], "tag": plan.tag and vars(plan.tag)}
    refusals = [[type(error).__name__, str(error)] for error in plan.refusals]
    return {**facts, "refusals": refusals, "bytes_to_send": plan.bytes_to_send}
"""


def plan_once(client: Client, directory: Path, repository: str = REPOSITORY, **options: Any) -> dict[str, Any]:
    """Plan a push in a process of its own."""
    found: dict[str, Any] = client(
        PLAN + "report(planned(directory, repository, **options))",
        token=TOKEN,
        arguments={"directory": str(directory), "repository": repository, "options": options},
        extra=CLIENT,
    )
    return found


def changes(plan: dict[str, Any]) -> dict[str, str]:
    """Return the change of each file."""
    return {file["name"]: file["change"] for file in plan["files"]}


def test_repository_that_is_not_there(hub: LoopbackHub, client: Client, plain_built: Path) -> None:
    plan = plan_once(client, plain_built, private=True, gated=None)
    files = read_files(plain_built)
    assert hub.repositories == {}
    assert writing(hub.requests.records()) == []
    assert changes(plan) == dict.fromkeys(files, "new")
    assert {file["name"]: file["size_bytes"] for file in plan["files"]} == {
        name: len(data) for name, data in files.items()
    }
    assert plan["bytes_to_send"] == sum(map(len, files.values()))
    assert (plan["makes_repository"], plan["private"], plan["branch"]) == (True, True, "main")
    assert plan["tag"] == {"name": "v1.0.0", "change": "new", "commit": None}
    assert plan["refusals"] == []


def test_new_changed_unchanged_and_deleted_files(
    hub: LoopbackHub, client: Client, ns1_raw: Path, ns1_built: Path, plain_built: Path, tmp_path: Path
) -> None:
    """The plan of a push over an earlier one is what the push then does, to the byte."""
    directory = tmp_path / "ns1"
    shutil.copytree(plain_built, directory)
    build("ns1", data_dir=ns1_raw, out=directory, on_error="skip", parameters={"dt_ms": 10.0})
    rewrite(directory / NEURONS, lambda table: table, compression="snappy")
    assert push_once(client, ns1_built, private=True)["error"] is None
    repository = hub.repositories[REPOSITORY]
    repository.commit({"notes.txt": b"by hand"}, title="foreign")
    before, head = hub_digests(repository), repository.resolve().oid
    hub.requests.clear()
    plan = plan_once(client, directory, private=True, replace_tag=True)
    assert writing(hub.requests.records()) == []
    assert repository.resolve().oid == head
    assert plan["tag"] == {"name": "v1.0.0", "change": "moved", "commit": repository.tags["v1.0.0"]}
    found = changes(plan)
    assert found[MAIN] == "unchanged"
    assert found[NEURONS] == found["README.md"] == found["build_report.json"] == "changed"
    assert {name for name, change in found.items() if change == "deleted"} == {
        name for name in before if name.startswith("a1-waveform/")
    }
    assert "notes.txt" not in found
    assert plan["refusals"] == []

    assert push_once(client, directory, private=True, replace_tag=True)["error"] is None
    after = hub_digests(repository)
    kinds = {
        "new": after.keys() - before.keys(),
        "deleted": before.keys() - after.keys(),
        "changed": {name for name in before.keys() & after.keys() if before[name] != after[name]},
    }
    assert {kind: {name for name, change in found.items() if change == kind} for kind in kinds} == kinds
    sizes = {file["name"]: file["size_bytes"] for file in plan["files"]}
    sent = sum(sizes[name] for name in (*kinds["new"], *kinds["changed"]) if name.endswith(".parquet"))
    assert hub.requests.bytes_received("PUT") == sent < lfs_bytes(directory)


def test_branches(hub: LoopbackHub, client: Client, plain_built: Path) -> None:
    """A branch that is not there would be made from the main one; neither has a tag of its own."""
    repository = hub.add_repository(REPOSITORY, private=True)
    repository.commit(read_files(plain_built))
    plan = plan_once(client, plain_built, private=True, revision="next")
    assert set(changes(plan).values()) == {"unchanged"}
    assert (plan["branch"], plan["makes_branch"], plan["tag"], plan["bytes_to_send"]) == ("next", True, None, 0)
    assert list(repository.branches) == ["main"]
    assert writing(hub.requests.records()) == []


def test_what_would_be_refused(hub: LoopbackHub, client: Client, plain_built: Path, tmp_path: Path) -> None:
    """A dry run says all that is in the way, where a push stops at the first."""
    other = Path(shutil.copytree(plain_built, tmp_path / "other"))
    rewrite(other / NEURONS, lambda table: table, compression="snappy")
    public = hub.add_repository("deepstrf/public")
    public.commit(read_files(plain_built))
    public.tags["v1.0.0"] = public.resolve().oid
    plan = plan_once(client, other, "deepstrf/public")
    assert [kind for kind, _ in plan["refusals"]] == ["RedistributionError", "RedistributionError", "HubError"]
    messages = " ".join(text for _, text in plan["refusals"])
    for part in ("a push that is not private", "deepstrf/public exists and is public", "--replace-tag"):
        assert part in messages
    assert plan["licence"].startswith("private only: nobody has verified")
    assert plan["tag"]["change"] == "refused"
    assert not plan["private"]
    permitted = plan_once(client, plain_built, "deepstrf/public", permission=PERMISSION)
    assert permitted["refusals"] == []
    assert permitted["licence"].startswith("may be public by the permission given")
    assert {name for name, change in changes(permitted).items() if change != "unchanged"} == {"README.md"}
    assert permitted["tag"]["change"] == "unchanged", "the permission changes the card alone"
    assert writing(hub.requests.records()) == []


COMMAND_LINE = """
import contextlib, io
from deepstrf_hf.cli import main

def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as ending:
            status = ending.code or 0
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}
"""


def test_command_line(hub: LoopbackHub, client: Client, plain_built: Path, tmp_path: Path) -> None:
    """Status 0 and a table where the push would go through; the table, the reason and status 1 where it would not."""
    other = Path(shutil.copytree(plain_built, tmp_path / "other"))
    rewrite(other / NEURONS, lambda table: table, compression="snappy")
    found = client(
        COMMAND_LINE
        + """
report({
    "plan": run("push", directory, repository, "--private", "--dry-run"),
    "refused": run("push", directory, repository, "--dry-run"),
    "push": run("push", directory, repository, "--private"),
    "other": run("push", other, repository, "--private"),
    "plan of other": run("push", other, repository, "--private", "--replace-tag", "--dry-run"),
    "replaced": run("push", other, repository, "--private", "--replace-tag"),
    "gate": run("push", directory, repository, "--gated", "ajar", "--dry-run"),
})
""",
        token=TOKEN,
        arguments={"directory": str(plain_built), "other": str(other), "repository": REPOSITORY},
        extra=CLIENT,
    )
    statuses = {name: result["status"] for name, result in found.items()}
    assert statuses == {
        "plan": 0, "refused": 1, "push": 0, "other": 1, "plan of other": 0, "replaced": 0, "gate": 1,
    }  # fmt: skip
    plan = found["plan"]["out"]
    for name, data in read_files(plain_built).items():
        line = next(line for line in plan.splitlines() if name in line)
        assert "new" in line
        assert f"{len(data):,}" in line
    for part in ("nothing was sent", "would be made", "visibility", "private", "v1.0.0 would be made", "licence"):
        assert part in plan
    for result in (found["refused"], found["other"]):
        assert "Traceback" not in result["err"]
    assert "would be refused" in found["refused"]["out"]
    assert "redistribution" in found["refused"]["err"]
    assert "--replace-tag" in found["other"]["err"]
    assert found["other"]["out"] == ""
    repository = hub.repositories[REPOSITORY]
    first = repository.history()[1].oid
    assert "tag v1.0.0" in found["push"]["out"]
    assert f"v1.0.0 would be moved from commit {first}" in found["plan of other"]["out"]
    assert f"moved from commit {first}" in found["replaced"]["out"]
    assert "'auto' or 'manual'" in found["gate"]["err"]


NAMES = st.sampled_from(["README.md", "build_report.json", "a/x.parquet", "a/y.parquet", "b.txt", "c/d/e.parquet"])
FILES = st.dictionaries(NAMES, st.binary(max_size=3))


def stored(path: str, content: bytes) -> StoredFile:
    """Describe a file as the Hub does."""
    entry = FileEntry.from_content(path, content)
    return StoredFile(entry.size, entry.blob.sha256 if entry.lfs else None, entry.git_oid)


@given(there=FILES, local=FILES, data=st.data())
def test_a_plan_accounts_for_every_file(there: dict[str, bytes], local: dict[str, bytes], data: st.DataObject) -> None:
    """Each file once; what the plan says of it follows from its content before and after."""
    others = sorted(there.keys() - local.keys())
    stale = set(data.draw(st.lists(st.sampled_from(others), unique=True))) if others else set()
    state = HubState("owner/name", exists=True, files={name: stored(name, content) for name, content in there.items()})
    contents = {name: CommitOperationAdd(name, content) for name, content in local.items()}
    files = planned_files(state, contents, stale)
    assert [file.name for file in files] == sorted(local.keys() | stale)
    for file in files:
        before, after = there.get(file.name), local.get(file.name)
        assert file.size_bytes == len(after if after is not None else before or b"")
        assert file.change == (
            "deleted" if after is None else "new" if before is None else "unchanged" if before == after else "changed"
        )


@pytest.mark.parametrize("path", ["README.md", "a/x.parquet"])
def test_same_size_is_not_same_content(path: str) -> None:
    assert stored(path, b"abc").has_content_of(CommitOperationAdd(path, b"abc"))
    assert not stored(path, b"abc").has_content_of(CommitOperationAdd(path, b"abd"))
    assert not stored(path, b"abc").has_content_of(CommitOperationAdd(path, b"abcd"))
