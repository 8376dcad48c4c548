"""One entry for each corpus: how to write a small raw tree of it. `test_every_corpus` does the rest."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class CorpusTree:
    """A small raw tree of a corpus.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    writer : str
        ``module:function`` below ``tests.raw_writers``; called with a directory and ``seed=``.
    options : mapping
        Its other arguments.
    part : str
        Column of neurons by whose values some of them can be built alone.
    """

    corpus: str
    writer: str
    part: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def write(self, directory: Path, seed: int = 0) -> Path:
        """Write the tree."""
        module, function = self.writer.split(":")
        directory.mkdir(parents=True, exist_ok=True)
        getattr(importlib.import_module(f"tests.raw_writers.{module}"), function)(directory, seed=seed, **self.options)
        return directory


TREES = {
    tree.corpus: tree
    for tree in (
        CorpusTree("alice_eeg", "alice_eeg:write_alice_eeg", "subject"),
        CorpusTree("crcns_aa1", "crcns_aa1:write_crcns_aa1", "area"),
        CorpusTree("crcns_aa2", "crcns_aa2:write_crcns_aa2", "area", {"n_extra": 1}),
        CorpusTree("crcns_aa4", "crcns_aa4:write_crcns_aa4", "animal_id"),
        CorpusTree("crcns_ac1", "crcns_ac1:write_crcns_ac1", "session", {"n_wehr_sessions": 5}),
        CorpusTree("downer2025", "downer2025:write_downer2025", "session_id"),
        CorpusTree("espejo", "espejo:write_espejo", "site", {"sites": 2}),
        CorpusTree("le2025", "le2025:write_le2025", "animal_id"),
        CorpusTree("nat4", "nat4:write_nat4", "site", {"n_sites": 3}),
        CorpusTree("ns1", "ns1:write_ns1", "cell_id", {"n_units": 3, "clip_seconds": 0.5}),
        CorpusTree("wingert2026", "wingert2026:write_wingert2026", "session"),
    )
}
