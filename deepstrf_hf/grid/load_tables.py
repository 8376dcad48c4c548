"""What the tables of a cohort say, apart from the stimuli themselves: metadata, and all responses in one buffer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from deepstrf_hf.cache.digests import FileDigests
from deepstrf_hf.cache.entries import CacheDirectory, Opened
from deepstrf_hf.cache.remembered import cache_key, remembered
from deepstrf_hf.cache.stores import ArrayStore
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.grid.metadata import metadata_columns, without_prefix
from deepstrf_hf.grid.pair_index import PairIndex
from deepstrf_hf.grid.responses import read_responses
from deepstrf_hf.grid.shared import SharedArray
from deepstrf_hf.grid.storage import PackedGrid
from deepstrf_hf.hub_integrity import altered_files, refuse_altered
from deepstrf_hf.names import NEURON_PREFIX, STIMULUS_PREFIX, SUFFIX
from deepstrf_hf.parquet import as_numpy, column_names, row_groups
from deepstrf_hf.raw_tree import sha256_of
from deepstrf_hf.repository import Repository

INDEX_ARRAYS = ("pair_start", "pair_neuron", "pair_offset", "pair_trials", "bins")


@dataclass(frozen=True, eq=False)
class CohortFiles:
    """Files of a cohort, and where what was made of them is kept.

    Parameters
    ----------
    repository : Repository
        Directory or Hub repository.
    config : str
        Configuration of the main table.
    split : str or None
        Split of the main table; None is all.
    main, stimuli, neurons : sequence of Path
        Files of the three tables.
    cache : CacheDirectory or None
        Cache.
    """

    repository: Repository
    config: str
    split: str | None
    main: Sequence[Path]
    stimuli: Sequence[Path]
    neurons: Sequence[Path]
    cache: CacheDirectory | None

    @classmethod
    def find(cls, repository: Repository, config: str, split: str | None, cache: CacheDirectory | None) -> CohortFiles:
        """List the files, fetching what is on the Hub, and again what is not as the Hub states it.

        Raises
        ------
        HubError
            A file is not what the Hub states; others as in `Repository.files`.
        """
        main = repository.files(config, split)
        stimuli, neurons = (repository.files(config + SUFFIX[table]) for table in ("stimuli", "neurons"))
        files = cls(repository, config, split, main, stimuli, neurons, cache)
        if repository.directory is None and files.digests:
            altered = altered_files(files.digests)
            for path in altered:
                repository.fetch_again(path)
            if altered:
                files = replace(files)  # without the digests from before
                refuse_altered(files.digests or {})
        return files

    @cached_property
    def digests(self) -> dict[Path, str] | None:
        """SHA-256 of the files; None where one cannot be read."""
        paths = [*self.main, *self.stimuli, *self.neurons]
        try:
            if self.cache is None:
                return {path: sha256_of(path) for path in paths}
            return dict(zip(paths, FileDigests(self.cache.indexes).of(paths), strict=True))
        except OSError:  # reading the tables will say what is wrong with them
            return None

    @property
    def contents(self) -> list[list[str]] | None:
        """SHA-256 of the files, table by table; None without a cache, or where a file cannot be read."""
        digests = self.digests if self.cache is not None else None
        if digests is None:
            return None
        return [[digests[path] for path in table] for table in (self.main, self.stimuli, self.neurons)]

    def without_cache(self) -> CohortFiles:
        """Return the same files without cache."""
        return replace(self, cache=None)

    def remembered(self, make: Callable[[ArrayStore], Any], *parts: Any) -> Opened:
        """Return what a function makes of these files and `parts`, from the cache if it was made before."""
        if self.contents is None:
            return remembered(None, "", make)
        return remembered(self.cache, cache_key(self.config, self.split, self.contents, *parts), make)


@dataclass(frozen=True, eq=False)
class CohortTables:
    """What the tables say.

    Parameters
    ----------
    provenance : dict
        What the files say about themselves.
    stimuli, neurons : list of dict
        Metadata under the grid's names.
    members : dict of str to list of str
        ``stim_id`` of the stimuli of each split, ascending.
    grid : PackedGrid
        Responses, without preprocessing, of all stimuli and neurons.
    """

    provenance: dict[str, Any]
    stimuli: list[dict[str, Any]]
    neurons: list[dict[str, Any]]
    members: dict[str, list[str]]
    grid: PackedGrid

    @classmethod
    def open(cls, files: CohortFiles) -> CohortTables:
        """Read the tables, or map what was made of them before.

        Raises
        ------
        TableFormatError
            The tables are not ours, or broken.
        GridError
            Responses that do not fit together.
        """
        content, arrays = files.remembered(lambda store: _read(files, store), "responses")
        pieces = {name: array[0] for name, array in arrays.items()}
        neurons = _rows(content["neurons"], NEURON_PREFIX)
        grid = PackedGrid.of_index(
            SharedArray(pieces["values"]),
            PairIndex(*(pieces[name] for name in INDEX_ARRAYS)),
            n_neurons=len(neurons),
            dt_ms=content["provenance"]["dt_ms"],
            heard=pieces.get("pair_heard"),
        )
        return cls(content["provenance"], _rows(content["stimuli"], STIMULUS_PREFIX), neurons, content["members"], grid)


def _rows(columns: Mapping[str, Sequence[Any]], prefix: str) -> list[dict[str, Any]]:
    names = list(without_prefix(columns, prefix))
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _read(files: CohortFiles, store: ArrayStore) -> dict[str, Any]:
    """Read the tables: arrays into a store, all else as plain data."""
    provenance = files.repository.provenance([*files.main, *files.stimuli, *files.neurons])
    stimuli, neurons = _metadata(files.stimuli), _metadata(files.neurons)
    kept = [name for name in files.repository.configs[files.config] if files.split in (None, name)]
    members = {name: _stimuli_of(files.repository.files(files.config, name)) for name in kept}
    _read_responses(files.main, stimuli, neurons, store)
    return {
        "provenance": provenance,
        "stimuli": stimuli.to_pydict(),
        "neurons": neurons.to_pydict(),
        "members": members,
    }


def _metadata(files: Sequence[Path]) -> pa.Table:
    """Read all columns but the large ones."""
    return pa.concat_tables(list(row_groups(files, metadata_columns(column_names(files[0])))))


def _stimuli_of(files: Sequence[Path]) -> list[str]:
    """Return the ids of the stimuli of a split, ascending."""
    once: set[str] = set()
    for table in row_groups(files, ["stim_id"]):
        once.update(pa.compute.unique(table.column("stim_id")).to_pylist())
    return sorted(once)


def _read_responses(files: Sequence[Path], stimuli: pa.Table, neurons: pa.Table, store: ArrayStore) -> None:
    """Read the responses of a main table into one buffer, and index them."""
    index = pa.concat_tables(list(row_groups(files, ["stim_id", "neuron_id", "n_trials", "n_bins"])))
    if not len(index):
        raise TableFormatError("The main table has no rows", path=files[0].parent, mend="build or download it again")
    places = []
    for column, companion in (("stim_id", stimuli), ("neuron_id", neurons)):
        place = pa.compute.index_in(index.column(column), companion.column(column).combine_chunks())
        if place.null_count:
            unknown = pa.compute.filter(index.column(column), pa.compute.is_null(place))[0].as_py()
            raise TableFormatError(
                "The main table names what its companion table lacks", path=files[0].parent, field=column, found=unknown
            )
        named = pa.compute.value_counts(companion.column(column))
        twice = np.flatnonzero(as_numpy(named.field("counts")) > 1)
        if len(twice):
            raise TableFormatError(
                "A companion table names one thing twice",
                path=files[0].parent,
                field=column,
                found=named.field("values")[int(twice[0])].as_py(),
            )
        places.append(as_numpy(place))
    trials, bins = (as_numpy(index.column(name)).astype(np.int64) for name in ("n_trials", "n_bins"))
    heard = read_responses(files, trials, bins, store)
    pairs = PairIndex.of_pairs(places[0], places[1], trials, bins, n_stimuli=len(stimuli), n_neurons=len(neurons))
    _store(store, {name: getattr(pairs, name) for name in INDEX_ARRAYS})
    if heard is not None:
        _store(store, {"pair_heard": heard if pairs.order is None else heard[pairs.order]})


def _store(store: ArrayStore, arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        store.reserve(name, array.dtype, array.size)
        store.put(name, 0, array)
