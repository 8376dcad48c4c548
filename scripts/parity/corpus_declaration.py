"""What is declared of a corpus to compare two libraries on its synthetic raw trees."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.parity.corpus_findings import Tolerance
from scripts.parity.corpus_snapshot import Metadata, Snapshot, Vocabulary, snapshot_of

EXACT = Tolerance(0.0)
"""Spike counts."""
SMOOTHED = Tolerance(1e-5, relative=True)
"""Counts smoothed in single precision."""
SPECTROGRAM = Tolerance(1e-4, relative=True)
"""Of the largest value of the clip."""
WAVEFORM = Tolerance(1e-5, relative=True)
"""Of the largest sample of the clip, once both are resampled by the same formula."""


@dataclass(frozen=True)
class Run:
    """One way to load a corpus, with both libraries.

    Parameters
    ----------
    name : str
        Short name.
    peer_options : mapping
        Keyword arguments of deepSTRF's constructor, the path apart.
    parameters : mapping
        Parameters of our build that are not the default ones.
    where : mapping
        Conditions of our build, as in `deepstrf_hf.build`.
    preprocessing : str or None
        As in `deepstrf_hf.load`.
    stimulus : str
        ``"spectrogram"`` or ``"waveform"``.
    stimuli, responses : Tolerance
        How near values must be.
    every_seed : bool
        False where deepSTRF takes long: the first seed alone.
    """

    name: str
    peer_options: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: str | None = None
    stimulus: str = "spectrogram"
    stimuli: Tolerance = SPECTROGRAM
    responses: Tolerance = EXACT
    every_seed: bool = True


@dataclass(frozen=True)
class RawFolder:
    """A raw tree, and what our library builds from it; builds are made once.

    Parameters
    ----------
    corpus : CorpusParity
        What is in it.
    raw : Path
        The raw tree.
    scratch : Path
        Where builds go.
    """

    corpus: CorpusParity
    raw: Path
    scratch: Path
    configs: dict[str, tuple[Path, str]] = field(default_factory=dict)

    def built(self, run: Run, **parameters: Any) -> tuple[Path, str]:
        """Build as a run says, with other parameters besides.

        Returns
        -------
        Path, str
            The directory, and the name of the configuration in it.
        """
        import deepstrf_hf

        chosen = {**run.parameters, **parameters}
        label = json.dumps([chosen, run.where], sort_keys=True)
        if label not in self.configs:
            out = self.scratch / f"built-{len(self.configs)}"
            report = deepstrf_hf.build(
                self.corpus.corpus,
                [self.corpus.cohort],
                data_dir=self.raw,
                out=out,
                parameters=chosen,
                where=dict(run.where),
                on_error="skip",
            )
            self.configs[label] = out, next(iter(report.cohorts))
        return self.configs[label]

    def ours(self, run: Run, **parameters: Any) -> Snapshot:
        """Build, load, and return what our library makes of the tree (arguments as `built`)."""
        import deepstrf_hf

        out, config = self.built(run, **parameters)
        dataset = deepstrf_hf.load(out, config, stimulus=run.stimulus, preprocessing=run.preprocessing, cache=False)
        corpus = self.corpus
        return snapshot_of(dataset, corpus.neuron_name, corpus.stimulus_name, corpus.vocabulary)


AsDeepstrf = Callable[[Snapshot, RawFolder, Run], Snapshot]
"""Makes of our snapshot what deepSTRF would make of the same raw tree, in one respect (or the reverse)."""


@dataclass(frozen=True)
class CorpusDifference:
    """One thing that is otherwise here, on purpose, and a model of what deepSTRF does instead.

    A difference is deliberate only where the model gives deepSTRF's values, within the same tolerances.

    Parameters
    ----------
    name : str
        Short name in lower case with hyphens.
    theirs, ours : str
        What deepSTRF 0.1.0 does, and what this library does.
    reason : str
        Why.
    as_deepstrf : callable, optional
        The model.
    as_ours : callable, optional
        Where deepSTRF has something that we leave out: takes it from deepSTRF's snapshot, by what the raw tree says.
    """

    name: str
    theirs: str
    ours: str
    reason: str
    as_deepstrf: AsDeepstrf | None = None
    as_ours: AsDeepstrf | None = None


@dataclass(frozen=True)
class CorpusParity:
    """How a corpus is compared.

    Parameters
    ----------
    name : str
        What it is called on the command line.
    corpus, cohort : str
        Ours.
    writer : str
        Function that writes a synthetic raw tree, ``module:function``; called with a directory and ``seed=``.
    writer_options, bench_options : mapping
        Its other arguments, for comparing values and for measuring time.
    peer_class : str
        deepSTRF's class.
    neuron_name, stimulus_name : tuple of str
        deepSTRF's metadata fields that tell neurons, and stimuli, apart.
    vocabulary : Vocabulary
        Our names of deepSTRF's metadata fields.
    runs : tuple of Run
        Ways to load it.
    prepare : callable, optional
        Given a raw tree that was written, changes in it what deepSTRF cannot read at all.
    keeps : callable, optional
        Given deepSTRF's metadata of a neuron, says whether it belongs to the cohort.
    differences : tuple of CorpusDifference
        Deliberate ones; their models are applied one after the other.
    """

    name: str
    corpus: str
    cohort: str
    writer: str
    peer_class: str
    neuron_name: tuple[str, ...]
    stimulus_name: tuple[str, ...]
    vocabulary: Vocabulary
    runs: tuple[Run, ...]
    differences: tuple[CorpusDifference, ...] = ()
    writer_options: Mapping[str, Any] = field(default_factory=dict)
    bench_options: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None
    keeps: Callable[[Metadata], bool] | None = None

    def write(self, directory: Path, seed: int, options: Mapping[str, Any]) -> None:
        """Write a synthetic raw tree."""
        module, function = self.writer.split(":")
        getattr(importlib.import_module(module), function)(directory, seed=seed, **options)
        if self.prepare is not None:
            self.prepare(directory)
