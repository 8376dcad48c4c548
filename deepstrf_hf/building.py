"""Build a corpus: from the raw files of a lab to a directory that is a Hub repository."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from deepstrf_hf._version import TABLE_VERSION, __version__
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.build_part import PartJob, PartResult, Shards, build_part
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.card import write_card
from deepstrf_hf.card_assets import remove_pictures
from deepstrf_hf.config import CorpusConfig, with_parameters
from deepstrf_hf.download.for_build import raw_directory
from deepstrf_hf.errors import BuilderContractError, MissingRawFileError, OutputDirectoryError, ParameterError
from deepstrf_hf.names import SUFFIX, TABLES
from deepstrf_hf.parquet import ShardWriter
from deepstrf_hf.preprocessing import steps_to_json
from deepstrf_hf.progress import progress_bar
from deepstrf_hf.raw_tree import RawTree, sha256_of, sha256_of_list
from deepstrf_hf.registry import load_builder
from deepstrf_hf.report import BuildReport, CohortReport, SplitFiles
from deepstrf_hf.staging import OutputDirectory
from deepstrf_hf.summaries import summary_of_stimuli
from deepstrf_hf.tables import RowEncoder
from deepstrf_hf.tally import NeuronTally
from deepstrf_hf.threads import one_thread_each
from deepstrf_hf.where import checked_where, describe_where


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
    num_proc: int = 1,
) -> BuildReport:
    """Build the tables of a corpus from its raw files.

    The directory that is written is the Hub repository: ``datasets.load_dataset(out, "a1")`` reads it. It is replaced
    as a whole when everything is ready; cohorts of an earlier build that are not built again are kept.

    Parameters
    ----------
    corpus : str or type
        Name of a corpus, or a builder class.
    cohorts : sequence of str, optional
        Which cohorts; all by default.
    data_dir : path, optional
        Directory of the raw files; by default where `deepstrf_hf.download_corpus` puts them.
    out : path
        Directory to write: absent, empty, or an earlier build of the same corpus.
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
    num_proc : int
        Processes; the result does not depend on it. Processes are spawned: a script that calls this needs the usual
        ``if __name__ == "__main__":``.

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
        The output directory holds something else.
    """
    builder = load_builder(corpus) if isinstance(corpus, str) else corpus
    if num_proc < 1:
        raise ParameterError("The number of processes must be at least 1", field="num_proc", found=num_proc)
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
    _refuse_nested(raw.root, Path(out))
    with OutputDirectory(out, builder.CORPUS.name) as output:
        report = BuildReport(builder.CORPUS.name, builder.CORPUS.version)
        wanted = {config.cohort + config.variant_suffix(): config for config in configs}
        report.cohorts = _kept_cohorts(output, wanted, report.corpus_version)
        for name, config in wanted.items():
            report.cohorts[name] = _build_cohort(builder, config, name, raw, output.staging, waveform, num_proc)
        report.cohorts = {name: report.cohorts[name] for name in sorted(report.cohorts)}
        output.carry_over([name + suffix for name in wanted for suffix in SUFFIX.values()])
        remove_pictures(output.staging, output.path)  # of the data before
        report.write(output.staging)
        write_card(builder.CORPUS, report, output.staging)
        output.commit()
    return report


def _kept_cohorts(output: OutputDirectory, wanted: Container[str], version: str) -> dict[str, CohortReport]:
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


def _refuse_nested(raw: Path, out: Path) -> None:
    raw, out = raw.resolve(), out.resolve()
    if out == raw or out in raw.parents:
        raise OutputDirectoryError(
            "The output directory contains the raw files", path=out, mend="choose a directory outside of it"
        )


def _build_cohort(
    builder: type[CorpusBuilder],
    config: CorpusConfig,
    name: str,
    raw: RawTree,
    staging: Path,
    waveform: bool,
    num_proc: int,
) -> CohortReport:
    """Build all tables of one cohort into the staging directory."""
    cohort = builder.CORPUS.cohort(config.cohort)
    encoder = builder.encoder(config)
    hashes = raw.sha256(builder.raw_files(raw, cohort, config))
    provenance = _provenance(builder, config, name, hashes)
    parts, of_this_build = builder.parts(raw, cohort, config), uuid.uuid4().hex
    jobs = [
        PartJob(
            builder, config, name, raw, part, number,
            ("rows", "waveform") if waveform else ("rows",), staging, provenance, of_this_build,
        )
        for number, part in enumerate(parts)
    ]  # fmt: skip
    log, neurons, shards = BuildLog(config.on_error), NeuronTally(), dict[tuple[str, str], Shards]()
    stimulus_files = []
    for result in _run(jobs, num_proc, cohort.counts.get("stimuli"), f"building {builder.CORPUS.name}/{name}"):
        log.merge(result.log)
        neurons.merge(result.neurons)
        stimulus_files.append((result.stimuli, result.stim_ids))
        for key, files in result.shards.items():
            shards.setdefault(key, Shards()).extend(files)
    if not neurons.neurons:
        raise MissingRawFileError(
            f"No recording of {builder.CORPUS.name}/{name} could be used",
            path=raw.root,
            found="; ".join(f"{item}: {reason}" for (_, item), reason in list(log.left_out.items())[:3]) or None,
            expected=describe_where(config.where) or None,
            mend="check the raw files" + (" and the conditions" if config.where else "") + "; nothing was written",
        )
    n_stimuli = _write_stimuli(stimulus_files, encoder, staging / f"{name}-stimuli", provenance, shards)
    with ShardWriter(
        staging / f"{name}-neurons", "train", encoder.schemas["neurons"], {**provenance, "table": "neurons"}
    ) as writer:
        writer.write(encoder.neuron_rows(neurons.rows()))
    shards.setdefault(("neurons", "train"), Shards()).extend(writer)
    counts = {
        "neurons": len(neurons.neurons),
        "stimuli": n_stimuli,
        "rows": sum(quality.n_stimuli for quality in neurons.quality.values()),
        "trials": sum(quality.n_trials for quality in neurons.quality.values()),
        **({"spikes": int(neurons.total())} if builder.counts_events(cohort, config) else {}),
        **log.counted(),
    }
    report = CohortReport(
        cohort=cohort.name,
        parameters=config.parameters(),
        changed_parameters=config.changed_parameters(),
        stimulus=config.stimulus or cohort.stimulus,
        counts=counts,
        published={} if config.where else dict(builder.published_counts(cohort, config)),
        # Below the raw directory: where that lies on the builder's machine is nobody's business.
        left_out=[(kind, item, raw.shown(reason)) for (kind, item), reason in sorted(log.left_out.items())],
        amounts=[(kind, reason, amount) for (kind, reason), amount in sorted(log.amounts.items())],
        notes=[
            *([f"Only a part was built: {describe_where(config.where)}."] if config.where else []),
            *map(raw.shown, log.notes),
        ],
        raw_sha256=hashes,
        where={key: list(values) for key, values in config.where.items()},
    )
    for table in TABLES:
        splits = {split: files for (of_table, split), files in shards.items() if of_table == table}
        if splits:
            config_name = name + SUFFIX[table]
            report.tables[config_name] = table
            order = {split: splits[split] for split in ("train", "test") if split in splits}
            report.configs[config_name] = {split: _name_shards(files, split, staging) for split, files in order.items()}
    return report


def _provenance(
    builder: type[CorpusBuilder], config: CorpusConfig, name: str, hashes: Mapping[str, str]
) -> dict[str, Any]:
    """Describe where a file comes from and how its values are to be read."""
    corpus, cohort = builder.CORPUS, builder.CORPUS.cohort(config.cohort)
    bands = builder.band_frequencies_hz(cohort, config)
    return {
        "table_version": TABLE_VERSION,
        "library_version": __version__,
        "corpus": corpus.name,
        "corpus_version": corpus.version,
        "cohort": cohort.name,
        "config": name,
        "stimulus": config.stimulus or cohort.stimulus,
        "parameters": config.parameters(),
        "where": {name: list(values) for name, values in config.where.items()},
        "dt_ms": config.dt_ms,
        "species": corpus.species,
        "hearing_range_hz": list(corpus.hearing_range_hz),
        "signal_type": cohort.signal_type,
        "response_unit": cohort.response_unit,
        "spectrogram_unit": cohort.spectrogram_unit,
        "band_frequencies_hz": None if bands is None else [round(float(band), 3) for band in bands],
        "audio_fs": cohort.audio_fs,
        "splits_source": cohort.splits.source,
        "preprocessing": {
            "published": steps_to_json(cohort.preprocessing),
            "deepstrf": steps_to_json(cohort.deepstrf_preprocessing),
        },
        # Of the list: with thousands of files it would outweigh the tables. `build_report.json` has it whole.
        "raw_files": len(hashes),
        "raw_sha256": sha256_of_list(hashes),
    }


def _run(jobs: Sequence[PartJob], num_proc: int, stimuli: int | None, description: str) -> Iterator[PartResult]:
    """Build the parts, in order, in this process or in several."""
    if num_proc == 1 or len(jobs) == 1:
        with progress_bar(stimuli, description, "stimulus") as bar:
            for job in jobs:
                yield build_part(job, bar.update)
        return
    spawn = multiprocessing.get_context("spawn")  # forking a process whose Arrow threads run can hang
    with (
        progress_bar(len(jobs), description, "part") as bar,
        one_thread_each(),
        ProcessPoolExecutor(min(num_proc, len(jobs)), mp_context=spawn) as pool,
    ):
        try:
            for result in pool.map(build_part, jobs):
                bar.update()
                yield result
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _write_stimuli(
    parts: Sequence[tuple[Path, Sequence[str]]],
    encoder: RowEncoder,
    directory: Path,
    provenance: Mapping[str, Any],
    shards: dict[tuple[str, str], Shards],
) -> int:
    """Merge the stimuli of all parts into one table, each once, in ascending order of ``stim_id``.

    Raises
    ------
    BuilderContractError
        Two parts have different stimuli under one ``stim_id``.
    """
    files = [file for file, _ in parts]
    readers = [pa.ipc.open_file(pa.OSFile(str(file))) for file in files]  # a mapping counts as memory, and grows
    places: dict[str, tuple[int, int]] = {}
    for number, (_, stim_ids) in enumerate(parts):
        for index, stim_id in enumerate(stim_ids):
            known = places.setdefault(stim_id, (number, index))
            if known == (number, index):
                continue
            if not readers[known[0]].get_batch(known[1]).equals(readers[number].get_batch(index)):
                raise BuilderContractError(f"Two different stimuli are called {stim_id}", field="stim_id")
    said = {**provenance, "table": "stimuli"}
    with ShardWriter(directory, "train", encoder.schemas["stimuli"], said, summary_of_stimuli) as writer:
        for stim_id in sorted(places):
            number, index = places[stim_id]
            writer.write(pa.Table.from_batches([readers[number].get_batch(index)]))
    for file in files:
        file.unlink()
    if files:
        files[0].parent.rmdir()
    shards.setdefault(("stimuli", "train"), Shards()).extend(writer)
    return len(places)


def _name_shards(files: Shards, split: str, staging: Path) -> SplitFiles:
    """Give the files of a split the names that ``datasets`` uses, now that their number is known."""
    names = []
    for number, path in enumerate(files.paths):
        final = path.with_name(f"{split}-{number:05d}-of-{len(files.paths):05d}.parquet")
        path.rename(final)
        names.append(final)
    return SplitFiles(
        files=[path.relative_to(staging).as_posix() for path in names],
        rows=sum(files.rows),
        bytes=sum(path.stat().st_size for path in names),
        unfolded_bytes=files.unfolded_bytes,
        sha256={path.relative_to(staging).as_posix(): sha256_of(path) for path in names},
    )
