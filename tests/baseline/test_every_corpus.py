"""The linear reference of every cohort of every corpus, from small trees in the lab's layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import deepstrf_hf
from deepstrf_hf import build
from deepstrf_hf.baselines.run import declared_baseline
from deepstrf_hf.data_fingerprint import data_fingerprint
from deepstrf_hf.names import SUFFIX
from deepstrf_hf.registry import load_builder
from deepstrf_hf.repository import Repository
from tests.every_corpus import TREES
from tests.toy import Toy, write_toy

WINDOW_MS = 40.0
"""Shorter than declared: what is tested here does not depend on it, and takes less time."""


@pytest.mark.parametrize("name", list(TREES))
def test_every_cohort_has_a_linear_reference(name: str, tmp_path: Path) -> None:
    raw = TREES[name].write(tmp_path / "raw")
    build(name, data_dir=raw, out=tmp_path / "built", on_error="skip")
    repository = Repository.open(tmp_path / "built")
    cohorts = {cohort.name: cohort for cohort in load_builder(name).CORPUS.cohorts}
    configs = [config for config in repository.configs if config in cohorts]
    assert configs
    for config in configs:
        result = deepstrf_hf.baseline(tmp_path / "built", config, window_ms=WINDOW_MS, seeds=2, penalties=(0.1, 10.0))
        found = json.loads(result.write(tmp_path / "out").read_text(encoding="utf-8"))
        declared = declared_baseline(repository.provenance(repository.files(config)))
        assert declared is cohorts[config].baseline
        assert found["data_fingerprint"] == data_fingerprint(repository, config)
        assert (found["corpus"], found["config"]) == (name, config)
        assert declared.bin_ms in (None, found["settings"]["dt_ms"])
        # Whoever lacks a score is named with the reason, and nobody else.
        neurons = found["neurons"]
        assert found["n_neurons"] == len(neurons) == result.grid.N_neurons
        named = {neuron_id for entry in found["left_out"] for neuron_id in entry["neurons"]}
        for neuron in neurons:
            if None in (neuron["cc_raw"], neuron["cc_norm"], neuron["cc_norm_hsu"]):
                assert neuron["neuron_id"] in named
            if neuron["cc_raw"] is not None:
                assert abs(neuron["cc_raw"]) <= 1 + 1e-9 and neuron["penalty"] is not None
        without_field = np.isnan(result.model.weights).any(axis=(1, 2))
        assert {neuron["neuron_id"] for neuron, without in zip(neurons, without_field, strict=True) if without} <= named
        assert found["n_scored"] == sum(neuron["cc_raw"] is not None for neuron in neurons)
        assert all(entry["reason"] and entry["neurons"] for entry in found["left_out"])
        if declared.scored is not None:
            assert declared.scored in found["summary"], config
        assert [score["value"] for score in found["published"]] == [score.value for score in declared.published]
        drawn = result.draw(tmp_path / "out")
        assert (drawn is not None) or not found["n_scored"]


def test_declared_columns_are_columns_of_the_corpus() -> None:
    for name in TREES:
        corpus = load_builder(name).CORPUS
        for cohort in corpus.cohorts:
            declared = cohort.baseline
            for column in (declared.by, declared.scored):
                assert column in (None, "area", *corpus.neuron_columns), (name, cohort.name)
            for column in (*declared.stratify, declared.together):
                assert column in (None, *corpus.stimulus_columns), (name, cohort.name)
            for score in declared.published:
                assert score.group in ("all", declared.scored) or score.group.startswith(f"{declared.by} ")
            assert declared.source
            assert SUFFIX["stimuli"] not in cohort.name


def test_a_corpus_that_is_not_registered_gets_the_default(tmp_path: Path) -> None:
    build(Toy, data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "built")
    for cohort in Toy.CORPUS.cohorts:
        result = deepstrf_hf.baseline(tmp_path / "built", cohort.name, window_ms=20, penalties=(1.0,))
        assert result.to_json()["corpus"] == "toy" and not result.published
        named = {neuron_id for entry in result.left_out for neuron_id in entry["neurons"]}
        for entry, cc_norm in zip(result.grid.nrn_meta, result.scores["cc_norm"], strict=True):
            assert np.isfinite(cc_norm) or entry["neuron_id"] in named
        assert result.n_scored
