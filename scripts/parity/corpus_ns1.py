"""How NS1 is compared with deepSTRF 0.1.0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import scipy.io

from scripts.parity.corpus_declaration import SMOOTHED, WAVEFORM, CorpusDifference, CorpusParity, RawFolder, Run
from scripts.parity.corpus_models import SHORT_KERNEL, SIGNAL_TYPE, says
from scripts.parity.corpus_snapshot import Snapshot, Vocabulary

DT_MS = 5.0

NEURON_FIELDS = (
    "cell_id",
    "area",
    "depth_um",
    "noise_ratio",
    "single_n",
    "single_t",
    "n_electrodes",
    "electrode_number",
)


def spike_times(folder: RawFolder, cell_id: str) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield the name of each clip and the spike times of its trials, ms, straight from a unit's file."""
    stem = folder.raw / "spikesandwav" / f"{cell_id}.mat"
    path = stem if stem.exists() else stem.with_name(f"{stem.stem}_1.mat")
    sets = scipy.io.loadmat(path, variable_names=["data"])["data"][0, 0]["set"][0]
    for index in range(20):
        trials = [np.ravel(trial["t"]).astype(np.float64) for trial in sets[index]["repeats"][0]]
        yield f"nat{index + 1:02d}", trials


def one_spike_per_millisecond(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model the rule of one spike per millisecond by our build that has it too.

    It takes the place of responses alone whose plain counts are those of the raw files.
    """
    plain = folder.ours(replace(run, preprocessing=None, stimulus="spectrogram")).responses
    by_rule = folder.ours(run, binning="one_per_ms").responses
    responses = dict(ours.responses)
    for cell_id in ours.neurons:
        for clip, trials in spike_times(folder, cell_id):
            n_bins = plain[clip, cell_id].shape[1]
            bins = [np.floor(times / DT_MS).astype(int) for times in trials]
            within = [one[(one >= 0) & (one < n_bins)] for one in bins]
            counts = np.stack([np.bincount(one, minlength=n_bins) for one in within])
            if np.array_equal(counts, plain[clip, cell_id]):
                responses[clip, cell_id] = by_rule[clip, cell_id]
    return ours.with_responses(responses)


NS1 = CorpusParity(
    name="ns1",
    corpus="ns1",
    cohort="a1",
    writer="tests.raw_writers.ns1:write_ns1",
    writer_options={"n_units": 6, "sound_driven": False, "edge_cases": True, "published_spectrogram": True},
    bench_options={"n_units": 119, "sound_driven": False, "published_spectrogram": True},
    peer_class="NS1Dataset",
    neuron_name=("cell_id",),
    stimulus_name=("name",),
    vocabulary=Vocabulary({name: name for name in NEURON_FIELDS}, {"name": "name", "type": "type"}),
    runs=(
        Run("counts", {"smooth": False}),
        Run("defaults", preprocessing="deepstrf", responses=SMOOTHED),
        Run(
            "waveforms",
            {"smooth": False, "return_waveform": True},
            stimulus="waveform",
            stimuli=WAVEFORM,
            every_seed=False,
        ),
    ),
    differences=(
        CorpusDifference(
            "one-spike-per-millisecond",
            "Spike times are rounded to whole milliseconds, and a millisecond holds one spike at most.",
            "Every spike is counted in bin floor(t / dt).",
            "Spikes of fast units were lost. `binning=one_per_ms` gives deepSTRF's counts.",
            one_spike_per_millisecond,
        ),
        CorpusDifference(
            "unknown-is-null",
            'The type of a clip that nobody described is "unknown".',
            "It is null, as every absent value.",
            "No value that is a word must be told from words.",
            says(stimuli={"type": {None: "unknown"}}),
        ),
        SIGNAL_TYPE,
        SHORT_KERNEL,
    ),
)
