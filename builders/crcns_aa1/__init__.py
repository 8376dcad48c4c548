"""CRCNS AA1: zebra finch field L and MLd, 100 cells, songs and modulation-limited noise (Theunissen et al. 2009)."""

from __future__ import annotations

from dataclasses import replace

from builders.crcns import ACCESS, HANDING_ON, THEUNISSEN_LAB, archive, homepage, licence
from builders.crcns_aa1.raw import SOUNDS, read_release
from builders.finch import FINCH_BASELINE, FinchWalk, finch_cohort
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Corpus, Unpack
from deepstrf_hf.formats.theunissen_corpus import (
    NEURON_COLUMNS,
    RECORDING_COLUMNS,
    STIMULUS_COLUMNS,
    FinchConfig,
    unwrapped,
)
from deepstrf_hf.linear_baseline import PublishedScore
from deepstrf_hf.raw_tree import RawTree

WRAPPER = "crcns-aa1"
"""Folder that the archive wraps everything in, and is unpacked to."""
NONLINEAR = tuple(
    PublishedScore(
        f"mean cc_norm of a nonlinear model ({model}), {area}",
        value,
        "documents of deepSTRF",
        "nonlinear models, on a division of their own: a linear one should stay below",
        group=f"area {area}",
    )
    for area, models in (
        ("Field_L", (("StateNet", 0.710), ("Transformer", 0.655), ("2D-CNN", 0.650))),
        ("MLd", (("StateNet (Mamba)", 0.734), ("2D-CNN", 0.689), ("Transformer", 0.683))),
    )
    for model, value in models
)


class CrcnsAa1(FinchWalk, CorpusBuilder):
    """Zebra finch, 50 cells of field L and 50 of MLd, 20 songs and 10 noises (Theunissen et al. 2009)."""

    BUILDER_CONFIG_CLASS = FinchConfig
    read_release = staticmethod(read_release)
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
        homepage=homepage("aa-1"),
        download_size="17 MB",
        access=ACCESS,
        licence=licence(THEUNISSEN_LAB),
        redistribution=HANDING_ON,
        archives=(
            archive(
                "aa-1",
                "crcns-aa1.zip",
                "about 17 MB",
                unpack=Unpack(
                    into=WRAPPER,
                    strip=(WRAPPER,),
                    contains={"*_cells/*/*/s*": 5920, f"{SOUNDS}/*/*.wav": 30},
                    about_bytes=10_317_009,
                    largest_bytes=200_000_000,
                    most_members=20_000,
                    elsewhere=("",),
                    named_by_md5=f"{SOUNDS}/*/*.wav",
                ),
            ),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        recording_columns=RECORDING_COLUMNS,
        cohorts=(
            finch_cohort(
                "100 single units of field L and MLd, 30 sounds of 1.6 to 2.5 s, 10 or 15 trials each",
                {
                    "neurons": 100,
                    "stimuli": 30,
                    "rows": 2960,
                    "trials": 29_900,
                    "area_Field_L": 50,
                    "area_MLd": 50,
                    "stimuli_conspecific": 20,
                    "stimuli_flatrip": 10,
                },
                stimulus="inline",
                baseline=replace(FINCH_BASELINE, published=NONLINEAR),
            ),
        ),
    )

    @classmethod
    def open_raw(cls, data_dir: str | None) -> RawTree:
        """Open the raw directory, or the one folder that the archive wraps everything in (errors as in the base)."""
        return super().open_raw(unwrapped(data_dir, (WRAPPER,), cls.LANDMARKS))
