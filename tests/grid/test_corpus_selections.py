"""Selections that a corpus declares for its own grids."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import builders
from deepstrf_hf import NeuralDataset, build, concat_neural_datasets, load
from deepstrf_hf.errors import BuilderContractError, SelectionError
from tests.scaled_toy import ScaledToy
from tests.toy import write_toy


def of_site(stimuli: Sequence[Mapping[str, Any]], site: str, *, shared: bool = False) -> list[bool]:
    """Choose the stimuli of a site."""
    chosen = [entry["site"] == site or (shared and entry["site"] is None) for entry in stimuli]
    if not any(chosen):
        raise SelectionError("No stimulus of this site", field="site", found=site)
    return chosen


def one_too_few(stimuli: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Answer for all but one."""
    return [True] * (len(stimuli) - 1)


class SelectingToy(ScaledToy):
    """A corpus with selections of its own."""

    CORPUS = replace(
        ScaledToy.CORPUS, name="selecting_toy", selections={"of_site": of_site, "one_too_few": one_too_few}
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("selecting")
    build(SelectingToy, data_dir=write_toy(root / "raw"), out=root / "built")
    return root / "built"


@pytest.fixture
def dataset(built: Path, monkeypatch: pytest.MonkeyPatch) -> NeuralDataset:
    monkeypatch.setitem(builders.BUILDERS, "selecting_toy", f"{__name__}:SelectingToy")
    return load(built)


def chosen(dataset: NeuralDataset) -> list[str]:
    return [item["stim_meta"]["stim_id"] for item in dataset]


def test_a_declared_selection_chooses_stimuli_and_hides_neurons(dataset: NeuralDataset) -> None:
    assert dataset.select_of_site("site_a") == [0]
    assert chosen(dataset) == ["s0"]
    assert [entry["neuron_id"] for entry in dataset.get_nrn_meta()] == ["site_a-n0", "site_a-n1"]
    assert dataset.select_of_site("site_b", shared=True) == [1, 2], "it replaces the choice before"
    assert chosen(dataset) == ["s1", "s2"]
    dataset.reset_stim_selection()
    assert len(dataset) == 3


def test_its_own_error_reaches_the_user_and_the_choice_stays(dataset: NeuralDataset) -> None:
    dataset.select_of_site("site_a")
    with pytest.raises(SelectionError, match="site_c"):
        dataset.select_of_site("site_c")
    assert chosen(dataset) == ["s0"]


def test_an_answer_of_the_wrong_length_is_refused(dataset: NeuralDataset) -> None:
    with pytest.raises(BuilderContractError, match=r"select_one_too_few.*shape \(2,\).*3 truth values"):
        dataset.select_one_too_few()


def test_it_is_found_by_completion_and_help(dataset: NeuralDataset) -> None:
    assert {"select_of_site", "select_one_too_few", "select_stims"} <= set(dir(dataset))
    assert dataset.select_of_site.__doc__ == "Choose the stimuli of a site."


def test_views_copies_and_concatenations_have_it(dataset: NeuralDataset) -> None:
    sent = pickle.loads(pickle.dumps(dataset))  # noqa: S301 (made here)
    for other in (dataset.where(neurons={"site": "site_a"}), copy.copy(dataset), sent):
        assert other.select_of_site("site_a") == [0]
    both = concat_neural_datasets([dataset, dataset])
    assert both.select_of_site("site_a") == [0, 3]


def test_other_corpora_do_not_have_it(built: Path, dataset: NeuralDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(builders.BUILDERS, "selecting_toy")
    arrays = NeuralDataset.from_arrays(
        [dataset.stims[0].numpy()], [[dataset.responses[0][0].numpy()]], [{"site": "site_a"}], dt_ms=5.0
    )
    for other in (load(built), arrays):
        assert "select_of_site" not in dir(other)
        with pytest.raises(AttributeError, match="no attribute 'select_of_site'"):
            other.select_of_site("site_a")
    with pytest.raises(AttributeError, match="no attribute 'stimuli'"):
        _ = dataset.stimuli
