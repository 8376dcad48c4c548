"""How CRCNS AA4 is compared with deepSTRF 0.1.0."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from scripts.parity.corpus_declaration import SMOOTHED, WAVEFORM, CorpusDifference, CorpusParity, RawFolder, Run
from scripts.parity.corpus_models import SHORT_KERNEL, SIGNAL_TYPE, says
from scripts.parity.corpus_snapshot import Float32, Snapshot, Vocabulary, name_of

BIRDS = ("BlaBro09xxF", "GreBlu9508M", "LblBlu2028M", "WhiBlu5396M", "WhiWhi4522M", "YelBlu6903F")
TYPES = ("song", "call", "mlnoise")
NEURON_NAME = ("animal_id", "cell_id")
NEURON_FIELDS = {
    **{name: name for name in ("cell_id", "animal_id", "sex", "site", "electrode", "sort_type", "sort_id")},
    "ldepth": "left_depth_um",
    "rdepth": "right_depth_um",
    "subsort_id": "subsort_id",
}


@dataclass(frozen=True)
class Trial:
    """One trial in a unit file.

    Parameters
    ----------
    protocol, number, name : str
        Groups it lies in: protocol, the bird's number of the sound, the lab's number of the trial.
    since_onset : bool
        Whether it holds a spike at or after the onset.
    """

    protocol: str
    number: str
    name: str
    since_onset: bool


Trials = list[Trial]
Keep = Callable[[Trials, Float32], Trials]
"""Given the trials of a pair and their counts, returns those that remain, in their new order."""


def units(folder: RawFolder) -> Iterator[tuple[str, Path]]:
    """Yield all units that were sorted, in deepSTRF's order: name, file."""
    for bird in BIRDS:
        for path in sorted((folder.raw / bird).glob("*.h5")):
            with h5py.File(path) as unit:
                if _text(unit.attrs["sortType"]).lower() not in ("noise", "tdt"):
                    yield name_of({"animal_id": bird, "cell_id": path.stem}, NEURON_NAME), path


@functools.cache
def trials_by_sound(path: Path) -> dict[str, Trials]:
    """Read, once, which trials there are of each sound, in the order of numbers, as our tables have them."""
    found: dict[str, Trials] = {}
    with h5py.File(path) as unit:
        for protocol in sorted(set(unit) - {"class_info", "extra_info"}, key=_natural):
            for number in sorted(unit[protocol], key=int):
                group = unit[protocol][number]
                if _text(group.attrs["stim_type"]) not in TYPES:
                    continue
                trials = found.setdefault(_text(group.attrs["stim_md5"]), [])
                for name in sorted(group, key=int):
                    times = np.ravel(group[name]["spike_times"][()])
                    trials.append(Trial(protocol, number, name, bool((times >= 0).any())))
    return found


def _natural(name: str) -> list[tuple[int, int | str]]:
    return [(0, int(piece)) if piece.isdecimal() else (1, piece) for piece in re.split(r"(\d+)", name) if piece]


def _text(value: object) -> str:
    first = np.ravel(np.asarray(value))[0]
    return first.decode() if isinstance(first, bytes) else str(first)


# Stages from our rows to deepSTRF's: each is given what the one before left.


def in_order_of_text(trials: Trials, counts: Float32) -> Trials:
    """Sort trials by their numbers as text: 1, 10, 11, 2."""
    return sorted(trials, key=lambda trial: (trial.protocol, trial.number, trial.name))


def with_spikes(trials: Trials, counts: Float32) -> Trials:
    """Drop trials without a spike since onset, then presentations without a spike in any bin."""
    kept = []
    for trial, row in zip(trials, counts, strict=True):
        if trial.since_onset:
            kept.append((trial, row.any()))
    heard = {(trial.protocol, trial.number) for trial, spikes in kept if spikes}
    return [trial for trial, _ in kept if (trial.protocol, trial.number) in heard]


def of_last_protocol(trials: Trials, counts: Float32) -> Trials:
    """Keep the last presentation alone."""
    last = [(trial.protocol, trial.number) for trial in trials][-1:]
    return [trial for trial in trials if (trial.protocol, trial.number) in last]


STAGES: tuple[Keep, ...] = (in_order_of_text, with_spikes, of_last_protocol)


def until(stage: Keep, ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Bring rows from one stage to the next; units that have none left are left out.

    Parameters
    ----------
    stage : callable
        The stage, one of `STAGES`; `ours` has gone through those before it.
    ours, folder, run
        As every model.
    """
    counts = folder.ours(replace(run, preprocessing=None, stimulus="spectrogram")).responses
    responses = dict(ours.responses)
    for unit, path in units(folder):
        for md5, trials in trials_by_sound(path).items():
            pair = md5, unit
            if pair not in responses:
                continue
            rows = dict(zip(trials, counts[pair], strict=True))
            before = trials
            for one in STAGES[: STAGES.index(stage)]:
                before = one(before, np.array([rows[trial] for trial in before]))
            after = stage(before, np.array([rows[trial] for trial in before]))
            if after:
                responses[pair] = responses[pair][[before.index(trial) for trial in after]]
            else:
                del responses[pair]
    return _without_the_silent(ours.with_responses(responses))


def _without_the_silent(ours: Snapshot) -> Snapshot:
    heard = {unit for _, unit in ours.responses}
    return replace(ours, neurons={name: entry for name, entry in ours.neurons.items() if name in heard})


def staged(stage: Keep) -> Callable[[Snapshot, RawFolder, Run], Snapshot]:
    """Return the model of a stage."""

    def as_deepstrf(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
        return until(stage, ours, folder, run)

    return as_deepstrf


def first_bird_has_the_sound(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that a response is lost where the unit's bird lacks the sound and no bird before it had it."""
    responses, known = dict(ours.responses), set[str]()
    for unit, path in units(folder):
        for md5, trials in trials_by_sound(path).items():
            numbers = {trial.number for trial in trials}
            if md5 not in known and any(_wav(path, number).exists() for number in numbers):
                known.add(md5)
            if md5 not in known:
                responses.pop((md5, unit), None)
    return _without_the_silent(ours.with_responses(responses))


def _wav(unit: Path, number: str) -> Path:
    return unit.parent / "wavfiles" / f"stim{number}.wav"


def numbers_as_scalars(raw: Path) -> None:
    """Rewrite numeric attributes that are arrays of one value, as MATLAB writes them.

    deepSTRF raises on them with NumPy 2.4 and later, whichever way they are read here.
    """

    def rewrite(name: str, group: h5py.Group | h5py.Dataset) -> None:
        for attribute, value in group.attrs.items():
            if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.size == 1:
                group.attrs[attribute] = value.item()

    for path in raw.glob("*/*.h5"):
        with h5py.File(path, "r+") as unit:
            rewrite("/", unit)
            unit.visititems(rewrite)


def _absent(names: Iterable[str], value: float) -> dict[str, dict[object, float]]:
    return {name: {None: value} for name in names}


AA4 = CorpusParity(
    name="crcns_aa4",
    corpus="crcns_aa4",
    cohort="all",
    writer="tests.raw_writers.crcns_aa4:write_crcns_aa4",
    bench_options={"extra_units": 230},
    prepare=numbers_as_scalars,
    peer_class="CRCNSAA4Dataset",
    neuron_name=NEURON_NAME,
    stimulus_name=("name",),
    vocabulary=Vocabulary(NEURON_FIELDS, {name: name for name in ("name", "type", "class", "duration_s")}),
    runs=(
        Run("counts", {"smooth": False}),
        Run("defaults", preprocessing="deepstrf", responses=SMOOTHED),
        Run(
            "5 ms, log1p", {"smooth": False, "dt_ms": 5, "compression": "log1p"}, {"dt_ms": 5.0, "compression": "log1p"}
        ),
        Run("songs", {"smooth": False, "stimuli": ("song",)}, where={"stim.type": "song"}),
        Run(
            "waveforms",
            {"smooth": False, "return_waveform": True},
            stimulus="waveform",
            stimuli=WAVEFORM,
            every_seed=False,
        ),
    ),
    differences=(
        SIGNAL_TYPE,
        CorpusDifference(
            "absent-is-null",
            "Absent numbers are 0 or NaN.",
            "They are null.",
            "An electrode 0 that nobody has used cannot be told from one that was.",
            says(
                neurons=_absent(("electrode", "sort_id"), 0) | _absent(("ldepth", "rdepth"), math.nan),
                stimuli=_absent(("duration_s",), math.nan),
            ),
        ),
        CorpusDifference(
            "sound-of-any-bird",
            "A response is lost where the unit's own bird lacks the sound's file and no bird before it had one.",
            "The sound is taken from whichever bird has it.",
            "What is there does not depend on the order of birds.",
            first_bird_has_the_sound,
        ),
        CorpusDifference(
            "trials-in-order-of-time",
            "Trials, stimuli and protocols are in the order of their numbers as text: 1, 10, 2.",
            "In the order of numbers.",
            "Trial 2 precedes trial 10.",
            staged(in_order_of_text),
        ),
        CorpusDifference(
            "silent-trials-are-trials",
            "Trials without a spike are dropped, and with them pairs and units that never fire.",
            "They are rows of zeros.",
            "Rates and variability would come out wrong, most of all for sparse units.",
            staged(with_spikes),
        ),
        CorpusDifference(
            "every-protocol",
            "Where two protocols present the same sound, the later one replaces the earlier.",
            "The trials of both, one after the other.",
            "They are data.",
            staged(of_last_protocol),
        ),
        SHORT_KERNEL,
    ),
)
