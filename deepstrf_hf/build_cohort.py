"""One cohort of a build: its parts, and from what they leave behind its tables and its report."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from deepstrf_hf._version import TABLE_VERSION, __version__
from deepstrf_hf.build_key import build_key
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.build_part import PartJob
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.cohort_files import CohortShards, MergedStimuli, written_files
from deepstrf_hf.config import CorpusConfig
from deepstrf_hf.errors import MissingRawFileError
from deepstrf_hf.names import SUFFIX, TABLES
from deepstrf_hf.output import Output
from deepstrf_hf.parquet import ShardWriter
from deepstrf_hf.part_result import PartResult
from deepstrf_hf.preprocessing import steps_to_json
from deepstrf_hf.raw_tree import RawTree, sha256_of_list
from deepstrf_hf.recording import Part
from deepstrf_hf.report import CohortReport, SplitFiles
from deepstrf_hf.tally import NeuronTally
from deepstrf_hf.where import describe_where


class CohortBuild:
    """Takes in what the parts of a cohort leave behind, one after the other, and makes its tables of it.

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
    hashes : mapping of str to str
        SHA-256 of those that are used.
    parts : sequence of Part
        What is built independently.
    tables : tuple of str
        ``"rows"``, and ``"waveform"`` if wanted.
    output : Output
        Where to.
    """

    def __init__(
        self,
        builder: type[CorpusBuilder],
        config: CorpusConfig,
        name: str,
        raw: RawTree,
        hashes: Mapping[str, str],
        parts: Sequence[Part],
        tables: tuple[str, ...],
        output: Output,
    ) -> None:
        self.name, self._builder, self._config, self._raw, self._hashes = name, builder, config, raw, dict(hashes)
        self._tables, self._output = tables, output
        self._provenance = _provenance(builder, config, name, hashes)
        key, of_this_build = build_key(builder, config, tables, self._provenance), uuid.uuid4().hex
        self._store = output.parts(name, key)
        self.jobs = [
            PartJob(builder, config, raw, part, number, tables, self._store, self._provenance, key, of_this_build)
            for number, part in enumerate(parts)
        ]
        self._encoder = builder.encoder(config)
        self._log, self._neurons = BuildLog(config.on_error), NeuronTally()
        self._stimuli = MergedStimuli(self._encoder.schemas["stimuli"])
        self._shards: dict[tuple[str, str], CohortShards] = {}

    def add(self, job: PartJob, result: PartResult) -> None:
        """Take in a part. In the order of their numbers: sums of floating-point numbers depend on it.

        Raises
        ------
        BuilderContractError
            It contradicts an earlier part.
        """
        self._log.merge(result.log)
        self._neurons.merge(result.neurons)
        self._stimuli.add(job, result)
        for of_table, of_part in result.shards.items():
            of_all = self._shards.setdefault(of_table, CohortShards())
            of_all.files += [(job.number, file) for file in of_part.files]
            of_all.unfolded_bytes += of_part.unfolded_bytes

    def finish(self, n_taken_over: int, n_threads: int) -> CohortReport:
        """Write the tables into the output, now that all parts are there.

        Parameters
        ----------
        n_taken_over : int
            How many of the parts an earlier build had finished.
        n_threads : int
            Threads of this process that may write at once.

        Raises
        ------
        MissingRawFileError
            There is no recording.
        """
        builder, config, log, neurons = self._builder, self._config, self._log, self._neurons
        cohort = builder.CORPUS.cohort(config.cohort)
        if not neurons.neurons:
            raise MissingRawFileError(
                f"No recording of {builder.CORPUS.name}/{self.name} could be used",
                path=self._raw.root,
                found="; ".join(f"{item}: {reason}" for (_, item), reason in list(log.left_out.items())[:3]) or None,
                expected=describe_where(config.where) or None,
                mend="check the raw files" + (" and the conditions" if config.where else ""),
            )
        configs = self._write(n_threads)
        return CohortReport(
            cohort=cohort.name,
            parameters=config.parameters(),
            changed_parameters=config.changed_parameters(),
            stimulus=config.stimulus or cohort.stimulus,
            counts={
                "neurons": len(neurons.neurons),
                "stimuli": len(self._stimuli),
                "rows": sum(quality.n_stimuli for quality in neurons.quality.values()),
                "trials": sum(quality.n_trials for quality in neurons.quality.values()),
                **({"spikes": int(neurons.total())} if builder.counts_events(cohort, config) else {}),
                **log.counted(),
            },
            published={} if config.where else dict(builder.published_counts(cohort, config)),
            left_out=[(kind, item, reason) for (kind, item), reason in sorted(log.left_out.items())],
            amounts=[(kind, reason, amount) for (kind, reason), amount in sorted(log.amounts.items())],
            notes=[*([f"Only a part was built: {describe_where(config.where)}."] if config.where else []), *log.notes],
            raw_sha256=self._hashes,
            configs=configs,
            tables={self.name + SUFFIX[table]: table for table in TABLES if self.name + SUFFIX[table] in configs},
            where={key: list(values) for key, values in config.where.items()},
            n_parts=len(self.jobs),
            n_parts_taken_over=n_taken_over,
        )

    def _write(self, n_threads: int) -> dict[str, dict[str, SplitFiles]]:
        """Write the tables and return their files by configuration and split."""
        configs = {}
        for table in self._tables:
            config = self.name + SUFFIX[table]
            configs[config] = {
                split: self._shards[table, split].place(self._output, self._store, config, split)
                for split in ("train", "test")
                if (table, split) in self._shards
            }
        config, metadata = f"{self.name}{SUFFIX['stimuli']}", {**self._provenance, "table": "stimuli"}
        writers = self._stimuli.write(self._output.tree / config, metadata, n_threads)
        configs[config] = {"train": written_files(writers, "train", self._output.tree)}
        config, metadata = f"{self.name}{SUFFIX['neurons']}", {**self._provenance, "table": "neurons"}
        with ShardWriter(self._output.tree / config, "train", self._encoder.schemas["neurons"], metadata) as writer:
            writer.write(self._encoder.neuron_rows(self._neurons.rows()))
        configs[config] = {"train": written_files([writer], "train", self._output.tree)}
        return configs


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
