"""The stimuli of NS1: waveforms in pascals, and the published or the computed cochleagram."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from builders.ns1.raw import CLIPS, PUBLISHED_SPECTROGRAM, Clip, unlisted_clusters
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import ParameterError, RawFormatError
from deepstrf_hf.features.cochleagram import frame_slip_ms, log_cochleagram
from deepstrf_hf.formats.matlab import REPAIR, load_variable
from deepstrf_hf.formats.wav import read_wav
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Stimulus

if TYPE_CHECKING:
    from builders.ns1 import Ns1Config

HEADER_RATE_HZ = 48_828
TRUE_RATE_HZ = 48_828.125
"""Rate of the playback hardware (50 MHz / 1024); the headers round it, their byte rate of 195,313 shows it."""
REFERENCE_PA = 20e-6
"""Sound pressure of 0 dB SPL."""
LEVEL_TOLERANCE_DB = 0.5
PUBLISHED_SHAPE = (len(CLIPS), 34, 1, 999)
PUBLISHED_DT_MS = 5.0


def read_stimuli(
    raw: RawTree, config: Ns1Config, clips: Sequence[Clip], log: BuildLog
) -> Iterator[tuple[Clip, Stimulus]]:
    """Read the stimuli of some clips.

    Yields
    ------
    Clip, Stimulus
        In the order given.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A waveform, or the published cochleagram where it was asked for, is missing or not as published.
    ParameterError
        The published cochleagram was asked for with parameters it does not have.
    """
    published = _published_cochleagrams(raw, config, log)
    for name in unlisted_clusters(raw):
        log.leave_out("clusters", name, "not in the lab's metadata, which lists the units with noise ratio below 40")
    for clip in clips:
        waveform = read_wav(raw.path(clip.wav_file), sample_rate_hz=HEADER_RATE_HZ)
        _compare_level(clip, waveform, log)
        metadata = {
            "name": f"nat{clip.index + 1:02d}",
            "index": clip.index,
            "type": clip.kind,
            "source": clip.source,
            "set": clip.set_number,
            "number": clip.number,
            "level_db": clip.level_db,
            "duration_ms": len(waveform) / TRUE_RATE_HZ * 1000,
            "wav_file": clip.wav_file,
            "spectrogram_source": "computed" if published is None else "published",
        }
        spectrogram = _cochleagram(waveform, config.cochleagram) if published is None else published[clip.index]
        yield clip, Stimulus(clip.stim_id, spectrogram, metadata, waveform, TRUE_RATE_HZ)


class Cochleagram(NamedTuple):
    """Parameters of a computed cochleagram, as `log_cochleagram` takes them."""

    n_bins: int
    dt_ms: float
    n_bands: int
    low_hz: float
    high_hz: float
    frames: str


def _cochleagram(waveform: NDArray[np.float32], settings: Cochleagram) -> NDArray[np.float32]:
    return log_cochleagram(waveform, TRUE_RATE_HZ, **settings._asdict())


def _published_cochleagrams(raw: RawTree, config: Ns1Config, log: BuildLog) -> NDArray[np.float32] | None:
    """Read the published cochleagrams, shape (clips, bands, bins), where the configuration takes them."""
    fields = config.parameter_fields()
    bands = ("n_bands", "low_hz", "high_hz", "frames")
    fits = (config.dt_ms, config.n_bins) == (PUBLISHED_DT_MS, PUBLISHED_SHAPE[-1]) and all(
        getattr(config, name) == fields[name].default for name in bands
    )
    there = (raw.root / PUBLISHED_SPECTROGRAM).is_file()
    if config.spectrogram == "published" and not fits:
        raise ParameterError(
            "The published cochleagram exists for the published parameters alone",
            field="spectrogram",
            found=config.changed_parameters(),
            expected="dt_ms=5, duration_ms=4995 and the default bands",
            mend="use spectrogram='computed'",
        )
    if config.spectrogram == "computed" or (config.spectrogram == "auto" and not (fits and there)):
        slip = frame_slip_ms(TRUE_RATE_HZ, config.dt_ms, config.n_bins) if config.frames == "fixed_hop" else 0.0
        log.note(
            f"The spectrogram was computed from the waveforms ({config.n_bands} bands, {config.low_hz:g} to "
            f"{config.high_hz:g} Hz); {PUBLISHED_SPECTROGRAM} was not used. "
            f"Its last frame slips {abs(slip):.2f} ms against the last bin."
        )
        return None
    cochleagrams, note = _lowest_band_first(raw, config.cochleagram)
    log.note(note)
    return cochleagrams


@functools.lru_cache(maxsize=1)
def _lowest_band_first(raw: RawTree, settings: Cochleagram) -> tuple[NDArray[np.float32], str]:
    """Read the published cochleagrams the right way up, and say how they compare with computed ones.

    Nothing in the published file names its bands, so their order is told from the waveforms. Every part needs it: the
    last tree's are kept.
    """
    path = raw.path(PUBLISHED_SPECTROGRAM, mend="fetch it from the authors' DNet repository, or use 'computed'")
    values = load_variable(path, "X_nfht")
    if values.shape != PUBLISHED_SHAPE or values.dtype.kind != "f" or not np.isfinite(values).all():
        raise RawFormatError(
            "The published cochleagram is not as published",
            path=path,
            field="X_nfht",
            found=f"{values.dtype} {values.shape}",
            expected=f"finite floating point {PUBLISHED_SHAPE}",
            mend=REPAIR,
        )
    published = values[:, :, 0, :].astype(np.float32)
    computed = np.stack(
        [_cochleagram(read_wav(raw.path(clip.wav_file), sample_rate_hz=HEADER_RATE_HZ), settings) for clip in CLIPS]
    )
    upright = float(np.corrcoef(published.ravel(), computed.ravel())[0, 1])
    reversed_ = float(np.corrcoef(published[:, ::-1].ravel(), computed.ravel())[0, 1])
    flip = reversed_ > max(upright, 0.5)
    note = (
        f"The spectrogram is the published one ({PUBLISHED_SPECTROGRAM}); its correlation with one computed from the "
        f"waveforms is {upright:.3f}, and {reversed_:.3f} with its bands reversed"
        + ("; it was stored reversed, lowest band first." if flip else ".")
    )
    return published[:, ::-1] if flip else published, note


def _compare_level(clip: Clip, waveform: NDArray[np.float32], log: BuildLog) -> None:
    """Note a waveform whose level is not the nominal one: a sign that clips were exchanged."""
    rms = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    level = 20 * np.log10(rms / REFERENCE_PA) if rms > 0 else -np.inf
    if abs(level - clip.level_db) > LEVEL_TOLERANCE_DB:
        log.note(f"The waveform of {clip.stim_id} has {level:.1f} dB SPL instead of the nominal {clip.level_db:g}.")
