"""How well predictions agree with responses: correlation with the trial average, and the same corrected for noise.

References
----------
.. [1] Sahani & Linden (2003), How linear are auditory cortical responses?, Advances in NIPS 15:109-116.
.. [2] Schoppe, Harper, Willmore, King & Schnupp (2016), Measuring the performance of neural models,
   Front Comput Neurosci 10:10, doi:10.3389/fncom.2016.00010.
.. [3] Hsu, Borst & Theunissen (2004), Quantifying variability in neural responses and its application for the
   validation of model predictions, Network: Computation in Neural Systems 15:91-109, doi:10.1088/0954-898X_15_2_002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepstrf_hf.responses.half_splits import HalfSplits, spearman_brown_ceiling, split_correlation
from deepstrf_hf.responses.quality import powers, trial_covariance
from deepstrf_hf.strf.ridge import RidgeStrf, predict

Float = NDArray[np.float64]

FEWEST_REPEATS = 2
"""Repeats without which noise cannot be told from signal."""


@dataclass(frozen=True)
class RidgeScores:
    """Scores of N units over the concatenated test clips; each array float64 (N,), NaN where undefined.

    Attributes
    ----------
    cc_raw : numpy.ndarray
        Correlation of prediction and trial average; NaN where one is constant (a silent unit).
    cc_norm, cc_max : numpy.ndarray
        Noise-corrected correlation, and what a perfect model would reach [2]_; NaN where the signal power is not
        positive. Estimates: for noisy units they may exceed 1.
    cc_norm_hsu : numpy.ndarray
        Correlation divided by the ceiling from half-splits of the repeats [3]_; NaN where halves do not correlate.
    signal_power, noise_power : numpy.ndarray
        In squared response units [1]_; the signal power is an unbiased estimate and may be negative.
    penalty : numpy.ndarray
        The relative ridge penalty of the unit's model.
    """

    cc_raw: Float
    cc_norm: Float
    cc_norm_hsu: Float
    cc_max: Float
    signal_power: Float
    noise_power: Float
    penalty: Float

    @property
    def n_without_signal(self) -> int:
        """Units whose signal power is not positive, or undefined (fewer than two complete repeats)."""
        return int((~_has_signal(self.signal_power)).sum())

    def summary(self) -> dict[str, float]:
        """Return mean and median of all three correlations over the units where they are defined, and counts."""
        result: dict[str, float] = {"n_units": len(self.cc_raw), "n_without_signal": self.n_without_signal}
        for name in CORRELATIONS:
            result |= mean_and_median(name, getattr(self, name))
        return result

    def rows(self) -> list[dict[str, float]]:
        """Return one dict per unit of all values, for a table."""
        names = [field.name for field in fields(self)]
        columns = [getattr(self, name) for name in names]
        return [dict(zip(names, map(float, values), strict=True)) for values in zip(*columns, strict=True)]


CORRELATIONS = ("cc_raw", "cc_norm", "cc_norm_hsu")


def mean_and_median(name: str, values: Float) -> dict[str, float]:
    """Return ``<name>_mean`` and ``<name>_median`` over the values that are finite; NaN where none is."""
    defined = values[np.isfinite(values)]
    mean, median = (np.mean(defined), np.median(defined)) if len(defined) else (np.nan, np.nan)
    return {f"{name}_mean": float(mean), f"{name}_median": float(median)}


def correlation(prediction: ArrayLike, psth: ArrayLike) -> Float:
    """Pearson correlation over time of each unit, float64 (N,), of (N, T) and (N, T); NaN where one is constant."""
    x, y = np.asarray(prediction, dtype=np.float64), np.asarray(psth, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 2:
        raise ValueError(f"prediction {x.shape} and psth {y.shape} must both be (N, T)")
    spread_x, spread_y = _deviation(x), _deviation(y)
    covariance = np.mean((x - x.mean(axis=1, keepdims=True)) * (y - y.mean(axis=1, keepdims=True)), axis=1)
    return _divided(covariance, spread_x * spread_y)


def _deviation(values: Float) -> Float:
    """Take the standard deviation (N,) over time; exactly 0 where it is only rounding error."""
    spread = np.asarray(values.std(axis=1))
    return np.where(spread > 1e-13 * np.abs(values).max(axis=1, initial=0.0), spread, 0.0)


def _divided(numerator: Float, denominator: Float) -> Float:
    """Quotient, NaN where the denominator is not positive."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1.0), np.nan)


class _Repeats(NamedTuple):
    """What the complete repeats of N units say; each (N,), NaN where there are fewer than two."""

    signal: Float
    noise: Float
    of_mean: Float
    halves: Float


def _repeats(trials: ArrayLike) -> _Repeats:
    """Take statistics of trials (N, R, T), of each unit over the repeats that have no NaN."""
    values = _checked(trials)
    complete = np.asarray(np.isfinite(values).all(axis=2))
    found = _Repeats(*np.full((4, len(values)), np.nan))
    for pattern in np.unique(complete, axis=0):
        n_repeats = int(pattern.sum())
        if n_repeats < FEWEST_REPEATS:
            continue
        units = (complete == pattern).all(axis=1)
        covariance, _ = trial_covariance(values[units][:, pattern])
        power = powers(covariance)
        found.signal[units], found.noise[units], found.of_mean[units] = power
        found.halves[units] = split_correlation(covariance, HalfSplits().of(n_repeats))
    return found


def _checked(trials: ArrayLike) -> Float:
    values = np.asarray(trials, dtype=np.float64)
    if values.ndim != 3:
        raise ValueError(f"trials {values.shape} must be (N, R, T)")
    return values


def _mean_of_complete(trials: ArrayLike) -> Float:
    """Average the repeats that have no NaN, (N, T); zeros for a unit without any."""
    values = _checked(trials)
    complete = np.asarray(np.isfinite(values).all(axis=2))
    total: Float = np.where(complete[:, :, None], values, 0.0).sum(axis=1)
    return total / np.maximum(complete.sum(axis=1), 1)[:, None]


def signal_noise_power(trials: ArrayLike) -> tuple[Float, Float]:
    """Estimate signal and noise power of each unit (Sahani & Linden 2003 [1]_; the form of Schoppe et al. 2016 [2]_).

    The formulas are at `deepstrf_hf.responses.quality.ResponseQuality`. Repeats with a NaN are left out, unit by unit.

    Returns
    -------
    signal_power, noise_power : numpy.ndarray
        float64 (N,), squared units of `trials` (N, R, T); NaN for a unit with fewer than two complete repeats.
    """
    found = _repeats(trials)
    return found.signal, found.noise


def maximum_correlation(trials: ArrayLike) -> Float:
    """CCmax = sqrt(SP / Var(mean over repeats)) of Schoppe et al. 2016 [2]_, float64 (N,), of (N, R, T).

    NaN where the signal power is not positive.
    """
    return _ceiling(_repeats(trials))


def _ceiling(repeats: _Repeats) -> Float:
    good = _has_signal(repeats.signal)
    return np.sqrt(_divided(np.where(good, repeats.signal, 0.0), np.where(good, repeats.of_mean, 0.0)))


def normalised_correlation(prediction: ArrayLike, trials: ArrayLike) -> Float:
    """CCnorm = Cov(X, Y) / sqrt(Var(X) SP) of Schoppe et al. 2016 [2]_, float64 (N,).

    X is the prediction (N, T), Y the mean of the complete repeats of `trials` (N, R, T). NaN where the signal power
    SP is not positive or X is constant.
    """
    x, y = np.asarray(prediction, dtype=np.float64), _mean_of_complete(trials)
    if x.shape != y.shape:
        raise ValueError(f"prediction {x.shape} and trials {np.shape(trials)} must be (N, T) and (N, R, T)")
    return _normalised(x, y, _repeats(trials).signal)


def _normalised(x: Float, y: Float, signal: Float) -> Float:
    bins = x.shape[1]
    unbiased = bins / max(bins - 1, 1)  # as the signal power, whose variances are divided by bins - 1
    covariance = np.mean((x - x.mean(axis=1, keepdims=True)) * y, axis=1) * unbiased
    spread = _deviation(x) * np.sqrt(unbiased)
    return _divided(covariance, spread * np.sqrt(np.where(_has_signal(signal), signal, 0.0)))


def _has_signal(signal_power: Float) -> NDArray[np.bool_]:
    """Where the signal power is defined and positive."""
    return np.nan_to_num(signal_power, nan=0.0) > 0


def evaluate(model: RidgeStrf, test_spectrograms: Sequence[ArrayLike], test_trials: Sequence[ArrayLike]) -> RidgeScores:
    """Score a model on test clips: spectrograms (F, T) and trials (N, R, T), absent repeats NaN.

    See `score`; ``ValueError`` if shapes do not match, or a unit has no response at all in some bin.
    """
    if len(test_spectrograms) != len(test_trials):
        raise ValueError(f"{len(test_spectrograms)} spectrograms and {len(test_trials)} clips of trials")
    return score([predict(model, spectrogram) for spectrogram in test_spectrograms], test_trials, model.penalty)


def score(predictions: Sequence[ArrayLike], trials: Sequence[ArrayLike], penalty: ArrayLike) -> RidgeScores:
    """Score predictions of test clips, which are joined in time.

    ``cc_raw`` is over all clips and the mean over all repeats. Powers and normalised correlations are over the clips
    that a unit heard at least twice, and over the repeats that are there, complete, in all of these.

    Parameters
    ----------
    predictions : sequence of array_like
        (N, T) of each clip.
    trials : sequence of array_like
        (N, R, T) of each clip; NaN where a sample, or a whole repeat, is absent. R may differ.
    penalty : array_like
        (N,), for the record.

    Returns
    -------
    RidgeScores

    Raises
    ------
    ValueError
        If shapes do not match, or a unit has no response at all in some bin.
    """
    clips = [np.asarray(t, dtype=np.float64) for t in trials]
    predicted = [np.asarray(p, dtype=np.float64) for p in predictions]
    if not clips or len(clips) != len(predicted) or any(t.ndim != 3 for t in clips):
        raise ValueError(f"{len(predicted)} predictions, trials {[t.shape for t in clips]}: need (N, R, T)")
    present = [np.isfinite(t).sum(axis=1) for t in clips]
    if any((count == 0).any() for count in present):
        raise ValueError("a unit has no response in some bin of a test clip; leave the unit or the clip out")
    psth = np.concatenate([np.nansum(t, axis=1) / c for t, c in zip(clips, present, strict=True)], axis=1)
    cc_raw = correlation(np.concatenate(predicted, axis=1), psth)
    cc_norm, cc_norm_hsu, cc_max, signal, noise = np.full((5, len(cc_raw)), np.nan)
    repeated = np.stack([np.isfinite(t).all(axis=2).sum(axis=1) >= FEWEST_REPEATS for t in clips], axis=1)
    for pattern in np.unique(repeated, axis=0):
        chosen = np.flatnonzero(pattern)
        if not len(chosen):
            continue
        units = (repeated == pattern).all(axis=1)
        x = np.concatenate([predicted[clip][units] for clip in chosen], axis=1)
        joined = _joined([clips[clip][units] for clip in chosen])
        found, y = _repeats(joined), _mean_of_complete(joined)
        cc_norm[units] = _normalised(x, y, found.signal)
        cc_norm_hsu[units] = _divided(correlation(x, y), np.nan_to_num(spearman_brown_ceiling(found.halves)))
        cc_max[units], signal[units], noise[units] = _ceiling(found), found.signal, found.noise
    return RidgeScores(cc_raw, cc_norm, cc_norm_hsu, cc_max, signal, noise, np.asarray(penalty, dtype=np.float64))


def _joined(clips: Sequence[Float]) -> Float:
    """Join trials (N, R, T) in time; a repeat that a clip lacks is NaN in it."""
    n_repeats = max(t.shape[1] for t in clips)
    padded = [np.pad(t, ((0, 0), (0, n_repeats - t.shape[1]), (0, 0)), constant_values=np.nan) for t in clips]
    return np.concatenate(padded, axis=2)
