"""Write a small synthetic Wingert 2026 corpus (ferret auditory cortex) in the layout of its release.

Layout of https://doi.org/10.5281/zenodo.18331549 (Wingert et al. 2026, doi 10.1038/s41593-026-02216-0)::

    cell_list.csv
    recordings/<file>_<sha1>.tgz     one per session: <rec>/<rec>.{meta.json, resp.*, stim.*}
    wav/{seqNNNN,00seqN}.wav         44.1 kHz, 16 bit

With the traps of the real files: sessions of 2000 and of 2200 bins, an archive twice under two names, one whose name is
of another session, two probes in one archive, cells without area, cells and archives that do not match, presentations
off the 10 ms grid with spikes at every edge, a silent cell, a band without sound, validation sounds with one repeat.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.raw_writers.nems import Epoch, RecordingWriter
from tests.raw_writers.wingert2026_truth import N_BANDS, RATE_HZ, Float, Wingert2026Truth, WrittenSession

AUDIO_HZ = 44_100
SOUND_S = 17.79
COLUMNS = ("cellid", "siteid", "area", "layer", "depth", "narrow", "celltype", "sw", "goodpred", "iso", "LN32")
ESTIMATION = tuple(f"seq{number:04d}.wav" for number in (1, 2, 17, 32, 101, 250))
VALIDATION = ("00seq1.wav", "00seq2.wav", "00seq5_hand.wav")
GHOST, NEVER_PLAYED = "STIM_seq9999.wav", "STIM_seq8888.wav"
"""A sound that is played and has no spectrogram, and one that has and is never played."""
NOT_LISTED, NOT_RECORDED, SILENT = "CLT027c-061-1", "CLT027c-099-2", "CLT027c-017-3"
"""A cell in the archive and not in the list, the reverse, and a cell without spikes."""


def cell_ids(site: str, n_cells: int) -> list[str]:
    """Return names of cells as the lab makes them."""
    return [f"{site}-{3 + 7 * index:03d}-{1 + index % 3}" for index in range(n_cells)]


def write_wingert2026(
    directory: Path,
    *,
    seed: int = 0,
    sessions: Sequence[str] = ("CLT027c", "PRN018a", "PRN015a", "SLJ032a", "PRN010b", "LMD033a"),
    sounds: str = "unrelated",
    onsets_s: Mapping[int, float] | None = None,
    bench_sites: int = 0,
    bench_cells: int = 46,
    bench_estimation: int = 131,
    bench_repeats: int = 20,
) -> Wingert2026Truth:
    """Write a raw tree.

    Parameters
    ----------
    directory : Path
        Where to.
    seed : int
        Of all random numbers.
    sessions : sequence of str
        Which of the six sessions.
    sounds : str
        ``"none"``: no sound files. ``"unrelated"``: noise that has nothing to do with the spectrograms. ``"told"``:
        spectrograms have the loudness of the sounds, which begin at `onsets_s`.
    onsets_s : mapping of int to float
        By bins of the spectrogram: when sounds begin in it, s; 0 and 1 by default.
    bench_sites : int
        Instead of all this, that many sites without traps (see `write_bench_site`).
    bench_cells, bench_estimation, bench_repeats : int
        Cells of each of them, sounds that are played once, and presentations of the six others; by default as many as
        a real site has.

    Returns
    -------
    Wingert2026Truth
        What was written.
    """
    rng = np.random.default_rng(seed)
    truth = Wingert2026Truth(directory)
    world = _World(seed, rng, truth, sounds == "told", {2000: 0.0, 2200: 1.0} | dict(onsets_s or {}))
    writers = {
        "CLT027c": world.clt027c, "PRN018a": world.prn018a, "PRN015a": world.prn015a,
        "SLJ032a": world.slj032a, "PRN010b": world.prn010b, "LMD033a": world.lmd033a,
    }  # fmt: skip
    for session in sessions if not bench_sites else ():
        writers[session]()
    for number in range(bench_sites):
        site = f"CLT{30 + number:03d}c"
        cells = write_bench_site(
            directory, site, seed=seed, n_cells=bench_cells, n_estimation=bench_estimation, n_repeats=bench_repeats
        )
        world.list_cells(cells, site, "A1")
    write_cell_list(directory, truth.cells)
    if sounds != "none" and not bench_sites:
        names = sorted({name.removeprefix("STIM_") for one in truth.sessions.values() for name in one.tiles})
        for name in names:
            truth.sounds[name] = world.sound(name)
            write_sound(directory, name, truth.sounds[name])
    return truth


def write_bench_site(
    directory: Path, site: str, *, seed: int = 0, n_cells: int = 46, n_estimation: int = 131, n_repeats: int = 20
) -> list[str]:
    """Write a site of the size of a real one, which is not kept in memory: 6 validation sounds, 2000 bins each.

    Returns
    -------
    list of str
        Its cells.
    """
    number = zlib.crc32(site.encode()) % 1000
    rng = np.random.default_rng([seed, number])
    played = {f"STIM_00seq{index}.wav": n_repeats for index in range(1, 7)}
    played |= {f"STIM_seq{number * 1000 + index:06d}.wav": 1 for index in range(n_estimation)}
    order = [sound for sound, times in played.items() for _ in range(times)]
    rng.shuffle(order)
    epochs: list[Epoch] = []
    now = 1.7
    for sound in order:
        epochs += [(epoch, now, now + 20.0) for epoch in ("TRIAL", "REFERENCE", sound)]
        now += 20.0 + float(rng.uniform(0.8, 1.3))
    epochs.append(("PASSIVE_EXPERIMENT", 0.0, now))
    cells = cell_ids(site, n_cells)
    rates_hz = rng.gamma(1.5, 3, n_cells)
    times = {
        cell: np.sort(rng.uniform(0, now, rng.poisson(rate * now))) for cell, rate in zip(cells, rates_hz, strict=True)
    }
    tiles = {}
    for sound in played:
        slow = np.repeat(rng.gamma(0.5, 0.25, (N_BANDS, 100)), 20, axis=1)
        tiles[sound] = np.maximum(slow * (1 + 0.25 * rng.standard_normal((N_BANDS, 2000))), 0)
    recording = RecordingWriter(site, {"siteid": site, "rasterfs": RATE_HZ, "cellid": cells})
    recording.point_process("resp", times, cells, RATE_HZ, epochs)
    recording.tiled("stim", tiles, None, RATE_HZ, epochs)
    recording.write_tgz(directory / "recordings" / f"{site}_{recording.sha1()}.tgz", level=1)
    return cells


def write_cell_list(directory: Path, cells: Mapping[str, Mapping[str, str]]) -> Path:
    """Write the list of cells."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "cell_list.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(cells.values())
    return path


def write_sound(directory: Path, name: str, samples: NDArray[Any], rate_hz: int = AUDIO_HZ) -> Path:
    """Write a sound file."""
    path = directory / "wav" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype="PCM_16")
    return path


def recording_writer(written: WrittenSession, name: str, meta: dict[str, Any] | None = None) -> RecordingWriter:
    """Return the files of a recording, to be written as they are or damaged first."""
    told = {"siteid": name, "batch": 343, "rasterfs": RATE_HZ, "stimfmt": "gtgram", "cellid": [*written.times_s]}
    recording = RecordingWriter(name, told | (meta or {}))
    recording.point_process("resp", written.times_s, [*written.times_s], RATE_HZ, written.epochs)
    recording.tiled("stim", written.tiles, None, RATE_HZ, written.epochs, compressed=False)
    return recording


def write_archive(directory: Path, written: WrittenSession, name: str, meta: dict[str, Any] | None = None) -> Path:
    """Write a recording into an archive whose name begins with `name`."""
    recording = recording_writer(written, name, meta)
    path = recording.write_tgz(directory / "recordings" / f"{name}_{recording.sha1()}.tgz", level=1)
    written.files.append(path.relative_to(directory).as_posix())
    return path


class _World:
    """What the sessions of one tree share: sounds, spectrograms, random numbers."""

    def __init__(
        self, seed: int, rng: np.random.Generator, truth: Wingert2026Truth, told: bool, onsets_s: Mapping[int, float]
    ) -> None:
        self.seed, self.rng, self.truth, self.told, self.onsets_s = seed, rng, truth, told, onsets_s

    def _of(self, name: str, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode()), number])

    def loudness(self, name: str) -> Float:
        """Return the loudness of a sound in bins of 10 ms."""
        rng = self._of(name, 0)
        n_bins = int(SOUND_S * RATE_HZ) if self.told else 40 + 10 * (zlib.crc32(name.encode()) % 7)
        return np.asarray(np.repeat(rng.gamma(0.7, 0.3, n_bins // 12 + 1), 12)[:n_bins] + 0.01, np.float64)

    def sound(self, name: str) -> NDArray[np.int16]:
        rng = self._of(name, 1)
        envelope = np.repeat(np.minimum(self.loudness(name) / 3, 0.2), AUDIO_HZ // RATE_HZ)
        return np.round(32767 * envelope * rng.uniform(-1, 1, len(envelope))).astype(np.int16)

    def tile(self, name: str, n_bins: int) -> Float:
        """Return a linear spectrogram, the same wherever the sound is played in a window of this length."""
        rng = self._of(name, n_bins)
        if self.told:
            first = round(self.onsets_s[n_bins] * RATE_HZ)
            course = np.zeros(n_bins)
            heard = self.loudness(name)[: n_bins - first]
            course[first : first + len(heard)] = heard
            return course * rng.uniform(0.2, 1, (N_BANDS, 1)) * rng.uniform(0.8, 1.2, (N_BANDS, n_bins))
        slow = np.repeat(rng.gamma(0.5, 0.25, (N_BANDS, n_bins // 20)), 20, axis=1)
        noisy = slow * (1 + 0.25 * rng.standard_normal((N_BANDS, n_bins)))
        tile: Float = np.round(np.maximum(noisy, 0.0), 4).astype(np.float64)
        if n_bins == 2200:
            tile[:, :100] = tile[:, -100:] = 0
        return tile

    def session(
        self,
        name: str,
        cells: Sequence[str],
        played: Mapping[str, int],
        n_bins: int,
        *,
        never_played: bool = False,
        ghost: bool = False,
        flat_band: int | None = None,
    ) -> WrittenSession:
        """Make a recording: presentations in random order, most of them off the grid, spikes at all their edges."""
        order = [sound for sound, times in played.items() for _ in range(times)]
        self.rng.shuffle(order)
        duration, now = n_bins / RATE_HZ, 1.7
        epochs: list[Epoch] = []
        for number, sound in enumerate([f"STIM_{sound}" for sound in order] + [GHOST] * ghost):
            start = round(now, 2) if number % 3 == 0 else now
            epochs += [(epoch, start, start + duration) for epoch in ("TRIAL", "REFERENCE", sound)]
            now = start + duration + float(self.rng.uniform(0.8, 1.3))
        epochs.append(("PASSIVE_EXPERIMENT", 0.0, now))
        starts = [start for epoch, start, _ in epochs if epoch == "TRIAL"]
        times = {}
        for index, cell in enumerate(cells):
            rate = 1.5 + 2.5 * index
            spikes = self.rng.uniform(0, now, self.rng.poisson(rate * now))
            times[cell] = np.sort(np.concatenate([spikes, _edge_spikes(starts, duration, now)]))
        if SILENT in times:
            times[SILENT] = np.empty(0)
        tiles = {f"STIM_{sound}": self.tile(sound, n_bins) for sound in played}
        if never_played:
            tiles[NEVER_PLAYED] = 3 * self.tile(NEVER_PLAYED.removeprefix("STIM_"), n_bins)
        for tile in tiles.values():
            if flat_band is not None:
                tile[flat_band] = 0
        next(iter(tiles.values()))[3, 7] = 2e-7  # quieter than anything that is kept
        self.truth.sessions[name] = WrittenSession(name, times, epochs, tiles)
        return self.truth.sessions[name]

    def list_cells(
        self, cells: Sequence[str], site: str, area: str, layers: Sequence[str] = ("13", "44", "56")
    ) -> None:
        """Add cells to the list; those without area have no layer, depth, width or type either."""
        for index, cell in enumerate(cells):
            narrow = bool(self.rng.random() < 0.3)
            layer = layers[index % len(layers)]
            row = {
                "cellid": cell, "siteid": site, "area": area, "layer": layer,
                "depth": f"{self.rng.uniform(-800, 900):.1f}", "narrow": str(narrow),
                "celltype": ("N" if narrow else "R") + layer, "sw": f"{self.rng.uniform(0.2, 0.8):.4f}",
                "goodpred": str(bool(self.rng.random() < 0.8)), "iso": "97.25", "LN32": "0.5",
            }  # fmt: skip
            if not area:
                row |= dict.fromkeys(("layer", "depth", "narrow", "celltype"), "")
            self.truth.cells[cell] = row

    def clt027c(self) -> None:
        cells = cell_ids("CLT027c", 4)
        played = {VALIDATION[0]: 1, VALIDATION[1]: 2, ESTIMATION[0]: 1, ESTIMATION[3]: 1}
        written = self.session("CLT027c", [*cells, NOT_LISTED], played, 2200, never_played=True, ghost=True)
        write_archive(self.truth.directory, written, "CLT027c")
        self.list_cells([*cells, NOT_RECORDED], "CLT027c", "A1")

    def prn018a(self) -> None:
        cells = cell_ids("PRN018a", 3)
        played = {VALIDATION[0]: 6, VALIDATION[1]: 6, VALIDATION[2]: 5, **dict.fromkeys(ESTIMATION[1:4], 1)}
        written = self.session("PRN018a", cells, played, 2000)
        write_archive(self.truth.directory, written, "PRN018a")
        write_archive(self.truth.directory, written, "PRN018b", {"copy": "b"})
        self.list_cells(cells, "PRN018a", "PEG")

    def prn015a(self) -> None:
        cells = cell_ids("PRN015a", 2)
        written = self.session("PRN015a", cells, {VALIDATION[0]: 5, ESTIMATION[1]: 1, ESTIMATION[4]: 1}, 2000)
        write_archive(self.truth.directory, written, "PRN015b")
        self.list_cells(cells, "PRN015a", "A1")

    def slj032a(self) -> None:
        first = ["SLJ032a-A-003-1", "SLJ032a-A-007-2"]
        second = ["SLJ032a-B-154-1", "SLJ032a-B-160-1", "SLJ032a-B-161-4"]
        cells = [first[0], second[0], first[1], second[1], second[2]]
        written = self.session("SLJ032a", cells, {VALIDATION[0]: 4, ESTIMATION[0]: 1, ESTIMATION[5]: 1}, 2200)
        write_archive(self.truth.directory, written, "SLJ032a")
        self.list_cells(first, "SLJ032a", "A1")
        self.list_cells(second, "SLJ032a-B", "HC", layers=("BS",))

    def prn010b(self) -> None:
        cells = cell_ids("PRN010b", 2)
        write_archive(
            self.truth.directory, self.session("PRN010b", cells, {VALIDATION[0]: 3, ESTIMATION[2]: 1}, 2000), "PRN010b"
        )
        self.list_cells(cells, "PRN010b", "")

    def lmd033a(self) -> None:
        cells = cell_ids("LMD033a", 2)
        played = {VALIDATION[1]: 3, ESTIMATION[4]: 1, ESTIMATION[5]: 1}
        write_archive(self.truth.directory, self.session("LMD033a", cells, played, 2000, flat_band=31), "LMD033a")
        self.list_cells(cells, "LMD033a", "AC")


def _edge_spikes(starts: Sequence[float], duration: float, end: float) -> Float:
    """Return spikes at and around the edges of presentations and bins, before the first one and after the last."""
    start = starts[1]
    bin_start = np.floor(start * RATE_HZ) / RATE_HZ
    around = [bin_start + 1e-4, start - 1e-4, start, start + 1e-4, start + 0.5, start + 0.5]
    around += [start + duration - 1e-6, start + duration, 0.05, starts[0], starts[0] + 0.29, end + 3.0]
    around += [0.5, 0.5, 0.5, 0.5]  # more in one bin than anywhere else, and nothing was played
    return np.concatenate([around, starts[0] + np.arange(0, round(duration * RATE_HZ), 97) / RATE_HZ])
