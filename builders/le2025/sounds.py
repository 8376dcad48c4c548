"""The sounds of an experiment and their gammatone spectrograms."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.le2025.config import Le2025Config
from builders.le2025.experiments import ARCHIVE, Experiment, listed
from builders.le2025.joins import check_join
from builders.le2025.lab_tables import SONGS, LabTables
from builders.le2025.names import SYNTHETIC, SoundName, parse_sound_name
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import MissingRawFileError, RawDataError, RawFormatError
from deepstrf_hf.features.gammatone import erb_centre_frequencies, frame_starts, gammatone_rms, window_samples
from deepstrf_hf.formats.wav import Sound, read_sound
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Stimulus

INT16_SCALE = 32_768.0


@dataclass(frozen=True)
class SpectrogramSettings:
    """What a spectrogram depends on; fields as the parameters of the same names."""

    dt_ms: float
    n_bands: int
    fmin: float
    fmax: float
    window_ms: float
    frames: str

    @classmethod
    def of(cls, config: Le2025Config) -> SpectrogramSettings:
        """Return those of a configuration."""
        return cls(config.dt_ms, config.n_bands, config.fmin, config.fmax, config.window_ms, config.frames)


@dataclass(frozen=True, eq=False)
class ReadSound:
    """A sound with its spectrogram, float32 (bands, bins): root mean square amplitude of samples in ±1."""

    sound: Sound
    spectrogram: NDArray[np.float32]

    @property
    def duration_s(self) -> float:
        """Length, s."""
        return len(self.sound.samples) / self.sound.sample_rate_hz


@dataclass(frozen=True)
class Sounds:
    """The sounds of an experiment.

    Parameters
    ----------
    stimuli : dict of str to Stimulus
        Those that are built, by their names, in ascending order.
    known : frozenset of str
        Names of all sounds of the experiment, those that are left out included.
    """

    stimuli: Mapping[str, Stimulus]
    known: frozenset[str]


def sound_files(raw: RawTree, experiment: Experiment) -> list[Path]:
    """Return what is in the folder of the sounds, by name.

    Raises
    ------
    MissingRawFileError
        There is no such folder, or nothing in it.
    """
    folder = raw.root / experiment.sounds
    files = listed(folder) if folder.is_dir() else []
    if not files:
        raise MissingRawFileError(
            f"The sounds of experiment {experiment.name} are not in this tree",
            path=folder,
            expected="a folder of .wav files",
            mend=f"unpack {ARCHIVE} again, or build the other cohorts alone",
        )
    return files


def read_sounds(raw: RawTree, experiment: Experiment, tables: LabTables, config: Le2025Config, log: BuildLog) -> Sounds:
    """Read the sounds of an experiment that are to be built; once per process for all parts.

    Raises
    ------
    MissingRawFileError, RawFormatError
        There are none; one cannot be used (with ``on_error="raise"``); the table of songs knows too few motifs.
    """
    named: dict[Path, tuple[SoundName, dict[str, Any]]] = {}
    for path in sound_files(raw, experiment):
        name = parse_sound_name(path.stem) if path.suffix.lower() == ".wav" else None
        if name is None:
            log.leave_out("sounds", f"{experiment.sounds}/{path.name}", "its name tells no motif and variant")
        else:
            named[path] = name, _metadata(path.stem, name, experiment, tables)
    in_table = {path.stem: entry["ci_onset_s"] is not None for path, (name, entry) in named.items() if name.interval}
    check_join(in_table, "sounds", "critical interval", raw.root / SONGS, config.smallest_join, log)
    wanted = tuple(path for path, (_, entry) in named.items() if config.may_keep("stim", entry))
    # Small, and the same for all parts: some hundred sounds of a second.
    read = _read(wanted, tuple(_state(path) for path in wanted), SpectrogramSettings.of(config))
    usable = dict(log.usable("sounds", ((path.stem, _paired(path.stem, entry)) for path, entry in read.items())))
    stimuli = {}
    for path in wanted:
        if path.stem not in usable:
            continue
        sound = usable[path.stem]
        metadata = {**named[path][1], "duration_s": sound.duration_s}
        if config.keeps_stimulus(metadata):
            stimuli[path.stem] = Stimulus(
                path.stem,
                sound.spectrogram,
                metadata,
                waveform=sound.sound.samples,
                sample_rate_hz=float(sound.sound.sample_rate_hz),
            )
    return Sounds(dict(sorted(stimuli.items())), frozenset(path.stem for path in named))


def _paired(stem: str, entry: ReadSound | RawDataError) -> tuple[str, ReadSound] | RawDataError:
    return entry if isinstance(entry, RawDataError) else (stem, entry)


def _metadata(stem: str, name: SoundName, experiment: Experiment, tables: LabTables) -> dict[str, Any]:
    song_bird = tables.song_birds.get(name.motif)
    begin = end = None
    if name.interval is not None:
        of_motif = tables.intervals_s.get((name.motif, name.interval))
        begin, end = of_motif or tables.intervals_s.get((song_bird or "", name.interval)) or (None, None)
    return {
        "name": stem,
        "experiment": experiment.name,
        "motif": name.motif,
        "song_bird": song_bird,
        "syntax": "scrambled" if experiment.name.startswith(SYNTHETIC) else "natural",
        "variant": name.variant,
        "critical_interval": name.interval,
        "noise_snr_db": name.snr_db,
        "ci_onset_s": begin,
        "ci_offset_s": end,
    }


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


@functools.lru_cache(maxsize=1)
def _read(
    paths: tuple[Path, ...], state: tuple[tuple[int, int, int], ...], settings: SpectrogramSettings
) -> dict[Path, ReadSound | RawDataError]:
    """Read sounds; `state` tells when files have changed."""
    read: dict[Path, ReadSound | RawDataError] = {}
    for path in paths:
        try:
            sound = read_sound(path)
            read[path] = ReadSound(sound, spectrogram(path, sound, settings))
        except RawDataError as error:
            read[path] = error
    return read


def spectrogram(path: Path, sound: Sound, settings: SpectrogramSettings) -> NDArray[np.float32]:
    """Return the amplitude of a sound in each band and bin, float32 (bands, bins).

    Bins are those whose window ends within the sound.

    Raises
    ------
    RawFormatError
        The sound is shorter than a window, or holds samples that are not finite.
    ParameterError
        A band lies beyond half its rate, or windows are less than a sample apart.
    """
    samples = sound.samples.astype(np.float64) / (INT16_SCALE if sound.samples.dtype == np.int16 else 1.0)
    waveform = samples if samples.ndim == 1 else samples.mean(axis=1)
    rate = sound.sample_rate_hz
    window = window_samples(settings.window_ms, rate)
    starts = frame_starts(len(waveform), rate, dt_ms=settings.dt_ms, window=window, placement=settings.frames)
    if not len(starts) or not np.isfinite(waveform).all():
        raise RawFormatError(
            "A sound has no spectrogram",
            path=path,
            found=f"{len(waveform)} samples" + ("" if len(starts) else f" at {rate} Hz"),
            expected=f"finite samples, {window} of them at least",
            mend="the file is damaged or not the published one: fetch it again",
        )
    bands = erb_centre_frequencies(settings.fmin, settings.fmax, settings.n_bands)
    return gammatone_rms(waveform, rate, centre_frequencies_hz=bands, window=window, starts=starts)
