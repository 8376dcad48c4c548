"""Write a small synthetic Alice EEG corpus in the raw layout of the restructured release.

Layout (doi 10.13016/pulf-lndn), each archive unpacked into a folder of its own::

    eeg.{0,1,2}/eeg/<subject>/<subject>_alice-raw.fif    500 Hz; EEG, VEOG and AUD; annotations '1' to '12'
    stimuli/{1..12}.wav                                  44.1 kHz, one channel, 16 bits
    stimuli/AliceChapterOne-EEG.csv                      the words

Nothing is recorded: sounds are pulse-like voices, EEG is pink noise and drift that follow their envelopes. The traps:

    S01  two bad channels; artefacts within a segment, beyond the end of another, and one of no length
    S05  no AUD; an artefact over the whole of segment 7; the recording ends 0.4 s before segment 12 does
    S11  the re-added reference, last in the file, is bad; annotations out of order, and four that mean nothing
    S44  has no channel 61
    S99  a folder without recording
    S26  (hard) segment 1 was not recorded, as in S26, S34, S35 and S36 of the release
    S07  (hard) the file begins 3 s after its measurement
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mne
import numpy as np
import soundfile
from numpy.typing import NDArray

Float = NDArray[np.float64]

RATE_HZ, SOUND_RATE_HZ = 500.0, 44_100
SHARDS = {"S01": 0, "S05": 0, "S07": 0, "S11": 1, "S26": 1, "S44": 2}
FIRST_CHANNELS = (1, 3, 10, 25, 45, 61, 33, 2, 7)
REFERENCE = "29"
NOWHERE = "7"
"""Channel without position, if it is there."""
COLUMNS = (
    "Word", "Segment", "onset", "offset", "Order", "LogFreq", "LogFreq_Prev", "LogFreq_Next", "SndPower", "Length",
    "Position", "Sentence", "IsLexical", "NGRAM", "RNN", "CFG",
)  # fmt: skip
SPOKEN = ("Down", "the", "long", "dark", "hall", "she", "walked", "and", "tried", "each", "of", "the", "small", "doors")
HEAD_M = 0.095


@dataclass
class WrittenSubject:
    """A recording as it was written.

    Parameters
    ----------
    name, file : str
        Subject, and its file below the raw directory.
    values : dict of str to ndarray of float64, shape (samples,)
        EEG by channel in the order of the file, V, as single precision keeps it; samples that the file holds.
    bad : list of str
        Channels marked as bad.
    annotations : list of (onset, duration, text)
        Onsets from the first sample of the file, s, as single precision keeps them, to the microsecond.
    positions_m : dict of str to ndarray, shape (3,)
        Of the channels that have one.
    """

    name: str
    file: str
    values: dict[str, Float]
    bad: list[str]
    annotations: list[tuple[float, float, str]]
    positions_m: dict[str, Float]

    @property
    def onsets_s(self) -> dict[int, float]:
        """Onset of each segment that is there, s."""
        return {int(text): onset for onset, _, text in self.annotations if text.isdigit() and 1 <= int(text) <= 12}

    @property
    def artefacts_s(self) -> list[tuple[float, float]]:
        """Onset and end of each artefact, s."""
        return [
            (onset, onset + duration) for onset, duration, text in self.annotations if text.upper().startswith("BAD")
        ]


@dataclass
class AliceEegTruth:
    """What `write_alice_eeg` wrote, to check a reader without the reader.

    Parameters
    ----------
    directory : Path
        The raw tree.
    sounds : dict of int to ndarray of int16
        Samples by segment.
    words : list of dict of str to str
        Rows of the word table as text.
    subjects : dict of str to WrittenSubject
        By name.
    """

    directory: Path
    sounds: dict[int, NDArray[np.int16]] = field(default_factory=dict)
    words: list[dict[str, str]] = field(default_factory=list)
    subjects: dict[str, WrittenSubject] = field(default_factory=dict)


def channel_names(n_channels: int) -> list[str]:
    """Return names of EEG channels, which are numbers; the reference comes last."""
    pool = dict.fromkeys([*FIRST_CHANNELS, *range(1, 62)])
    chosen = [number for number in pool if str(number) != REFERENCE][: n_channels - 1]
    return [*map(str, sorted(chosen)), REFERENCE]


def position_m(channel: str) -> Float:
    """Return a place on the sphere of the head, the same for every subject."""
    height = 1 - 2 * (int(channel) - 0.5) / 61
    angle = int(channel) * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return HEAD_M * np.array([radius * np.cos(angle), radius * np.sin(angle), height])


def write_alice_eeg(
    directory: Path,
    *,
    seed: int = 0,
    hard: bool = False,
    n_channels: int = 9,
    layout: str = "archives",
    edition: int | None = 1,
    seconds: tuple[float, float] = (1.3, 2.6),
    more_subjects: int = 0,
) -> AliceEegTruth:
    """Write a tree.

    Parameters
    ----------
    directory : Path
        Created if need be.
    seed : int
        Of everything that is drawn.
    hard : bool
        With the subjects that deepSTRF 0.1.0 cannot read, or reads shifted.
    n_channels : int
        EEG channels, at least 9, at most 61.
    layout : str
        ``"archives"`` (each unpacked by itself), ``"lab"`` (all in one folder) or ``"bare"`` (no folder above those of
        subjects).
    edition : int or None
        1 or 2: of the word table, the second of which has a column Trigger; None writes no table.
    seconds : tuple of float
        Shortest and longest sound, s.
    more_subjects : int
        How many without any trap come after the others.
    """
    rng = np.random.default_rng(seed)
    directory = Path(directory)
    (directory / "stimuli").mkdir(parents=True, exist_ok=True)
    truth = AliceEegTruth(directory)
    lengths = rng.integers(int(seconds[0] * SOUND_RATE_HZ), int(seconds[1] * SOUND_RATE_HZ), 12).tolist()
    lengths[1] = 441 * (lengths[1] // 441)  # a multiple of the hop of 10 ms
    lengths[2] = 441 * (lengths[2] // 441) + 440  # one sample short of the next frame
    for segment, length in enumerate(lengths, 1):
        truth.sounds[segment] = _voice(rng, length)
        soundfile.write(directory / f"stimuli/{segment}.wav", truth.sounds[segment], SOUND_RATE_HZ, subtype="PCM_16")
    truth.words = _words(rng, truth.sounds, edition or 1)
    if edition is not None:
        write_words(directory / "stimuli" / "AliceChapterOne-EEG.csv", truth.words)
    names = ["S01", "S05", "S11", "S44", *(["S26", "S07"] if hard else [])]
    names += [f"S{number}" for number in range(50, 50 + more_subjects)]
    channels = channel_names(n_channels)
    kernels = {channel: rng.standard_normal(60) * np.hanning(60) for channel in channels}
    for name in names:
        shard = {"archives": f"eeg.{SHARDS.get(name, 2)}/eeg/", "lab": "eeg/", "bare": ""}[layout]
        own = [channel for channel in channels if not (name == "S44" and channel == "61")]
        truth.subjects[name] = _write_subject(rng, directory, f"{shard}{name}", own, kernels, truth.sounds)
    empty = {"archives": "eeg.2/eeg/S99", "lab": "eeg/S99", "bare": "S99"}[layout]
    (directory / empty).mkdir(parents=True, exist_ok=True)
    return truth


def _voice(rng: np.random.Generator, length: int) -> NDArray[np.int16]:
    """Make a voice-like sound that begins with digital silence."""
    times = np.arange(length) / SOUND_RATE_HZ
    pitch = 115 + 25 * np.sin(2 * np.pi * 0.6 * times + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / SOUND_RATE_HZ
    voiced = np.sum([np.sin(harmonic * phase) / harmonic for harmonic in range(1, 25)], axis=0)
    syllables = np.clip(np.sin(2 * np.pi * 3.2 * times + rng.uniform(0, 6)) + 0.3, 0, None)
    sound = voiced * syllables + 0.02 * rng.standard_normal(length) * (syllables > 0.2)
    sound[: SOUND_RATE_HZ // 50] = 0
    return np.asarray(8000 * sound / np.abs(sound).max(), np.int16)


def _words(rng: np.random.Generator, sounds: Mapping[int, NDArray[np.int16]], edition: int) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for segment, sound in sounds.items():
        onset, position = 0.046, 0
        while onset + 0.25 < len(sound) / SOUND_RATE_HZ:
            order, position = len(rows) + 1, position + 1
            duration = float(rng.uniform(0.12, 0.4))
            values: dict[str, Any] = {
                "Word": SPOKEN[order % len(SPOKEN)],
                "Segment": segment,
                "onset": round(onset, 4),
                "offset": round(onset + duration, 4),
                "Order": order,
                "SndPower": f"{rng.uniform(1e-8, 1e-6):.2E}",
                "Length": round(duration, 4),
                "Position": position,
                "Sentence": segment,
                "IsLexical": "NaN" if order % 23 == 0 else order % 2,
                **({"Trigger": segment} if edition == 2 else {}),
            }
            names = [COLUMNS[0], "Trigger", *COLUMNS[1:]] if edition == 2 else COLUMNS
            rows.append({name: str(values.get(name, round(float(rng.uniform(0, 9)), 4))) for name in names})
            onset += duration + float(rng.uniform(0, 0.1))
    return rows


def write_words(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write a word table, lines ended as the lab ends them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _write_subject(
    rng: np.random.Generator,
    directory: Path,
    folder: str,
    channels: list[str],
    kernels: Mapping[str, Float],
    sounds: Mapping[int, NDArray[np.int16]],
) -> WrittenSubject:
    name = folder.rpartition("/")[2]
    durations = {segment: len(sound) / SOUND_RATE_HZ for segment, sound in sounds.items()}
    onsets, now = {}, float(rng.uniform(3.5, 4.5))
    for segment, duration in durations.items():
        onsets[segment] = round(now, 4)  # not on the grid of samples
        now += duration + float(rng.uniform(0.5, 0.9))
    end = onsets[12] + durations[12] - 0.4 if name == "S05" else now + 2
    values = {channel: _eeg(rng, round(end * RATE_HZ), kernels[channel], onsets, sounds) for channel in channels}
    annotations = [(onset, 0.1, str(segment)) for segment, onset in onsets.items()]
    bad: list[str] = []
    if name == "S01":
        annotations += [
            (onsets[3] + 0.313, 0.37, "BAD_muscle"),
            (onsets[5] + durations[5] - 0.2, 0.5, "bad blink"),
            (onsets[6] + 0.5, 0.0, "BAD_zero"),
        ]
        bad = ["3", "45"]
    elif name == "S05":
        annotations += [(onsets[7] - 0.05, durations[7] + 0.3, "BAD_whole_segment")]
    elif name == "S11":
        annotations = annotations[::-1] + [
            (1.0, 0.1, "13"),
            (1.5, 0.1, "0"),
            (2.0, 0.1, "comment"),
            (2.2, 0.1, "not BAD"),
        ]
        bad = [REFERENCE]
    elif name == "S26":
        annotations = annotations[1:]
    file = f"{folder}/{name}_alice-raw.fif"
    skipped_s = 3.0 if name == "S07" else 0.0
    has_sound = name != "S05"
    write_fif(
        directory / file, values, annotations, bad=bad, skipped_s=skipped_s, others=["VEOG", "AUD"][: 1 + has_sound]
    )
    first = round(skipped_s * RATE_HZ)
    return WrittenSubject(
        name,
        file,
        {channel: samples[first:].astype(np.float32).astype(np.float64) for channel, samples in values.items()},
        bad,
        [
            (round(float(np.float32(onset)), 6) - skipped_s, float(np.float32(duration)), text)
            for onset, duration, text in annotations
        ],
        {channel: position_m(channel) for channel in channels if channel != NOWHERE},
    )


def _eeg(
    rng: np.random.Generator,
    length: int,
    kernel: Float,
    onsets: Mapping[int, float],
    sounds: Mapping[int, NDArray[np.int16]],
) -> Float:
    """Make the voltage of a channel, V: pink noise, slow drift, an offset, and what follows the sounds."""
    spectrum = np.fft.rfft(rng.standard_normal(length)) / np.sqrt(np.maximum(np.arange(length // 2 + 1), 1))
    pink = np.fft.irfft(spectrum, length)
    drift = 40e-6 * np.sin(2 * np.pi * 0.03 * np.arange(length) / RATE_HZ + rng.uniform(0, 6)) + rng.uniform(
        -3e-5, 3e-5
    )
    values = 6e-6 * pink / pink.std() + drift
    step = int(SOUND_RATE_HZ / RATE_HZ)
    for segment, sound in sounds.items():
        frames = sound[: len(sound) // step * step].reshape(-1, step) / 32768.0
        first = round(onsets[segment] * RATE_HZ)
        evoked = np.convolve(np.sqrt((frames**2).mean(axis=1)), kernel)[: max(0, length - first)]
        values[first : first + len(evoked)] += 4e-6 * evoked / (np.abs(evoked).max(initial=0) + 1e-12)
    return np.asarray(values)


def write_fif(
    path: Path,
    values: Mapping[str, Float],
    annotations: Sequence[tuple[float, float, str]] | None,
    *,
    bad: Sequence[str] = (),
    others: Sequence[str] = (),
    skipped_s: float = 0.0,
    rate_hz: float = RATE_HZ,
    kind: str = "eeg",
) -> None:
    """Write a recording.

    Parameters
    ----------
    path : Path
        Its folder is made.
    values : mapping of str to ndarray, shape (samples,)
        By channel, V.
    annotations : sequence of (onset, duration, text) or None
        Onsets from the start of the measurement, s.
    bad : sequence of str
        Channels to mark as bad.
    others : sequence of str
        Channels of another kind, which come before the last one.
    skipped_s : float
        What is cut off at the beginning, s; the file then says when the measurement began.
    rate_hz : float
        Samples per second.
    kind : str
        Of the channels, as MNE calls it.
    """
    names = [*list(values)[:-1], *others, list(values)[-1]]
    kinds = [kind if name in values else "stim" for name in names]
    noise = np.random.default_rng(len(names)).standard_normal(len(next(iter(values.values()))))
    with mne.utils.use_log_level("ERROR"):
        info = mne.create_info(names, rate_hz, kinds)
        if kind == "eeg":
            placed = {name: position_m(name) for name in values if name.isdigit() and name != NOWHERE}
            info.set_montage(mne.channels.make_dig_montage(placed, coord_frame="head"), on_missing="ignore")
        recording = mne.io.RawArray(np.array([values.get(name, 1e-5 * noise) for name in names]), info)
        recording.info["bads"] = list(bad)
        onsets, durations, texts = zip(*annotations, strict=True) if annotations else ((), (), ())
        origin = None
        if skipped_s:
            recording.set_meas_date(datetime.datetime(2017, 3, 1, 12, tzinfo=datetime.timezone.utc))
            origin = recording.info["meas_date"]
        if annotations is not None:
            recording.set_annotations(mne.Annotations(onsets, durations, texts, orig_time=origin))
        if skipped_s:
            recording.crop(tmin=skipped_s)
        path.parent.mkdir(parents=True, exist_ok=True)
        recording.save(path, overwrite=True)
