"""Verifying what is in the tables: each check by breaking one thing in a whole build, and nothing else is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepstrf_hf import build, verification_tables, verify
from tests.hub_helpers import provenance_of, rewrite, with_provenance
from tests.scaled_toy import ScaledToy
from tests.toy import write_toy
from tests.verify_helpers import (  # noqa: F401
    MAIN,
    NEURONS,
    STIMULI,
    WAVEFORM,
    Change,
    change_table,
    found,
    in_short,
    known,
    reseal,
    toy,
    toy_built,
    with_column,
    with_first,
)

TEST = "counts/test-00000-of-00003.parquet"
POTENTIALS = "potentials/train-00000-of-00003.parquet"
REPORTED = "The build report states another count than the tables give"
COVERAGE = "The table of neurons states another coverage than the rows give"
COMPANION = "A row says something else than the companion table"
PAIR = "stim_id, neuron_id"
ROWS_AGAIN = "Rows with waveforms are not those of the main table"
Failures = set[tuple[str, str | None, str]]


def counted(*names: str, cohort: str = "counts") -> Failures:
    """Return the failures of counts in the report."""
    return {(REPORTED, f"{cohort}: {name}", "build_report.json") for name in names}


def without(column: str) -> Change:
    return lambda table: table.drop_columns([column])


def cast(column: str, kind: pa.DataType) -> Change:
    def changed(table: pa.Table) -> pa.Table:
        place = table.column_names.index(column)
        return table.set_column(place, column, table.column(column).cast(kind))

    return changed


def reordered(table: pa.Table) -> pa.Table:
    return table.select([*table.column_names[1:], table.column_names[0]])


def of_first(change: Callable[[np.ndarray], Any]) -> Callable[[Any], Any]:
    """Return a change of a nested list as an array."""
    return lambda value: change(np.array(value)).tolist()


def spoiled(value: float) -> Callable[[Any], Any]:
    def changed(array: np.ndarray) -> np.ndarray:
        array = array.astype(float)
        array[0, -1] = value
        return array

    return of_first(changed)


def one_more_trial(response: list[list[int]]) -> list[list[int]]:
    return [*response, [0] * len(response[0])]


CHANGES: dict[str, tuple[str, Change, Failures]] = {
    # Columns
    "column missing": (MAIN, without("n_trials"), {("A column is missing", "n_trials", MAIN)}),
    "column of another type": (MAIN, cast("n_trials", pa.int64()), {("A column has another type", "n_trials", MAIN)}),
    "column nobody declared": (
        NEURONS,
        lambda table: table.append_column("mood", pa.array(["good"] * len(table))),
        {("A column is not declared", "mood", NEURONS)},
    ),
    "columns in another order": (STIMULI, reordered, {("Columns are not in the declared order", "columns", STIMULI)}),
    # Order
    "rows not sorted": (
        MAIN,
        lambda table: table.take(pa.array([1, 0, *range(2, len(table))])),
        {("Rows are not in ascending order of stimulus and neuron", PAIR, MAIN)},
    ),
    "stimuli not sorted": (
        STIMULI,
        lambda table: table.take(pa.array([1, 0, *range(2, len(table))])),
        {("Rows are not in ascending order", "stim_id", STIMULI)},
    ),
    # Keys
    "row twice": (
        MAIN,
        lambda table: pa.concat_tables([table.slice(0, 1), table]),
        {
            ("A pair of stimulus and neuron has more than one row", PAIR, "counts"),
            (ROWS_AGAIN, PAIR, "counts-waveform"),
            *((COVERAGE, name, "counts-neurons") for name in ("n_stimuli", "n_trials")),
            *counted("rows", "trials", "spikes"),
        },
    ),
    "row missing": (
        MAIN,
        lambda table: table.slice(1),
        {
            (ROWS_AGAIN, PAIR, "counts-waveform"),
            *((COVERAGE, name, "counts-neurons") for name in ("n_stimuli", "n_trials")),
            *counted("rows", "trials", "spikes"),
        },
    ),
    "neuron twice": (
        NEURONS,
        lambda table: pa.concat_tables([table.slice(0, 1), table]),
        {
            ("A companion table names one thing more than once", "neuron_id", NEURONS),
            ("A companion table names what no row mentions", "neuron_id", "counts"),
            ("A companion table names what no row mentions", "neuron_id", "counts-waveform"),
            *((COVERAGE, name, "counts-neurons") for name in ("n_stimuli", "n_trials")),
            *counted("neurons"),
        },
    ),
    "neuron missing": (
        NEURONS,
        lambda table: table.slice(1),
        {
            *(
                (
                    "The main table names what its companion table lacks",
                    "neuron_id",
                    f"{config}/{split}-00000-of-00003.parquet",
                )
                for config in ("counts", "counts-waveform")
                for split in ("train", "test")
            ),
            *counted("neurons"),
        },
    ),
    "stimulus without id": (STIMULI, with_first("stim_id", lambda _: None), {("Rows have no id", "stim_id", STIMULI)}),
    # Divisions
    "unknown word": (
        TEST,
        with_first("subset", lambda _: "val"),
        {("A row belongs to a division that is not declared", "subset", TEST)},
    ),
    "word of the stimulus": (
        STIMULI,
        with_first("subset", lambda _: "val"),
        {("A stimulus belongs to a division that is not declared", "subset", STIMULI)},
    ),
    # Shapes and values
    "absent number": (
        MAIN,
        with_first("n_trials", lambda _: None),
        {("Values are absent that cannot be", "n_trials", MAIN)},
    ),
    "absent response": (
        MAIN,
        with_first("response", lambda _: None),
        {("Values are absent that cannot be", "response", MAIN)},
    ),
    "absent sample": (
        MAIN,
        with_first("response", lambda trials: [[None, *trials[0][1:]], *trials[1:]]),
        {("Values are absent that cannot be", "response", MAIN)},
    ),
    "other trials": (
        MAIN,
        with_first("response", one_more_trial),
        {("A response has other trials than its row states", "n_trials", MAIN)},
    ),
    "one trial shorter": (
        MAIN,
        with_first("response", lambda trials: [[*trials[0], 0], *trials[1:]]),
        {("A response has other bins than its row states", "n_bins", MAIN)},
    ),
    "one spike more": (
        MAIN,
        with_first("response", lambda trials: [[trials[0][0] + 1, *trials[0][1:]], *trials[1:]]),
        {
            ("Rows with waveforms hold other responses than the main table", "response", "counts-waveform"),
            *counted("spikes"),
        },
    ),
    "infinite potential": (
        POTENTIALS,
        with_first("response", spoiled(np.inf)),
        {("A response holds infinite values", "response", POTENTIALS)},
    ),
    "other bins stated": (
        MAIN,
        with_first("n_bins", lambda bins: bins + 1),
        {
            ("A response has other bins than its row states", "n_bins", MAIN),
            ("A spectrogram has other bins than its row states", "spectrogram", MAIN),
            (COMPANION, "n_bins", MAIN),
        },
    ),
    "spectrogram with a NaN": (
        MAIN,
        with_first("spectrogram", spoiled(np.nan)),
        {
            ("A spectrogram is not finite", "spectrogram", MAIN),
            ("A row carries another spectrogram than the table of stimuli", "spectrogram", MAIN),
        },
    ),
    "spectrogram of another stimulus": (
        MAIN,
        with_first("spectrogram", of_first(lambda array: array + 1)),
        {("A row carries another spectrogram than the table of stimuli", "spectrogram", MAIN)},
    ),
    "sound of another stimulus": (
        WAVEFORM,
        with_first("audio", lambda audio: {**audio, "bytes": audio["bytes"] + b"x"}),
        {("A row carries another audio than the table of stimuli", "audio", WAVEFORM)},
    ),
    # Repeated values
    "other metadata of a stimulus": (MAIN, with_first("stim_level", lambda _: 3.0), {(COMPANION, "stim_level", MAIN)}),
    "other metadata of a neuron": (MAIN, with_first("neuron_site", lambda _: None), {(COMPANION, "neuron_site", MAIN)}),
    "other kind of signal": (
        MAIN,
        with_first("signal_type", lambda _: "eeg"),
        {("A row says something else than its file", "signal_type", MAIN)},
    ),
    "other bin width": (
        MAIN,
        with_first("dt_ms", lambda _: 7.0),
        {("A row says something else than its file", "dt_ms", MAIN), (COMPANION, "dt_ms", MAIN)},
    ),
    "other coverage": (
        NEURONS,
        with_first("n_trials", lambda trials: trials + 1),
        {(COVERAGE, "n_trials", "counts-neurons")},
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_each_fault_is_found_and_nothing_else(toy: Path, kind: str) -> None:  # noqa: F811
    name, change, expected = CHANGES[kind]
    change_table(toy, name, change)
    assert found(toy) == expected


def test_spectrograms_of_the_table_of_stimuli(toy: Path) -> None:  # noqa: F811
    """Where rows refer to their stimulus, only this table has it."""
    name = STIMULI.replace("counts", "potentials")
    rewrite(toy / name, with_first("spectrogram", spoiled(np.inf)))
    reseal(toy)
    assert found(toy) == {("A spectrogram is not finite", "spectrogram", name)}
    rewrite(toy / name, with_first("spectrogram", lambda _: [[1.0] * 11, [2.0]]))
    reseal(toy)
    assert found(toy) == {("A spectrogram has other bins than its row states", "spectrogram", name)}
    for nothing in (None, [], [[]], [None], [[None] * 10]):
        rewrite(toy / name, with_first("spectrogram", lambda _, nothing=nothing: nothing))
        reseal(toy)
        assert found(toy) == {("A row has no spectrogram", "spectrogram", name)}


def test_a_row_in_the_wrong_split(toy: Path) -> None:  # noqa: F811
    """Moved with its word, and moved with a word that is changed."""
    rows = pq.read_table(toy / TEST)
    moved = rows.slice(0, 1)
    rewrite(toy / TEST, lambda table: table.slice(1))
    for change in (lambda table: table, with_first("subset", lambda _: "train")):
        before = pq.read_table(toy / MAIN)
        rewrite(toy / MAIN, lambda table, change=change: pa.concat_tables([table, change(moved)]).sort_by(
            [("stim_id", "ascending"), ("neuron_id", "ascending")]))  # fmt: skip
        reseal(toy)
        assert found(toy) == {("A row stands in another split than the one it belongs to", "subset", MAIN)}
        rewrite(toy / MAIN, lambda _, before=before: before)


def test_a_word_of_another_split_in_a_recorded_division(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(ScaledToy, data_dir=write_toy(tmp_path / "raw"), out=out)
    name = "all/train-00000-of-00001.parquet"
    change_table(out, name, with_column("subset", lambda words: ["val", "other", *words[2:]]))
    assert found(out) == {
        ("A row stands in another split than the one it belongs to", "subset", name),
        ("A row belongs to a division that is not declared", "subset", name),
    }


def test_many_faulty_rows_are_one_finding_with_their_number(toy: Path) -> None:  # noqa: F811
    change_table(toy, MAIN, with_column("neuron_site", lambda sites: ["elsewhere"] * len(sites)))
    (failure,) = verify(toy).failures
    assert failure.found is not None
    assert failure.found.startswith("6 rows, the first: site_a-n0 hearing sound0: 'elsewhere', there 'site_a'")


def test_several_faults_are_all_found(toy: Path) -> None:  # noqa: F811
    faults = ["other trials", "other coverage", "infinite potential"]
    for name, change, _ in (CHANGES[fault] for fault in faults):
        change_table(toy, name, change)
    assert found(toy) == set().union(*(CHANGES[fault][2] for fault in faults))


@pytest.mark.parametrize(("rows", "row_group"), [(1, 100), (2, 100), (100, 1), (3, 5)])
def test_findings_do_not_depend_on_how_much_is_read_at_a_time(
    toy: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    row_group: int,
) -> None:
    """The last two rows of a file are exchanged: the order is followed across batches and row groups."""
    monkeypatch.setattr(verification_tables, "LARGEST_BATCH_ROWS", rows)
    rewrite(toy / MAIN, lambda table: table, row_group_size=row_group)
    reseal(toy)
    whole = verify(toy)
    assert whole.failures == ()
    rewrite(
        toy / MAIN,
        lambda table: table.take(pa.array([*range(len(table) - 2), len(table) - 1, len(table) - 2])),
        row_group_size=row_group,
    )
    reseal(toy)
    assert found(toy) == {("Rows are not in ascending order of stimulus and neuron", PAIR, MAIN)}
    assert verify(toy).counts == whole.counts


def test_features_that_datasets_would_read_otherwise(toy: Path) -> None:  # noqa: F811
    """Types agree, but sounds would be plain structures."""
    provenance = provenance_of(toy / WAVEFORM)
    plain = pq.read_table(toy / WAVEFORM).replace_schema_metadata({})
    pq.write_table(with_provenance(plain, provenance), toy / WAVEFORM)
    reseal(toy)
    assert found(toy) == {("What `datasets` reads from the file is not what is declared", "features", WAVEFORM)}


def test_other_numbers_of_bands(ns1_built: Path, tmp_path: Path) -> None:
    """A file says how many bands there are, where they have frequencies."""
    copy = Path(shutil.copytree(ns1_built, tmp_path / "ns1"))
    for path in copy.rglob("*.parquet"):
        provenance = provenance_of(path)
        frequencies = provenance["band_frequencies_hz"]
        pq.write_table(
            with_provenance(pq.read_table(path), {**provenance, "band_frequencies_hz": frequencies[1:]}), path
        )
    problems = {problem for problem, _, file in in_short(verify(copy)) if file.startswith("a1-stimuli/")}
    assert "A spectrogram has other bands than its file states" in problems


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(toy: Path, data: st.DataObject) -> None:  # noqa: F811
    """Whatever byte of whatever data file changes, there is a failure; and none once it is as it was."""
    names = sorted(path.relative_to(toy).as_posix() for path in toy.rglob("*.parquet"))
    path = toy / data.draw(st.sampled_from(names))
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    other = data.draw(st.integers(1, 255))
    path.write_bytes(before[:place] + bytes([before[place] ^ other]) + before[place + 1 :])
    try:
        assert not verify(toy).whole
    finally:
        path.write_bytes(before)


def test_broken_bytes_are_never_an_error_of_somebody_else(toy: Path) -> None:  # noqa: F811
    """Every tenth place of a small file, one after the other, is broken; all that comes is findings."""
    path = toy / NEURONS
    before = path.read_bytes()
    for place in range(0, len(before), len(before) // 60):
        path.write_bytes(before[:place] + bytes([before[place] ^ 0x55]) + before[place + 1 :])
        assert any(file == NEURONS for _, _, file in found(toy))
