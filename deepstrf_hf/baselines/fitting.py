"""One division of the stimuli: receptive fields of all neurons on one part, their scores on the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.baselines.designs import Designs
from deepstrf_hf.baselines.groups import Float, Group, mean_over_trials, trials_of
from deepstrf_hf.baselines.settings import Settings
from deepstrf_hf.grid.splits import Splits
from deepstrf_hf.strf.moments import Moments
from deepstrf_hf.strf.ridge import RidgeStrf, folds_of, solve
from deepstrf_hf.strf.scores import RidgeScores, correlation, score

if TYPE_CHECKING:
    from deepstrf_hf.grid.dataset import NeuralDataset

SCORES = tuple(field.name for field in fields(RidgeScores))
FEWEST_CLIPS = 2
"""Training clips without which no penalty can be chosen."""
VALUES_AT_ONCE = 2**23
"""Samples of test responses that are scored together; bounds the memory."""

NOT_HEARD = "no response to any stimulus"
FEW_TRAINING_CLIPS = "responses to fewer than two training clips, so that no penalty can be chosen"
NO_TEST_CLIP = "no response to any test clip"
SILENT_IN_TRAINING = "the response does not vary in the training clips"
SILENT_IN_TEST = "the response does not vary in the test clips"
CONSTANT_PREDICTION = "the prediction does not vary in the test clips"
NO_REPEATS = "no cc_norm: fewer than two complete repeats of any test clip"
NO_SIGNAL = "no cc_norm: the signal power in the test clips is not positive"
CONSTANT_IN_REPEATED = "no cc_norm: the prediction does not vary in the test clips that were repeated"
UNLIKE_HALVES = "no cc_norm_hsu: halves of the repeats do not correlate"


@dataclass(eq=False)
class FittedDivision:
    """What came out of one division; arrays hold NaN for neurons that could not be fitted.

    Parameters
    ----------
    scores : dict of str to ndarray of float64, shape (neurons,)
        The fields of `RidgeScores`.
    left_out : dict of str to list of int
        Neurons that lack a score, by reason.
    weights : ndarray of float64, shape (neurons, bands, lags)
    intercept : ndarray of float64, shape (neurons,)
    mean, deviation : ndarray of float64, shape (bands,)
        Of the spectrograms.
    """

    scores: dict[str, Float]
    left_out: dict[str, list[int]]
    weights: Float
    intercept: Float
    mean: Float
    deviation: Float

    @classmethod
    def empty(cls, grid: NeuralDataset, settings: Settings) -> FittedDivision:
        """Return what is known before anything is fitted."""
        n_neurons, n_bands = grid.N_neurons, grid.F
        return cls(
            {name: np.full(n_neurons, np.nan) for name in SCORES},
            {},
            np.full((n_neurons, n_bands, settings.n_lags), np.nan),
            np.full(n_neurons, np.nan),
            np.zeros(n_bands),
            np.ones(n_bands),
        )

    @property
    def model(self) -> RidgeStrf:
        """The receptive fields."""
        return RidgeStrf(self.weights, self.intercept, self.scores["penalty"], self.mean, self.deviation)

    def leave_out(self, reason: str, neurons: NDArray[np.int64]) -> None:
        """Note why neurons lack a score."""
        if len(neurons):
            self.left_out.setdefault(reason, []).extend(neurons.tolist())


def fit_division(grid: NeuralDataset, groups: Sequence[Group], division: Splits, settings: Settings) -> FittedDivision:
    """Fit the neurons of every group, group by group, and score them on the test clips.

    Memory is bounded by the regressors of one clip, the moments of one group, those that are kept for other groups
    (`deepstrf_hf.baselines.designs.SHARED_BYTES`) and the weights of all neurons.

    Parameters
    ----------
    grid : NeuralDataset
        With spectrograms.
    groups : sequence of Group
        As `groups_of` makes them.
    division : Splits
        ``train`` and ``test``.
    settings : Settings
        Bins, lags, penalties.
    """
    place = {entry["stim_id"]: index for index, entry in enumerate(grid.stim_meta)}
    train, test = ({place[stim_id] for stim_id in division[name]} for name in ("train", "test"))
    fitted = FittedDivision.empty(grid, settings)
    members = [group.neurons for group in groups]
    fitted.leave_out(NOT_HEARD, np.setdiff1d(np.arange(grid.N_neurons), np.concatenate([[], *members])))
    possible = []
    for group in groups:
        if len(train.intersection(group.bins)) < FEWEST_CLIPS:
            fitted.leave_out(FEW_TRAINING_CLIPS, group.neurons)
        elif not test.intersection(group.bins):
            fitted.leave_out(NO_TEST_CLIP, group.neurons)
        else:
            possible.append(group)
    if possible:
        designs = Designs(grid, train, possible, settings)
        fitted.mean, fitted.deviation = designs.mean, designs.deviation
        for group in possible:
            _fit_group(fitted, grid, group, train, designs, settings)
            _score_group(fitted, grid, group, test, designs, settings)
    return fitted


def _fit_group(
    fitted: FittedDivision,
    grid: NeuralDataset,
    group: Group,
    train: Collection[int],
    designs: Designs,
    settings: Settings,
) -> None:
    """Fit the neurons of a group to the training clips they heard."""
    clips = [stimulus for stimulus in group.bins if stimulus in train]

    def response(stimulus: int) -> Float:
        trials = trials_of(grid, stimulus, group.neurons, settings.stored_per_bin)
        return mean_over_trials(trials)[:, group.bins[stimulus]]

    offset = response(clips[0]).mean(axis=1)  # subtracted first: keeps the sums well conditioned

    def moments() -> Iterator[Moments]:
        for stimulus in clips:
            yield designs.moments(stimulus, group.bins[stimulus], response(stimulus) - offset[:, None])

    flat, intercept, penalty = solve(folds_of(moments(), settings.n_folds), np.array(settings.penalties))
    fitted.weights[group.neurons] = flat.reshape(fitted.weights[group.neurons].shape)
    fitted.intercept[group.neurons] = intercept + offset
    fitted.scores["penalty"][group.neurons] = penalty


def _score_group(
    fitted: FittedDivision,
    grid: NeuralDataset,
    group: Group,
    test: Collection[int],
    designs: Designs,
    settings: Settings,
) -> None:
    """Score the neurons of a group on the test clips they heard, a few neurons at a time."""
    clips = [stimulus for stimulus in group.bins if stimulus in test]
    n_trials = int(grid.n_trials[clips][:, group.neurons].max())
    n_bins = sum(int(group.bins[stimulus].sum()) for stimulus in clips)
    step = max(1, VALUES_AT_ONCE // (n_trials * n_bins))
    for start in range(0, len(group.neurons), step):
        neurons = group.neurons[start : start + step]
        flat, intercept = fitted.weights[neurons].reshape(len(neurons), -1), fitted.intercept[neurons]
        predictions, trials = [], []
        for stimulus in clips:
            there = group.bins[stimulus]
            predictions.append(flat @ designs.design(stimulus, there).T + intercept[:, None])
            trials.append(trials_of(grid, stimulus, neurons, settings.stored_per_bin)[:, :, there])
        found = score(predictions, trials, fitted.scores["penalty"][neurons])
        for name in SCORES:
            fitted.scores[name][neurons] = getattr(found, name)
        psth = np.concatenate([mean_over_trials(clip) for clip in trials], axis=1)
        _say_what_is_missing(fitted, neurons, found, (flat != 0).any(axis=1), np.isfinite(correlation(psth, psth)))


def _say_what_is_missing(
    fitted: FittedDivision,
    neurons: NDArray[np.int64],
    found: RidgeScores,
    fitted_to_something: NDArray[np.bool_],
    varies_in_test: NDArray[np.bool_],
) -> None:
    """Note the first reason that holds for each score that is not defined."""
    scored = np.isfinite(found.cc_raw)
    repeated, signal = np.isfinite(found.signal_power), np.nan_to_num(found.signal_power) > 0
    corrected = np.isfinite(found.cc_norm)
    for reason, holds in (
        (SILENT_IN_TRAINING, ~scored & ~fitted_to_something),
        (SILENT_IN_TEST, ~scored & fitted_to_something & ~varies_in_test),
        (CONSTANT_PREDICTION, ~scored & fitted_to_something & varies_in_test),
        (NO_REPEATS, scored & ~repeated),
        (NO_SIGNAL, scored & repeated & ~signal),
        (CONSTANT_IN_REPEATED, scored & signal & ~corrected),
        (UNLIKE_HALVES, scored & corrected & ~np.isfinite(found.cc_norm_hsu)),
    ):
        fitted.leave_out(reason, neurons[holds])
