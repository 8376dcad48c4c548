"""Public recordings of neurons listening to sound, as tables and as a (stimulus, neuron) grid.

Names are imported when first used: ``import deepstrf_hf`` loads neither torch nor datasets.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from deepstrf_hf import errors
from deepstrf_hf._version import __version__

if TYPE_CHECKING:
    from deepstrf_hf.baselines.result import Baseline
    from deepstrf_hf.baselines.run import baseline
    from deepstrf_hf.builder import CorpusBuilder
    from deepstrf_hf.building import build
    from deepstrf_hf.complete_rows import rows
    from deepstrf_hf.coverage import plot_coverage
    from deepstrf_hf.download.downloading import download_corpus
    from deepstrf_hf.download.tree_check import check_tree
    from deepstrf_hf.grid.collate import collate_heard_neurons, neural_collate
    from deepstrf_hf.grid.concat import concat_neural_datasets
    from deepstrf_hf.grid.conditions import between
    from deepstrf_hf.grid.dataset import NeuralDataset
    from deepstrf_hf.grid.interleave import interleave
    from deepstrf_hf.grid.load import load
    from deepstrf_hf.grid.repeats import merge_as_trials
    from deepstrf_hf.grid.sampler import SiteBatchSampler
    from deepstrf_hf.grid.splits import Splits
    from deepstrf_hf.grid.stream import stream
    from deepstrf_hf.hub import push
    from deepstrf_hf.hub_card import push_card
    from deepstrf_hf.plots import inspect
    from deepstrf_hf.registry import corpus_names, load_builder
    from deepstrf_hf.report import BuildReport
    from deepstrf_hf.report_html.page import report_page
    from deepstrf_hf.responses.tuning import compute_paper_tuning
    from deepstrf_hf.verification import verify

_HOME = {
    "Baseline": "baselines.result",
    "BuildReport": "report",
    "CorpusBuilder": "builder",
    "NeuralDataset": "grid.dataset",
    "SiteBatchSampler": "grid.sampler",
    "Splits": "grid.splits",
    "baseline": "baselines.run",
    "between": "grid.conditions",
    "build": "building",
    "check_tree": "download.tree_check",
    "collate_heard_neurons": "grid.collate",
    "compute_paper_tuning": "responses.tuning",
    "concat_neural_datasets": "grid.concat",
    "corpus_names": "registry",
    "download_corpus": "download.downloading",
    "inspect": "plots",
    "interleave": "grid.interleave",
    "load": "grid.load",
    "load_builder": "registry",
    "merge_as_trials": "grid.repeats",
    "neural_collate": "grid.collate",
    "plot_coverage": "coverage",
    "push": "hub",
    "push_card": "hub_card",
    "report_page": "report_html.page",
    "rows": "complete_rows",
    "stream": "grid.stream",
    "verify": "verification",
}

__all__ = [
    "Baseline",
    "BuildReport",
    "CorpusBuilder",
    "NeuralDataset",
    "SiteBatchSampler",
    "Splits",
    "__version__",
    "baseline",
    "between",
    "build",
    "check_tree",
    "collate_heard_neurons",
    "compute_paper_tuning",
    "concat_neural_datasets",
    "corpus_names",
    "download_corpus",
    "errors",
    "inspect",
    "interleave",
    "load",
    "load_builder",
    "merge_as_trials",
    "neural_collate",
    "plot_coverage",
    "push",
    "push_card",
    "report_page",
    "rows",
    "stream",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"deepstrf_hf.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
