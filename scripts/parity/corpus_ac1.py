"""How CRCNS AC1 is compared with deepSTRF 0.1.0, cohort by cohort."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import scipy.io

from scripts.parity.corpus_declaration import (
    WAVEFORM,
    AsDeepstrf,
    CorpusDifference,
    CorpusParity,
    RawFolder,
    Run,
)
from scripts.parity.corpus_findings import Tolerance
from scripts.parity.corpus_models import SHORT_KERNEL
from scripts.parity.corpus_snapshot import Float32, Metadata, Snapshot, Vocabulary

LOG_SPECTROGRAM = Tolerance(1e-4, relative=True, floor=-150.0)
"""dB; what lies below the floor is rounding noise of silence."""
POTENTIAL = Tolerance(1e-5)
"""mV."""
SPIKE_SIGNAL = Tolerance(1e-5, relative=True)
NEURON_FIELDS = ("experimenter", "session", "animal_id", "penetration", "date", "site", "recording_type", "species")


def blanks_apart(field: str, of: Callable[[str], Any] = str) -> Callable[[Mapping[str, Any]], list[Any] | None]:
    """Return a function that reads a column of words as a list."""

    def read(entry: Mapping[str, Any]) -> list[Any] | None:
        text = entry.get(field)
        return None if text is None else [of(word) for word in text.split()]

    return read


def signal_type_of_each_cell(word: str, of_all: str) -> AsDeepstrf:
    """Model that each cell has a signal type, and the data set that of all its cells.

    Parameters
    ----------
    word, of_all : str
        deepSTRF's words for the cells of the cohort, and for all that it loads with them.
    """

    def as_deepstrf(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
        neurons = {name: {**entry, "signal_type": word} for name, entry in ours.neurons.items()}
        return replace(ours, facts={**ours.facts, "signal_type": of_all}, neurons=neurons)

    return as_deepstrf


def recordings_of(session: Path) -> Iterator[tuple[str, str, set[tuple[str, ...]]]]:
    """Yield site, mode, and the sequences presented, of each file of one of Asari's sessions."""
    for path in sorted(session.glob("*.mat")):
        content = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)
        parameters = content["param"]
        if not (hasattr(parameters, "recording") and hasattr(parameters, "stimulus")):
            continue
        site = "A1" if "cortex" in str(parameters.recording.site).lower() else "MGB"
        mode = "cell-attached" if "attached" in str(parameters.recording.type).lower() else "whole-cell"
        lookup = [str(one.file) for one in _listed(parameters.stimulus)]
        heard = set()
        for trigger in _listed(content["triggers"]):
            words = str(trigger.param.description).partition(":")[2].split()
            if words and all(word.isdecimal() and 0 < int(word) <= len(lookup) for word in words):
                heard.add(tuple(lookup[int(word) - 1] for word in words))
        yield site, mode, heard


def _listed(value: Any) -> list[Any]:
    return list(value) if hasattr(value, "__len__") else [value]


def mode_of_the_first_file(theirs: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Take from deepSTRF's responses those to sequences that were recorded otherwise than the session began."""
    responses = dict(theirs.responses)
    for session in sorted(folder.raw.glob("crcns-ac1-asari-results-*/asari-results-*/*")):
        if not session.is_dir() or session.name not in theirs.neurons:
            continue
        files = list(recordings_of(session))
        kept = {sequence for site, mode, heard in files if (site, mode) == files[0][:2] for sequence in heard}
        for other in {sequence for _, _, heard in files for sequence in heard} - kept:
            responses.pop((",".join(other), session.name), None)
    heard_by = {stimulus for stimulus, _ in responses}
    return replace(
        theirs,
        stimuli={name: entry for name, entry in theirs.stimuli.items() if name in heard_by},
        values={name: values for name, values in theirs.values.items() if name in heard_by},
        responses=responses,
    )


def with_slashes(theirs: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Join what deepSTRF takes for two stimuli, because some files write their folders with backslashes.

    The first that was heard describes both; both are as long as the shorter one.
    """
    stimuli: dict[str, Metadata] = {}
    values = dict[str, Float32]()
    names: dict[str, str] = {}
    for name, entry in theirs.stimuli.items():
        files = [file.replace("\\", "/") for file in entry["segment_files"]]
        if files != entry["segment_files"]:
            category = files[0].partition("/")[0]
            class_n = int(category.removeprefix("class"))
            entry = {**entry, "segment_files": files, "category": category, "class_n": class_n}
        names[name] = joined = ",".join(files)
        stimuli.setdefault(joined, entry)
        shorter = min(values.get(joined, theirs.values[name]), theirs.values[name], key=lambda one: one.shape[-1])
        values[joined] = shorter
    bins = dict[str, int]()
    for (name, _), response in theirs.responses.items():
        bins[names[name]] = min(bins.get(names[name], response.shape[1]), response.shape[1])
    responses = {
        (names[name], cell): response[:, : bins[names[name]]] for (name, cell), response in theirs.responses.items()
    }
    return replace(theirs, stimuli=stimuli, values=values, responses=responses)


def of_site(site: str) -> Callable[[Metadata], bool]:
    """Return a function that tells deepSTRF's cells of a site."""

    def keeps(neuron: Metadata) -> bool:
        return bool(neuron["site"] == site)

    return keeps


def signal_type(word: str, of_all: str) -> CorpusDifference:
    """Return the difference in the words for what was recorded (arguments as `signal_type_of_each_cell`)."""
    return CorpusDifference(
        "one-signal-per-cohort",
        "Membrane potentials and spikes may be loaded together; `signal_type` is a word of every cell, and `mixed` of "
        "such a data set.",
        "A cohort has one kind of signal; `signal_type` is `subthreshold` or `spikes`.",
        "Millivolts and spike counts cannot be fitted or scored as one.",
        signal_type_of_each_cell(word, of_all),
    )


def runs(peer_options: Mapping[str, Any], responses: Tolerance) -> tuple[Run, ...]:
    """Return the ways to load a cohort."""
    return (
        Run("defaults", peer_options, preprocessing="deepstrf", stimuli=LOG_SPECTROGRAM, responses=responses),
        Run(
            "10 ms, to 25.6 kHz",
            {**peer_options, "dt_ms": 10.0, "fmax": 25_600.0, "bins_per_octave": 4},
            {"dt_ms": 10.0, "fmax": 25_600.0, "bins_per_octave": 4.0},
            stimuli=LOG_SPECTROGRAM,
            responses=responses,
        ),
        Run(
            "faster detrending",
            {**peer_options, "detrend_med_ms": 60.0, "detrend_gauss_ms": 5.0, "window_ms": 20.0},
            {"detrend_med_ms": 60.0, "detrend_gauss_ms": 5.0, "window_ms": 20.0},
            stimuli=LOG_SPECTROGRAM,
            responses=responses,
        ),
        Run(
            "waveforms",
            {**peer_options, "return_waveform": True},
            stimulus="waveform",
            stimuli=WAVEFORM,
            responses=responses,
            every_seed=False,
        ),
    )


WEHR = CorpusParity(
    name="crcns_ac1-wehr",
    corpus="crcns_ac1",
    cohort="wehr",
    writer="tests.raw_writers.crcns_ac1:write_crcns_ac1",
    bench_options={"n_wehr_sessions": 25},
    peer_class="CRCNSAC1Dataset",
    neuron_name=("session",),
    stimulus_name=("category", "idx"),
    vocabulary=Vocabulary(
        {**{name: name for name in NEURON_FIELDS}, "_wehr_cell_idx": "wehr_cell_idx"},
        {name: name for name in ("experimenter", "category", "idx", "description", "duration_s")},
    ),
    runs=runs({"experimenter": "wehr"}, POTENTIAL),
    differences=(signal_type("subthresh", "subthresh"), SHORT_KERNEL),
)
ASARI_A1 = replace(
    WEHR,
    name="crcns_ac1-asari_a1",
    cohort="asari_a1",
    stimulus_name=("segment_files",),
    vocabulary=Vocabulary(
        {name: name for name in NEURON_FIELDS},
        {
            **{name: name for name in ("experimenter", "category", "class_n", "sequence", "description", "duration_s")},
            "segments": blanks_apart("segments", int),
            "segment_files": blanks_apart("segment_files"),
        },
    ),
    runs=runs({"experimenter": "asari"}, POTENTIAL),
    keeps=of_site("A1"),
    differences=(
        signal_type("subthresh", "mixed"),
        CorpusDifference(
            "mode-of-each-file",
            "The first file of a session tells site and mode of all of it.",
            "Every file tells its own; a recording that no cohort has is left out by name.",
            "A cell-attached trace is no membrane potential.",
            as_ours=mode_of_the_first_file,
        ),
        CorpusDifference(
            "slashes-in-names",
            "A sound whose folder is written with a backslash is another stimulus, of the category `mixed`.",
            "Both signs are one.",
            "It is the same file; splits by stimulus would leak.",
            as_ours=with_slashes,
        ),
        SHORT_KERNEL,
    ),
)
ASARI_MGB = replace(
    ASARI_A1,
    name="crcns_ac1-asari_mgb",
    cohort="asari_mgb",
    runs=runs({"experimenter": "asari"}, SPIKE_SIGNAL),
    keeps=of_site("MGB"),
    differences=(signal_type("spikes", "mixed"), SHORT_KERNEL),
)
