"""The walk over an area of NAT4: its population recording, its single-site recordings, and its sounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.nat4.auditory import read_auditory
from builders.nat4.config import Nat4Config
from builders.nat4.population import Clip, Population, read_population
from builders.nat4.sites import ValResponses, match_sites, read_sites
from builders.nat4.sounds import DIRECTORY, Sounds
from builders.nat4.verdicts import Verdict, judge, report
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError, RawFormatError
from deepstrf_hf.formats.nems_cells import parse_cell_id
from deepstrf_hf.formats.wav import read_sound
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Recording, Stimulus
from deepstrf_hf.where import keeps

RANGE = "population"
"""Name of the stored range of bands: that of the whole population recording, silences between clips included."""
FROM_NAME = ("cell_id", "area", "auditory", "site", "animal", "electrode", "unit")
"""Columns that are known before any response is read."""


def walk(raw: RawTree, config: Nat4Config, area: str, log: BuildLog) -> Iterator[Recording]:
    """Yield the recordings of an area, clip by clip in ascending order of name.

    One byte per value of the population recording is held, and the counts of all presentations of the val clips.

    Raises
    ------
    MissingRawFileError, RawFormatError
        The population recording cannot be used; or another file (with ``on_error="raise"``).
    """
    sounds = Sounds(raw)
    population = read_population(raw, area, log)
    auditory = read_auditory(raw, area, population.cells, log)
    named = {cell: _from_name(cell, area, auditory) for cell in population.cells}
    known = {name: values for name, values in config.where.items() if name.removeprefix("neuron.") in FROM_NAME}
    wanted = [cell for cell in population.cells if keeps(known, "neuron", named[cell])]
    sites = match_sites(raw, area, wanted, log)
    heard = list(log.usable("single-site recordings", read_sites(sites, population, log)))
    site_names = {cell: there for site in heard for cell, there in zip(site.cells, site.names, strict=True)}
    verdicts = judge(population, heard)
    report(area, verdicts, {cell: there for cell, there in site_names.items() if cell != there}, log)
    statistics = _statistics(population)
    neurons = {}
    for cell in wanted:
        metadata = {
            **named[cell],
            **statistics[cell],
            "site_cell_id": site_names.get(cell),
            **_judgement(verdicts.get(cell)),
        }
        if config.keeps_neuron(metadata):
            neurons[cell] = Neuron(cell, metadata)
    for cell in [cell for cell in neurons if cell not in site_names]:
        log.leave_out("val responses", cell, "the cell is in no single-site recording that can be used")
    yield from _recordings(raw, config, population, heard, neurons, sounds, log)


def _recordings(
    raw: RawTree,
    config: Nat4Config,
    population: Population,
    heard: Sequence[ValResponses],
    neurons: Mapping[str, Neuron],
    sounds: Sounds,
    log: BuildLog,
) -> Iterator[Recording]:
    for stray in sounds.strays(population.clips):
        log.leave_out("files", f"{DIRECTORY}/{stray}", "no clip is called so")
    if not sounds.available:
        log.note(f"There are no waveforms: the directory {DIRECTORY}/ (of wav.zip) is not in this tree.")
    with_rows: set[str] = set()
    band_range = population.band_range()
    for clip in population.clips:
        file = _sound_file(clip, sounds, log)
        metadata = _stimulus_metadata(clip, file)
        if not config.keeps_stimulus(metadata):
            continue
        stimulus = _stimulus(raw, population, clip, metadata, band_range, log)
        responses = _est(population, clip, neurons, log) if clip.subset == "est" else _val(heard, clip, neurons)
        counted = False
        for cell, response in responses:
            with_rows.add(cell)
            counted = True
            yield Recording(stimulus, neurons[cell], response)
        log.count("est_clips", clip.name, counted and clip.subset == "est")
        log.count("val_clips", clip.name, counted and clip.subset == "val")
        if not counted:
            log.leave_out("clips", clip.name, "no response of a cell that is built")
    for cell, neuron in neurons.items():
        there = cell in with_rows
        log.count("auditory", cell, there and neuron.metadata["auditory"] is True)
        log.count("with_val_responses", cell, there and neuron.metadata["site_cell_id"] is not None)
        log.count("val_matches_population", cell, there and neuron.metadata["val_matches_population"] is True)
        if there:
            log.count("sites", str(neuron.metadata["site"]), True)
        else:
            log.leave_out("cells", cell, "no response to any clip that is built")


def _est(
    population: Population, clip: Clip, neurons: Mapping[str, Neuron], log: BuildLog
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield the counts of all presentations of an estimation clip in the population recording, by cell."""
    presented = [population.responses.counts(start, stop) for start, stop in clip.spans]
    counts = np.stack([one[0] for one in presented], axis=1)
    missing, others = (np.stack([one[number] for one in presented]).sum(axis=0) for number in (1, 2))
    size = counts.shape[1] * counts.shape[2]

    def usable() -> Iterator[tuple[str, tuple[str, NDArray[np.uint8]] | RawDataError]]:
        for number, cell in enumerate(population.cells):
            if cell not in neurons:
                continue
            pair = f"{clip.name}, {cell}"
            if others[number]:
                yield pair, _no_counts(population, clip, cell, number)
            elif missing[number]:
                reason = "missing (NaN) in the population recording"
                log.leave_out("pairs", pair, reason if missing[number] == size else f"in part {reason}")
            else:
                yield pair, (cell, counts[number])

    yield from log.usable("pairs", usable())


def _no_counts(population: Population, clip: Clip, cell: str, number: int) -> RawFormatError:
    values = np.concatenate([population.responses.values(start, stop)[number] for start, stop in clip.spans])
    odd = values[np.isfinite(values) & ((values != np.rint(values)) | (values < 0) | (values >= 254))]
    return RawFormatError(
        "A response to an estimation clip is not a count of spikes",
        field=f"{clip.name}, {cell}",
        found=f"{odd[0]:g} in a bin",
        expected="whole numbers from 0 to 253: one presentation each",
        mend="fetch the population recording again, or leave the pair out with on_error='skip'",
    )


def _val(
    heard: Sequence[ValResponses], clip: Clip, neurons: Mapping[str, Neuron]
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield the counts of all presentations of a val clip in the single-site recordings, by cell."""
    for site in heard:
        if clip.name in site.counts:
            for cell, counts in zip(site.cells, site.counts[clip.name], strict=True):
                if cell in neurons:
                    yield cell, counts


def _sound_file(clip: Clip, sounds: Sounds, log: BuildLog) -> str | None:
    if not sounds.available:
        return None
    try:
        return sounds.file(clip)
    except RawDataError as error:
        list(log.usable("waveforms", [(clip.name, error)]))  # stops, or leaves it out
        return None


def _stimulus_metadata(clip: Clip, file: str | None) -> dict[str, Any]:
    before, after = (
        None if silence is None else round(silence * 1000, 6)
        for silence in (clip.silence_before_s, clip.silence_after_s)
    )
    name = None if file is None else file.removeprefix(f"{DIRECTORY}/")
    return {"name": clip.name, "wav_file": name, "silence_before_ms": before, "silence_after_ms": after}


def _stimulus(
    raw: RawTree,
    population: Population,
    clip: Clip,
    metadata: dict[str, Any],
    band_range: NDArray[np.float32],
    log: BuildLog,
) -> Stimulus:
    start, stop = clip.spans[0]
    spectrogram = population.cochleagram[:, start:stop].copy()
    missing = np.isnan(spectrogram)
    log.leave_out_amount("values of spectrograms", f"missing (NaN) in {clip.name}; stored as 0", int(missing.sum()))
    spectrogram[missing] = 0
    for other, end in clip.spans[1:]:
        if not np.array_equal(population.cochleagram[:, start:stop], population.cochleagram[:, other:end], True):
            log.note(f"{clip.name}: its presentations have different spectrograms; that of the first is stored.")
    samples, rate = None, None
    if metadata["wav_file"] is not None:
        try:
            samples, rate = read_sound(raw.path(f"{DIRECTORY}/{metadata['wav_file']}"))
        except RawDataError as error:
            list(log.usable("waveforms", [(clip.name, error)]))  # as above
            metadata = {**metadata, "wav_file": None}
    onset_ms = metadata["silence_before_ms"]
    if samples is not None and onset_ms is None:
        log.note(f"{clip.name}: the recording states no silence before the sound; its waveform begins with the clip.")
    return Stimulus(
        clip.name,
        spectrogram,
        metadata,
        samples,
        None if rate is None else float(rate),
        audio_onset_ms=onset_ms or 0.0,
        subset=clip.subset,
        band_ranges={RANGE: band_range},
    )


def _from_name(cell: str, area: str, auditory: Mapping[str, bool]) -> dict[str, Any]:
    name = parse_cell_id(cell)
    return {
        "cell_id": cell,
        "area": area,
        "auditory": auditory.get(cell),
        "site": name.site,
        "animal": name.animal,
        "electrode": name.electrode,
        "unit": name.unit,
    }


def _statistics(population: Population) -> dict[str, dict[str, float | None]]:
    """Return the range of each cell, and that of all cells, over the whole population recording."""
    low, high = population.responses.low, population.responses.high
    area = {"area_min": _finite(low.min()), "area_max": _finite(high.max())}
    return {
        cell: {"population_min": _finite(low[number]), "population_max": _finite(high[number]), **area}
        for number, cell in enumerate(population.cells)
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _judgement(verdict: Verdict | None) -> dict[str, Any]:
    return {
        "val_matches_population": None if verdict is None else verdict.matches,
        "val_population_difference": None if verdict is None else verdict.difference,
    }
