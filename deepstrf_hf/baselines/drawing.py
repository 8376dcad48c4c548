"""The figure of a linear reference: what it chooses to show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepstrf_hf.baselines.groups import joined_bins, trials_of
from deepstrf_hf.baselines.run import ALL
from deepstrf_hf.strf.figure import MAX_STRFS, draw_strf_figure
from deepstrf_hf.strf.ridge import RidgeStrf, predict

if TYPE_CHECKING:
    from deepstrf_hf.baselines.result import Baseline

SPIKES = "spikes"


def draw_baseline(result: Baseline, path: Path, title: str | None = None) -> Path:
    """Draw a test clip, the best neuron's responses and prediction, the best receptive fields, and all scores.

    Parameters
    ----------
    result : Baseline
        With one of `best_neurons` at least.
    path : Path
        PNG to write.
    title : str, optional
        Heading; corpus and configuration if not given.
    """
    grid, per_bin = result.grid, result.settings.stored_per_bin
    shown = best_neurons(result)
    best = max(shown, key=lambda neuron: float(result.scores["cc_raw"][neuron]))
    place = {entry["stim_id"]: index for index, entry in enumerate(grid.stim_meta)}
    n_trials = grid.n_trials[:, best]
    clip = max((place[stim_id] for stim_id in result.test), key=lambda stimulus: int(n_trials[stimulus]))
    spectrogram = joined_bins(grid.stims[clip][0].numpy(), per_bin)
    spikes = grid.signal_type == SPIKES
    counted = spikes and not grid.preprocessing
    scale = per_bin if counted else 1  # means of counts become counts again
    stored = grid.responses[clip].only(np.array([best])).rows().stored
    model, neuron_id = result.model, grid.nrn_meta[best]["neuron_id"]
    alone = RidgeStrf(
        model.weights[best : best + 1],
        model.intercept[best : best + 1],
        model.penalty[best : best + 1],
        model.feature_mean,
        model.feature_std,
    )
    identity = result.identity
    return draw_strf_figure(
        path,
        spectrogram=spectrogram,
        frequencies_hz=grid.band_frequencies_hz,
        dt_ms=result.settings.dt_ms,
        trials=trials_of(grid, clip, np.array([best]), per_bin)[0] * scale,
        prediction=predict(alone, spectrogram)[0] * scale,
        strfs=[(_label(result, n), model.weights[n], result.scores["cc_raw"][n]) for n in shown],
        cc_raw=result.scores["cc_raw"],
        cc_norm=result.scores["cc_norm"],
        title=title or f"{identity['corpus']} / {identity['config']}: linear reference (ridge STRF)",
        unit_name=neuron_id,
        spectrogram_label="level",
        response_label=None if counted else "response, preprocessed" if grid.preprocessing else grid.response_unit,
        spikes=joined_bins(stored, per_bin) if spikes else None,
    )


def best_neurons(result: Baseline) -> list[int]:
    """Return the neurons whose receptive fields are drawn: the best of each group in turn, or the best of all.

    Those that the first division, whose receptive fields are kept, could not fit are not among them.
    """
    there = np.isfinite(result.model.intercept) & np.isfinite(result.scores["cc_raw"])
    ranked = [int(n) for n in np.argsort(-result.scores["cc_raw"], kind="stable") if there[n]]
    columns = [members for name, members in result.groups.items() if name != ALL and not members.all()]
    queues = [queue for queue in ([n for n in ranked if members[n]] for members in columns) if queue] or [ranked]
    queues.sort(key=lambda queue: -float(result.scores["cc_raw"][queue[0]]) if queue else 0.0)
    chosen: dict[int, None] = {}
    for turn in range(len(ranked)):
        for queue in queues:
            if turn < len(queue) and len(chosen) < MAX_STRFS:
                chosen[queue[turn]] = None
    return list(chosen)


def _label(result: Baseline, neuron: int) -> str:
    """Return the id of a neuron, with its value of the column that neurons are summed up by."""
    entry = result.grid.nrn_meta[neuron]
    value = entry.get(result.column) if result.column else None
    return str(entry["neuron_id"]) if value is None else f"{entry['neuron_id']}, {value}"
