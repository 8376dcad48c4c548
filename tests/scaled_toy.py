"""A toy corpus of linear spectrograms with stored ranges, and a division that differs from site to site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.config import CorpusConfig
from deepstrf_hf.corpus import Cohort, Column
from deepstrf_hf.features.scaling import LogCompress, ScaleBands
from deepstrf_hf.published_split import RecordedSplit
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Part, Recording, Stimulus
from deepstrf_hf.responses.scaling import ScaleResponses
from tests.toy import Toy

N_BANDS = 3
PLAYED = {"site_a": ["s0", "s1"], "site_b": ["s1", "s2"]}
SUBSETS = {("site_a", "s0"): "est", ("site_a", "s1"): "est", ("site_b", "s1"): "val", ("site_b", "s2"): "val"}


def spectrogram(name: str) -> np.ndarray:
    """Return the linear spectrogram of a stimulus."""
    rng = np.random.default_rng(ord(name[-1]))
    return rng.gamma(1.0, 1.0 + ord(name[-1]) - ord("0"), (N_BANDS, 7)).astype(np.float32)


def range_of(names: Sequence[str], *, gaps: bool) -> np.ndarray:
    """Return low and high of each band over some stimuli, with the silence between them or without."""
    values = np.concatenate([spectrogram(name) for name in names], axis=1)
    low = np.zeros(N_BANDS, np.float32) if gaps else values.min(axis=1)
    return np.stack([low, values.max(axis=1)], axis=1)


def response(neuron: str, name: str) -> np.ndarray:
    """Return counts of a neuron; the second of each site is silent, the trials those of its subset."""
    rng = np.random.default_rng([ord(neuron[-4]), ord(neuron[-1]), ord(name[-1])])
    subset = SUBSETS[neuron[:6], name]
    return rng.poisson(3.0 * (not neuron.endswith("n1")), (1 if subset == "est" else 4, 7))


class ScaledToy(CorpusBuilder):
    """Two sites that share one stimulus, which only one of them holds out."""

    BUILDER_CONFIG_CLASS = CorpusConfig
    LANDMARKS = ("toy.json",)
    CORPUS = replace(
        Toy.CORPUS,
        name="scaled_toy",
        stimulus_columns={"site": Column("string", "Site, where only one played it.")},
        neuron_columns={
            "site": Column("string", "Site."),
            "recording_max": Column("float64", "Largest count of the whole recording."),
        },
        cohorts=(
            Cohort(
                name="all",
                description="two sites",
                signal_type="spikes",
                response_dtype="uint8",
                response_unit="spikes per bin",
                spectrogram_unit="linear",
                splits=RecordedSplit({"est": "train", "val": "test"}, "Toy et al."),
                preprocessing=(
                    LogCompress(-1),
                    ScaleBands("recording"),
                    ScaleResponses("response_min", "recording_max"),
                ),
                deepstrf_preprocessing=(
                    LogCompress(0),
                    ScaleBands("tiles", over="cohort", bands="all"),
                    ScaleResponses(over="cohort", subset="est"),
                ),
                stimulus="reference",
                band_ranges={"recording": "the recording, gaps included", "tiles": "the tiles of the recording"},
            ),
        ),
    )

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: Any) -> Sequence[Part]:
        """Return one part per site."""
        return [Part(site) for site in PLAYED]

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: Any) -> Sequence[str]:
        """Return the one file."""
        return ["toy.json"]

    @classmethod
    def recordings(cls, raw: RawTree, cohort: Cohort, config: Any, part: Part, log: BuildLog) -> Iterator[Recording]:
        """Yield two neurons for each stimulus of a site."""
        for name in PLAYED[part.name]:
            shared = name == "s1"
            stimulus = Stimulus(
                name,
                spectrogram(name),
                {"site": None if shared else part.name},
                subset=None if shared else SUBSETS[part.name, name],
                band_ranges={
                    "recording": range_of(["s0", "s1", "s2"] if shared else PLAYED[part.name], gaps=True),
                    "tiles": range_of(["s1"] if shared else PLAYED[part.name], gaps=False),
                },
            )
            for number in range(2):
                neuron_id = f"{part.name}-n{number}"
                largest = max(int(response(neuron_id, heard).max()) for heard in PLAYED[part.name])
                neuron = Neuron(neuron_id, {"site": part.name, "recording_max": 2.0 * largest})
                subset = SUBSETS[part.name, name] if shared else None
                yield Recording(stimulus, neuron, response(neuron_id, name), subset=subset)
