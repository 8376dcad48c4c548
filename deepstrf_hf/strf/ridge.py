"""Linear spectrotemporal receptive fields by ridge regression, for all units of a stimulus set at once.

The covariance of the stimulus is decomposed once per cross-validation fold and shared by all units, so that a
hundred units cost little more than one. Pure NumPy.

References
----------
.. [1] Theunissen, Sen & Doupe (2000), Spectral-temporal receptive fields of nonlinear auditory neurons obtained using
   natural sounds, J Neurosci 20:2315-2331.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.strf.moments import Moments

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
    ParameterError
        If `spectrogram` is not 2-D or `n_lags` < 1.
    """
    values = np.asarray(spectrogram, dtype=np.float64)
    if values.ndim != 2 or n_lags < 1:
        raise ParameterError(f"Need a spectrogram (F, T) and n_lags >= 1, not {values.shape} and {n_lags}")
    n_bands, n_bins = values.shape
    padded = np.concatenate([np.zeros((n_bands, n_lags - 1)), values], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_lags, axis=1)[:, :, ::-1]
    return np.ascontiguousarray(windows.transpose(1, 0, 2)).reshape(n_bins, n_bands * n_lags)


def _decomposed(moments: Moments) -> tuple[Float, Float, Float]:
    """Eigenvalues (D,), eigenvectors (D, D) of the centred x x', and the rotated centred x y' (D, N)."""
    xx, xy = moments.centred()
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
    candidates = checked_penalties(penalties)
    n_folds = 1 if candidates.size == 1 else n_folds
    if candidates.size > 1 and not 2 <= n_folds <= len(spectrograms):
        raise ParameterError(
            "Folds cannot be made of the clips",
            field="n_folds",
            found=n_folds,
            expected=f"at least 2 and at most the number of clips, {len(spectrograms)}",
        )
    bins = np.concatenate(spectrograms, axis=1)
    mean, deviation = bins.mean(axis=1), nonzero_deviation(bins.mean(axis=1), bins.std(axis=1))
    offset = np.concatenate(responses, axis=1).mean(axis=1)  # subtracted first: keeps the sums well conditioned
    clips = (
        Moments.of(
            lagged_design((spectrogram - mean[:, None]) / deviation[:, None], n_lags), response - offset[:, None]
        )
        for spectrogram, response in zip(spectrograms, responses, strict=True)
    )
    flat, intercept, penalty = solve(folds_of(clips, n_folds), candidates)
    return RidgeStrf(flat.reshape(len(offset), len(mean), n_lags), offset + intercept, penalty, mean, deviation)


def checked_penalties(penalties: Sequence[float]) -> Float:
    """Return ridge penalties in descending order, float64.

    Raises
    ------
    ParameterError
        None, or one that is not a positive number.
    """
    candidates = np.sort(np.asarray(penalties, dtype=np.float64))[::-1]
    if candidates.size == 0 or not np.all((candidates > 0) & np.isfinite(candidates)):
        raise ParameterError(
            "Penalties must be positive numbers", field="penalties", found=list(penalties), expected="for example 0.1,1"
        )
    return candidates


def nonzero_deviation(mean: Float, deviation: Float) -> Float:
    """Return standard deviations to divide bands by: 1 for a band that is constant but for rounding."""
    return np.where(deviation > 1e-12 * (np.abs(mean) + 1), deviation, 1.0)


def folds_of(clips: Iterable[Moments], n_folds: int) -> list[Moments]:
    """Join clips to folds: clip i goes to fold i modulo `n_folds`; no more folds than clips."""
    folds: list[Moments] = []
    for index, clip in enumerate(clips):
        if index < n_folds:
            folds.append(clip)
        else:
            folds[index % n_folds] = folds[index % n_folds].plus(clip)
    return folds


def solve(folds: Sequence[Moments], candidates: Float) -> tuple[Float, Float, Float]:
    """Choose the penalty of each unit by cross-validation over folds, and fit all bins with it.

    Parameters
    ----------
    folds : sequence of Moments
        Of D regressors and N responses; two at least if there is a choice.
    candidates : ndarray of float64
        Penalties in descending order, relative to the mean eigenvalue of the centred x x'.

    Returns
    -------
    weights : ndarray of float64, shape (N, D)
    intercept : ndarray of float64, shape (N,)
    penalty : ndarray of float64, shape (N,)
        The candidate whose squared error, summed over the folds left out, is smallest; the largest of equals.
    """
    total = reduce(Moments.plus, folds)
    best = np.zeros(len(total.y), dtype=np.intp)
    if candidates.size > 1:
        error = np.zeros((candidates.size, len(total.y)))
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
    return flat, total.y / total.n - flat @ (total.x / total.n), penalty


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
