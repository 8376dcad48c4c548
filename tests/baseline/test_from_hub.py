"""The linear reference of a repository on the Hub."""

from __future__ import annotations

from pathlib import Path

import deepstrf_hf
from tests.hub.fixtures import client, hub  # noqa: F401
from tests.hub.storage import Repository
from tests.hub_helpers import REPOSITORY, TOKEN
from tests.reading_helpers import Client, repository  # noqa: F401


def test_the_hub_gives_what_the_directory_gives(
    client: Client,  # noqa: F811
    repository: Repository,  # noqa: F811
    ns1_built: Path,
) -> None:
    code = """
import deepstrf_hf
found = deepstrf_hf.baseline(repository, window_ms=20, penalties=(0.1, 10)).to_json()
found.pop("seconds")
report(found)
"""
    found = client(code, token=TOKEN, arguments={"repository": REPOSITORY})
    expected = deepstrf_hf.baseline(ns1_built, window_ms=20, penalties=(0.1, 10)).to_json()
    expected.pop("seconds")
    assert found == expected and found["n_scored"] > 0
