"""The units of an experiment: what is known of them, and their spike counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.le2025.experiments import Experiment, UnitFile
from builders.le2025.lab_tables import LabTables
from builders.le2025.names import area_group, parse_age, parse_unit_name
from builders.le2025.sounds import Sounds
from deepstrf_hf.formats.pprox import MILLISECONDS, PproxFile, PproxTrial
from deepstrf_hf.formats.pprox_units import check_time_unit
from deepstrf_hf.recording import Neuron, Stimulus
from deepstrf_hf.responses.binning import bin_spikes


@dataclass(frozen=True, eq=False)
class Response:
    """What a unit did while it heard a stimulus.

    Parameters
    ----------
    counts : ndarray of int, shape (trials, bins)
        Spikes per bin.
    metadata : mapping
        Values of the columns of recordings.
    """

    counts: NDArray[np.integer]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit, its responses, and what of its file is not in them.

    Parameters
    ----------
    neuron : Neuron
        Name and metadata.
    responses : dict of str to Response
        By stimulus.
    n_trials, n_known, n_nameless : int
        Trials of the file, those of a sound of the experiment, and those that name none.
    strangers : Counter
        Trials by the stimulus they name, of which there is no sound.
    n_missing, n_listless : int
        Entries of lists of events that are no numbers, and trials without such a list.
    """

    neuron: Neuron
    responses: Mapping[str, Response] = field(default_factory=dict)
    n_trials: int = 0
    n_known: int = 0
    n_nameless: int = 0
    strangers: Counter[str] = field(default_factory=Counter)
    n_missing: int = 0
    n_listless: int = 0


def known_of(unit: UnitFile, experiment: Experiment) -> dict[str, Any]:
    """Return the metadata of a unit that its name tells."""
    name = parse_unit_name(unit.stem)
    return {
        "cell_id": unit.stem,
        "pprox_file": unit.name,
        "experiment": experiment.name,
        "cohort": unit.cohort,
        "site": name.site,
        "channel": name.channel,
        "cluster": name.cluster,
    }


def metadata_of(unit: UnitFile, experiment: Experiment, file: PproxFile, tables: LabTables) -> dict[str, Any]:
    """Return the metadata of a unit: from its file where that is of the older layout, else from the lab's tables.

    Raises
    ------
    RawFormatError
        An attribute of the file is not text.
    """
    known = known_of(unit, experiment)
    older = file.unit == MILLISECONDS
    animal = (file.text("bird") if older else None) or parse_unit_name(unit.stem).animal
    uuid = file.text("bird-uuid" if older else "bird")
    listed = tables.listed_bird(animal, uuid)
    bird = tables.birds.get(listed or "", {})
    site = tables.sites.get(known["site"] or "", {})
    age = parse_age(bird.get("age"))
    room = file.text("familiar") if older else None
    familiar = tables.familiar(room)
    area = _said(file.text("location")) if older else site.get("area")
    return {
        **known,
        "animal_id": animal,
        "listed_bird": listed,
        "animal_uuid": uuid or bird.get("uuid"),
        "sex": bird.get("sex") or (_said(file.text("bird-sex")) if older else None),
        "age_days": parse_age(file.text("bird-age")) if older and age is None else age,
        "probe": site.get("probe"),
        "hemisphere": _said(file.text("hemisphere")) if older else site.get("hemisphere"),
        "area": area,
        "area_group": area_group(area),
        "familiar_room": room,
        "familiar_motifs": ",".join(familiar) if familiar else None,
    }


def read_responses(neuron: Neuron, file: PproxFile, sounds: Sounds, tables: LabTables, dt_ms: float) -> Unit:
    """Bin the events of a unit.

    Parameters
    ----------
    neuron : Neuron
        The unit.
    file : PproxFile
        Its file.
    sounds : Sounds
        Of the experiment.
    tables : LabTables
        Of the lab.
    dt_ms : float
        Bin width, ms.

    Raises
    ------
    RawFormatError
        The times are in another unit than the layout of the file implies.
    """
    trials: dict[str, list[PproxTrial]] = {}
    n_known = n_nameless = 0
    strangers: Counter[str] = Counter()
    for trial in file.trials:
        name = stimulus_name(file, trial)
        if name is None:
            n_nameless += 1
        elif name not in sounds.known:
            strangers[name] += 1
        else:
            n_known += 1
            if name in sounds.stimuli:
                trials.setdefault(name, []).append(trial)
    heard = {name: sounds.stimuli[name] for name in trials}
    check_time_unit(
        file, [(trial, 1000 * heard[name].metadata["duration_s"]) for name in trials for trial in trials[name]]
    )
    familiar = tables.familiar(neuron.metadata["familiar_room"])
    return Unit(
        neuron,
        {name: _response(heard[name], of_stimulus, familiar, dt_ms) for name, of_stimulus in trials.items()},
        len(file.trials),
        n_known,
        n_nameless,
        strangers,
        sum(trial.n_missing for of_stimulus in trials.values() for trial in of_stimulus),
        sum(not trial.has_events for of_stimulus in trials.values() for trial in of_stimulus),
    )


def stimulus_name(file: PproxFile, trial: PproxTrial) -> str | None:
    """Return the name of the sound of a trial; None where the trial does not tell."""
    if file.unit != MILLISECONDS:
        return trial.stimulus
    return None if trial.stimulus is None or trial.condition is None else f"{trial.stimulus}_{trial.condition}"


def _response(stimulus: Stimulus, trials: list[PproxTrial], familiar: tuple[str, ...] | None, dt_ms: float) -> Response:
    n_bins = stimulus.spectrogram.shape[1]
    times = np.concatenate([trial.times_ms for trial in trials])
    rows = np.repeat(np.arange(len(trials)), [len(trial.times_ms) for trial in trials])
    binned = bin_spikes(times, rows, len(trials), n_bins, dt_ms)
    recorded = [trial.recorded_ms for trial in trials if trial.recorded_ms is not None]
    told = len(recorded) == len(trials)
    metadata = {
        "familiar": None if familiar is None else stimulus.metadata["song_bird"] in familiar,
        "events_before": binned.before,
        "events_after": binned.after,
        "before_ms": max(0.0, min(-begin for begin, _ in recorded)) if told else None,
        "after_ms": max(0.0, min(end - n_bins * dt_ms for _, end in recorded)) if told else None,
    }
    # As small as the table has it: the counts of a whole part are held.
    small = binned.counts.max(initial=0) <= np.iinfo(np.uint8).max
    return Response(binned.counts.astype(np.uint8) if small else binned.counts, metadata)


def _said(text: str | None) -> str | None:
    return None if text is None or text.strip().lower() in ("", "unknown", "n/a") else text
