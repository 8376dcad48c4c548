"""How Wingert 2026 is compared with deepSTRF 0.1.0."""

from __future__ import annotations

import csv
import functools
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from deepstrf_hf.features.scaling import LogCompress, ScaleBands
from deepstrf_hf.preprocessing import Step
from deepstrf_hf.responses.scaling import ScaleResponses
from scripts.parity.corpus_declaration import CorpusDifference, CorpusParity, RawFolder, Run, Tolerance
from scripts.parity.corpus_models import SIGNAL_TYPE
from scripts.parity.corpus_snapshot import Float32, OurField, Snapshot, Vocabulary

RATE_HZ = 100
QUIET = 1e-6
NEURON_FIELDS = {
    **{name: name for name in ("cell_id", "site", "session", "area", "layer", "narrow", "celltype", "goodpred")},
    **{name: name for name in ("animal", "electrode", "unit_in_electrode")},
    "depth": "depth_um",
    "sw": "sw_ms",
}
STIMULUS_FIELDS: dict[str, OurField] = {
    "name": "name",
    "session": "session",
    "subset": lambda entry: entry["subset"],  # of every corpus, and so no column of this one
}
STIMULUS_NAME = ("session", "name")
SCALED = Tolerance(1e-6, relative=True)
"""Of the largest value, which is 1: log and scaling in single precision."""
RELATIVE = Tolerance(2e-4, relative=True)
"""Waveforms; at the rate of the files nothing is resampled."""


@dataclass(frozen=True)
class RawSession:
    """An archive, as far as the models need it.

    Parameters
    ----------
    times_s : dict of str to ndarray
        Spike times by cell.
    presentations : dict of str to list
        Start and end of each presentation, s, by sound.
    """

    times_s: dict[str, np.ndarray]
    presentations: dict[str, list[tuple[float, float]]]


@functools.cache
def raw_sessions(raw: Path) -> dict[str, RawSession]:
    """Read all archives of a tree with the standard library and h5py, by session."""
    found = {}
    for path in sorted((raw / "recordings").glob("*.tgz")):
        times: dict[str, np.ndarray] = {}
        presentations: dict[str, list[tuple[float, float]]] = {}
        session = ""
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None:
                    continue
                if member.name.endswith(".resp.json"):
                    session = json.load(content)["chans"][0].split("-")[0]
                elif member.name.endswith(".resp.h5"):
                    with h5py.File(io.BytesIO(content.read())) as file:
                        times = {cell: file[cell][()] for cell in file}
                elif member.name.endswith(".resp.epoch.csv"):
                    for row in csv.DictReader(io.StringIO(content.read().decode())):
                        presentations.setdefault(row["name"], []).append((float(row["start"]), float(row["end"])))
        found[session] = RawSession(times, presentations)
    return found


def counted_from_the_start(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model deepSTRF's rule: spikes from the start of a presentation on alone, and before its end.

    It takes the place of responses alone whose plain counts are those of the raw files.
    """
    plain = folder.ours(replace(run, preprocessing=None, stimulus="spectrogram")).responses
    counts: dict[tuple[str, str], Float32] = {}
    changed = set()
    for (stimulus, cell), response in plain.items():
        session, name = stimulus.split("/")
        raw = raw_sessions(folder.raw)[session]
        ours_again, theirs = (np.zeros(response.shape, np.float32) for _ in range(2))
        for trial, (start, end) in enumerate(raw.presentations[name]):
            times = raw.times_s[cell]
            places = np.floor(times * RATE_HZ).astype(int) - int(np.round(start * RATE_HZ))
            inside = (places >= 0) & (places < response.shape[1])
            np.add.at(ours_again[trial], places[inside], 1)
            np.add.at(theirs[trial], places[inside & (times >= start) & (times < end)], 1)
        counts[stimulus, cell] = theirs
        if np.array_equal(ours_again, response) and not np.array_equal(ours_again, theirs):
            changed.add((stimulus, cell))
    responses = dict(ours.responses)
    for cell in {cell for _, cell in changed}:
        of_cell = {pair: values for pair, values in counts.items() if pair[1] == cell}
        low = min(float(values.min()) for values in of_cell.values())
        high = max(float(values.max()) for values in of_cell.values())
        for pair, values in of_cell.items():
            scaled = (values - np.float32(low)) / np.float32(high - low) if high > low else values
            responses[pair] = np.where(scaled < QUIET, np.float32(0), scaled)
    return ours.with_responses(responses)


def only_recorded(theirs: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Take from deepSTRF's snapshot the cells and sounds that the raw files hold no response of."""
    sessions = raw_sessions(folder.raw)
    neurons = {name: entry for name, entry in theirs.neurons.items() if name in sessions[entry["session"]].times_s}
    heard = {
        name
        for name, entry in theirs.stimuli.items()
        if entry["name"] in sessions[entry["session"]].presentations
        and any(neuron["session"] == entry["session"] for neuron in neurons.values())
    }
    return replace(
        theirs,
        neurons=neurons,
        stimuli={name: entry for name, entry in theirs.stimuli.items() if name in heard},
        values={name: values for name, values in theirs.values.items() if name in heard},
    )


RECORDED = CorpusDifference(
    "what-was-recorded",
    "Cells of the list without recording, and spectrograms that were never played, are there without responses.",
    "They are named in the build report.",
    "They hold no data; the range of the spectrograms is taken over all of them in either case.",
    as_ours=only_recorded,
)
BIN_RULE = CorpusDifference(
    "spikes-of-the-first-bin",
    "Spikes before the start of a presentation, or at its end, are lost though they lie in its first, or last, bin.",
    "Every spike counts whose bin lies in the presentation, as in NEMS.",
    "The bins are those of the recording; a start that is not on the grid cuts the first one.",
    counted_from_the_start,
)


def _run(name: str, peer_options: Mapping[str, Any], **keywords: Any) -> Run:
    return Run(name, peer_options, **{"preprocessing": "deepstrf", "stimuli": SCALED, "responses": SCALED, **keywords})


def _parity(
    cohort: str,
    areas: Sequence[str] | None,
    runs: Sequence[Run] = (),
    differences: Sequence[CorpusDifference] = (),
    *,
    peer_options: Mapping[str, Any] | None = None,
    bench_options: Mapping[str, Any] | None = None,
) -> CorpusParity:
    return CorpusParity(
        name=f"wingert2026-{cohort}",
        corpus="wingert2026",
        cohort=cohort,
        writer="tests.raw_writers.wingert2026:write_wingert2026",
        peer_class="Wingert2026Dataset",
        neuron_name=("cell_id",),
        stimulus_name=STIMULUS_NAME,
        vocabulary=Vocabulary(NEURON_FIELDS, STIMULUS_FIELDS),
        runs=(_run("defaults", peer_options or {"area": list(areas or ())}), *runs),
        differences=(SIGNAL_TYPE, BIN_RULE, *differences),
        bench_options=bench_options or {},
    )


def _steps(*first: Step) -> list[Step]:
    """Return what deepSTRF does after its logarithm, if any."""
    return [*first, ScaleBands("tiles", over="cohort"), ScaleResponses()]


A1 = _parity(
    "a1",
    ["A1"],
    (
        _run("log_offset 3", {"area": ["A1"], "log_offset": 3}, preprocessing=_steps(LogCompress(3))),
        _run("no log", {"area": ["A1"], "log_compress": False}, preprocessing=_steps()),
        _run(
            "one site",
            {"area": ["A1"], "site": ["SLJ032a"]},
            where={"neuron.site": "SLJ032a"},
        ),
        _run("waveforms", {"area": ["A1"], "return_waveform": True}, stimulus="waveform", stimuli=RELATIVE),
        _run(
            "waveforms from 500 ms",
            {"area": ["A1"], "return_waveform": True, "prestim_ms": 500.0},
            parameters={"prestim_ms": 500.0},
            stimulus="waveform",
            stimuli=RELATIVE,
            every_seed=False,
        ),
    ),
    (RECORDED,),
    bench_options={"bench_sites": 5},
)
PEG = _parity("peg", ["PEG"])
A1_PEG = _parity("a1_peg", ["A1", "PEG"], differences=(RECORDED,))
AC = _parity("ac", ["AC"])
HC = _parity("hc", ["HC"])
UNLABELED = _parity("unlabeled", None, peer_options={"site": ["PRN010b"], "include_unlabeled": True})
WINGERT2026 = (A1, PEG, A1_PEG, AC, HC, UNLABELED)
