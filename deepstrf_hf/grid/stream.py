"""Open a built directory or a Hub repository as a stream of items."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deepstrf_hf.errors import GridError, MissingDependencyError, ParameterError, unknown_name
from deepstrf_hf.names import NEURON_PREFIX, SUFFIX
from deepstrf_hf.preprocessing import Step, chosen_steps
from deepstrf_hf.repository import Repository

try:
    from deepstrf_hf.grid.metadata import check_stimulus_kind, describe, without_prefix
    from deepstrf_hf.grid.splits import Splits
    from deepstrf_hf.grid.steps import ResponsePreprocessing
    from deepstrf_hf.grid.stream_dataset import ResponseStream
    from deepstrf_hf.grid.stream_files import OpenTable, TableFile
    from deepstrf_hf.grid.stream_index import StreamIndex, read_index
    from deepstrf_hf.grid.stream_order import StreamOrder
    from deepstrf_hf.grid.stream_reader import StreamContent
    from deepstrf_hf.grid.stream_stimuli import StimulusTable, refuse_twice
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingDependencyError(
        "The grid needs PyTorch", found="no torch", mend="pip install 'deepstrf-hf[torch]'"
    ) from error


def stream(
    source: str | Path,
    config: str | None = None,
    *,
    split: str | None = None,
    stimulus: str = "spectrogram",
    audio_fs: int | None = None,
    preprocessing: str | Sequence[Step] | None = "published",
    neurons: Iterable[str] | None = None,
    shuffle: bool = False,
    shuffle_buffer: int = 16,
    seed: int = 0,
    prefetch: int = 1,
    revision: str | None = None,
    token: str | bool | None = None,
) -> ResponseStream:
    """Open a cohort as a stream: the items that `load` has, without ever holding more than a few of them.

    ``DataLoader(stream(...), batch_size=4, collate_fn=neural_collate)`` gives the batches that the grid gives.
    Opening reads metadata and which stimulus is where; responses and stimuli are read when their item's turn comes.
    Of a repository on the Hub only the columns and row groups needed are fetched, or nothing of a file that is in the
    Hub client's cache.

    An item is one stimulus with all its neurons in one file. Where the files of a corpus hold a site each, a
    stimulus that several sites share gives an item for each site; so does, rarely, a stimulus that is larger than a
    file. Unlike the grid, a stream also yields a stimulus all of whose responses are NaN throughout.

    Parameters
    ----------
    source, config, split, stimulus, audio_fs, preprocessing, revision, token
        As in `load`.
    neurons : iterable of str, optional
        ``neuron_id`` of the neurons that items hold, in ascending order whatever the order given; stimuli that none
        of them heard are left out. All by default.
    shuffle : bool
        Whether items come in an order that depends on `seed` and `ResponseStream.set_epoch`, or as they are stored:
        split by split, file by file, in ascending order of ``stim_id``.
    shuffle_buffer : int
        Items among which is chosen at random. Row groups are shuffled in any case; the buffer mixes their items.
    seed : int
        Of the shuffling.
    prefetch : int
        Row groups that are read ahead, each in a thread of its own and in addition to the one in use; 0 reads when an
        item is asked for. More hide the latency of the Hub.

    Returns
    -------
    ResponseStream
        An ``IterableDataset``. Workers of a ``DataLoader`` share its items; `ResponseStream.split_by_node` shares them
        among nodes.

    Raises
    ------
    UnknownNameError
        No such configuration, split or neuron.
    ParameterError
        An argument that cannot be used.
    TableFormatError, GridError
        The tables are not ours, or broken; what is wrong with a row is found when it is read.
    HubError
        The Hub refused or could not be reached.
    """
    check_stimulus_kind(stimulus, audio_fs)
    if isinstance(prefetch, bool) or not isinstance(prefetch, int) or prefetch < 0:
        raise ParameterError(
            "Not a number of row groups", field="prefetch", found=repr(prefetch), expected="a whole number, 0 or more"
        )
    order = StreamOrder(shuffle, shuffle_buffer, seed)
    repository = Repository.open(source, revision=revision, token=token)
    config = repository.main_config(config)
    main = TableFile.of(repository, config, split)
    stimulus_files, neuron_files = (TableFile.of(repository, config + SUFFIX[name]) for name in ("stimuli", "neurons"))
    neuron_meta, said_by_neurons = _neurons(neuron_files, repository)
    stimuli, said_by_stimuli = StimulusTable.read(stimulus_files)
    ids = [entry["neuron_id"] for entry in neuron_meta]
    wanted = _wanted(neurons, ids)
    index, said_by_rows = read_index(main, stimuli.ids(), wanted)
    said = zip(
        (*main, *stimulus_files, *neuron_files), (*said_by_rows, *said_by_stimuli, *said_by_neurons), strict=True
    )
    provenance = repository.agreed_provenance((str(file), entry) for file, entry in said)
    if not neuron_meta:
        raise GridError("A grid needs a stimulus and a neuron", path=str(neuron_files[0]), found="no neuron")
    kept = [number for number, name in enumerate(ids) if wanted is None or name in wanted]
    place = dict.fromkeys(ids, -1) | {ids[number]: position for position, number in enumerate(kept)}
    steps = chosen_steps(preprocessing, provenance["preprocessing"])
    description = describe(provenance, audio_fs, stimulus == "waveform", str(source), config)
    content = StreamContent(
        index,
        stimuli,
        place,
        [neuron_meta[number] for number in kept],
        replace(
            description,
            n_bands=description.n_bands or stimuli.n_bands(),
            splits=_splits(repository, config, split, index, stimuli, provenance.get("splits_source", "")),
        ),
        stimuli.preprocessing(steps),
        ResponsePreprocessing.bind(steps, neuron_meta).renumbered(np.array(kept, np.int64)),
    )
    names = {
        "corpus": provenance["corpus"],
        "corpus_version": provenance["corpus_version"],
        "config": config,
        "split": str(split),
        "neurons": hashlib.sha256("\n".join(ids[number] for number in kept).encode()).hexdigest(),
        "items": index.digest(),
        "raw_files": str(provenance.get("raw_sha256")),
    }
    return ResponseStream(content, order, names, prefetch)


def _neurons(files: Sequence[TableFile], repository: Repository) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the metadata of all neurons of a cohort, and what each file says about itself."""
    meta, provenance = [], []
    for file in files:
        with OpenTable(file) as table:
            provenance.append(table.provenance())
            repository.agreed_provenance([(str(file), provenance[-1])])  # tables of another version read differently
            for rows in table.row_groups(table.schema.names):
                meta += [without_prefix(row, NEURON_PREFIX) for row in rows.to_pylist()]
    refuse_twice([entry.get("neuron_id") for entry in meta], "neuron_id", files[0])
    return meta, provenance


def _wanted(neurons: Iterable[str] | None, known: Sequence[str]) -> frozenset[str] | None:
    """Return the neurons that a user asked for, after checking that they exist."""
    if neurons is None:
        return None
    if isinstance(neurons, (str, bytes, Mapping)) or not isinstance(neurons, Iterable):
        raise ParameterError(
            "Neurons are asked for by a list of their ids", field="neurons", found=repr(neurons), expected="a list"
        )
    wanted, there = list(neurons), set(known)
    for name in wanted:
        if name not in there:
            raise unknown_name("neuron", name, known, field="neurons")
    return frozenset(wanted)


def _splits(
    repository: Repository, config: str, split: str | None, index: StreamIndex, stimuli: StimulusTable, source: str
) -> Splits:
    """Return the published division of the stimuli that the stream has."""
    names = [name for name in repository.configs[config] if split in (None, name)]
    of_file = [name for name in names for _ in repository.names(config, name)]
    members: dict[str, set[str]] = {name: set() for name in names}
    for file, stimulus in zip(index.item_file.tolist(), index.item_stimulus.tolist(), strict=True):
        members[of_file[file]].add(stimuli.meta[stimulus]["stim_id"])
    return Splits.published({name: sorted(ids) for name, ids in members.items()}, source)
