"""CRCNS AA4: zebra finch auditory forebrain, the whole repertoire of calls and songs (Elie & Theunissen 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from builders.crcns import ACCESS, HANDING_ON, THEUNISSEN_LAB, archive, homepage, licence
from builders.crcns_aa4.columns import NEURON_COLUMNS, RECORDING_COLUMNS, STIMULUS_COLUMNS
from builders.crcns_aa4.config import CrcnsAa4Config
from builders.crcns_aa4.raw import ANIMALS, unit_files, wav_files
from builders.crcns_aa4.walk import walk
from builders.finch import FINCH_BASELINE, finch_cohort
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Corpus, Unpack
from deepstrf_hf.features.mel import mel_band_frequencies
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.where import keeps

PUBLISHED_UNITS = dict(zip(ANIMALS, (151, 355, 53, 198, 304, 282), strict=True))
PUBLISHED_STIMULI = dict(zip(ANIMALS, (130, 130, 137, 73, 131, 129), strict=True))
"""By bird, as the documents state them; the units add up to 1343, where the same documents state 1401."""

CODE = "CRCNSCode"


def _bird(animal: str) -> Archive:
    """Return the archive of a bird: hundreds of MB of unit files, one per unit, and the bird's sounds."""
    return archive(
        "aa-4",
        f"{animal}.tar.gz",
        "one bird; a sound whose file it lacks is taken from another bird's archive, where that is there",
        where={"neuron.animal_id": animal, "neuron.sex": animal[-1]},
        unpack=Unpack(
            into=animal,
            strip=(animal,),
            contains={"*.h5": None, "wavfiles/stim*.wav": None},
            largest_bytes=50_000_000_000,
            most_members=20_000,
        ),
    )


class CrcnsAa4(CorpusBuilder):
    """Zebra finch field L, CLM, CMM and NCM, 1401 units, songs, calls and modulation-limited noise."""

    BUILDER_CONFIG_CLASS = CrcnsAa4Config
    LANDMARKS = ANIMALS
    CORPUS = Corpus(
        name="crcns_aa4",
        title="CRCNS AA4: the vocal repertoire of zebra finches in their auditory forebrain",
        version="1.0.0",
        species="zebra finch",
        behavioural_state="anaesthetised",
        areas=("field L", "CLM", "CMM", "NCM"),
        hearing_range_hz=(250, 8_000),
        citation="""\
@misc{elie2019simultaneous,
  title = {Simultaneous extracellular recordings of avian auditory neurons in zebra finches presented with all the
           repertoire of vocalizations used by this species for vocal communication},
  author = {Elie, Julie E. and Theunissen, Fr{\\'e}d{\\'e}ric E.}, publisher = {CRCNS.org}, year = {2019},
  doi = {10.6080/K00C4T06}
}
@article{elie2015meaning,
  title = {Meaning in the avian auditory cortex: neural representation of communication calls},
  author = {Elie, Julie E. and Theunissen, Fr{\\'e}d{\\'e}ric E.}, journal = {European Journal of Neuroscience},
  volume = {41}, pages = {546--567}, year = {2015}, doi = {10.1111/ejn.12812}
}
@article{elie2019invariant,
  title = {Invariant neural responses for sensory categories revealed by the time-varying information for
           communication calls},
  author = {Elie, Julie E. and Theunissen, Fr{\\'e}d{\\'e}ric E.}, journal = {PLoS Computational Biology},
  volume = {15}, number = {9}, pages = {e1006698}, year = {2019}, doi = {10.1371/journal.pcbi.1006698}
}""",
        dois=("10.6080/K00C4T06", "10.1111/ejn.12812", "10.1371/journal.pcbi.1006698"),
        homepage=homepage("aa-4"),
        download_size="hundreds of MB per bird",
        access=ACCESS,
        licence=licence(THEUNISSEN_LAB),
        redistribution=HANDING_ON,
        archives=(
            *(_bird(animal) for animal in ANIMALS),
            archive(
                "aa-4",
                "CRCNSCode.tar.gz",
                "the lab's example code",
                optional=True,
                unpack=Unpack(
                    into=CODE, strip=(CODE,), contains={"*": None}, largest_bytes=100_000_000, most_members=5000
                ),
            ),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        recording_columns=RECORDING_COLUMNS,
        cohorts=(
            finch_cohort(
                "single and multi units of six birds; songs, calls, modulation-limited noise",
                {
                    "neurons": 1401,
                    "single_units": 914,
                    "stimuli": 170,
                    **{f"neurons_{animal}": units for animal, units in PUBLISHED_UNITS.items()},
                    **{f"stimuli_{animal}": stimuli for animal, stimuli in PUBLISHED_STIMULI.items()},
                },
                stimulus="reference",
                audio_fs=24_000,
                baseline=replace(FINCH_BASELINE, by="animal_id"),
            ),
        ),
    )

    @classmethod
    def open_raw(cls, data_dir: str | None) -> RawTree:
        """Open the raw directory, which may hold some of the birds only (errors as in the base)."""
        present = [animal for animal in ANIMALS if data_dir is not None and (Path(data_dir) / animal).is_dir()]
        return RawTree(str(data_dir), cls.CORPUS.name, present) if present else super().open_raw(data_dir)

    @classmethod
    def animals(cls, raw: RawTree, config: CrcnsAa4Config) -> list[str]:
        """Return the birds that have unit files and are wanted, in the order of the release."""
        wanted = {name: values for name, values in config.where.items() if name in ("neuron.animal_id", "neuron.sex")}
        return [
            animal
            for animal in ANIMALS
            if unit_files(raw, animal) and keeps(wanted, "neuron", {"animal_id": animal, "sex": animal[-1]})
        ]

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: CrcnsAa4Config) -> Sequence[Part]:
        """Return one part per bird."""
        return [Part(animal) for animal in cls.animals(raw, config)]

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: CrcnsAa4Config) -> Sequence[float]:
        """Return the peak of each band for sounds of 24,414 Hz; sounds of another rate are named in the report."""
        return mel_band_frequencies(config.SAMPLE_RATE_HZ, config.n_bands).tolist()

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: CrcnsAa4Config) -> Sequence[str]:
        """Return the unit files of the birds that are built, and the sounds of all."""
        units = [name for animal in cls.animals(raw, config) for name in unit_files(raw, animal)]
        return [*units, *(name for animal in ANIMALS for name in wav_files(raw, animal))]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: CrcnsAa4Config, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield one bird's recordings, sound by sound."""
        return walk(raw, config, part.name, log)
