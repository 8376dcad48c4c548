"""Fixtures for tests that need the labs' hosts; import the names into a ``conftest.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .reach import reach
from .server import LabHosts


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHosts]:
    """Give all hosts, empty, and lead this process's requests to them."""
    with LabHosts(tmp_path_factory.mktemp("lab_hosts")) as server, reach(server):
        yield server
    assert server.internal_errors == []


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Give a directory for what is fetched, with nothing else in it."""
    directory = tmp_path / "data"
    directory.mkdir()
    return directory
