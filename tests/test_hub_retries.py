"""Requests that are made again where that may help, and revisions that do not exist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from deepstrf_hf import hub_retries
from deepstrf_hf.hub_retries import LONGEST_WAIT_S, WAITS_S, with_retries
from tests.hub.client_env import run_client
from tests.hub.server import LoopbackHub
from tests.hub_helpers import read_files


def refused(status: int, **headers: str) -> HfHubHTTPError:
    error = HfHubHTTPError.__new__(HfHubHTTPError)
    Exception.__init__(error, f"status {status}")
    error.response = SimpleNamespace(status_code=status, headers=headers)  # type: ignore[assignment]
    return error


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(hub_retries.time, "sleep", found.append)
    return found


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def request() -> str:
        if left:
            raise left.pop()
        return "here"

    return request


PASSING = [
    refused(500),
    refused(503),
    refused(429),
    HTTPError("the connection broke"),
    ConnectionResetError("reset"),
    LocalEntryNotFoundError("nothing cached, and the Hub was not reached"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
@pytest.mark.parametrize("times", [0, 1, 2])
def test_what_passes_is_waited_for(error: Exception, times: int, waits: list[float]) -> None:
    assert with_retries(failing(times, error)) == "here"
    assert waits == list(WAITS_S[:times])


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_does_not_pass_is_raised_in_the_end(error: Exception, waits: list[float]) -> None:
    with pytest.raises(type(error)):
        with_retries(failing(3, error))
    assert waits == list(WAITS_S)


@pytest.mark.parametrize(
    "error", [refused(401), refused(403), refused(404), OfflineModeIsEnabled("offline"), ValueError("x")], ids=repr
)
def test_what_asking_again_does_not_mend_is_raised_at_once(error: Exception, waits: list[float]) -> None:
    with pytest.raises(type(error)):
        with_retries(failing(1, error))
    assert waits == []


def test_offline_nothing_is_waited_for(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(LocalEntryNotFoundError):
        with_retries(failing(1, LocalEntryNotFoundError("nothing cached")))
    assert waits == []


@pytest.mark.parametrize(
    ("asked", "waited"), [("7", 7.0), ("0", WAITS_S[0]), ("900", LONGEST_WAIT_S), ("soon", WAITS_S[0])]
)
def test_a_server_is_left_alone_as_long_as_it_asks(asked: str, waited: float, waits: list[float]) -> None:
    assert with_retries(failing(1, refused(429, **{"Retry-After": asked}))) == "here"
    assert waits == [waited]


@pytest.fixture(scope="module")
def answers(ns1_built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Ask for revisions that do not exist, and load through faults that pass."""
    with LoopbackHub() as server:
        repository = server.add_repository("deepstrf/ns1")
        first = repository.commit(read_files(ns1_built))
        repository.create_reference(repository.tags, "v1.0.0", first.oid)
        for pattern in (r"/README\.md$", "/tree/"):
            server.fail_next(method="HEAD" if "README" in pattern else "GET", path_regex=pattern, close=True)
        found: dict[str, Any] = run_client(
            server,
            """
            import deepstrf_hf

            report({
                "faults": attempt(lambda: len(deepstrf_hf.load("deepstrf/ns1"))),
                "near": attempt(deepstrf_hf.load, "deepstrf/ns1", revision="v1.0.1"),
                "far": attempt(deepstrf_hf.load, "deepstrf/ns1", revision="something else"),
            })
            """,
            home=tmp_path_factory.mktemp("revisions"),
        )
        assert server.internal_errors == []
        assert server.faults.pending() == 0, "every fault was met"
    return found


def test_faults_that_pass_are_not_seen(answers: dict[str, Any]) -> None:
    assert answers["faults"] == {"error": None, "value": 20}


def test_near_revisions_are_offered(answers: dict[str, Any]) -> None:
    assert answers["near"]["error"] == answers["far"]["error"] == "HubError"
    for name in ("near", "far"):
        assert "one of: v1.0.0, main; or a commit" in answers[name]["message"]
    assert "'v1.0.1'" in answers["near"]["message"]
    assert "did you mean 'v1.0.0'?" in answers["near"]["message"]
    assert "did you mean" not in answers["far"]["message"]
