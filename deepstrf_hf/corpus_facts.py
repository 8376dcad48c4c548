"""What a corpus declares, as plain data: what `list` and `info` show in tables is what they print as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.config import CorpusConfig
from deepstrf_hf.corpus import Archive, Cohort, Column


def corpus_facts(builder: type[CorpusBuilder], provided_by: str) -> dict[str, Any]:
    """Return what a corpus declares, as what JSON can hold.

    Parameters
    ----------
    builder : type of CorpusBuilder
        Its builder.
    provided_by : str
        Name of the distribution that has it.

    Returns
    -------
    dict
        Keys as in the guide to the command line (``docs/command_line.md``); absent values are None.
    """
    corpus = builder.CORPUS
    return {
        "name": corpus.name,
        "title": corpus.title,
        "version": corpus.version,
        "provided_by": provided_by,
        "species": corpus.species,
        "behavioural_state": corpus.behavioural_state,
        "areas": list(corpus.areas),
        "hearing_range_hz": list(corpus.hearing_range_hz),
        "homepage": corpus.homepage,
        "download_size": corpus.download_size or None,
        "access": corpus.access,
        "licence": {
            "name": corpus.licence.name,
            "hub_identifier": corpus.licence.hub_identifier,
            "url": corpus.licence.url,
            "terms": corpus.licence.terms,
        },
        "redistribution": corpus.redistribution.value,
        "citation": corpus.citation,
        "dois": list(corpus.dois),
        "cohorts": [_cohort_facts(cohort) for cohort in corpus.cohorts],
        "files": [_file_facts(archive) for archive in corpus.archives],
        "parameters": _parameter_facts(builder.BUILDER_CONFIG_CLASS),
        "columns": {
            "stim": _column_facts(corpus.stimulus_columns),
            "neuron": _column_facts(corpus.neuron_columns),
            "recording": _column_facts(corpus.recording_columns),
        },
    }


def _cohort_facts(cohort: Cohort) -> dict[str, Any]:
    return {
        "name": cohort.name,
        "description": cohort.description,
        "signal_type": cohort.signal_type,
        "response_dtype": cohort.response_dtype,
        "response_unit": cohort.response_unit,
        "spectrogram_unit": cohort.spectrogram_unit,
        "stimulus": cohort.stimulus,
        "splits": list(cohort.splits.names),
        "splits_source": cohort.splits.source or None,
        "counts": dict(cohort.counts),
    }


def _file_facts(archive: Archive) -> dict[str, Any]:
    return {
        "name": archive.name,
        "url": archive.url,
        "size_bytes": archive.size_bytes,
        "checksum": archive.checksum,
        "optional": archive.optional,
        "note": archive.note,
        "cohorts": list(archive.cohorts),
    }


def _parameter_facts(config: type[CorpusConfig]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "default": field.default,
            "unit": field.metadata["unit"],
            "choices": None if field.metadata["choices"] is None else list(field.metadata["choices"]),
            "description": field.metadata["description"],
        }
        for name, field in config.parameter_fields().items()
    ]


def _column_facts(columns: Mapping[str, Column]) -> list[dict[str, Any]]:
    return [
        {"name": name, "dtype": column.dtype, "unit": column.unit, "description": column.description}
        for name, column in columns.items()
    ]
