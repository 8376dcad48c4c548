"""What the tests of pushing and loading share: digests of files, fingerprints of grids, steps in the Hub's log.

Clients of the loopback Hub import this too, so it imports neither pytest nor torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from tests.hub.records import RequestRecord
    from tests.hub.server import LoopbackHub
    from tests.hub.storage import Repository

REPOSITORY = "deepstrf/ns1"
TOKEN = "hf_alice"
CLIENT = {"USE_TORCH": "0"}
"""Variables of a client that needs no grid: ``datasets`` would import torch, which costs it a second."""
BETWEEN_STEPS = "/api/whoami-v2"
"""A client asks this between two steps, to separate them in the Hub's log."""
ENDS_BADLY = "\nraise SystemExit(3)\n"
"""Appended to a snippet: a client that fails hands over all that it wrote, its standard error too."""


def read_files(directory: Path) -> dict[str, bytes]:
    """Read all files below a directory."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def files_of(directory: Path, config: str, split: str) -> list[Path]:
    """Return the Parquet files of a split, in order."""
    return sorted((directory / config).glob(f"{split}-*.parquet"))


def digests(files: Path | Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file of a directory, or of files in memory."""
    content = read_files(files) if isinstance(files, Path) else files
    return {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}


def hub_digests(repository: Repository, revision: str = "main") -> dict[str, str]:
    """Return the SHA-256 of each file in a repository but the one that the Hub itself put there."""
    files = repository.resolve(revision).files
    return {name: entry.blob.sha256 for name, entry in files.items() if name != ".gitattributes"}


def lfs_bytes(directory: Path) -> int:
    """Return how many bytes of a directory go to LFS: those of its Parquet files."""
    return sum(path.stat().st_size for path in directory.rglob("*.parquet"))


def steps(hub: LoopbackHub) -> list[list[RequestRecord]]:
    """Return the requests of each step of a client."""
    found: list[list[RequestRecord]] = [[]]
    for record in hub.requests.records():
        if record.path == BETWEEN_STEPS:
            found.append([])
        else:
            found[-1].append(record)
    return found


def requested(records: Iterable[RequestRecord], method: str, part: str = "") -> list[RequestRecord]:
    """Return the requests that have a method and a text in their path."""
    return [record for record in records if record.method == method and part in record.path]


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table], **options: Any) -> None:
    """Change the table in a Parquet file, or only how it is written; what it says about itself stays."""
    gone = (b"ARROW:schema", b"deepstrf_hf_summary")
    metadata = {key: value for key, value in pq.read_metadata(path).metadata.items() if key not in gone}
    pq.write_table(change(pq.read_table(path)).replace_schema_metadata(metadata), path, **options)


def provenance_of(path: Path) -> dict[str, Any]:
    """Read what a Parquet file says about itself."""
    found: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[b"deepstrf_hf"])
    return found


def with_provenance(table: pa.Table, provenance: Mapping[str, Any]) -> pa.Table:
    """Return a table whose file will say something else about itself."""
    return table.replace_schema_metadata({**table.schema.metadata, b"deepstrf_hf": json.dumps(provenance).encode()})


def digest_of_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """Hash rows: their values by column name, in the order in which they come."""
    total = hashlib.sha256()
    for row in rows:
        light = {name: value for name, value in sorted(row.items()) if name != "spectrogram"}
        total.update(repr(light).encode())
        total.update(np.array(row.get("spectrogram", ()), np.float64).tobytes())
    return total.hexdigest()


def grid_fingerprint(
    stim_ids: Sequence[str],
    neuron_ids: Sequence[str],
    stims: Iterable[Any],
    responses: Iterable[Iterable[Any]],
) -> str:
    """Hash ids, stimuli and responses of a grid, with their shapes and types."""
    total = hashlib.sha256(repr((list(stim_ids), list(neuron_ids))).encode())
    for stim, row in zip(stims, responses, strict=True):
        for values in (stim, *row):
            array = np.ascontiguousarray(values)
            total.update(repr((array.shape, str(array.dtype))).encode())
            total.update(array.tobytes())
    return total.hexdigest()


def fingerprint_of(grid: Any) -> str:
    """Hash all that a grid hands out."""
    return grid_fingerprint(
        [entry["stim_id"] for entry in grid.stim_meta],
        [entry["neuron_id"] for entry in grid.nrn_meta],
        (stim.numpy() for stim in grid.stims),
        ([response.numpy() for response in row] for row in grid.responses),
    )


def expected_fingerprint(directory: Path, splits: Sequence[str] = ("train", "test")) -> str:
    """Hash the grid that the tables of a directory hold, read with nothing but pyarrow; responses as stored."""
    rows = [
        row
        for split in splits
        for path in files_of(directory, "a1", split)
        for row in pq.read_table(path, columns=["stim_id", "neuron_id", "response"]).to_pylist()
    ]
    stimuli = pq.read_table(directory / "a1-stimuli", columns=["stim_id", "spectrogram"]).to_pylist()
    neurons = sorted(pq.read_table(directory / "a1-neurons").column("neuron_id").to_pylist())
    spectrogram = {row["stim_id"]: np.array(row["spectrogram"], np.float32)[None] for row in stimuli}
    response = {(row["stim_id"], row["neuron_id"]): np.array(row["response"], np.float32) for row in rows}
    heard = sorted({stim for stim, _ in response})
    nothing = np.full((1, 1), np.nan, np.float32)
    return grid_fingerprint(
        heard,
        neurons,
        (spectrogram[stim] for stim in heard),
        ([response.get((stim, neuron), nothing) for neuron in neurons] for stim in heard),
    )
