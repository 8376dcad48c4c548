"""Published preprocessing of spectrograms, applied when they are loaded and never stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

QUIET = 1e-6
"""Scaled values below this become exactly 0 (NEMS: ``normalize(..., 'minmax')``)."""
COARSE_OFFSET = 2.0
"""Offsets of `LogCompress` are divided by `COARSE_DIVISOR` beyond this, on either side."""
COARSE_DIVISOR = 50.0


class StimulusStep(Protocol):
    """One step of preprocessing of spectrograms; waveforms are handed out as they are.

    A step of your own needs `applies_to` and `apply` only.
    """

    name: ClassVar[str]
    applies_to: ClassVar[str]
    """``"stimuli"``: tells the steps for stimuli from those for responses."""

    def apply(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the processed spectrogram, shape (bands, bins) as given.

        Where a step that scales by stored ranges follows, it must treat each value by itself, larger ones to larger
        ones: the ranges go through it too.
        """

    def describe(self) -> str:
        """Say in one sentence what the step does."""


@dataclass(frozen=True)
class LogCompress:
    """Compress a linear spectrogram, ``log((x + d) / d)`` with ``d = 10 ** offset``.

    An offset of -1 is log(1 + 10 x), one of 0 is log(1 + x). Offsets beyond ±2 count a fiftieth of what they are
    beyond, as in NEMS (`nems.preprocessing`, ``log_compress``; Pennington & David 2023, PLoS Comput Biol 19:e1011110,
    doi 10.1371/journal.pcbi.1011110).

    Parameters
    ----------
    offset : float
        Decimal logarithm of d.

    Raises
    ------
    ParameterError
        Not a finite number.
    """

    offset: float = -1.0
    name: ClassVar[str] = "log_compress"
    applies_to: ClassVar[str] = "stimuli"

    def __post_init__(self) -> None:
        if not np.isfinite(self.offset):
            raise ParameterError("An offset must be finite", field="offset", found=self.offset, expected="a number")

    @property
    def smallest(self) -> float:
        """What is added before, and divided by: d."""
        beyond = max(0.0, abs(self.offset) - COARSE_OFFSET)
        fine = abs(self.offset) - beyond + beyond / COARSE_DIVISOR
        return float(10.0 ** np.copysign(fine, self.offset))

    def apply(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the compressed spectrogram, any shape.

        Parameters
        ----------
        spectrogram : ndarray of float32
            Linear, not negative.
        """
        smallest = np.float32(self.smallest)
        return np.log((spectrogram + smallest) / smallest)

    def describe(self) -> str:
        """Say in one sentence what the step does."""
        return f"spectrogram x compressed to log((x + d) / d), d = {self.smallest:g}"


@dataclass(frozen=True)
class ScaleBands:
    """Scale spectrograms from a stored range to 0 … 1, and what is quiet to exactly 0.

    ``(x - low) / (high - low)``; where low and high are equal, ``x - low``. Low and high were taken over a recording
    when the tables were built, are stored with each stimulus and go through the steps before this one, so that no
    value depends on which stimuli somebody loads.

    Parameters
    ----------
    range : str
        Name of the stored range: columns ``band_min_<range>`` and ``band_max_<range>`` of the stimuli table.
    over : str
        ``"stimulus"`` scales each stimulus by the range stored with it, ``"cohort"`` all by the range of all stimuli
        of the cohort.
    bands : str
        ``"each"`` scales each band by its own range, ``"all"`` all bands by one.
    zero_below : float
        Scaled values below this become 0.

    Raises
    ------
    ParameterError
        `over` or `bands` is not one of the words.
    """

    range: str
    over: str = "stimulus"
    bands: str = "each"
    zero_below: float = QUIET
    name: ClassVar[str] = "scale_bands"
    applies_to: ClassVar[str] = "stimuli"

    def __post_init__(self) -> None:
        for field, allowed in (("over", ("stimulus", "cohort")), ("bands", ("each", "all"))):
            if getattr(self, field) not in allowed:
                raise ParameterError(
                    "Unknown way to scale bands",
                    field=field,
                    found=repr(getattr(self, field)),
                    expected=" or ".join(map(repr, allowed)),
                )

    def scale(self, spectrogram: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scaled spectrogram.

        Parameters
        ----------
        spectrogram : ndarray of float32, shape (bands, bins)
            What the steps before gave.
        limits : ndarray of float32, shape (bands, 2)
            Low and high of each band, after the steps before.

        Returns
        -------
        ndarray of float32, shape (bands, bins)
            0 … 1.
        """
        low, high = limits[:, :1], limits[:, 1:]
        if self.bands == "all":
            low, high = low.min(keepdims=True), high.max(keepdims=True)
        span = np.where(high > low, high - low, np.float32(1))
        scaled = ((spectrogram - low) / span).astype(np.float32, copy=False)
        scaled[scaled < self.zero_below] = 0
        return scaled

    def describe(self) -> str:
        """Say in one sentence what the step does."""
        bands = "each band" if self.bands == "each" else "all bands together"
        whole = ", over all stimuli of the cohort" if self.over == "cohort" else ""
        return (
            f"{bands} of the spectrogram scaled from the stored range `{self.range}`{whole} to 0 … 1, "
            f"values below {self.zero_below:g} set to 0"
        )
