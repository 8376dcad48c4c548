"""CRCNS AA1: zebra finch field L and MLd, 100 cells, songs and modulation-limited noise (Theunissen et al. 2009)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builders.crcns_aa1.raw import SOUNDS, read_release
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Column, Corpus, Licence, Redistribution
from deepstrf_hf.features.mel import mel_band_frequencies
from deepstrf_hf.formats.theunissen import SAMPLE_RATE_HZ
from deepstrf_hf.formats.theunissen_corpus import (
    NEURON_COLUMNS,
    RECORDING_COLUMNS,
    STIMULUS_COLUMNS,
    FinchConfig,
    unwrapped,
    walk,
)
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.responses.preprocessing import HanningSmooth


class CrcnsAa1(CorpusBuilder):
    """Zebra finch, 50 cells of field L and 50 of MLd, 20 songs and 10 noises (Theunissen et al. 2009)."""

    BUILDER_CONFIG_CLASS = FinchConfig
    LANDMARKS = (SOUNDS,)
    CORPUS = Corpus(
        name="crcns_aa1",
        title="CRCNS AA1: single units in field L and MLd of male zebra finches",
        version="1.0.0",
        species="zebra finch",
        behavioural_state="anaesthetised",
        areas=("Field_L", "MLd"),
        hearing_range_hz=(250, 8000),
        citation="""\
@misc{theunissen2009aa1,
  title = {Single-unit recordings from two auditory areas in male zebra finches},
  author = {Theunissen, Fr{\\'e}d{\\'e}ric E. and others}, publisher = {CRCNS.org}, year = {2009},
  doi = {10.6080/K0F769GP}
}
@article{woolley2005tuning,
  title = {Tuning for spectro-temporal modulations as a mechanism for auditory discrimination of natural sounds},
  author = {Woolley, Sarah M. N. and Fremouw, Thane E. and Hsu, Anne and Theunissen, Fr{\\'e}d{\\'e}ric E.},
  journal = {Nature Neuroscience}, volume = {8}, pages = {1371--1379}, year = {2005}, doi = {10.1038/nn1536}
}
@article{hsu2004modulation,
  title = {Modulation power and phase spectrum of natural sounds enhance neural encoding performed by single auditory
           neurons},
  author = {Hsu, Anne and Woolley, Sarah M. N. and Fremouw, Thane E. and Theunissen, Fr{\\'e}d{\\'e}ric E.},
  journal = {Journal of Neuroscience}, volume = {24}, pages = {9201--9211}, year = {2004},
  doi = {10.1523/JNEUROSCI.2449-04.2004}
}""",
        dois=(
            "10.6080/K0F769GP",
            "10.1038/nn1536",
            "10.1523/JNEUROSCI.2449-04.2004",
            "10.1121/1.1624067",
        ),
        homepage="https://crcns.org/data-sets/aa/aa-1",
        licence=Licence(
            name="CRCNS terms of use",
            hub_identifier="other",
            url="https://crcns.org/terms",
            terms="For scientific purposes only; redistribution is not permitted. Acknowledge the Theunissen lab, UC "
            "Berkeley, and CRCNS.org in all publications, abstracts and posters included, and cite the papers.",
        ),
        redistribution=Redistribution.FORBIDDEN,
        archives=(
            Archive(
                "crcns-aa1.zip",
                "https://download.crcns.org/aa-1/crcns-aa1.zip",
                note="about 17 MB; needs a free account of crcns.org",
            ),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns={
            **NEURON_COLUMNS,
            "also_in": Column("string", "Where the same cell, with the same recordings, is found again: corpus/cell."),
        },
        recording_columns=RECORDING_COLUMNS,
        cohorts=(
            Cohort(
                name="all",
                description="100 single units of field L and MLd, 30 sounds of 1.6 to 2.5 s, 10 or 15 trials each",
                signal_type="spikes",
                response_dtype="uint8",
                response_unit="spikes per bin",
                spectrogram_unit="compressed power, re 1 at full scale",
                audio_fs=SAMPLE_RATE_HZ,
                counts={
                    "neurons": 100,
                    "stimuli": 30,
                    "rows": 2960,
                    "trials": 29_900,
                    "area_Field_L": 50,
                    "area_MLd": 50,
                    "stimuli_conspecific": 20,
                    "stimuli_flatrip": 10,
                },
                preprocessing=(HanningSmooth(21.0),),
                deepstrf_preprocessing=(HanningSmooth(21.0),),
            ),
        ),
    )

    @classmethod
    def open_raw(cls, data_dir: str | None) -> RawTree:
        """Open the raw directory, or the one folder that the archive wraps everything in (errors as in the base)."""
        return super().open_raw(unwrapped(data_dir, ("crcns-aa1",), cls.LANDMARKS))

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: FinchConfig) -> Sequence[Part]:
        """Return one part per class of sounds."""
        return read_release(raw).parts()

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: FinchConfig) -> Sequence[float]:
        """Return the frequencies at the peaks of the mel filters."""
        return mel_band_frequencies(SAMPLE_RATE_HZ, config.n_bands).tolist()

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: FinchConfig) -> Sequence[str]:
        """Return the stim and spike files, and the sounds that were heard."""
        return read_release(raw).raw_files(config)

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: FinchConfig, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield all cells' responses to the sounds of one class."""
        return walk(read_release(raw), config, part, log)
