"""Two corpora as one stream: the same items, in one batch, and clear words where they do not fit."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import deepstrf_hf
from deepstrf_hf import build, collate_heard_neurons, interleave, neural_collate
from deepstrf_hf.errors import GridError, ParameterError
from deepstrf_hf.grid.concat import MixedSignalsWarning
from deepstrf_hf.grid.interleave_stream import InterleavedStream
from deepstrf_hf.grid.stream import stream
from deepstrf_hf.grid.stream_dataset import ResponseStream
from deepstrf_hf.grid.views import ItemResponses
from tests.grid.stream_corpora import Together, assert_same_items, build_toy
from tests.scaled_toy import ScaledToy
from tests.toy import Toy, write_toy

TOGETHER, TOY = "together/counts", "toy/counts"


class Corpora(NamedTuple):
    """Directories of two corpora; nine items of five neurons, twelve items of six."""

    together: Path
    toy: Path


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Corpora:
    return Corpora(
        build_toy(Together, tmp_path_factory.mktemp("together"), ROW_GROUP_TARGET_BYTES=1),
        build_toy(Toy, tmp_path_factory.mktemp("toy")),
    )


def parts_of(corpora: Corpora, config: str = "counts", **options: Any) -> list[ResponseStream]:
    shuffling = {"shuffle": True, "shuffle_buffer": 3, "seed": 1}
    return [stream(directory, config, **(shuffling | options)) for directory in corpora]


def both(corpora: Corpora, seed: int = 0, stop: str = "all", **options: Any) -> InterleavedStream:
    return interleave(parts_of(corpora, **options), seed=seed, stop=stop)


def ids_of(items: Any) -> list[tuple[str, str]]:
    return [(item["dataset"], item["stim_meta"]["stim_id"]) for item in items]


def own_item(item: dict[str, Any], own: slice) -> dict[str, Any]:
    """Return an item as its own stream gives it: without name, and without the other's neurons."""
    assert isinstance(item["responses"], ItemResponses)
    responses = item["responses"].only(np.arange(len(item["responses"]))[own])
    return {
        "stims": item["stims"],
        "responses": responses,
        "valid_mask": item["valid_mask"][own],
        "stim_meta": item["stim_meta"],
    }


OWN = {TOGETHER: slice(0, 5), TOY: slice(5, 11)}


@pytest.mark.parametrize("config", ["counts", "potentials"])
def test_items_are_those_of_the_streams_in_their_order(corpora: Corpora, config: str) -> None:
    parts = parts_of(corpora, config)
    whole = interleave(parts, stop="all")
    items = list(whole)
    assert len(whole) == len(items) == 21
    for name, part in zip(whole.names, parts, strict=True):
        own = OWN[name.replace("potentials", "counts")]
        of_part = [item for item in items if item["dataset"] == name]
        assert_same_items([own_item(item, own) for item in of_part], list(part))
        for item in of_part:
            others = np.ones(11, bool)
            others[own] = False
            assert not item["valid_mask"][others].any() and len(item["responses"]) == 11
            assert all(torch.isnan(item["responses"][place]).all() for place in np.flatnonzero(others))
    assert ids_of(items) != sorted(ids_of(items)), "they are mixed"


def test_scaling_of_single_neurons_stays_theirs(corpora: Corpora, tmp_path: Path) -> None:
    """A step that knows whose responses it is given still does, where the neurons have other places."""
    build(ScaledToy, data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "built")
    scaled = stream(tmp_path / "built", "all")
    whole = interleave({"counts": stream(corpora.toy, "counts"), "scaled": scaled}, stop="all")
    assert scaled.preprocessing and whole.N_neurons == 6 + 4
    found = [own_item(item, slice(6, 10)) for item in whole if item["dataset"] == "scaled"]
    assert_same_items(found, list(scaled))
    batch = neural_collate([item for item in whole if item["dataset"] == "scaled"])
    np.testing.assert_array_equal(batch["responses"][:, 6:].numpy(), neural_collate(list(scaled))["responses"].numpy())
    assert not batch["valid_mask"][:, :6].any()


def test_what_it_is(corpora: Corpora) -> None:
    whole, (first, second) = both(corpora), parts_of(corpora)
    assert isinstance(whole, torch.utils.data.IterableDataset)
    assert (whole.dt, whole.F, whole.audio_fs, whole.hop) == (first.dt, first.F, None, None)
    assert whole.names == (TOGETHER, TOY) and whole.N_neurons == whole.get_N() == 11 and whole.get_F() == first.F
    assert [entry["dataset"] for entry in whole.nrn_meta] == [TOGETHER] * 5 + [TOY] * 6
    expected = [entry["neuron_id"] for entry in first.nrn_meta + second.nrn_meta]
    shared = {name for name, count in Counter(expected).items() if count > 1}
    assert shared, "the corpora use some names both"
    for entry, name in zip(whole.get_nrn_meta(), expected, strict=True):
        assert entry["neuron_id"] == (f"{entry['dataset']}/{name}" if name in shared else name)
    assert "together/counts (9 items), toy/counts (12 items); 11 neurons" in repr(whole)


def test_names(corpora: Corpora) -> None:
    first, second = parts_of(corpora)
    assert interleave({"one": first, "other": second}).names == ("one", "other")
    assert interleave([first, first, second, first]).names == (TOGETHER, f"{TOGETHER}#2", TOY, f"{TOGETHER}#3")
    assert {item["dataset"] for item in interleave({"one": first, "other": second})} == {"one", "other"}


@pytest.mark.parametrize("collate", [neural_collate, collate_heard_neurons])
def test_batches(corpora: Corpora, collate: Callable[..., dict[str, Any]]) -> None:
    """Items of both stand in one batch, each with the values that it has alone."""
    whole = both(corpora)
    items = list(whole)
    mixed = 0
    for start, batch in enumerate(DataLoader(whole, batch_size=4, collate_fn=collate)):
        of_batch = items[4 * start : 4 * start + 4]
        assert batch["dataset"] == [item["dataset"] for item in of_batch]
        mixed += len(set(batch["dataset"])) == 2
        neurons = batch["neurons"].tolist() if "neurons" in batch else range(11)
        assert batch["responses"].shape[:2] == (len(of_batch), len(neurons))
        for row, valid, item in zip(batch["responses"], batch["valid_mask"], of_batch, strict=True):
            for place, neuron in enumerate(neurons):
                response = item["responses"][neuron]
                if bool(item["valid_mask"][neuron]):
                    trials, bins = response.shape
                    np.testing.assert_array_equal(row[place, :trials, :bins].numpy(), response.numpy())
                    assert int(valid[place].sum()) == int(torch.isfinite(response).sum())
                else:
                    assert not valid[place].any()
        for neuron in set(range(11)) - set(neurons):
            assert not any(bool(item["valid_mask"][neuron]) for item in of_batch)
    assert mixed > 2


def test_the_streams_are_left_alone(corpora: Corpora) -> None:
    parts = parts_of(corpora)
    parts[0].set_epoch(4)
    coming = iter(parts[1])
    next(coming)
    whole = interleave(parts, stop="all")
    assert ids_of(whole) == ids_of(both(corpora)) and whole.epoch == 0
    whole.set_epoch(7)
    assert [part.epoch for part in parts] == [4, 0] and parts[1].state_dict()["position"] == 1


def test_seed_and_epoch(corpora: Corpora) -> None:
    whole = both(corpora)
    orders = []
    for epoch in (0, 1, 2):
        whole.set_epoch(epoch)
        orders.append(ids_of(whole))
        assert orders[-1] == ids_of(whole), "the same epoch is the same order"
    assert len(set(map(tuple, orders))) == 3
    assert len({tuple(sorted(order)) for order in orders}) == 1
    assert ids_of(both(corpora, seed=3)) != orders[0]


def test_first_ends_with_one_of_them(corpora: Corpora) -> None:
    whole = interleave(parts_of(corpora), [0.9, 0.1])
    ids = ids_of(whole)
    counts = Counter(name for name, _ in ids)
    assert counts[TOGETHER] == 9 and ids[-1][0] == TOGETHER and counts[TOY] < 12
    assert not Counter(ids) - Counter(ids_of(both(corpora))), "no item comes more often than it is there"
    with pytest.raises(TypeError, match="first"):
        len(whole)
    assert len(list(DataLoader(whole, batch_size=None, collate_fn=dict))) == len(ids)


def test_gaps_and_steps_of_single_neurons_survive(corpora: Corpora) -> None:
    """Responses handed out in a process of their own, after pickling, are those of the stream."""
    whole = both(corpora, config="potentials")
    loader = DataLoader(whole, batch_size=None, collate_fn=lambda item: item, num_workers=1,
                        multiprocessing_context="fork")  # fmt: skip
    for one, other in zip(loader, whole, strict=True):
        assert one["dataset"] == other["dataset"]
        for mine, theirs in zip(one["responses"], other["responses"], strict=True):
            np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


# Resuming -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", ["first", "all"])
@pytest.mark.parametrize("probabilities", [None, [0.7, 0.3]])
def test_resume_anywhere(corpora: Corpora, stop: str, probabilities: list[float] | None) -> None:
    def fresh() -> InterleavedStream:
        found = interleave(parts_of(corpora), probabilities, seed=2, stop=stop)
        found.set_epoch(1)
        return found

    whole = ids_of(fresh())
    for cut in range(len(whole) + 1):
        first = fresh()
        coming = iter(first)
        before = ids_of(next(coming) for _ in range(cut))
        state = json.loads(json.dumps(first.state_dict()))
        coming.close()
        second = interleave(parts_of(corpora), probabilities, seed=2, stop=stop)
        second.load_state_dict(state)
        assert second.epoch == 1
        assert second.state_dict() == state, "what is loaded is what would be saved"
        assert before + ids_of(second) == whole
        assert ids_of(second) == whole, "the iteration after it is a whole one"


def test_states_between_iterations(corpora: Corpora) -> None:
    whole = both(corpora)
    assert whole.state_dict()["positions"] == [0, 0]
    next(iter(whole))
    assert sum(whole.state_dict()["positions"]) == 1
    whole.set_epoch(1)
    assert whole.state_dict()["positions"] == [0, 0], "of another epoch"
    other = both(corpora)
    other.load_state_dict(whole.state_dict())
    other.set_epoch(2)
    assert len(list(other)) == 21, "another epoch drops the state"


CHANGES: dict[str, tuple[Callable[[Corpora], InterleavedStream], str]] = {
    "seed": (lambda corpora: both(corpora, seed=1), "seed"),
    "stop": (lambda corpora: both(corpora, stop="first"), "stop"),
    "probabilities": (lambda corpora: interleave(parts_of(corpora), [0.5, 0.5], stop="all"), "probabilities"),
    "names": (lambda corpora: interleave(parts_of(corpora)[::-1], stop="all"), "names"),
    "shuffling of a stream": (lambda corpora: both(corpora, shuffle_buffer=2), "buffer"),
    "split of a stream": (lambda corpora: both(corpora, split="train"), "split"),
    "share": (lambda corpora: both(corpora).split_by_node(0, 2), "world_size"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_of_other_streams_is_refused(corpora: Corpora, change: str) -> None:
    make, field = CHANGES[change]
    found = both(corpora)
    next(iter(found))
    other = make(corpora)
    expected = ids_of(other)
    with pytest.raises(ParameterError, match="another stream") as caught:
        other.load_state_dict(found.state_dict())
    assert caught.value.field == field
    assert ids_of(other) == expected, "it is as it was"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: None,
        lambda state: [],
        lambda state: {**state, "version": 2},
        lambda state: {**state, "more": 1},
        lambda state: {key: value for key, value in state.items() if key != "streams"},
        lambda state: {**state, "streams": {}},
        lambda state: {**state, "order": None},
        lambda state: {**state, "order": {}},
        lambda state: {**state, "streams": [None, None]},
        lambda state: {**state, "streams": state["streams"][:1]},
        lambda state: {**state, "positions": [0, 0]},
        lambda state: {**state, "streams": [{**state["streams"][0], "epoch": 5}, state["streams"][1]]},
    ],
)
def test_what_is_no_state(corpora: Corpora, spoil: Callable[[Any], Any]) -> None:
    found = both(corpora)
    next(iter(found))
    other = both(corpora)
    with pytest.raises(ParameterError):
        other.load_state_dict(spoil(found.state_dict()))
    assert len(list(other)) == 21


def test_positions_that_no_iteration_has(corpora: Corpora) -> None:
    found = both(corpora)
    coming = iter(found)
    for _ in range(5):
        next(coming)
    state = found.state_dict()
    there = state["positions"]
    swapped = [there[0] + 1, there[1] - 1]
    spoilt = {
        **state,
        "positions": swapped,
        "streams": [{**one, "position": position} for one, position in zip(state["streams"], swapped, strict=True)],
    }
    other = both(corpora)
    other.load_state_dict(spoilt)
    with pytest.raises(ParameterError, match="another stream"):
        iter(other)


# What does not fit ----------------------------------------------------------------------------------------------------


def described(one: ResponseStream, **changes: Any) -> ResponseStream:
    """Return a stream that says something else of itself."""
    other = one.split_by_node(0, 1)
    other.description = replace(one.description, **changes)
    return other


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dt_ms": 10.0}, "bin widths"),
        ({"n_bands": 18}, "numbers of frequency bands"),
        ({"waveform": True, "audio_fs": 1000}, "kinds of stimuli"),
    ],
)
def test_streams_that_do_not_fit(corpora: Corpora, changes: dict[str, Any], says: str) -> None:
    first, second = parts_of(corpora)
    with pytest.raises(GridError, match=says) as caught:
        interleave([first, described(second, **changes)])
    assert caught.value.field == f"{TOY} beside {TOGETHER}"
    assert TOY in str(caught.value.found) and TOGETHER in str(caught.value.expected) and caught.value.mend


def test_waveforms_of_different_rates(corpora: Corpora) -> None:
    parts = parts_of(corpora, stimulus="waveform")
    assert len(list(interleave(parts, stop="all"))) == 21
    with pytest.raises(GridError, match="rates of waveforms") as caught:
        interleave([parts[0], stream(corpora.toy, "counts", stimulus="waveform", audio_fs=2000)])
    assert TOY in str(caught.value) and TOGETHER in str(caught.value) and "audio_fs" in str(caught.value.mend)


def test_bands_of_other_frequencies(corpora: Corpora) -> None:
    first, second = parts_of(corpora)
    first = described(first, band_frequencies_hz=(100.0, 200.0, 400.0))
    close = described(second, band_frequencies_hz=(100.4, 200.4, 400.4))
    far = described(second, band_frequencies_hz=(100.0, 250.0, 400.0))
    assert interleave([first, close]).names == (TOGETHER, TOY)
    with pytest.raises(GridError, match="centre frequencies") as caught:
        interleave([first, far])
    assert caught.value.field == f"band 1 of {TOY} beside {TOGETHER}"
    assert "250 Hz" in str(caught.value.found) and "200 Hz" in str(caught.value.expected)
    assert interleave([first, far], allow_different_bands=True).names == (TOGETHER, TOY)


def test_signals_of_different_kinds_are_told(corpora: Corpora) -> None:
    counts, potentials = stream(corpora.toy, "counts"), stream(corpora.toy, "potentials")
    with pytest.warns(MixedSignalsWarning, match="spikes, subthreshold") as told:
        interleave([counts, potentials])
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both(corpora)


@pytest.mark.parametrize(
    "make",
    [
        lambda parts: [],
        lambda parts: parts[:1],
        lambda parts: parts[0],
        lambda parts: 7,
        lambda parts: [*parts, "toy"],
        lambda parts: {"one": parts[0], "other": None},
        lambda parts: {1: parts[0], 2: parts[1]},
        lambda parts: [parts[0].split_by_node(0, 2), parts[1]],
        lambda parts: [parts[0].split_by_node(0, 2), parts[1].split_by_node(1, 2)],
    ],
)
def test_what_cannot_be_interleaved(corpora: Corpora, make: Callable[[list[ResponseStream]], Any]) -> None:
    with pytest.raises(ParameterError) as caught:
        interleave(make(parts_of(corpora)))
    assert str(caught.value.field).startswith("streams")


def test_it_is_public() -> None:
    assert "interleave" in deepstrf_hf.__all__ and deepstrf_hf.interleave is interleave
