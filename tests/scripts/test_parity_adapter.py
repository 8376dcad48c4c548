"""Our grid made by setting attributes: the same grid, and nothing of its own."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.errors import GridError
from scripts.parity.adapter import DraftedDataset
from scripts.parity.equality import compared

N_BANDS, DT_MS = 3, 5
ABSENT = torch.full((1, 1), float("nan"))


def simulate(seed: int, n_stimuli: int, n_neurons: int) -> tuple[list[torch.Tensor], list[list[torch.Tensor]]]:
    """Stimuli and responses with absent pairs; each neuron heard the first stimulus."""
    rng = np.random.default_rng(seed)
    bins = rng.integers(2, 7, n_stimuli).tolist()
    stims = [torch.from_numpy(rng.standard_normal((1, N_BANDS, length)).astype(np.float32)) for length in bins]
    responses = [
        [
            torch.from_numpy(rng.poisson(2, (rng.integers(1, 4), length)).astype(np.float32))
            if stimulus == 0 or rng.random() < 0.6
            else ABSENT
            for _ in range(n_neurons)
        ]
        for stimulus, length in enumerate(bins)
    ]
    return stims, responses


def drafted(stims: list[torch.Tensor], responses: list[list[torch.Tensor]], **attributes: Any) -> DraftedDataset:
    dataset = DraftedDataset("somewhere", DT_MS)
    dataset.F, dataset.N_neurons = N_BANDS, len(responses[0])
    dataset.stims, dataset.responses = stims, [list(row) for row in responses]
    dataset.stim_meta = [{"name": f"s{index}"} for index in range(len(stims))]
    dataset.nrn_meta = [{"name": f"n{index}"} for index in range(len(responses[0]))]
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def whole(dataset: NeuralDataset) -> list[Any]:
    """Everything there is to see of a dataset under its selection."""
    items = [dataset[index] for index in range(len(dataset))]
    batch = neural_collate(items) | {"stim_meta": []} if items else {}
    return [len(dataset), dataset.get_N(), dataset.nrn_masks, batch]


def same(one: Any, other: Any) -> bool:
    return compared(one, other)["largest_difference"] == 0


@given(st.integers(0, 2**16), st.integers(1, 5), st.integers(1, 4))
def test_attributes_make_the_grid_that_arrays_make(seed: int, n_stimuli: int, n_neurons: int) -> None:
    stims, responses = simulate(seed, n_stimuli, n_neurons)
    dataset, expected = drafted(stims, responses), NeuralDataset.from_arrays(stims, responses, dt_ms=DT_MS)
    assert same(whole(dataset), whole(expected))
    dataset.select_neuron(0)
    expected.select_neuron(0)
    assert same(whole(dataset), whole(expected))


@given(st.data())
def test_an_assigned_response_makes_the_grid_of_the_new_arrays(data: st.DataObject) -> None:
    stims, responses = simulate(data.draw(st.integers(0, 2**16)), 3, 3)
    dataset = drafted(stims, responses)
    dataset.validate()  # made: from here on there are no lists to assign to
    for _ in range(data.draw(st.integers(1, 3))):
        stimulus, neuron = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
        bins = stims[stimulus].shape[-1]
        new = data.draw(st.sampled_from([ABSENT, torch.full((4, bins), 7.0)]))
        dataset.responses[stimulus][neuron] = new
        responses[stimulus][neuron] = new
    assert same(whole(dataset), whole(NeuralDataset.from_arrays(stims, responses, dt_ms=DT_MS)))


def test_a_draft_is_what_was_set_until_it_is_needed() -> None:
    stims, responses = simulate(1, 2, 2)
    dataset = drafted(stims, responses)
    assert dataset.stims is stims
    assert (dataset.path, dataset.dt, dataset.F) == ("somewhere", DT_MS, N_BANDS)
    dataset.responses[1][0] = torch.zeros(2, stims[1].shape[-1])  # into the list that was set
    assert not isinstance(dataset.nrn_masks, list)
    assert dataset.stims is not stims
    assert dataset.responses[1][0].shape == (2, stims[1].shape[-1])


def test_selections_and_transformed_values_outlive_an_assignment() -> None:
    stims, responses = simulate(2, 4, 3)
    dataset = drafted(stims, responses)
    scale = dataset.normalize_responses("max")["scale"]
    dataset.select_population([2, 0])
    dataset.select_stims([0, 1])
    dataset.responses[0][1] = ABSENT
    assert (dataset.I, dataset.S_sel) == ([2, 0], [0, 1])
    assert torch.allclose(dataset.responses[0][0], responses[0][0] / scale[0])
    assert dataset.nrn_masks[0].tolist() == [True, False, True]


def test_metadata_of_one_name_become_dictionaries() -> None:
    stims, responses = simulate(3, 2, 1)
    dataset = drafted(stims, responses, stim_meta=[("a",), ("b",)], nrn_meta=["n"])
    dataset.validate()
    assert dataset.stim_meta == [{"name": "a"}, {"name": "b"}]
    assert dataset.nrn_meta == [{"name": "n"}]


def test_waveforms_are_waveforms() -> None:
    _, responses = simulate(4, 2, 1)
    stims = [torch.ones(1, row[0].shape[-1] * 40) for row in responses[:1]]
    dataset = drafted(stims, responses[:1], audio_fs=8000, return_waveform=True)
    assert dataset.return_waveform
    assert dataset.hop == 40
    assert dataset[0]["stims"].shape == stims[0].shape


def test_faults_are_reported_by_ours() -> None:
    with pytest.raises(GridError, match="needs a stimulus and a neuron"):
        DraftedDataset("nowhere", DT_MS).validate()
    stims, responses = simulate(5, 2, 2)
    with pytest.raises(GridError, match="Two numbers of neurons"):
        drafted(stims, responses, N_neurons=3).validate()
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = drafted(stims, responses).nothing_of_ours


def test_private_names_say_what_ours_hold() -> None:
    stims, responses = simulate(6, 3, 3)
    responses[1][0] = responses[1][2] = ABSENT
    responses[1][1] = torch.zeros(1, stims[1].shape[-1])
    dataset = drafted(stims, responses)
    assert (dataset._selected(), dataset._selected_stims()) == ([0, 1, 2], [0, 1, 2])
    dataset.select_stims([1])
    assert (dataset._selected(), dataset._selected_stims()) == ([1], [1])


def test_a_copy_is_a_dataset_of_its_own() -> None:
    stims, responses = simulate(7, 2, 2)
    dataset = drafted(stims, responses)
    dataset.validate()
    other = copy.copy(dataset)
    other.select_neuron(1)
    assert (dataset.get_N(), other.get_N()) == (2, 1)
