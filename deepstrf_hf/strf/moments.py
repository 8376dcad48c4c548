"""Sums over time bins, all that least squares needs of regressors and responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class StimulusMoments:
    """Sums over bins that no response enters, so that all neurons that heard these bins share them.

    Parameters
    ----------
    xx : ndarray of float64, shape (regressors, regressors)
        Products of regressors.
    x : ndarray of float64, shape (regressors,)
        Regressors.
    n : int
        Bins.
    """

    xx: Float
    x: Float
    n: int

    @classmethod
    def of(cls, design: Float) -> StimulusMoments:
        """Sum over the bins of a design, shape (bins, regressors)."""
        return cls(design.T @ design, design.sum(axis=0), len(design))


@dataclass(frozen=True)
class Moments:
    """The sums over bins of D regressors x and N responses y.

    Parameters
    ----------
    xx, xy : ndarray of float64, shapes (D, D) and (D, N)
        Products of regressors, and of regressors and responses.
    x, y, yy : ndarray of float64, shapes (D,), (N,) and (N,)
        Regressors, responses, squared responses.
    n : int
        Bins.
    """

    xx: Float
    xy: Float
    x: Float
    y: Float
    yy: Float
    n: int

    @classmethod
    def of(cls, design: Float, response: Float, stimulus: StimulusMoments | None = None) -> Moments:
        """Sum over the bins of a clip.

        Parameters
        ----------
        design : ndarray of float64, shape (bins, D)
            Regressors.
        response : ndarray of float64, shape (N, bins)
            Responses.
        stimulus : StimulusMoments, optional
            Those of `design`, where somebody has them already.
        """
        known = stimulus or StimulusMoments.of(design)
        return cls(
            known.xx,
            design.T @ response.T,
            known.x,
            response.sum(axis=1),
            np.square(response).sum(axis=1),
            known.n,
        )

    def plus(self, other: Moments, sign: int = 1) -> Moments:
        """Join two sets of bins; with sign -1, take one out of the other."""
        return Moments(*(a + sign * b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def centred(self) -> tuple[Float, Float]:
        """Return products (D, D) and (D, N) about the means."""
        xx, xy, _ = self.about(self.x / self.n, self.y / self.n)
        return xx, xy

    def about(self, x_mean: Float, y_mean: Float) -> tuple[Float, Float, Float]:
        """Return products (D, D), (D, N), (N,) about the given means instead of zero."""
        cross = np.outer(x_mean, self.x)
        xx = self.xx - cross - cross.T + self.n * np.outer(x_mean, x_mean)
        xy = self.xy - np.outer(x_mean, self.y) - np.outer(self.x, y_mean) + self.n * np.outer(x_mean, y_mean)
        return xx, xy, self.yy - 2 * y_mean * self.y + self.n * np.square(y_mean)
