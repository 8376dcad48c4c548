"""Fixtures for tests that need a Hub; import the names into a ``conftest.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, close_session, constants

from .client_env import run_client
from .server import LoopbackHub


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """Give an empty Hub with two users, and see that it met nothing it does not know.

    ``alice`` (token ``hf_alice``) belongs to the organisation ``deepstrf``; ``mallory`` (token ``hf_mallory``) to none.
    """
    with LoopbackHub() as server:
        server.add_user("alice", "hf_alice", orgs=["deepstrf"])
        server.add_user("mallory", "hf_mallory")
        yield server
    assert server.internal_errors == []
    assert server.requests.unrouted() == []


@pytest.fixture
def client(hub: LoopbackHub, tmp_path: Path) -> Callable[..., Any]:
    """Give `run_client` bound to the Hub and to one home; pass ``home=`` for a client with empty caches."""
    return partial(run_client, hub, home=tmp_path / "home")


@pytest.fixture
def api_for(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., HfApi]]:
    """Give a maker of `HfApi` objects that work in the test's own process.

    This holds for every method of `HfApi` that takes neither a file system nor ``load_dataset``: those keep the
    address, the caches and the listings that they saw first, and need a process of their own.
    """
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "in-process"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")
    close_session()

    def make(token: str | bool = False) -> HfApi:
        return HfApi(endpoint=hub.endpoint, token=token)

    yield make
    close_session()
