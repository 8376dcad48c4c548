"""Write a small synthetic NAT4 corpus (ferret A1 and PEG, natural sounds) in the raw layout of the real one.

Layout of the release at https://zenodo.org/records/8044773 (Pennington & David 2023,
doi:10.1371/journal.pcbi.1011110)::

    <area>_NAT4_ozgf.fs100.ch18.tgz                  population recording; a directory of that name when unpacked
    <area>_pred_correlation.csv
    <area>_single_sites/<area>_<site>_<sha1>.tgz     spike times
    wav/<sound>.wav                                  1 s, 44.1 kHz, 16 bits

Nothing is recorded: spikes are random. Odd things as in the release: a site whose cells have three digits for the
electrode in its own recording and two in the population recording; a site recording whose cells are not in the
population recording; waveforms whose names differ from the epochs in letter case. Odd things that a reader must bear:
a population cell in no site recording, and the reverse; a cell that is not in the table of cells; a name of another
form; a clip without values for one cell; presentations in random order that begin between milliseconds; spikes on the
edges of milliseconds, two in one, outside every clip and past the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.raw_writers.nems import Epoch, RecordingWriter, trial_epochs

Float = NDArray[np.float64]

VAL_SOUNDS = (
    "00cat172_rec1_geese_excerpt1.wav",
    "00cat221_rec1_laughing_excerpt1.wav",
    "00cat232_rec1_man_speaking_excerpt1.wav",
    "00cat28_rec1_bigband_bbc-big-band_american-patrol_0sec_excerpt1.wav",
    "00cat337_rec1_siren_excerpt1.wav",
    "00cat401_rec1_walking_with_heels_excerpt1.wav",
    "00cat414_rec1_woman_speaking_excerpt1.wav",
    "00cat516_rec1_stream_excerpt1.wav",
    "00cat634_rec1_drumming-jazz_various-artists_fusion-drum-solo_0sec_excerpt1.wav",
    "00cat668_rec1_ferret_fights_Athena-Violet001_excerpt1.wav",
    "00cat668_rec3_ferret_kits_51p9-8-10-11-12-13-14_excerpt1.wav",
    "00cat668_rec7_ferret_oxford_male_chopped_excerpt1.wav",
    "00cat669_rec11_marmoset_twitter_excerpt1.wav",
    "00cat669_rec2_marmoset_chirp_excerpt1.wav",
    "00cat669_rec4_marmoset_phee_2_excerpt1.wav",
    "00cat78_rec1_chimes_in_the_wind_excerpt1.wav",
    "00cat83_rec1_cicadas_excerpt1.wav",
    "00cat92_rec1_country_song_excerpt1.wav",
)
SITES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "A1": {
        "ARM029a": ("04-1", "07-6", "07-7"),
        "TNC010a": ("31-3", "40-1", "05-2"),
        "DRX006b": ("11-1", "64-2"),
        "CRD016d": ("02-1", "c1"),
        "TNC018a": ("01-1", "59-3"),
    },
    "PEG": {"ARM017a": ("03-1", "10-2"), "ARM021b": ("22-1", "35-4")},
}
"""Cells by site and area; the last part of their names, as in the population recording."""
RESPELT_SITE = "TNC010a"
STRANGE_SITES: Mapping[str, Mapping[str, tuple[str, ...]]] = {"A1": {}, "PEG": {"TNC022a": ("01-1", "02-2")}}
"""Sites with a recording of their own whose cells are not in the population recording."""
BEFORE_S, SOUND_S, AFTER_S, REPEATS, N_BINS, N_BANDS = 0.25, 1.0, 0.25, 20, 150, 18
_WORDS = ("True_bugs", "horse_neighing", "jackhammer", "bees_buzzing")


@dataclass(frozen=True)
class SiteTruth:
    """What the recording of one site holds.

    Attributes
    ----------
    path : Path
        The archive.
    spikes_s : dict
        Spike times by the name of the cell in this recording.
    starts_s : dict
        Start of each presentation by the name of the epoch, in the order of the table.
    """

    path: Path
    spikes_s: dict[str, Float]
    starts_s: dict[str, list[float]]


@dataclass(frozen=True)
class AreaTruth:
    """What was written for one area.

    Attributes
    ----------
    cells : tuple of str
        Of the population recording, in its order.
    responses : ndarray, shape (bins, cells)
        The population recording: means of the val clips, then counts of the est clips.
    cochleagram : ndarray, shape (bins, 18)
        Of the population recording, linear.
    bins : dict
        First bin of each clip in the population recording, by the name of the epoch.
    auditory : dict
        As the table of cells has it.
    sites : dict of str to SiteTruth
        By site.
    site_cells : dict of str to (str, str)
        Site, and name in its recording, of the cells of the population recording that are in one.
    lost, site_only, unlisted : str
        The cell of no site recording; the one of no population recording; the one that the table lacks.
    empty_pair : (str, str)
        Clip and cell without values.
    """

    cells: tuple[str, ...]
    responses: Float
    cochleagram: Float
    bins: dict[str, int]
    auditory: dict[str, bool]
    sites: dict[str, SiteTruth]
    site_cells: dict[str, tuple[str, str]]
    lost: str
    site_only: str
    unlisted: str
    empty_pair: tuple[str, str]


@dataclass(frozen=True)
class Nat4Truth:
    """What :func:`write_nat4` wrote.

    Attributes
    ----------
    val, est : tuple of str
        Epochs of the clips.
    areas : dict of str to AreaTruth
        By area.
    waveforms : dict
        By epoch: int16 samples as in the file.
    wav_files : dict
        By epoch: name of the file.
    """

    val: tuple[str, ...]
    est: tuple[str, ...]
    areas: dict[str, AreaTruth]
    waveforms: dict[str, NDArray[np.int16]] = field(default_factory=dict)
    wav_files: dict[str, str] = field(default_factory=dict)


def write_nat4(
    directory: Path,
    *,
    seed: int = 0,
    areas: Sequence[str] = ("A1", "PEG"),
    n_sites: int = 4,
    n_est: int = 6,
    n_val: int = 3,
    waveforms: bool = True,
    odd_waveforms: bool = False,
    unpacked: bool = False,
    coarse: bool = False,
    presentations: Mapping[tuple[str, int], int] | None = None,
    longer_ms: Mapping[tuple[str, int], int] | None = None,
    more_cells: int = 0,
) -> Nat4Truth:
    """Write a tree.

    Parameters
    ----------
    directory : Path
        Where; made if absent.
    seed : int
        One seed gives one tree.
    areas : sequence of str
        ``"A1"`` and ``"PEG"``, or one of them.
    n_sites : int
        Sites of A1, 1 to 5; PEG has two at most.
    n_est, n_val : int
        Clips; val 1 to 18.
    waveforms : bool
        Whether to write ``wav/``.
    odd_waveforms : bool
        One at 48 kHz and one in stereo, which the release does not have.
    unpacked : bool
        Write the population recordings as directories instead of archives.
    coarse : bool
        Average the val clips of the population recording in bins of the recording, as it is rasterised at 100 Hz.
    presentations : mapping of (str, int) to int
        By site and number of the val clip: how many, where not 20.
    longer_ms : mapping of (str, int) to int
        By site and number of the val clip: how much longer (shorter if negative) the epoch of each presentation is.
    more_cells : int
        Cells that every site has besides, without traps.
    """
    rng = np.random.default_rng(seed)
    directory.mkdir(parents=True, exist_ok=True)
    val = tuple(f"STIM_{name}" for name in VAL_SOUNDS[:n_val])
    est = tuple(
        f"STIM_cat{100 + 7 * number}_rec{1 + number % 3}_{_WORDS[number % 4]}_excerpt{1 + number % 2}.wav"
        for number in range(n_est)
    )
    truth = Nat4Truth(val, est, {})
    for area in areas:
        plain = tuple(f"{100 + number}-1" for number in range(more_cells))
        sites = {site: (*tails, *plain) for site, tails in list(SITES[area].items())[:n_sites]}
        truth.areas[area] = _write_area(
            rng, directory, area, sites, val, est, unpacked, coarse, presentations or {}, longer_ms or {}
        )
    if waveforms:
        _write_waveforms(rng, directory / "wav", truth, odd_waveforms)
    return truth


def rounded(start_s: float, rate_hz: int) -> int:
    """Return the sample an epoch starts at: half to even, as NEMS does."""
    return round(start_s * rate_hz)


def counts_of(spikes_s: Float, start_s: float, *, coarse: bool = False) -> NDArray[np.int64]:
    """Count spikes in the 150 bins of 10 ms of a presentation, from the definition.

    Parameters
    ----------
    spikes_s : ndarray
        Times since the start of the recording.
    start_s : float
        Start of the presentation.
    coarse : bool
        In bins of the recording rather than of the presentation.
    """
    if coarse:
        bins = np.floor(spikes_s * 100).astype(int) - rounded(start_s, 100)
    else:
        milliseconds = np.floor(spikes_s * 1000).astype(int) - rounded(start_s, 1000)
        bins = np.floor_divide(milliseconds, 10)
    return np.bincount(bins[(bins >= 0) & (bins < N_BINS)], minlength=N_BINS)


def _write_area(
    rng: np.random.Generator,
    directory: Path,
    area: str,
    sites: Mapping[str, Sequence[str]],
    val: Sequence[str],
    est: Sequence[str],
    unpacked: bool,
    coarse: bool,
    presentations: Mapping[tuple[str, int], int],
    longer_ms: Mapping[tuple[str, int], int],
) -> AreaTruth:
    first_site = next(iter(sites))
    lost, site_only = f"{first_site}-99-1", f"{first_site}-88-1"
    site_cells = {f"{site}-{tail}": (site, _spelt(site, tail)) for site, tails in sites.items() for tail in tails}
    cells = (*site_cells, lost)
    unlisted = cells[2]
    folder = directory / f"{area}_single_sites"
    folder.mkdir()
    written = {}
    for site, tails in {**sites, **STRANGE_SITES[area]}.items():
        names = [_spelt(site, tail) for tail in tails] + ([site_only] if site == first_site else [])
        written[site] = _write_site(rng, folder, area, site, names, val, est, presentations, longer_ms)

    clips = (*val, *est)
    bins = {name: number * N_BINS for number, name in enumerate(clips)}
    responses = np.zeros((len(clips) * N_BINS, len(cells)))
    for column, cell in enumerate(cells):
        if cell == lost:
            responses[:, column] = rng.poisson(0.1, len(responses))
            continue
        site, name = site_cells[cell]
        for clip in clips:
            trials = [
                counts_of(written[site].spikes_s[name], start, coarse=coarse) for start in written[site].starts_s[clip]
            ]
            responses[bins[clip] : bins[clip] + N_BINS, column] = np.mean(trials, axis=0) if trials else np.nan
    empty = est[2 % len(est)], cells[1]
    responses[bins[empty[0]] : bins[empty[0]] + N_BINS, 1] = np.nan

    silent = np.zeros(N_BINS, bool)
    silent[:25] = silent[125:] = True
    loudness = rng.uniform(0.3, 3.0, N_BANDS)
    cochleagram = rng.gamma(0.6, 1.2, (len(responses), N_BANDS)) * loudness
    cochleagram[np.tile(silent, len(clips))] = 0
    epochs: list[Epoch] = []
    for number, clip in enumerate(clips):
        epochs += trial_epochs(clip.removeprefix("STIM_"), number * 1.5, BEFORE_S, SOUND_S, AFTER_S)
    recording = RecordingWriter(
        f"{area}_NAT4",
        {"siteid": f"{area}_NAT4", "cellid": list(cells), "rasterfs": 100, "stimfmt": "ozgf", "chancount": N_BANDS},
    )
    recording.rasterized("resp", responses, cells, 100, epochs)
    recording.rasterized("stim", cochleagram, [str(band) for band in range(N_BANDS)], 100, epochs)
    mask = np.repeat([0.0, 1.0], [len(val) * N_BINS, len(est) * N_BINS])[:, None]
    recording.rasterized("mask_est", mask, ["mask"], 100, epochs)
    name = f"{area}_NAT4_ozgf.fs100.ch18"
    if unpacked:
        recording.write_directory(directory / name / recording.name)
    else:
        recording.write_tgz(directory / f"{name}.tgz")

    auditory = {cell: number % 4 != 3 for number, cell in enumerate(cells) if cell != unlisted}
    lines = [f"{number},{cell},{rng.random():.6f},{flag}" for number, (cell, flag) in enumerate(auditory.items())]
    text = "\n".join(["idx,cellid,LN_test,sig_auditory", *lines]) + "\n"
    (directory / f"{area}_pred_correlation.csv").write_text(text, encoding="utf-8")
    return AreaTruth(
        cells, responses, cochleagram, bins, auditory, written, site_cells, lost, site_only, unlisted, empty
    )


def _spelt(site: str, tail: str) -> str:
    """Return the name of a cell in the recording of its site."""
    return f"{site}-0{tail}" if site == RESPELT_SITE else f"{site}-{tail}"


def _write_site(
    rng: np.random.Generator,
    folder: Path,
    area: str,
    site: str,
    names: Sequence[str],
    val: Sequence[str],
    est: Sequence[str],
    presentations: Mapping[tuple[str, int], int],
    longer_ms: Mapping[tuple[str, int], int],
) -> SiteTruth:
    played = [clip for number, clip in enumerate(val) for _ in range(presentations.get((site, number), REPEATS))]
    played += est
    extra = {clip: longer_ms.get((site, number), 0) / 1000 for number, clip in enumerate(val)}
    end, epochs, starts = 0.0, list[Epoch](), {clip: list[float]() for clip in (*val, *est)}
    for number, chosen in enumerate(rng.permutation(len(played))):
        clip = played[chosen]
        start = round(end, 3) if number % 3 else end + 0.00037  # a third between milliseconds
        after = AFTER_S + extra.get(clip, 0)
        epochs += trial_epochs(clip.removeprefix("STIM_"), start, BEFORE_S, SOUND_S, after)
        starts[clip].append(start)
        end = round(end + BEFORE_S + SOUND_S + after + int(rng.integers(0, 700)) / 1000, 3)
    epochs.append((f"FILE_{site}", 0.0, end))
    spikes: dict[str, Float] = {}
    for number, name in enumerate(names):
        times = rng.uniform(0, end, rng.poisson((3 + 4 * (number % 6)) * end))
        times[: len(times) // 4] = np.round(times[: len(times) // 4], 3)  # on the edges of milliseconds
        begin = starts[val[0]][0]
        odd = [begin + 0.5, begin + 0.5, begin + 0.50049, begin + 1.4999, end + 0.3, end - 0.0005]
        spikes[name] = np.sort(np.concatenate([times, odd]))
    recording = RecordingWriter(site, {"siteid": site, "cellid": list(names), "rasterfs": 1000, "stim": 0, "resp": 1})
    recording.point_process("resp", spikes, names, 1000, epochs)
    path = recording.write_tgz(folder / f"{area}_{site}_{recording.sha1()}.tgz")
    return SiteTruth(path, spikes, starts)


def _write_waveforms(rng: np.random.Generator, directory: Path, truth: Nat4Truth, odd: bool) -> None:
    directory.mkdir()
    for number, clip in enumerate((*truth.val, *truth.est)):
        name = clip.removeprefix("STIM_")
        if clip == truth.est[0]:
            name = name.replace("True", "true")
        rate = 48_000 if odd and number == 1 else 44_100
        shape = (rate, 2) if odd and number == 2 else (rate,)
        samples = rng.integers(-16_000, 16_000, shape).astype(np.int16)
        soundfile.write(directory / name, samples, rate, subtype="PCM_16")
        truth.waveforms[clip], truth.wav_files[clip] = samples, name
