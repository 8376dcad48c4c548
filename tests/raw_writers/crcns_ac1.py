"""Write a small synthetic CRCNS AC1 corpus (Wehr and Asari, rat) in the raw layout of the real one.

Layout of the release (doi 10.6080/K0KW5CXR), as its three archives unpack::

    crcns-ac1/wehr/{Summary.mat, Results/<session>/<session>-<trial>.mat, Stimuli/<folder>/<number>.mat}
    crcns-ac1/asari/Stimuli/class<n>/<number>[letter].mat
    crcns-ac1-asari-results-<1|2>/asari-results-<1|2>/<session>/*.mat

Nothing is recorded: potentials are random depolarisations on drift and noise, spikes are pulses of a millisecond.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.raw_writers.crcns_ac1_signals import (
    SCALE_MV,
    Float,
    cells,
    change,
    depolarisations,
    response,
    save,
    sound,
    spikes,
    structs,
)

SoundKey = tuple[str, ...]

WEHR_RATE_HZ, ASARI_RATE_HZ = 4000.0, 10_000.0
WEHR_SOUND_RATE_HZ, ASARI_SOUND_RATE_HZ = 44_100.0, 97_656.0
WEHR_SOUNDS: dict[SoundKey, tuple[str, float, float]] = {
    ("fragments/1.mat",): ("humpback whale", 0.60, WEHR_SOUND_RATE_HZ),
    ("fragments/2.mat",): ("jaguar mating call", 0.50, WEHR_SOUND_RATE_HZ),
    ("fragments/5.mat",): ("knudsens frog", 0.45, WEHR_SOUND_RATE_HZ),
    ("category1/1.mat",): ("natural sound stream (0-1.6 kHz), No.1", 0.4013, WEHR_SOUND_RATE_HZ),
    ("category2/1.mat",): ("natural sound stream (1.6-6.4 kHz), No.1", 0.40, ASARI_SOUND_RATE_HZ),
    ("category3/1.mat",): ("natural sound stream (6.4-25.6 kHz), No.1", 0.40, WEHR_SOUND_RATE_HZ),
    ("category3/2.mat",): ("humpback whale", 0.30, WEHR_SOUND_RATE_HZ),
}
"""Description, duration in s and rate in Hz; one description belongs to two files."""
SHORT_SOUND: SoundKey = ("category3/1.mat",)
"""Its file is 50 ms shorter than the triggers say."""
SEGMENTS = {
    "class3/1.mat": 0.21, "class3/2.mat": 0.2003, "class3/3.mat": 0.19, "class3/3l.mat": 0.25, "class3/4.mat": 0.22,
    "class6/1.mat": 0.20, "class6/2.mat": 0.23,
}  # fmt: skip
HOSTILE = ("session-4parts", "empty-site", "mixed-rate", "no-response")
CLASS_3 = ["class3/1.mat", "class3/2.mat", "class3/3.mat", "class3/4.mat"]


@dataclass
class Presented:
    """One natural presentation that a reader should find.

    Attributes
    ----------
    session, trial : str
        Where; the trial is a file's stem, with the number of the trigger for Asari.
    sound : tuple of str
        Files below the stimulus folder.
    duration_ms : float
        As the trigger says.
    trace_mv : ndarray of float64, shape (samples,)
        Counts times scale during the presentation; shorter where the recording ended.
    rate_hz : float
        Of the trace.
    """

    session: str
    trial: str
    sound: SoundKey
    duration_ms: float
    trace_mv: Float
    rate_hz: float


@dataclass
class Ac1Truth:
    """What was written, to check a reader without the reader.

    Attributes
    ----------
    directory : Path
        The raw directory.
    sounds : dict
        (samples, rate) by file below the stimulus folder, as stored, without ramps.
    presented : list of Presented
        In the order of sessions, files and triggers.
    modes : dict
        ``(site, "whole-cell" or "cell-attached")`` by file stem, for Asari.
    """

    directory: Path
    sounds: dict[str, tuple[Float, float]] = field(default_factory=dict)
    presented: list[Presented] = field(default_factory=list)
    modes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def of(self, session: str, sound: SoundKey) -> list[Presented]:
        """Return the presentations of a sound to a session's cell."""
        return [one for one in self.presented if (one.session, one.sound) == (session, sound)]


# Wehr -----------------------------------------------------------------------------------------------------------------


def write_wehr_trial(
    truth: Ac1Truth, rng: np.random.Generator, session: str, number: int, key: SoundKey, core: Float, *,
    kind: str = "naturalsound", description: str | None = None, duration_ms: float | None = None, cut_s: float = 0.0,
    file: str | None = None, as_cell: bool = False, n_triggers: int = 1, counts: bool = True,
    rate_hz: float = WEHR_RATE_HZ,
) -> Path:  # fmt: skip
    """Write one trial of Wehr: silence, the response `core` (mV re rest), silence; `counts`: a reader should use it."""
    name, duration_s, _ = WEHR_SOUNDS[key]
    before, after = int(0.25 * rate_hz), int(0.2 * rate_hz)
    trace = -62.0 + 0.6 * rng.standard_normal(before + len(core) + after)
    trace += 3.0 * np.sin(2 * np.pi * 0.3 * np.arange(len(trace)) / rate_hz + rng.uniform(0, 6))
    trace[before : before + len(core)] += core
    if cut_s:
        trace = trace[: before + len(core) - int(cut_s * rate_hz)]
    duration_ms = duration_s * 1000 if duration_ms is None else duration_ms
    trigger = {
        "type": kind,
        "time": float(before + 1),
        "file": key[0].replace("/", "\\") if file is None else file,
        "param": structs({"description": description or name, "duration": duration_ms, "amplitude": 70.0}),
    }
    triggers = cells([trigger]) if as_cell else structs(*[trigger] * n_triggers) if n_triggers else np.zeros((0, 0))
    stem = f"{session}-{number:03d}"
    path = truth.directory / "crcns-ac1" / "wehr" / "Results" / session / f"{stem}.mat"
    save(path, response=response(trace, rate_hz), triggers=triggers)
    if counts:
        stored = np.round(trace / SCALE_MV) * SCALE_MV
        part = stored[before : before + round(duration_ms * rate_hz / 1000)]
        truth.presented.append(Presented(session, stem, key, duration_ms, part, rate_hz))
    return path


def write_wehr(truth: Ac1Truth, rng: np.random.Generator, *, n_sessions: int, faults: bool) -> None:
    """Write Wehr's part: five sessions of traps and plain ones up to `n_sessions`; `faults`: files that are broken."""
    root = truth.directory / "crcns-ac1" / "wehr"
    save(root / "Summary.mat", summary=structs({"note": "synthetic"}))
    for key, (description, duration_s, rate_hz) in WEHR_SOUNDS.items():
        samples = sound(rng, duration_s - 0.05 * (key == SHORT_SOUND), rate_hz)
        truth.sounds[key[0]] = samples, rate_hz
        param = structs({"description": description, "sf": rate_hz, "duration": duration_s * 1000})
        save(root / "Stimuli" / key[0], stimulus=structs({"samples": samples[:, None], "param": param}))
    save(root / "Stimuli" / "fragments" / "notes.mat", note="not a number")
    save(root / "Stimuli" / "tones" / "1.mat", stimulus=structs({"samples": np.zeros((4, 1))}))
    (root / "Results" / "backup").mkdir(parents=True)
    (root / "Results" / "readme.txt").write_text("not a session", encoding="ascii")

    def core(key: SoundKey, seed: int) -> Float:
        length = round(WEHR_SOUNDS[key][1] * WEHR_RATE_HZ)
        return depolarisations(np.random.default_rng([seed, 7]), length, WEHR_RATE_HZ)

    trial = functools.partial(write_wehr_trial, truth, rng)
    whale, jaguar, frog, stream = ("fragments/1.mat",), ("fragments/2.mat",), ("fragments/5.mat",), ("category1/1.mat",)
    number = 0
    for repeat in range(5):  # one repeat that fails each gate; the trials of three sounds take turns
        for order, key in enumerate((whale, jaguar, stream)):
            if repeat >= (5, 4, 4)[order]:
                continue
            number += 1
            base = core(key, order)
            values = base + 0.2 * rng.standard_normal(len(base))
            if (order, repeat) == (0, 2):
                values[1000:1008] += 300.0  # 2 ms of saturation
            if (order, repeat) == (1, 1):
                for at in (300, 900, 1500):
                    values[at : at + 120] += 85.0  # steps of 30 ms
            if (order, repeat) == (2, 3):
                values = -base
            trial("20020508-mw-003", number, key, values)

    session = "20020530-mw-001"  # shares a sound; two opposite repeats, one cut short; durations that differ
    trial(session, 1, whale, core(whale, 10))
    trial(session, 2, whale, -core(whale, 10), cut_s=0.2)
    trial(session, 3, ("category2/1.mat",), core(("category2/1.mat",), 11))
    trial(session, 4, ("category2/1.mat",), core(("category2/1.mat",), 11), duration_ms=390.0)
    for number in (1, 2):  # no natural sound: the session keeps its number
        trial("20020602-mw-001", number, frog, core(frog, 20), kind="tone", description="tuning curve", counts=False)
    for number in (1, 2):  # every repeat saturates
        saturated = core(frog, 30)
        saturated[500:520] += 350.0
        trial("20020613-mw-002", number, frog, saturated)
    session, base = "20020717-mw-004", core(frog, 40)  # spellings, and trials that are none
    trial(session, 1, frog, base, kind="nauralsound")
    trial(session, 2, frog, base, kind="Natural")
    trial(session, 3, frog, base, kind="naturalsound ", as_cell=True)
    trial(session, 5, frog, base, n_triggers=0, counts=False)
    trial(session, 6, SHORT_SOUND, core(SHORT_SOUND, 41), n_triggers=2)
    if faults:
        trial(session, 4, frog, base, description="a sound that is not there", counts=False)
        (root / "Results" / session / f"{session}-007.mat").write_bytes(b"this is not a mat file")
    for extra in range(n_sessions - 5):
        session = f"200301{extra + 1:02d}-mw-{extra + 1:03d}"
        base = core(frog, 50 + extra)
        for number in (1, 2, 3):
            trial(session, number, frog, base + 0.2 * rng.standard_normal(len(base)))


# Asari ----------------------------------------------------------------------------------------------------------------


@dataclass
class AsariWriter:
    """Writes recordings of Asari and remembers what was presented."""

    truth: Ac1Truth
    rng: np.random.Generator

    def stimuli(self, mixed_rate: bool) -> None:
        """Write the segments, of which one may have another rate."""
        for name, duration_s in SEGMENTS.items():
            rate_hz = WEHR_SOUND_RATE_HZ if mixed_rate and name == "class6/2.mat" else ASARI_SOUND_RATE_HZ
            samples = sound(self.rng, duration_s, rate_hz)
            self.truth.sounds[name] = samples, rate_hz
            spelling = "samples" if name == "class6/2.mat" else "sample"
            content = {spelling: samples[:, None], "param": structs({"description": name[:-4], "sf": rate_hz})}
            save(self.truth.directory / "crcns-ac1" / "asari" / "Stimuli" / name, stimulus=structs(content))

    def recording(
        self, tree: int, session: str, number: int, lookup: Sequence[str],
        sequences: Sequence[tuple[int, Sequence[int]] | str], *, site: Any, kind: Any, attached: bool, seed: int,
        types: str | Sequence[str] = "naturalsound", with_place: bool = True, with_lookup: bool = True,
        as_cells: bool = False, locked: bool = True, cut_s: float = 0.0, uses: bool = True, rate_hz: float = 1e4,
    ) -> Path:  # fmt: skip
        """Write one file: a trace with a trigger for each sequence, given as (number, [segments]) or as description."""
        rng, gap, stem = self.rng, int(0.2 * rate_hz), f"{session}-{number:03d}"
        pieces: list[Float] = []
        triggers: list[dict[str, Any]] = []
        onsets: list[tuple[int, int, float, SoundKey, bool]] = []
        at = 0
        for index, sequence in enumerate(sequences):
            words = sequence if isinstance(sequence, str) else f"Sequence {sequence[0]}: " + "  ".join(
                str(segment) for segment in sequence[1])  # fmt: skip
            numbers = [1] if isinstance(sequence, str) else list(sequence[1])
            files = tuple(lookup[segment - 1].replace("\\", "/") for segment in numbers if 0 < segment <= len(lookup))
            duration_s = sum(
                len(self.truth.sounds[name][0]) / self.truth.sounds[name][1] if name in SEGMENTS else 0.2
                for name in files
            )
            length = round(duration_s * rate_hz)
            same = np.random.default_rng([seed, *"".join(files).encode()])  # repeats of a sound are alike
            if attached:
                drawn = (same if locked else rng).uniform(0.02, duration_s - 0.02, max(6, int(12 * duration_s)))
                core = spikes(rng, np.sort(drawn) * rate_hz + rng.normal(0, 2, len(drawn)), length, rate_hz)
                pieces += [spikes(rng, np.empty(0), gap, rate_hz), core]
            else:
                core = -60 + depolarisations(same, length, rate_hz) + 0.5 * rng.standard_normal(length)
                pieces += [-60 + 0.6 * rng.standard_normal(gap), core]
            label = types if isinstance(types, str) else types[index]
            param = structs({"description": words, "duration": duration_s * 1000})
            triggers.append({"type": label, "time": float(at + gap + 1), "param": param})
            known = len(files) == len(numbers) and all(name in SEGMENTS for name in files)
            natural = label.strip().lower() in ("naturalsound", "natural sound") and not isinstance(sequence, str)
            onsets.append((at + gap, length, duration_s * 1000, files, known and natural))
            at += gap + length
        trace = np.concatenate(pieces)
        trace = trace[: len(trace) - int(cut_s * rate_hz)]
        param = {"ID": structs({"description": "natural sounds"})}
        if with_place:
            param["recording"] = structs({"site": site, "type": kind})
        if with_lookup:
            param["stimulus"] = structs(*({"file": name or np.zeros((0, 0)), "type": "sound"} for name in lookup))
        folder = f"crcns-ac1-asari-results-{tree}/asari-results-{tree}/{session}"
        path = self.truth.directory / folder / f"{stem}.mat"
        save(
            path,
            response=response(trace, rate_hz),
            triggers=cells(triggers) if as_cells else structs(*triggers),
            param=structs(param),
        )
        if uses:
            self.truth.modes[stem] = ("A1" if "cortex" in str(site).lower() else "MGB",
                                      "cell-attached" if attached else "whole-cell")  # fmt: skip
            stored = np.round(trace / SCALE_MV) * SCALE_MV
            for index, (onset, length, duration_ms, files, used) in enumerate(onsets, 1):
                if used:
                    part = stored[onset : onset + length]
                    self.truth.presented.append(
                        Presented(session, f"{stem}#{index}", files, duration_ms, part, rate_hz)
                    )
        return path


def write_asari(truth: Ac1Truth, rng: np.random.Generator, *, faults: bool, hostile: str | None) -> None:
    """Write Asari's part; `faults`: triggers that name segments that are not there."""
    writer = AsariWriter(truth, rng)
    writer.stimuli(mixed_rate=hostile == "mixed-rate")
    vm: dict[str, Any] = {"site": "left auditory cortex", "kind": "whole cell", "attached": False}
    first, second = (1, [2, 1, 3, 1, 4]), (2, [4, 4, 1, 2, 3])
    # Two files, spellings, a tone, and a trigger past the table of its file.
    writer.recording(1, "20050512-ha1-001", 1, CLASS_3, [first, second, first, second], seed=1, **vm)
    writer.recording(
        1, "20050512-ha1-001", 2, CLASS_3, [first, second, first, "1000 Hz tone", *([(3, [1, 7])] if faults else [])],
        types=["natural sound", "naturalsound", "NaturalSound", "tone", "naturalsound"], seed=1, **vm,
    )  # fmt: skip
    # Its last trial is cut short, which shortens the sound for the cells of the other cohort too.
    writer.recording(1, "20050601-ha1-002", 1, CLASS_3, [first] * 4, site="MGB", kind="cell attached", attached=True,
                     seed=2, cut_s=0.06)  # fmt: skip
    # No sequence; no place; no table.
    writer.recording(1, "20050715-ha2-001", 1, CLASS_3, ["tone", "tone"], types="tone", seed=3, uses=False, **vm)
    writer.recording(1, "20050801-ha2-002", 1, CLASS_3, [(1, [1, 2])] * 2, with_place=False, seed=4, uses=False, **vm)
    writer.recording(1, "20050901-ha2-003", 1, CLASS_3, [(1, [1, 2])] * 2, with_lookup=False, seed=5, uses=False, **vm)
    # Spikes that are not locked to the sound: good repeats that the cross-trial gate rejects where it can.
    writer.recording(
        2, "20060110-ha3-001", 1, CLASS_3, [first] * 3 + [(2, [3, 3])] * 2, site="thalamus (MGBv)",
        kind="Cell Attached", attached=True, locked=False, seed=6,
    )  # fmt: skip
    # The first sequence of ha1-001 by another table; backslashes; a letter; two classes; the last trial cut short.
    lookup = ["class3\\3l.mat", "class3/1.mat", "class3\\2.mat", "class3/3.mat", "class3/4.mat", "class6/2.mat",
              "class3/99.mat", ""]  # fmt: skip
    other, mixed = (1, [3, 2, 4, 2, 5]), (4, [1, 6, 2])
    sequences = [other, mixed, "no words of that kind", *([(5, [7, 2])] if faults else [])]
    writer.recording(2, "20060301-ha4-001", 1, lookup, sequences, seed=7, **vm)
    writer.recording(2, "20060301-ha4-001", 2, lookup, [other, mixed], as_cells=True, cut_s=0.1, seed=7, **vm)
    # One session in both ways.
    writer.recording(2, "20070205-ha4-003", 1, CLASS_3, [(1, [1, 2])] * 2, seed=8, **vm)
    writer.recording(2, "20070205-ha4-003", 2, CLASS_3, [(2, [2, 1])] * 2, site="auditory cortex",
                     kind="cell attached", attached=True, seed=8)  # fmt: skip
    (truth.directory / "crcns-ac1-asari-results-2" / "asari-results-2" / "20070101-bad").mkdir()
    if hostile == "empty-site":
        writer.recording(2, "20070301-ha4-009", 1, CLASS_3, [(1, [1, 2])] * 2, site=np.zeros((0, 0)),
                         kind="whole cell", attached=False, seed=9, uses=False)  # fmt: skip


def write_crcns_ac1(
    directory: Path, *, seed: int = 0, n_wehr_sessions: int = 6, faults: bool = True, hostile: str | None = None
) -> Ac1Truth:
    """Write a synthetic raw tree of CRCNS AC1 and return what is in it. Same arguments, same traces.

    Parameters
    ----------
    directory : Path
        Made if absent.
    seed : int
        Of everything drawn.
    n_wehr_sessions : int
        At least 5; with 25 the positions of the sessions are those of the real corpus.
    faults : bool
        Also write what a build reports as a fault: an unreadable trial, an unknown sound, segments that are not there.
    hostile : str, optional
        One of ``HOSTILE``: what deepSTRF 0.1.0 cannot load.

    Returns
    -------
    Ac1Truth
        What a reader should find.

    Raises
    ------
    ValueError
        Fewer sessions than 5, or an unknown variation.
    """
    if n_wehr_sessions < 5 or hostile not in (None, *HOSTILE):
        raise ValueError(f"{n_wehr_sessions=} (at least 5), {hostile=} (one of {HOSTILE})")
    truth = Ac1Truth(Path(directory))
    write_wehr(truth, np.random.default_rng([seed, 1]), n_sessions=n_wehr_sessions, faults=faults)
    write_asari(truth, np.random.default_rng([seed, 2]), faults=faults, hostile=hostile)
    if hostile == "session-4parts":
        (truth.directory / "crcns-ac1" / "wehr" / "Results" / "20020508-mw-003-old").mkdir()
    if hostile == "no-response":
        tree = truth.directory / "crcns-ac1-asari-results-2" / "asari-results-2"
        change(tree / "20060301-ha4-001" / "20060301-ha4-001-001.mat", lambda content: content.pop("response"))
    return truth
