"""Files whose content is not what the Hub states: fetched again, and refused where that does not help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub.storage import FileEntry
from tests.hub_helpers import REPOSITORY, TOKEN, expected_fingerprint, read_files, requested
from tests.reading_helpers import FINGERPRINT, Client, files_fetched, repository  # noqa: F401

TRAIN = "a1/train-00000-of-00001.parquet"
WITH_A_BIT_CHANGED = """
import deepstrf_hf, os
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download
from tests.hub_helpers import fingerprint_of

def change_a_bit(name):
    blob = Path(hf_hub_download(repository, name, repo_type="dataset")).resolve()
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 4
    blob.chmod(0o644)
    blob.write_bytes(content)

def load():
    return fingerprint_of(deepstrf_hf.load(repository, preprocessing=None, cache=cache))
"""


@pytest.mark.parametrize("cache", [True, False])
def test_what_the_cache_holds_altered_is_fetched_again(
    hub: LoopbackHub,
    repository: object,
    client: Client,
    ns1_built: Path,
    cache: bool,
) -> None:
    found = client(
        WITH_A_BIT_CHANGED
        + """
first = load()
change_a_bit(name)
HfApi().whoami()
report([first, load(), load()])
""",
        token=TOKEN,
        arguments={"repository": REPOSITORY, "name": TRAIN, "cache": cache},
    )
    assert found == [expected_fingerprint(ns1_built)] * 3
    records = hub.requests.records()
    whoami = next(number for number, record in enumerate(records) if record.path == "/api/whoami-v2")
    assert files_fetched(records[whoami:]) - {"README.md"} == {TRAIN}, "only what was altered, and only once"
    assert len(requested(records[whoami:], "GET", TRAIN)) == 1


def test_what_arrives_altered_is_refused(hub: LoopbackHub, client: Client, ns1_built: Path) -> None:
    files = {name: FileEntry.from_content(name, content) for name, content in read_files(ns1_built).items()}
    good = files[TRAIN]
    content = bytearray(good.blob.content)
    content[len(content) // 2] ^= 4
    served = hub.add_repository(REPOSITORY)
    served.commit({**files, TRAIN: replace(good, blob=replace(good.blob, content=bytes(content)))})
    found = client(
        FINGERPRINT
        + """
report([attempt(load), attempt(load), attempt(load, cache=False)])
""",
        arguments={"repository": REPOSITORY},
    )
    for result in found:
        assert result["error"] == "HubError", result
        assert TRAIN in result["message"]
        assert good.blob.sha256 in result["message"]
        assert "hf cache rm" in result["message"]


def test_what_is_altered_cannot_be_fetched_offline(
    repository: object,
    client: Client,
) -> None:
    arguments = {"repository": REPOSITORY, "name": TRAIN, "cache": True}
    client(WITH_A_BIT_CHANGED + "\nload()\nchange_a_bit(name)\nreport(0)\n", token=TOKEN, arguments=arguments)
    found = client(WITH_A_BIT_CHANGED + "\nreport(attempt(load))\n", arguments=arguments, offline=True)
    assert found["error"] == "HubError", found
    assert "hf cache rm" in found["message"]
    assert TRAIN in found["message"]
