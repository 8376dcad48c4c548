"""How Downer 2025 is compared with deepSTRF 0.1.0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.io

from deepstrf_hf.features.compression import LogFloored
from deepstrf_hf.features.kaldi import SMALLEST_ENERGY
from deepstrf_hf.responses.preprocessing import HanningSmooth
from scripts.parity.corpus_declaration import SMOOTHED, CorpusDifference, CorpusParity, RawFolder, Run, Tolerance
from scripts.parity.corpus_models import SHORT_KERNEL, SIGNAL_TYPE, resampled_by_a_short_kernel, says
from scripts.parity.corpus_snapshot import Float32, OurField, Snapshot, Vocabulary

NEURON_FIELDS: dict[str, OurField] = {
    **{name: name for name in ("cell_id", "session_id", "animal_id", "hemisphere", "area_group", "channel")},
    **{name: name for name in ("channel_suffix", "n_channels_in_session", "coord_x", "coord_y", "recording_type")},
    "area": "deepstrf_area",
}
STIMULUS_FIELDS: dict[str, OurField] = {
    **{name: name for name in ("name", "type", "duration_s", "n_samples", "n_reps_canonical")},
    "stim_id": "code",
    "split": lambda entry: entry["subset"],  # of every corpus, and so no column of this one
    "befaft_s": lambda entry: [0.0, 0.0],  # deepSTRF's are always these: what is left after trimming
}
CALL_FIELDS: dict[str, OurField] = {**STIMULUS_FIELDS, "n_reps_in_wav": "n_reps_in_wav"}
LOG = LogFloored(SMALLEST_ENERGY, "clip")
AS_DEEPSTRF = {"channels": "mean", "resampling": "windowed_sinc"}
"""Parameters that give deepSTRF's calls."""
SCORED = Tolerance(2e-2)
"""Standardized: what `LOG_ENERGY` tolerates, over the standard deviation of the band, which is small in quiet ones."""
SOUND = Tolerance(2e-6)
"""Waveforms in ±1, resampled by one formula in single precision."""


@dataclass(frozen=True)
class LogEnergyTolerance(Tolerance):
    """What single precision does to log energies: ``2e-4 + 2e-7 exp((m - v) / 2)``, m the largest of the frame."""

    def difference(self, ours: Float32, theirs: Float32) -> float:
        """Return the largest difference in units of what is tolerable."""
        one, other = ours.astype(np.float64), theirs.astype(np.float64)
        below = np.maximum(one, other).max(axis=-2, keepdims=True) - np.minimum(one, other)
        return float((np.abs(one - other) / (2e-4 + 2e-7 * np.exp(below / 2))).max(initial=0.0))


LOG_ENERGY = LogEnergyTolerance(1.0)


def _frames(folder: RawFolder, run: Run) -> dict[str, int]:
    """Return how many bins of each stimulus hold a frame, by its name."""
    import pyarrow.parquet

    out, config = folder.built(run)
    files = sorted((out / f"{config}-stimuli").glob("*.parquet"))
    rows = [
        row
        for file in files
        for row in pyarrow.parquet.read_table(file, columns=["stim_name", "stim_n_frames"]).to_pylist()
    ]
    return {row["stim_name"]: row["stim_n_frames"] for row in rows}


def filled_with_zeros(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that bins without a whole frame are 0 after the logarithm; standardized, they are so in both libraries."""
    if run.stimulus != "spectrogram" or isinstance(run.preprocessing, str):
        return ours
    frames, values = _frames(folder, run), {}
    for name, spectrogram in ours.values.items():
        values[name] = spectrogram.copy()
        values[name][..., frames[name] :] = 0
    return replace(ours, values=values)


def both_channels(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that the onset pulses are half of the sound, and the short kernel: stimuli built with these parameters."""
    if "channels" in run.parameters or folder.corpus.cohort != "mvocs":
        return ours
    both = folder.ours(run, **AS_DEEPSTRF)
    return replace(
        ours,
        values=resampled_by_a_short_kernel(
            both, folder, replace(run, parameters={**run.parameters, **AS_DEEPSTRF})
        ).values,
    )


def only_recorded(theirs: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Take from deepSTRF's snapshot the channels of sessions that played nothing of the class."""
    field = {"timit": "timitStimcode", "mvocs": "mVocStimcode"}[folder.corpus.cohort]
    playing = set()
    for session in {entry["session_id"] for entry in theirs.neurons.values()}:
        file = sorted((folder.raw / "sessions" / session).glob("*_MUspk.mat"))[0]
        trial = scipy.io.loadmat(file, variable_names=["trial"], squeeze_me=True)["trial"]
        if np.any(trial[field].item()):
            playing.add(session)
    neurons = {name: entry for name, entry in theirs.neurons.items() if entry["session_id"] in playing}
    return replace(theirs, neurons=neurons)


FILLED = CorpusDifference(
    "bins-without-sound",
    "Bins at the end that no whole window fits into are 0 after the logarithm, which is an energy of 1.",
    "They hold no energy, and so the logarithm's floor.",
    "Standardized they are 0, the mean, in both; without it, they are silence rather than sound.",
    filled_with_zeros,
)
SOUND_ALONE = CorpusDifference(
    "calls-without-pulses",
    "The sound of a call is the mean of the two channels, so that half of each onset pulse is in it, and is resampled "
    "by a short kernel.",
    "It is the first channel, resampled by soxr; `channels=mean` and `resampling=windowed_sinc` give deepSTRF's.",
    "The animal did not hear the pulses; a click at every onset dominates the first frames of all bands.",
    both_channels,
)
RATE = CorpusDifference(
    "no-rate-without-sound",
    "`audio_fs` is 16000 for spectrograms too.",
    "It is None for spectrograms, as for every corpus.",
    "Nothing has that rate there.",
    says(facts={"audio_fs": {None: 16_000}}),
)
RECORDED = CorpusDifference(
    "what-was-recorded",
    "Channels of a session that played no calls are there without responses.",
    "They are named in the build report.",
    "They hold no data.",
    as_ours=only_recorded,
)


def _run(name: str, played: str, options: Mapping[str, Any] | None = None, **keywords: Any) -> Run:
    defaults = {"preprocessing": "deepstrf", "stimuli": SCORED, "responses": SMOOTHED}
    return Run(name, {"stimuli": played, **(options or {})}, **{**defaults, **keywords})


def _parity(
    cohort: str,
    fields: dict[str, OurField],
    runs: Sequence[Run],
    differences: Sequence[CorpusDifference],
    *,
    hard: bool = False,
) -> CorpusParity:
    return CorpusParity(
        name=f"downer2025-{cohort}" + ("-hard" if hard else ""),
        corpus="downer2025",
        cohort=cohort,
        writer="tests.raw_writers.downer2025:write_downer2025",
        peer_class="Downer2025Dataset",
        neuron_name=("cell_id",),
        stimulus_name=("name",),
        vocabulary=Vocabulary(NEURON_FIELDS, fields),
        runs=tuple(runs),
        differences=(SIGNAL_TYPE, *differences),
        writer_options={"hard": True} if hard else {},
        bench_options={} if hard else {"bench": 8},
    )


def _waveforms(played: str, name: str = "waveforms", **keywords: Any) -> Run:
    return _run(name, played, {"return_waveform": True}, stimulus="waveform", stimuli=SOUND, **keywords)


SENTENCES = _parity(
    "timit",
    STIMULUS_FIELDS,
    (
        _run("defaults", "timit"),
        _run(
            "no z-score",
            "timit",
            {"spec_zscore": False},
            preprocessing=[LOG, HanningSmooth(21)],
            stimuli=LOG_ENERGY,
        ),
        _run("no smoothing", "timit", options={"smooth": False}, preprocessing="published"),
        _run("another compression", "timit", options={"compression": "cubic"}, every_seed=False),
        _run("bins of 20 ms", "timit", options={"dt_ms": 20}, parameters={"dt_ms": 20.0}),
        _run("bins of 50 ms", "timit", options={"dt_ms": 50}, parameters={"dt_ms": 50.0}),
        _run(
            "40 bands to 6 kHz, 16 ms",
            "timit",
            options={"n_mels": 40, "fmax": 6000, "window_ms": 16.0},
            parameters={"n_bands": 40, "fmax": 6000.0, "window_ms": 16.0},
            every_seed=False,
        ),
        _run("test", "timit", options={"subset": "test"}, where={"stim.n_reps_canonical": 11}, every_seed=False),
        _run(
            "estimation", "timit", {"subset": "estimation"}, where={"stim.n_reps_canonical": 1}, every_seed=False
        ),
        _run("monkey b", "timit", options={"animals": ["b"]}, where={"neuron.animal_id": "b"}, every_seed=False),
        _run("core", "timit", options={"areas": ["core"]}, where={"neuron.area_group": "core"}, every_seed=False),
        _run("a1", "timit", options={"areas": ["A1"]}, where={"neuron.deepstrf_area": "A1"}, every_seed=False),
        _run(
            "two sessions",
            "timit",
            options={"sessions": ["180413", "180807"]},
            where={"neuron.session_id": ["180413", "180807"]},
            every_seed=False,
        ),
        _waveforms("timit"),
    ),
    (FILLED, RATE),
)  # fmt: skip
CALLS = _parity(
    "mvocs",
    CALL_FIELDS,
    (
        _run("defaults", "mvocs"),
        _run("both channels", "mvocs", parameters=AS_DEEPSTRF),
        _run(
            "both channels, no z-score",
            "mvocs",
            options={"spec_zscore": False},
            parameters=AS_DEEPSTRF,
            preprocessing=[LOG, HanningSmooth(21)],
            stimuli=LOG_ENERGY,
        ),
        _run("bins of 50 ms", "mvocs", options={"dt_ms": 50}, parameters={"dt_ms": 50.0, **AS_DEEPSTRF}),
        _run("test", "mvocs", options={"subset": "test"}, where={"stim.n_reps_canonical": 15}, every_seed=False),
        _waveforms("mvocs"),
        _waveforms("mvocs", "waveforms of both channels", parameters=AS_DEEPSTRF),
    ),
    (SHORT_KERNEL, SOUND_ALONE, FILLED, RECORDED, RATE),
)
HARD_SENTENCES = _parity("timit", STIMULUS_FIELDS, (_waveforms("timit"),), (), hard=True)
HARD_CALLS = _parity(
    "mvocs",
    CALL_FIELDS,
    (_run("both channels", "mvocs", parameters=AS_DEEPSTRF), _waveforms("mvocs", parameters=AS_DEEPSTRF)),
    (SHORT_KERNEL, RECORDED, RATE),
    hard=True,
)
DOWNER2025 = (SENTENCES, CALLS, HARD_SENTENCES, HARD_CALLS)
