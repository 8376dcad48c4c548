"""The base of all corpus builders: from a declaration and a walk over raw files to tables."""

from __future__ import annotations

import heapq
import itertools
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import datasets
import numpy as np

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.columns import refuse_reserved_columns
from deepstrf_hf.config import CorpusConfig
from deepstrf_hf.corpus import Archive, Cohort, Corpus
from deepstrf_hf.errors import DataDirectoryError
from deepstrf_hf.names import SUFFIX, TABLES
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording, Stimulus
from deepstrf_hf.stored_values import stored_response
from deepstrf_hf.tables import RowEncoder
from deepstrf_hf.tally import NeuronTally
from deepstrf_hf.walk import stimulus_blocks
from deepstrf_hf.where import Where, checked_where

logger = logging.getLogger(__name__)
Example = tuple[str, Mapping[str, Any]]


class CorpusBuilder(datasets.GeneratorBasedBuilder):
    """Base of a corpus's builder. Subclasses declare ``CORPUS`` and ``LANDMARKS`` and code `recordings`.

    People who know ``datasets`` use it as any builder::

        builder = Ns1("a1", data_dir="raw/ns1")
        builder.download_and_prepare()
        rows = builder.as_dataset("train")

    `deepstrf_hf.build` writes the same rows as the tuned Parquet that goes to the Hub.
    """

    CORPUS: ClassVar[Corpus]
    LANDMARKS: ClassVar[tuple[str, ...]] = ()
    """Raw files without which a directory is not this corpus."""
    BUILDER_CONFIG_CLASS = CorpusConfig
    config: CorpusConfig

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        refuse_reserved_columns(cls.CORPUS)
        cls.VERSION = datasets.Version(cls.CORPUS.version)
        cls.BUILDER_CONFIGS = [
            cls.BUILDER_CONFIG_CLASS(
                name=cohort.name + SUFFIX[table],
                version=cls.VERSION,
                description=cohort.description,
                cohort=cohort.name,
                table=table,
            )
            for cohort in cls.CORPUS.cohorts
            for table in TABLES
        ]

    @classmethod
    def default_config(cls, cohort: str) -> CorpusConfig:
        """Return the published configuration of a cohort's main table.

        Raises
        ------
        UnknownNameError
            No such cohort.
        """
        name = cls.CORPUS.cohort(cohort).name
        return next(config for config in cls.BUILDER_CONFIGS if config.name == name)

    # What a corpus codes ------------------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def recordings(cls, raw: RawTree, cohort: Cohort, config: Any, part: Part, log: BuildLog) -> Iterator[Recording]:
        """Walk the raw tree and yield the recordings of one part.

        Stimulus by stimulus in ascending order of ``stim_id``, one `Stimulus` object per stimulus; neurons in any
        order. Whatever is left out goes into `log`.
        """

    @classmethod
    @abstractmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: Any) -> Sequence[str]:
        """Return the names of the raw files that a build uses, for the provenance; some may be absent."""

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: Any) -> Sequence[Part]:
        """Return the pieces that can be built independently, in order; one by default."""
        return [Part("all")]

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: Any) -> Sequence[float] | None:
        """Return the centre frequency of each spectrogram band, Hz, lowest first; None where bands have none."""
        return None

    @classmethod
    def counts_events(cls, cohort: Cohort, config: Any) -> bool:
        """Return whether stored responses count events, so that their sum is a number of spikes."""
        return cohort.signal_type == "spikes" and cohort.response_dtype.startswith("uint")

    @classmethod
    def archive_members(cls, archive: Archive, cohorts: Sequence[str], where: Where) -> Callable[[str], bool] | None:
        """Return which members of an archive a build needs, as far as that can be told before anything is read.

        Parameters
        ----------
        archive : Archive
            One with `remote_members`.
        cohorts : sequence of str
            Names of the cohorts that are to be built.
        where : Where
            Conditions of the build, as `deepstrf_hf.where.checked_where` returns them.

        Returns
        -------
        callable or None
            Tells of a member's name below `Unpack.into` whether it is needed; None: all are.
        """
        return None

    @classmethod
    def published_counts(cls, cohort: Cohort, config: Any) -> Mapping[str, int]:
        """Return the published counts that a build with these parameters must give."""
        return cohort.counts

    # What the base derives ----------------------------------------------------------------------------------------

    @classmethod
    def open_raw(cls, data_dir: str | None) -> RawTree:
        """Open the raw directory.

        Raises
        ------
        DataDirectoryError
            None given, or it does not hold the corpus.
        """
        if data_dir is None:
            raise DataDirectoryError(
                f"The builder of {cls.CORPUS.name} needs the directory of the raw files",
                field="data_dir",
                expected=", ".join(cls.LANDMARKS),
                mend=f"pass data_dir=...; the files are at {cls.CORPUS.homepage}",
            )
        return RawTree(data_dir, cls.CORPUS.name, cls.LANDMARKS)

    @classmethod
    def encoder(cls, config: CorpusConfig) -> RowEncoder:
        """Return what turns recordings of a configuration into rows."""
        cohort = cls.CORPUS.cohort(config.cohort)
        return RowEncoder(cls.CORPUS, cohort, config.dt_ms, config.stimulus or cohort.stimulus, config.audio)

    @classmethod
    def blocks(
        cls, raw: RawTree, config: CorpusConfig, part: Part, log: BuildLog
    ) -> Iterator[tuple[str, list[Recording]]]:
        """Yield (split, all recordings of one stimulus in it) of a part: sorted by neuron, in their stored type."""
        cohort = cls.CORPUS.cohort(config.cohort)
        for block in stimulus_blocks(cls._chosen(raw, cohort, config, part, log), part):
            divided: dict[str, list[Recording]] = {}
            for recording in block:
                response = stored_response(recording, cohort)
                stored = recording if response is recording.response else replace(recording, response=response)
                divided.setdefault(cohort.splits.split_of_recording(stored), []).append(stored)
            yield from sorted(divided.items())

    @classmethod
    def _chosen(
        cls, raw: RawTree, cohort: Cohort, config: CorpusConfig, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        for recording in cls.recordings(raw, cohort, config, part, log):
            if config.keeps_stimulus(recording.stimulus.metadata) and config.keeps_neuron(recording.neuron.metadata):
                yield recording

    # The interface of datasets ------------------------------------------------------------------------------------

    def _info(self) -> datasets.DatasetInfo:
        self.config.check()
        corpus = self.CORPUS
        self.config.where = checked_where(self.config.where, corpus)
        return datasets.DatasetInfo(
            description=f"{corpus.title}. {self.config.description}",
            features=self.encoder(self.config).features[self.config.table],
            homepage=corpus.homepage,
            citation=corpus.citation,
            license=f"{corpus.licence.name} ({corpus.licence.url})",
            version=self.VERSION,
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        raw = self.open_raw(self.config.data_dir)
        cohort = self.CORPUS.cohort(self.config.cohort)
        parts = list(self.parts(raw, cohort, self.config))
        if self.config.table in ("stimuli", "neurons"):
            # One table of all stimuli, and one of all neurons, whatever their division: they are looked up by id.
            return [datasets.SplitGenerator(name="train", gen_kwargs={"parts": tuple(parts), "split": None})]
        return [
            datasets.SplitGenerator(
                name=name,
                gen_kwargs={"parts": [part for part in parts if part.split in (None, name)], "split": name},
            )
            for name in cohort.splits.names
        ]

    def _generate_examples(self, parts: Sequence[Part], split: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        raw = self.open_raw(self.config.data_dir)
        encoder, table = self.encoder(self.config), self.config.table
        generate = {"stimuli": self._stimulus_examples, "neurons": self._neuron_examples}.get(table, self._row_examples)
        walks = [self._walk(raw, part, split) for part in parts]
        for key, row in generate(walks, encoder):
            yield key, _example({name: row[name] for name in encoder.features[table]})

    def _walk(self, raw: RawTree, part: Part, split: str | None) -> Iterator[list[Recording]]:
        log = BuildLog(self.config.on_error)
        for of_split, block in self.blocks(raw, self.config, part, log):
            if split in (None, of_split):
                yield block
        if log.skipped:  # there is no build report here
            names = ", ".join(f"{kind} {name}" for kind, name in log.skipped)
            logger.warning("Left out of part %s of %s: %s", part.name, self.config.name, names)

    def _row_examples(self, walks: Sequence[Iterator[list[Recording]]], encoder: RowEncoder) -> Iterator[Example]:
        for block in itertools.chain.from_iterable(walks):
            for recording in block:
                yield (
                    f"{recording.stimulus.stim_id} {recording.neuron.neuron_id}",
                    encoder.row_values(recording, self.config.table),
                )

    def _stimulus_examples(self, walks: Sequence[Iterator[list[Recording]]], encoder: RowEncoder) -> Iterator[Example]:
        # Each part is in ascending order of stim_id; a stimulus that several parts share stands once.
        seen = None
        for stimulus in heapq.merge(*map(_stimuli, walks), key=lambda stimulus: stimulus.stim_id):
            if stimulus.stim_id != seen:
                seen = stimulus.stim_id
                yield seen, encoder.stimulus_values(stimulus)

    def _neuron_examples(self, walks: Sequence[Iterator[list[Recording]]], encoder: RowEncoder) -> Iterator[Example]:
        neurons = NeuronTally()
        for walk in walks:
            of_part = NeuronTally()
            for recording in itertools.chain.from_iterable(walk):
                of_part.add(recording)
            neurons.merge(of_part)
        for row in encoder.neuron_rows(neurons.rows()).to_pylist():
            yield row["neuron_id"], row


def _stimuli(walk: Iterator[list[Recording]]) -> Iterator[Stimulus]:
    return (block[0].stimulus for block in walk)


def _example(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as `datasets` takes it fastest: matrices as lists of arrays, which it does not walk by value."""
    return {name: list(value) if isinstance(value, np.ndarray) else value for name, value in row.items()}
