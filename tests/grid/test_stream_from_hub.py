"""Streaming a pushed corpus: the same items, and only the bytes that they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from deepstrf_hf.recording import Recording, Stimulus
from tests.grid.stream_corpora import N_STIMULI, TEST_STIMULI, Together, build_toy
from tests.hub.client_env import run_client
from tests.hub.records import RequestRecord
from tests.hub.server import LoopbackHub
from tests.hub_helpers import TOKEN, read_files, requested, steps

REPOSITORY = "deepstrf/large"
N_BINS, N_BANDS = 1500, 32


class Large(Together):
    """Stimuli that cost far more than responses: spectrograms and sounds of about 200 kB each."""

    CORPUS = replace(Together.CORPUS, name="large")

    @classmethod
    def recordings(cls, *arguments: Any) -> Iterator[Recording]:
        large: dict[str, Stimulus] = {}
        for recording in super().recordings(*arguments):
            name = recording.stimulus.stim_id
            if name not in large:
                rng = np.random.default_rng(int(name[-1]))
                spectrogram = rng.normal(size=(N_BANDS, N_BINS)).astype(np.float32)
                waveform = rng.integers(-30_000, 30_000, N_BINS * 80).astype(np.int16)
                large[name] = Stimulus(name, spectrogram, recording.stimulus.metadata, waveform, 16_000.0)
            response = np.resize(recording.response, (len(recording.response), N_BINS))
            yield replace(recording, stimulus=large[name], response=response)


FINGERPRINT = """
import json
import deepstrf_hf
from huggingface_hub import HfApi
from torch.utils.data import DataLoader
from deepstrf_hf.grid.stream import stream
from tests.hub_helpers import grid_fingerprint

def ids_of(items):
    return [item["stim_meta"]["stim_id"] for item in items]

def fingerprint(source, **options):
    found = stream(source, **options)
    items = list(found)
    return [
        grid_fingerprint(
            ids_of(items),
            [entry["neuron_id"] for entry in found.nrn_meta],
            (item["stims"].numpy() for item in items),
            ([response.numpy() for response in item["responses"]] for item in items),
        ),
        repr(found.nrn_meta),
        repr([item["stim_meta"] for item in items]),
    ]

def as_from_directory(config, **options):
    return fingerprint(repository, config=config, **options) == fingerprint(directory, config=config, **options)
"""


@dataclass(frozen=True)
class Visits:
    """What a client found online, the requests of each step, what it found offline later, and those requests."""

    directory: Path
    online: dict[str, Any]
    steps: list[list[RequestRecord]]
    offline: dict[str, Any]
    requests_offline: int


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build with a row group for each stimulus."""
    return build_toy(Large, tmp_path_factory.mktemp("large"), ROW_GROUP_TARGET_BYTES=1)


@pytest.fixture(scope="module")
def visits(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Visits:
    """Stream a private repository online, load it, and stream it again offline with the same cache."""
    home = tmp_path_factory.mktemp("visits")
    arguments = {"repository": REPOSITORY, "directory": str(built)}
    with LoopbackHub() as server:
        server.add_user("alice", TOKEN, orgs=["deepstrf"])
        server.add_repository(REPOSITORY, private=True).commit(read_files(built))
        online = run_client(
            server,
            FINGERPRINT
            + """
options = dict(shuffle=True, shuffle_buffer=3)
found = {"reference": as_from_directory("potentials", prefetch=2, **options)}
HfApi().whoami()
found["inline"] = as_from_directory("counts")
HfApi().whoami()
found["waveform"] = as_from_directory("counts", stimulus="waveform", split="test")
HfApi().whoami()
first = stream(repository, "potentials", **options)
HfApi().whoami()
coming = iter(first)
before = ids_of(next(coming) for _ in range(6))
state = json.loads(json.dumps(first.state_dict()))
coming.close()
found["whole"] = ids_of(stream(directory, "potentials", **options))
second = stream(repository, "potentials", **options)
second.load_state_dict(state)
HfApi().whoami()
found["resumed"] = before + ids_of(second)
HfApi().whoami()
for context in ("fork", "spawn"):
    loader = DataLoader(
        second, 2, collate_fn=deepstrf_hf.neural_collate, num_workers=2, multiprocessing_context=context
    )
    found[context] = sorted(entry["stim_id"] for batch in loader for entry in batch["stim_meta"])
HfApi().whoami()
deepstrf_hf.load(repository, "counts")
HfApi().whoami()
found["cached"] = as_from_directory("counts")
report(found)
""",
            home=home,
            token=TOKEN,
            arguments=arguments,
        )
        records = steps(server)
        assert server.requests.unrouted() == []
        server.requests.clear()
        offline = run_client(
            server,
            FINGERPRINT
            + """
report({
    "loaded before": as_from_directory("counts"),
    "streamed before": attempt(stream, repository, "potentials"),
    "never seen": attempt(stream, "deepstrf/nothing"),
})
""",
            home=home,
            arguments=arguments,
            offline=True,
        )
        assert server.internal_errors == []
        return Visits(built, online, records, offline, len(server.requests))


def bytes_sent(records: Sequence[RequestRecord], folder: str) -> dict[str, int]:
    """Return the bytes that were sent of each file of a folder."""
    sent: dict[str, int] = {}
    for record in requested(records, "GET", "/resolve/"):
        name = record.path.split("/resolve/")[1].partition("/")[2]
        if name.startswith(folder + "/"):
            assert record.status == 206 and record.range, "a range, never a whole file"
            sent[name] = sent.get(name, 0) + record.bytes_sent
    return sent


def column_bytes(path: Path, columns: Sequence[str]) -> int:
    """Return the bytes on disk of columns of a file."""
    metadata = pq.read_metadata(path)
    return sum(
        chunk.total_compressed_size
        for group in range(metadata.num_row_groups)
        for chunk in (metadata.row_group(group).column(index) for index in range(metadata.num_columns))
        if chunk.path_in_schema.partition(".")[0] in columns
    )


@pytest.mark.parametrize("kind", ["reference", "inline", "waveform", "cached"])
def test_items_are_those_of_the_directory(visits: Visits, kind: str) -> None:
    assert visits.online[kind] is True


def opened(records: Sequence[RequestRecord], path: Path, name: str) -> int:
    """Return how often the end of a file was fetched."""
    size = path.stat().st_size
    ends = f"bytes={max(0, size - 2**16)}-{size - 1}"
    return sum(record.range == ends for record in requested(records, "GET", name))


@pytest.mark.parametrize(
    ("step", "folder", "column", "most"),
    [
        (0, "potentials", "response", 1.0),
        (1, "counts", "response", 0.3),
        (0, "potentials-stimuli", "spectrogram", 0.7),
        (1, "counts-stimuli", "spectrogram", 0.7),
        (2, "counts-stimuli", "audio", 0.4),
    ],
)
def test_only_the_columns_needed_are_fetched(visits: Visits, step: int, folder: str, column: str, most: float) -> None:
    """The columns, the end of the file each time it is opened, and gaps too small for a request; no more."""
    sent = bytes_sent(visits.steps[step], folder)
    assert sent
    for name, count in sent.items():
        path = visits.directory / name
        size, needed = path.stat().st_size, column_bytes(path, [column])
        small = column_bytes(path, ["stim_id", "neuron_id", "n_trials", "n_bins", "stim_name", "subset", "signal_type"])
        ends = opened(visits.steps[step], path, name) * min(size, 2**16)
        if size <= 2**16:
            assert count == ends, "a small file is fetched whole and then known"
            continue
        if column == "audio":  # of the test set, with the pictures behind it
            needed += column_bytes(path, ["picture"])
            needed = needed * len(TEST_STIMULI) // N_STIMULI
        if folder.endswith("-stimuli"):  # the first is read to count its bands
            needed += column_bytes(path, ["spectrogram"]) // N_STIMULI
        assert 0.95 * needed < count <= 1.05 * needed + ends + small
        assert count - ends < most * size


def test_few_requests(visits: Visits) -> None:
    """Columns that stand together are fetched together."""
    records = [record for record in visits.steps[1] if record.method == "GET" and ".parquet" in record.path]
    main = requested(records, "GET", "/counts/")
    # Both files are opened twice, for the index and for the items; an item costs two requests, for the columns before
    # and behind the spectrogram.
    assert len(main) <= 2 * 2 + 2 * N_STIMULI
    # Opened for metadata, bands, preprocessing and items; the metadata of all stimuli stand together in the end.
    assert len(requested(records, "GET", "/counts-stimuli/")) <= 4 + 1 + N_STIMULI


def test_a_resume_fetches_what_is_left(visits: Visits) -> None:
    assert visits.online["resumed"] == visits.online["whole"] and len(visits.online["whole"]) == N_STIMULI
    left = requested(visits.steps[5], "GET", "/potentials/")
    assert 0 < len(left) <= 2 * 2 + (N_STIMULI - 6)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_fetch_for_themselves(visits: Visits, context: str) -> None:
    assert visits.online[context] == [f"sound{number}" for number in range(N_STIMULI)]


def test_what_the_client_has_in_its_cache_is_not_fetched(visits: Visits) -> None:
    assert [record for record in visits.steps[8] if ".parquet" in record.path] == []
    assert visits.offline["loaded before"] is True
    assert visits.requests_offline == 0


@pytest.mark.parametrize("what", ["streamed before", "never seen"])
def test_what_cannot_be_reached_offline_is_told(visits: Visits, what: str) -> None:
    assert visits.offline[what]["error"] == "HubError", visits.offline[what]
    assert "HF_HUB_OFFLINE" in visits.offline[what]["message"]


# Faults ---------------------------------------------------------------------------------------------------------------

MAIN = r"/counts/train-.*\.parquet$"
FAULTS: dict[str, dict[str, Any]] = {
    "index-403": {"method": "GET", "path_regex": MAIN, "status": 403},
    "listing-403": {"method": "GET", "path_regex": "/tree/.*/counts$", "status": 403},
    "listing-drop": {"method": "GET", "path_regex": "/tree/.*/counts$", "close": True},
    "index-drop": {"method": "GET", "path_regex": MAIN, "close": True},
    "index-cut": {"method": "GET", "path_regex": MAIN, "after_bytes": 100},
}


@pytest.fixture(scope="module")
def calls_with_faults(built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """Stream twice from one repository for each fault; the first call meets it. Return results and faults not met."""
    files = read_files(built)
    with LoopbackHub() as server:
        server.add_user("alice", TOKEN, orgs=["deepstrf"])
        server.add_user("mallory", "hf_mallory")
        for fault, plan in FAULTS.items():
            server.add_repository(f"deepstrf/{fault}").commit(files)
            prefix = f"^(/api)?/datasets/deepstrf/{fault}"
            server.fail_next(**{**plan, "path_regex": prefix + ".*" + plan["path_regex"]})
        server.add_repository("deepstrf/later").commit(files)
        server.add_repository("deepstrf/private", private=True).commit(files)
        broken = server.add_repository("deepstrf/broken")
        broken.commit({name: data for name, data in files.items() if not name.startswith("counts-stimuli/")})
        damaged = server.add_repository("deepstrf/damaged")
        spoilt = {
            name: b"PAR1" + bytes(5000) if name.startswith("counts/train") else data for name, data in files.items()
        }
        damaged.commit(spoilt)
        found = run_client(
            server,
            FINGERPRINT
            + """
def ids(repository, **options):
    return ids_of(stream(repository, "counts", **options))

class Spoilt:
    def __init__(self, repository, token):
        self.stream = stream(repository, "counts", token=token)

later = Spoilt("deepstrf/later", "hf_mallory")
HfApi().delete_repo("deepstrf/later", repo_type="dataset", token="hf_alice")
report({
    "faults": {fault: [attempt(ids, f"deepstrf/{fault}") for _ in range(2)] for fault in faults},
    "later": attempt(list, later.stream),
    "private": attempt(ids, "deepstrf/private", token="hf_mallory"),
    "broken": attempt(ids, "deepstrf/broken"),
    "damaged": attempt(ids, "deepstrf/damaged"),
    "nothing": attempt(ids, "deepstrf/nothing"),
    "revision": attempt(ids, "deepstrf/broken", revision="v9"),
    "token": repr(later.stream._content.index.files[0]) + repr(later.stream),
})
""",
            home=tmp_path_factory.mktemp("faults"),
            arguments={"faults": list(FAULTS)},
        )
        assert server.internal_errors == []
        return found, server.faults.pending()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_network_fault_is_an_error_and_the_repeat_works(
    calls_with_faults: tuple[dict[str, Any], int], fault: str
) -> None:
    found, pending = calls_with_faults
    assert pending == 0, "every fault was met"
    first, again = found["faults"][fault]
    expected = [f"sound{number}" for number in (0, 2, 3, 5, 6, 7, 8, 1, 4)]
    assert again["error"] is None and again["value"] == expected, again
    if first["error"] is None:
        assert first["value"] == expected
    else:
        assert first["error"] == "HubError", first
        assert f"deepstrf/{fault}" in first["message"] and "Mend:" in first["message"]
    assert (first["error"] is None) == (not fault.endswith("403")), "a dropped connection is mended by trying again"


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("later", "HubError", "deepstrf/later"),
        ("private", "HubError", "deepstrf/private"),
        ("broken", "HubError", "counts-stimuli/train-00000-of-00001.parquet"),
        ("damaged", "TableFormatError", "counts/train-00000-of-00001.parquet"),
        ("nothing", "HubError", "deepstrf/nothing"),
        ("revision", "HubError", "v9"),
    ],
)
def test_what_is_not_there(calls_with_faults: tuple[dict[str, Any], int], what: str, error: str, says: str) -> None:
    found = calls_with_faults[0][what]
    assert found["error"] == error, found
    assert says in found["message"] and "Mend:" in found["message"]


def test_tokens_are_not_shown(calls_with_faults: tuple[dict[str, Any], int]) -> None:
    assert "hf_" not in calls_with_faults[0]["token"] and "deepstrf/later" in calls_with_faults[0]["token"]
