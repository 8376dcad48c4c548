"""What the tests of reading a pushed corpus share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf import build
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub.storage import Repository
from tests.hub_helpers import (
    REPOSITORY,
    read_files,
    requested,
)

Client = Callable[..., Any]
ROWS = {"train": 80, "test": 20}
"""16 and 4 clips, heard by 5 units each."""

FINGERPRINT = """
import deepstrf_hf
from tests.hub_helpers import fingerprint_of

def load(source=repository, *arguments, **options):
    return fingerprint_of(deepstrf_hf.load(source, *arguments, preprocessing=None, **options))
"""


@pytest.fixture(scope="module")
def reference_built(ns1_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build whose main table has no spectrogram."""
    out = tmp_path_factory.mktemp("reference") / "ns1"
    build("ns1", data_dir=ns1_raw, out=out, on_error="skip", stimulus="reference")
    return out


@pytest.fixture
def repository(hub: LoopbackHub, ns1_built: Path) -> Repository:
    """Give a private repository that holds the build."""
    repository = hub.add_repository(REPOSITORY, private=True)
    repository.commit(read_files(ns1_built), title="built")
    return repository


def files_fetched(records: Any) -> set[str]:
    """Return the files whose content was asked for."""
    return {record.path.split("/resolve/")[1].partition("/")[2] for record in requested(records, "GET", "/resolve/")}
