"""The table for people who come from deepSTRF names what is here."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import deepstrf_hf
from deepstrf_hf.registry import corpus_names, load_builder
from tests.documentation.blocks import ROOT

PAGE = ROOT / "docs" / "migrating_from_deepstrf.md"


def cells() -> Iterator[list[str]]:
    """Yield the cells of all rows of all tables."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| ---", "| deepSTRF |")):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def is_there(name: str) -> bool:
    """Return whether a full name can be imported."""
    module, _, last = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), last)
    except ModuleNotFoundError:
        return hasattr(getattr(importlib.import_module(module.rpartition(".")[0]), module.rpartition(".")[2]), last)


def test_every_name_of_ours_is_there(demo: Path) -> None:
    grid = deepstrf_hf.load("demo/ns1", "a1")
    of_corpora = {f"select_{name}" for corpus in corpus_names() for name in load_builder(corpus).CORPUS.selections}
    n_names = 0
    for _, ours, _ in cells():
        names = re.findall(r"`([^`]+)`", ours)
        assert names or ours == "none", ours
        if names[:1] and names[0] in corpus_names():
            assert names[1:] == [cohort.name for cohort in load_builder(names[0]).CORPUS.cohorts]
            continue
        for name in names:
            n_names += 1
            if name.startswith("grid."):
                attribute = name.removeprefix("grid.")
                assert hasattr(grid, attribute) or attribute in of_corpora, name
            else:
                assert is_there(name), name
    assert n_names > 80


def test_the_whole_public_interface_of_the_grid_is_named() -> None:
    """What is added to the grid shall be told to those who look for it here."""
    text = PAGE.read_text(encoding="utf-8")
    apart = {"positions_by_neurons", "from_arrays", "stim_normalization", "response_normalization"}
    public = {name for name in dir(deepstrf_hf.NeuralDataset) if not name.startswith("_")} - apart
    assert [name for name in sorted(public) if f"grid.{name}`" not in text] == []


def test_every_corpus_is_named() -> None:
    named = [re.findall(r"`([^`]+)`", ours)[0] for _, ours, _ in cells() if "`" in ours]
    assert set(corpus_names()) <= set(named)
