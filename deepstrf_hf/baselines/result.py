"""The linear reference of a cohort, as it is written, printed and drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepstrf_hf._version import __version__
from deepstrf_hf.baselines.fitting import SCORES, FittedDivision
from deepstrf_hf.baselines.groups import Float
from deepstrf_hf.baselines.settings import Settings
from deepstrf_hf.linear_baseline import PublishedScore
from deepstrf_hf.strf.ridge import RidgeStrf
from deepstrf_hf.strf.scores import CORRELATIONS, mean_and_median
from deepstrf_hf.whole_file import write_whole

if TYPE_CHECKING:
    from deepstrf_hf.grid.dataset import NeuralDataset

FORMAT = 1
"""Of the JSON file."""
KIND = "ridge STRF"


@dataclass(frozen=True, eq=False)
class Baseline:
    """Scores and receptive fields of all neurons of a cohort.

    Parameters
    ----------
    identity : dict
        Of the data: ``corpus``, ``config``, ``corpus_version``, ``data_fingerprint``.
    settings : Settings
        How it was fitted.
    preprocessing, split : str
        In words.
    scores : dict of str to ndarray of float64, shape (neurons,)
        The fields of `deepstrf_hf.strf.scores.RidgeScores`, averaged over divisions where there are several.
    left_out : list of dict
        ``reason`` and ``neurons`` (ids) of what could not be scored, or not in full.
    groups : dict of str to ndarray of bool, shape (neurons,)
        Neurons of each entry of the summary.
    column : str or None
        Column of neurons by whose values some of them are.
    declared_scores : sequence of PublishedScore
        What papers report.
    model : RidgeStrf
        Receptive fields of all neurons by the first division; NaN for those without.
    test : tuple of str
        ``stim_id`` of the test clips of the first division.
    grid : NeuralDataset
        The data.
    seconds : dict of str to float
        What it took: ``loading`` and ``fitting``.
    """

    identity: Mapping[str, str]
    settings: Settings
    preprocessing: str
    split: str
    scores: Mapping[str, Float]
    left_out: Sequence[Mapping[str, Any]]
    groups: Mapping[str, Any]
    column: str | None
    declared_scores: Sequence[PublishedScore]
    model: RidgeStrf
    test: tuple[str, ...]
    grid: NeuralDataset
    seconds: Mapping[str, float]

    @property
    def n_scored(self) -> int:
        """Neurons whose correlation with the mean response is defined."""
        return int(np.isfinite(self.scores["cc_raw"]).sum())

    @property
    def summary(self) -> dict[str, dict[str, float | None]]:
        """Number of neurons scored, mean and median of each correlation, by group of neurons; None where undefined."""
        summary = {}
        for group, members in self.groups.items():
            entry: dict[str, float] = {"n": int(np.isfinite(self.scores["cc_raw"][members]).sum())}
            for name in CORRELATIONS:
                entry |= mean_and_median(name, self.scores[name][members])
            summary[group] = {name: _or_none(value) for name, value in entry.items()}
        return summary

    @property
    def published(self) -> list[dict[str, Any]]:
        """What papers report, with our score of the same neurons beside it."""
        summary = self.summary
        return [
            {
                "what": declared.what,
                "value": declared.value,
                "source": declared.source,
                "ours": summary.get(declared.group, {}).get(declared.score),
                "note": declared.note,
            }
            for declared in self.declared_scores
        ]

    @property
    def name(self) -> str:
        """Of its files, without ending."""
        return f"{self.identity['corpus']}_{self.identity['config']}_baseline"

    def to_json(self) -> dict[str, Any]:
        """Return everything but the receptive fields as plain data; None where a number is undefined."""
        rows = zip(*(self.scores[name].tolist() for name in SCORES), strict=True)
        neurons = [
            {"neuron_id": entry["neuron_id"]} | {name: _or_none(v) for name, v in zip(SCORES, row, strict=True)}
            for entry, row in zip(self.grid.nrn_meta, rows, strict=True)
        ]
        return {
            "format": FORMAT,
            "kind": KIND,
            **self.identity,
            "deepstrf_hf_version": __version__,
            "settings": {
                "n_lags": self.settings.n_lags,
                "dt_ms": self.settings.dt_ms,
                "n_bands": self.grid.F,
                "window_ms": self.settings.window_ms,
                "penalties": list(self.settings.penalties),
                "n_folds": self.settings.n_folds,
                "preprocessing": self.preprocessing,
                "split": self.split,
            },
            "n_neurons": len(neurons),
            "n_scored": self.n_scored,
            "left_out": [dict(entry) for entry in self.left_out],
            "summary": self.summary,
            "neurons": neurons,
            "published": self.published,
            "seconds": dict(self.seconds),
        }

    def write(self, directory: str | Path = ".") -> Path:
        """Write ``<corpus>_<config>_baseline.json``, whole (errors as in `write_whole`)."""
        text = json.dumps(self.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        return write_whole(
            Path(directory) / f"{self.name}.json", lambda path: path.write_text(text, encoding="utf-8"), "The scores"
        )

    def draw(self, directory: str | Path = ".") -> Path | None:
        """Draw ``<corpus>_<config>_baseline.png``: the best receptive fields and all scores.

        Returns
        -------
        Path or None
            None if no neuron of the first division could be scored.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        OutputDirectoryError
            As in `write_whole`.
        """
        from deepstrf_hf.baselines.drawing import best_neurons, draw_baseline

        if not best_neurons(self):
            return None
        return write_whole(Path(directory) / f"{self.name}.png", lambda path: draw_baseline(self, path), "The figure")


def average(divisions: Sequence[FittedDivision]) -> tuple[dict[str, Float], dict[str, list[int]]]:
    """Average scores over the divisions in which they are defined, and join the reasons of those that are not.

    Penalties are averaged as logarithms.
    """
    scores = {}
    for name in SCORES:
        values = np.stack([division.scores[name] for division in divisions])
        values = np.log(values) if name == "penalty" else values
        there = np.isfinite(values)
        mean = np.where(there, values, 0.0).sum(axis=0) / np.where(there.any(axis=0), there.sum(axis=0), np.nan)
        scores[name] = np.exp(mean) if name == "penalty" else mean
    times: dict[str, dict[int, int]] = {}
    for division in divisions:
        for reason, neurons in division.left_out.items():
            for neuron in neurons:
                counted = times.setdefault(reason, {})
                counted[neuron] = counted.get(neuron, 0) + 1
    left_out: dict[str, list[int]] = {}
    for reason, counted in times.items():
        for neuron, count in counted.items():
            everywhere = count == len(divisions)
            words = reason if everywhere else f"{reason} (in {count} of {len(divisions)} divisions)"
            left_out.setdefault(words, []).append(neuron)
    return scores, left_out


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
