"""What stimuli and neurons of several data sets are called where they stand in one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from deepstrf_hf.grid.dataset import NeuralDataset
from deepstrf_hf.grid.repeats import OF_RESPONSES


class Tags(NamedTuple):
    """What the ``dataset`` entries of one data set say.

    Parameters
    ----------
    of_stimuli, of_neurons : list of str
        One for each stimulus and for each neuron.
    """

    of_stimuli: list[str]
    of_neurons: list[str]


def parts_of(joined: Iterable[str]) -> list[str]:
    """Return what was joined by plus signs, each part once."""
    return list(dict.fromkeys(part for text in joined for part in text.split("+") if part))


def tags_of(datasets: Sequence[NeuralDataset], names: Sequence[str] | None) -> list[Tags]:
    """Return the tags of each data set.

    Parameters
    ----------
    datasets : sequence of NeuralDataset
        Those whose stimuli all have a ``dataset`` were concatenated before.
    names : sequence of str, optional
        One for each data set, taken as they are. Without, a data set has the tags it got before, or its own name, and
        a number where a data set before it has the same.
    """
    if names is not None:
        named = zip(datasets, names, strict=True)
        return [Tags([name] * len(dataset.stim_meta), [name] * dataset.N_neurons) for dataset, name in named]
    tags: list[Tags] = []
    taken: set[str] = set()
    for dataset in datasets:
        here = _tags_before(dataset) or _tags_by_name(dataset)
        new: dict[str, str] = {}
        for tag in dict.fromkeys(here.of_stimuli):
            new[tag] = _untaken(tag, taken)
            taken.add(new[tag])
        of_neurons = [
            new.get(tag) or "+".join(new.get(part, part) for part in tag.split("+")) for tag in here.of_neurons
        ]
        tags.append(Tags([new[tag] for tag in here.of_stimuli], of_neurons))
    return tags


def _tags_by_name(dataset: NeuralDataset) -> Tags:
    name = dataset.name or type(dataset).__name__
    return Tags([name] * len(dataset.stim_meta), [name] * dataset.N_neurons)


def _tags_before(dataset: NeuralDataset) -> Tags | None:
    """Return the tags a data set got when it was concatenated itself; None if it was not."""
    of_stimuli = [entry["dataset"] for entry in dataset.stim_meta if isinstance(entry.get("dataset"), str)]
    if len(of_stimuli) < len(dataset.stim_meta):
        return None
    everything = "+".join(dict.fromkeys(of_stimuli))  # of neurons that were merged across data sets
    return Tags(of_stimuli, [entry.get("dataset") or everything for entry in dataset.nrn_meta])


def _untaken(tag: str, taken: Container[str]) -> str:
    """Return a tag, with a number if it is taken."""
    stem, number = re.sub(r"#\d+$", "", tag), 2
    while tag in taken:
        tag, number = f"{stem}#{number}", number + 1
    return tag


def with_unique_ids(metadata: Sequence[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
    """Return metadata in which every id that occurred several times is written ``<dataset>/<id>``.

    Parameters
    ----------
    metadata : sequence of mapping
        Of all stimuli or all neurons, with their ``dataset``.
    key : str
        Attribute that holds the ids; what has none gets none.
    """
    often = Counter(entry[key] for entry in metadata if entry.get(key) is not None)
    taken = {name for name, count in often.items() if count == 1}
    entries = []
    for entry in metadata:
        new, number = entry.get(key), 1
        if often[new] > 1:
            new = f"{entry['dataset']}/{entry[key]}"
            while new in taken:
                number += 1
                new = f"{entry['dataset']}#{number}/{entry[key]}"
            taken.add(new)
        entries.append({**entry, key: new} if key in entry else dict(entry))
    return entries


def joined_metadata(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a neuron that two data sets know: of the first, where both say something."""
    joined = {**other, **{key: value for key, value in one.items() if value is not None}}
    for key in ("dataset", "signal_type"):
        joined[key] = "+".join(parts_of(entry[key] for entry in (one, other) if entry[key])) or None
    return {key: value for key, value in joined.items() if key not in OF_RESPONSES}
