"""How Espejo 2019 is compared with deepSTRF 0.1.0."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from deepstrf_hf.formats.nems import read_recording
from scripts.parity.corpus_declaration import EXACT, WAVEFORM, CorpusDifference, CorpusParity, RawFolder, Run
from scripts.parity.corpus_models import SIGNAL_TYPE
from scripts.parity.corpus_snapshot import Snapshot, Vocabulary

FOLDERS = {"nat": "A1_natural_sounds/NAT", "vmn": "A1_voc_mod_noise/VMN"}
RATE_HZ = 100
PEER_ONSET_S = 0.5
"""When deepSTRF lets every sound begin."""
CELLS = {"nat": ("AMT003c-05-2", "bbl086b-03-1"), "vmn": ("por012a-c1", "btn144a-a2")}
NEURON_FIELDS = ("cell_id", "experiment_set", "site", "animal_id", "channel", "unit")

Times = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Archive:
    """A recording of the raw tree.

    Parameters
    ----------
    cells : tuple of str
        Its neurons.
    played : dict of str to ndarray
        Start and end of each presentation, by name of the epoch.
    tiles : dict of str to int
        Bins of the stimulus of each name that has one.
    spikes_s : dict of str to ndarray
        By neuron; empty where the recording holds counts.
    """

    cells: tuple[str, ...]
    played: Mapping[str, Times]
    tiles: Mapping[str, int]
    spikes_s: Mapping[str, Times]


@functools.cache
def archives(folder: Path) -> tuple[Archive, ...]:
    """Read the recordings of a release, in the order of their names, as deepSTRF takes them."""
    return tuple(_archive(path) for path in sorted(folder.glob("*.tgz"), key=lambda path: path.name))


def _archive(path: Path) -> Archive:
    recording = read_recording(path, ("resp", "stim"))
    epochs, cells = recording.epochs("resp"), recording.signal("resp").require_channels()
    played = {name: epochs.occurrences(name) for name in epochs.names("STIM_")}
    spikes: dict[str, Times] = {}
    if recording.values_kind("resp") == "events":
        events = recording.events("resp")
        spikes = dict(zip(events.channels, events.times_s, strict=True))
    if recording.values_kind("stim") == "tiles":
        with recording.tiles("stim") as tiles:
            bins = {name: tiles.read(name).values.shape[1] for name in tiles.names}
    else:
        bins = {name: _bins(times[0]) for name, times in played.items()}
    return Archive(cells, played, bins, spikes)


def _bins(window: Times) -> int:
    return int(np.round((window[1] - window[0]) * RATE_HZ))


def lab_name(stim_id: str) -> str:
    """Return the name that one of our ids begins with."""
    return stim_id.rpartition("@")[0]


def counted(times: Times, window: Times, *, from_start: bool) -> NDArray[np.float32]:
    """Count spikes of one presentation by either rule.

    Parameters
    ----------
    times : ndarray
        Spike times, s.
    window : ndarray
        Start and end, s.
    from_start : bool
        ``floor((t - start) / 0.01)`` as deepSTRF, else ``floor(t * 100) - round(start * 100)`` as NEMS.
    """
    if from_start:
        bins = np.floor((times - window[0]) / 0.01)
    else:
        bins = np.floor(times * RATE_HZ) - np.round(window[0] * RATE_HZ)
    edges = np.arange(_bins(window) + 1)
    return np.histogram(bins[bins < edges[-1]], edges)[0].astype(np.float32)


def bins_from_the_start(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model deepSTRF's bins, in the place of responses alone that follow the rule of NEMS on the raw spike times."""
    responses, release = dict(ours.responses), folder.corpus.cohort
    for (stim_id, cell), response in ours.responses.items():
        name = lab_name(stim_id)
        holding = [one for one in archives(folder.raw / FOLDERS[release]) if cell in one.spikes_s and name in one.tiles]
        windows = [(one.spikes_s[cell], window) for one in holding for window in one.played.get(name, ())]
        windows = [(times, window) for times, window in windows if _bins(window) == response.shape[1]]
        by_rule = [counted(times, window, from_start=False) for times, window in windows]
        if by_rule and np.array_equal(by_rule, response):
            responses[stim_id, cell] = np.stack([counted(times, window, from_start=True) for times, window in windows])
    return ours.with_responses(responses)


def first_tile_for_all(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that a name has one spectrogram, that of the first archive that has one, and what follows from it.

    Responses of archives with another length are cut or filled with zeros.
    """
    release = folder.corpus.cohort
    first: dict[str, str] = {}
    for archive in archives(folder.raw / FOLDERS[release]):
        for name in archive.played:
            ids = [i for i, cell in ours.responses if lab_name(i) == name and cell in archive.cells]
            if name in archive.tiles and ids:
                first.setdefault(name, ids[0])
    responses = {}
    for (stim_id, cell), response in ours.responses.items():
        name = lab_name(stim_id)
        bins = int(ours.stimuli[first[name]]["n_samples"])
        padded = np.pad(response, ((0, 0), (0, max(0, bins - response.shape[1]))))
        responses[name, cell] = padded[:, :bins]
    return replace(
        ours,
        stimuli={name: {**ours.stimuli[stim_id], "name": name} for name, stim_id in first.items()},
        values={name: ours.values[stim_id] for name, stim_id in first.items()},
        responses=responses,
    )


def sounds_after_half_a_second(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that the whole file of every sound begins 0.5 s after its epoch; after `first_tile_for_all`."""
    if run.stimulus != "waveform":
        return ours
    values = {}
    for name, placed in ours.values.items():
        path = folder.raw / "nat_waveforms" / name.removeprefix("STIM_")
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        waveform, begin = np.zeros_like(placed), round(PEER_ONSET_S * rate)
        heard = samples.mean(axis=1)[: waveform.shape[-1] - begin]
        waveform[..., begin : begin + len(heard)] = heard
        values[name] = waveform
    return replace(ours, values=values)


def what_was_recorded(theirs: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Take neurons and stimuli without any response from deepSTRF's."""
    heard = {stimulus for stimulus, _ in theirs.responses}
    hearing = {neuron for _, neuron in theirs.responses}
    return replace(
        theirs,
        neurons={name: entry for name, entry in theirs.neurons.items() if name in hearing},
        stimuli={name: entry for name, entry in theirs.stimuli.items() if name in heard},
        values={name: values for name, values in theirs.values.items() if name in heard},
    )


def runs(release: str) -> tuple[Run, ...]:
    """Return the ways to load a release."""
    plain = {"stimuli": release}
    chosen = (
        Run("defaults", plain, preprocessing="deepstrf", stimuli=EXACT),
        Run("smoothed", {**plain, "smooth": True}, preprocessing="deepstrf", stimuli=EXACT, every_seed=False),
        Run("counts from the start", plain, {"binning": "epoch"}, stimuli=EXACT, every_seed=False),
        *(
            Run(word, {**plain, "subset": word}, where={"stim.split": word}, preprocessing="deepstrf", stimuli=EXACT)
            for word in ("estimation", "test")
        ),
        Run(
            "two cells",
            {**plain, "cells": list(CELLS[release])},
            where={"neuron.cell_id": list(CELLS[release])},
            preprocessing="deepstrf",
            stimuli=EXACT,
        ),
    )
    if release == "vmn":
        return chosen
    waveforms = {**plain, "return_waveform": True}
    return (*chosen, Run("waveforms", waveforms, preprocessing="deepstrf", stimulus="waveform", stimuli=WAVEFORM))


BINS_OF_THE_RECORDING = CorpusDifference(
    "bins-of-the-recording",
    "Spikes are counted in floor((t - start) / dt).",
    "Spikes are counted in floor(t rate) - round(start rate), as NEMS does.",
    "It is the rule of the published models. `binning=epoch` gives deepSTRF's counts.",
    bins_from_the_start,
)
EVERY_TILE = CorpusDifference(
    "every-tile",
    "A name has one spectrogram, of the first archive that has one; responses of another length are cut or filled "
    "with zeros.",
    "Every spectrogram that was played is a stimulus; its responses have its bins.",
    "Filling invents silent bins, cutting loses spikes, and onsets differ by 1.5 s between sites.",
    first_tile_for_all,
)
RECORDED_ALONE = CorpusDifference(
    "recorded-alone",
    "A choice of stimuli or cells keeps cells and stimuli that have no responses left.",
    "They are not in the tables.",
    "There is nothing of them.",
    as_ours=what_was_recorded,
)
NAT = CorpusParity(
    name="espejo-nat",
    corpus="espejo",
    cohort="nat",
    writer="tests.raw_writers.espejo:write_espejo",
    bench_options={"plain_sites": 4},
    peer_class="EspejoDataset",
    neuron_name=("cell_id",),
    stimulus_name=("name",),
    vocabulary=Vocabulary(
        {name: name for name in NEURON_FIELDS},
        {
            "name": "stim_id",
            **{name: name for name in ("type", "n_repeats", "split", "duration_s")},
            "n_samples": lambda entry: entry["n_bins"],
        },
    ),
    runs=runs("nat"),
    differences=(
        SIGNAL_TYPE,
        BINS_OF_THE_RECORDING,
        EVERY_TILE,
        CorpusDifference(
            "onset-from-the-epochs",
            "Every sound begins 0.5 s after its epoch and lasts as long as its file.",
            "It begins when PreStimSilence ends, and ends when PostStimSilence begins.",
            "At sites with 2 s of silence the sound would come 1.5 s too early.",
            sounds_after_half_a_second,
        ),
        RECORDED_ALONE,
    ),
)
VMN = replace(
    NAT,
    name="espejo-vmn",
    cohort="vmn",
    runs=runs("vmn"),
    writer_options={"wavs": False},
    bench_options={"wavs": False},
    differences=(
        SIGNAL_TYPE,
        BINS_OF_THE_RECORDING,
        replace(
            EVERY_TILE,
            name="ids-tell-what-was-heard",
            theirs="A stimulus is known by the name of its epochs.",
            ours="It is known by this name and a digest of spectrogram and silences.",
            reason="One name may stand for several sounds.",
        ),
    ),
)
