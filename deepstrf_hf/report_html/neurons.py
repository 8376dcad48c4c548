"""The table of neurons of a report page: quality, coverage, metadata."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from deepstrf_hf.columns import table_columns
from deepstrf_hf.corpus import Cohort, Corpus
from deepstrf_hf.names import NEURON_PREFIX
from deepstrf_hf.report_html.values import Fact, divide_columns, in_words, shown

MOST_NEURONS = 3000
"""Neurons that a page lists."""
QUALITY = ("snr", "ccmax", "signal_power", "noise_power", "n_stimuli", "n_trials", "mean_response")
"""Columns that every corpus has, in the order in which they stand."""
HEADINGS = {"snr": "SNR", "ccmax": "CCmax", "n_stimuli": "stimuli", "n_trials": "trials"}


@dataclass(frozen=True)
class NeuronColumn:
    """A column of the table.

    Parameters
    ----------
    heading, meaning : str
        In words; the meaning with its unit.
    numeric : bool
        Whether it is sorted by size.
    """

    heading: str
    meaning: str
    numeric: bool


@dataclass(frozen=True)
class NeuronList:
    """Neurons of a cohort.

    Parameters
    ----------
    columns : list of NeuronColumn
        The first is their name.
    rows : list of list of str
        The first `MOST_NEURONS` of them.
    total : int
        How many there are.
    constant : list of (str, str)
        What is the same of all.
    """

    columns: list[NeuronColumn]
    rows: list[list[str]]
    total: int
    constant: list[Fact]


def list_neurons(table: pa.Table, corpus: Corpus, cohort: Cohort) -> NeuronList:
    """Return what the page says of the neurons of a cohort.

    Parameters
    ----------
    table : pyarrow.Table
        Its neurons table.
    corpus, cohort : Corpus, Cohort
        Declarations.
    """
    declared = table_columns(corpus, cohort, "neurons", "reference")
    ids = table.column("neuron_id")
    metadata = [
        name
        for name in declared
        if name.startswith(NEURON_PREFIX) and name != "neuron_id" and table.column(name) != ids
    ]
    differing, constant = divide_columns(table, [*QUALITY, *metadata])
    columns = []
    for name in ["neuron_id", *differing]:
        column = declared[name]
        meaning = column.description + (f" Unit: {column.unit}." if column.unit else "")
        columns.append(NeuronColumn(_heading(name), meaning, column.dtype.startswith(("int", "uint", "float"))))
    shown_rows = table.slice(0, MOST_NEURONS).select(["neuron_id", *differing]).to_pylist()
    rows = [[shown(value) for value in row.values()] for row in shown_rows]
    return NeuronList(columns, rows, len(table), [(_heading(name), value) for name, value in constant])


def _heading(name: str) -> str:
    return "neuron" if name == "neuron_id" else HEADINGS.get(name) or in_words(name, NEURON_PREFIX)
