"""CRCNS AA4: zebra finch auditory forebrain, the whole repertoire of calls and songs (Elie & Theunissen 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.crcns_aa4.raw import ANIMALS, unit_files, wav_files
from builders.crcns_aa4.sounds import SAMPLE_RATE_HZ
from builders.crcns_aa4.walk import walk
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.corpus import Archive, Cohort, Column, Corpus, Licence, Redistribution
from deepstrf_hf.features.mel import COMPRESSIONS, FRAMES, mel_band_frequencies
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.responses.preprocessing import HanningSmooth
from deepstrf_hf.where import keeps

PUBLISHED_UNITS = dict(zip(ANIMALS, (151, 355, 53, 198, 304, 282), strict=True))
PUBLISHED_STIMULI = dict(zip(ANIMALS, (130, 130, 137, 73, 131, 129), strict=True))
"""By bird, as the documents state them; the units add up to 1343, where the same documents state 1401."""
DOWNLOAD = "https://download.crcns.org/aa-4/"


@dataclass
class CrcnsAa4Config(CorpusConfig):
    """Parameters of AA4; the defaults are the published ones."""

    dt_ms: float = parameter(1.0, "bin width of responses and spectrogram", unit="ms")
    n_bands: int = parameter(32, "bands of the mel spectrogram, from 0 to half the sampling rate of the sound")
    compression: str = parameter("cubic", "of the power: cube root, ln(1 + power), or none", choices=COMPRESSIONS)
    window_ms: float = parameter(10.0, "length of the Hann window of the spectrogram", unit="ms")
    frames: str = parameter(
        "fixed_hop",
        "hop cut to samples as published (frames slip against bins, by 51 ms after 3 s), or frames on their bins",
        choices=FRAMES,
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
        homepage="https://crcns.org/data-sets/aa/aa-4",
        licence=Licence(
            name="CRCNS.org terms of use",
            hub_identifier="other",
            url="https://crcns.org/terms",
            terms="For scientific purposes only; redistribution is not permitted, except to direct collaborators and "
            "one's students. Publications must name the contributors and the source, and cite the papers.",
        ),
        redistribution=Redistribution.FORBIDDEN,
        archives=(
            *(Archive(f"{animal}.tar.gz", f"{DOWNLOAD}{animal}.tar.gz", note="one bird") for animal in ANIMALS),
            Archive("CRCNSCode.tar.gz", f"{DOWNLOAD}CRCNSCode.tar.gz", optional=True, note="the lab's example code"),
        ),
        stimulus_columns={
            "name": Column("string", "What the sound is known by in all birds: the MD5 of the file that was played."),
            "type": Column("string", "song, call or mlnoise (modulation-limited noise)."),
            "class": Column("string", "The lab's class of the stimulus."),
            "duration_s": Column("float64", "Duration as the unit files state it.", "s"),
            "source": Column("string", "Where the sound comes from, as the lab states it."),
            "source_sex": Column("string", "Sex of the bird that uttered it."),
            "original_wav": Column("string", "The lab's own name of the file."),
            "wav_md5": Column("string", "MD5 of the file the waveform is from; equals the name where it is verified."),
        },
        neuron_columns={
            "cell_id": Column("string", "The lab's name of the unit; the same name occurs in several birds."),
            "animal_id": Column("string", "Bird."),
            "sex": Column("string", "F or M, from the name of the bird."),
            "site": Column("string", "Recording site of the bird."),
            "electrode": Column("int32", "Electrode, 1 to 32; which of them are left or right is not documented."),
            "left_depth_um": Column("float64", "Depth of the left array.", "um"),
            "right_depth_um": Column("float64", "Depth of the right array.", "um"),
            "sort_type": Column("string", "single or multi."),
            "sort_id": Column("int32", "Number from online sorting."),
            "subsort_id": Column("int32", "Number from offline sorting, from the name of the unit."),
        },
        recording_columns={
            "protocol": Column("string", "Protocols that presented the sound, in the order of the trials, by commas."),
            "stimulus_number": Column("string", "The bird's number of the sound in each of them."),
            "protocol_trials": Column("string", "Number of trials of each of them: 10,4 is 10 rows, then 4."),
            "trial": Column("string", "The lab's number of each trial, in the order of the rows of the response."),
            "recorded_bins": Column(
                "int32", "Bins recorded in all trials (sound and post_time); zeros past them are no observation."
            ),
        },
        cohorts=(
            Cohort(
                name="all",
                description="single and multi units of six birds; songs, calls, modulation-limited noise",
                signal_type="spikes",
                response_dtype="uint8",
                response_unit="spikes per bin",
                spectrogram_unit="cube root of power, unless compression says otherwise",
                audio_fs=24_000,
                counts={
                    "neurons": 1401,
                    "single_units": 914,
                    "stimuli": 170,
                    **{f"neurons_{animal}": units for animal, units in PUBLISHED_UNITS.items()},
                    **{f"stimuli_{animal}": stimuli for animal, stimuli in PUBLISHED_STIMULI.items()},
                },
                preprocessing=(HanningSmooth(21.0),),
                deepstrf_preprocessing=(HanningSmooth(21.0),),
                stimulus="reference",
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
        return mel_band_frequencies(SAMPLE_RATE_HZ, config.n_bands).tolist()

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
