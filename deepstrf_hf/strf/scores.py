"""How well predictions agree with responses: correlation with the trial average, and the same corrected for noise.

References
----------
.. [1] Sahani & Linden (2003), How linear are auditory cortical responses?, Advances in NIPS 15:109-116.
.. [2] Schoppe, Harper, Willmore, King & Schnupp (2016), Measuring the performance of neural models,
   Front Comput Neurosci 10:10, doi:10.3389/fncom.2016.00010.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepstrf_hf.strf.ridge import RidgeStrf, predict

Float = NDArray[np.float64]


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
    signal_power, noise_power : numpy.ndarray
        In squared response units; the signal power is an unbiased estimate and may be negative.
    penalty : numpy.ndarray
        The relative ridge penalty of the unit's model.
    n_without_signal : int
        Units whose signal power is not positive, or undefined (fewer than two complete repeats).
    """

    cc_raw: Float
    cc_norm: Float
    cc_max: Float
    signal_power: Float
    noise_power: Float
    penalty: Float
    n_without_signal: int

    def summary(self) -> dict[str, float]:
        """Return mean and median of ``cc_raw`` and ``cc_norm`` over the units where they are defined, and counts."""
        result: dict[str, float] = {"n_units": len(self.cc_raw), "n_without_signal": self.n_without_signal}
        for name, values in (("cc_raw", self.cc_raw), ("cc_norm", self.cc_norm)):
            defined = values[np.isfinite(values)]
            result[f"{name}_mean"] = float(np.mean(defined)) if len(defined) else float("nan")
            result[f"{name}_median"] = float(np.median(defined)) if len(defined) else float("nan")
        return result

    def rows(self) -> list[dict[str, float]]:
        """Return one dict per unit: ``cc_raw``, ``cc_norm``, ``cc_max``, powers and ``penalty``, for a table."""
        names = ("cc_raw", "cc_norm", "cc_max", "signal_power", "noise_power", "penalty")
        columns = [getattr(self, name) for name in names]
        return [dict(zip(names, map(float, values), strict=True)) for values in zip(*columns, strict=True)]


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


def _complete_trials(trials: ArrayLike) -> tuple[Float, Float]:
    """Trials (N, R, T) with incomplete repeats (any NaN) zeroed, and the number of complete ones (N,)."""
    values = np.asarray(trials, dtype=np.float64)
    if values.ndim != 3:
        raise ValueError(f"trials {values.shape} must be (N, R, T)")
    complete = np.asarray(np.isfinite(values).all(axis=2))
    return np.where(complete[:, :, None], values, 0.0), complete.sum(axis=1).astype(np.float64)


def signal_noise_power(trials: ArrayLike) -> tuple[Float, Float]:
    """Estimate signal and noise power of each unit (Sahani & Linden 2003 [1]_; the form of Schoppe et al. 2016 [2]_).

    ``SP = (Var_t(sum_r y_r) - sum_r Var_t(y_r)) / (R (R - 1))`` and ``NP = mean_r Var_t(y_r) - SP``, with variances
    over time (divided by T). Repeats with a NaN are left out, unit by unit.

    Returns
    -------
    signal_power, noise_power : numpy.ndarray
        float64 (N,), squared units of `trials` (N, R, T); NaN for a unit with fewer than two complete repeats.
    """
    values, n = _complete_trials(trials)
    single = values.var(axis=2).sum(axis=1)
    signal = _divided(values.sum(axis=1).var(axis=1) - single, n * (n - 1))
    return signal, _divided(single, n) - signal


def maximum_correlation(trials: ArrayLike) -> Float:
    """CCmax = sqrt(SP / Var(mean over repeats)) of Schoppe et al. 2016 [2]_, float64 (N,), of (N, R, T).

    NaN where the signal power is not positive.
    """
    values, n = _complete_trials(trials)
    signal, _ = signal_noise_power(trials)
    variance = values.sum(axis=1).var(axis=1) / np.maximum(n, 1) ** 2
    good = _has_signal(signal)
    return np.sqrt(_divided(np.where(good, signal, 0.0), np.where(good, variance, 0.0)))


def normalised_correlation(prediction: ArrayLike, trials: ArrayLike) -> Float:
    """CCnorm = Cov(X, Y) / sqrt(Var(X) SP) of Schoppe et al. 2016 [2]_, float64 (N,).

    X is the prediction (N, T), Y the mean of the complete repeats of `trials` (N, R, T). NaN where the signal power
    SP is not positive or X is constant.
    """
    x = np.asarray(prediction, dtype=np.float64)
    values, n = _complete_trials(trials)
    y = values.sum(axis=1) / np.maximum(n, 1)[:, None]
    if x.shape != y.shape:
        raise ValueError(f"prediction {x.shape} and trials {values.shape} must be (N, T) and (N, R, T)")
    signal, _ = signal_noise_power(trials)
    covariance = np.mean((x - x.mean(axis=1, keepdims=True)) * y, axis=1)
    return _divided(covariance, _deviation(x) * np.sqrt(np.where(_has_signal(signal), signal, 0.0)))


def _has_signal(signal_power: Float) -> NDArray[np.bool_]:
    """Where the signal power is defined and positive."""
    return np.nan_to_num(signal_power, nan=0.0) > 0


def evaluate(model: RidgeStrf, test_spectrograms: Sequence[ArrayLike], test_trials: Sequence[ArrayLike]) -> RidgeScores:
    """Score a model on test clips, concatenated in time: spectrograms (F, T) and trials (N, R, T), absent repeats NaN.

    Repeats that are not there in every clip count for ``cc_raw`` but not for the powers and ``cc_norm``, which need
    the same repeats throughout.

    Raises
    ------
    ValueError
        If shapes do not match, or a unit has no response at all in some bin.
    """
    trials = [np.asarray(t, dtype=np.float64) for t in test_trials]
    if not trials or len(trials) != len(test_spectrograms) or any(t.ndim != 3 for t in trials):
        raise ValueError(f"{len(test_spectrograms)} spectrograms, trials {[t.shape for t in trials]}: need (N, R, T)")
    prediction = np.concatenate([predict(model, s) for s in test_spectrograms], axis=1)
    present = [np.isfinite(t).sum(axis=1) for t in trials]
    if any((count == 0).any() for count in present):
        raise ValueError("a unit has no response in some bin of a test clip; leave the unit or the clip out")
    psth = np.concatenate([np.nansum(t, axis=1) / c for t, c in zip(trials, present, strict=True)], axis=1)
    n_repeats = max(t.shape[1] for t in trials)
    joined = np.concatenate(
        [np.pad(t, ((0, 0), (0, n_repeats - t.shape[1]), (0, 0)), constant_values=np.nan) for t in trials], axis=2
    )
    signal, noise = signal_noise_power(joined)
    return RidgeScores(
        cc_raw=correlation(prediction, psth),
        cc_norm=normalised_correlation(prediction, joined),
        cc_max=maximum_correlation(joined),
        signal_power=signal,
        noise_power=noise,
        penalty=model.penalty,
        n_without_signal=int((~_has_signal(signal)).sum()),
    )
