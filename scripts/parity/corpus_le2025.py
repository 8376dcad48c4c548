"""How Le 2025 is compared with deepSTRF 0.1.0.

Its waveform mode cannot be compared: deepSTRF takes the number of samples for that of bins, and raises on any data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import numpy as np

from deepstrf_hf.features.compression import LogPlusOne
from deepstrf_hf.responses.preprocessing import HanningSmooth
from scripts.parity.corpus_declaration import EXACT, CorpusDifference, CorpusParity, RawFolder, Run, Tolerance
from scripts.parity.corpus_models import SIGNAL_TYPE
from scripts.parity.corpus_snapshot import Float32, OurField, Snapshot, Vocabulary

NEAR = Tolerance(1e-6, relative=True)
"""Amplitudes and logarithms in single precision."""
POWERS = ("signal_power", "noise_power", "snr")
SINGLE_PRECISION = 1e-5
NEURON_FIELDS: dict[str, OurField] = {
    **{name: name for name in ("cell_id", "pprox_file", "animal_id", "animal_uuid", "cohort", "experiment")},
    **{name: name for name in ("hemisphere", "sex", "age_days")},
    **{name: itemgetter(name) for name in POWERS},  # of every corpus, and so no columns of this one
    "area": lambda entry: entry["area"] or "unknown",
    "familiar_motifs": lambda entry: (entry["familiar_motifs"] or "").split(",") if entry["familiar_motifs"] else [],
}
STIMULUS_FIELDS: dict[str, OurField] = {
    **{name: name for name in ("name", "motif", "variant", "syntax", "experiment", "duration_s")},
    "sample_rate_hz": lambda entry: int(entry["sample_rate_hz"]),
    "critical_interval": lambda entry: (
        int(entry["critical_interval"]) if entry["critical_interval"] in ("1", "2") else entry["critical_interval"]
    ),
    **{
        name: lambda entry, name=name: math.nan if entry[name] is None else entry[name]
        for name in ("ci_onset_s", "ci_offset_s")
    },
}


def powers(responses: Sequence[Float32]) -> dict[str, float]:
    """Return signal power, noise power and their ratio over the responses of a neuron, as deepSTRF defines them.

    With R trials of T bins: TP the mean variance of a trial, V that of the mean trial (denominator T - 1),
    SP = (R V - TP) / (R - 1), NP = TP - SP, both averaged over stimuli, weighted by T.
    """
    sums = np.zeros(3)
    for response in responses:
        trials, bins = response.shape
        if trials < 2 or bins < 2:
            continue
        single = response.var(axis=1, ddof=1, dtype=np.float64).mean()
        signal = (trials * response.mean(axis=0, dtype=np.float64).var(ddof=1) - single) / (trials - 1)
        sums += bins * np.array([signal, single - signal, 1.0])
    if not sums[2]:
        return dict.fromkeys(POWERS, math.nan)
    signal, noise = sums[:2] / sums[2]
    return {"signal_power": float(signal), "noise_power": float(noise), "snr": float(signal / max(noise, 1e-12))}


def with_powers(snapshot: Snapshot, *, only_near: bool) -> Snapshot:
    """Return a snapshot whose powers are those of its responses, in double precision.

    Parameters
    ----------
    snapshot : Snapshot
        With powers or without.
    only_near : bool
        Leave what is further away than single precision explains.
    """
    neurons = {}
    for name, entry in snapshot.neurons.items():
        found = powers([response for (_, neuron), response in snapshot.responses.items() if neuron == name])
        far = any(not math.isclose(entry[key], found[key], rel_tol=SINGLE_PRECISION) for key in POWERS if key in entry)
        neurons[name] = entry if only_near and far else {**entry, **{key: found[key] for key in POWERS if key in entry}}
    return replace(snapshot, neurons=neurons)


def powers_after_smoothing(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that powers are taken from responses as they are handed out; without them where none were asked for."""
    if run.peer_options.get("compute_reliability") is False:
        return _without(ours, POWERS)
    return with_powers(ours, only_near=False)


def powers_in_single_precision(theirs: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Take deepSTRF's powers, which are in single precision, to double precision."""
    return with_powers(theirs, only_near=True)


def _without(snapshot: Snapshot, names: Sequence[str]) -> Snapshot:
    neurons = {
        neuron: {key: value for key, value in entry.items() if key not in names}
        for neuron, entry in snapshot.neurons.items()
    }
    return replace(snapshot, neurons=neurons)


def bird_by_name_alone(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that a bird is looked up by the name in its files alone."""
    neurons = {
        name: {**entry, "sex": None, "age_days": None} if entry["animal_id"] == "Rb219" else entry
        for name, entry in ours.neurons.items()
    }
    return replace(ours, neurons=neurons)


def whole_hops(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model frames that are a whole number of samples apart."""
    if "frames" in run.parameters:
        return ours
    return folder.ours(run, frames="whole_hop")


def no_scrambled_intervals(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that the critical intervals of scrambled motifs are unknown."""
    unknown: Mapping[str, Any] = {"ci_onset_s": math.nan, "ci_offset_s": math.nan}
    return replace(ours, stimuli={name: {**entry, **unknown} for name, entry in ours.stimuli.items()})


def interval_ignored(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that events are counted from the zero of their clock, wherever the stimulus begins; 5 ms, smoothed."""
    responses = dict(ours.responses)
    for path in sorted(folder.raw.glob(f"{folder.corpus.cohort}-responses/*.pprox")):
        events: dict[str, list[list[float]]] = {}
        for trial in json.loads(path.read_text(encoding="utf-8"))["pprox"]:
            stimulus = trial.get("stimulus")
            if isinstance(stimulus, dict) and stimulus["interval"][0] != 0:
                events.setdefault(stimulus["name"], []).append(trial["events"])
        for name, trials in events.items():
            if (name, path.stem) in responses:
                shape = responses[name, path.stem].shape
                counts = [_counts(times, shape[1]) for times in trials]
                responses[name, path.stem] = HanningSmooth(21).apply(np.array(counts, np.float32), 5.0)
    return ours.with_responses(responses)


def _counts(times_s: Sequence[float], n_bins: int) -> Float32:
    bins = np.floor(np.array(times_s) / 0.005)
    inside = bins[(bins >= 0) & (bins < n_bins)].astype(np.int64)
    return np.bincount(inside, minlength=n_bins).astype(np.float32)


def _run(experiment: str, name: str, options: Mapping[str, Any] | None = None, **keywords: Any) -> Run:
    given = {"preprocessing": "deepstrf", "stimuli": NEAR, "responses": EXACT, **keywords}
    return Run(name, {"experiment": experiment, **(options or {})}, **given)


def runs(experiment: str) -> tuple[Run, ...]:
    """Return the ways to load an experiment."""
    quick = {"compute_reliability": False}
    once: dict[str, Any] = {"every_seed": False}
    return (
        _run(experiment, "defaults"),
        _run(experiment, "counts", {"smooth": False}, preprocessing=[LogPlusOne()]),
        _run(
            experiment,
            "1 ms",
            {"dt_ms": 1.0, **quick},
            parameters={"dt_ms": 1.0},
            preprocessing=[LogPlusOne(), HanningSmooth(21)],
            responses=NEAR,
            **once,
        ),
        _run(
            experiment,
            "other bands",
            {"n_bands": 20, "fmin": 300.0, "fmax": 6000.0, "window_ms": 5.0, **quick},
            parameters={"n_bands": 20, "fmin": 300.0, "fmax": 6000.0, "window_ms": 5.0},
            **once,
        ),
    )


NAMED_BY_UUID = CorpusDifference(
    "birds-by-identifier",
    "Sex and age of the bird whose files are named Rb219 are unknown.",
    "They are those of Rb291, which the table of birds has under the identifier in its files.",
    "It is the same bird.",
    bird_by_name_alone,
)
POWERS_OF_COUNTS = CorpusDifference(
    "powers-of-counts",
    "Signal and noise power are taken after smoothing, in single precision.",
    "The columns are of counts; `compute_quality` of a grid gives deepSTRF's with `preprocessing='deepstrf'`.",
    "Smoothing in time takes more out of noise than out of signals.",
    powers_after_smoothing,
    powers_in_single_precision,
)


INTERVAL_SUBTRACTED = CorpusDifference(
    "from-stimulus-onset",
    "Events are counted from the zero of their clock.",
    "They are counted from the begin of the stimulus, where the file says that it is not at zero.",
    "They would come late by it.",
    interval_ignored,
)


def _parity(experiment: str, *differences: CorpusDifference, **keywords: Any) -> CorpusParity:
    return CorpusParity(
        name=f"le2025-{experiment}",
        corpus="le2025",
        cohort=experiment,
        writer="tests.raw_writers.le2025:write_le2025",
        writer_options={"hard": False, "experiments": (experiment,)},
        bench_options={"experiments": (experiment,), "more_units": 100},
        peer_class="Le2025Dataset",
        neuron_name=("cell_id",),
        stimulus_name=("name",),
        vocabulary=Vocabulary(NEURON_FIELDS, STIMULUS_FIELDS),
        **{"runs": runs(experiment), "differences": (*differences, SIGNAL_TYPE, POWERS_OF_COUNTS), **keywords},
    )


NAT8A = _parity(
    "nat8a",
    runs=(
        *runs("nat8a"),
        _run("nat8a", "one area", {"keep_areas": ["NCM"]}, where={"neuron.area": "NCM"}, every_seed=False),
    ),
)
NAT8B = _parity("nat8b", NAMED_BY_UUID)
SYNTH8B = _parity(
    "synth8b",
    CorpusDifference(
        "frames-on-their-bins",
        "At 44.1 kHz frames are 221 samples apart, 5.011 ms, and slip against the bins of responses.",
        "Frame t begins with bin t. `frames=whole_hop` gives deepSTRF's.",
        "The slip is 2.3 ms per second.",
        whole_hops,
    ),
    CorpusDifference(
        "scrambled-intervals",
        "The critical intervals of scrambled motifs are unknown.",
        "They are those of the lab's analysis.",
        "They are known.",
        no_scrambled_intervals,
    ),
    runs=(*runs("synth8b"), _run("synth8b", "whole hops", parameters={"frames": "whole_hop"})),
)


def _hard(parity: CorpusParity, *differences: CorpusDifference) -> CorpusParity:
    """Return the same on hard trees, loaded once."""
    return replace(
        parity,
        name=f"{parity.name}-hard",
        writer_options={**parity.writer_options, "hard": True},
        runs=parity.runs[:1],
        differences=(*differences, *parity.differences),
    )


LE2025 = (NAT8A, NAT8B, SYNTH8B, _hard(NAT8A), _hard(NAT8B, INTERVAL_SUBTRACTED), _hard(SYNTH8B))
