"""Parameters of Wingert 2026."""

from __future__ import annotations

from dataclasses import dataclass

from deepstrf_hf.config import CorpusConfig, parameter

DT_MS = 10.0
"""Bin of the published spectrograms, ms."""


@dataclass
class Wingert2026Config(CorpusConfig):
    """Parameters of Wingert 2026; the spectrograms are published at 10 ms and at nothing else.

    Parameters
    ----------
    prestim_ms : float or None
        When waveforms begin after the first bin does, ms; None finds it session by session.
    """

    dt_ms: float = parameter(DT_MS, "bin width of responses and spectrogram", unit="ms", choices=(DT_MS,))
    prestim_ms: float | None = parameter(
        None, "when waveforms begin after the first bin; none finds it from spectrogram and sound", unit="ms"
    )
