"""Build one cohort: its parts, by whatever engine, and from what they leave behind its tables and its report."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepstrf_hf._version import TABLE_VERSION, __version__
from deepstrf_hf.build_key import build_key
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.build_part import PartJob
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.cohort_files import CohortShards, MergedStimuli, written_files
from deepstrf_hf.config import CorpusConfig
from deepstrf_hf.engines import Engine, run_parts
from deepstrf_hf.engines.serial import SerialEngine
from deepstrf_hf.errors import MissingRawFileError, OutputDirectoryError
from deepstrf_hf.names import SUFFIX, TABLES
from deepstrf_hf.output import Output
from deepstrf_hf.parquet import ShardWriter
from deepstrf_hf.part_result import PartResult
from deepstrf_hf.preprocessing import steps_to_json
from deepstrf_hf.progress import PartsProgress
from deepstrf_hf.raw_tree import RawTree, sha256_of_list
from deepstrf_hf.report import CohortReport, SplitFiles
from deepstrf_hf.tally import NeuronTally
from deepstrf_hf.where import describe_where


def build_cohort(
    builder: type[CorpusBuilder],
    config: CorpusConfig,
    name: str,
    raw: RawTree,
    tables: tuple[str, ...],
    output: Output,
    engine: Engine,
) -> CohortReport:
    """Build all tables of one cohort into an output.

    Parameters
    ----------
    builder : type
        Builder of the corpus.
    config : CorpusConfig
        Of the main table.
    name : str
        Name of the configuration, with the suffix of changed parameters.
    raw : RawTree
        Raw files.
    tables : tuple of str
        ``"rows"``, and ``"waveform"`` if wanted.
    output : Output
        Where to.
    engine : Engine
        What builds the parts.

    Raises
    ------
    DeepstrfError
        As `deepstrf_hf.build` does.
    """
    corpus, cohort = builder.CORPUS, builder.CORPUS.cohort(config.cohort)
    parts = builder.parts(raw, cohort, config)
    if len(parts) == 1:
        engine = SerialEngine()
    engine.prepare(len(parts))
    hashes = raw.sha256(builder.raw_files(raw, cohort, config))
    provenance = _provenance(builder, config, name, hashes)
    key, of_this_build = build_key(builder, config, tables, provenance), uuid.uuid4().hex
    store = output.parts(name, key)
    jobs = [
        PartJob(builder, config, raw, part, number, tables, store, provenance, key, of_this_build)
        for number, part in enumerate(parts)
    ]
    encoder = builder.encoder(config)
    log, neurons, stimuli = BuildLog(config.on_error), NeuronTally(), MergedStimuli(encoder.schemas["stimuli"])
    shards: dict[tuple[str, str], CohortShards] = {}
    with PartsProgress(parts, cohort.counts.get("stimuli"), f"building {corpus.name}/{name}") as progress:
        taken_over = [job for job in jobs if _is_there(job)]
        for job, result in _results(jobs, taken_over, engine, progress):
            log.merge(result.log)
            neurons.merge(result.neurons)
            stimuli.add(job, result)
            for of_table, of_part in result.shards.items():
                of_all = shards.setdefault(of_table, CohortShards())
                of_all.files += [(job.number, file) for file in of_part.files]
                of_all.unfolded_bytes += of_part.unfolded_bytes
    if not neurons.neurons:
        raise MissingRawFileError(
            f"No recording of {corpus.name}/{name} could be used",
            path=raw.root,
            found="; ".join(f"{item}: {reason}" for (_, item), reason in list(log.left_out.items())[:3]) or None,
            expected=describe_where(config.where) or None,
            mend="check the raw files" + (" and the conditions" if config.where else ""),
        )
    configs: dict[str, dict[str, SplitFiles]] = {}
    for table in tables:
        configs[name + SUFFIX[table]] = {
            split: shards[table, split].place(output, store, name + SUFFIX[table], split)
            for split in ("train", "test")
            if (table, split) in shards
        }
    for table, rows in (("stimuli", stimuli.rows()), ("neurons", [encoder.neuron_rows(neurons.rows())])):
        directory, metadata = output.tree / (name + SUFFIX[table]), {**provenance, "table": table}
        with ShardWriter(directory, "train", encoder.schemas[table], metadata) as writer:
            for row in rows:
                writer.write(row)
        configs[name + SUFFIX[table]] = {"train": written_files(writer, "train", output.tree)}
    return CohortReport(
        cohort=cohort.name,
        parameters=config.parameters(),
        changed_parameters=config.changed_parameters(),
        stimulus=config.stimulus or cohort.stimulus,
        counts={
            "neurons": len(neurons.neurons),
            "stimuli": len(stimuli),
            "rows": sum(quality.n_stimuli for quality in neurons.quality.values()),
            "trials": sum(quality.n_trials for quality in neurons.quality.values()),
            **({"spikes": int(neurons.total())} if builder.counts_events(cohort, config) else {}),
            **log.counted(),
        },
        published={} if config.where else dict(builder.published_counts(cohort, config)),
        left_out=[(kind, item, reason) for (kind, item), reason in sorted(log.left_out.items())],
        amounts=[(kind, reason, amount) for (kind, reason), amount in sorted(log.amounts.items())],
        notes=[*([f"Only a part was built: {describe_where(config.where)}."] if config.where else []), *log.notes],
        raw_sha256=hashes,
        configs=configs,
        tables={name + SUFFIX[table]: table for table in TABLES if name + SUFFIX[table] in configs},
        where={key: list(values) for key, values in config.where.items()},
        n_parts=len(parts),
        n_parts_taken_over=len(taken_over),
    )


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


def _is_there(job: PartJob) -> bool:
    """Return whether an earlier build has finished a part; one that is not whole any more is removed."""
    result = job.finished()
    if result is not None and job.store.is_whole(job.number, result.files()):
        return True
    job.store.discard(job.number)
    return False


def _results(
    jobs: Sequence[PartJob], finished: Sequence[PartJob], engine: Engine, progress: PartsProgress
) -> Iterator[tuple[PartJob, PartResult]]:
    """Build the parts that are not finished; yield what all leave behind in the order of their numbers.

    Sums of floating-point numbers depend on their order, which must not depend on which part is ready first.
    """
    there = {job.number for job in finished}
    newly = run_parts([job for job in jobs if job.number not in there], engine, progress.advance)
    waiting = {job.number: _result(job, progress) for job in finished}
    for job in jobs:
        while job.number not in waiting:
            number = next(newly)
            waiting[number] = _result(jobs[number], progress)
        yield job, waiting.pop(job.number)


def _result(job: PartJob, progress: PartsProgress) -> PartResult:
    result = job.finished()
    if result is None:
        raise OutputDirectoryError(
            "A part that a worker has finished is not there",
            path=job.store.place,
            field=f"part {job.part.name}",
            mend="workers must write to a place that this machine sees too",
        )
    progress.finish(job.number, result.n_stimuli)
    return result
