"""What the tests of pushing share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf import build
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.records import RequestRecord
from tests.hub.server import LoopbackHub
from tests.hub.storage import Repository
from tests.hub_helpers import (
    CLIENT,
    REPOSITORY,
    TOKEN,
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


def push_once(client: Client, directory: Path, repository: str = REPOSITORY, **options: Any) -> dict[str, Any]:
    """Push in a process of its own; describe the result or the error."""
    found: dict[str, Any] = client(
        PUSH + "report(pushed(directory, repository, **options))",
        token=TOKEN,
        arguments={"directory": str(directory), "repository": repository, "options": options},
        extra=CLIENT,
    )
    return found


def add_private(hub: LoopbackHub, files: dict[str, bytes], name: str = REPOSITORY) -> Repository:
    """Make a private repository that holds some files."""
    repository = hub.add_repository(name, private=True)
    repository.commit(files, title="earlier")
    return repository


def writing(records: Iterable[RequestRecord]) -> list[str]:
    """Return the requests that could change something on the Hub."""
    return [f"{record.method} {record.path}" for record in records if record.method not in ("GET", "HEAD")]
