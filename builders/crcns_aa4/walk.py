"""The walk over one bird of AA4: its units, its sounds, and what each unit fired to each sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from builders.crcns_aa4.config import CrcnsAa4Config
from builders.crcns_aa4.raw import ANIMALS, STIMULUS_TYPES, Catalogue, ListedUnit, read_catalogue
from builders.crcns_aa4.sounds import Sounds, read_stimuli
from builders.crcns_aa4.spikes import Unit, read_unit
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Recording, Stimulus
from deepstrf_hf.responses.binning import bin_spikes


def walk(raw: RawTree, config: CrcnsAa4Config, animal: str, log: BuildLog) -> Iterator[Recording]:
    """Yield the recordings of one bird, sound by sound in ascending order of MD5.

    The spike times of the bird are held in memory; the sounds are read one at a time.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A file cannot be used (with ``on_error="raise"``).
    """
    catalogue = read_catalogue(raw)
    sounds = Sounds(catalogue)
    _report_tree(raw, catalogue, log)
    listed = [
        unit
        for unit in log.usable("units", catalogue.units[animal])
        if _is_unit(unit, log) and config.keeps_neuron(unit.neuron.metadata)
    ]
    chosen = _chosen_sounds(listed, sounds, config, log)
    sounds.report(animal, chosen, log)
    units = list(log.usable("units", _read_units(raw, listed, frozenset(chosen))))
    for name in dict.fromkeys(name for unit in units for name in unit.strangers):
        log.leave_out("members of unit files", f"<protocol>/<stimulus>/{name}", "not a numbered trial")
    silent, short = {unit.listed.file for unit in units}, 0
    for stimulus in log.usable("stimuli", read_stimuli(raw, sounds, animal, chosen, config, log)):
        for unit in units:
            if stimulus.stim_id in unit.heard:
                silent.discard(unit.listed.file)
                recording = _recording(stimulus, unit, config, log)
                recorded = recording.metadata["recorded_bins"]
                short += recorded is not None and recorded < recording.response.shape[1]
                yield recording
        log.count(f"stimuli_{animal}", stimulus.stim_id, any(stimulus.stim_id in unit.heard for unit in units))
    if short:
        log.note(
            f"{animal}: {short} recordings have a trial that ends before the last bin; zeros past "
            "recording_recorded_bins are no observation."
        )
    for unit in units:
        kept = unit.listed.file not in silent
        log.count(f"neurons_{animal}", unit.listed.neuron.neuron_id, kept)
        log.count(
            "single_units", unit.listed.neuron.neuron_id, kept and unit.listed.neuron.metadata["sort_type"] == "single"
        )
        if not kept:
            log.leave_out("units", unit.listed.file, "no trial of the stimuli that are built")


def _recording(stimulus: Stimulus, unit: Unit, config: CrcnsAa4Config, log: BuildLog) -> Recording:
    heard, n_bins = unit.heard[stimulus.stim_id], stimulus.spectrogram.shape[1]
    binned = bin_spikes(heard.times_ms, heard.trials, heard.n_trials, n_bins, config.dt_ms)
    log.leave_out_amount("spikes", "before the onset of the sound", binned.before)
    log.leave_out_amount("spikes", "after the last bin of the sound", binned.after)
    samples, rate = np.asarray(stimulus.waveform), float(stimulus.sample_rate_hz or 0)
    metadata = heard.metadata(len(samples) * 1000 / rate, n_bins, config.dt_ms)
    return Recording(stimulus, unit.listed.neuron, binned.counts, metadata)


def _is_unit(unit: ListedUnit, log: BuildLog) -> bool:
    for name in unit.strangers:
        log.leave_out("members of unit files", name, "neither a protocol nor a numbered stimulus")
    if unit.left_out is not None:
        log.leave_out("units", unit.file, unit.left_out)
    return unit.left_out is None


def _read_units(
    raw: RawTree, listed: Sequence[ListedUnit], chosen: frozenset[str]
) -> Iterator[tuple[str, Unit | RawDataError]]:
    for unit in listed:
        try:
            yield unit.file, read_unit(raw, unit, chosen)
        except RawDataError as error:
            yield unit.file, error


def _chosen_sounds(listed: Sequence[ListedUnit], sounds: Sounds, config: CrcnsAa4Config, log: BuildLog) -> list[str]:
    """Return the MD5 of the sounds to build, ascending, and write into the log which of them cannot be."""
    pairs: dict[str, set[str]] = {}
    for unit in listed:
        for presentation in unit.presentations:
            pairs.setdefault(presentation.md5, set()).add(unit.file)
    chosen = []
    for md5 in sorted(pairs):
        metadata = sounds.metadata(md5)
        if not config.keeps_stimulus(metadata):
            continue
        if metadata["type"] not in STIMULUS_TYPES:
            reason = f"its type is {metadata['type'] or 'not stated'}, not {', '.join(STIMULUS_TYPES)}"
        elif sounds.file(md5) is None:
            reason = "no bird's folder holds its wav file"
        else:
            chosen.append(md5)
            continue
        log.leave_out("stimuli", md5, reason)
        log.leave_out_amount("recordings", f"of a stimulus that is left out: {reason}", len(pairs[md5]))
    return chosen


def _report_tree(raw: RawTree, catalogue: Catalogue, log: BuildLog) -> None:
    """Write into the log which birds are missing, and which folders are of no bird of the release."""
    absent = [animal for animal in ANIMALS if animal not in catalogue.units]
    if absent:
        log.note(f"No unit files of {', '.join(absent)} are in this tree.")
    for folder in sorted(path for path in raw.root.iterdir() if path.is_dir() and path.name not in ANIMALS):
        if any(folder.glob("*.h5")):
            log.leave_out("folders", folder.name, "not one of the six birds of the release")
    log.note("The documents of the corpus disagree on its units: 1401 in all, but 1343 when the six birds are added.")
