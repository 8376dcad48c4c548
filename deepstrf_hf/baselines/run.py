"""`deepstrf_hf.baseline`: the linear reference of a cohort."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.baselines.divisions import divisions_of
from deepstrf_hf.baselines.fitting import fit_division
from deepstrf_hf.baselines.groups import groups_of
from deepstrf_hf.baselines.result import Baseline, average
from deepstrf_hf.baselines.settings import Settings
from deepstrf_hf.data_fingerprint import data_fingerprint
from deepstrf_hf.errors import ParameterError, unknown_name
from deepstrf_hf.grid.load import NeuralDataset, load
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.preprocessing import Step
from deepstrf_hf.registry import corpus_names, load_builder
from deepstrf_hf.repository import Repository
from deepstrf_hf.strf.ridge import DEFAULT_PENALTIES

SEEDS = 5
"""Divisions that are drawn where none is published."""
ALL = "all"
"""Entry of the summary that holds all neurons."""


def baseline(
    source: str | Path,
    config: str | None = None,
    *,
    window_ms: float | None = None,
    bin_ms: float | None = None,
    by: str | None = None,
    seeds: int = SEEDS,
    penalties: Sequence[float] = DEFAULT_PENALTIES,
    preprocessing: str | Sequence[Step] | None = "published",
    revision: str | None = None,
    token: str | bool | None = None,
    cache: bool | str | Path = True,
) -> Baseline:
    """Fit the linear reference of a cohort: a ridge STRF of every neuron, scored on clips it has not seen.

    The published division is used where there is one; else several are drawn, and scores averaged. The penalty of a
    neuron is chosen by cross-validation within its training clips. Window, bins and what papers report are declared by
    the corpus (`deepstrf_hf.linear_baseline.LinearBaseline`); a corpus that is not ours gets the default.

    Parameters
    ----------
    source : str or Path
        A directory that `deepstrf_hf.build` wrote, or the id of a Hub repository.
    config : str, optional
        Configuration of a main table; the default one if not given.
    window_ms : float, optional
        Length of the receptive fields, ms; as declared if not given.
    bin_ms : float, optional
        Width to which responses and spectrograms are averaged first, ms, a multiple of the stored one; as declared if
        not given.
    by : str, optional
        Column of neurons by whose values scores are also summed up; as declared if not given, ``""`` for none.
    seeds : int
        Divisions that are drawn where none is published.
    penalties : sequence of float
        Candidates, > 0, relative to the mean eigenvalue of the covariance of the regressors.
    preprocessing, revision, token, cache
        As in `deepstrf_hf.load`.

    Returns
    -------
    Baseline
        With ``summary``, ``scores``, ``left_out``, ``model`` (the receptive fields), ``to_json()``, ``write()`` and
        ``draw()``.

    Raises
    ------
    ParameterError
        An argument that cannot be used.
    UnknownNameError
        No such configuration or column.
    TableFormatError, GridError, HubError
        As in `deepstrf_hf.load`.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, (int, np.integer)) or seeds < 1:
        raise ParameterError("Divisions are counted", field="seeds", found=repr(seeds), expected="at least 1")
    start = time.perf_counter()
    repository = Repository.open(source, revision=revision, token=token)
    config = repository.main_config(config)
    provenance = repository.provenance(repository.files(config)[:1])
    declared = declared_baseline(provenance)
    settings = Settings.resolve(provenance["dt_ms"], declared, window_ms=window_ms, bin_ms=bin_ms, penalties=penalties)
    # The commit that was read above, even if somebody pushes meanwhile.
    grid = load(source, config, preprocessing=preprocessing, revision=repository.revision, token=token, cache=cache)
    identity = {
        "corpus": str(provenance["corpus"]),
        "config": config,
        "corpus_version": str(provenance["corpus_version"]),
        "data_fingerprint": data_fingerprint(repository, config),
    }
    loading = time.perf_counter() - start
    result = baseline_of_grid(grid, declared, settings, by=by, seeds=int(seeds), preprocessing=preprocessing)
    return replace(result, identity=identity, seconds={"loading": loading, **result.seconds})


def declared_baseline(provenance: Mapping[str, Any]) -> LinearBaseline:
    """Return what the corpus of some tables declares, and the default for a corpus or cohort that is not ours."""
    if provenance["corpus"] in corpus_names():
        for cohort in load_builder(provenance["corpus"]).CORPUS.cohorts:
            if cohort.name == provenance.get("cohort"):
                return cohort.baseline
    return LinearBaseline()


def baseline_of_grid(
    grid: NeuralDataset,
    declared: LinearBaseline,
    settings: Settings,
    *,
    by: str | None = None,
    seeds: int = SEEDS,
    preprocessing: str | Sequence[Step] | None = None,
) -> Baseline:
    """Fit the linear reference of a grid, whatever is selected in it.

    Parameters
    ----------
    grid : NeuralDataset
        With spectrograms, and ids of stimuli and neurons.
    declared : LinearBaseline
        How to divide the stimuli, and what to sum up.
    settings : Settings
        Bins, lags, penalties.
    by, seeds
        As in `baseline`.
    preprocessing : str, sequence of steps, or None
        What `grid` was loaded with, for the record.

    Raises
    ------
    UnknownNameError
        No such column.
    """
    start = time.perf_counter()
    column = summary_column(grid, declared, by)
    divisions, words = divisions_of(grid, declared, seeds)
    groups = groups_of(grid, settings.stored_per_bin)
    fitted = [fit_division(grid, groups, division, settings) for division in divisions]
    scores, left_out = average(fitted)
    ids = [entry["neuron_id"] for entry in grid.nrn_meta]
    return Baseline(
        identity={"corpus": grid.name, "config": "", "corpus_version": "", "data_fingerprint": ""},
        settings=settings,
        preprocessing="none" if preprocessing is None else str(preprocessing),
        split=words,
        scores=scores,
        left_out=[
            {"reason": reason, "neurons": sorted(ids[neuron] for neuron in neurons)}
            for reason, neurons in sorted(left_out.items())
        ],
        groups=groups_of_neurons(grid, declared, column),
        column=column,
        declared_scores=declared.published,
        model=fitted[0].model,
        test=divisions[0]["test"],
        grid=grid,
        seconds={"fitting": time.perf_counter() - start},
    )


def summary_column(grid: NeuralDataset, declared: LinearBaseline, by: str | None) -> str | None:
    """Return the column that neurons are summed up by: the user's, or the declared one if it has several values.

    Raises
    ------
    UnknownNameError
        No neuron has the column that the user names.
    """
    known = dict.fromkeys(name for entry in grid.nrn_meta for name in entry)
    if by and by not in known:
        raise unknown_name("column of neurons", by, known, field="by")
    if by is not None:
        return by or None
    column = declared.by
    return column if column and len({entry.get(column) for entry in grid.nrn_meta}) > 1 else None


def groups_of_neurons(
    grid: NeuralDataset, declared: LinearBaseline, column: str | None
) -> dict[str, NDArray[np.bool_]]:
    """Return which neurons each entry of the summary holds: all, those that papers score, and each value of a column.

    A declared column that is not there is left aside.
    """
    groups = {ALL: np.ones(grid.N_neurons, bool)}
    scored = declared.scored
    if scored and any(scored in entry for entry in grid.nrn_meta):
        groups[scored] = np.array([entry.get(scored) is True for entry in grid.nrn_meta])
    values = [entry.get(column) for entry in grid.nrn_meta] if column else []
    for value in sorted(set(values), key=lambda value: (value is None, str(value))):
        words = "not stated" if value is None else str(value)
        groups[f"{column} {words}"] = np.array([other == value for other in values])
    return groups
