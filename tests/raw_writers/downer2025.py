"""Write a small synthetic Downer 2025 corpus (squirrel monkey auditory cortex) in the layout of its release.

Layout of https://doi.org/10.5281/zenodo.16175377 (Ahmed et al. 2025, doi 10.1371/journal.pcbi.1013334)::

    sessions_metadata.yml, README.md, LICENSE.txt
    sessions/<yymmdd>/<animal>_<yymmdd>_Ch<N>[p|s2|ps2]_MUspk.mat    structures spike and trial
    sessions/<yymmdd>/<animal>_<yymmdd>_TRIALINFO.mat                most sessions
    stimuli/out_sentence_details_timit_all_loudness.mat              sentdet
    stimuli/SqMoPhys_MVOCStimcodes.mat                               mVocsStimCodes, mVocsStimOnTimes
    stimuli/MonkVocs_15Blocks.wav                                    41 kHz, sound | onset pulses

With the traps of the real files: gaps and suffixes of channel numbers, a channel without a spike and one with one, a
session without calls and one with some of them, one that played everything twice, spikes on the edges of bins,
durations of half a bin, a call whose first slot is its longest, three pulses in the first slot, trials of other
classes, a session that no list of areas names. With ``hard=True`` besides: a bad session, a channel whose table of
trials differs from its session's, a file that is no channel's, and a sentence shorter than the window of its
spectrogram.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import soundfile
from numpy.typing import NDArray

Float = NDArray[np.float64]

SENTENCE_HZ, CALL_HZ = 16_000, 41_000
SENTENCE_CODES = (1, 2, 4, 5, 6, 8, 12, 13)
TEST_SENTENCES = (12, 13)
CALL_CODES = (1, 3, 4, 6, 7, 9, 10)
TEST_CALLS = (7, 9)
SLOTS = {1: 1, 3: 1, 4: 2, 6: 3, 7: 15, 9: 15, 10: 16}
"""Slots of each call."""
SHORT_SENTENCE = 9
"""Shorter than the window, in hard trees."""
CLASSES = ("am", "fm", "dmr", "mVoc", "timit")
BOTH_ENDS_S = 0.5
SAMPLE_S = 1 / 24414.0625
"""Of the recorder's clock, s."""
EDGE_ONSET_S = 16.0
"""Onset of a trial that binary numbers hold exactly, for the spikes on edges."""
EDGE_TIMES_S = (0.0, 0.005, 0.01, 0.015, 0.02, 0.3, -0.005)
SESSIONS: Mapping[str, tuple[str, str, tuple[str, ...], str]] = {
    "180413": ("b", "RH", ("Ch49", "Ch50", "Ch58"), "all"),
    "180627": ("b", "RH", ("Ch9p", "Ch10", "Ch1ps2"), "all"),
    "180807": ("c", "RH", ("Ch5p", "Ch12"), "twice"),
    "190604": ("c", "RH", ("Ch10", "Ch10s2"), "some calls"),
    "190726": ("c", "RH", ("Ch56", "Ch58"), "no calls"),
    "200206": ("c", "LH", ("Ch1p", "Ch2p", "Ch64"), "all"),
    "191209": ("f", "RH", ("Ch33",), "all"),
}
"""Animal, hemisphere, channels, and what was played."""
BAD_SESSION = "180405"
WITHOUT_TRIALINFO = ("180807", "191209")
METADATA = """\
stim_wise_num_repeats:
  timit: 11
  mVocs: 15
c_RH_sessions: [190606, 190604, 190726, 180807]
b_RH_sessions: [180405, 180627, 180413]
f_RH_sessions: [191209, 200313]
c_LH_sessions: [200207, 200206]
session_coordinates:
  190606: [-0.4, 1.4]
  190604: [-0.75, 1.25]
  190726: [-0.94, 1.35]
  180807: [0.18, 0.8]
  180405: [-0.98, 1.2]
  180627: [-0.8, 0.98]
  180413: [0.4, -0.4]
  200206: [-0.92, 0.60]
area_wise_sessions:
  core:
    # A1
    - 180627
    - 190604
    - 190606
    - 190726
    - 200206
    - 200207
    # R
    - 180807
  non-primary:
    # AL
    - 180413
    # CL
    - 180405
bad_sessions: ['180405', '190607']
"""


@dataclass
class WrittenSession:
    """A session as it was written.

    Parameters
    ----------
    animal, hemisphere : str
        As in the names of files, and in the metadata.
    onsets_s : ndarray, shape (trials,)
        In the order of the table.
    codes : dict of str to ndarray, shape (trials,)
        Numbers of stimuli by class; 0 in trials of another class.
    times_s : dict of str to ndarray
        Spike times by cell.
    """

    animal: str
    hemisphere: str
    onsets_s: Float
    codes: dict[str, NDArray[np.int64]]
    times_s: dict[str, Float] = field(default_factory=dict)

    def onsets_of(self, kind: str, code: int) -> Float:
        """Return when a stimulus was played, s."""
        return self.onsets_s[self.codes[kind] == code]


@dataclass
class Downer2025Truth:
    """What was written.

    Parameters
    ----------
    directory : Path
        The raw tree.
    sentences : dict of int to (str, ndarray)
        Name and speech, without silence, by number.
    calls : dict of int to ndarray
        16-bit sound of each call, without what follows it, by number.
    slots : list of (int, float)
        Number of the call, and start of the slot, s.
    wav : ndarray of int16, shape (samples, 2)
        The recording of the calls.
    sessions : dict of str to WrittenSession
        By name; bad ones too.
    """

    directory: Path
    sentences: dict[int, tuple[str, Float]] = field(default_factory=dict)
    calls: dict[int, NDArray[np.int16]] = field(default_factory=dict)
    slots: list[tuple[int, float]] = field(default_factory=list)
    wav: NDArray[np.int16] = field(default_factory=lambda: np.empty((0, 2), np.int16))
    sessions: dict[str, WrittenSession] = field(default_factory=dict)

    def slot_lengths_s(self, code: int) -> list[float]:
        """Return the length of each slot of a call, s."""
        starts = [start for _, start in self.slots] + [len(self.wav) / CALL_HZ]
        return [starts[k + 1] - starts[k] for k, (one, _) in enumerate(self.slots) if one == code]

    def duration_s(self, kind: str, code: int) -> float:
        """Return the duration that responses are taken over, s."""
        if kind == "timit":
            return len(self.sentences[code][1]) / SENTENCE_HZ
        return min(self.slot_lengths_s(code))

    def codes(self, kind: str) -> list[int]:
        """Return the numbers of a class."""
        return sorted(self.sentences if kind == "timit" else self.calls)


def structure_array(elements: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    """Return a MATLAB structure array."""
    names = list(elements[0])
    array = np.empty((1, len(elements)), dtype=[(name, object) for name in names])
    for number, element in enumerate(elements):
        for name in names:
            array[0, number][name] = element[name]
    return array


def voice(rng: np.random.Generator, n_samples: int, rate_hz: int, pitch_hz: float) -> Float:
    """Return a tone with vibrato and an overtone, that rises and falls."""
    seconds = np.arange(n_samples) / rate_hz
    phase = 2 * np.pi * (pitch_hz * seconds + 30 * np.sin(2 * np.pi * 5 * seconds))
    return (np.sin(phase) + 0.4 * np.sin(2.1 * phase)) * np.hanning(n_samples) + 0.003 * rng.standard_normal(n_samples)


def write_downer2025(
    directory: Path,
    *,
    seed: int = 0,
    hard: bool = False,
    sessions: Sequence[str] = tuple(SESSIONS),
    bench: int = 0,
    bench_channels: int = 40,
    bench_stimuli: int = 60,
    bench_waveforms: int = 48,
) -> Downer2025Truth:
    """Write a raw tree.

    Parameters
    ----------
    directory : Path
        Where to; becomes what the archive of the release unpacks to.
    seed : int
        Of all random numbers.
    hard : bool
        With a bad session and files that are not as they should be.
    sessions : sequence of str
        Which of the seven sessions.
    bench : int
        Instead of these, that many sessions of real length and without traps.
    bench_channels, bench_stimuli : int
        Channels of each of them, and sentences, of which 10 are presented 11 times.
    bench_waveforms : int
        Samples of the waveform of each spike; 48 make files as large as real ones.

    Returns
    -------
    Downer2025Truth
        What was written; of a bench without spikes.
    """
    rng = np.random.default_rng(seed)
    truth = Downer2025Truth(directory)
    (directory / "stimuli").mkdir(parents=True, exist_ok=True)
    (directory / "README.md").write_text("synthetic stand-in\n")
    (directory / "LICENSE.txt").write_text("synthetic stand-in\n")
    if bench:
        _write_bench(truth, rng, seed, bench, bench_channels, bench_stimuli, bench_waveforms)
        return truth
    truth.sentences = _sentences(rng, hard)
    write_sentences(directory, truth.sentences)
    _make_calls(truth, rng)
    write_calls(truth)
    written = {name: SESSIONS[name] for name in sessions}
    if hard:
        written[BAD_SESSION] = ("b", "RH", ("Ch1",), "all")
    for name, (animal, hemisphere, channels, played) in written.items():
        truth.sessions[name] = _session(truth, seed, name, animal, hemisphere, played)
        _make_spikes(truth, seed, name, channels)
        write_session(truth, name)
    if hard and "200206" in written:
        session, cell = truth.sessions["200206"], "c_200206_Ch64"
        write_channel(directory, "200206", cell, session, onsets_s=session.onsets_s + 0.05)
        (directory / "sessions/200206/c_200206_Ch3_MUspk_old.mat").write_bytes(b"not a mat file")
    (directory / "sessions_metadata.yml").write_text(METADATA)
    return truth


# Sounds ---------------------------------------------------------------------------------------------------------------


def _sentences(rng: np.random.Generator, hard: bool) -> dict[int, tuple[str, Float]]:
    lengths = [int(value) for value in rng.integers(int(0.55 * SENTENCE_HZ), int(0.95 * SENTENCE_HZ), 8)]
    lengths[0], lengths[1] = 80 * 120 + 40, 80 * 121 + 40  # 120.5 and 121.5 bins of 5 ms: 120 and 122
    lengths[4] = 80 * 130
    sentences = {}
    for number, (code, length) in enumerate(zip(SENTENCE_CODES, lengths, strict=True)):
        speech = voice(rng, length, SENTENCE_HZ, 180 + 40 * number)
        sentences[code] = f"f{'abcdefgh'[number]}dg0_si{1000 + 7 * number}", 0.2 * speech / np.abs(speech).max()
    if hard:
        sentences[SHORT_SENTENCE] = "short_si0", 0.1 * rng.standard_normal(300)  # 18.75 ms
    return sentences


def sentence_structure(code: int, name: str, speech: Float) -> dict[str, Any]:
    """Return what the release says of a sentence."""
    silence = np.zeros(int(BOTH_ENDS_S * SENTENCE_HZ))
    sound = np.concatenate([silence, speech, silence])
    frames = len(sound) // 160
    return {
        "name": name,
        "sound": sound[:, None],
        "soundf": float(SENTENCE_HZ),
        "dataf": 100.0,
        "duration": len(sound) / SENTENCE_HZ,
        "befaft": np.array([[BOTH_ENDS_S, BOTH_ENDS_S]]),
        "sentId": float(code),
        "timeWeight": 1.0,
        "loudness": np.abs(sound[::160])[None],
        "aud": np.random.default_rng(code).random((80, frames)),
        "phnmat": np.zeros((4, frames)),
    }


def write_sentences(
    directory: Path, sentences: Mapping[int, tuple[str, Float]], elements: Sequence[Mapping[str, Any]] | None = None
) -> Path:
    """Write the file of the sentences, or one with other structures."""
    path = directory / "stimuli/out_sentence_details_timit_all_loudness.mat"
    made = elements or [sentence_structure(code, *sentences[code]) for code in sentences]
    labels = np.array(["aa", "b", "s", "h#"], dtype=object)
    content = {"features": np.zeros((1, 1)), "sentdet": structure_array(made), "phnnames": labels}
    scipy.io.savemat(path, content, do_compression=True)
    return path


def _make_calls(truth: Downer2025Truth, rng: np.random.Generator) -> None:
    lengths = {code: int(rng.integers(int(0.22 * CALL_HZ), int(0.40 * CALL_HZ))) for code in CALL_CODES}
    for code, length in lengths.items():
        samples = 0.3 * voice(rng, length, CALL_HZ, 400 + 300 * code)
        truth.calls[code] = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    order = [int(code) for code in rng.permutation([code for code, times in SLOTS.items() for _ in range(times)])]
    order.remove(TEST_CALLS[0])
    order = [TEST_CALLS[0], *order]  # a test call opens the recording ...
    pieces, begin = [np.zeros((4100, 2), np.int16)], 4100
    for number, code in enumerate(order):
        truth.slots.append((code, begin / CALL_HZ))
        gap = int(rng.integers(int(0.05 * CALL_HZ), int(0.15 * CALL_HZ)))
        if number == 0:
            gap = int(0.3 * CALL_HZ)  # ... in a slot that is longer than the others
        slot = np.zeros((lengths[code] + gap, 2), np.int16)
        slot[: lengths[code], 0] = truth.calls[code]
        for pulse in range(3 if number == 0 else 1):
            slot[pulse * 820 : pulse * 820 + 205, 1] = int(0.8 * 32767)
        pieces.append(slot)
        begin += len(slot)
    truth.wav = np.concatenate(pieces)


def write_calls(truth: Downer2025Truth) -> None:
    """Write the recording of the calls and the table of its slots."""
    stimuli = truth.directory / "stimuli"
    soundfile.write(stimuli / "MonkVocs_15Blocks.wav", truth.wav, CALL_HZ, subtype="PCM_16")
    write_slots(truth.directory, [code for code, _ in truth.slots], [start for _, start in truth.slots])


def write_slots(directory: Path, codes: Sequence[float], starts_s: Sequence[float]) -> Path:
    """Write a table of slots."""
    path = directory / "stimuli/SqMoPhys_MVOCStimcodes.mat"
    columns = {"mVocsStimCodes": np.array(codes, float), "mVocsStimOnTimes": np.array(starts_s, float)}
    scipy.io.savemat(path, {name: values[:, None] for name, values in columns.items()}, do_compression=True)
    return path


# Sessions -------------------------------------------------------------------------------------------------------------


def _session(truth: Downer2025Truth, seed: int, name: str, animal: str, hemisphere: str, played: str) -> WrittenSession:
    """Make the table of trials of a session."""
    rng = np.random.default_rng([seed, int(name)])
    times = 2 if played == "twice" else 1
    sentences = [
        code
        for code in truth.sentences
        if code != SHORT_SENTENCE
        for _ in range((11 if code in TEST_SENTENCES else 1) * times)
    ]
    sentences += [SHORT_SENTENCE] * (SHORT_SENTENCE in truth.sentences)
    sentences = [int(code) for code in rng.permutation(sentences)]
    calls = [] if played == "no calls" else [code for code, _ in truth.slots]
    if played == "some calls":
        calls = [code for code in calls if code in (*TEST_CALLS, 4)]
    sequence = [("am", 3), ("am", 3), *(("timit", code) for code in sentences), ("fm", 1)]
    sequence += [*(("mVoc", code) for code in calls), ("dmr", 1)]
    onsets, now = [], 12.5
    for kind, code in sequence:
        onsets.append(now)
        if kind in ("timit", "mVoc"):
            now += truth.duration_s(kind, code) + (0.9 if kind == "timit" else 0.01)
        else:
            now += 1.0
        now = round(now / SAMPLE_S) * SAMPLE_S
    onsets_s = np.array(onsets)
    onsets_s[3] = EDGE_ONSET_S
    onsets_s[4:] = np.maximum(onsets_s[4:], EDGE_ONSET_S + 2.0) + np.arange(len(sequence) - 4) * 1e-9
    codes = {kind: np.array([code if kind == of else 0 for of, code in sequence], np.int64) for kind in CLASSES}
    return WrittenSession(animal, hemisphere, onsets_s, codes)


def _make_spikes(truth: Downer2025Truth, seed: int, name: str, channels: Sequence[str]) -> None:
    session = truth.sessions[name]
    rng = np.random.default_rng([seed, int(name), 1])
    drive = {kind: rng.uniform(0.02, 0.5, 5) for kind in ("timit", "mVoc")}
    for number, channel in enumerate(channels):
        spikes = [rng.uniform(0, session.onsets_s[-1] + 2, int(8 * session.onsets_s[-1]))]
        for kind, times in drive.items():
            for onset in session.onsets_s[session.codes[kind] > 0]:
                spikes.append(onset + np.repeat(times, 2) + rng.normal(0, 0.004, 10) + 0.01 * number)
        if number == 0:
            spikes.append(EDGE_ONSET_S + np.array(EDGE_TIMES_S))
        times_s = np.sort(np.concatenate(spikes))
        if (name, channel) == ("180413", "Ch50"):
            times_s = np.zeros(0)
        elif (name, channel) == ("180413", "Ch58"):
            times_s = np.array([session.onsets_s[2] + 0.1])
        session.times_s[f"{session.animal}_{name}_{channel}"] = times_s


def trial_structure(session: WrittenSession, onsets_s: Float | None = None) -> dict[str, Any]:
    """Return the table of trials as files hold it."""
    onsets = session.onsets_s if onsets_s is None else onsets_s
    codes = {f"{kind}Stimcode": values[:, None].astype(float) for kind, values in session.codes.items()}
    return {"stimon": onsets[:, None], **codes}


def channel_content(
    session: WrittenSession, times_s: Float, onsets_s: Float | None = None, waveform_samples: int = 8
) -> dict[str, Any]:
    """Return what a channel's file holds."""
    trial = np.clip(np.searchsorted(session.onsets_s, times_s, side="right"), 1, len(session.onsets_s))
    rng = np.random.default_rng(len(times_s))
    shape = np.sin(np.linspace(0, 3, waveform_samples))
    waveforms = 50 * rng.standard_normal((len(times_s), 1)) * shape + 10 * rng.standard_normal(
        (len(times_s), waveform_samples)
    )
    spike = {
        "events": (np.round(4 * waveforms) / 4).astype(np.float32),
        "spktimes": times_s[:, None],
        "trial": trial[:, None].astype(float),
        "stimlock": (times_s - session.onsets_s[trial - 1])[:, None],
        **{f"{kind}Stimcode": values[trial - 1][:, None].astype(float) for kind, values in session.codes.items()},
    }
    return {"spike": spike, "trial": trial_structure(session, onsets_s)}


def write_channel(
    directory: Path,
    name: str,
    cell: str,
    session: WrittenSession,
    onsets_s: Float | None = None,
    waveform_samples: int = 8,
) -> Path:
    """Write a channel's file, with another table of trials if given."""
    path = directory / "sessions" / name / f"{cell}_MUspk.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = channel_content(session, session.times_s[cell], onsets_s, waveform_samples)
    scipy.io.savemat(path, content, do_compression=True)
    return path


def write_session(truth: Downer2025Truth, name: str) -> None:
    """Write all files of a session."""
    session = truth.sessions[name]
    for cell in session.times_s:
        write_channel(truth.directory, name, cell, session)
    if name not in WITHOUT_TRIALINFO:
        path = truth.directory / "sessions" / name / f"{session.animal}_{name}_TRIALINFO.mat"
        scipy.io.savemat(path, {"trial": trial_structure(session)}, do_compression=True)


# A tree for measuring -------------------------------------------------------------------------------------------------

BENCH_SESSIONS = ("180627", "180719", "180720", "180731", "180810", "180814", "190604", "190606")
BENCH_TEST = (12, 13, 32, 43, 56, 163, 212, 218, 287, 308)
BENCH_RATE_HZ = 40.0


def _write_bench(
    truth: Downer2025Truth,
    rng: np.random.Generator,
    seed: int,
    n_sessions: int,
    n_channels: int,
    n_stimuli: int,
    waveform_samples: int,
) -> None:
    """Write sessions whose sentences last as long as real ones; their spikes are not kept."""
    codes = sorted([*BENCH_TEST, *(code for code in range(1, 500) if code not in BENCH_TEST)][:n_stimuli])
    for number, code in enumerate(codes):
        length = int(rng.integers(int(0.99 * SENTENCE_HZ), int(2.59 * SENTENCE_HZ)))
        truth.sentences[code] = f"f{number:03d}_si{code}", 0.2 * voice(rng, length, SENTENCE_HZ, 150 + 5 * number)
    write_sentences(truth.directory, truth.sentences)
    _make_calls(truth, rng)
    write_calls(truth)
    for name in BENCH_SESSIONS[:n_sessions]:
        order = [code for code in codes for _ in range(11 if code in BENCH_TEST else 1)]
        order = [int(code) for code in np.random.default_rng([seed, int(name)]).permutation(order)]
        lengths = np.array([len(truth.sentences[code][1]) / SENTENCE_HZ + 1.0 for code in order])
        onsets_s = 12.5 + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
        played = {kind: np.zeros(len(order), np.int64) for kind in CLASSES} | {"timit": np.array(order)}
        session = WrittenSession("c", "RH", onsets_s, played)
        spikes = np.random.default_rng([seed, int(name), 2])
        for channel in range(n_channels):
            n_spikes = int(BENCH_RATE_HZ * onsets_s[-1])
            locked = (onsets_s[:, None] + spikes.uniform(0.05, 0.9, 20)).ravel()
            times_s = np.sort(np.concatenate([spikes.uniform(0, onsets_s[-1] + 3, n_spikes), locked]))
            cell = f"c_{name}_Ch{channel + 1}"
            session.times_s = {cell: times_s}
            write_channel(truth.directory, name, cell, session, waveform_samples=waveform_samples)
        session.times_s = {}
        truth.sessions[name] = session
    metadata = METADATA.replace("[190606, 190604, 190726, 180807]", f"[{', '.join(BENCH_SESSIONS)}]")
    metadata = metadata.replace("b_RH_sessions: [180405, 180627, 180413]", "b_RH_sessions: [180405]")
    (truth.directory / "sessions_metadata.yml").write_text(metadata)
