"""Parameters of Le 2025."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.gammatone import erb_centre_frequencies
from deepstrf_hf.where import keeps


@dataclass
class Le2025Config(CorpusConfig):
    """Parameters of Le 2025."""

    n_bands: int = parameter(50, "gammatone bands of the spectrogram")
    fmin: float = parameter(1000.0, "centre of the lowest band", unit="Hz")
    fmax: float = parameter(8000.0, "upper end of the bands; no centre itself", unit="Hz")
    window_ms: float = parameter(2.5, "window in which the amplitude of a band is taken", unit="ms")
    frames: str = parameter(
        "exact",
        "window t begins with bin t to the nearest sample, or after t hops of whole samples, which slip against bins "
        "where the hop is not whole",
        choices=("exact", "whole_hop"),
    )
    smallest_join: float = parameter(0.9, "part of units that the lab's tables must know, from 20 units on; 0 to 1")

    @property
    def bands_hz(self) -> NDArray[np.float64]:
        """Centre frequency of each band, Hz, lowest first."""
        return erb_centre_frequencies(self.fmin, self.fmax, self.n_bands)

    def check(self) -> None:
        """Check all values.

        Raises
        ------
        ParameterError
            As in the base; bands or windows that cannot be; a part that is none.
        """
        super().check()
        for name, holds, expected in (
            ("window_ms", 0 < self.window_ms < math.inf, "> 0 ms"),
            ("smallest_join", 0 <= self.smallest_join <= 1, "0 to 1"),
        ):
            if not holds:
                raise ParameterError(
                    "This value of the parameter is not allowed",
                    field=name,
                    found=getattr(self, name),
                    expected=expected,
                )
        erb_centre_frequencies(self.fmin, self.fmax, self.n_bands)  # raises where they cannot be

    def may_keep(self, prefix: str, known: Mapping[str, Any]) -> bool:
        """Return whether the conditions on what is known before reading leave a stimulus or neuron to be read.

        Parameters
        ----------
        prefix : str
            ``"stim"`` or ``"neuron"``.
        known : mapping
            The columns that are known.
        """
        about = {name: values for name, values in self.where.items() if name.removeprefix(f"{prefix}.") in known}
        return keeps(about, prefix, known)
