"""What the tests of verification share: builds of the toys, ways to break them, and what was found."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import builders
from deepstrf_hf import build, verify
from deepstrf_hf.card import write_card
from deepstrf_hf.report import BuildReport
from deepstrf_hf.verification import Verification
from tests.hub_helpers import provenance_of, rewrite, with_provenance
from tests.scaled_toy import ScaledToy
from tests.toy import Toy, write_toy

TOYS = {"toy": Toy, "scaled_toy": ScaledToy}
MAIN = "counts/train-00000-of-00003.parquet"
STIMULI = "counts-stimuli/train-00000-of-00001.parquet"
NEURONS = "counts-neurons/train-00000-of-00001.parquet"
WAVEFORM = "counts-waveform/train-00000-of-00003.parquet"
Change = Callable[[pa.Table], pa.Table]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the toys be corpora that the library knows."""
    monkeypatch.setitem(builders.BUILDERS, "toy", "tests.toy:Toy")
    monkeypatch.setitem(builders.BUILDERS, "scaled_toy", "tests.scaled_toy:ScaledToy")


@pytest.fixture(scope="module")
def toy_built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a build of the toy, all tables; tests break copies of it."""
    directory = tmp_path_factory.mktemp("toy")
    build(Toy, data_dir=write_toy(directory / "raw"), out=directory / "toy", waveform=True)
    yield directory / "toy"


@pytest.fixture
def toy(toy_built: Path, tmp_path: Path) -> Path:
    """Return a copy of the build, to be broken."""
    return Path(shutil.copytree(toy_built, tmp_path / "toy"))


def found(directory: Path) -> set[tuple[str, str | None, str]]:
    """Verify; return (problem, field, file) of each failure."""
    return in_short(verify(directory))


def in_short(verification: Verification) -> set[tuple[str, str | None, str]]:
    """Return (problem, field, file) of each failure, which all say what is there or how to mend it."""
    assert all(finding.found or finding.mend for finding in verification.failures)
    return {(finding.problem, finding.field, finding.file) for finding in verification.failures}


def edit_report(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the build report."""
    path = directory / "build_report.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def reseal(directory: Path, *, rows: bool = True, card: bool = True) -> None:
    """Make sizes, digests and rows of the report, and the card, agree with files that were changed."""
    report = BuildReport.read(directory)
    for entry in report.cohorts.values():
        for splits in entry.configs.values():
            for files in splits.values():
                paths = {name: directory / name for name in files.files}
                files.bytes = sum(path.stat().st_size for path in paths.values())
                files.sha256 = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}
                if rows:
                    files.rows = sum(pq.read_metadata(path).num_rows for path in paths.values())
    report.write(directory)
    if card:
        write_card(TOYS[report.corpus].CORPUS, report, directory)


def change_table(directory: Path, name: str, change: Change) -> None:
    """Change the table in a file; report and card state the new size, digest and rows."""
    rewrite(directory / name, change)
    reseal(directory)


def with_column(column: str, change: Callable[[list[Any]], list[Any]]) -> Change:
    """Return a change of the values of a column."""

    def changed(table: pa.Table) -> pa.Table:
        place = table.column_names.index(column)
        kind = table.schema.field(column)
        return table.set_column(place, kind, pa.array(change(table.column(column).to_pylist()), kind.type))

    return changed


def with_first(column: str, change: Callable[[Any], Any]) -> Change:
    """Return a change of the first value of a column."""
    return with_column(column, lambda values: [change(values[0]), *values[1:]])


def change_provenance(directory: Path, name: str, **changes: Any) -> None:
    """Change what a file says about itself."""
    path = directory / name
    provenance = {**provenance_of(path), **changes}
    pq.write_table(with_provenance(pq.read_table(path), provenance), path)
    reseal(directory)
