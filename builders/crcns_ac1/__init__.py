"""CRCNS AC1: intracellular and cell-attached recordings in the auditory cortex and thalamus of rats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from builders.crcns_ac1.asari import asari_index
from builders.crcns_ac1.config import CrcnsAc1Config
from builders.crcns_ac1.index import CORPUS_FOLDER, Index
from builders.crcns_ac1.walk import GroupWalk, SoundGroup, sound_groups
from builders.crcns_ac1.wehr import wehr_index
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Column, Corpus, Licence, Redistribution
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording

DOWNLOAD = "https://download.crcns.org/ac-1/"


def _cohort(name: str, description: str, signal_type: str, unit: str, counts: Mapping[str, int]) -> Cohort:
    return Cohort(
        name=name,
        description=description,
        signal_type=signal_type,
        response_dtype="float32",
        response_unit=unit,
        spectrogram_unit="dB",
        audio_fs=96_000,
        counts=counts,
    )


class CrcnsAc1(CorpusBuilder):
    """Rat auditory cortex and thalamus, membrane potentials and spikes, natural sounds (Asari, Wehr et al. 2009)."""

    BUILDER_CONFIG_CLASS = CrcnsAc1Config
    LANDMARKS = (CORPUS_FOLDER,)
    CORPUS = Corpus(
        name="crcns_ac1",
        title="CRCNS AC1: natural sounds in rat auditory cortex and thalamus, inside and beside the cell",
        version="1.0.0",
        species="rat",
        behavioural_state="anaesthetised",
        areas=("A1", "MGB"),
        hearing_range_hz=(250, 76_000),
        citation="""\
@misc{asari2009auditory,
  title = {Auditory cortex and thalamic neuronal responses to various natural and synthetic sounds},
  author = {Asari, Hiroki and Wehr, Michael and Machens, Christian and Zador, Anthony M.},
  publisher = {CRCNS.org}, year = {2009}, doi = {10.6080/K0KW5CXR}
}
@article{machens2004linearity,
  title = {Linearity of Cortical Receptive Fields Measured with Natural Sounds},
  author = {Machens, Christian K. and Wehr, Michael S. and Zador, Anthony M.},
  journal = {Journal of Neuroscience}, volume = {24}, pages = {1089--1100}, year = {2004},
  doi = {10.1523/JNEUROSCI.4445-03.2004}
}
@article{asari2009longlasting,
  title = {Long-Lasting Context Dependence Constrains Neural Encoding Models in Rodent Auditory Cortex},
  author = {Asari, Hiroki and Zador, Anthony M.},
  journal = {Journal of Neurophysiology}, volume = {102}, pages = {2638--2656}, year = {2009},
  doi = {10.1152/jn.00577.2009}
}""",
        dois=("10.6080/K0KW5CXR", "10.1523/JNEUROSCI.4445-03.2004", "10.1152/jn.00577.2009"),
        homepage="https://crcns.org/data-sets/ac/ac-1",
        licence=Licence(
            name="CRCNS terms of use",
            hub_identifier="other",
            url="https://crcns.org/terms",
            terms="For scientific purposes only; redistribution is not permitted. Name the contributors and CRCNS.org, "
            "and cite the papers.",
        ),
        redistribution=Redistribution.FORBIDDEN,
        archives=(
            Archive("crcns-ac1.zip", f"{DOWNLOAD}crcns-ac1.zip", note="all of Wehr, and Asari's stimuli"),
            *(
                Archive(
                    f"crcns-ac1-asari-results-{number}.zip",
                    f"{DOWNLOAD}crcns-ac1-asari-results-{number}.zip",
                    optional=True,
                    note="the cohorts asari_a1 and asari_mgb",
                )
                for number in (1, 2)
            ),
        ),
        stimulus_columns={
            "experimenter": Column("string", "wehr or asari."),
            "category": Column("string", "Folder of the sound; of Asari's, the class of the first segment, or mixed."),
            "idx": Column("int32", "Wehr: number of the sound in its folder."),
            "description": Column("string", "Wehr: of the sound. Asari: of the sequence, in the first cell's files."),
            "duration_s": Column("float64", "Duration by the first trial of the first cell.", "s"),
            "class_n": Column("int32", "Asari: class of the first segment."),
            "segments": Column("string", "Asari: numbers of the segments in the first cell's files, by blanks."),
            "segment_files": Column("string", "Asari: files of the segments, by blanks; only they identify the sound."),
            "sequence": Column("string", "Asari: what the first cell's files call the sequence."),
            "n_valid_bands": Column("int32", "Bands below half the sampling rate, counted from the lowest."),
            "frame_slip_ms": Column("float64", "How late the last frame is against the last bin.", "ms"),
            "header_sample_rate_hz": Column("float64", "Sampling rate as the file states it.", "Hz"),
        },
        neuron_columns={
            "experimenter": Column("string", "wehr or asari."),
            "session": Column("string", "Folder of the session."),
            "animal_id": Column("string", "mw, or ha1 to ha4."),
            "penetration": Column("int32", "Electrode penetration."),
            "date": Column("string", "Day of the recording, yyyymmdd."),
            "site": Column("string", "A1 or MGB."),
            "recording_type": Column("string", "Mode of the recording in the lab's words."),
            "species": Column("string", "rat."),
            "wehr_cell_idx": Column("int32", "Wehr: position of the session among all session folders, from 0."),
            "published_valid": Column("bool", "Wehr: one of the 21 cells that were analysed (Rancon et al. 2025)."),
            "published_n_train": Column("int32", "Wehr: stimulus blocks for training, historical: see the text."),
            "published_n_validation": Column("int32", "Wehr: stimulus blocks for validation, historical."),
            "published_n_test": Column("int32", "Wehr: stimulus blocks for the test, historical."),
        },
        recording_columns={
            "n_recorded": Column("int32", "Repeats that were recorded."),
            "n_rejected_range": Column("int32", "Repeats that the range gate rejected."),
            "n_rejected_step": Column("int32", "Repeats that the step gate rejected."),
            "n_rejected_cross_trial": Column("int32", "Repeats that the cross-trial gate rejected."),
            "trials": Column("string", "File, and for Asari number of the trigger, of each trial in order, by blanks."),
        },
        cohorts=(
            _cohort(
                "wehr",
                "25 cells of A1, whole-cell, action potentials blocked, natural fragments mostly of 15 s",
                "subthreshold",
                "mV, slow drift removed",
                {"neurons": 25, "stimuli": 51, "trials": 1249, "rejected_range": 1, "rejected_step": 0,
                 "rejected_cross_trial": 13},
            ),
            _cohort(
                "asari_a1",
                "39 cells of A1, whole-cell, sequences of natural segments",
                "subthreshold",
                "mV, slow drift removed",
                {"neurons": 39},
            ),
            _cohort(
                "asari_mgb",
                "14 cells of MGB, cell-attached, sequences of natural segments",
                "spikes",
                "smoothed count of samples above threshold, arbitrary; spikes per bin with spikes=events",
                {"neurons": 14},
            ),
        ),
    )  # fmt: skip

    @classmethod
    def _index(cls, raw: RawTree, cohort: Cohort) -> Index:
        return wehr_index(raw) if cohort.name == "wehr" else asari_index(raw)

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: CrcnsAc1Config) -> Sequence[SoundGroup]:
        """Return groups of sounds."""
        return sound_groups(cls._index(raw, cohort), cohort.name, config)

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: CrcnsAc1Config) -> Sequence[float]:
        """Return the frequencies of the log spectrogram."""
        return config.bands_hz.tolist()

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: CrcnsAc1Config) -> Sequence[str]:
        """Return the files of all sounds and of all traces that hold one."""
        return cls._index(raw, cohort).files

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: CrcnsAc1Config, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield the responses that passed the gates, sound by sound."""
        group = cast(SoundGroup, part)
        if group.findings is not None:
            group.findings.report(cohort.name, log)
        yield from GroupWalk(raw, config, group, log).recordings()
