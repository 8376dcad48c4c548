"""How Alice EEG is compared with deepSTRF 0.1.0."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepstrf_hf.features.compression import LogFloored
from deepstrf_hf.features.erb import erb_band_power
from scripts.parity.corpus_declaration import CorpusDifference, CorpusParity, RawFolder, Run
from scripts.parity.corpus_findings import Tolerance
from scripts.parity.corpus_models import native_waveforms, says
from scripts.parity.corpus_snapshot import Float32, OurField, Snapshot, Vocabulary

SOUND_RATE_HZ = 44_100
LOGARITHM = LogFloored(1e-8, "add")


@dataclass(frozen=True)
class BelowThePeak(Tolerance):
    """Tolerance of logarithms of power whose Fourier transform was taken in single precision.

    Its noise is a fraction of the loudest band m of the frame: a value v may be 2e-4 + 2e-7 exp((m - v) / 2) away.
    Differences are given over (1 + 1e-3 exp((m - v) / 2)), so that the largest allowed one is 2e-4.
    """

    def difference(self, ours: Float32, theirs: Float32) -> float:
        """Return the largest difference of two spectrograms, shape (1, bands, bins) each."""
        one, other = ours.astype(np.float64), theirs.astype(np.float64)
        below = other.max(axis=-2, keepdims=True) - other
        apart = np.abs(one - other) / (1 + 1e-3 * np.exp(below / 2))
        return float(np.where(np.isnan(apart), np.inf, apart).max(initial=0.0))


GAUSSIAN = BelowThePeak(2e-4)
HEERIS = Tolerance(1e-6, relative=True)
"""Of the largest logarithm, which is -18.4 where the sound is silent: single precision resolves no more."""
EXACT = Tolerance(0.0)
WAVEFORM = Tolerance(0.0)
"""At the rate of the files nothing is resampled."""
RESAMPLED = Tolerance(2e-4, relative=True)


def _position(entry: Mapping[str, Any]) -> list[float] | None:
    return None if entry["x_m"] is None else [entry["x_m"], entry["y_m"], entry["z_m"]]


NEURON_FIELDS: dict[str, OurField] = {
    "channel_id": "channel_id",
    "subject": "subject",
    "area": "area",
    "xyz": _position,
}
STIMULUS_FIELDS: dict[str, OurField] = {
    **{name: name for name in ("name", "type", "n_samples", "duration_s")},
    "sample_rate": "sample_rate_hz",
}


@functools.lru_cache(maxsize=8)
def recording_of(raw: Path, subject: str) -> Any:
    """Open the recording of a subject with MNE, all EEG channels loaded."""
    import mne

    (file,) = raw.glob(f"**/{subject}_alice-raw.fif")
    return mne.io.read_raw_fif(file, preload=True, verbose="ERROR").pick("eeg")


def cut_as_deepstrf(raw: Path, subject: str, run: Run, lengths: Mapping[int, int]) -> dict[tuple[int, str], Float32]:
    """Cut the segments of a subject out of its recording, onsets taken as the annotations have them.

    Parameters
    ----------
    raw : Path
        Raw tree.
    subject : str
        Subject.
    run : Run
        How deepSTRF is called.
    lengths : mapping of int to int
        Bins by segment.

    Returns
    -------
    dict of (int, str) to ndarray of float32, shape (1, bins)
        V, by segment and channel; channels that are bad, and what holds no value, are absent.
    """
    recording = recording_of(raw, subject)
    options, rate = run.peer_options, 1000 / run.peer_options.get("dt_ms", 10)
    filtered = recording.copy().filter(options.get("hp_freq_hz", 1.0), options.get("lp_freq_hz"), verbose="ERROR")
    values = filtered.resample(rate, verbose="ERROR").get_data()
    found = {}
    for entry in recording.annotations:
        if entry["description"].upper().startswith("BAD"):
            values[:, round(entry["onset"] * rate) : round((entry["onset"] + entry["duration"]) * rate)] = np.nan
    for entry in recording.annotations:
        if entry["description"].isdigit() and int(entry["description"]) in lengths:
            segment, start = int(entry["description"]), round(entry["onset"] * rate)
            piece = values[:, start : start + lengths[segment]]
            piece = np.pad(piece, ((0, 0), (0, lengths[segment] - piece.shape[1])), constant_values=np.nan)
            for channel, samples in zip(recording.ch_names, piece.astype(np.float32), strict=True):
                if channel not in recording.info["bads"] and not np.isnan(samples).all():
                    found[segment, channel] = samples[None]
    return found


def without_bad_channels(theirs: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Take from deepSTRF's snapshot the channels that the files mark as bad, which have no response there."""
    bad = {
        name
        for name, entry in theirs.neurons.items()
        if entry["channel_id"] in recording_of(folder.raw, entry["subject"]).info["bads"]
    }
    bad -= {neuron for _, neuron in theirs.responses}
    return replace(theirs, neurons={name: entry for name, entry in theirs.neurons.items() if name not in bad})


def without_unheard(theirs: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Take from deepSTRF's snapshot the sounds of which no subject that is loaded has a response."""
    lengths = {int(name.split(".")[0]): values.shape[-1] for name, values in theirs.values.items()}
    subjects = {entry["subject"] for entry in theirs.neurons.values()}
    if run.stimulus == "waveform":
        hop = theirs.facts["audio_fs"] * theirs.facts["dt"] / 1000
        lengths = {segment: round(length / hop) for segment, length in lengths.items()}
    heard = {
        f"{segment}.wav" for subject in subjects for segment, _ in cut_as_deepstrf(folder.raw, subject, run, lengths)
    } | {stimulus for stimulus, _ in theirs.responses}
    return replace(
        theirs,
        stimuli={name: entry for name, entry in theirs.stimuli.items() if name in heard},
        values={name: values for name, values in theirs.values.items() if name in heard},
    )


def nan_for_no_position(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model deepSTRF's position of electrodes that have none."""
    neurons = {
        name: {**entry, "xyz": [float("nan")] * 3} if entry["xyz"] is None else entry
        for name, entry in ours.neurons.items()
    }
    return replace(ours, neurons=neurons) if neurons != ours.neurons else ours


def counted_from_the_measurement(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model deepSTRF's onsets: as annotations have them, whatever the first sample of the file."""
    lengths = {int(name.split(".")[0]): values.shape[-1] for name, values in ours.values.items()}
    responses = dict(ours.responses)
    for subject in {entry["subject"] for entry in ours.neurons.values()}:
        if recording_of(folder.raw, subject).first_samp:
            cut = cut_as_deepstrf(folder.raw, subject, run, lengths)
            responses |= {
                (f"{segment}.wav", f"{subject}/{channel}"): values for (segment, channel), values in cut.items()
            }
    return ours.with_responses(responses)


def hop_in_whole_samples(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model deepSTRF's frames: a whole number of samples apart, whatever the width of a bin."""
    exact = SOUND_RATE_HZ * run.peer_options.get("dt_ms", 10) / 1000
    hop = round(exact)
    if hop == exact:
        return ours
    from builders.alice_eeg.segments import band_centres
    from deepstrf_hf.config import with_parameters
    from deepstrf_hf.registry import load_builder

    config: Any = with_parameters(load_builder("alice_eeg").default_config("all"), dict(run.parameters))
    n_fft, values, lengths = config.settings.window_samples, {}, {}
    for name, (waveform, rate) in native_waveforms(folder, run).items():
        lengths[int(name.split(".")[0])] = frames = 1 + len(waveform) // hop
        power = erb_band_power(
            waveform, rate, centres_hz=band_centres(config.settings), n_fft=n_fft, starts=np.arange(frames) * hop
        )
        values[name] = LOGARITHM.apply(power)[None]
    responses = {
        (f"{segment}.wav", f"{subject}/{channel}"): cut
        for subject in {entry["subject"] for entry in ours.neurons.values()}
        for (segment, channel), cut in cut_as_deepstrf(folder.raw, subject, run, lengths).items()
    }
    return replace(ours, values=values, responses=responses)


BAD_CHANNELS = CorpusDifference(
    "bad-channels",
    "Channels that the lab marks as bad are neurons without responses.",
    "They are named in the build report, and counted.",
    "They hold no data.",
    as_ours=without_bad_channels,
)
UNHEARD = CorpusDifference(
    "unheard-stimuli",
    "A sound that no subject has a response to is a stimulus without responses.",
    "It is named in the build report, with the subjects who lack it.",
    "It holds no data.",
    as_ours=without_unheard,
)
POSITIONS = CorpusDifference(
    "absent-positions",
    "An electrode without position is at (NaN, NaN, NaN).",
    "Its position is null.",
    "Absent values are null in every table.",
    nan_for_no_position,
)
SIGNAL_TYPE = CorpusDifference(
    "signal-type-is-told",
    "`signal_type` is None.",
    "`signal_type` is `spikes`, `subthreshold` or `eeg` for every corpus.",
    "Models and losses depend on it.",
    says(facts={"signal_type": {"eeg": None}}),
)
WHOLE_HOP = CorpusDifference(
    "hop-in-whole-samples",
    "Frames of the spectrogram are a whole number of samples apart: 220 where a bin of 5 ms has 220.5.",
    "Frame t is centred on sample round(220.5 t).",
    "Frames slip against the EEG by 2.3 ms per second, and there are more of them than bins.",
    hop_in_whole_samples,
)
FIRST_SAMPLE = CorpusDifference(
    "first-sample",
    "Onsets are taken as times in the file, though annotations count from the start of the measurement.",
    "Onsets are taken from the first sample that the file holds.",
    "In a file that begins 3 s later all responses are 3 s off.",
    counted_from_the_measurement,
)


def _run(name: str, **keywords: Any) -> Run:
    return Run(
        name, **{"preprocessing": "deepstrf", "stimuli": GAUSSIAN, "responses": EXACT, "peer_options": {}, **keywords}
    )


def _parity(name: str, runs: tuple[Run, ...], *differences: CorpusDifference, **keywords: Any) -> CorpusParity:
    return CorpusParity(
        name=name,
        corpus="alice_eeg",
        cohort="all",
        writer="tests.raw_writers.alice_eeg:write_alice_eeg",
        peer_class="AliceEEGDataset",
        neuron_name=("subject", "channel_id"),
        stimulus_name=("name",),
        vocabulary=Vocabulary(NEURON_FIELDS, STIMULUS_FIELDS),
        runs=runs,
        differences=differences,
        **keywords,
    )


ALICE_EEG = _parity(
    "alice_eeg",
    (
        _run("defaults"),
        _run(
            "heeris",
            peer_options={"spec_backend": "heeris"},
            parameters={"spectrogram_backend": "heeris"},
            stimuli=HEERIS,
        ),
        _run(
            "20 ms, 25 ms window, 12 bands, 1 to 20 Hz",
            peer_options={
                "dt_ms": 20.0, "window_ms": 25.0, "n_frequency_bands": 12, "lp_freq_hz": 20.0, "fmin": 100.0,
                "fmax": 8000.0,
            },
            parameters={
                "dt_ms": 20.0, "window_ms": 25.0, "n_bands": 12, "low_pass_hz": 20.0, "f_min": 100.0, "f_max": 8000.0,
            },
        ),
        _run("no filter", peer_options={"hp_freq_hz": None}, parameters={"high_pass_hz": None}, every_seed=False),
        _run("one subject", peer_options={"subjects": ["S05"]}, where={"neuron.subject": "S05"}, every_seed=False),
        _run("5 ms", peer_options={"dt_ms": 5.0}, parameters={"dt_ms": 5.0}),
        _run("waveforms", peer_options={"return_waveform": True}, stimulus="waveform", stimuli=WAVEFORM),
    ),
    SIGNAL_TYPE,
    BAD_CHANNELS,
    UNHEARD,
    WHOLE_HOP,
    bench_options={"n_channels": 61, "seconds": (20.0, 25.0), "more_subjects": 8},
)  # fmt: skip
ALICE_EEG_HARD = _parity(
    "alice_eeg-hard",
    (
        _run("all but one", peer_options={"subjects": ["S01", "S05", "S07", "S11", "S44"]},
             where={"neuron.subject": ["S01", "S05", "S07", "S11", "S44"]}),
        _run("cropped", peer_options={"subjects": ["S07"]}, where={"neuron.subject": "S07"}),
    ),
    SIGNAL_TYPE,
    BAD_CHANNELS,
    POSITIONS,
    FIRST_SAMPLE,
    writer_options={"hard": True, "n_channels": 12},
)  # fmt: skip
