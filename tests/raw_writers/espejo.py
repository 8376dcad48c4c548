"""Write a small synthetic Espejo 2019 corpus in the raw layout of the real one.

Layout of the release (Lopez Espejo, Schwartz & David 2019, doi:10.5281/zenodo.3445557), unpacked::

    A1_natural_sounds/NAT/<site>_<sha1>.tgz      18-channel tiles ("ozgf")
    A1_voc_mod_noise/VMN/<site>_<sha1>.tgz       2-channel tiles ("envelope"); some as text, one line per bin
    nat_waveforms/<sound>.wav                    from a mirror of the lab's sounds; 44.1 kHz, mono, 16 bits

Nothing is recorded: tiles and spikes are drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.raw_writers.nems import Epoch, RecordingWriter, trial_epochs

Float = NDArray[np.float64]
FOLDERS = {"nat": "A1_natural_sounds/NAT", "vmn": "A1_voc_mod_noise/VMN"}
FORMATS = {"nat": "ozgf", "vmn": "envelope"}
BANDS = {"nat": 18, "vmn": 2}
SOUNDS = "nat_waveforms"
AUDIO_FS = 44_100
BANK = 686
"""Natural sounds in the release."""
SILENCE_BEFORE_S = {400: 0.5, 500: 0.5, 550: 2.0}
"""By the bins of a window; after the sound come 0.5 s."""
NAT_SOUNDS = (
    "00cat172_rec1_geese_excerpt1.wav",
    "00cat414_rec1_woman_speaking_excerpt1.wav",
    "cat105_rec2_True_bugs_excerpt1.wav",
    "cat10000_rec1_rain_excerpt3.wav",
    "cat300_rec1_horse_excerpt1.wav",
    "cat77_rec1_bees_excerpt2.wav",
    "cat9_rec3_piano_excerpt1.wav",
    "cat12_rec1_wind_excerpt1.wav",
    "cat501_rec1_frog_excerpt1.wav",
    "ESE-23_Sparrows_-_Large_excited_group,.wav",
)
VMN_SOUNDS = tuple(f"BNB+si{i}+ferret_vocals{j}_0dB" for i in (464, 516, 1000) for j in (1, 2))


@dataclass(frozen=True)
class WrittenTrial:
    """One presentation: sound, start in s, bins of 10 ms, and silences at both ends (None writes no row of it)."""

    sound: str
    start_s: float
    bins: int
    before_s: float | None = 0.5
    after_s: float | None = 0.5

    @property
    def epoch(self) -> str:
        """Name of its epoch."""
        return f"STIM_{self.sound}"

    @property
    def end_s(self) -> float:
        """End of its epoch."""
        return self.start_s + self.bins / 100

    def rows(self) -> list[Epoch]:
        """Return its rows of the epoch table."""
        before, after = self.before_s or 0.0, self.after_s or 0.0
        rows = trial_epochs(self.sound, self.start_s, before, self.bins / 100 - before - after, after)
        silent = {"PreStimSilence": self.before_s is None, "PostStimSilence": self.after_s is None}
        return [row for row in rows if not silent.get(row[0], False)]


@dataclass(frozen=True, eq=False)
class WrittenRecording:
    """An archive.

    Attributes
    ----------
    tiles : dict
        Float64 (bands, bins) by sound; also of sounds that are not played.
    spikes_s : dict
        Spike times by cell.
    resp, stim : ndarray, optional
        Values as text, shape (bins, channels), in place of spike times and tiles.
    meta : dict
        Changes of the meta data; None takes an entry out.
    """

    release: str
    site: str
    cells: tuple[str, ...]
    trials: tuple[WrittenTrial, ...]
    tiles: Mapping[str, Float]
    spikes_s: Mapping[str, Float] = field(default_factory=dict)
    resp: Float | None = None
    stim: Float | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    folder: str | None = None

    def without_values(self) -> RecordingWriter:
        """Return its meta data."""
        meta = {"siteid": self.site, "cellid": list(self.cells), "batch": {"nat": 289, "vmn": 259}[self.release],
                "rasterfs": 100, "stimfmt": FORMATS[self.release], "chancount": BANDS[self.release],
                **self.meta}  # fmt: skip
        meta = {name: value for name, value in meta.items() if value is not None}
        return RecordingWriter(self.site, meta, ("start", "end", "name"))

    def writer(self) -> RecordingWriter:
        """Return its files."""
        bands, files = BANDS[self.release], self.without_values()
        epochs = [row for trial in self.trials for row in trial.rows()]
        end = max((trial.end_s for trial in self.trials), default=1.0) + 0.5
        epochs.append(("PASSIVE_EXPERIMENT", 0.0, end))
        if self.resp is None:
            files.point_process("resp", self.spikes_s, self.cells, 100, epochs)
        else:
            files.rasterized("resp", self.resp, self.cells, 100, epochs)
        if self.stim is None:
            tiles = {f"STIM_{sound}": tile for sound, tile in self.tiles.items()}
            files.tiled("stim", tiles, None if self.release == "nat" else ["A", "B"], 100, epochs)
        else:
            files.rasterized("stim", self.stim, [str(band) for band in range(bands)], 100, epochs)
        return files

    @property
    def name(self) -> str:
        """Name of the archive."""
        return f"{self.site}_{self.without_values().sha1()}.tgz"

    def write(self, directory: Path) -> Path:
        """Write the archive into a raw tree."""
        return self.writer().write_tgz(directory / FOLDERS[self.release] / self.name, self.folder)

    def of(self, sound: str) -> list[WrittenTrial]:
        """Return the presentations of a sound, in the order of the epoch table."""
        return [trial for trial in self.trials if trial.sound == sound]


@dataclass(frozen=True)
class EspejoTruth:
    """What :func:`write_espejo` wrote, to check a reader without the reader.

    Attributes
    ----------
    recordings : dict
        By release, in the order of their archives' names.
    sounds : dict
        int16 samples and rate of each wav file, by name.
    """

    directory: Path
    recordings: dict[str, tuple[WrittenRecording, ...]]
    sounds: dict[str, tuple[NDArray[np.int16], int]]

    def of_site(self, site: str) -> list[WrittenRecording]:
        """Return the recordings of a site."""
        return [one for several in self.recordings.values() for one in several if one.site == site]


class Drawing:
    """Draws recordings at random; tiles of one sound and length are the same at all sites.

    Parameters
    ----------
    seed : int
        Same seed, same values.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._tiles: dict[tuple[str, str, int], Float] = {}

    def tile(self, release: str, sound: str, bins: int) -> Float:
        """Return the tile of a sound: silence, sound, silence."""
        key = release, sound, bins
        if key not in self._tiles:
            values = np.maximum(self.rng.standard_normal((BANDS[release], bins)) * 0.4 + 0.3, 0)
            values[:, : round(SILENCE_BEFORE_S.get(bins, 0.5) * 100)] = 0
            values[:, -50:] = 0
            self._tiles[key] = values
        return self._tiles[key]

    def trials(
        self, plan: Sequence[tuple[str, int, int]], *, step_s: float = 0.00313, shuffle: bool = True
    ) -> tuple[WrittenTrial, ...]:
        """Draw an order of presentations of (sound, bins, repeats); `step_s` puts them off the 10 ms grid."""
        order = [(sound, bins) for sound, bins, repeats in plan for _ in range(repeats)]
        if shuffle:
            self.rng.shuffle(order)  # type: ignore[arg-type]
        start, trials = 0.3, []
        for sound, bins in ((str(sound), int(bins)) for sound, bins in order):
            start = start if step_s else round(start, 2)
            trials.append(WrittenTrial(sound, start, bins, SILENCE_BEFORE_S.get(bins, 0.5), 0.5))
            start += bins / 100 + float(self.rng.integers(3, 90)) / 100 + step_s
        return tuple(trials)

    def spikes(self, trials: Sequence[WrittenTrial], rate_hz: float) -> Float:
        """Draw a spike train: at random, at computed edges of bins, and outside all windows."""
        end = max(trial.end_s for trial in trials) + 0.5
        first = trials[0]
        start, length = first.start_s, first.bins / 100
        edges = [start, start + 0.01, start + 0.29, start + 0.57, start + length - 1e-9, start + length, 0.0, end + 0.5,
                 start + 1.0, start + 1.0]  # fmt: skip
        grid = start + np.arange(0, first.bins, 7) / 100
        return np.sort(np.concatenate([self.rng.uniform(0, end, self.rng.poisson(rate_hz * end)), edges, grid]))

    def recording(
        self,
        release: str,
        site: str,
        cells: Sequence[str],
        plan: Sequence[tuple[str, int, int]],
        *,
        without_tile: Sequence[str] = (),
        not_played: Sequence[str] = (),
        silent: Sequence[str] = (),
        session: int = 0,
        folder: str | None = None,
    ) -> WrittenRecording:
        """Draw a recording of spike times and tiles."""
        trials = self.trials(plan)
        tiles = {sound: self.tile(release, sound, bins) for sound, bins, _ in plan if sound not in without_tile}
        tiles |= {sound: self.rng.random((BANDS[release], 400)) for sound in not_played}
        spikes = {
            cell: np.empty(0) if cell in silent else self.spikes(trials, 4.0 + 3 * index)
            for index, cell in enumerate(cells)
        }
        meta = {"session": session}
        return WrittenRecording(release, site, tuple(cells), trials, tiles, spikes, meta=meta, folder=folder)

    def text_recording(self, site: str, cells: Sequence[str], plan: Sequence[tuple[str, int, int]]) -> WrittenRecording:
        """Draw a recording whose counts and stimuli stand as text (VMN)."""
        trials = self.trials(plan, step_s=0.0)
        total = round((trials[-1].end_s + 0.5) * 100)
        stim = np.zeros((total, BANDS["vmn"]))
        for trial in trials:
            begin = round(trial.start_s * 100)
            stim[begin : begin + trial.bins] = self.tile("vmn", trial.sound, trial.bins).T
        resp = self.rng.poisson(0.15, (total, len(cells))).astype(float)
        return WrittenRecording("vmn", site, tuple(cells), trials, {}, resp=resp, stim=stim)


def nat_recordings(draw: Drawing) -> list[WrittenRecording]:
    """Draw five sites of natural sounds, with the irregularities of the release."""
    n = NAT_SOUNDS
    return [
        # A sound without a tile, a tile of a sound that is not played, a cell without spikes.
        draw.recording("nat", "AMT003c", ["AMT003c-11-1", "AMT003c-05-2", "AMT003c-33-1"],
                       [(n[0], 500, 10), (n[1], 500, 10), (n[2], 500, 3), (n[3], 500, 1), (n[4], 500, 1)],
                       without_tile=n[4:5], not_played=n[8:9], silent=["AMT003c-33-1"]),
        draw.recording("nat", "BRT026c", ["BRT026c-15-1", "BRT026c-46-1"],
                       [(n[0], 500, 20), (n[4], 400, 2), (n[5], 400, 1)]),
        # Other windows of sounds that other sites play too; sounds that begin after 2 s; files at the archive's top.
        draw.recording("nat", "TAR010c", ["TAR010c-06-1", "TAR010c-06-2"],
                       [(n[0], 400, 6), (n[1], 550, 6), (n[6], 550, 1), (n[9], 550, 1)], folder=""),
        # All counts the same, more than once and once; a sound that is held out elsewhere; an odd name of a cell.
        draw.recording("nat", "bbl086b", ["bbl086b-03-1"], [(n[2], 500, 2), (n[7], 500, 2)]),
        draw.recording("nat", "ley046g", ["ley046g-01-1", "ley046g_weird"], [(n[3], 500, 1), (n[5], 400, 1)]),
    ]  # fmt: skip


def vmn_recordings(draw: Drawing) -> list[WrittenRecording]:
    """Draw five recordings of modulated noise: two of one site, two as text."""
    v = VMN_SOUNDS
    return [
        draw.recording("vmn", "btn144a", ["btn144a-c1", "btn144a-a2"],
                       [(v[0], 400, 8), (v[1], 400, 8), (v[2], 400, 2), (v[3], 400, 2)]),
        draw.recording("vmn", "por012a", ["por012a-c1", "por012a-d1"], [(v[0], 400, 5), (v[4], 400, 2)], session=1),
        draw.recording("vmn", "por012a", ["por012a-c1"], [(v[0], 400, 3), (v[5], 400, 1)], session=2),
        draw.text_recording("chn002h", ["chn002h-b1", "chn002h-b2"], [(v[1], 400, 4), (v[2], 400, 1)]),
        draw.text_recording("eno023c", ["eno023c-c1"], [(v[3], 400, 4), (v[5], 400, 1)]),
    ]  # fmt: skip


def plain_site(draw: Drawing, number: int, n_cells: int, n_sounds: int) -> WrittenRecording:
    """Draw a site as the paper describes them: 3 sounds played 24 times, the others 3 times, windows of 5.5 s.

    Sounds are those of a bank of 686; sites share some of them.
    """
    site = f"PLN{number:03d}a"
    cells = [f"{site}-{cell // 4 + 1:02d}-{cell % 4 + 1}" for cell in range(n_cells)]
    chosen = [(number * 53 + sound) % BANK for sound in range(n_sounds)]
    plan = [
        (f"{'00' if index < 3 else ''}plain{sound:03d}.wav", 550, 24 if index < 3 else 3)
        for index, sound in enumerate(chosen)
    ]
    return draw.recording("nat", site, cells, plan)


def draw_sounds(draw: Drawing) -> dict[str, tuple[NDArray[np.int16], int]]:
    """Draw the waveforms: 4 s, 3 s, and shorter ones."""
    sounds = {}
    for index, name in enumerate(NAT_SOUNDS):
        seconds = 4.0 if index < 2 else 3.0 if index in (6, 9) else 0.4 + 0.1 * index
        samples = draw.rng.uniform(-0.6, 0.6, round(seconds * AUDIO_FS))
        sounds[name] = np.round(samples * 32767).astype(np.int16), AUDIO_FS
    return sounds


def write_espejo(
    directory: Path,
    *,
    seed: int = 0,
    sites: int = 5,
    wavs: bool = True,
    plain_sites: int = 0,
    cells_per_plain_site: int = 15,
    sounds_per_plain_site: int = 93,
) -> EspejoTruth:
    """Write a tree with the irregularities of the real one.

    Parameters
    ----------
    directory : Path
        Made where it is not there.
    seed : int
        Same arguments, same values.
    sites : int
        Irregular recordings of each release that are written, 0 to 5; what is in them does not depend on it.
    wavs : bool
        Whether to write waveforms.
    plain_sites : int
        Regular sites of NAT besides, for measuring.
    cells_per_plain_site, sounds_per_plain_site : int
        Their size.

    Returns
    -------
    EspejoTruth
        What was written.
    """
    draw = Drawing(seed)
    nat, vmn = nat_recordings(draw)[:sites], vmn_recordings(draw)[:sites]
    sounds = draw_sounds(draw) if wavs else {}
    for number in range(plain_sites):
        plain = plain_site(draw, number, cells_per_plain_site, sounds_per_plain_site)
        plain.write(directory)
        nat.append(replace(plain, spikes_s={}, tiles={}))
    for recording in (*nat[:sites], *vmn):
        recording.write(directory)
    for name, (samples, rate) in sounds.items():
        write_sound(directory, name, samples, rate)
    by_release = {"nat": nat, "vmn": vmn}
    ordered = {release: tuple(sorted(several, key=lambda one: one.name)) for release, several in by_release.items()}
    return EspejoTruth(directory, ordered, sounds)


def write_sound(directory: Path, name: str, samples: NDArray[Any], rate: int = AUDIO_FS) -> Path:
    """Write a wav file of 16-bit samples."""
    path = directory / SOUNDS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path
