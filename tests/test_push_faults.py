"""Pushing when something goes wrong: the network, the token, the directory."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.hub.client_env import ClientError, run_client
from tests.hub.errors import HubError
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
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
    read_files,
    rewrite,
)
from tests.push_helpers import (  # noqa: F401
    MAIN,
    NEURONS,
    PUSH,
    Client,
    add_private,
    plain_built,
    push_once,
)

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
    hub: LoopbackHub,
    client: Client,
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
