"""What tests do with NAT4 trees: build, read back, damage, and compute again from the definitions."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from deepstrf_hf import build
from deepstrf_hf.report import CohortReport
from tests.raw_writers.nat4 import N_BINS, AreaTruth, counts_of, write_nat4
from tests.raw_writers.nems import write_tgz

Files = dict[str, bytes]
POPULATION = "A1_NAT4_ozgf.fs100.ch18.tgz"


def table_rows(out: Path, config: str) -> list[dict[str, Any]]:
    """Return all rows of a configuration, with the split each is in."""
    rows = []
    for file in sorted((out / config).glob("*.parquet")):
        rows += [{**row, "hf_split": file.name.partition("-")[0]} for row in pq.read_table(file).to_pylist()]
    return rows


def pairs(out: Path, config: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rows of the main table by (stim_id, neuron_id)."""
    rows = table_rows(out, config)
    by_pair = {(row["stim_id"], row["neuron_id"]): row for row in rows}
    assert len(by_pair) == len(rows)
    return by_pair


def neurons(out: Path, config: str) -> dict[str, dict[str, Any]]:
    """Return the rows of the neurons table by neuron_id."""
    return {row["neuron_id"]: row for row in table_rows(out, f"{config}-neurons")}


def left_out(entry: CohortReport, kind: str) -> dict[str, str]:
    """Return what a build left out of one kind: reason by name."""
    return {name: reason for of_kind, name, reason in entry.left_out if of_kind == kind}


def in_population(area: AreaTruth, clip: str, cell: str) -> np.ndarray:
    """Return what the population recording holds of a pair."""
    return area.responses[area.bins[clip] : area.bins[clip] + N_BINS, area.cells.index(cell)]


def val_trials(area: AreaTruth, clip: str, cell: str) -> np.ndarray:
    """Count the spikes of every presentation of a val clip, (trials, bins)."""
    site, name = area.site_cells[cell]
    return np.stack([counts_of(area.sites[site].spikes_s[name], start) for start in area.sites[site].starts_s[clip]])


def sound_of(area: AreaTruth, clip: str) -> np.ndarray:
    """Return the linear cochleagram of a clip, float64 (bands, bins)."""
    return area.cochleagram[area.bins[clip] : area.bins[clip] + N_BINS].T


def change_archive(path: Path, change: Callable[[Files], object]) -> None:
    """Read an archive, change its files in place, and write it back."""
    with tarfile.open(path) as archive:
        files = {
            info.name: archive.extractfile(info).read()  # type: ignore[union-attr]
            for info in archive
            if info.isfile()
        }
    change(files)
    write_tgz(path, files, level=1)


def change_text(path: Path, end: str, change: Callable[[str], str]) -> None:
    """Change the one text file of an archive whose name has this end."""

    def changed(files: Files) -> None:
        (name,) = [name for name in files if name.endswith(end)]
        files[name] = change(files[name].decode()).encode()

    change_archive(path, changed)


def change_response(path: Path, line: int, column: int, value: float) -> None:
    """Change one value of the responses of a population recording."""

    def changed(text: str) -> str:
        lines = text.splitlines()
        values = lines[line].split(",")
        values[column] = f"{value:.18e}"
        lines[line] = ",".join(values)
        return "\n".join(lines) + "\n"

    change_text(path, ".resp.csv", changed)


def cut_short(path: Path, share: float = 0.6) -> None:
    """Keep the beginning of a file alone."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


class Tree:
    """A small tree of its own, to be damaged."""

    def __init__(self, directory: Path) -> None:
        self.raw, self.out = directory / "raw", directory / "out"
        self.truth = write_nat4(self.raw, seed=11, areas=("A1",), n_sites=2, n_est=3, n_val=2)
        self.area = self.truth.areas["A1"]
        self.population = self.raw / POPULATION

    def site(self, name: str) -> Path:
        return self.area.sites[name].path

    def cells(self, site: str) -> list[str]:
        return [cell for cell, (of_site, _) in self.area.site_cells.items() if of_site == site]

    def build(self, **options: Any) -> CohortReport:
        return build("nat4", ["a1"], data_dir=self.raw, out=self.out, **options).cohorts["a1"]

    def refuses(self, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            self.build()
        assert not self.out.exists()

    def rows_with_val(self) -> set[str]:
        return {cell for clip, cell in pairs(self.out, "a1") if clip in self.truth.val}
