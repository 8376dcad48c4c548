"""Compression and standardization of spectrograms, applied when they are loaded and never stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.scaling import LogCompress

LOGARITHMS = {"e": 1.0, "10": math.log(10)}
"""Natural logarithm of the base, by the name of the base."""


def _refuse_unless(holds: bool, field: str, found: object, expected: str) -> None:
    if not holds:
        raise ParameterError("Unusable compression of spectrograms", field=field, found=repr(found), expected=expected)


@dataclass(frozen=True)
class LogPlusOne:
    """Compress a linear spectrogram, ``log(1 + scale * x)``.

    Parameters
    ----------
    scale : float
        What values are multiplied by before: 32768 gives amplitudes of 16-bit samples.
    base : str
        ``"e"`` or ``"10"``.

    Raises
    ------
    ParameterError
        A scale that is not positive, or another base.
    """

    scale: float = 1.0
    base: str = "e"
    name: ClassVar[str] = "log_plus_one"
    applies_to: ClassVar[str] = "stimuli"

    def __post_init__(self) -> None:
        _refuse_unless(0 < self.scale < math.inf, "scale", self.scale, "a positive number")
        _refuse_unless(self.base in LOGARITHMS, "base", self.base, " or ".join(map(repr, LOGARITHMS)))

    def apply(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the compressed spectrogram, any shape."""
        compressed: NDArray[np.float32] = np.log1p(spectrogram * np.float32(self.scale))
        compressed *= np.float32(1 / LOGARITHMS[self.base])
        return compressed

    def describe(self) -> str:
        """Say in one sentence what the step does."""
        logarithm = "ln" if self.base == "e" else "log10"
        return f"spectrogram x compressed to {logarithm}(1 + {self.scale:g} x)"


@dataclass(frozen=True)
class LogFloored:
    """Take the natural logarithm of a linear spectrogram that is kept above a floor.

    Parameters
    ----------
    floor : float
        Smallest argument of the logarithm.
    rule : str
        ``"add"``: ``ln(x + floor)``; ``"clip"``: ``ln(max(x, floor))``.

    Raises
    ------
    ParameterError
        A floor that is not positive, or another rule.
    """

    floor: float
    rule: str = "add"
    name: ClassVar[str] = "log_floored"
    applies_to: ClassVar[str] = "stimuli"

    def __post_init__(self) -> None:
        _refuse_unless(0 < self.floor < math.inf, "floor", self.floor, "a positive number")
        _refuse_unless(self.rule in ("add", "clip"), "rule", self.rule, "'add' or 'clip'")

    def apply(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logarithm, any shape."""
        floor = np.float32(self.floor)
        above: NDArray[np.float32] = spectrogram + floor if self.rule == "add" else np.maximum(spectrogram, floor)
        return np.log(above, out=above)

    def describe(self) -> str:
        """Say in one sentence what the step does."""
        return f"spectrogram x compressed to ln({'x +' if self.rule == 'add' else 'max(x,'} {self.floor:g}" + (
            ")" if self.rule == "add" else "))"
        )


@dataclass(frozen=True)
class PowerLaw:
    """Compress a linear spectrogram, ``x ** exponent``; 1/3 is the cube root.

    Parameters
    ----------
    exponent : float
        Power.

    Raises
    ------
    ParameterError
        Not positive.
    """

    exponent: float = 1 / 3
    name: ClassVar[str] = "power_law"
    applies_to: ClassVar[str] = "stimuli"

    def __post_init__(self) -> None:
        _refuse_unless(0 < self.exponent < math.inf, "exponent", self.exponent, "a positive number")

    def apply(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the compressed spectrogram, any shape."""
        compressed: NDArray[np.float32] = np.power(spectrogram, np.float32(self.exponent))
        return compressed

    def describe(self) -> str:
        """Say in one sentence what the step does."""
        return f"spectrogram x compressed to x to the power of {self.exponent:.4g}"


COMPRESSIONS = (LogCompress, LogPlusOne, LogFloored, PowerLaw)
"""Steps that make of a linear spectrogram one as papers show it."""


@dataclass(frozen=True)
class StandardizeBands:
    """Shift and scale every band of a stimulus to mean 0 and standard deviation 1 over its own bins.

    Takes no statistics over stimuli: the value does not depend on what else is loaded.

    Parameters
    ----------
    frames : str, optional
        Integer attribute of stimuli (column ``stim_<frames>``) that says how many of the first bins the analysis
        reached; statistics are over these, and the bins after them become 0, the mean. None: all bins.
    smallest : float
        Standard deviations (``ddof=0``) count as no less than this.

    Raises
    ------
    ParameterError
        `smallest` is not positive.
    """

    frames: str | None = None
    smallest: float = 1e-9
    name: ClassVar[str] = "standardize_bands"
    applies_to: ClassVar[str] = "stimuli"

    def __post_init__(self) -> None:
        _refuse_unless(0 < self.smallest < math.inf, "smallest", self.smallest, "a positive number")

    def standardize(self, spectrogram: NDArray[np.float32], n_frames: int) -> NDArray[np.float32]:
        """Return the standardized spectrogram.

        Parameters
        ----------
        spectrogram : ndarray of float32, shape (bands, bins)
            What the steps before gave.
        n_frames : int
            Bins to standardize over; those after become 0.
        """
        standardized = np.zeros_like(spectrogram)
        if n_frames > 0:
            own = spectrogram[:, :n_frames].astype(np.float64)
            spread = np.maximum(own.std(axis=1, keepdims=True), self.smallest)
            standardized[:, :n_frames] = (own - own.mean(axis=1, keepdims=True)) / spread
        return standardized

    def describe(self) -> str:
        """Say in one sentence what the step does."""
        over = "" if self.frames is None else f" (its first `{self.frames}` bins; those after are 0)"
        return f"each band of the spectrogram standardized to mean 0 and standard deviation 1 over its stimulus{over}"
