"""The always self-contained view of a main table: every row with its stimulus, however it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from deepstrf_hf.errors import TableFormatError, UnknownNameError
from deepstrf_hf.hub_errors import hub_errors
from deepstrf_hf.names import SUFFIX
from deepstrf_hf.repository import Repository

ROWS_AT_ONCE = 16
"""Rows that get their stimulus together when streaming; bounds the memory."""


def rows(
    source: str | Path,
    config: str | None = None,
    *,
    split: str | None = None,
    streaming: bool = True,
    revision: str | None = None,
    token: str | bool | None = None,
) -> Any:
    """Open a main table so that every row carries its spectrogram (or waveform).

    Where the corpus stores stimuli by reference, they are read once and attached as rows go by.

    Parameters
    ----------
    source : str or Path
        Built directory or Hub repository.
    config : str, optional
        Configuration of a main table, or of its waveform variant; the default one if not given.
    split : str, optional
        ``"train"`` or ``"test"``; a dictionary of all splits if not given, as ``datasets.load_dataset`` does.
    streaming : bool
        An ``IterableDataset`` that reads as it goes, or a ``Dataset`` in the cache. In a ``Dataset`` of a corpus that
        stores stimuli by reference, a transform attaches the stimulus when a row is asked for, so that the cache
        stays small: ``with_format`` and ``select_columns`` replace or do not know the attached column.
    revision, token
        As in ``datasets.load_dataset``.

    Returns
    -------
    datasets.IterableDataset, datasets.Dataset, or a dictionary of them by split
        Rows as in the card's column table.

    Raises
    ------
    UnknownNameError
        No such configuration or split.
    TableFormatError
        Not a corpus that deepstrf-hf built.
    HubError
        The Hub refused or could not be reached when the table was opened. What ``datasets`` meets later, while it
        streams, it raises itself.
    """
    repository = Repository.open(source, revision=revision, token=token)
    waveform = SUFFIX["waveform"]
    if config is not None and config.endswith(waveform):
        repository.check_config(config)
    else:
        config = repository.main_config(config)
    splits = repository.configs[config]
    if split is not None and split not in splits:
        raise UnknownNameError(f"{config} has no split {split!r}", path=source, expected=", ".join(splits))
    with hub_errors(str(source), revision):
        opened = _load(repository, config, split, streaming)
        if config.endswith(waveform) or "spectrogram" in repository.columns(config):
            return opened
        stimuli = _load(repository, config + SUFFIX["stimuli"], "train", False).select_columns(
            ["stim_id", "spectrogram"]
        )
    attach = _Attach(stimuli)
    if split is not None:
        return attach(opened)
    kind = datasets.IterableDatasetDict if streaming else datasets.DatasetDict
    return kind({name: attach(dataset) for name, dataset in opened.items()})


def _load(repository: Repository, config: str, split: str | None, streaming: bool) -> Any:
    return datasets.load_dataset(
        str(repository.directory or repository.source),
        config,
        split=split,
        streaming=streaming,
        revision=repository.revision,
        token=repository.token,
    )


class _Attach:
    """Puts the spectrogram into rows that name it."""

    def __init__(self, stimuli: datasets.Dataset) -> None:
        self._stimuli = stimuli
        self._place = {stim_id: index for index, stim_id in enumerate(stimuli["stim_id"])}

    def __call__(self, dataset: Any) -> Any:
        features = datasets.Features(_after_response(dataset.features, self._stimuli.features["spectrogram"]))
        if isinstance(dataset, datasets.Dataset):
            return dataset.with_transform(self._to_batch)
        attached = dataset.with_format("arrow").map(
            self._to_table, batched=True, batch_size=ROWS_AT_ONCE, features=features
        )
        return attached.with_format(None)

    def _rows_of(self, stim_ids: list[str]) -> list[int]:
        lacking = [stim_id for stim_id in stim_ids if stim_id not in self._place]
        if lacking:
            raise TableFormatError(
                "The main table names a stimulus that its companion table lacks",
                field="stim_id",
                found=lacking[0],
                mend="build it again",
            )
        return [self._place[stim_id] for stim_id in stim_ids]

    def _to_table(self, table: pa.Table) -> pa.Table:
        wanted = self._rows_of(table.column("stim_id").to_pylist())
        once, repeat = np.unique(wanted, return_inverse=True)
        column = self._stimuli.with_format("arrow")[once.tolist()].column("spectrogram").combine_chunks()
        place = table.column_names.index("response") + 1
        return table.add_column(place, "spectrogram", column.take(pa.array(repeat)))

    def _to_batch(self, batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        if "stim_id" not in batch:  # another column was asked for alone
            return dict(batch)
        spectrograms = self._stimuli[self._rows_of(batch["stim_id"])]["spectrogram"]
        return _after_response(batch, spectrograms)


def _after_response(columns: Mapping[str, Any], spectrogram: Any) -> dict[str, Any]:
    """Return columns with the spectrogram where the contract has it: behind the response."""
    merged = {}
    for name, column in columns.items():
        merged[name] = column
        if name == "response":
            merged["spectrogram"] = spectrogram
    return merged if "spectrogram" in merged else {**merged, "spectrogram": spectrogram}
