"""Pushing into a repository that others filled, or fill meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf import build
from tests.hub.client_env import run_client
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.records import RequestRecord
from tests.hub.server import LoopbackHub
from tests.hub.storage import Repository
from tests.hub_helpers import (
    CLIENT,
    REPOSITORY,
    TOKEN,
    digests,
    hub_digests,
    read_files,
    requested,
    steps,
)
from tests.push_helpers import (  # noqa: F401
    MAIN,
    PERMISSION,
    PUSH,
    Client,
    plain_built,
    push_once,
)


def test_stale_files_go_and_foreign_files_stay(
    hub: LoopbackHub,
    client: Client,
    ns1_raw: Path,
    ns1_built: Path,
    plain_built: Path,
    tmp_path: Path,
) -> None:
    """A variant and the waveform configuration that are not built any more go in the same commit."""
    rich = Path(shutil.copytree(ns1_built, tmp_path / "ns1"))
    build("ns1", data_dir=ns1_raw, out=rich, on_error="skip", parameters={"dt_ms": 10.0})
    assert push_once(client, rich, private=True)["error"] is None
    repository = hub.repositories[REPOSITORY]
    assert {name.split("/")[0] for name in hub_digests(repository)} >= {"a1-waveform", "a1-dt10", "a1-dt10-stimuli"}
    foreign = {
        "notes.txt": b"by hand",
        "a1/remarks.csv": b"in our folder",
        "other/train-00000-of-00001.parquet": b"PAR1 of somebody else",
    }
    repository.commit(foreign, title="foreign")
    old = repository.resolve().oid
    hub.requests.clear()
    assert push_once(client, plain_built, private=True, replace_tag=True)["error"] is None
    assert hub_digests(repository) == digests(plain_built) | digests(foreign)
    assert repository.resolve().parent == old, "one commit"
    assert hub_digests(repository, old) == digests(rich) | digests(foreign), "the old commit keeps the old data"
    assert hub.requests.bytes_received("PUT") == 0, "what stays is not sent again"


def _foreign_card(path: str) -> bytes:
    """Make a card with two configurations, as ``datasets`` writes them."""
    configs = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {path.format(name=name)}\n"
        for name in ("one", "two")
    )
    infos = "".join(f"- config_name: {name}\n  features:\n  - name: x\n    dtype: int64\n" for name in ("one", "two"))
    return f"---\nconfigs:\n{configs}dataset_info:\n{infos}---\n# Ours\n".encode()


FOREIGN_DATA = {"one/train-0.parquet": b"PAR1 one", "two/train-0.parquet": b"PAR1 two"}
WAVEFORM = "a1-waveform/test-00000-of-00001.parquet"


@dataclass(frozen=True)
class Case:
    """A push to a repository that holds something already.

    Parameters
    ----------
    before : str or dict
        What it holds: ``"plain"``, ``"rich"`` (with the waveform configuration), or other people's files.
    pushes : str
        What is pushed.
    interfere : callable, optional
        What somebody else does just before the commit is applied.
    times : int
        How often.
    fault : dict, optional
        Request that fails, below the repository.
    private : bool
        Whether the repository is private.
    options : dict
        Arguments of `push`.
    """

    before: str | dict[str, bytes]
    pushes: str = "plain"
    interfere: Callable[[Repository], object] | None = None
    times: int = 1
    fault: dict[str, Any] | None = None
    private: bool = True
    options: dict[str, Any] = field(default_factory=lambda: {"private": True})


def _commit_note(repository: Repository) -> None:
    repository.commit({"note.txt": f"after {len(repository.commits)}".encode()}, title="foreign")


CASES = {
    "card-with-patterns": Case({**FOREIGN_DATA, "README.md": _foreign_card("{name}/train-*")}),
    "card-with-lists": Case({**FOREIGN_DATA, "README.md": _foreign_card("[{name}/train-0.parquet]")}),
    "card-without-metadata": Case({**FOREIGN_DATA, "README.md": b"# Ours\n"}),
    "ignored-files": Case({**FOREIGN_DATA, ".gitignore": b"*.parquet\n"}),
    "stale": Case("rich"),
    "stale-file-gone": Case("rich", interfere=lambda found: found.commit({}, [WAVEFORM], title="foreign")),
    "stale-with-local-name": Case("rich"),
    "old-card-unreadable": Case("rich", fault={"method": "HEAD", "path_regex": r"/.*/README\.md$", "close": True}),
    "file-added-meanwhile": Case("plain", "rich", _commit_note),
    "file-changed-meanwhile": Case("plain", "rich", lambda found: found.commit({MAIN: b"PAR1 x"}, title="foreign")),
    "file-deleted-meanwhile": Case("plain", "rich", lambda found: found.commit({}, [MAIN], title="foreign")),
    "commits-keep-coming": Case("plain", "rich", _commit_note, times=1000),
    "public": Case({}, private=False, options={"private": True, "permission": PERMISSION}),
}


@dataclass(frozen=True)
class Outcome:
    """What became of a case: result or error of the push, the repository, the requests, what readers saw."""

    result: dict[str, Any]
    repository: Repository
    requests: list[RequestRecord]
    seen: list[dict[str, str]]


@pytest.fixture(scope="module")
def outcomes(ns1_built: Path, plain_built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Push all cases, one after the other, in one client."""
    builds = {"plain": plain_built, "rich": ns1_built}
    home = tmp_path_factory.mktemp("cases")
    with LoopbackHub() as server:
        server.add_user("alice", TOKEN, orgs=["deepstrf"])
        repositories, seen = {}, {name: list[dict[str, str]]() for name in CASES}
        for name, case in CASES.items():
            repositories[name] = server.add_repository(f"deepstrf/{name}", private=case.private)
            before = case.before if isinstance(case.before, dict) else read_files(builds[case.before])
            repositories[name].commit(before, title="earlier")
            if case.fault is not None:
                path = f"^(/api)?/datasets/deepstrf/{name}" + case.fault["path_regex"]
                server.fail_next(**{**case.fault, "path_regex": path})

        def interfere(repository: Repository) -> None:
            server.before_commit = interfere
            name = repository.identifier.split("/")[1]
            case = CASES[name]
            seen[name].append(hub_digests(repository))
            if case.interfere is not None and len(seen[name]) <= case.times:
                case.interfere(repository)

        server.before_commit = interfere
        directories = {name: str(builds[case.pushes]) for name, case in CASES.items()}
        local = "deepstrf/stale-with-local-name"  # clients run in their home
        shutil.copytree(plain_built, home / local)
        directories["stale-with-local-name"] = local
        found = run_client(
            server,
            PUSH
            + """
from huggingface_hub import HfApi

results = {}
for name, directory in directories.items():
    results[name] = pushed(directory, f"deepstrf/{name}", **options[name])
    HfApi().whoami()
report(results)
""",
            home=home,
            token=TOKEN,
            arguments={"directories": directories, "options": {name: case.options for name, case in CASES.items()}},
            extra=CLIENT,
        )
        assert server.internal_errors == []
        return {
            name: Outcome(found[name], repositories[name], requests, seen[name])
            for name, requests in zip(CASES, steps(server), strict=False)
        }


@pytest.mark.parametrize("kind", ["card-with-patterns", "card-with-lists", "card-without-metadata"])
def test_data_of_somebody_else_are_left_alone(outcomes: dict[str, Outcome], plain_built: Path, kind: str) -> None:
    """A repository that others filled may have configurations as well; only its card is replaced."""
    outcome, foreign = outcomes[kind], CASES[kind].before
    assert isinstance(foreign, dict)
    assert outcome.result["error"] is None, outcome.result
    assert hub_digests(outcome.repository) == digests(foreign) | digests(plain_built)


def test_a_gitignore_does_not_keep_files_out(outcomes: dict[str, Outcome], plain_built: Path) -> None:
    """The clients drop files that a repository's .gitignore names, without a word; half a corpus must not get there."""
    outcome = outcomes["ignored-files"]
    foreign = CASES["ignored-files"].before
    assert isinstance(foreign, dict)
    assert outcome.result["error"] is None, outcome.result
    assert hub_digests(outcome.repository) == digests(foreign) | digests(plain_built)


@pytest.mark.parametrize("kind", ["stale", "stale-file-gone", "stale-with-local-name"])
def test_stale_files_go(outcomes: dict[str, Outcome], plain_built: Path, kind: str) -> None:
    """Also if somebody else deletes one first, and if a directory here has the name of the repository."""
    outcome = outcomes[kind]
    assert outcome.result["error"] is None, outcome.result
    assert hub_digests(outcome.repository) == digests(plain_built)
    assert requested(outcome.requests, "PUT") == [], "what stays is not sent again"


def test_old_card_that_cannot_be_read(outcomes: dict[str, Outcome], ns1_built: Path, plain_built: Path) -> None:
    """A dropped connection does not turn into “there was no earlier push”: stale files go, or the push fails."""
    outcome = outcomes["old-card-unreadable"]
    expected = ns1_built if outcome.result["error"] == "HubError" else plain_built
    assert hub_digests(outcome.repository) == digests(expected)


def test_commit_that_comes_in_between(outcomes: dict[str, Outcome], ns1_built: Path, plain_built: Path) -> None:
    """The push is repeated on the new head, both commits survive, readers saw the old state until then."""
    outcome = outcomes["file-added-meanwhile"]
    assert outcome.result["error"] is None, outcome.result
    history = outcome.repository.history()
    assert [commit.title for commit in history[1:]] == ["foreign", "earlier", "initial commit"]
    assert history[0].oid == outcome.result["value"]["commit"]
    note = {name: digest for name, digest in hub_digests(outcome.repository).items() if name == "note.txt"}
    assert len(note) == 1, "the other commit survives"
    assert hub_digests(outcome.repository) == digests(ns1_built) | note
    assert outcome.seen == [digests(plain_built), digests(plain_built) | note], "the old state until the commit"
    assert [record.status for record in requested(outcome.requests, "POST", "/commit/")] == [412, 200]
    sent = [record.path for record in requested(outcome.requests, "PUT")]
    assert len(sent) == len(set(sent)) > 0, "no file is sent twice"


@pytest.mark.parametrize("kind", ["file-changed-meanwhile", "file-deleted-meanwhile"])
def test_commit_in_between_that_touches_our_files(outcomes: dict[str, Outcome], ns1_built: Path, kind: str) -> None:
    """Afterwards the repository is what the directory is, whatever the other commit did to files already there."""
    outcome = outcomes[kind]
    assert outcome.result["error"] is None, outcome.result
    assert hub_digests(outcome.repository) == digests(ns1_built)


def test_commits_that_keep_coming(outcomes: dict[str, Outcome], plain_built: Path) -> None:
    """The push gives up after a while, with an error that says why, and has changed nothing."""
    outcome = outcomes["commits-keep-coming"]
    attempts = requested(outcome.requests, "POST", "/commit/")
    assert {record.status for record in attempts} == {412}
    assert 2 <= len(attempts) <= 10
    assert {commit.title for commit in outcome.repository.history()} == {"foreign", "earlier", "initial commit"}
    held = hub_digests(outcome.repository)
    del held["note.txt"]
    assert held == digests(plain_built)
    assert outcome.result["error"] == "HubError"
    assert "deepstrf/commits-keep-coming" in outcome.result["message"]
    assert "Other commits" in outcome.result["message"], "it says what was in the way"
    assert "push again" in outcome.result["message"], "and what to do"


def test_private_is_not_ignored_where_public_would_be_allowed(outcomes: dict[str, Outcome]) -> None:
    """Somebody who asks for a private repository does not get a public one, whatever the licence allows."""
    outcome = outcomes["public"]
    assert hub_digests(outcome.repository) == {}
    assert outcome.result["error"] in ("RedistributionError", "HubError")
    assert "public" in outcome.result["message"]


def test_pictures_of_the_card(hub: LoopbackHub, client: Client, plain_built: Path, tmp_path: Path) -> None:
    """What the card shows is pushed with it and goes with it; pictures of others, and the data's tag, stay."""
    directory = Path(shutil.copytree(plain_built, tmp_path / "ns1"))
    (directory / "assets").mkdir()
    for name in ("a1-unit.png", "a1 quality.png", "not shown.png"):
        (directory / "assets" / name).write_bytes(b"\x89PNG " + name.encode())
    card = directory / "README.md"
    text = card.read_text()
    card.write_text(text + "\n![A \\[good\\] unit](assets/a1-unit.png)\n\n![Quality](assets/a1%20quality.png)\n")
    assert push_once(client, directory, private=True)["error"] is None
    repository = hub.repositories[REPOSITORY]
    shown = {"assets/a1-unit.png", "assets/a1 quality.png"}
    assert set(hub_digests(repository)) == set(digests(plain_built)) | shown
    repository.commit({"assets/theirs.png": b"by hand"}, title="foreign")
    assert push_once(client, plain_built, private=True)["error"] is None
    assert set(hub_digests(repository)) == set(digests(plain_built)) | {"assets/theirs.png"}
    assert repository.tags == {"v1.0.0": repository.history()[2].oid}, "the same data under another card"
    (directory / "assets" / "a1-unit.png").unlink()
    failed = push_once(client, directory, private=True)
    assert failed["error"] == "TableFormatError"
    assert "a1-unit.png" in failed["message"]
