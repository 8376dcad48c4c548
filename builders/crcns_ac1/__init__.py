"""CRCNS AC1: intracellular and cell-attached recordings in the auditory cortex and thalamus of rats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from builders.crcns import ACCESS, HANDING_ON, archive, homepage, licence
from builders.crcns_ac1.asari import asari_index
from builders.crcns_ac1.columns import NEURON_COLUMNS, RECORDING_COLUMNS, STIMULUS_COLUMNS
from builders.crcns_ac1.config import CrcnsAc1Config
from builders.crcns_ac1.index import CORPUS_FOLDER, Index
from builders.crcns_ac1.walk import GroupWalk, SoundGroup, sound_groups
from builders.crcns_ac1.wehr import wehr_index
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Corpus, Unpack
from deepstrf_hf.linear_baseline import LinearBaseline, PublishedScore
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording

ASARI = ("asari_a1", "asari_mgb")
"""Cohorts of Asari's recordings."""


def _asari(number: int) -> Archive:
    """Return one of the two archives of Asari's recordings, whose sessions both cohorts share."""
    results = f"asari-results-{number}"
    return archive(
        "ac-1",
        f"{CORPUS_FOLDER}-{results}.zip",
        "recordings of asari_a1 and asari_mgb",
        cohorts=ASARI,
        unpack=Unpack(
            into=f"{CORPUS_FOLDER}-{results}",
            contains={f"{results}/*/*.mat": None},
            about_bytes=1_500_000_000,
            largest_bytes=10_000_000_000,
            most_members=20_000,
        ),
    )


def _wehr_score(model: str, value: float, note: str) -> PublishedScore:
    what = f"mean test cc_norm of a {model}, 21 valid cells"
    return PublishedScore(what, value, "documents of deepSTRF; Rancon et al. 2025", note, group="published_valid")


WEHR_BASELINE = LinearBaseline(
    by=None,
    stratify=("category",),
    scored="published_valid",
    source="windows of 100 to 200 ms and the 21 cells of Rancon et al. 2025; their division is not in the files",
    published=(
        _wehr_score("linear STRF", 0.21, "another division of the stimuli"),
        _wehr_score("StateNet-GRU", 0.31, "a nonlinear model: a linear one should stay below"),
    ),
)
ASARI_BASELINE = LinearBaseline(by=None, stratify=("category",), source="as of the cohort wehr")


def _cohort(
    name: str, description: str, signal_type: str, unit: str, counts: Mapping[str, int], baseline: LinearBaseline
) -> Cohort:
    return Cohort(
        name=name,
        description=description,
        signal_type=signal_type,
        response_dtype="float32",
        response_unit=unit,
        spectrogram_unit="dB re 1, of the windowed Fourier sum",
        audio_fs=96_000,
        counts=counts,
        baseline=baseline,
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
        homepage=homepage("ac-1"),
        download_size="1.6 GB",
        access=ACCESS,
        licence=licence("the contributors (H. Asari, M. Wehr, C. Machens, A. Zador)"),
        redistribution=HANDING_ON,
        archives=(
            archive(
                "ac-1",
                f"{CORPUS_FOLDER}.zip",
                "all of Wehr, and Asari's stimuli",
                unpack=Unpack(
                    into=CORPUS_FOLDER,
                    strip=(CORPUS_FOLDER,),
                    contains={
                        "wehr/Summary.mat": 1,
                        "wehr/Results/*/*.mat": None,
                        "wehr/Stimuli/*/*.mat": None,
                        "asari/Stimuli/class*/*.mat": None,
                    },
                    of_cohorts={
                        "wehr/Summary.mat": ("wehr",),
                        "wehr/Results/*/*.mat": ("wehr",),
                        "wehr/Stimuli/*/*.mat": ("wehr",),
                        "asari/Stimuli/class*/*.mat": ASARI,
                    },
                    about_bytes=1_500_000_000,
                    largest_bytes=10_000_000_000,
                    most_members=100_000,
                ),
            ),
            *(_asari(number) for number in (1, 2)),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        recording_columns=RECORDING_COLUMNS,
        cohorts=(
            _cohort(
                "wehr",
                "25 cells of A1, whole-cell, action potentials blocked, natural fragments mostly of 15 s",
                "subthreshold",
                "mV, slow drift removed",
                {
                    "neurons": 25,
                    "stimuli": 51,
                    "trials": 1249,
                    "rejected_range": 1,
                    "rejected_step": 0,
                    "rejected_cross_trial": 13,
                },
                WEHR_BASELINE,
            ),
            _cohort(
                "asari_a1",
                "39 cells of A1, whole-cell, sequences of natural segments",
                "subthreshold",
                "mV, slow drift removed",
                {"neurons": 39},
                ASARI_BASELINE,
            ),
            _cohort(
                "asari_mgb",
                "14 cells of MGB, cell-attached, sequences of natural segments",
                "spikes",
                "smoothed count of samples above threshold, arbitrary; spikes per bin with spikes=events",
                {"neurons": 14},
                ASARI_BASELINE,
            ),
        ),
    )

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
    def counts_events(cls, cohort: Cohort, config: CrcnsAc1Config) -> bool:
        """Return whether responses are detected spikes, and not the published smoothed signal."""
        return cohort.signal_type == "spikes" and config.spikes == "events"

    @classmethod
    def published_counts(cls, cohort: Cohort, config: CrcnsAc1Config) -> Mapping[str, int]:
        """Return the published counts; how many trials pass the gates depends on gates and detrending."""
        judged = {name for name in config.changed_parameters() if "gate" in name or name.startswith("detrend_")}
        return {
            name: count
            for name, count in cohort.counts.items()
            if not judged or not name.startswith(("trials", "rejected_"))
        }

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
