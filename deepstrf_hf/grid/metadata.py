"""What tables say of stimuli and neurons, under the grid's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.check import whole_hop
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.names import BAND_MAX, BAND_MIN
from deepstrf_hf.summaries import LARGE_COLUMNS


def metadata_columns(names: Iterable[str]) -> list[str]:
    """Return which columns of a stimuli table are metadata: neither the stimulus itself nor ranges of its bands."""
    return [name for name in names if name not in LARGE_COLUMNS and not name.startswith((BAND_MIN, BAND_MAX))]


def without_prefix(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return a row under deepSTRF's names: ``stim_name`` is ``name``; ``stim_id`` and ``neuron_id`` stay."""
    keep = ("stim_id", "neuron_id")
    return {name if name in keep else name.removeprefix(prefix): value for name, value in row.items()}


def check_stimulus_kind(stimulus: str, audio_fs: int | None) -> None:
    """Check what kind of stimulus a user asks for.

    Raises
    ------
    ParameterError
        Neither ``"spectrogram"`` nor ``"waveform"``, or a sampling rate without waveforms.
    """
    if stimulus not in ("spectrogram", "waveform"):
        raise ParameterError(
            "Unknown kind of stimulus", field="stimulus", found=repr(stimulus), expected="'spectrogram' or 'waveform'"
        )
    if audio_fs is not None and stimulus == "spectrogram":
        raise ParameterError(
            "A sampling rate goes with waveforms", field="audio_fs", found=audio_fs, mend="add stimulus='waveform'"
        )


def describe(
    provenance: Mapping[str, Any], audio_fs: int | None, waveform: bool, source: str, config: str
) -> GridDescription:
    """Describe what is true of all stimuli and neurons, as tables say it of themselves; without splits.

    Where bands have no frequencies, their number is left to the caller.

    Parameters
    ----------
    provenance : mapping
        What the files say about themselves.
    audio_fs : int, optional
        Rate of waveforms that a user asks for, Hz; the corpus's own if not given.
    waveform : bool
        Whether stimuli are waveforms.
    source, config : str
        Directory or repository, and configuration.

    Raises
    ------
    ParameterError
        Waveforms at a rate that is not whole samples per bin, or at none.
    """
    rate = None
    if waveform:
        rate = provenance["audio_fs"] if audio_fs is None else audio_fs
        if rate is None:
            raise ParameterError("This corpus names no rate for waveforms", field="audio_fs", mend="pass audio_fs=...")
        whole_hop(rate, provenance["dt_ms"])
    hearing, bands = provenance["hearing_range_hz"], provenance["band_frequencies_hz"]
    return GridDescription(
        dt_ms=provenance["dt_ms"],
        n_bands=len(bands or ()),
        audio_fs=rate,
        waveform=waveform,
        hearing_range_hz=(hearing[0], hearing[1]),
        band_frequencies_hz=None if bands is None else tuple(bands),
        species=provenance["species"],
        signal_type=provenance["signal_type"],
        response_unit=provenance["response_unit"],
        path=source,
        name=f"{provenance['corpus']}/{config}",
        corpus=provenance["corpus"],
    )
