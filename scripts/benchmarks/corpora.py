"""Made-up corpora: the grids of `scripts.benchmarks.grids`, built as any corpus is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deepstrf_hf
from deepstrf_hf import CorpusBuilder
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.corpus import Cohort, Column, Corpus, Licence, Redistribution
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Part, Recording, Stimulus
from scripts.benchmarks.grids import SIZES, GridSize, made_site

PLAN = "made_up.json"
"""The only raw file: which grid, how large, which seed."""
COHORT = "made"


@dataclass
class MadeConfig(CorpusConfig):
    """Bins as wide as those of the grids."""

    dt_ms: float = parameter(10.0, "bin width of responses and spectrogram", unit="ms")


class MadeCorpus(CorpusBuilder):
    """A grid from a seed, in as many parts as it has sites."""

    BUILDER_CONFIG_CLASS = MadeConfig
    LANDMARKS = (PLAN,)
    CORPUS = Corpus(
        name="made_up",
        title="Made-up counts",
        version="1.0.0",
        species="none",
        behavioural_state="none",
        areas=("none",),
        hearing_range_hz=(200, 20_000),
        citation="",
        dois=(),
        homepage="https://example.org",
        licence=Licence("CC0", "cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", "None."),
        redistribution=Redistribution.PERMITTED,
        archives=(),
        stimulus_columns={
            "name": Column("string", "Name."),
            "site": Column("string", "Who heard it."),
            "presented": Column("string", "est: once; val: repeatedly."),
        },
        neuron_columns={"cell_id": Column("string", "Name."), "site": Column("string", "Where it was recorded.")},
        cohorts=(
            Cohort(
                name=COHORT,
                description="counts from a seed",
                signal_type="spikes",
                response_dtype="uint8",
                response_unit="spikes per bin",
                spectrogram_unit="none",
                stimulus="reference",
            ),
        ),
    )

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: Any) -> Sequence[Part]:
        """Return one part per site."""
        size, _ = _plan(raw)
        return [Part(f"site{site:03d}") for site in range(size.sites)]

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: Any) -> Sequence[str]:
        """Return the plan."""
        return [PLAN]

    @classmethod
    def recordings(cls, raw: RawTree, cohort: Cohort, config: Any, part: Part, log: BuildLog) -> Iterator[Recording]:
        """Yield the recordings of a site."""
        size, seed = _plan(raw)
        made = made_site(size, int(part.name.removeprefix("site")), seed)
        neurons = [Neuron(entry["cell_id"], entry) for entry in made.nrn_meta]
        for spectrogram, block, entry in zip(made.spectrograms, made.blocks, made.stim_meta, strict=True):
            metadata = {"name": entry["name"], "site": entry["site"], "presented": entry["subset"]}
            stimulus = Stimulus(entry["name"], spectrogram, metadata)
            for neuron, response in zip(neurons, block.counts, strict=True):
                yield Recording(stimulus, neuron, response)


def _plan(raw: RawTree) -> tuple[GridSize, int]:
    plan = json.loads(raw.path(PLAN).read_text(encoding="utf-8"))
    return SIZES[plan["grid"], plan["size"]].scaled(plan["fraction"]), plan["seed"]


def built_corpus(directory: str, grid: str, size: str, fraction: float, seed: int = 0) -> str:
    """Build a made-up corpus, or find it built before.

    Parameters
    ----------
    directory : str
        Where made-up corpora are.
    grid, size, fraction, seed
        Which one.

    Returns
    -------
    str
        Its directory.
    """
    place = Path(directory) / f"{grid}-{size}-{fraction:g}-{seed}"
    built = place / "built"
    if not built.exists():
        raw = place / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        plan = {"grid": grid, "size": size, "fraction": fraction, "seed": seed}
        (raw / PLAN).write_text(json.dumps(plan), encoding="utf-8")
        deepstrf_hf.build(MadeCorpus, data_dir=raw, out=built)
    return str(built)
