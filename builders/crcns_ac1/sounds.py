"""The waveforms of CRCNS AC1, and the stimuli made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from builders.crcns_ac1.config import CrcnsAc1Config
from builders.crcns_ac1.index import Sound
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.features.cochleagram import frame_slip_ms
from deepstrf_hf.features.log_spectrogram import frame_centres, goertzel_log_spectrogram, n_bands_below_nyquist
from deepstrf_hf.formats.matlab import MatlabStruct, load_variables
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Stimulus

RAMP_MS = 5.0
TRUE_RATES_HZ = {97_656.0: 97_656.25}
"""Rate of the playback hardware (25 MHz / 256) by the rate that files state."""
RATE_TOLERANCE_HZ = 1.0


class Waveform(NamedTuple):
    """A sound as it was played.

    Parameters
    ----------
    samples : ndarray of float64, shape (samples,)
        In the unit of the files.
    header_rate_hz : float
        Rate that its file states, Hz.
    """

    samples: NDArray[np.float64]
    header_rate_hz: float

    @property
    def true_rate_hz(self) -> float:
        """Rate of the hardware, Hz."""
        return TRUE_RATES_HZ.get(self.header_rate_hz, self.header_rate_hz)

    def rate_hz(self, config: CrcnsAc1Config) -> float:
        """Rate that a spectrogram is computed with: the stated one as published, the true one for exact frames."""
        return self.header_rate_hz if config.frames == "fixed_hop" else self.true_rate_hz

    def n_frames(self, config: CrcnsAc1Config) -> int:
        """Frames of the whole sound."""
        return len(frame_centres(len(self.samples), self.rate_hz(config), config.dt_ms, config.frames))


def ramped(samples: NDArray[np.float64], sample_rate_hz: float) -> NDArray[np.float64]:
    """Return a sound with ramps of 5 ms at both ends: w[k] = sin(pi/2 k/n)^2, k = 0 .. n-1, of at most half the sound.

    Parameters
    ----------
    samples : ndarray of float64, shape (samples,)
        The sound.
    sample_rate_hz : float
        Its rate, Hz.

    Returns
    -------
    ndarray of float64, shape (samples,)
        Its first and last sample are 0.
    """
    length = min(max(1, round(RAMP_MS * sample_rate_hz / 1000)), len(samples) // 2)
    ramp = np.sin(np.pi / 2 * np.arange(length) / max(length, 1)) ** 2
    shaped = samples.copy()
    shaped[:length] *= ramp
    shaped[len(shaped) - length :] *= ramp[::-1]
    return shaped


def read_waveform(raw: RawTree, sound: Sound) -> Waveform:
    """Read a sound; segments of a sequence follow each other without gap.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A file is missing or not as published, or segments differ in rate.
    """
    by_file: dict[str, Waveform] = {}
    for file in sound.files:
        if file not in by_file:
            by_file[file] = _read_file(raw, file)
    first = by_file[sound.files[0]]
    for file, segment in by_file.items():
        if abs(segment.header_rate_hz - first.header_rate_hz) > RATE_TOLERANCE_HZ:
            raise RawFormatError(
                "The segments of a sequence differ in sampling rate",
                path=raw.root / file,
                field=f"stimulus.param.sf, in {sound.stim_id}",
                found=f"{segment.header_rate_hz:g} Hz",
                expected=f"{first.header_rate_hz:g} Hz, as {sound.files[0]}",
                mend="fetch the file again, or leave the sequence out with on_error='skip'",
            )
    parts = [by_file[file].samples for file in sound.files]
    if sound.ramped:
        parts = [ramped(part, by_file[file].header_rate_hz) for part, file in zip(parts, sound.files, strict=True)]
    return Waveform(np.concatenate(parts), first.header_rate_hz)


def _read_file(raw: RawTree, file: str) -> Waveform:
    path = raw.path(file)
    entries = MatlabStruct.entries(load_variables(path, ["stimulus"])["stimulus"], path, "stimulus")
    if not entries:
        raise RawFormatError("A stimulus file is empty", path=path, field="stimulus")
    samples = entries[0].vector("samples" if entries[0].has("samples") else "sample")
    rate = entries[0].entry("param").number("sf")
    if not samples.size or not np.isfinite(samples).all() or not 0 < rate < float("inf"):
        raise entries[0].error("samples", f"{samples.size} samples at {rate:g} Hz", "finite samples at a positive rate")
    return Waveform(samples, rate)


def make_stimulus(
    sound: Sound, waveform: Waveform, n_bins: int, config: CrcnsAc1Config, own: Mapping[str, Any], log: BuildLog
) -> Stimulus:
    """Make the stimulus of a sound.

    Parameters
    ----------
    sound, waveform : Sound, Waveform
        What was played.
    n_bins : int
        Bins to keep, at most those of the sound.
    config : CrcnsAc1Config
        Parameters.
    own : mapping
        Columns that come from who heard it first.
    log : BuildLog
        Told how frames slip, and which bands are images.

    Returns
    -------
    Stimulus
        With its whole waveform at its true rate.
    """
    bands, rate = config.bands_hz, waveform.rate_hz(config)
    spectrogram = goertzel_log_spectrogram(
        waveform.samples, rate, bands, dt_ms=config.dt_ms, window_ms=config.window_ms, frames=config.frames
    )[:, :n_bins]
    n_valid = n_bands_below_nyquist(bands, rate)
    slip_ms = 0.0
    if config.frames == "fixed_hop":
        slip_ms = frame_slip_ms(rate, config.dt_ms, n_bins)
        hop = max(round(config.dt_ms * rate / 1000), 1)
        slip_in_15_s = frame_slip_ms(rate, config.dt_ms, 2) / config.dt_ms * 15_000
        if slip_in_15_s:
            log.note(
                f"Sounds of {rate:g} Hz: frames of the spectrogram are {hop} samples ({hop / rate * 1000:.5f} ms) "
                f"apart, as published, and slip against the bins by {slip_in_15_s:.1f} ms in 15 s; stim_frame_slip_ms "
                "says how late the last frame of each stimulus is, and frames=exact avoids it."
            )
    if n_valid < len(bands):
        held = "images of audible ones" if config.frames == "fixed_hop" else "the level of silence"
        log.note(
            f"Sounds of {rate:g} Hz: the {len(bands) - n_valid} of {len(bands)} bands above half the sampling rate "
            f"hold {held} (stim_n_valid_bands)."
        )
    metadata = {
        **sound.metadata,
        **own,
        "n_valid_bands": n_valid,
        "frame_slip_ms": slip_ms,
        "header_sample_rate_hz": waveform.header_rate_hz,
    }
    samples = waveform.samples.astype(np.float32)
    return Stimulus(sound.stim_id, np.ascontiguousarray(spectrogram), metadata, samples, waveform.true_rate_hz)
