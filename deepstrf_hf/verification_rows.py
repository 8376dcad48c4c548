"""Verify the rows of a main table: keys, order, divisions, shapes, and what they repeat of stimuli and neurons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from deepstrf_hf.corpus import Cohort
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.parquet import as_numpy
from deepstrf_hf.published_split import RecordedSplit
from deepstrf_hf.verification_companions import HEAVY, Companion, audio_digests, check_spectrograms
from deepstrf_hf.verification_findings import RowFaults
from deepstrf_hf.verification_tables import CohortToVerify, TableFile, columns_but, readable

NEVER_ABSENT = ("stim_id", "neuron_id", "response", "n_trials", "n_bins", "dt_ms", "signal_type", "subset")
OF_THE_ROW = ("stim_id", "neuron_id", "n_trials", "signal_type", "subset", *HEAVY)
"""Columns in which rows do not repeat their stimulus or neuron."""


@dataclass
class MainTally:
    """What was found in a main table: 16 bytes for each row, and sums.

    Parameters
    ----------
    whole : bool
        Whether all of it could be read.
    pairs : list of ndarray of int64
        Place of the stimulus times the number of neurons plus place of the neuron; -1 where one is not known.
    trials : list of ndarray of int64
        Trials of each row, in the same order.
    total : int
        Sum of all values, where they are whole numbers.
    """

    whole: bool = True
    pairs: list[NDArray[np.int64]] = field(default_factory=list)
    trials: list[NDArray[np.int64]] = field(default_factory=list)
    total: int = 0


def read_main(
    cohort: CohortToVerify, table: str, files: Sequence[TableFile], stimuli: Companion, neurons: Companion
) -> MainTally:
    """Check a main table, file by file.

    Parameters
    ----------
    cohort : CohortToVerify
        The cohort.
    table : str
        ``"rows"`` or ``"waveform"``.
    files : sequence of TableFile
        Its files, of all splits.
    stimuli, neurons : Companion
        Companion tables.

    Returns
    -------
    MainTally
        What was found.
    """
    tally = MainTally()
    for file in files:
        faults = RowFaults(file.name)
        reader = _FileOfRows(cohort, file, stimuli, neurons, faults, tally)
        try:
            with readable(file.path):
                for batch in file.batches():
                    reader.check(batch)
        except TableFormatError as error:
            cohort.findings.error(error, file.name)
            tally.whole = False
        faults.report(cohort.findings)
    return tally


@dataclass
class _FileOfRows:
    """Checks the rows of one file, some at a time."""

    cohort: CohortToVerify
    file: TableFile
    stimuli: Companion
    neurons: Companion
    faults: RowFaults
    tally: MainTally
    last: tuple[str, str] | None = None

    def check(self, batch: pa.RecordBatch) -> None:
        """Check some rows."""
        if not self._complete(batch):
            self.tally.whole = False
            return
        pairs = list(zip(batch.column("stim_id").to_pylist(), batch.column("neuron_id").to_pylist(), strict=True))

        def pair(number: int) -> str:
            return " hearing ".join(reversed(pairs[number]))

        self._check_order(pairs, pair)
        places = [companion.places(batch.column(companion.key)) for companion in (self.stimuli, self.neurons)]
        known = (places[0] >= 0) & (places[1] >= 0)
        for companion, place in zip((self.stimuli, self.neurons), places, strict=True):
            self.faults.note("The main table names what its companion table lacks", companion.key, place < 0, pair)
            self._check_repeated(batch, companion, place, pair)
        self._check_constants(batch, pair)
        self._check_division(batch, pairs, pair)
        self._check_response(batch, pair)
        for kind in ("spectrogram", "audio"):
            if kind in batch.schema.names:
                self._check_content(batch, kind, places[0], pair)
        self.tally.pairs.append(np.where(known, places[0] * len(self.neurons) + places[1], -1))
        self.tally.trials.append(as_numpy(batch.column("n_trials")).astype(np.int64))

    def _complete(self, batch: pa.RecordBatch) -> bool:
        """Return whether the columns hold values that cannot be absent."""
        complete = True
        for name in NEVER_ABSENT:
            column = batch.column(name)
            absent = as_numpy(column.is_null().cast(pa.uint8())) > 0
            if name == "response" and not absent.any():
                trials = column.flatten()
                nothing = trials.null_count or trials.flatten().null_count
                absent = np.array([bool(nothing), *[False] * (len(batch) - 1)])
            self.faults.note("Values are absent that cannot be", name, absent, lambda _: "null")
            complete &= not absent.any()
        return complete

    def _check_order(self, pairs: Sequence[tuple[str, str]], pair: Callable[[int], str]) -> None:
        """Rows of a file ascend by stimulus, then neuron."""
        before = [self.last or ("", ""), *pairs]
        self.faults.note(
            "Rows are not in ascending order of stimulus and neuron",
            "stim_id, neuron_id",
            [now < then for then, now in zip(before, pairs, strict=False)],
            lambda number: f"{pair(number)}, after {' hearing '.join(reversed(before[number]))}",
        )
        self.last = pairs[-1] if pairs else self.last

    def _check_repeated(
        self, batch: pa.RecordBatch, companion: Companion, place: NDArray[np.int64], pair: Callable[[int], str]
    ) -> None:
        """Rows repeat what the companion table says of their stimulus or neuron."""
        there = np.flatnonzero(place >= 0)
        for name in columns_but(batch, OF_THE_ROW):
            if name not in companion.metadata.column_names:
                continue
            said = batch.column(name).take(pa.array(there))
            expected = companion.column(name).take(pa.array(place[there]))
            if said.equals(expected):
                continue
            values = list(zip(said.to_pylist(), expected.to_pylist(), strict=True))
            other = np.zeros(len(batch), bool)
            other[there] = [one != two and not (one != one and two != two) for one, two in values]  # NaN equals NaN
            row = {int(number): value for number, value in zip(there, values, strict=True)}
            self.faults.note(
                "A row says something else than the companion table",
                name,
                other,
                lambda number, row=row: f"{pair(number)}: {row[number][0]!r}, there {row[number][1]!r}",  # type: ignore[misc]
            )

    def _check_constants(self, batch: pa.RecordBatch, pair: Callable[[int], str]) -> None:
        """Bin width and kind of signal are those of the file."""
        for name in ("dt_ms", "signal_type"):
            expected = self.cohort.provenance.get(name)
            values = batch.column(name).to_pylist()
            self.faults.note(
                "A row says something else than its file",
                name,
                [value != expected for value in values],
                lambda number, values=values: f"{pair(number)}: {values[number]!r}",  # type: ignore[misc]
                repr(expected),
            )

    def _check_division(
        self, batch: pa.RecordBatch, pairs: Sequence[tuple[str, str]], pair: Callable[[int], str]
    ) -> None:
        """Rows stand in the split that their word, or their stimulus, belongs to."""
        declared = self.cohort.declared
        if declared is None:
            return
        words = batch.column("subset").to_pylist()
        divisions = [_division(declared, stim_id, word) for (stim_id, _), word in zip(pairs, words, strict=True)]
        self.faults.note(
            "A row belongs to a division that is not declared",
            "subset",
            [division is None for division in divisions],
            lambda number: f"{pair(number)}: {words[number]!r}",
        )
        self.faults.note(
            "A row stands in another split than the one it belongs to",
            "subset",
            [division not in (None, self.file.split) for division in divisions],
            lambda number: f"{pair(number)}, {words[number]!r}, in {self.file.split}",
        )

    def _check_response(self, batch: pa.RecordBatch, pair: Callable[[int], str]) -> None:
        """Responses have the trials and bins that their rows state, one trial at least, and nothing infinite."""
        column = batch.column("response")
        stated = [as_numpy(batch.column(name)).astype(np.int64) for name in ("n_trials", "n_bins")]
        trials, of_trials = as_numpy(column.value_lengths()), column.flatten()
        bins, values = as_numpy(of_trials.value_lengths()), as_numpy(of_trials.flatten())
        row_of_trial = np.repeat(np.arange(len(batch)), trials)
        self.faults.note(
            "A response has other trials than its row states",
            "n_trials",
            (trials != stated[0]) | (trials < 1),
            lambda number: f"{pair(number)}: {trials[number]} trials, n_trials {stated[0][number]}",
        )
        other = np.zeros(len(batch), bool)
        other[row_of_trial[bins != stated[1][row_of_trial]]] = True
        self.faults.note(
            "A response has other bins than its row states",
            "n_bins",
            other,
            lambda number: (
                f"{pair(number)}: {sorted(set(bins[row_of_trial == number].tolist()))} bins, n_bins {stated[1][number]}"
            ),
        )
        if values.dtype.kind == "f":
            infinite = np.zeros(len(batch), bool)
            infinite[np.repeat(row_of_trial, bins)[np.isinf(values)]] = True
            self.faults.note("A response holds infinite values", "response", infinite, pair)
        else:
            self.tally.total += int(values.sum(dtype=np.int64))

    def _check_content(
        self, batch: pa.RecordBatch, kind: str, place: NDArray[np.int64], pair: Callable[[int], str]
    ) -> None:
        """Rows carry the spectrogram or sound that the table of stimuli has."""
        if kind == "audio":
            digests = audio_digests(batch)
        else:
            digests = []
            check_spectrograms(batch, self.cohort, self.faults, digests)
        known = self.stimuli.contents[kind]
        self.faults.note(
            f"A row carries another {kind} than the table of stimuli",
            kind,
            [number >= 0 and known[number] != digest for number, digest in zip(place, digests, strict=True)],
            pair,
        )


def _division(cohort: Cohort, stim_id: str, word: str) -> str | None:
    """Return the split that a row belongs to; None if its word is not declared."""
    splits = cohort.splits
    if isinstance(splits, RecordedSplit):
        return splits.splits.get(word)
    if word not in splits.names:
        return None
    split_of = getattr(splits, "split_of", None)
    division: str = split_of(stim_id) if split_of is not None else "train"
    return division
