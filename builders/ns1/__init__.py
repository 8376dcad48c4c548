"""NS1: ferret auditory cortex, 119 units, 20 natural clips heard 20 times each (Harper et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builders.ns1.raw import CLIPS, METADATA, PUBLISHED_SPECTROGRAM, SPIKES_AND_WAVS, list_units, read_units
from builders.ns1.stimuli import Cochleagram, read_stimuli
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.corpus import Archive, Cohort, Column, Corpus, Licence, Redistribution, Unpack
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.cochleagram import band_frequencies
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.published_split import StimulusSplit
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.responses.binning import bin_spikes, bin_spikes_one_per_ms
from deepstrf_hf.responses.preprocessing import HanningSmooth

RECORDED_MS = 5199.99
"""Shortest recording after a clip's onset, ms (field length_signal_ms)."""

SPLIT = StimulusSplit(
    test=tuple(clip.stim_id for clip in CLIPS if clip.index in (3, 6, 9, 19)),
    source="Rahman et al. 2020, doi 10.1073/pnas.1922033117: clips 3, 6, 9 and 19, counted from 0",
)
CLIPS_OF_SPLIT = {name: [clip for clip in CLIPS if SPLIT.split_of(clip.stim_id) == name] for name in SPLIT.names}


@dataclass
class Ns1Config(CorpusConfig):
    """Parameters of NS1; the defaults are the published ones."""

    duration_ms: float = parameter(4995.0, "time from clip onset that is kept, up to 5199.99", unit="ms")
    spectrogram: str = parameter(
        "auto",
        "the published 5 ms cochleagram (test_data_5ms.mat), one computed from the waveforms, or the published one "
        "where it is there and fits",
        choices=("auto", "published", "computed"),
    )
    n_bands: int = parameter(34, "frequency bands of the computed cochleagram")
    low_hz: float = parameter(500.0, "centre of its lowest band", unit="Hz")
    high_hz: float = parameter(22627.417, "centre of its highest band", unit="Hz")
    frames: str = parameter(
        "fixed_hop",
        "hop rounded to samples as published (frames slip against bins), or frames centred on their bins",
        choices=("fixed_hop", "exact"),
    )
    binning: str = parameter(
        "exact",
        "every spike in bin floor(t / dt), or deepSTRF 0.1.0's rule of one spike per millisecond at most",
        choices=("exact", "one_per_ms"),
    )

    @property
    def n_bins(self) -> int:
        """Bins of a response and of a spectrogram: 999 as published."""
        return int(self.duration_ms / self.dt_ms + 1e-9)

    @property
    def cochleagram(self) -> Cochleagram:
        """Parameters of the computed cochleagram."""
        return Cochleagram(self.n_bins, self.dt_ms, self.n_bands, self.low_hz, self.high_hz, self.frames)

    def check(self) -> None:
        """Check all values (errors as in the base)."""
        super().check()
        if not self.dt_ms <= self.duration_ms <= RECORDED_MS:
            raise ParameterError(
                "Responses were not recorded for so long, or one bin does not fit",
                field="duration_ms",
                found=self.duration_ms,
                expected=f"from {self.dt_ms:g} to {RECORDED_MS} ms",
            )


class Ns1(CorpusBuilder):
    """Ferret auditory cortex, 119 units, 20 natural clips x 20 repeats (Harper et al. 2016)."""

    BUILDER_CONFIG_CLASS = Ns1Config
    LANDMARKS = (METADATA, SPIKES_AND_WAVS)
    CORPUS = Corpus(
        name="ns1",
        title="NS1: natural sounds in ferret primary auditory cortex",
        version="1.0.0",
        species="ferret",
        behavioural_state="anaesthetised",
        areas=("A1",),
        hearing_range_hz=(200, 40_000),
        citation="""\
@article{harper2016network,
  title = {Network Receptive Field Modeling Reveals Extensive Integration and Multi-feature Selectivity in Auditory
           Cortical Neurons},
  author = {Harper, Nicol S. and Schoppe, Oliver and Willmore, Ben D. B. and Cui, Zhanfeng and Schnupp, Jan W. H. and
            King, Andrew J.},
  journal = {PLoS Computational Biology}, volume = {12}, number = {11}, pages = {e1005113}, year = {2016},
  doi = {10.1371/journal.pcbi.1005113}
}
@article{rahman2020simple,
  title = {Simple transformations capture auditory input to cortex},
  author = {Rahman, Monzilur and Willmore, Ben D. B. and King, Andrew J. and Harper, Nicol S.},
  journal = {Proceedings of the National Academy of Sciences}, volume = {117}, pages = {28442--28451}, year = {2020},
  doi = {10.1073/pnas.1922033117}
}""",
        dois=("10.1371/journal.pcbi.1005113", "10.1371/journal.pcbi.1006618", "10.1073/pnas.1922033117"),
        homepage="https://osf.io/ayw2p/",
        download_size="155 MB",
        licence=Licence(
            name="not stated",
            hub_identifier="unknown",
            url="https://osf.io/ayw2p/",
            terms="Published for research use; no licence was found with the files. Ask the authors before handing the "
            "data on, and cite the papers.",
        ),
        redistribution=Redistribution.UNVERIFIED,
        archives=(
            Archive(METADATA, "https://osf.io/download/gdwyd/", 5217, "md5:31dc53e98e09bfecf73c69d7180277a5"),
            Archive(
                f"{SPIKES_AND_WAVS}.zip",
                "https://osf.io/download/5nxga/",
                note="spikes and waveforms",
                # Of 596 clusters in the release, the metadata list 119; the others are never read.
                unpack=Unpack(
                    into=SPIKES_AND_WAVS,
                    strip=(SPIKES_AND_WAVS,),
                    contains={"SH.En.C/source.*": len(CLIPS), "*/*/cluster.*.mat": None},
                    about_bytes=400_000_000,
                    largest_bytes=3_000_000_000,
                    most_members=5000,
                ),
            ),
            Archive("ReadMe.rtf", "https://osf.io/download/f3rtm/", optional=True, note="the lab's remarks"),
            Archive(
                PUBLISHED_SPECTROGRAM,
                "https://raw.githubusercontent.com/monzilur/DNet/master/test_data_5ms.mat",
                checksum="git-blob:70179b2d34a90c6436955363c802280a89c0cc0f",
                optional=True,
                by_default=True,
                note="the published cochleagram, known by its git object id; without it the builder computes one",
            ),
        ),
        stimulus_columns={
            "name": Column("string", "Name of the clip in deepSTRF, nat01 to nat20."),
            "index": Column("int32", "Position of the clip in the lab's files, from 0."),
            "type": Column("string", "Kind of sound, where known."),
            "source": Column("int32", "Lab's number of the sound source (Source)."),
            "set": Column("int32", "Lab's number of the stimulus set (Set)."),
            "number": Column("int32", "Lab's number of the clip in its set (StimID)."),
            "level_db": Column("float64", "Nominal sound level.", "dB SPL"),
            "duration_ms": Column("float64", "Duration of the waveform.", "ms"),
            "wav_file": Column("string", "File of the waveform; its samples are sound pressure in Pa."),
            "spectrogram_source": Column("string", "published (by the lab) or computed (from the waveform)."),
        },
        neuron_columns={
            "cell_id": Column("string", "Path of the unit's file without its ending, as in the lab's metadata."),
            "experiment": Column("string", "Experiment folder; the release names no animals."),
            "penetration": Column("string", "Electrode penetration."),
            "cluster": Column("int32", "Number of the spike cluster in its penetration."),
            "area": Column("string", "Brain area, as the papers state it for all units."),
            "depth_um": Column("int32", "Depth from the cortical surface; below 0 outside or unknown.", "um"),
            "noise_ratio": Column("float64", "Noise power over signal power, by the lab; lower is cleaner."),
            "single_n": Column("int32", "Manual triage as a single unit: 0 no, 1 maybe, 2 yes."),
            "single_t": Column("string", "The same in words: No, Maybe, Yes."),
            "n_electrodes": Column("int32", "Electrode sites of the probe."),
            "electrode_number": Column("int32", "Electrode site, from 1."),
            "single_unit_at_known_depth": Column("bool", "Triaged Yes or Maybe and depth >= 0: the papers' 73 units."),
        },
        cohorts=(
            Cohort(
                name="a1",
                description="119 single and multi units, 20 natural clips of 5 s, 20 repeats each",
                signal_type="spikes",
                response_dtype="uint8",
                response_unit="spikes per bin",
                spectrogram_unit="dB",
                audio_fs=48_000,
                splits=SPLIT,
                counts={
                    "neurons": 119,
                    "stimuli": 20,
                    "rows": 119 * 20,
                    "trials": 119 * 20 * 20,
                    "single_unit_at_known_depth": 73,
                },
                preprocessing=(HanningSmooth(21.0),),
                deepstrf_preprocessing=(HanningSmooth(21.0),),
                baseline=LinearBaseline(
                    scored="single_unit_at_known_depth",
                    source="bins, division and the 73 units of Rahman et al. 2019 and 2020; the library's window",
                ),
            ),
        ),
    )

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: Ns1Config) -> Sequence[Part]:
        """Return one part per split: each needs the files of all units, so that more parts would take more time."""
        return [Part(name, name, len(clips)) for name, clips in CLIPS_OF_SPLIT.items()]

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: Ns1Config) -> Sequence[float]:
        """Return the centre frequencies of the cochleagram, as in Rahman et al. 2019."""
        return band_frequencies(config.n_bands, config.low_hz, config.high_hz).tolist()

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: Ns1Config) -> Sequence[str]:
        """Return the metadata, the units' files, the waveforms, and the published cochleagram where it is used."""
        units = [unit.file(raw) for unit in list_units(raw)]
        spectrogram = [] if config.spectrogram == "computed" else [PUBLISHED_SPECTROGRAM]
        return [METADATA, *units, *(clip.wav_file for clip in CLIPS), *spectrogram]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: Ns1Config, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield all units' responses, clip by clip."""
        binning = bin_spikes if config.binning == "exact" else bin_spikes_one_per_ms
        units = list(log.usable("units", read_units(raw)))
        for unit in units:
            unit.report(log)
            log.count("single_unit_at_known_depth", unit.path, unit.neuron.metadata["single_unit_at_known_depth"])
        for clip, stimulus in read_stimuli(raw, config, CLIPS_OF_SPLIT[part.name], log):
            for unit in units:
                if clip.key not in unit.spikes:
                    log.leave_out("pairs", f"{clip.stim_id}, {unit.path}", "the unit's file has no such clip")
                    continue
                binned = binning(*unit.spikes[clip.key], config.n_bins, config.dt_ms)
                log.leave_out_amount("spikes", "before clip onset", binned.before)
                log.leave_out_amount(
                    "spikes", f"after the last bin ({config.n_bins * config.dt_ms:g} ms)", binned.after
                )
                yield Recording(stimulus, unit.neuron, binned.counts)
