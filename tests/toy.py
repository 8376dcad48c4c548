"""A corpus of one text file, to test what the base derives for all corpora."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.corpus import Cohort, Column, Corpus, Licence, Redistribution
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.published_split import StimulusSplit
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Part, Recording, Stimulus
from deepstrf_hf.responses.preprocessing import HanningSmooth

SITES = ("site_a", "site_b", "site_c")
N_STIMULI, N_BANDS, N_NEURONS_PER_SITE = 4, 3, 2


@dataclass
class ToyConfig(CorpusConfig):
    """Parameters of the toy corpus."""

    gain: float = parameter(1.0, "factor on potentials")
    window: str = parameter("hann", "nothing at all", choices=("hann", "box"))
    limit: int | None = parameter(None, "trials kept")


def write_toy(directory: Path, **changes: Any) -> Path:
    """Write the raw tree of the toy corpus."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "toy.json").write_text(json.dumps({"seed": 0, "broken": [], "absent": [], **changes}))
    for site in SITES:
        (directory / f"{site}.txt").write_text(site)
    return directory


class Toy(CorpusBuilder):
    """Three sites that share stimuli, ragged trials; counts in one cohort, potentials with gaps in the other."""

    BUILDER_CONFIG_CLASS = ToyConfig
    LANDMARKS = ("toy.json",)
    CORPUS = Corpus(
        name="toy",
        title="Toy corpus",
        version="1.2.3",
        species="toy ferret",
        behavioural_state="awake",
        areas=("A1", "PEG"),
        hearing_range_hz=(200, 40_000),
        citation="@article{toy}",
        dois=("10.0/toy",),
        homepage="https://example.org/toy",
        licence=Licence("CC BY 4.0", "cc-by-4.0", "https://creativecommons.org/licenses/by/4.0/", "Cite it."),
        redistribution=Redistribution.PERMITTED,
        archives=(),
        stimulus_columns={"name": Column("string", "Name."), "level": Column("float64", "Level.", "dB")},
        neuron_columns={"site": Column("string", "Site."), "good": Column("bool", "Good.")},
        cohorts=tuple(
            Cohort(
                name=name,
                description=f"toy {name}",
                signal_type=signal,
                response_dtype=dtype,
                response_unit=unit,
                spectrogram_unit="dB",
                audio_fs=1000,
                splits=StimulusSplit(test=("sound1",), source="Toy et al."),
                counts={"neurons": len(SITES) * N_NEURONS_PER_SITE, "stimuli": N_STIMULI, "good": 99},
                preprocessing=(HanningSmooth(21.0),),
                stimulus=stimulus,
            )
            for name, signal, dtype, unit, stimulus in (
                ("counts", "spikes", "uint8", "spikes per bin", "inline"),
                ("potentials", "subthreshold", "float32", "mV", "reference"),
            )
        ),
    )

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: Any) -> Sequence[Part]:
        """Return one part per site."""
        return [Part(site) for site in SITES]

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: Any) -> Sequence[str]:
        """Return the files of all sites."""
        return ["toy.json", *(f"{site}.txt" for site in SITES), "never there.txt"]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: ToyConfig, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield each site's neurons; a neuron hears the stimuli whose number its own number does not forbid."""
        settings = json.loads(raw.path("toy.json").read_text())

        def read(name: str) -> tuple[str, Any]:
            broken = RawFormatError("A unit is broken", path=raw.root / f"{part.name}.txt", field=name)
            return name, broken if name in settings["broken"] else name

        names = [f"{part.name}-n{number}" for number in range(N_NEURONS_PER_SITE)]
        units = list(log.usable("units", map(read, names)))
        log.leave_out_amount("spikes", "before the sound", 2)
        for name in units:
            log.count("good", name, name.endswith("n0"))
        for index in range(N_STIMULI):
            stimulus = toy_stimulus(index, settings["seed"], cohort)
            for name in reversed(units):
                if [stimulus.stim_id, name] in settings["absent"]:
                    continue
                neuron = Neuron(name, {"site": part.name, "good": name.endswith("n0") or None})
                yield Recording(stimulus, neuron, toy_response(stimulus, name, cohort, config))


def toy_stimulus(index: int, seed: int, cohort: Cohort) -> Stimulus:
    """Make a stimulus of its own number of bins."""
    rng = np.random.default_rng([seed, index])
    bins = 10 + index
    return Stimulus(
        f"sound{index}",
        rng.normal(size=(N_BANDS, bins)).astype(np.float32),
        {"name": f"Sound {index}", "level": None if index == 2 else 60.0 + index},
        rng.integers(-30_000, 30_000, bins * 5).astype(np.int16),
        1000.0,
    )


def toy_response(stimulus: Stimulus, name: str, cohort: Cohort, config: ToyConfig) -> np.ndarray:
    """Make a response with a number of trials of its own."""
    rng = np.random.default_rng([len(name), ord(name[5]), ord(name[-1]), int(stimulus.stim_id[-1])])
    trials = int(rng.integers(1, 5)) if config.limit is None else config.limit
    shape = trials, stimulus.spectrogram.shape[1]
    if cohort.name == "counts":
        return rng.poisson(1.5, shape)
    values = (rng.normal(-60, 5, shape) * config.gain).astype(np.float32)
    values[0, :2] = np.nan
    return values


class SecondToy(Toy):
    """The same content under another name."""

    CORPUS = Corpus(**{**vars(Toy.CORPUS), "name": "second_toy"})


class Faulty(Toy):
    """A builder with faults of its own, chosen by the raw file."""

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: ToyConfig, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield recordings with the fault that the raw file names."""
        fault = json.loads(raw.path("toy.json").read_text())["fault"]
        first, second = toy_stimulus(0, 0, cohort), toy_stimulus(1, 0, cohort)
        neuron = Neuron("n0", {"site": "x", "good": True})
        response = np.ones((2, 10), int)
        good = Recording(first, neuron, response)
        values = {
            "order": [Recording(second, neuron, np.ones((2, 11), int)), good],
            "twice": [good, good],
            "two objects": [good, Recording(toy_stimulus(0, 0, cohort), Neuron("n1", {}), response)],
            "two metadata": [good, Recording(second, Neuron("n0", {"site": "y"}), np.ones((2, 11), int))],
            "bins": [Recording(first, neuron, np.ones((2, 9), int))],
            "no trials": [Recording(first, neuron, np.ones((0, 10), int))],
            "dimensions": [Recording(first, neuron, np.ones(10, int))],
            "too large": [Recording(first, neuron, response * 300)],
            "negative": [Recording(first, neuron, -response)],
            "nan counts": [Recording(first, neuron, response * np.nan)],
            "fractions": [Recording(first, neuron, response * 0.5)],
            "undeclared": [Recording(first, Neuron("n0", {"sight": "x"}), response)],
            "empty text": [Recording(first, Neuron("n0", {"site": " "}), response)],
            "nan text": [Recording(first, Neuron("n0", {"site": "nan"}), response)],
            "nan spectrogram": [Recording(Stimulus("s", np.full((3, 10), np.nan)), neuron, response)],
            "waveform without rate": [
                Recording(Stimulus("s", first.spectrogram, waveform=np.zeros(9, np.int16)), neuron, response)
            ],
            "waveform type": [Recording(Stimulus("s", first.spectrogram, {}, np.zeros(9), 1000.0), neuron, response)],
            "nothing": [],
        }
        yield from values[fault] if part.name == SITES[0] else []


def fingerprint(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a directory, by its path in it."""
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
