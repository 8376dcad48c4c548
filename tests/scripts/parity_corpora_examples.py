"""Snapshots, declarations and a stand-in for deepSTRF, to test the comparison of corpora without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from scripts.parity.corpus_declaration import CorpusDifference, CorpusParity, RawFolder, Run
from scripts.parity.corpus_snapshot import Snapshot, Vocabulary

RUN = Run("counts")


class Values:
    """An array where a data set has a tensor."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array, np.float32)

    def numpy(self) -> np.ndarray:
        return self.array


def example_dataset(seed: int = 0, order: bool = False) -> SimpleNamespace:
    """Make a data set of three neurons and four stimuli, two pairs absent; `order`: in another order."""
    rng = np.random.default_rng(seed)
    neurons = [{"cell_id": f"n{n}", "animal": "ab"[n % 2], "depth": 100.0 * n} for n in range(3)]
    stimuli = [{"type": "song" if s % 2 else "call", "name": f"s{s}", "length": 10 + s} for s in range(4)]
    values = [rng.normal(size=(1, 5, 10 + s)) for s in range(4)]
    responses = [[rng.poisson(0.5, (2 + n, 10 + s)).astype(float) for n in range(3)] for s in range(4)]
    for s, n in ((1, 0), (2, 2)):
        responses[s][n] = np.full((1, 1), np.nan)
    neuron_order, stimulus_order = (range(3), range(4)) if not order else ((2, 0, 1), (3, 1, 0, 2))
    return SimpleNamespace(
        dt=5.0,
        F=5,
        audio_fs=None,
        species="ferret",
        hearing_range_hz=(200, 40_000),
        signal_type="spikes",
        nrn_meta=[neurons[n] for n in neuron_order],
        stim_meta=[stimuli[s] for s in stimulus_order],
        stims=[Values(values[s]) for s in stimulus_order],
        responses=[[Values(responses[s][n]) for n in neuron_order] for s in stimulus_order],
    )


def example_snapshot(**options: Any) -> Snapshot:
    from scripts.parity.corpus_snapshot import snapshot_of

    return snapshot_of(example_dataset(**options), ("cell_id",), ("type", "name"))


def declaration(*differences: CorpusDifference, **changes: Any) -> CorpusParity:
    corpus = CorpusParity(
        name="made-up",
        corpus="made_up",
        cohort="all",
        writer="nowhere:write",
        peer_class="MadeUp",
        neuron_name=("cell_id",),
        stimulus_name=("type", "name"),
        vocabulary=Vocabulary({}, {}),
        runs=(RUN,),
        differences=differences,
    )
    return replace(corpus, **changes)


def difference(name: str = "on-purpose", **models: Any) -> CorpusDifference:
    return CorpusDifference(name, "theirs", "ours", "why", **models)


def nowhere(*differences: CorpusDifference) -> RawFolder:
    """Return a folder that no model may look into."""
    return RawFolder(declaration(*differences), Path("nowhere"), Path("nowhere"))
