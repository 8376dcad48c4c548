"""Grids from arrays in memory: what is taken, in which type it is kept, and what is refused with which words."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from deepstrf_hf import NeuralDataset
from deepstrf_hf.errors import DeepstrfError, GridError
from deepstrf_hf.grid.arrays import pack_responses
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import (
    TOY_HEARD,
    Array,
    is_sentinel,
    nested,
    toy,
    toy_pairs,
    toy_stimuli,
    toy_waveforms,
    toy_with_waveforms,
)

NAN = float("nan")


def assert_is_the_toy(dataset: NeuralDataset) -> None:
    pairs = toy_pairs()
    assert dataset.nrn_masks.tolist() == TOY_HEARD
    for stimulus in range(4):
        for neuron in range(3):
            response = dataset.responses[stimulus][neuron]
            if (stimulus, neuron) in pairs:
                np.testing.assert_array_equal(response.numpy(), pairs[stimulus, neuron])
            else:
                assert is_sentinel(response)


def assert_refused(match: str | None, arguments: dict[str, Any], **content: Any) -> None:
    """Check that a changed toy is refused, and what the error says; texts may be parts of what it says."""
    with pytest.raises(GridError, match=match and re.escape(match)) as caught:
        toy(**arguments)
    assert isinstance(caught.value, ValueError)
    for name, expected in content.items():
        actual = getattr(caught.value, name)
        assert expected in actual if isinstance(expected, str) and actual is not None else actual == expected, name


def toy_response_rows() -> list[list[Any]]:
    return nested(toy_pairs(), 4, 3)


def with_response(stimulus: int, neuron: int, response: Any) -> dict[str, Any]:
    """Return arguments that put another response into the toy."""
    rows = toy_response_rows()
    rows[stimulus][neuron] = response
    return {"responses": rows}


def with_stimulus(index: int, stimulus: Any) -> dict[str, Any]:
    """Return arguments that put another stimulus into the toy."""
    stimuli: list[Any] = toy_stimuli()
    stimuli[index] = stimulus
    return {"stims": stimuli}


# Forms that are taken -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "missing",
    [None, torch.full((1, 1), NAN), np.full((1, 1), NAN), np.full((1, 1), NAN, np.float32), [[NAN]], ((NAN,),)],
    ids=["None", "tensor", "float64", "float32", "list", "tuple"],
)
def test_pairs_that_were_not_recorded(missing: Any) -> None:
    rows = [[missing if response is None else response for response in row] for row in toy_response_rows()]
    assert_is_the_toy(toy(responses=rows))


@pytest.mark.parametrize(
    "form",
    [torch.from_numpy, lambda response: response.tolist(), lambda response: response.astype(np.float64)],
    ids=["tensors", "lists", "float64"],
)
def test_responses_of_other_kinds(form: Any) -> None:
    rows = [[None if response is None else form(response) for response in row] for row in toy_response_rows()]
    assert_is_the_toy(toy(responses=rows))


@pytest.mark.parametrize("form", [np.asarray, torch.tensor], ids=["array", "tensor"])
def test_responses_as_one_block(form: Any) -> None:
    block = np.arange(2 * 3 * 2 * 4).reshape(2, 3, 2, 4)
    dataset = NeuralDataset.from_arrays(np.ones((2, 5, 4)), form(block), dt_ms=5)
    assert (dataset.get_S(), dataset.N_neurons, dataset.F) == (2, 3, 5)
    for stimulus in range(2):
        for neuron in range(3):
            np.testing.assert_array_equal(dataset.responses[stimulus][neuron].numpy(), block[stimulus, neuron])


def test_a_mapping_of_the_recorded_pairs_in_any_order() -> None:
    assert_is_the_toy(toy(responses=toy_pairs()))
    assert_is_the_toy(toy(responses=dict(reversed(list(toy_pairs().items())))))
    numpy_keys = {(np.int64(stimulus), np.int32(neuron)): r for (stimulus, neuron), r in toy_pairs().items()}
    assert_is_the_toy(toy(responses=numpy_keys))


def test_sentinels_in_a_mapping() -> None:
    assert_is_the_toy(toy(responses=toy_pairs() | {(3, 2): None, (3, 1): np.full((1, 1), NAN)}))


def test_neurons_without_a_single_response() -> None:
    dataset = toy(responses={(0, 0): np.ones((1, 4))}, nrn_meta=None, n_neurons=5)
    assert dataset.N_neurons == len(dataset.nrn_meta) == 5
    assert dataset.nrn_masks.sum() == 1


def test_responses_that_are_no_rows_of_memory() -> None:
    pairs = {pair: np.asfortranarray(response) for pair, response in toy_pairs().items()}
    assert_is_the_toy(toy(responses=pairs))
    twice = {pair: np.repeat(response, 2, axis=1)[:, ::2] for pair, response in toy_pairs().items()}
    assert_is_the_toy(toy(responses=twice))


@pytest.mark.parametrize(
    "form",
    [torch.from_numpy, lambda stimulus: stimulus[None], lambda stimulus: stimulus.tolist(), np.asfortranarray],
    ids=["tensors", "channel axis", "lists", "Fortran order"],
)
def test_spectrograms_of_other_kinds(form: Any) -> None:
    dataset = toy(stims=[form(stimulus) for stimulus in toy_stimuli()])
    assert dataset.F == 2
    for stimulus, expected in zip(dataset.stims, toy_stimuli(), strict=True):
        np.testing.assert_array_equal(stimulus.numpy(), expected[None])


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.uint8, np.float16])
def test_stimuli_become_float32(dtype: type) -> None:
    stimuli = [np.arange(2 * bins).reshape(2, bins).astype(dtype) for bins in (4, 6, 5, 3)]
    for stimulus, expected in zip(toy(stims=stimuli).stims, stimuli, strict=True):
        assert stimulus.dtype == torch.float32
        np.testing.assert_array_equal(stimulus[0].numpy(), expected)


def test_stimuli_that_are_read_only_are_taken_without_a_warning() -> None:
    stimuli = toy_stimuli()
    for stimulus in stimuli:
        stimulus.flags.writeable = False
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert toy(stims=stimuli)[0]["stims"].shape == (1, 2, 4)
    finally:
        torch.set_warn_always(False)


@pytest.mark.parametrize("channel_axis", [False, True])
def test_waveforms(channel_axis: bool) -> None:
    waveforms = [waveform[None] if channel_axis else waveform for waveform in toy_waveforms(40)]
    dataset = toy_with_waveforms(stims=waveforms, n_bands=34)
    assert (dataset.audio_fs, dataset.hop, dataset.F, dataset.return_waveform) == (8000, 40, 34, True)
    for stimulus, expected in zip(dataset.stims, toy_waveforms(40), strict=True):
        np.testing.assert_array_equal(stimulus.numpy(), expected[None])


@pytest.mark.parametrize(
    ("dtypes", "kept"),
    [
        (["uint8"], "uint8"),
        (["uint16"], "uint16"),
        (["int8"], "int8"),
        (["int16"], "int16"),
        (["uint8", "uint16"], "uint16"),
        (["uint8", "int8"], "int16"),
        (["uint16", "int16"], "float32"),
        (["int32"], "float32"),
        (["int64"], "float32"),
        (["uint32"], "float32"),
        (["bool"], "float32"),
        (["float16"], "float32"),
        (["float32"], "float32"),
        (["float64"], "float32"),
        (["uint8", "float64"], "float32"),
    ],
)
def test_stored_type_of_responses(dtypes: list[str], kept: str) -> None:
    rows = [[np.array([[0, 1], [1, 0]]).astype(dtype) for dtype in dtypes]]
    grid = pack_responses(rows, 1, None, 5.0)
    assert grid.values.dtype == np.dtype(kept)
    assert grid.values.tolist() == [0, 1, 1, 0] * len(dtypes)


def test_a_grid_without_any_response() -> None:
    dataset = toy(responses={})
    assert len(dataset) == 0 and not dataset.nrn_masks.any()
    assert is_sentinel(dataset.responses[3][2])


def test_metadata_are_copies_and_empty_by_default() -> None:
    stim_meta = [{"name": str(index)} for index in range(4)]
    dataset = toy(stim_meta=stim_meta, nrn_meta=None)
    dataset.stim_meta[0]["name"] = "changed"
    assert stim_meta[0] == {"name": "0"}
    assert dataset.nrn_meta == [{}, {}, {}]
    dataset.nrn_meta[0]["snr"] = 1.0
    assert dataset.nrn_meta[1] == {}


def test_responses_are_copied() -> None:
    pairs = toy_pairs()
    dataset = toy(responses=pairs)
    for response in pairs.values():
        response[:] = -1
    assert_is_the_toy(dataset)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "found"),
    [
        (np.ones(4), "float64 of shape (4,)"),
        (np.ones((1, 1, 4)), "float64 of shape (1, 1, 4)"),
        (np.ones((0, 4), np.uint8), "uint8 of shape (0, 4)"),
        (np.ones((2, 0)), "float64 of shape (2, 0)"),
        (3.0, "float64 of shape ()"),
        (np.array([["a", "b"]]), "<U1 of shape (1, 2)"),
        (np.ones((1, 4), complex), "complex128 of shape (1, 4)"),
        ([[1, None, 2, 3]], "object of shape (1, 4)"),
        (torch.ones(4), "float32 of shape (4,)"),
    ],
)
def test_responses_that_are_no_trials_by_bins(response: Any, found: str) -> None:
    assert_refused(
        "A response must be (trials, bins) numbers",
        with_response(0, 1, response),
        field="stimulus 0, neuron 1",
        found=found,
    )


def test_trials_of_unequal_length() -> None:
    assert_refused(None, with_response(0, 1, [[1, 2, 3, 4], [1, 2, 3]]), field="stimulus 0, neuron 1")


def test_rows_without_one_entry_per_neuron() -> None:
    rows = toy_response_rows()
    rows[2] = rows[2][:2]
    assert_refused(
        "A row of responses does not have one entry per neuron",
        {"responses": rows},
        found="rows of [2, 3] entries",
        expected="3 neurons",
        mend="None where a neuron did not hear",
    )
    assert_refused("one entry per neuron", {"responses": rows, "nrn_meta": None}, found="rows of [2, 3] entries")


@pytest.mark.parametrize("meta", [{"nrn_meta": [{}] * 4}, {"nrn_meta": None, "n_neurons": 2}])
def test_rows_for_another_number_of_neurons(meta: dict[str, Any]) -> None:
    expected = f"{len(meta['nrn_meta'] or ()) or 2} neurons"
    assert_refused("one entry per neuron", meta, found="rows of [3] entries", expected=expected)


def test_numbers_of_neurons_that_contradict_each_other() -> None:
    with pytest.raises(DeepstrfError):
        toy(n_neurons=7)


@pytest.mark.parametrize(
    "preprocessing", ["published", ["published"], [None], [HanningSmooth], HanningSmooth(21.0), 21]
)
def test_preprocessing_that_is_no_steps(preprocessing: Any) -> None:
    with pytest.raises(DeepstrfError, match="preprocessing"):
        toy(preprocessing=preprocessing)


@pytest.mark.parametrize("count", [3, 5])
def test_another_number_of_rows_than_stimuli(count: int) -> None:
    rows = (toy_response_rows() * 2)[:count]
    assert_refused("Responses do not fit the stimuli", {"responses": rows}, found=f"{count} rows", expected=4)


@pytest.mark.parametrize("pair", [(4, 0), (0, 3), (-1, 0), (0, -1)])
def test_pairs_outside_the_grid(pair: tuple[int, int]) -> None:
    responses = toy_pairs() | {pair: np.ones((1, 4), np.float32)}
    assert_refused(
        "A pair lies outside the grid", {"responses": responses}, found=pair, expected="4 stimuli, 3 neurons"
    )


def test_responses_of_unequal_bins() -> None:
    assert_refused(
        "Responses to one stimulus have different numbers of bins",
        with_response(1, 1, np.ones((1, 5))),
        field="stimulus 1",
        found=[5, 6],
        mend="a missing sample is NaN",
    )


@pytest.mark.parametrize(
    ("stimulus", "found"),
    [(np.ones(6), "(6,)"), (np.ones((2, 2, 6)), "(2, 2, 6)"), (np.ones((1, 1, 2, 6)), "(1, 1, 2, 6)")],
)
def test_spectrograms_of_other_dimensions(stimulus: Array, found: str) -> None:
    assert_refused(
        "A stimulus has the wrong number of dimensions",
        with_stimulus(1, stimulus),
        field="stimulus 1",
        found=f"shape {found}",
        expected="(bands, bins) or (1, bands, bins)",
        mend="audio_fs",
    )


@pytest.mark.parametrize("stimulus", [np.ones((2, 240)), np.ones((1, 1, 240))])
def test_waveforms_of_other_dimensions(stimulus: Array) -> None:
    waveforms = toy_waveforms(40)
    waveforms[1] = stimulus
    assert_refused(
        "A stimulus has the wrong number of dimensions",
        {"stims": waveforms, "audio_fs": 8000},
        field="stimulus 1",
        expected="(samples,) or (1, samples)",
        mend=None,
    )


@pytest.mark.parametrize("stimulus", [[[1, 2], [3]], "a song", None, [["a", "b"]], np.ones((2, 6), complex)])
def test_stimuli_that_are_no_numbers(stimulus: Any) -> None:
    assert_refused(None, with_stimulus(1, stimulus), field="stimulus 1")
