"""CRCNS AA2: zebra finch midbrain to caudal mesopallium, 494 cells, songs, noise, songrip (Theunissen et al. 2011)."""

from __future__ import annotations

from builders.crcns import ACCESS, HANDING_ON, THEUNISSEN_LAB, archive, homepage, licence
from builders.crcns_aa2.raw import CELLS, CLASSES, DOCUMENTS, KNOWN_REGIONS, REGIONS, SOUND_TABLE, SOUNDS, read_release
from builders.finch import FinchWalk, finch_cohort
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Corpus, Unpack
from deepstrf_hf.formats.theunissen_corpus import (
    NEURON_COLUMNS,
    RECORDING_COLUMNS,
    STIMULUS_COLUMNS,
    FinchConfig,
    unwrapped,
)
from deepstrf_hf.raw_tree import RawTree

CELLS_OF_REGION = {"mld": 143, "OV": 59, "L": 29, "L1": 17, "L2a": 53, "L2b": 42, "L3": 48, "CM": 37, "None": 66}
WRAPPERS = ("crcns", "aa2")
"""Folders that the archives wrap everything in."""
SOUNDS_OF_CLASS = {"conspecific": 60, "flatrip": 20, "songrip": 25}


class CrcnsAa2(FinchWalk, CorpusBuilder):
    """Zebra finch MLd, OV, field L and CM, 494 cells, 105 songs and noises (Theunissen et al. 2011)."""

    BUILDER_CONFIG_CLASS = FinchConfig
    read_release = staticmethod(read_release)
    LANDMARKS = (CELLS, SOUNDS)
    CORPUS = Corpus(
        name="crcns_aa2",
        title="CRCNS AA2: single units in auditory areas of male zebra finches, midbrain to CM",
        version="1.0.0",
        species="zebra finch",
        behavioural_state="anaesthetised",
        areas=KNOWN_REGIONS,
        hearing_range_hz=(250, 8000),
        citation="""\
@misc{theunissen2011aa2,
  title = {Single-unit recordings from multiple auditory areas in male zebra finches},
  author = {Theunissen, F. E. and Gill, P. and Noopur, A. and Zhang, J. and Woolley, S. M. N. and Fremouw, T.},
  publisher = {CRCNS.org}, year = {2011}, doi = {10.6080/K0JW8BSC}
}
@article{gill2006sound,
  title = {Sound representation methods for spectro-temporal receptive field estimation},
  author = {Gill, Patrick and Zhang, Junli and Woolley, Sarah M. N. and Fremouw, Thane and Theunissen,
            Fr{\\'e}d{\\'e}ric E.},
  journal = {Journal of Computational Neuroscience}, volume = {21}, pages = {5--20}, year = {2006},
  doi = {10.1007/s10827-006-7059-4}
}
@article{amin2010role,
  title = {Role of the zebra finch auditory thalamus in generating complex representations for natural sounds},
  author = {Amin, Noopur and Gill, Patrick and Theunissen, Fr{\\'e}d{\\'e}ric E.},
  journal = {Journal of Neurophysiology}, volume = {104}, pages = {784--798}, year = {2010},
  doi = {10.1152/jn.00128.2010}
}""",
        dois=("10.6080/K0JW8BSC", "10.1007/s10827-006-7059-4", "10.1152/jn.00128.2010"),
        homepage=homepage("aa-2"),
        download_size="32 MB",
        access=ACCESS,
        licence=licence(THEUNISSEN_LAB),
        redistribution=HANDING_ON,
        archives=(
            archive(
                "aa-2",
                "crcns-aa2-docs.tar.gz",
                "tables of cells and sounds, and how to credit the data; 10,020 bytes in 2014",
                unpack=Unpack(
                    into=DOCUMENTS,
                    strip=WRAPPERS,
                    contains={REGIONS: 1, CLASSES: 1, SOUND_TABLE: 1},
                    largest_bytes=10_000_000,
                    most_members=100,
                    elsewhere=("",),
                ),
            ),
            archive(
                "aa-2",
                "crcns-aa2-all_cells.tar.gz",
                "spikes, 17,152,249 bytes in 2014",
                unpack=Unpack(
                    into=CELLS,
                    strip=(*WRAPPERS, CELLS),
                    contains={"*/*/s*": 37_966},
                    about_bytes=45_000_000,
                    largest_bytes=500_000_000,
                    most_members=100_000,
                ),
            ),
            archive(
                "aa-2",
                "crcns-aa2-all_stims.tar.gz",
                "sounds, 14,413,299 bytes in 2014",
                unpack=Unpack(
                    into=SOUNDS,
                    strip=(*WRAPPERS, SOUNDS),
                    contains={"*.wav": 145},
                    about_bytes=17_000_000,
                    largest_bytes=200_000_000,
                    most_members=1000,
                    named_by_md5="*.wav",
                ),
            ),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        recording_columns=RECORDING_COLUMNS,
        cohorts=(
            finch_cohort(
                "494 single units of MLd, OV, field L and CM, 105 sounds of 0.2 to 2.6 s, mostly 10 trials",
                {
                    "neurons": 494,
                    "stimuli": 105,
                    "pairs_by_folder": 18_902,
                    "pairs_presented_again": 55,
                    "copied_presentations": 23,
                    "pairs_in_the_folder_of_another_class": 12,
                    **{f"stimuli_{name}": count for name, count in SOUNDS_OF_CLASS.items()},
                    **{f"area_{name}": count for name, count in CELLS_OF_REGION.items()},
                },
                stimulus="reference",
            ),
        ),
    )

    @classmethod
    def open_raw(cls, data_dir: str | None) -> RawTree:
        """Open the raw directory, or the folders that the archives wrap everything in (errors as in the base)."""
        return super().open_raw(unwrapped(data_dir, ("crcns/aa2", "aa2"), cls.LANDMARKS))
