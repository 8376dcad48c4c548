"""Pushing a built directory to the Hub: one commit or none, after the licence has been asked."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deepstrf_hf.build import build
from tests.hub.client_env import ClientError, run_client
from tests.hub.errors import HubError
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.records import RequestRecord
from tests.hub.server import LoopbackHub
from tests.hub.storage import Repository
from tests.hub.wire import error_response
from tests.hub_helpers import (
    BETWEEN_STEPS,
    CLIENT,
    ENDS_BADLY,
    REPOSITORY,
    TOKEN,
    digests,
    hub_digests,
    lfs_bytes,
    read_files,
    requested,
    rewrite,
    steps,
)

Client = Callable[..., Any]

PERMISSION = "Jane Doe, for the authors, by letter of 1 May 2024:\n“The tables may be published” (§ 2)."
NEURONS = "a1-neurons/train-00000-of-00001.parquet"
MAIN = "a1/train-00000-of-00001.parquet"

PUSH = """
from deepstrf_hf import push

def pushed(*arguments, **options):
    return attempt(lambda: vars(push(*arguments, **options)))
"""


@pytest.fixture(scope="module")
def plain_built(ns1_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build without the waveform configuration."""
    out = tmp_path_factory.mktemp("plain") / "ns1"
    build("ns1", data_dir=ns1_raw, out=out, on_error="skip")
    return out


def push_once(client: Client, directory: Path, repository: str = REPOSITORY, **options: Any) -> dict[str, Any]:  # noqa: F811
    """Push in a process of its own; describe the result or the error."""
    found: dict[str, Any] = client(
        PUSH + "report(pushed(directory, repository, **options))",
        token=TOKEN,
        arguments={"directory": str(directory), "repository": repository, "options": options},
        extra=CLIENT,
    )
    return found


def add_private(hub: LoopbackHub, files: dict[str, bytes], name: str = REPOSITORY) -> Repository:  # noqa: F811
    """Make a private repository that holds some files."""
    repository = hub.add_repository(name, private=True)
    repository.commit(files, title="earlier")
    return repository


# What a push does -----------------------------------------------------------------------------------------------------


def test_private_push_then_again_then_one_file_changed(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
    ns1_built: Path,
    tmp_path: Path,
) -> None:
    directory = Path(shutil.copytree(ns1_built, tmp_path / "ns1"))
    before = digests(directory)
    changed = tmp_path / "changed"
    shutil.copytree(directory, changed)
    rewrite(changed / NEURONS, lambda table: table, compression="snappy")
    found = client(
        PUSH
        + """
from huggingface_hub import HfApi

results = []
for source, message in ((directory, None), (directory, None), (changed, "Neurons written anew")):
    results.append(pushed(source, repository, private=True, message=message))
    HfApi().whoami()
report(results)
""",
        token=TOKEN,
        arguments={"directory": str(directory), "changed": str(changed), "repository": REPOSITORY},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == [None] * 3
    first, again, third = (result["value"] for result in found)
    repository = hub.repositories[REPOSITORY]
    assert repository.private
    assert digests(directory) == before, "a push changes nothing in the directory"
    assert hub_digests(repository, first["commit"]) == before
    assert hub_digests(repository) == digests(changed)
    history = repository.history()
    assert [commit.oid for commit in history[:-1]] == [third["commit"], first["commit"]], "one commit for each change"
    assert history[0].title == "Neurons written anew"
    assert history[1].title.startswith("ns1 1.0.0"), "a title that says what it is"
    assert first["url"] == f"{hub.endpoint}/datasets/{REPOSITORY}"
    assert first["files"] == len(before) == 8
    assert again == first
    of_first, of_again, of_third, _ = steps(hub)
    assert len(requested(of_first, "POST", "/commit/")) == 1
    assert sum(record.bytes_received for record in requested(of_first, "PUT")) == lfs_bytes(directory)
    assert requested(of_again, "PUT") == []
    assert requested(of_again, "POST", "/commit/") == []
    sent = requested(of_third, "PUT")
    assert [record.path.rpartition("/")[2] for record in sent] == [digests(changed)[NEURONS]]
    assert sent[0].bytes_received == (changed / NEURONS).stat().st_size


def test_public_push_of_an_unverified_corpus_is_refused(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
    ns1_built: Path,
    plain_built: Path,
) -> None:
    """Nothing is asked of the Hub before the licence has been asked, and a public repository stays as it was."""
    public = hub.add_repository("deepstrf/public")
    gated = hub.add_repository("deepstrf/gated", gated="manual")
    for repository in (public, gated):
        repository.commit(read_files(plain_built))
    heads = [repository.resolve().oid for repository in (public, gated)]
    found = client(
        PUSH
        + """
from huggingface_hub import HfApi

refused = [pushed(directory, repository, **options)
           for options in ({}, {"private": False}, {"permission": " \\n "}, {"revision": "v1"})]
HfApi().whoami()
refused += [pushed(directory, "deepstrf/public", private=True),
            pushed(directory, "deepstrf/public", private=True, revision="v1"),
            pushed(directory, "deepstrf/gated", private=True)]
report(refused)
""",
        token=TOKEN,
        arguments={"directory": str(ns1_built), "repository": REPOSITORY},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == ["RedistributionError"] * 7
    for result in found:
        message = result["message"]
        assert "ns1" in message
        for part in ("not stated", "https://osf.io/ayw2p/", "Ask the authors before handing the data on"):
            assert part in message, "the licence and its terms"
        for part in ("private=True", "--private", "permission=", "--permission"):
            assert part in message, "the two ways out"
    assert "deepstrf/public exists and is public" in found[4]["message"]
    assert list(hub.repositories) == ["deepstrf/public", "deepstrf/gated"]
    assert [repository.resolve().oid for repository in (public, gated)] == heads
    assert list(public.branches) == ["main"]
    before, after = steps(hub)
    assert before == []
    assert requested(after, "PUT") == []


def test_permission_is_written_into_the_pushed_card_alone(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
    plain_built: Path,
) -> None:
    before = read_files(plain_built)
    found = client(
        PUSH
        + """
first, again = (pushed(directory, repository, permission=permission) for _ in range(2))
private = pushed(directory, "deepstrf/private", private=True, permission=permission)
report([first, again, private])
""",
        token=TOKEN,
        arguments={"directory": str(plain_built), "repository": REPOSITORY, "permission": PERMISSION},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == [None] * 3
    assert found[0]["value"] == found[1]["value"], "the same permission makes the same card"
    assert not hub.repositories[REPOSITORY].private
    assert hub.repositories["deepstrf/private"].private
    assert read_files(plain_built) == before
    for repository in hub.repositories.values():
        card = repository.read("README.md").decode()
        assert card.startswith(before["README.md"].decode()), "the card is the local one, and the text after it"
        assert PERMISSION in card.removeprefix(before["README.md"].decode())
        others = {name: digest for name, digest in hub_digests(repository).items() if name != "README.md"}
        assert others == {name: digest for name, digest in digests(before).items() if name != "README.md"}


def test_branch(hub: LoopbackHub, client: Client, plain_built: Path) -> None:  # noqa: F811
    """A branch is made, filled, and filled again without a commit; the main branch stays as it was."""
    found = client(
        PUSH + 'report([pushed(directory, repository, private=True, revision="dev/next") for _ in range(2)])',
        token=TOKEN,
        arguments={"directory": str(plain_built), "repository": REPOSITORY},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == [None, None]
    assert found[0]["value"] == found[1]["value"]
    repository = hub.repositories[REPOSITORY]
    assert sorted(repository.branches) == ["dev/next", "main"]
    assert hub_digests(repository) == {}
    assert hub_digests(repository, "dev/next") == digests(plain_built)
    assert repository.branches["dev/next"] == found[0]["value"]["commit"]
    assert len(repository.history("dev/next")) == 2


# What is in the repository already, and what others do meanwhile ------------------------------------------------------


def test_stale_files_go_and_foreign_files_stay(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
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
    assert push_once(client, plain_built, private=True)["error"] is None
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


# Whatever goes wrong on the way ---------------------------------------------------------------------------------------

EXPLANATION = f"The private storage of {TOKEN} is full"
FAULTS: dict[str, dict[str, Any]] = {
    "create-500": {"method": "POST", "path_regex": "/api/repos/create$", "status": 500},
    "create-drop": {"method": "POST", "path_regex": "/api/repos/create$", "close": True},
    "card-check-drop": {"method": "POST", "path_regex": "/api/validate-yaml$", "close": True},
    "upload-403": {"method": "PUT", "path_regex": "/lfs-uploads/", "status": 403},
    "upload-drop": {"method": "PUT", "path_regex": "/lfs-uploads/", "close": True},
    "commit-403": {"method": "POST", "path_regex": "/commit/main$", "status": 403, "message": EXPLANATION},
    "commit-500": {"method": "POST", "path_regex": "/commit/main$", "status": 500},
    "commit-drop": {"method": "POST", "path_regex": "/commit/main$", "close": True},
    "commit-answer-lost": {"method": "POST", "path_regex": "/commit/main$", "close": True, "applied": True},
}
RETRIED = {"upload-drop"}
"""Faults that the clients mend by themselves."""


@dataclass(frozen=True)
class Faulted:
    """What a push did that met a fault, and the push after it."""

    results: dict[str, Any]
    repository: Repository
    old: str
    met: bool


@pytest.fixture(scope="module")
def faulted(ns1_built: Path, plain_built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Faulted]:
    """Push over an earlier build with each fault, look at what readers see, and push again."""
    with LoopbackHub() as server, pytest.MonkeyPatch.context() as patch:
        server.add_user("alice", TOKEN, orgs=["deepstrf"])
        earlier = read_files(plain_built)
        repositories = {fault: add_private(server, earlier, f"deepstrf/{fault}") for fault in FAULTS}
        old = {fault: repository.resolve().oid for fault, repository in repositories.items()}
        to_come, met, answer = list(FAULTS), {}, server.respond

        def answer_and_plan(record: Any, method: str, target: str, *arguments: Any) -> Any:
            if target == BETWEEN_STEPS:
                server.fail_next(**FAULTS[to_come.pop(0)])
            elif target.startswith("/api/datasets/deepstrf/") and target.endswith("?between"):
                met[target.split("/")[-1].removesuffix("?between")] = server.faults.pending() == 0
            return answer(record, method, target, *arguments)

        patch.setattr(server, "respond", answer_and_plan)
        found = run_client(
            server,
            PUSH
            + """
from huggingface_hub import HfApi, get_session

results = {}
for fault in faults:
    repository = f"deepstrf/{fault}"
    HfApi().whoami()
    first = pushed(directory, repository, private=True)
    get_session().get(f"{HfApi().endpoint}/api/datasets/{repository}?between")
    head = HfApi().dataset_info(repository).sha
    results[fault] = {"first": first, "between": head, "again": pushed(directory, repository, private=True)}
report(results)
""",
            home=tmp_path_factory.mktemp("faults"),
            token=TOKEN,
            arguments={"directory": str(ns1_built), "faults": list(FAULTS)},
            extra=CLIENT,
        )
        assert server.internal_errors == []
        return {fault: Faulted(found[fault], repositories[fault], old[fault], met[fault]) for fault in FAULTS}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_leave_the_old_state_and_the_repeat_works(
    faulted: dict[str, Faulted], ns1_built: Path, fault: str
) -> None:
    case = faulted[fault]
    assert case.met
    again = case.results["again"]
    assert again["error"] is None, again["message"]
    assert again["value"]["commit"] == case.repository.resolve().oid
    assert hub_digests(case.repository) == digests(ns1_built)
    assert len(case.repository.history()) == 3, "one commit, however often it was tried"
    first = case.results["first"]
    if fault in RETRIED:
        assert first["error"] is None
        return
    assert (case.results["between"] == case.old) == (fault != "commit-answer-lost"), "old until a commit is made"
    assert first["error"] == "HubError", first
    assert f"deepstrf/{fault}" in first["message"]
    assert "Mend:" in first["message"]
    assert TOKEN not in first["message"], "not even if the Hub repeats it"
    if fault == "commit-403":
        assert "The private storage of" in first["message"], "the Hub's own explanation is passed on"


def test_killed_half_way(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
    ns1_built: Path,
    plain_built: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that dies between two files leaves the old state; the repeat sends only what is missing."""
    repository = add_private(hub, {"README.md": (plain_built / "README.md").read_bytes()})
    old = hub_digests(repository)
    process = tmp_path / "process"
    answer = hub.respond

    def answer_or_kill(record: Any, method: str, *arguments: Any) -> Any:
        if method == "PUT" and repository.objects:
            os.kill(int(process.read_text()), signal.SIGKILL)
            record.fault = True
            return error_response(HubError(503, "nobody is there any more"))
        return answer(record, method, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(hub, "respond", answer_or_kill)
        with pytest.raises(ClientError) as killed:
            client(
                """
                import os, pathlib
                from deepstrf_hf import push

                pathlib.Path(process).write_text(str(os.getpid()))
                push(directory, repository, private=True)
                """,
                token=TOKEN,
                arguments={"directory": str(ns1_built), "repository": REPOSITORY, "process": str(process)},
                extra=CLIENT,
            )
        assert killed.value.status == -signal.SIGKILL
        hub.requests.records()  # waits for what is still being answered
    sent = {oid for oid, digest in digests(ns1_built).items() if digest in repository.objects}
    parquet = {name for name in digests(ns1_built) if name.endswith(".parquet")}
    assert set() < sent < parquet, "it was half-way"
    assert hub_digests(repository) == old
    assert len(repository.history()) == 2
    hub.requests.clear()
    assert push_once(client, ns1_built, private=True)["error"] is None
    assert hub_digests(repository) == digests(ns1_built)
    missing = sum((ns1_built / name).stat().st_size for name in parquet - sent)
    assert hub.requests.bytes_received("PUT") == missing


# Who may push ---------------------------------------------------------------------------------------------------------

SECRETS: dict[str, str | bool | None] = {
    "unknown": "hf_unknownSECRETtoken",
    "unknown-without-prefix": "unprefixedSECRETtoken",
    "read-only": "hf_readerSECRETtoken",
    "stranger": "hf_mallory",
    "with-newline": "hf_lineSECRETtoken\n",
    "not-ascii": "hf_SECRETtökén",
    "none": None,
    "no-login": True,
    "anonymous": False,
}


@pytest.fixture(scope="module")
def refused_tokens(
    plain_built: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, dict[str, Any]], str, list[str]]:
    """Push with each token; return the errors by kind of token, all that was written, and what the Hub holds."""
    with LoopbackHub() as server:
        server.add_user("reader", str(SECRETS["read-only"]), orgs=["deepstrf"], role="read")
        server.add_user("mallory", "hf_mallory")
        with pytest.raises(ClientError) as ended:
            run_client(
                server,
                PUSH
                + """
import traceback

def traced(token):
    try:
        push(directory, repository, private=True, token=token)
    except Exception:
        return traceback.format_exc()

report({kind: {**pushed(directory, repository, private=True, token=token), "trace": traced(token)}
        for kind, token in secrets.items()})
"""
                + ENDS_BADLY,
                home=tmp_path_factory.mktemp("tokens"),
                arguments={"directory": str(plain_built), "repository": REPOSITORY, "secrets": SECRETS},
                extra=CLIENT,
            )
        assert ended.value.status == 1, str(ended.value)
        written = ended.value.stdout + ended.value.stderr
        found = json.loads(ended.value.stdout.splitlines()[-1])
        assert server.internal_errors == []
        return found, written, list(server.repositories)


@pytest.mark.parametrize("kind", SECRETS)
def test_token_that_may_not_push(refused_tokens: tuple[dict[str, dict[str, Any]], str, list[str]], kind: str) -> None:
    found, written, repositories = refused_tokens
    assert repositories == []
    secret = SECRETS[kind]
    if isinstance(secret, str):
        for text in (found[kind].get("message", ""), found[kind]["trace"], written):
            assert secret.strip() not in text
            assert secret.strip().removeprefix("hf_") not in text
    assert found[kind]["error"] == "HubError", found[kind]
    assert "hf auth login" in found[kind]["message"]
    assert "HF_TOKEN" in found[kind]["message"]


# What is not a build --------------------------------------------------------------------------------------------------


def _edit_report(directory: Path, **changes: Any) -> None:
    path = directory / "build_report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _edit_card(directory: Path, old: str, new: str) -> None:
    path = directory / "README.md"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _into_a_file(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.write_text("no directory")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no Parquet file": lambda directory: (directory / MAIN).unlink(),
    "rows are missing": lambda directory: rewrite(directory / NEURONS, lambda table: table.slice(1)),
    "rows too many": lambda directory: rewrite(directory / NEURONS, lambda table: pa.concat_tables([table, table])),
    "Parquet file cut short": lambda directory: _truncate(directory / MAIN),
    "Parquet file is empty": lambda directory: (directory / MAIN).write_bytes(b""),
    "no card": lambda directory: (directory / "README.md").unlink(),
    "card without end of metadata": lambda directory: _edit_card(directory, "\n---\n", "\n"),
    "card of other files": lambda directory: _edit_card(directory, MAIN, MAIN.replace("of-00001", "of-00002")),
    "no report": lambda directory: (directory / "build_report.json").unlink(),
    "report is not JSON": lambda directory: (directory / "build_report.json").write_text("{"),
    "report is a list": lambda directory: (directory / "build_report.json").write_text("[]"),
    "report without cohorts": lambda directory: _edit_report(directory, cohorts={}),
    "report of a later version": lambda directory: _edit_report(directory, table_version=99),
    "no directory": shutil.rmtree,
    "a file": _into_a_file,
    "an empty directory": lambda directory: [shutil.rmtree(directory), directory.mkdir()],
}


@pytest.fixture(scope="module")
def pushes_of_damaged(
    plain_built: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, str]]]:
    """Push each damaged directory to a repository of its own; return the errors, and what the repositories hold."""
    base = tmp_path_factory.mktemp("damaged")
    directories = {}
    for number, (kind, damage) in enumerate(DAMAGES.items()):
        directories[kind] = Path(shutil.copytree(plain_built, base / str(number)))
        damage(directories[kind])
    with LoopbackHub() as server:
        server.add_user("alice", TOKEN, orgs=["deepstrf"])
        found = run_client(
            server,
            PUSH
            + """
report({kind: pushed(directory, f"deepstrf/n{number}", private=True)
        for number, (kind, directory) in enumerate(directories.items())})
""",
            home=base / "home",
            token=TOKEN,
            arguments={"directories": {kind: str(directory) for kind, directory in directories.items()}},
            extra=CLIENT,
        )
        names = dict(zip(DAMAGES, (f"deepstrf/n{number}" for number in range(len(DAMAGES))), strict=True))
        held = {
            kind: hub_digests(server.repositories[name]) for kind, name in names.items() if name in server.repositories
        }
    return found, held


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_directory_is_not_pushed(
    pushes_of_damaged: tuple[dict[str, dict[str, Any]], dict[str, dict[str, str]]], kind: str
) -> None:
    found, held = pushes_of_damaged
    assert found[kind]["error"] == "TableFormatError", found[kind]
    assert "Mend:" in found[kind]["message"]
    assert kind not in held, "not even a repository was made"


# The command line -----------------------------------------------------------------------------------------------------

COMMAND_LINE = """
import contextlib, io
from deepstrf_hf.cli import main

def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["push", *arguments])
        except SystemExit as ending:
            status = ending.code or 0
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}
"""


def test_command_line(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
    plain_built: Path,
    tmp_path: Path,
) -> None:
    found = client(
        COMMAND_LINE
        + """
report({
    "public": run(directory, "deepstrf/public"),
    "explicitly public": run(directory, "deepstrf/public", "--public"),
    "nothing": run(nothing, "deepstrf/nothing", "--private"),
    "bad name": run(directory, "no/such/name", "--private"),
    "bad option": run(directory, repository, "--privat"),
    "private": run(directory, repository, "--private"),
    "branch": run(directory, repository, "--private", "--revision", "next"),
    "permission": run(directory, "deepstrf/permitted", "--permission", permission),
})
""",
        token=TOKEN,
        arguments={
            "directory": str(plain_built),
            "nothing": str(tmp_path / "nothing"),
            "repository": REPOSITORY,
            "permission": PERMISSION,
        },
        extra=CLIENT,
    )
    statuses = {name: result["status"] for name, result in found.items()}
    assert statuses == {
        "public": 1, "explicitly public": 1, "nothing": 1, "bad name": 1, "bad option": 2, "private": 0, "branch": 0,
        "permission": 0,
    }  # fmt: skip
    for name in ("public", "explicitly public"):
        assert "--private" in found[name]["err"]
        assert "--permission" in found[name]["err"]
        assert "Traceback" not in found[name]["err"]
        assert found[name]["out"] == ""
    assert sorted(hub.repositories) == [REPOSITORY, "deepstrf/permitted"]
    repository = hub.repositories[REPOSITORY]
    assert repository.private
    assert hub_digests(repository, "main") == hub_digests(repository, "next") == digests(plain_built)
    assert f"{hub.endpoint}/datasets/{REPOSITORY}" in found["private"]["out"]
    assert repository.branches["main"] in found["private"]["out"]
    assert not hub.repositories["deepstrf/permitted"].private
    assert PERMISSION in hub.repositories["deepstrf/permitted"].read("README.md").decode()


def test_command_line_never_writes_the_token(
    hub: LoopbackHub,  # noqa: F811
    client: Client,  # noqa: F811
    plain_built: Path,
) -> None:
    """A wrong token in the environment: status 1, how to log in, and no token even with the traceback."""
    token = "hf_wrongSECRETtoken"
    with pytest.raises(ClientError) as ended:
        client(
            """
            from deepstrf_hf.cli import main

            main(["push", directory, repository, "--private", "--traceback"])
            """,
            token=token,
            arguments={"directory": str(plain_built), "repository": REPOSITORY},
            extra=CLIENT,
        )
    assert ended.value.status == 1
    written = ended.value.stdout + ended.value.stderr
    assert "SystemExit: 1" in written
    assert "hf auth login" in written
    assert "Traceback" in written
    assert token not in written
    assert "SECRET" not in written
    assert hub.repositories == {}
