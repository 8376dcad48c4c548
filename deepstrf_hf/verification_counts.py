"""Verify what is counted over a whole cohort: pairs, coverage, and the counts of the report."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.names import REPORT_NAME, SUFFIX
from deepstrf_hf.parquet import as_numpy
from deepstrf_hf.verification_companions import Companion
from deepstrf_hf.verification_findings import BUILD_AGAIN
from deepstrf_hf.verification_rows import MainTally
from deepstrf_hf.verification_tables import CohortToVerify


def check_cohort(
    cohort: CohortToVerify, tallies: Mapping[str, MainTally], stimuli: Companion, neurons: Companion
) -> dict[str, int]:
    """Check that pairs are unique, that nothing is never mentioned, and that counts are those of the report.

    Parameters
    ----------
    cohort : CohortToVerify
        The cohort.
    tallies : mapping of str to MainTally
        What was found in each main table, by table; only of those that could be read whole.
    stimuli, neurons : Companion
        Companion tables.

    Returns
    -------
    dict of str to int
        What was counted; empty without the table of rows.
    """
    for table, tally in tallies.items():
        _check_pairs(cohort, cohort.name + SUFFIX[table], tally, stimuli, neurons)
    if "rows" not in tallies:
        return {}
    rows = tallies["rows"]
    pairs, trials = _joined(rows.pairs), _joined(rows.trials)
    if "waveform" in tallies:
        _compare_waveforms(cohort, rows, tallies["waveform"])
    _check_coverage(cohort, pairs, trials, neurons)
    counts = {"neurons": len(neurons), "stimuli": len(stimuli), "rows": len(pairs), "trials": int(trials.sum())}
    if "spikes" in cohort.entry.counts:
        counts["spikes"] = rows.total
    _compare_counts(cohort, counts)
    return counts


def compare_published(cohort: CohortToVerify, counts: Mapping[str, int], published: Mapping[str, int]) -> None:
    """Remark on counts that differ from published ones; those that rows do not tell are taken from the report."""
    for name, expected in published.items():
        found = counts.get(name, cohort.entry.counts.get(name, 0))
        if found != expected:
            cohort.findings.remark(
                "A count differs from the published one", cohort.name, field=name, found=found, expected=expected
            )


def _check_pairs(cohort: CohortToVerify, config: str, tally: MainTally, stimuli: Companion, neurons: Companion) -> None:
    known = _joined(tally.pairs)
    unique, times = np.unique(known[known >= 0], return_counts=True)
    twice = unique[times > 1]
    if len(twice):
        stimulus, neuron = divmod(int(twice[0]), len(neurons))
        cohort.findings.failure(
            "A pair of stimulus and neuron has more than one row",
            config,
            field="stim_id, neuron_id",
            found=f"{len(twice)}, the first {neurons.ids[neuron]} hearing {stimuli.ids[stimulus]}",
            expected="one row for each pair, over all splits",
        )
    for companion, mentioned in ((stimuli, unique // max(1, len(neurons))), (neurons, unique % max(1, len(neurons)))):
        never = np.setdiff1d(np.arange(len(companion)), mentioned)
        if len(never):
            cohort.findings.failure(
                "A companion table names what no row mentions",
                config,
                field=companion.key,
                found=f"{len(never)}, the first {companion.ids[int(never[0])]}",
            )


def _compare_waveforms(cohort: CohortToVerify, rows: MainTally, waveforms: MainTally) -> None:
    """Rows with waveforms are the rows of the main table again."""
    config = cohort.name + SUFFIX["waveform"]
    expected, found = (np.sort(_joined(tally.pairs)) for tally in (rows, waveforms))
    totals = [(int(_joined(tally.trials).sum()), tally.total) for tally in (rows, waveforms)]
    if not np.array_equal(expected, found):
        cohort.findings.failure(
            "Rows with waveforms are not those of the main table",
            config,
            field="stim_id, neuron_id",
            found=f"{len(found)} rows, lacking {len(np.setdiff1d(expected, found))} of the main table's",
            expected=f"the same {len(expected)} rows",
        )
    elif totals[0] != totals[1]:
        cohort.findings.failure(
            "Rows with waveforms hold other responses than the main table",
            config,
            field="response",
            found="{} trials, sum {}".format(*totals[1]),
            expected="{} trials, sum {}".format(*totals[0]),
        )


def _check_coverage(
    cohort: CohortToVerify, pairs: NDArray[np.int64], trials: NDArray[np.int64], neurons: Companion
) -> None:
    """Compare how many stimuli and trials the table of neurons states for each with the rows."""
    known = pairs >= 0
    of_neuron = pairs[known] % max(1, len(neurons))
    counted = {
        "n_stimuli": np.bincount(of_neuron, minlength=len(neurons)),
        "n_trials": np.bincount(of_neuron, weights=trials[known], minlength=len(neurons)).astype(np.int64),
    }
    for name, expected in counted.items():
        column = neurons.column(name)
        stated = as_numpy(column.fill_null(-1)).astype(np.int64)
        other = np.flatnonzero(stated != expected)
        if len(other):
            first = int(other[0])
            cohort.findings.failure(
                "The table of neurons states another coverage than the rows give",
                cohort.name + SUFFIX["neurons"],
                field=name,
                found=f"{len(other)} neurons, the first {neurons.ids[first]}: {stated[first]}",
                expected=int(expected[first]),
            )


def _compare_counts(cohort: CohortToVerify, counts: Mapping[str, int]) -> None:
    for name, found in counts.items():
        if cohort.entry.counts.get(name) != found:
            cohort.findings.failure(
                "The build report states another count than the tables give",
                REPORT_NAME,
                field=f"{cohort.name}: {name}",
                found=cohort.entry.counts.get(name, "nothing"),
                expected=found,
                mend=BUILD_AGAIN,
            )


def _joined(pieces: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
