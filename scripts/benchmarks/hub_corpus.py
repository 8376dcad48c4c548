"""The built directory that is pushed: one that is given, or a small made-up one; and a copy in which a site changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

REPORT = "build_report.json"
PLACES = ("neuron_area", "neuron_site")
"""Columns by which neurons are chosen: the first that is there and has more than one value."""


@dataclass(frozen=True)
class Built:
    """A built directory and what is asked of it.

    Parameters
    ----------
    directory : Path
        Of the tables.
    config : str
        Configuration of a main table.
    """

    directory: Path
    config: str

    @classmethod
    def of(cls, directory: Path) -> Built:
        """Take the first cohort of a directory.

        Raises
        ------
        FileNotFoundError
            It has no build report.
        """
        report = json.loads((directory / REPORT).read_text(encoding="utf-8"))
        return cls(directory, next(iter(report["cohorts"])))

    def shards(self) -> list[Path]:
        """Return the training files of the main table."""
        return sorted((self.directory / self.config).glob("train-*.parquet"))

    def amounts(self) -> dict[str, Any]:
        """Say how large it is."""
        files = [path for path in self.directory.rglob("*") if path.is_file()]
        shards = self.shards()
        return {
            "config": self.config,
            "files": len(files),
            "mb": sum(path.stat().st_size for path in files) / 1e6,
            "train_files": len(shards),
            "train_mb": sum(path.stat().st_size for path in shards) / 1e6,
            "train_rows": sum(pq.read_metadata(path).num_rows for path in shards),
        }

    def rarest_place(self) -> tuple[str, str] | None:
        """Return the column and the value that fewest training rows have; None where all rows are of one place."""
        for column in PLACES:
            counts: dict[str, int] = {}
            for path in self.shards():
                if column not in pq.read_schema(path).names:
                    continue
                for entry in pq.read_table(path, columns=[column])[column].value_counts().to_pylist():
                    if entry["values"] is not None:
                        counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
            if len(counts) > 1:
                return column, min(sorted(counts), key=counts.__getitem__)
        return None


def made_up(scratch: Path, size: str) -> Built:
    """Build Wingert 2026 from made-up recordings: sites of the real size, or, tiny, all six kinds of small ones."""
    import deepstrf_hf
    from tests.raw_writers.wingert2026 import write_wingert2026

    place = scratch / f"hub-{size}"
    if not (place / "built").exists():
        cohort = "a1_peg" if size == "tiny" else "a1"
        write_wingert2026(place / "raw", sounds="none", bench_sites=0 if size == "tiny" else 4)
        deepstrf_hf.build("wingert2026", [cohort], data_dir=place / "raw", out=place / "built", on_error="skip")
    return Built.of(place / "built")


def with_one_site_changed(built: Built, copy: Path) -> tuple[Built, int]:
    """Copy a build, change one count in the first training file, and make it the next version.

    Returns
    -------
    Built
        The copy. Its other files are links to those of the original where the system can.
    int
        Bytes of the file that changed.
    """
    shutil.copytree(built.directory, copy, copy_function=_link)
    path = copy / built.shards()[0].relative_to(built.directory)
    name, before = path.relative_to(copy).as_posix(), path.stat().st_size
    _rewrite(path)
    report_path = copy / REPORT
    report = json.loads(report_path.read_text(encoding="utf-8"))
    report["corpus_version"] += ".1"
    for files in _splits(report):
        if name in files["files"]:
            files["bytes"] += path.stat().st_size - before
            if "sha256" in files:
                files["sha256"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
    report_path.unlink()  # it may be a link to the original
    report_path.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return Built(copy, built.config), path.stat().st_size


def _link(source: str, target: str) -> None:
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copy2(source, target)


def _splits(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in report["cohorts"].values():
        for splits in entry["configs"].values():
            yield from splits.values()


def _rewrite(path: Path) -> None:
    """Write a main table again, its row groups as they are, the first value of its first response one higher."""
    own = path.with_suffix(".new")
    with pq.ParquetFile(path) as file:
        metadata = {key: value for key, value in file.metadata.metadata.items() if key != b"ARROW:schema"}
        with pq.ParquetWriter(own, file.schema_arrow, compression="zstd", data_page_size=2**28) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                writer.write_table(_changed(table) if group == 0 else table, row_group_size=max(1, len(table)))
            writer.add_key_value_metadata(metadata)
    own.replace(path)


def _changed(table: pa.Table) -> pa.Table:
    trials = table["response"].combine_chunks()
    bins = trials.values
    values = bins.values.to_numpy(zero_copy_only=False).copy()
    values[0] += 1
    kind = table.schema.field("response").type
    inner = pa.ListArray.from_arrays(bins.offsets, pa.array(values, bins.values.type))
    changed = pa.ListArray.from_arrays(trials.offsets, inner).cast(kind)
    return table.set_column(table.schema.get_field_index("response"), table.schema.field("response"), changed)
