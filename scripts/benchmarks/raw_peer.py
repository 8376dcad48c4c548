"""From raw files to a grid: deepSTRF 0.1.0, run with the interpreter that has it; each function is a job."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any

from scripts.benchmarks.peak import measured
from scripts.benchmarks.raw_jobs import dense_epoch


def construct(peer_class: str, raw: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Load a raw tree."""
    took, dataset = _constructed(peer_class, raw, options)
    return {**took, "stimuli": len(dataset.stims), "neurons": dataset.N_neurons}


def epoch(peer_class: str, raw: str, options: Mapping[str, Any], batch_size: int) -> dict[str, Any]:
    """Load a raw tree, then go through the first batches of an epoch over the stimuli presented once."""
    import torch
    from deepSTRF.utils.data import neural_collate  # type: ignore[import-not-found]

    took, dataset = _constructed(peer_class, raw, options)
    _ = dataset.nrn_masks  # the first item asks for them; they are kept
    est = [number for number, entry in enumerate(dataset.stim_meta) if entry["subset"] == "est"]
    # A Subset, and not a selection, which makes every item of deepSTRF cost many times as much.
    dense = dense_epoch(torch.utils.data.Subset(dataset, est), neural_collate, batch_size)
    return {"constructor": took, "dense": dense, "stimuli": len(est), "neurons": dataset.N_neurons}


def _constructed(peer_class: str, raw: str, options: Mapping[str, Any]) -> tuple[dict[str, float], Any]:
    maker = getattr(importlib.import_module("deepSTRF.datasets.audio"), peer_class)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measured(lambda: maker(path=raw, **options))
