"""Linear spectrotemporal receptive fields by ridge regression, for all units of a stimulus set at once.

The covariance of the stimulus is decomposed once per cross-validation fold and shared by all units, so that a
hundred units cost little more than one. Pure NumPy. Scores: correlation with the trial average, and the correlation
normalised for trial noise.

References
----------
.. [1] Theunissen, Sen & Doupe (2000), Spectral-temporal receptive fields of nonlinear auditory neurons obtained using
   natural sounds, J Neurosci 20:2315-2331.
.. [2] Sahani & Linden (2003), How linear are auditory cortical responses?, Advances in NIPS 15:109-116.
.. [3] Schoppe, Harper, Willmore, King & Schnupp (2016), Measuring the performance of neural models,
   Front Comput Neurosci 10:10, doi:10.3389/fncom.2016.00010.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

DEFAULT_PENALTIES: tuple[float, ...] = tuple(float(p) for p in 10.0 ** np.arange(-3.0, 3.25, 0.5))
"""Thirteen ridge penalties, half a decade apart, relative to the mean eigenvalue of the stimulus covariance."""


@dataclass(frozen=True)
class RidgeStrf:
    """Linear receptive fields of N units.

    The prediction is ``intercept[n] + sum over f, l of weights[n, f, l] * z[f, t - l]`` with
    ``z = (spectrogram - feature_mean) / feature_std`` and z = 0 before the onset.

    Attributes
    ----------
    weights : numpy.ndarray
        float64 (N, F, n_lags), response unit per standard deviation of the band; lag 0 first.
    intercept : numpy.ndarray
        float64 (N,), response unit.
    penalty : numpy.ndarray
        float64 (N,), the chosen penalty of each unit, relative to the mean eigenvalue of the covariance.
    feature_mean, feature_std : numpy.ndarray
        float64 (F,), over the bins of the training clips; a constant band has standard deviation 1.
    """

    weights: Float
    intercept: Float
    penalty: Float
    feature_mean: Float
    feature_std: Float

    @property
    def n_lags(self) -> int:
        """Length of the receptive field in bins."""
        return int(self.weights.shape[2])


@dataclass(frozen=True)
class RidgeScores:
    """Scores of N units over the concatenated test clips; each array float64 (N,), NaN where undefined.

    Attributes
    ----------
    cc_raw : numpy.ndarray
        Correlation of prediction and trial average; NaN where one is constant (a silent unit).
    cc_norm, cc_max : numpy.ndarray
        Noise-corrected correlation, and what a perfect model would reach [3]_; NaN where the signal power is not
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


def lagged_design(spectrogram: ArrayLike, n_lags: int) -> Float:
    """Lay out a spectrogram and its past as regressors.

    Parameters
    ----------
    spectrogram : array_like
        (F, T), z-scored, so that the zeros put before the onset are the mean.
    n_lags : int
        Lags 0 .. n_lags - 1, in bins.

    Returns
    -------
    numpy.ndarray
        float64 (T, F * n_lags); column ``f * n_lags + l`` holds ``spectrogram[f, t - l]``, 0 for t < l.

    Raises
    ------
    ValueError
        If `spectrogram` is not 2-D or `n_lags` < 1.
    """
    values = np.asarray(spectrogram, dtype=np.float64)
    if values.ndim != 2 or n_lags < 1:
        raise ValueError(f"need a spectrogram (F, T) and n_lags >= 1, not {values.shape} and {n_lags}")
    n_bands, n_bins = values.shape
    padded = np.concatenate([np.zeros((n_bands, n_lags - 1)), values], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_lags, axis=1)[:, :, ::-1]
    return np.ascontiguousarray(windows.transpose(1, 0, 2)).reshape(n_bins, n_bands * n_lags)


@dataclass(frozen=True)
class _Moments:
    """Sums over bins that are all that least squares needs: x x' (D, D), x y' (D, N), x, y, y y (N,), count."""

    xx: Float
    xy: Float
    x: Float
    y: Float
    yy: Float
    n: int

    @classmethod
    def of(cls, design: Float, response: Float) -> _Moments:
        """Sum over the bins of a clip, (T, D) and (N, T)."""
        sums = design.sum(axis=0), response.sum(axis=1), np.square(response).sum(axis=1)
        return cls(design.T @ design, design.T @ response.T, *sums, len(design))

    def plus(self, other: _Moments, sign: int = 1) -> _Moments:
        """Join two sets of bins; with sign -1, take one out of the other."""
        return _Moments(*(a + sign * b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def about(self, x_mean: Float, y_mean: Float) -> tuple[Float, Float, Float]:
        """Second moments (D, D), (D, N), (N,) about the given means instead of zero."""
        cross = np.outer(x_mean, self.x)
        xx = self.xx - cross - cross.T + self.n * np.outer(x_mean, x_mean)
        xy = self.xy - np.outer(x_mean, self.y) - np.outer(self.x, y_mean) + self.n * np.outer(x_mean, y_mean)
        return xx, xy, self.yy - 2 * y_mean * self.y + self.n * np.square(y_mean)


def _decomposed(moments: _Moments) -> tuple[Float, Float, Float]:
    """Eigenvalues (D,), eigenvectors (D, D) of the centred x x', and the rotated centred x y' (D, N)."""
    xx, xy, _ = moments.about(moments.x / moments.n, moments.y / moments.n)
    eigenvalues, vectors = np.linalg.eigh(xx)
    return np.maximum(eigenvalues, 0.0), vectors, vectors.T @ xy


def _shrunk(rotated: Float, eigenvalues: Float, penalty: Float) -> Float:
    """Ridge weights (D, N) in the eigenbasis for one penalty or one per unit, relative to the mean eigenvalue."""
    scale = max(float(eigenvalues.mean()), np.finfo(np.float64).tiny)
    weights: Float = rotated / (eigenvalues[:, None] + scale * np.atleast_1d(penalty)[None, :])
    return weights


def fit_ridge(
    train_spectrograms: Sequence[ArrayLike],
    train_responses: Sequence[ArrayLike],
    n_lags: int = 30,
    penalties: Sequence[float] = DEFAULT_PENALTIES,
    n_folds: int = 4,
) -> RidgeStrf:
    """Fit one linear receptive field per unit; the penalty of each unit is chosen by cross-validation over clips.

    Minimises ``sum_t (y - b - x'w)**2 + p * e * |w|**2`` with e the mean eigenvalue of the centred ``X'X``; b is not
    penalised. Clip i belongs to fold i modulo `n_folds`; the chosen penalty has the smallest squared error summed over
    the left-out folds (the largest of equals). Moments of the other folds come by subtraction, the error from the
    moments of the left-out one: no regressor is built twice. Band means and deviations are taken on all training
    clips.

    Parameters
    ----------
    train_spectrograms : sequence of array_like
        (F, T) each; T may differ from clip to clip.
    train_responses : sequence of array_like
        (N, T) each: trial averages on the bins of the spectrogram, in any unit.
    n_lags : int
        Length of the receptive field in bins.
    penalties : sequence of float
        Candidates, > 0, relative to the mean eigenvalue.
    n_folds : int
        At least 2 and at most the number of clips; ignored for a single penalty.

    Returns
    -------
    RidgeStrf

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, a penalty is not positive, or `n_folds` does not fit.
    """
    spectrograms = [np.asarray(s, dtype=np.float64) for s in train_spectrograms]
    responses = [np.asarray(r, dtype=np.float64) for r in train_responses]
    _check_clips(spectrograms, responses)
    candidates = np.sort(np.asarray(penalties, dtype=np.float64))[::-1]
    if candidates.size == 0 or not np.all(candidates > 0):
        raise ValueError(f"penalties must be positive numbers, not {list(penalties)}")
    n_folds = 1 if candidates.size == 1 else n_folds
    if candidates.size > 1 and not 2 <= n_folds <= len(spectrograms):
        raise ValueError(f"n_folds={n_folds} must be at least 2 and at most the number of clips, {len(spectrograms)}")

    bins = np.concatenate(spectrograms, axis=1)
    mean, deviation = bins.mean(axis=1), bins.std(axis=1)
    deviation = np.where(deviation > 1e-12 * (np.abs(mean) + 1), deviation, 1.0)
    offset = np.concatenate(responses, axis=1).mean(axis=1)  # subtracted first: keeps the sums well conditioned
    n_bands, n_units = len(mean), len(offset)
    folds: list[_Moments] = []
    for index, (spectrogram, response) in enumerate(zip(spectrograms, responses, strict=True)):
        design = lagged_design((spectrogram - mean[:, None]) / deviation[:, None], n_lags)
        clip = _Moments.of(design, response - offset[:, None])
        if index < n_folds:
            folds.append(clip)
        else:
            folds[index % n_folds] = folds[index % n_folds].plus(clip)
    total = reduce(_Moments.plus, folds)

    best = np.zeros(n_units, dtype=np.intp)
    if candidates.size > 1:
        error = np.zeros((candidates.size, n_units))
        for fold in folds:
            rest = total.plus(fold, -1)
            eigenvalues, vectors, rotated = _decomposed(rest)
            xx, xy, yy = fold.about(rest.x / rest.n, rest.y / rest.n)
            xx, xy = vectors.T @ xx @ vectors, vectors.T @ xy
            for row, candidate in enumerate(candidates):
                weights = _shrunk(rotated, eigenvalues, candidate)
                error[row] += yy - 2 * np.sum(weights * xy, axis=0) + np.sum(weights * (xx @ weights), axis=0)
        best = np.argmin(error, axis=0)
    penalty = candidates[best]
    eigenvalues, vectors, rotated = _decomposed(total)
    flat = (vectors @ _shrunk(rotated, eigenvalues, penalty)).T
    intercept = offset + total.y / total.n - flat @ (total.x / total.n)
    return RidgeStrf(flat.reshape(n_units, n_bands, n_lags), intercept, penalty, mean, deviation)


def _check_clips(spectrograms: Sequence[Float], responses: Sequence[Float]) -> None:
    if not spectrograms or len(spectrograms) != len(responses):
        raise ValueError(f"{len(spectrograms)} spectrograms and {len(responses)} responses: need as many of each, > 0")
    for index, (spectrogram, response) in enumerate(zip(spectrograms, responses, strict=True)):
        shapes = f"clip {index}: spectrogram {spectrogram.shape}, response {response.shape}"
        if spectrogram.ndim != 2 or response.ndim != 2 or spectrogram.shape[1] != response.shape[1]:
            raise ValueError(f"{shapes}; need (F, T) and (N, T)")
        if spectrogram.shape[0] != spectrograms[0].shape[0] or response.shape[0] != responses[0].shape[0]:
            raise ValueError(f"{shapes}; bands or units differ from clip 0")
        if not (np.isfinite(spectrogram).all() and np.isfinite(response).all()):
            raise ValueError(f"{shapes}; a value is not finite")


def predict(model: RidgeStrf, spectrogram: ArrayLike) -> Float:
    """Predict the responses of all units to one clip, float64 (N, T) in the unit of the training responses.

    `spectrogram` is (F, T), in the units of the training spectrograms; ValueError if F is not the model's. The
    prediction is not rectified.
    """
    values = np.asarray(spectrogram, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(model.feature_mean):
        raise ValueError(f"spectrogram {values.shape}: the model has {len(model.feature_mean)} bands")
    design = lagged_design((values - model.feature_mean[:, None]) / model.feature_std[:, None], model.n_lags)
    prediction: Float = (design @ model.weights.reshape(len(model.weights), -1).T).T + model.intercept[:, None]
    return prediction


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
    """Estimate signal and noise power of each unit (Sahani & Linden 2003 [2]_; the form of Schoppe et al. 2016 [3]_).

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
    """CCmax = sqrt(SP / Var(mean over repeats)) of Schoppe et al. 2016 [3]_, float64 (N,), of (N, R, T).

    NaN where the signal power is not positive.
    """
    values, n = _complete_trials(trials)
    signal, _ = signal_noise_power(trials)
    variance = values.sum(axis=1).var(axis=1) / np.maximum(n, 1) ** 2
    good = _has_signal(signal)
    return np.sqrt(_divided(np.where(good, signal, 0.0), np.where(good, variance, 0.0)))


def normalised_correlation(prediction: ArrayLike, trials: ArrayLike) -> Float:
    """CCnorm = Cov(X, Y) / sqrt(Var(X) SP) of Schoppe et al. 2016 [3]_, float64 (N,).

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
