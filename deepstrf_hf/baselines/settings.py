"""How a linear reference is fitted: what the cohort declares, and what the user says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.strf.ridge import checked_penalties

N_FOLDS = 4
"""Folds of the training clips, by which penalties are chosen."""
TOLERANCE = 1e-6
"""How far a ratio of bin widths may be from a whole number."""


@dataclass(frozen=True)
class Settings:
    """How receptive fields are fitted.

    Parameters
    ----------
    dt_ms : float
        Width of the bins that are fitted, ms.
    stored_per_bin : int
        Stored bins that are averaged to one of them.
    n_lags : int
        Length of a receptive field, in fitted bins.
    penalties : tuple of float
        Candidates.
    n_folds : int
        At most; as many as there are training clips where these are fewer.
    """

    dt_ms: float
    stored_per_bin: int
    n_lags: int
    penalties: tuple[float, ...]
    n_folds: int = N_FOLDS

    @property
    def window_ms(self) -> float:
        """Length of a receptive field, ms."""
        return self.n_lags * self.dt_ms

    @classmethod
    def resolve(
        cls,
        stored_dt_ms: float,
        declared: LinearBaseline,
        *,
        window_ms: float | None,
        bin_ms: float | None,
        penalties: Sequence[float],
    ) -> Settings:
        """Take what is declared unless the user says otherwise.

        A declared width is left aside in a build whose bins are as wide, or do not fit into it.

        Raises
        ------
        ParameterError
            A width that is not a multiple of the stored one, a window shorter than a bin, penalties that are not
            positive.
        """
        if bin_ms is None:
            ratio = (declared.bin_ms or stored_dt_ms) / stored_dt_ms
            whole = round(ratio) if abs(ratio - round(ratio)) <= TOLERANCE * ratio else 1
        else:
            ratio = bin_ms / stored_dt_ms
            whole = round(ratio)
            if whole < 1 or abs(ratio - whole) > TOLERANCE * ratio:
                raise ParameterError(
                    "Bins can only be joined whole",
                    field="bin_ms",
                    found=f"{bin_ms:g}",
                    expected=f"a multiple of the stored {stored_dt_ms:g} ms",
                )
        dt_ms = stored_dt_ms * whole
        window = declared.window_ms if window_ms is None else window_ms
        if not dt_ms * (1 - TOLERANCE) <= window < float("inf"):
            raise ParameterError(
                "A receptive field is at least one bin long",
                field="window_ms",
                found=f"{window:g}",
                expected=f"at least {dt_ms:g} ms",
            )
        return cls(dt_ms, whole, round(window / dt_ms), tuple(checked_penalties(penalties).tolist()))
