"""Published preprocessing of responses, applied when they are loaded and never stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError


class ResponseStep(Protocol):
    """One step of preprocessing: a function of each trial alone, so that values never depend on what else is loaded.

    A step of your own needs `apply` only. It is given trials of several neurons at a time.
    """

    name: ClassVar[str]
    keeps_finite: ClassVar[bool]
    """Whether finite responses stay finite, so that nobody has to look for NaN afterwards."""

    def apply(self, values: NDArray[np.float32], dt_ms: float) -> NDArray[np.float32]:
        """Return the processed trials, shape (trials, bins) as given."""

    def describe(self) -> str:
        """Say in one sentence what the step does."""


@dataclass(frozen=True)
class HanningSmooth:
    """Smooth responses along time with a Hanning window.

    The kernel is ``numpy.hanning(K)`` with ``K = floor(window_ms / dt_ms)``, one more if even, applied with zero
    padding and the same length. As published the kernel is *not* normalised: its sum (the gain) is 2 at 5 ms bins,
    10 at 1 ms bins, and above 5.25 ms (K = 3 or 1) it is the identity. A missing sample (NaN) spreads to its neighbours
    within the window.

    Parameters
    ----------
    window_ms : float
        Nominal window length, ms. 21 ms after Hsu, Borst & Theunissen 2004, Network 15:91,
        doi 10.1088/0954-898X_15_2_002.
    gain : str
        ``"published"`` (the kernel as it is) or ``"unit"`` (kernel divided by its sum: smoothed counts remain counts).

    Raises
    ------
    ParameterError
        The window is not positive, or the gain is neither of the two.
    """

    window_ms: float = 21.0
    gain: str = "published"
    name: ClassVar[str] = "hanning_smooth"
    keeps_finite: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.window_ms < float("inf"):
            raise ParameterError(
                "A smoothing window must be positive", field="window_ms", found=self.window_ms, expected="> 0 ms"
            )
        if self.gain not in ("published", "unit"):
            raise ParameterError(
                "Unknown gain of the smoothing kernel", field="gain", found=self.gain, expected="'published' or 'unit'"
            )

    def kernel(self, dt_ms: float) -> NDArray[np.float32]:
        """Return the kernel, shape (K,), for bins of `dt_ms`."""
        length = max(1, int(self.window_ms // dt_ms))
        length += length % 2 == 0
        kernel = np.hanning(length) if length > 1 else np.ones(1)
        if self.gain == "unit":
            kernel = kernel / kernel.sum()
        return kernel.astype(np.float32)

    def apply(self, values: NDArray[np.float32], dt_ms: float) -> NDArray[np.float32]:
        """Smooth along the last axis.

        Parameters
        ----------
        values : ndarray of float32, shape (..., bins)
            Responses.
        dt_ms : float
            Bin width, ms.

        Returns
        -------
        ndarray of float32, shape (..., bins)
            Smoothed responses.
        """
        kernel = self.kernel(dt_ms)
        half = len(kernel) // 2
        values = np.ascontiguousarray(values)
        smoothed = kernel[half] * values
        # The kernel is symmetric and a few bins long: shifted sums beat a general convolution. All rows are shifted as
        # one, which is twice as fast again; what would cross from row to row is zero while it does.
        whole = smoothed.reshape(-1)
        for lag in range(1, min(half + 1, values.shape[-1])):
            if kernel[half + lag]:
                weighted = kernel[half + lag] * values
                last = weighted[..., -lag:].copy()
                weighted[..., -lag:] = 0
                whole[lag:] += weighted.reshape(-1)[:-lag]
                weighted[..., -lag:] = last
                weighted[..., :lag] = 0
                whole[:-lag] += weighted.reshape(-1)[lag:]
        return smoothed

    def describe(self) -> str:
        """Say in one sentence what the step does."""
        return (
            f"Hanning window of nominally {self.window_ms:g} ms along time, "
            + ("not normalised, as published" if self.gain == "published" else "normalised to unit sum")
            + ", zero-padded at the ends"
        )
