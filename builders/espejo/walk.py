"""The walk over some recordings of a release, stimulus by stimulus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from builders.espejo.catalogue import Catalogue, Heading, read_catalogue, recordings_folder
from builders.espejo.config import SAMPLE_RATE_HZ, EspejoConfig, Release
from builders.espejo.site import Heard, Site, read_site
from builders.espejo.sounds import Sounds
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.formats.nems_cells import parse_loose_cell_id
from deepstrf_hf.formats.nems_epochs import STIMULUS_PREFIX
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Part, Recording, Stimulus

AREA = "A1"


def walk(raw: RawTree, release: Release, config: EspejoConfig, part: Part, log: BuildLog) -> Iterator[Recording]:
    """Yield the responses of the neurons of one part.

    Its recordings are held in memory as spike times and tiles; counts are made when they are asked for.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    release, config : Release, EspejoConfig
        What is built.
    part : Part
        One of `Catalogue.parts`.
    log : BuildLog
        What is left out.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A recording cannot be used (with ``on_error="raise"``).
    """
    catalogue = read_catalogue(raw, release)
    for stray in catalogue.strays:
        if not stray.startswith("."):
            log.leave_out("files", stray, "not a recording")
    for name in catalogue.n_repeats:
        log.count("sound_names", name, True)
        log.count("sound_names_most_repeated", name, name in catalogue.test)
    neurons = _neurons(catalogue, release, config)
    sites = _sites(raw, release, config, catalogue, catalogue.parts()[part], neurons, log)
    sounds = Sounds(raw, release, log)
    for stim_id in sorted({stim_id for site in sites for stim_id in site.heard}):
        playing = [site for site in sites if stim_id in site.heard]
        heard = playing[0].heard[stim_id]
        metadata = _stimulus_metadata(heard, release, catalogue, sounds)
        if not config.keeps_stimulus(metadata):
            continue
        stimulus = _stimulus(heard, metadata, catalogue, sounds)
        yield from _recordings(stimulus, heard.name, playing, neurons, log)


def _neurons(catalogue: Catalogue, release: Release, config: EspejoConfig) -> dict[str, Neuron]:
    """Return the neurons that are wanted, by name."""
    neurons = {}
    for cell in dict.fromkeys(cell for heading in catalogue.readable for cell in heading.cells):
        name = parse_loose_cell_id(cell)
        metadata = {
            "cell_id": cell,
            "experiment_set": release.cohort,
            "area": AREA,
            "site": name.site or None,
            "animal_id": name.animal,
            "channel": name.channel,
            "unit": name.unit,
        }
        if config.keeps_neuron(metadata):
            neurons[cell] = Neuron(cell, metadata)
    return neurons


def _sites(
    raw: RawTree,
    release: Release,
    config: EspejoConfig,
    catalogue: Catalogue,
    names: Sequence[str],
    neurons: Mapping[str, Neuron],
    log: BuildLog,
) -> list[Site]:
    """Read the recordings of a part, those without wanted neurons apart, each content once."""
    folder = recordings_folder(raw, release)

    def read() -> Iterator[tuple[str, Site | RawDataError]]:
        for name in names:
            heading = catalogue.headings[name]
            if isinstance(heading, RawDataError):
                yield name, heading
                continue
            cells = [cell for cell in heading.cells if cell in neurons]
            if not cells:
                continue
            try:
                yield name, read_site(folder / name, heading, cells, release, config)
            except RawDataError as error:
                yield name, error

    sites: dict[str, Site] = {}
    for site in log.usable("recordings", read()):
        same = sites.setdefault(site.digest, site)
        if same is not site:
            log.leave_out("recordings", site.heading.name, f"holds the same as {same.heading.name}")
            continue
        log.merge(site.log)
        log.count("recordings", site.heading.name, bool(site.heard))
        if not site.heard:
            log.leave_out("recordings", site.heading.name, "holds no presentation of a sound")
    return list(sites.values())


def _stimulus_metadata(heard: Heard, release: Release, catalogue: Catalogue, sounds: Sounds) -> dict[str, Any]:
    return {
        "name": heard.name,
        "type": release.cohort,
        "duration_s": heard.spectrogram.shape[1] / SAMPLE_RATE_HZ,
        "pre_silence_s": heard.before_s,
        "post_silence_s": heard.after_s,
        "content_id": heard.content_id,
        "n_repeats": catalogue.n_repeats[heard.name],
        "split": "test" if heard.name in catalogue.test else "estimation",
        "named_00": heard.name.removeprefix(STIMULUS_PREFIX).startswith("00"),
        "wav_file": sounds.file(heard.name),
    }


def _stimulus(heard: Heard, metadata: Mapping[str, Any], catalogue: Catalogue, sounds: Sounds) -> Stimulus:
    length_s = None
    if heard.before_s is not None:
        length_s = max(0.0, metadata["duration_s"] - heard.before_s - (heard.after_s or 0.0))
    sound = sounds.played(heard.stim_id, heard.name, heard.before_s, length_s)
    return Stimulus(
        heard.stim_id,
        heard.spectrogram,
        metadata,
        waveform=None if sound is None else sound.samples,
        sample_rate_hz=None if sound is None else float(sound.sample_rate_hz),
        audio_onset_ms=1000 * (heard.before_s or 0.0),
        subset=catalogue.subsets[heard.name],
    )


def _recordings(
    stimulus: Stimulus, name: str, playing: Sequence[Site], neurons: Mapping[str, Neuron], log: BuildLog
) -> Iterator[Recording]:
    """Yield the responses of all neurons to a stimulus, the trials of several recordings one after the other."""
    pieces: dict[str, list[tuple[Heading, Any]]] = {}
    for site in playing:
        for cell, counts in site.counts(stimulus.stim_id).items():
            missing = len(site.heard[stimulus.stim_id].starts) - len(counts)
            log.leave_out_amount("trials", f"samples are missing in {site.heading.name}", missing)
            if len(counts):
                pieces.setdefault(cell, []).append((site.heading, counts))
            else:
                log.leave_out("pairs", f"{stimulus.stim_id}, {cell}", "all its trials have missing samples")
    for cell, of_cell in pieces.items():
        headings = [heading for heading, _ in of_cell]
        subsets = [heading.subsets[name] for heading in headings]
        metadata = {
            "n_repeats": sum(heading.counts[name] for heading in headings),
            "archive": ",".join(heading.name for heading in headings),
            "archive_trials": ",".join(str(len(counts)) for _, counts in of_cell),
            "archive_repeats": ",".join(str(heading.counts[name]) for heading in headings),
            "archive_subset": ",".join(subsets),
        }
        if len(set(subsets)) > 1:
            log.note(
                f"{cell}: {name} is held out in one of its recordings and not in another; all its trials are held out."
            )
        # What is held out anywhere must not be trained on.
        subset = "val" if "val" in subsets else "est"
        response = np.concatenate([counts for _, counts in of_cell])
        yield Recording(stimulus, neurons[cell], response, metadata, subset=subset)
