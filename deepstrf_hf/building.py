"""Build a corpus: from the raw files of a lab to a directory that is a Hub repository."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepstrf_hf.build_cohort import CohortBuild
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.card import write_card
from deepstrf_hf.config import CorpusConfig, with_parameters
from deepstrf_hf.download.for_build import raw_directory
from deepstrf_hf.engines import Engine, open_engine
from deepstrf_hf.engines.serial import SerialEngine
from deepstrf_hf.errors import OutputDirectoryError, ParameterError
from deepstrf_hf.names import SUFFIX
from deepstrf_hf.output import Output, open_output
from deepstrf_hf.progress import PartsProgress
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part
from deepstrf_hf.registry import load_builder
from deepstrf_hf.report import BuildReport, CohortReport
from deepstrf_hf.running import results_in_order
from deepstrf_hf.where import checked_where


def build(
    corpus: str | type[CorpusBuilder],
    cohorts: Sequence[str] | None = None,
    *,
    data_dir: str | Path | None = None,
    out: str | Path,
    parameters: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    stimulus: str | None = None,
    waveform: bool = False,
    audio: bool = True,
    on_error: str = "raise",
    num_proc: int | None = None,
    engine: str = "processes",
    address: str | None = None,
) -> BuildReport:
    """Build the tables of a corpus from its raw files.

    The directory that is written is the Hub repository: ``datasets.load_dataset(out, "a1")`` reads it. It is replaced
    as a whole when everything is ready; cohorts of an earlier build that are not built again are kept.

    A build that fails or is killed keeps the parts that it has finished, and the same build goes on from them.

    Parameters
    ----------
    corpus : str or type
        Name of a corpus, or a builder class.
    cohorts : sequence of str, optional
        Which cohorts; all by default.
    data_dir : path, optional
        Directory of the raw files; by default where `deepstrf_hf.download_corpus` puts them.
    out : path
        Directory to write: absent, empty, or an earlier build of the same corpus. Or the URL of a place that fsspec
        knows, such as ``s3://bucket/ns1``; what is replaced there is not replaced in one instant.
    parameters : mapping, optional
        Parameters that differ from the published ones; the configuration's name tells them (``a1-dt10``).
    where : mapping, optional
        Build a part: a value, or a list of values, that columns must have, for example
        ``{"neuron.area": "MLd", "stim.type": ["conspecific"]}``. The configuration's name tells them too.
    stimulus : str, optional
        ``"inline"`` or ``"reference"`` instead of what the corpus declares.
    waveform : bool
        Also write ``<cohort>-waveform``, with the waveform in every row.
    audio : bool
        Whether waveforms are stored. Without them, a corpus whose sounds may not be handed on can be published.
    on_error : str
        ``"raise"`` stops at a recording that cannot be used; ``"skip"`` leaves it out and reports it.
    num_proc : int, optional
        Parts (sites, animals, runs of stimuli) built at once; the result does not depend on it. By default one or, with
        Ray, as many as there are processors. Processes are spawned: a script that calls this needs the usual
        ``if __name__ == "__main__":``.
    engine : str
        ``"processes"`` of this machine, or ``"ray"``; the result does not depend on it.
    address : str, optional
        Of a Ray cluster. By default that which the program has connected to, else a new one on this machine. Its
        machines must see the raw files, and `out`, under the same paths.

    Returns
    -------
    BuildReport
        Counts against the published ones, what was left out, and the files. Also in ``build_report.json``.

    Raises
    ------
    UnknownNameError
        No such corpus, cohort, parameter or column.
    ParameterError
        A value that cannot be used.
    DataDirectoryError
        The raw directory does not hold the corpus, or a download into it has not finished.
    RawDataError
        A raw file is missing or broken.
    OutputDirectoryError
        The output directory holds something else, or another build is writing to it.
    WorkerLostError
        Processes that built one and the same part were killed several times.
    MissingDependencyError
        Ray, or what fsspec needs for `out`, is not installed.
    """
    builder = load_builder(corpus) if isinstance(corpus, str) else corpus
    opened_engine = open_engine(engine, num_proc, address)
    if waveform and not audio:
        raise ParameterError(
            "Rows that carry waveforms cannot be written without audio", field="audio", mend="leave waveform out"
        )
    names = list(dict.fromkeys(cohorts or [cohort.name for cohort in builder.CORPUS.cohorts]))
    chosen = checked_where(where, builder.CORPUS)
    configs = [
        with_parameters(
            replace(builder.default_config(name), stimulus=stimulus, on_error=on_error, where=chosen, audio=audio),
            dict(parameters or {}),
        )
        for name in names
    ]
    raw = builder.open_raw(str(raw_directory(builder, data_dir, [config.cohort for config in configs], where)))
    opened_output = open_output(out, builder.CORPUS.name)
    _refuse_nested(raw.root, opened_output.path)
    wanted = {config.cohort + config.variant_suffix(): config for config in configs}
    tables = ("rows", "waveform") if waveform else ("rows",)
    with opened_output as output, opened_engine as workers:
        report = BuildReport(builder.CORPUS.name, builder.CORPUS.version)
        report.cohorts = _kept_cohorts(output, wanted, report.corpus_version)
        output.keep_parts_of(wanted)
        report.cohorts |= _build_cohorts(builder, wanted, raw, tables, output, workers)
        report.cohorts = {name: report.cohorts[name] for name in sorted(report.cohorts)}
        output.carry_over([name + suffix for name in wanted for suffix in SUFFIX.values()])
        report.write(output.tree)
        write_card(builder.CORPUS, report, output.tree)
        output.commit()
    return report


def _build_cohorts(
    builder: type[CorpusBuilder],
    wanted: Mapping[str, CorpusConfig],
    raw: RawTree,
    tables: tuple[str, ...],
    output: Output,
    engine: Engine,
) -> dict[str, CohortReport]:
    """Build the parts of all cohorts, whose order is that of the cohorts, and write the tables of each."""
    corpus = builder.CORPUS
    parts: dict[str, Sequence[Part]] = {}
    files: dict[str, Sequence[str]] = {}
    for name, config in wanted.items():
        cohort = corpus.cohort(config.cohort)
        parts[name] = builder.parts(raw, cohort, config)
        if len(parts[name]) == 1:
            parts[name] = [replace(parts[name][0], n_stimuli=cohort.counts.get("stimuli"))]
        files[name] = builder.raw_files(raw, cohort, config)
    n_parts = sum(map(len, parts.values()))
    if n_parts == 1:
        engine = SerialEngine()
    engine.prepare(n_parts)  # workers start while files are hashed
    hashes = raw.sha256(file for of_cohort in files.values() for file in of_cohort)
    builds = []
    for name, config in wanted.items():
        used = {file: hashes[file] for file in sorted(set(files[name])) if file in hashes}
        builds.append(CohortBuild(builder, config, name, raw, used, parts[name], tables, output))
    reports: dict[str, CohortReport] = {}
    all_parts, jobs = [part for one in parts.values() for part in one], [job for one in builds for job in one.jobs]
    with PartsProgress(all_parts, f"building {corpus.name}") as progress:
        results = results_in_order(jobs, engine, progress)
        for one in builds:
            n_taken_over = 0
            for job in one.jobs:
                result, taken_over = next(results)
                one.add(job, result)
                n_taken_over += taken_over
            reports[one.name] = one.finish(n_taken_over, min(engine.slots, os.cpu_count() or 1))
    return reports


def _kept_cohorts(output: Output, wanted: Container[str], version: str) -> dict[str, CohortReport]:
    """Return the cohorts of an earlier build that are not built again; refuse those of another builder version."""
    if output.existing is None:
        return {}
    kept = {name: entry for name, entry in output.existing.cohorts.items() if name not in wanted}
    if kept and output.existing.corpus_version != version:
        raise OutputDirectoryError(
            "The output directory holds cohorts built by another version of the builder",
            path=output.path,
            found=f"{', '.join(kept)} of version {output.existing.corpus_version}",
            expected=f"version {version}",
            mend="build these again too, or choose another directory",
        )
    return kept


def _refuse_nested(raw: Path, out: Path | str) -> None:
    if isinstance(out, str):  # not on this machine
        return
    raw, out = raw.resolve(), out.resolve()
    if out == raw or out in raw.parents:
        raise OutputDirectoryError(
            "The output directory contains the raw files", path=out, mend="choose a directory outside of it"
        )
