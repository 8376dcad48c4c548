"""What is true of all stimuli and neurons of a grid."""

from __future__ import annotations

from dataclasses import dataclass, field

from deepstrf_hf.grid.splits import Splits


@dataclass(frozen=True)
class GridDescription:
    """What is true of all stimuli and neurons of a grid.

    Parameters
    ----------
    dt_ms : float
        Bin width, ms.
    n_bands : int
        Frequency bands of the spectrogram, also in waveform mode.
    audio_fs : int, optional
        Rate of waveform stimuli, Hz; None in spectrogram mode.
    waveform : bool
        Whether stimuli are waveforms.
    hearing_range_hz : tuple of float, optional
        Of the species.
    band_frequencies_hz : tuple of float, optional
        Centre frequency of each band, Hz, lowest first.
    species, signal_type, response_unit, path, name : str
        For people; `name` is corpus and configuration.
    corpus : str
        Corpus whose selections the grid offers; empty where it is of none, or of several.
    splits : Splits
        The published division of the stimuli.
    """

    dt_ms: float
    n_bands: int
    audio_fs: int | None = None
    waveform: bool = False
    hearing_range_hz: tuple[float, float] | None = None
    band_frequencies_hz: tuple[float, ...] | None = None
    species: str = ""
    signal_type: str = ""
    response_unit: str = ""
    path: str = ""
    name: str = ""
    corpus: str = ""
    splits: Splits = field(default_factory=lambda: Splits({}))
