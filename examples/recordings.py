"""Where the examples' recordings come from, yours or synthetic ones, and where what they make goes.

Environment variables say so, since a notebook has no command line:

- ``DATA``: a directory of raw NS1 files; ``DATA_AA1``, ``DATA_DOWNER``: of the other two corpora. Without, a small
  synthetic tree in the true layout of the corpus's raw files is written, and what is built of it is no recording.
- ``OUT``: the directory for tables, figures and numbers; ``out`` below the current one if not given.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import deepstrf_hf

OUT = Path(os.environ.get("OUT") or "out")
"""Directory for everything that an example makes."""
_SYNTHETIC: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ns1": ("DATA", "ns1:write_ns1", {"seed": 1, "n_units": 8}),
    "crcns_aa1": ("DATA_AA1", "crcns_aa1:write_crcns_aa1", {"seed": 1, "n_extra": 2}),
    "downer2025": ("DATA_DOWNER", "downer2025:write_downer2025", {"seed": 1}),
}
"""Variable that names real files, and who writes synthetic ones, by corpus."""


def is_synthetic(corpus: str) -> bool:
    """Return whether no real files of a corpus were named."""
    return not os.environ.get(_SYNTHETIC[corpus][0])


def tables(corpus: str, **options: Any) -> Path:
    """Build the tables of a corpus, as ``deepstrf-hf build`` does, and return their directory.

    Parameters
    ----------
    corpus : str
        ``"ns1"``, ``"crcns_aa1"`` or ``"downer2025"``.
    **options
        As in `deepstrf_hf.build`.
    """
    variable, writer, arguments = _SYNTHETIC[corpus]
    raw = Path(os.environ.get(variable) or OUT / "raw" / corpus)
    if is_synthetic(corpus):
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the writers live among the tests
        module, function = writer.split(":")
        shutil.rmtree(raw, ignore_errors=True)
        getattr(importlib.import_module(f"tests.raw_writers.{module}"), function)(raw, **arguments)
    report = deepstrf_hf.build(corpus, data_dir=raw, out=OUT / corpus, **options)
    kind = "synthetic" if is_synthetic(corpus) else "real"
    for config, cohort in report.cohorts.items():
        if cohort.changed_parameters == options.get("parameters", {}):  # not of an earlier build
            counts = ", ".join(f"{cohort.counts[what]} {what}" for what in ("stimuli", "neurons", "rows", "trials"))
            print(f"{corpus}, {config} ({kind} recordings): {counts}")
    return OUT / corpus


def write_numbers(name: str, numbers: Mapping[str, Any]) -> None:
    """Print the numbers of an example but for lists, and write them all to ``<name>.json``."""
    for key, value in numbers.items():
        if not isinstance(value, list):
            print(f"{key}: {value:.3f}" if isinstance(value, float) else f"{key}: {value}")
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
