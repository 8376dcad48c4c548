"""Write a small synthetic Le 2025 corpus in the raw layout of the real one.

Layout of the release (Le, Bjoring & Meliza 2025, doi:10.6084/m9.figshare.29203457), unpacked::

    README.yml
    metadata/{ephys-birds,song-birds,recordings}.csv
    nat8a-alpha-responses/*.pprox              older layout: event and stim_on in ms
    nat8a-beta-responses/*.pprox               newer layout: events in s, as in the folders that follow
    nat8b-responses/*.pprox, synth8b-responses/*.pprox
    nat8a-stimuli/*.wav (40 kHz), nat8b-stimuli/*.wav (48 kHz), synth8b-stimuli/*.wav (44.1 kHz)

Nothing is recorded: motifs are harmonic tones, units fire at random and near preferred times.

What is odd in it: a motif without row in the table of songs; unequal numbers of trials, and one; units that heard some
motifs; events before onset, long after the end, and on edges of bins; a unit without area; one whose file does not name
its bird; a site of area N/A; a bird and a site in no table; files of Rb219 whose bird is Rb291 in the table; ages as
1y234d, 2y, 98d, 0d, unknown, nothing; trials of an unknown stimulus, of none, without a list of events.
"""

from __future__ import annotations

import csv
import json
import uuid
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.raw_writers.le2025_truth import (
    BIRDS,
    CONDITIONS,
    EXPERIMENT_OF,
    LEVELS_DB,
    NATURAL,
    NEWER_SCHEMA,
    OLDER_SCHEMA,
    RATES,
    SCRAMBLED,
    SITES,
    UNLISTED_MOTIF,
    UNPLAYED,
    Float,
    Interval,
    Le2025Truth,
    Motif,
    WrittenTrial,
    WrittenUnit,
)


def _stable(text: str) -> int:
    return zlib.crc32(text.encode())  # Python's own hash is salted


def _motif(rng: np.random.Generator, rate: int, duration_ms: float) -> Float:
    """Draw a motif of harmonic syllables with a root mean square of 1."""
    n_samples = round(rate * duration_ms / 1000)
    time = np.arange(n_samples) / rate
    sound, position = np.zeros(n_samples), 0.02
    while position < duration_ms / 1000 - 0.08:
        duration, pitch = rng.uniform(0.05, 0.16), rng.uniform(600, 3500)
        here = slice(int(position * rate), min(n_samples, int((position + duration) * rate)))
        wobble = time[here] + 0.01 * np.sin(8 * time[here])
        harmonics = [np.sin(2 * np.pi * pitch * k * wobble) / k for k in (1, 2, 3) if pitch * k < rate / 2.2]
        sound[here] += sum(harmonics) * np.hanning(here.stop - here.start)
        position += duration + rng.uniform(0.01, 0.05)
    return sound / np.sqrt(np.mean(sound**2))


def _variants(rng: np.random.Generator, rate: int, motif: Float, interval: Interval) -> dict[str, Float]:
    """Make the variants of a motif that have a critical interval, and CM."""
    inside = slice(*(round(rate * bound / 1000) for bound in interval))
    noise, mask = rng.standard_normal((2, len(motif)))
    burst, gap = np.zeros(len(motif)), motif.copy()
    burst[inside], gap[inside] = noise[inside], 0
    return {"G": gap, "N": burst, "GB": gap + burst, "CB": motif + burst, "GM": gap + mask, "CM": motif + mask}


class _Writer:
    """Writes a tree and keeps the truth about it."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.seed, self.truth = seed, Le2025Truth(directory)
        self.rng = np.random.default_rng(seed)
        for folder in ("metadata", *(f"{name}-stimuli" for name in RATES), *EXPERIMENT_OF):
            (directory / folder).mkdir(parents=True, exist_ok=True)
        (directory / "README.yml").write_text("title: synthetic stand-in\n")

    def own_rng(self, text: str) -> np.random.Generator:
        """Return a generator that depends on a name alone."""
        return np.random.default_rng([self.seed, _stable(text)])

    def uuid(self) -> str:
        """Draw an identifier."""
        return str(uuid.UUID(bytes=self.rng.bytes(16), version=4))

    def sound(self, experiment: str, stem: str, sound: Float, *, counts: bool = True, stereo: bool = False) -> None:
        """Write a sound at the level of its experiment; `counts` is False where its name tells no variant."""
        scaled = sound / np.sqrt(np.mean(sound**2) + 1e-20) * 10 ** (LEVELS_DB[experiment] / 20)
        scaled = np.clip(scaled, -0.99, 0.99)
        if stereo:
            scaled = np.stack([scaled, 0.5 * scaled[::-1]], axis=1)
        samples = (scaled * 32_767).astype(np.int16)
        path = self.truth.directory / f"{experiment}-stimuli" / f"{stem}.wav"
        soundfile.write(path, samples, RATES[experiment], subtype="PCM_16")
        if counts:
            self.truth.samples[experiment, stem] = samples

    def sounds(self, experiment: str, motifs: Mapping[str, Motif]) -> None:
        """Write all variants of some motifs."""
        rate, older = RATES[experiment], experiment == "nat8a"
        for name, motif in motifs.items():
            label = name if older or not motif.encoding else motif.encoding
            sound = _motif(self.own_rng(name), rate, motif.duration_ms)
            self.sound(experiment, f"{label}_continuous" if older else f"ep_{label}_C", sound)
            for interval, bounds in motif.intervals.items():
                variants = _variants(self.rng, rate, sound, bounds)
                for variant, changed in variants.items():
                    if older and variant in CONDITIONS:
                        self.sound(experiment, f"{label}_{CONDITIONS[variant]}{interval}", changed)
                    elif not older and variant != "CM":
                        ending = "" if variant == "G" else "_snr0"
                        self.sound(experiment, f"ep_{label}_{variant}_g{interval}{ending}", changed)
            if not older:
                self.sound(experiment, f"ep_{label}_CM_snr0", variants["CM"])

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write a table of the lab."""
        with (self.truth.directory / "metadata" / name).open("w", newline="") as file:
            csv.writer(file).writerows([columns, *rows])

    def tables(self) -> None:
        """Write the three tables of the lab."""
        self.truth.uuids = {bird[0]: self.uuid() for bird in BIRDS}
        birds = [[row[0], self.truth.uuids[row[0]], *row[1:]] for row in BIRDS]
        self.table("ephys-birds.csv", ["bird", "uuid", "sex", "group", "age", "cohort", "sire"], birds)
        songs = []
        for name, motif in {**NATURAL, **UNPLAYED}.items():
            identifier = self.uuid()
            for interval, bounds in motif.intervals.items():
                songs.append([name, identifier, motif.room, motif.encoding, interval, *bounds])
        columns = ["bird", "uuid", "group", "nat8b_encoding", "gap", "gap_start", "gap_stop"]
        self.table("song-birds.csv", columns, songs)
        self.table("recordings.csv", ["site", "bird", "probe", "stimulus_set", "hemisphere", "area"], SITES)

    def events(self, rng: np.random.Generator, duration_s: float, preferred: Float, around_s: float) -> Float:
        """Draw events in s: at random, and near preferred times."""
        n_random = rng.poisson(6 * (duration_s + 2 * around_s))
        at_random = rng.uniform(-around_s, duration_s + around_s, n_random)
        return np.sort(np.concatenate([at_random, rng.choice(preferred, 8) + rng.normal(0, 0.006, 8)]))

    def n_trials(self, rng: np.random.Generator, sound: str) -> int:
        """Draw how often a sound was played."""
        return 10 if sound.endswith(("_continuous", "_C")) else int(rng.integers(4, 11))

    def older_unit(
        self,
        stem: str,
        area: str | None,
        hemisphere: str | None,
        room: str | None,
        *,
        motifs: Sequence[str] = (),
        anonymous: bool = False,
        odd: bool = False,
    ) -> None:
        """Write a unit of cohort 1, in the older layout."""
        rng, written = self.own_rng(stem), list[WrittenTrial]()
        preferred = np.sort(rng.uniform(0.0, 0.9, 6))
        trials: list[dict[str, Any]] = []
        for sound in self.truth.sounds("nat8a"):
            motif, condition = sound.split("_", 1)
            if motifs and motif not in motifs:
                continue
            duration = self.truth.duration_s("nat8a", sound)
            for index in range(1 if odd and condition == "gap2" else self.n_trials(rng, sound)):
                # Exact in binary, as the edges of bins that are added to the first trial.
                onset = 1000.0 if index == 0 else 1000.0 + round(float(rng.uniform(0, 40)), 3)
                events = np.round(self.events(rng, duration, preferred, 0.5) * 1000 + onset, 4)
                if index == 0:
                    events = np.sort(np.concatenate([events, [1000, 1005, 1010, 999.99, 995, 1_001_000]]))
                trials.append(
                    {
                        "stimulus": motif,
                        "condition": condition,
                        "stim_uuid": self.uuid(),
                        "category": "song",
                        "units": "ms",
                        "trial": len(trials),
                        "stim_on": onset,
                        "stim_off": onset + 1000 * duration,
                        "event": events.tolist(),
                    }
                )
                written.append(WrittenTrial(sound, events - onset))
        if odd:
            trials += [
                {
                    "stimulus": "X000",
                    "condition": "continuous",
                    "stim_on": 1000.0,
                    "stim_off": 1800.0,
                    "event": [1001.0],
                },
                {"stimulus": "B189", "condition": None, "stim_on": 1000.0, "event": [1001.0]},
                {"condition": "continuous", "event": [1.0]},
                {"stimulus": "B189", "condition": "continuous", "stim_on": 1000.0},
            ]
            written += [
                *(WrittenTrial(None, np.empty(0)) for _ in range(3)),
                WrittenTrial("B189_continuous", np.empty(0)),
            ]
        bird = stem.partition("_")[0]
        content = {
            "$schema": OLDER_SCHEMA,
            "bird": bird,
            "bird-uuid": self.truth.uuids.get(bird),
            "bird-sex": "male",
            "bird-age": "150d",
            "location": area,
            "hemisphere": hemisphere,
            "familiar": room,
            "pprox": trials,
        }
        if anonymous:
            content = {key: value for key, value in content.items() if key not in ("bird", "location", "bird-uuid")}
        self.unit("nat8a-alpha-responses", stem, content, written)

    def newer_unit(
        self,
        folder: str,
        stem: str,
        bird: str,
        *,
        motifs: Sequence[str] = (),
        schema: str | None = NEWER_SCHEMA,
        shift_s: float = 0.0,
        path_names: bool = False,
        null_events: bool = False,
    ) -> None:
        """Write a unit of cohort 2 or 3, in the newer layout.

        `shift_s` begins the interval of every stimulus later than 0; `path_names` gives stimuli as bare paths.
        """
        experiment = EXPERIMENT_OF[folder]
        rng, written = self.own_rng(stem + experiment), list[WrittenTrial]()
        preferred = np.sort(rng.uniform(0.0, 0.8, 6))
        trials: list[dict[str, Any]] = []
        offset = 3.0
        for sound in self.truth.sounds(experiment):
            if motifs and sound.split("_")[0 if experiment == "nat8a" else 1] not in motifs:
                continue
            duration = self.truth.duration_s(experiment, sound)
            for index in range(self.n_trials(rng, sound)):
                events = self.events(rng, duration, preferred, 1.0)
                if index == 0:
                    events = np.sort(np.concatenate([events, [0.0, 0.005, 0.01, 0.015, 0.03, -0.005, 100.0]]))
                stated: list[float | None] = [float(event) + shift_s for event in events]
                if null_events and index == 0:
                    stated[0], events = None, events[1:]
                trials.append(
                    {
                        "events": stated,
                        "offset": offset,
                        "index": len(trials),
                        "interval": [-1.0 + shift_s, duration + 1.0 + shift_s],
                        "stimulus": f"neurobank/{sound}.wav"
                        if path_names
                        else {"name": sound, "interval": [shift_s, duration + shift_s]},
                        "recording": {
                            "entry": 0,
                            "start": int(offset * 30_000),
                            "end": int((offset + duration) * 30_000),
                        },
                    }
                )
                written.append(WrittenTrial(sound, 1000 * events, (-1000.0, 1000 * (duration + 1.0))))
                offset += duration + 2.0
        trials += [
            {"events": [0.1], "interval": [-1, 1], "stimulus": {"name": "not_a_stimulus", "interval": [0.0, 1.0]}},
            {"events": [0.1], "interval": [-1, 1]},
        ]
        written += [WrittenTrial(None, np.empty(0))] * 2
        content = {
            "$schema": schema,
            "bird": self.truth.uuids.get(bird) or self.uuid(),
            "recording": self.uuid(),
            "unit": self.uuid(),
            "processed_by": ["nothing (synthetic)"],
            "pprox": trials,
        }
        if schema is None:
            content.pop("$schema")
        self.unit(folder, stem, content, written)

    def unit(self, folder: str, stem: str, content: Mapping[str, Any], written: Sequence[WrittenTrial]) -> None:
        """Write a file of a unit."""
        (self.truth.directory / folder / f"{stem}.pprox").write_text(json.dumps(content))
        unit = WrittenUnit(folder, stem, tuple(written))
        self.truth.units[unit.neuron_id] = unit


def write_le2025(
    directory: Path,
    *,
    seed: int = 0,
    hard: bool = False,
    experiments: Sequence[str] = tuple(RATES),
    more_units: int = 0,
) -> Le2025Truth:
    """Write a tree.

    Parameters
    ----------
    directory : Path
        The root, which the archive calls ``zebf-auditory-restoration-1``.
    seed : int
        Of all that is random.
    hard : bool
        Also: sounds whose names tell no variant, a sound in stereo, a unit none of whose trials is of a sound, a file
        without schema, stimuli as bare paths, events that are null, stimuli whose interval begins at 0.25 s.
    experiments : sequence of str
        Those that are written; folders of the others stay empty.
    more_units : int
        Units at every known site besides, to measure time.
    """
    writer = _Writer(directory, seed)
    if "nat8a" in experiments:
        writer.sounds("nat8a", NATURAL)
        motif = _motif(writer.own_rng(UNLISTED_MOTIF), RATES["nat8a"], 700)
        writer.sound("nat8a", f"{UNLISTED_MOTIF}_continuous", motif)
        writer.sound("nat8a", f"{UNLISTED_MOTIF}_gap1", np.concatenate([motif[:4000], np.zeros(3000), motif[7000:]]))
    if "nat8b" in experiments:
        writer.sounds("nat8b", NATURAL)
    if "synth8b" in experiments:
        writer.sounds("synth8b", SCRAMBLED)
    if hard and "nat8a" in experiments:
        writer.sound("nat8a", "calibration", writer.rng.standard_normal(8000), counts=False)
        writer.sound("nat8a", "B189_reversed", writer.rng.standard_normal(8000), counts=False)
    if hard and "nat8b" in experiments:
        writer.sound("nat8b", "ep_nat8mk0_C", _motif(writer.own_rng("B189"), RATES["nat8b"], 837), stereo=True)
    writer.tables()
    if "nat8a" in experiments:
        _write_nat8a_units(writer, hard)
    if "nat8b" in experiments:
        writer.newer_unit("nat8b-responses", "Rb219_1_1_c5", "Rb291")
        writer.newer_unit("nat8b-responses", "C43_1_1_c109", "C43")
        writer.newer_unit("nat8b-responses", "C43_1_1_c2", "C43", motifs=("nat8mk0", "nat8mk6"))
        if hard:
            writer.newer_unit("nat8b-responses", "C49_2_2_c4", "C49", shift_s=0.25)
    if "synth8b" in experiments:
        writer.newer_unit("synth8b-responses", "C43_2_1_c8", "C43")
        writer.newer_unit("synth8b-responses", "C54a_1_2_c17", "C54a", motifs=("synth8mk1",))
        if hard:
            writer.newer_unit("synth8b-responses", "C54a_1_2_c18", "C54a", null_events=True)
    for folder, stem in (
        ("nat8a-beta-responses", "C1_1_1"),
        ("nat8b-responses", "C43_1_1"),
        ("synth8b-responses", "C43_2_1"),
    ):
        for cluster in range(more_units if EXPERIMENT_OF[folder] in experiments else 0):
            writer.newer_unit(folder, f"{stem}_c{1000 + cluster}", stem.partition("_")[0])
    return writer.truth


def _write_nat8a_units(writer: _Writer, hard: bool) -> None:
    writer.older_unit("O153_p1r1_ch4_c3", "NCM", "R", "178B")
    writer.older_unit("P69_p2r1_ch6_c12", "L2a", "L", "178B", motifs=("B189", "O129"))
    writer.older_unit("G158_p3r2_ch6_c41", "CM", "R", "180B", odd=True)
    writer.older_unit("P47_p1r1_ch2_c7", None, None, None)
    writer.older_unit("Q11_p1r1_ch1_c1", "NCM", "R", "180B", anonymous=True)
    beta = "nat8a-beta-responses"
    writer.newer_unit(beta, "C1_1_1_c12", "C1")
    writer.newer_unit(beta, "C22_1_1_c3", "C22", motifs=("B189", "B2"))
    writer.newer_unit(beta, "P160_6_1_c33", "P160")
    writer.newer_unit(beta, "P113_1_2_c5", "P113")
    if hard:
        writer.newer_unit(beta, "P150_1_2_c1", "P150", motifs=("nothing",))
        writer.newer_unit(beta, "P150_1_2_c2", "P150", motifs=("B189",), schema=None)
        writer.newer_unit(beta, "P150_1_2_c3", "P150", motifs=("B189",), path_names=True)
