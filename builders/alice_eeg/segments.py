"""The twelve segments of the chapter: sounds, their spectrograms, their words."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.alice_eeg.config import HEERIS_WINDOW_MS, SAMPLE_RATE_HZ, AliceEegConfig, SpectrogramSettings
from builders.alice_eeg.release import SEGMENTS, STIMULI, WORDS, Release
from builders.alice_eeg.words import Words, read_words
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError, RawFormatError
from deepstrf_hf.features.erb import erb_band_centres, erb_band_power
from deepstrf_hf.features.gammatone import erb_centre_frequencies, frame_starts, gammatone_rms, window_samples
from deepstrf_hf.formats.wav import REPAIR, Sound, read_sound
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Stimulus

TYPE = "alice_chapter1"


def stim_id(segment: int) -> str:
    """Return the name of a segment among the stimuli; names sort as numbers do."""
    return f"segment_{segment:02d}"


class Segment:
    """One segment; its spectrogram is computed when it is first asked for.

    Parameters
    ----------
    number : int
        From 1.
    file : str
        Name of its sound file.
    sound : Sound
        As the file holds it.
    words : Words or None
        None where there is no word table.
    settings : SpectrogramSettings
        How its spectrogram is made.
    """

    def __init__(
        self, number: int, file: str, sound: Sound, words: Words | None, settings: SpectrogramSettings
    ) -> None:
        self.number, self.sound, self.settings = number, sound, settings
        self.metadata: dict[str, Any] = {
            "name": file,
            "type": TYPE,
            "segment": number,
            "n_samples": len(sound.samples),
            "duration_s": len(sound.samples) / sound.sample_rate_hz,
            "n_words": None if words is None else words.n_words,
            "words": None if words is None else words.table,
        }

    @functools.cached_property
    def stimulus(self) -> Stimulus:
        """The segment as a stimulus, one object."""
        return Stimulus(
            stim_id(self.number),
            spectrogram(self.sound.one_channel(), self.settings),
            self.metadata,
            waveform=self.sound.samples,
            sample_rate_hz=float(self.sound.sample_rate_hz),
        )


def band_centres(settings: SpectrogramSettings) -> NDArray[np.float64]:
    """Return the centre of each band, Hz, lowest first."""
    centres = erb_band_centres if settings.backend == "gaussian" else erb_centre_frequencies
    return centres(settings.f_min_hz, settings.f_max_hz, settings.n_bands)


def spectrogram(waveform: NDArray[np.float32], settings: SpectrogramSettings) -> NDArray[np.float32]:
    """Compute the spectrogram of a sound at 44.1 kHz, not compressed.

    Parameters
    ----------
    waveform : ndarray of float32, shape (samples,)
        ±1 at full scale.
    settings : SpectrogramSettings
        With ``gaussian``, power in Gaussian bands of frames centred on t * dt; with ``heeris``, RMS amplitude behind
        gammatone filters from t * dt on.

    Returns
    -------
    ndarray of float32, shape (bands, bins)
        As many bins as frames fit: for n samples, 1 + floor(n / (44.1 dt)) with ``gaussian``, and
        1 + floor((n - window) / (44.1 dt)) with ``heeris``.

    Raises
    ------
    ParameterError
        The sound is shorter than the window needs.
    """
    centres, samples = band_centres(settings), len(waveform)
    if settings.backend == "heeris":
        window = window_samples(settings.window_ms or HEERIS_WINDOW_MS, SAMPLE_RATE_HZ)
        starts = frame_starts(samples, SAMPLE_RATE_HZ, dt_ms=settings.dt_ms, window=window)
        return gammatone_rms(waveform, SAMPLE_RATE_HZ, centre_frequencies_hz=centres, window=window, starts=starts)
    window = settings.window_samples
    mirrored = samples + 2 * (window // 2)
    starts = frame_starts(mirrored, SAMPLE_RATE_HZ, dt_ms=settings.dt_ms, window=window)
    return erb_band_power(waveform, SAMPLE_RATE_HZ, centres_hz=centres, n_fft=window, starts=starts)


def usable_segments(raw: RawTree, release: Release, config: AliceEegConfig, log: BuildLog) -> list[Segment]:
    """Return the segments that are to be built, in ascending order.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A sound cannot be used (with ``on_error="raise"``), or the word table.
    """
    table = raw.root / WORDS
    words = read_words(table) if table.is_file() else None
    if words is None:
        log.note(f"There is no word table ({WORDS}) in this tree, so that stimuli have no words.")
    settings = config.settings
    if settings.backend == "gaussian" and settings.window_samples < settings.dt_ms * SAMPLE_RATE_HZ / 1000:
        log.note("Bins are wider than the window of the spectrogram, so that it leaves out sound between its frames.")

    def each() -> Iterator[tuple[str, Segment | RawDataError]]:
        for number in SEGMENTS:
            file = release.sounds.get(number, f"{STIMULI}/{number}.wav")
            try:
                of_segment = None if words is None else words.get(number, Words(0, "{}"))
                path = raw.path(file, "fetch stimuli.zip and unpack it there")
                yield file, _read(number, path, path.stat().st_mtime_ns, of_segment, settings)
            except RawDataError as error:
                yield file, error

    return [segment for segment in log.usable("stimuli", each()) if config.keeps_stimulus(segment.metadata)]


@functools.lru_cache(maxsize=len(SEGMENTS))
def _read(number: int, path: Path, changed_ns: int, words: Words | None, settings: SpectrogramSettings) -> Segment:
    """Read a segment; kept, because every subject hears the same twelve."""
    sound = read_sound(path)
    if sound.sample_rate_hz != SAMPLE_RATE_HZ:
        raise RawFormatError(
            "A sound has another sampling rate than its corpus",
            path=path,
            field="sampling rate",
            found=f"{sound.sample_rate_hz} Hz",
            expected=f"{SAMPLE_RATE_HZ} Hz",
            mend=REPAIR,
        )
    return Segment(number, path.name, sound, words, settings)
