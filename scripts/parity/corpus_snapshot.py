"""What a library made of a raw tree: metadata and arrays, kept by name; read and written as one file.

Runs in deepSTRF's environment too: NumPy is all it needs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FACTS = ("dt", "F", "audio_fs", "species", "hearing_range_hz", "signal_type")
"""Attributes of a dataset that are true of all of it."""
LONGEST_NAME = 80

Float32 = NDArray[np.float32]
Metadata = dict[str, Any]
OurField = str | Callable[[Mapping[str, Any]], Any]


class AmbiguousNameError(Exception):
    """Two neurons, stimuli or pairs have the same name, so that they cannot be told apart."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Neurons, stimuli and responses under names that do not depend on any order.

    Parameters
    ----------
    facts : dict
        Attributes of the dataset.
    neurons, stimuli : dict
        Metadata by name.
    values : dict
        By name of the stimulus: float32 (1, bands, bins) or (1, samples).
    responses : dict
        By names of stimulus and neuron, recorded pairs alone: float32 (trials, bins).
    """

    facts: Metadata
    neurons: dict[str, Metadata]
    stimuli: dict[str, Metadata]
    values: dict[str, Float32]
    responses: dict[tuple[str, str], Float32]

    def of_neurons(self, keeps: Callable[[Metadata], bool]) -> Snapshot:
        """Return what some neurons have, and the stimuli that they heard.

        Parameters
        ----------
        keeps : callable
            Given the metadata of a neuron, says whether it is one of them.
        """
        neurons = {name: entry for name, entry in self.neurons.items() if keeps(entry)}
        responses = {pair: response for pair, response in self.responses.items() if pair[1] in neurons}
        heard = {stimulus for stimulus, _ in responses}
        return replace(
            self,
            neurons=neurons,
            stimuli={name: entry for name, entry in self.stimuli.items() if name in heard},
            values={name: values for name, values in self.values.items() if name in heard},
            responses=responses,
        )

    def with_responses(self, responses: Mapping[tuple[str, str], Float32]) -> Snapshot:
        """Return the same with other responses."""
        return replace(self, responses=dict(responses))


def snapshot_of(
    dataset: Any, neuron_fields: Sequence[str], stimulus_fields: Sequence[str], names: Vocabulary | None = None
) -> Snapshot:
    """Take a snapshot of a data set of either library.

    Parameters
    ----------
    dataset : NeuralDataset
        deepSTRF's or ours.
    neuron_fields, stimulus_fields : sequence of str
        deepSTRF's metadata fields whose values, joined, are a name.
    names : Vocabulary, optional
        Turns our metadata into deepSTRF's fields; deepSTRF's own are taken as they are.

    Raises
    ------
    AmbiguousNameError
        Names are not unique.
    """
    neurons = [plain(entry) if names is None else names.of_neuron(plain(entry)) for entry in dataset.nrn_meta]
    stimuli = [plain(entry) if names is None else names.of_stimulus(plain(entry)) for entry in dataset.stim_meta]
    neuron_names = _names(neurons, neuron_fields, "neurons")
    stimulus_names = _names(stimuli, stimulus_fields, "stimuli")
    responses = {}
    for stimulus, row in zip(stimulus_names, dataset.responses, strict=True):
        for neuron, response in zip(neuron_names, row, strict=True):
            array = response.numpy()
            if not (array.shape == (1, 1) and np.isnan(array).all()):
                responses[stimulus, neuron] = array.astype(np.float32)
    facts = {name: plain(getattr(dataset, name, None)) for name in FACTS}
    values = (stimulus.numpy().astype(np.float32) for stimulus in dataset.stims)
    return Snapshot(
        facts,
        dict(zip(neuron_names, neurons, strict=True)),
        dict(zip(stimulus_names, stimuli, strict=True)),
        dict(zip(stimulus_names, values, strict=True)),
        responses,
    )


@dataclass(frozen=True)
class Vocabulary:
    """Our names of deepSTRF's metadata fields, where they are other ones.

    Parameters
    ----------
    neuron, stimulus : mapping
        deepSTRF's name of every field it has, and ours; or a function of our metadata, where ours is text of another
        form.
    """

    neuron: Mapping[str, OurField]
    stimulus: Mapping[str, OurField]

    def of_neuron(self, entry: Mapping[str, Any]) -> Metadata:
        """Return our metadata of a neuron under deepSTRF's names; what deepSTRF does not have is left out."""
        return _renamed(entry, self.neuron)

    def of_stimulus(self, entry: Mapping[str, Any]) -> Metadata:
        """Return our metadata of a stimulus under deepSTRF's names; what deepSTRF does not have is left out."""
        return _renamed(entry, self.stimulus)


def _renamed(entry: Mapping[str, Any], fields: Mapping[str, OurField]) -> Metadata:
    named = {}
    for theirs, ours in fields.items():
        if callable(ours):
            named[theirs] = ours(entry)
        elif ours in entry:
            named[theirs] = entry[ours]
    return named


def name_of(entry: Mapping[str, Any], fields: Iterable[str]) -> str:
    """Join the values of some fields into a name."""
    return "/".join(_text(entry.get(field)) for field in fields)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _names(entries: Sequence[Metadata], fields: Sequence[str], what: str) -> list[str]:
    names = [name_of(entry, fields) for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AmbiguousNameError(f"{len(twice)} {what} share their {', '.join(fields)}: {twice[0][:LONGEST_NAME]}")
    return names


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; NaN and None stay what they are."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return value if value is None or isinstance(value, str | bool | int | float) else repr(value)


def same(one: Any, other: Any) -> bool:
    """Say whether two metadata values are the same: text and integers exactly, floats up to rounding."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool) or not _are_numbers(one, other):
        return type(one) is type(other) and bool(one == other)
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9)


def _are_numbers(one: Any, other: Any) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float)


def save(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot."""
    arrays = [*snapshot.values.values(), *snapshot.responses.values()]
    np.savez(
        path,
        entries=np.array(
            json.dumps(
                {
                    "facts": snapshot.facts,
                    "neurons": snapshot.neurons,
                    "stimuli": snapshot.stimuli,
                    "pairs": list(snapshot.responses),
                    "shapes": [array.shape for array in arrays],
                }
            )
        ),
        samples=np.concatenate([array.ravel() for array in arrays]) if arrays else np.empty(0, np.float32),
    )


def load(path: Path) -> Snapshot:
    """Read a snapshot back."""
    with np.load(path, allow_pickle=False) as file:
        entries, samples = json.loads(str(file["entries"])), file["samples"]
    shapes = entries["shapes"]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    pieces = np.split(samples, ends[:-1]) if shapes else []
    arrays = [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]
    n_stimuli = len(entries["stimuli"])
    pairs = [(stimulus, neuron) for stimulus, neuron in entries["pairs"]]
    return Snapshot(
        entries["facts"],
        entries["neurons"],
        entries["stimuli"],
        dict(zip(entries["stimuli"], arrays[:n_stimuli], strict=True)),
        dict(zip(pairs, arrays[n_stimuli:], strict=True)),
    )
