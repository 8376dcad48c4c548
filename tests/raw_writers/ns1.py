"""Write a small synthetic NS1 corpus (ferret A1, natural sounds) in the raw layout of the real one.

Layout of the release at https://osf.io/ayw2p (Harper et al. 2016, doi:10.1371/journal.pcbi.1005113)::

    ReadMe.rtf, MetadataSHEnCneurons.mat                     neuron (1, N) struct, ascending noise ratio
    test_data_5ms.mat                                        only with published_spectrogram=True
    spikesandwav/SH.En.C/source.<S>...frozen.<I>             20 float32 wavs in pascals, no extension
    spikesandwav/<experiment>/<penetration>/cluster.<NN>.data.mat, clusterquality.mat

Nothing is recorded: linear-nonlinear-Poisson units hear noise and pulse trains with natural-like envelopes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

Float = NDArray[np.float64]

SAMPLE_RATE_HZ = 48_828.125
"""True sampling rate of the sounds; the wav headers say 48828."""
SAMPLE_PERIOD_MS = 0.04095999907163799
"""Time step of the spike times in ms (24 414.063 Hz): every real time is a multiple of it."""
NATURAL_SETS: tuple[tuple[int, int, int, int], ...] = (
    *((1, 2, stim_id, 80) for stim_id in range(1, 13)),
    *((2, 1, stim_id, {1: 82, 7: 75}.get(stim_id, 80)) for stim_id in range(1, 9)),
)
"""(Source, Set, StimID, NominalLevel in dB SPL) of the sets 0..19, 20 repeats each."""
CHORD_SETS: tuple[tuple[int, int], ...] = tuple((token, set_) for token in range(3) for set_ in (10, 20, 30, 40))
"""(Token, Set) of the sets 20..31, dynamic random chords without a wav, 5 repeats each."""
ELECTRODES = {"dataAC": 16, "exp57_L4x8": 8, "exp57_B4x8": 8, "exp42_jumbled4x8": 8}
PENETRATIONS = (
    "exp57_L4x8/P06-SH_En_C.Lsh3", "exp45_1x32/P07-SH.En.C.2.U", "dataAC/E1P02.L.SH.En.C", "dataAC/E1",
    "exp53_1x32/P02-SH.En.C.2.D", "exp42_split1x32/P10-SH.En.C.D", "exp57_B4x8/P03-SH_En_C.Lsh1",
    "exp42_jumbled4x8/P02-SH.En.C.Lsh1")  # fmt: skip
MISSING_PATH = "exp53_1x32/P01-SH.En.C.D/cluster.09.data.mat"
BAND_FREQUENCIES_HZ: Float = 500.0 * 2.0 ** (np.arange(34) / 6.0)
"""34 centre frequencies, six per octave, 500 Hz to 22 627 Hz (Rahman et al. 2019, doi:10.1371/journal.pcbi.1006618)."""

_HOP, _WINDOW, _N_LAGS, _N_FRAMES = 122, 512, 32, 2100
_FRAME_MS = 1000 * _HOP / SAMPLE_RATE_HZ  # 2.4986 ms
_OCTAVE = np.arange(34)[:, None] / 6.0
_MAT_HEADER = b"MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: Thu Jan 26 23:34:29 2012".ljust(116)
_EDGE_TRIALS: dict[int, list[float]] = {
    0: [0.2, 0.49, 0.51, 1.5, 2.5, 3.5, 4994.2, 4994.49, 4994.51, 4995.0, 5100.0],  # rounding; end of the window
    1: [],  # stored as uint8 (1, 0)
    2: [1234.25],
    3: [700.1, 700.2, 700.3, 704.4, 704.6, 1000.0],  # several in one ms; rounding to ms moves one to the next bin
    4: [-0.3, 4.4, 4.6, 5.0],
}


@dataclass(frozen=True)
class Ns1Truth:
    """What :func:`write_ns1` wrote, to check a reader without the reader.

    Attributes
    ----------
    unit_paths : tuple of str
        The paths in the metadata (relative to ``spikesandwav/``), in its order, missing files included.
    metadata : tuple of dict
        The metadata row of each as plain Python values, keyed by the field names of the file.
    spike_times : dict
        (path, set index 0..31, repeat from 0) -> float64 (n_spikes,) in ms from sound onset, as stored; units without
        a file are absent, clusters not in the metadata present.
    waveforms, wav_names : tuple
        The 20 sounds in set order, float32 (n_samples,) in Pa, and their file names under ``SH.En.C/``.
    length_signal_ms : dict
        path -> ``length_signal_ms`` of the 32 sets.
    renamed_units, missing_units, unlisted_units, merged_units : tuple of str
        Paths on disk only as ``*_1.mat``; in the metadata without a file; on disk but not in the metadata; whose
        trials are two ascending runs one after the other (as in 8 of the 119 real units).
    best_frequency_hz : dict
        path -> centre of the excitatory patch in Hz; empty without ``sound_driven``.
    spectrogram : numpy.ndarray or None
        ``X_nfht``, float64 (20, 34, 1, 999) in dB, if written.
    """

    directory: Path
    unit_paths: tuple[str, ...]
    metadata: tuple[dict[str, Any], ...]
    spike_times: dict[tuple[str, int, int], Float]
    waveforms: tuple[NDArray[np.float32], ...]
    wav_names: tuple[str, ...]
    length_signal_ms: dict[str, tuple[float, ...]]
    renamed_units: tuple[str, ...] = ()
    missing_units: tuple[str, ...] = ()
    unlisted_units: tuple[str, ...] = ()
    merged_units: tuple[str, ...] = ()
    best_frequency_hz: dict[str, float] = field(default_factory=dict)
    spectrogram: Float | None = None


def sound_rms_pascal(level_db_spl: float) -> float:
    """Convert dB SPL to RMS in Pa as the release does: 94 dB is 1 Pa (20 µPa as reference would give 0.02 dB more)."""
    return float(10.0 ** ((level_db_spl - 94.0) / 20.0))


def _envelope_db(rng: np.random.Generator, n_frames: int, frame_ms: float) -> Float:
    """Draw band envelopes (34, n_frames) in dB: tilt, coloured modulations, syllables with a spectral peak each."""
    kinship = np.exp(-0.5 * ((_OCTAVE - _OCTAVE.T) * 6 / rng.uniform(1.5, 3.5)) ** 2)  # of neighbouring bands
    rate_hz = np.fft.rfftfreq(n_frames, frame_ms / 1000)
    colour = (rate_hz > 0.3) * (rate_hz < 25) / (1 + rate_hz / rng.uniform(2, 8))
    modulation = np.fft.irfft(np.fft.rfft(kinship @ rng.standard_normal((34, n_frames))) * colour, n_frames)
    depth, on_ms, off_ms = rng.uniform(12, 32), rng.uniform(60, 350), rng.uniform(30, 200)
    start, on, syllables = 0.0, bool(rng.random() < 0.7), np.zeros((34, n_frames))
    while start < n_frames:
        stop = start + max(25.0, (on_ms if on else off_ms) * rng.lognormal(0, 0.5)) / frame_ms
        peak = rng.uniform(8, 18) * np.exp(-0.5 * ((_OCTAVE - rng.uniform(0, 5.5)) / rng.uniform(0.3, 0.8)) ** 2)
        syllables[:, int(start) : int(stop)] = peak if on else -depth
        start, on = stop, not on
    ramp = np.hanning(max(3, int(12 / frame_ms)) + 2)
    syllables = np.fft.irfft(np.fft.rfft(syllables) * np.fft.rfft(ramp / ramp.sum(), n_frames), n_frames)
    tilt = rng.uniform(-5, -1) * _OCTAVE - rng.uniform(0, 6) * np.abs(_OCTAVE - rng.uniform(1, 4))
    return np.asarray(tilt + syllables + rng.uniform(5, 9) * modulation / (modulation.std() + 1e-12))


def _synthesise(rng: np.random.Generator, n_samples: int) -> Float:
    """Make a natural-like sound (n_samples,), unscaled: noise or pulses, filtered frame by frame by band envelopes."""
    excitation = rng.standard_normal(n_samples)
    if rng.random() < 0.5:  # voiced: pulses at a wandering pitch carry the harmonics
        anchors = rng.uniform(100, 700) * 2.0 ** (0.3 * rng.standard_normal(max(2, n_samples // 8000)))
        pitch_hz = np.interp(np.linspace(0, 1, n_samples), np.linspace(0, 1, len(anchors)), anchors)
        cycle = np.floor(np.cumsum(pitch_hz / SAMPLE_RATE_HZ))
        excitation[1:] = 0.3 * excitation[1:] + np.diff(cycle) * np.sqrt(SAMPLE_RATE_HZ / pitch_hz[1:])
    hop, window = _WINDOW // 4, np.sqrt(np.hanning(_WINDOW + 1)[:-1])
    padded = np.pad(excitation, (_WINDOW, 2 * _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::hop] * window
    envelope = _envelope_db(rng, len(frames), 1000 * hop / SAMPLE_RATE_HZ).T
    position = np.log2(np.maximum(np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE_HZ), 50.0) / 500.0) * 6
    low = np.clip(np.floor(position).astype(int), 0, 32)
    weight = np.clip(position - low, 0, 1)
    gain_db = (1 - weight) * envelope[:, low] + weight * envelope[:, low + 1] + np.minimum(position, 0) * 2
    frames = np.fft.irfft(np.fft.rfft(frames) * 10.0 ** (gain_db / 20)) * window
    sound = np.zeros(hop * (len(frames) + 3))
    for quarter in range(4):
        sound[quarter * hop :][: hop * len(frames)] += frames[:, quarter * hop : (quarter + 1) * hop].ravel()
    return sound[_WINDOW : _WINDOW + n_samples]


def _scaled(sound: Float, level_db: float, peak: float) -> NDArray[np.float32]:
    """Scale to the nominal level; `peak` (Pa), if not 0, is put into one sample, the RMS staying the same."""
    total, sound = len(sound) * sound_rms_pascal(level_db) ** 2, sound - sound.mean()
    peak, where = min(peak, float(np.sqrt(total / 2))), len(sound) // 3
    if peak:
        sound[where] = 0.0
    sound *= np.sqrt((total - peak**2) / np.sum(sound**2))
    sound[where] += peak
    return sound.astype(np.float32)


def _band_levels_db(waveform: NDArray[np.float32]) -> Float:
    """Measure levels (34, 2100) in dB SPL: 10.5 ms Hann frames, frame k centred on sample 122 k; silence is 0 dB."""
    bins_hz = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE_HZ)
    centre = BAND_FREQUENCIES_HZ[:, None]
    bank = np.maximum(0, 1 - np.abs(bins_hz - centre) / np.maximum(centre * (2 ** (1 / 6) - 1), bins_hz[1]))
    padded = np.pad(waveform[: _HOP * _N_FRAMES], (_WINDOW // 2, _HOP * _N_FRAMES))
    window = np.hanning(_WINDOW + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: _HOP * _N_FRAMES : _HOP] * window
    power = np.abs(np.fft.rfft(frames)) ** 2 * (2 / (_WINDOW * np.sum(window**2)))
    return np.asarray(10 * np.log10(bank @ power.T / 4e-10 + 1.0))


def _receptive_field(rng: np.random.Generator) -> tuple[Float, float]:
    """Draw a spectrotemporal receptive field (34, 32 lags of 2.5 ms) and its best frequency in Hz."""
    lag_ms = np.arange(_N_LAGS)[None] * _FRAME_MS
    best, width = rng.uniform(0.6, 4.9), rng.uniform(0.2, 0.45)
    latency, spread = rng.uniform(10, 25), rng.uniform(3.5, 7)

    def patch(centre: float, octaves: float, time_ms: float, duration_ms: float) -> Float:
        shape = np.exp(-0.5 * ((_OCTAVE - centre) / octaves) ** 2 - 0.5 * ((lag_ms - time_ms) / duration_ms) ** 2)
        return np.asarray(shape / shape.sum())

    weights = patch(best, width, latency, spread)
    delayed = patch(best + rng.uniform(-0.15, 0.15), 1.3 * width, latency + 2.8 * spread, 1.8 * spread)
    side = patch(best + rng.choice([-1, 1]) * 3 * width, width, latency + 4, 1.3 * spread)
    side_gain = rng.uniform(0.2, 0.4) * (rng.random() < 0.5)
    return weights - rng.uniform(0.45, 0.85) * delayed - side_gain * side, float(500 * 2**best)


def _unit_rates(rng: np.random.Generator, levels: Sequence[Float], responsive: bool) -> tuple[Float, float]:
    """Compute the rates (32, 2100) in spikes/s of a linear-nonlinear unit, and its best frequency in Hz."""
    weights, best_hz = _receptive_field(rng)
    kernel, n_fft = np.fft.rfft(weights, 2 * _N_FRAMES), 2 * _N_FRAMES
    heard = (np.fft.rfft(np.maximum(level, 20.0) - 20.0, n_fft) for level in levels)
    drive = np.stack([np.fft.irfft((level * kernel).sum(axis=0), n_fft)[:_N_FRAMES] for level in heard])
    drive = (drive - drive[:20].mean()) / (drive[:20].std() + 1e-9)
    rate = np.maximum(drive - rng.uniform(0.0, 0.7), 0.0) ** rng.uniform(1.0, 1.4)
    spontaneous = rng.uniform(0.1, 0.5) if responsive else rng.uniform(0.75, 0.95)
    rate = spontaneous + (1 - spontaneous) * rate / (rate[:20].mean() + 1e-9)
    return np.minimum(rate * (rng.uniform(8, 30) if responsive else rng.uniform(5, 12)), 350.0), best_hz


def _poisson_trials(rng: np.random.Generator, rate: Float, n_repeats: int, n_steps: int) -> list[Float]:
    """Draw spike times in ms, multiples of SAMPLE_PERIOD_MS below `n_steps` of them, from a rate (2100,) in spikes/s.

    Inhomogeneous Poisson; the gain of each trial is gamma (cv 0.2); a spike under 1.5 ms after another is dropped.
    """
    edges_ms = np.arange(len(rate) + 1) * _FRAME_MS
    cumulative = np.concatenate([[0.0], np.cumsum(rate)]) * _FRAME_MS / 1000
    expected = np.interp(n_steps * SAMPLE_PERIOD_MS, edges_ms, cumulative)
    counts = rng.poisson(expected * rng.gamma(25.0, 1 / 25.0, n_repeats))
    times = np.interp(rng.random(counts.sum()) * expected, cumulative, edges_ms)
    step = np.minimum((times / SAMPLE_PERIOD_MS).astype(np.int64), n_steps - 1)
    keys = np.sort(step + (np.repeat(np.arange(n_repeats), counts) << 20))
    keys = keys[np.diff(keys, prepend=-100) > 1.5 / SAMPLE_PERIOD_MS]
    return np.split((keys & 0xFFFFF) * SAMPLE_PERIOD_MS, np.searchsorted(keys, np.arange(1, n_repeats) << 20))


def _noise_ratio(trials: Sequence[Sequence[Float]]) -> float:
    """Compute noise over signal power of 5 ms counts over the natural sets (Sahani & Linden 2003, NIPS 15:109)."""
    signal = total = 0.0
    for repeats in trials[:20]:
        counts = np.stack([np.histogram(t, 1000, (0.0, 5000.0))[0] for t in repeats])
        power = counts.var(axis=1).mean()
        signal += (len(counts) * counts.mean(axis=0).var() - power) / (len(counts) - 1)
        total += power
    return float(np.clip((total - signal) / max(signal, 1e-9), 0.5, 39.7))


def _value(value: str | int | float) -> NDArray[Any]:
    """Wrap a value as the release stores it: char; float64; uint8 or uint16 from 0 on, int16 below."""
    if isinstance(value, str | float):
        return np.array([value] if isinstance(value, str) else [[value]])
    return np.array([[value]], dtype=np.int16 if value < 0 else np.uint8 if value < 256 else np.uint16)


def _struct(rows: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    """Make a (1, n) MATLAB struct array of dicts with the same keys."""
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    array[0] = [tuple(row.values()) for row in rows]
    return array


def _save_mat(path: Path, content: dict[str, Any], *, compress: bool = False) -> None:
    """Write a MAT file (version 5) with a fixed date in its header, so that equal content gives equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, content, do_compression=compress)
    with path.open("r+b") as file:
        file.write(_MAT_HEADER)


def _save_wav(path: Path, samples: NDArray[np.float32]) -> None:
    """Write a bare float32 WAV as in the release: 16-byte fmt chunk, byte rate of 48828.125 Hz, no fact chunk."""
    data = samples.astype("<f4").tobytes()
    fmt = struct.pack("<IHHIIHH", 16, 3, 1, 48_828, 195_313, 4, 32)
    path.write_bytes(struct.pack("<4sI8s20s4sI", b"RIFF", 36 + len(data), b"WAVEfmt ", fmt, b"data", len(data)) + data)


def _set_content(index: int, repeats: Sequence[Float], length_ms: float, merged: bool) -> dict[str, Any]:
    """Make one element of the `set` struct from its index and the spike times of its repeats."""
    source, set_, stim_id, level = NATURAL_SETS[index] if index < 20 else (9, CHORD_SETS[index - 20][1], 0, 75)
    token = 0 if index < 20 else CHORD_SETS[index - 20][0]
    gain = {1: -49, 2: level - 130, 9: -13}[source]
    params = {"Source": source, "Mode": 0, "BF": 0, "Token": token, "Set": set_, "StimID": stim_id,
              "NominalLevel": level, "Level": gain}  # fmt: skip
    listed = {**params, "length_signal_ms": round(length_ms)}
    names = np.empty((1, len(listed)), dtype=object)
    names[0] = [np.array([name]) for name in listed]
    everything = _struct([{"names": names, "values": np.array([list(listed.values())], np.int16)}])
    rows = []
    for repeat, times in enumerate(repeats):
        start_s = 6 * (index + 32 * repeat)
        clock = f"{start_s // 3600:02d}{start_s // 60 % 60:02d}{start_s % 60:02d}{137 * start_s % 1000:03d}"
        stored = times[None] if len(times) else np.zeros((1, 0), np.uint8)
        rows.append({"t": stored, "repeat_id": np.full((1, len(times)), repeat + 1, np.uint8),
                     "timestamp": _value(f"20130426-{clock}")})  # fmt: skip
    times = np.concatenate(repeats)
    numbers = np.repeat(np.arange(1, len(repeats) + 1, dtype=np.uint8), [len(t) for t in repeats])
    if merged:  # the parts of the cluster one after the other, each by repeat, then time
        run = np.concatenate([np.cumsum(np.diff(t, prepend=-1.0) < 0) for t in repeats])
        order = np.argsort(run, kind="stable")
        times, numbers = times[order], numbers[order]
    return {
        "spikes": _struct([{"t": times[None], "repeat_id": numbers[None]}]),
        "repeats": _struct(rows),
        "stim_params": _struct([{"all": everything, **{name: _value(value) for name, value in params.items()}}]),
        "length_signal_ms": _value(length_ms),
    }


def write_ns1(
    directory: Path, *, seed: int = 0, n_units: int = 6, sound_driven: bool = True, edge_cases: bool = False,
    published_spectrogram: bool = False, ragged: bool = False, unlisted_clusters: int = 1,
    clip_seconds: float | None = None,
) -> Ns1Truth:  # fmt: skip
    """Write a synthetic raw NS1 tree and return what is in it. Same arguments, same bytes.

    Parameters
    ----------
    directory : Path
        Made if absent; files with other names that are there stay.
    seed : int
        Of everything drawn.
    n_units : int
        Units both in the metadata and on disk.
    sound_driven : bool
        True: natural-like sounds, and spikes driven by them through a receptive field, every sixth unit hardly at all
        (singleT "No"). False: plain noise and homogeneous Poisson spikes, faster.
    edge_cases : bool
        Hand-made trials in set 0 of the first unit on disk (empty, one spike, several in one ms, rounding, negative,
        after 4995 ms); a merged unit; a unit on disk only as ``*_1.mat``; one more metadata row, without a file;
        depths of every class and sign; each singleT; a sample of 14.2 Pa in wav 17 (less if that is short).
    published_spectrogram : bool
        Write ``test_data_5ms.mat``.
    ragged : bool
        Set 4 of the first unit on disk has 19 repeats.
    unlisted_clusters : int
        Cluster files, in all, that are not in the metadata.
    clip_seconds : float, optional
        Length of the sounds in s, in place of 5 s; spikes go on to 5200 ms.

    Raises
    ------
    ValueError
        If `n_units` < 1, or < 3 with `edge_cases`; if `unlisted_clusters` < 0; if `clip_seconds` is under 1 ms.
    """
    n_samples = 244_140 if clip_seconds is None else int(clip_seconds * SAMPLE_RATE_HZ)
    if n_units < (3 if edge_cases else 1) or unlisted_clusters < 0 or n_samples < 48:
        raise ValueError(f"{n_units=} (at least 3 with edge_cases), {unlisted_clusters=}, {clip_seconds=}")
    directory = Path(directory)
    root = directory / "spikesandwav"
    (root / "SH.En.C").mkdir(parents=True, exist_ok=True)
    (directory / "ReadMe.rtf").write_text("{\\rtf1 Synthetic NS1 tree: no recorded data.}", encoding="ascii")

    waveforms = []
    wav_names = [f"source.{source}.sound.0.snr.0.token.0.fw.{set_}.frozen.{i}" for source, set_, i, _ in NATURAL_SETS]
    for index, name in enumerate(wav_names):
        rng, length = np.random.default_rng([seed, 1, index]), n_samples + (index >= 16)
        sound = _synthesise(rng, length) if sound_driven else rng.standard_normal(length)
        waveforms.append(_scaled(sound, NATURAL_SETS[index][3], 14.2 if edge_cases and index == 17 else 0.0))
        _save_wav(root / "SH.En.C" / name, waveforms[-1])
    levels = [_band_levels_db(w) for w in waveforms] if sound_driven or published_spectrogram else []
    rng = np.random.default_rng([seed, 3])  # chords of 25 ms; each tone's level is drawn within `Set` dB
    chords = [40 + set_ * rng.uniform(-0.5, 0.5, (34, 200)) for _, set_ in CHORD_SETS]
    heard = levels + [np.pad(np.repeat(chord, 10, axis=1), ((0, 0), (0, _N_FRAMES - 2000))) for chord in chords]

    n_files = n_units + unlisted_clusters
    crowd = max(2, -(-n_files // len(PENETRATIONS)))
    paths = [f"{PENETRATIONS[i // crowd]}/cluster.{i % crowd + 1:02d}.data.mat" for i in range(n_files)]
    unlisted = tuple(paths[i] for i in np.random.default_rng([seed, 4]).permutation(n_files)[:unlisted_clusters])
    listed = [path for path in paths if path not in unlisted]
    merged, renamed, missing = ((listed[1],), (listed[-1],), (MISSING_PATH,)) if edge_cases else ((), (), ())

    spike_times: dict[tuple[str, int, int], Float] = {}
    lengths: dict[str, tuple[float, ...]] = {}
    best_frequency: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    for number, path in enumerate([*listed, *unlisted]):
        rng, experiment = np.random.default_rng([seed, 2, number]), path.split("/")[0]
        responsive = path in listed and number % 6 != 5
        rates = np.full((32, _N_FRAMES), rng.uniform(5.0, 30.0))
        if sound_driven:
            rates, best_frequency[path] = _unit_rates(rng, heard, responsive)
        steps = [126_953 + (16 <= index < 20) for index in range(32)]  # one more where the wav has one more
        if experiment.startswith(("exp53", "exp57")):
            steps = [127_977] * 32
        lengths[path] = tuple(n * SAMPLE_PERIOD_MS for n in steps)
        n_repeats = [(20 if index < 20 else 5) - (ragged and index == 4 and number == 0) for index in range(32)]
        trials = [_poisson_trials(rng, rates[i], n_repeats[i], steps[i]) for i in range(32)]
        ratio = _noise_ratio(trials) if sound_driven else 3.2 + 36.5 * number / n_files
        if edge_cases and number == 0:
            trials[0][: len(_EDGE_TRIALS)] = [np.array(times, np.float64) for times in _EDGE_TRIALS.values()]
        if path in merged:
            trials = [[np.concatenate([t[::3], np.delete(t, np.s_[::3])]) for t in repeats] for repeats in trials]
        spike_times.update({(path, i, r): t for i, repeats in enumerate(trials) for r, t in enumerate(repeats)})
        sets = [_set_content(i, trials[i], lengths[path][i], path in merged) for i in range(32)]
        file = root / (path[:-4] + "_1.mat" if path in renamed else path)
        _save_mat(file, {"data": _struct([{"set": _struct(sets)}])})
        triage, depth = ("Yes", "Maybe", "Yes", "No")[number % 4] if responsive else "No", 50 * int(rng.integers(6, 31))
        if edge_cases:
            triage, depth = ("Yes", "Maybe", "No")[number % 3], (600, -200, 200, 0, 1500)[number % 5]
        n_sites, score = ELECTRODES.get(experiment, 32), ("No", "Maybe", "Yes").index(triage)
        rows.append({"path": path, "NrOfElectrodes": n_sites, "ElectrodeNumber": int(rng.integers(n_sites)) + 1,
                     "depth": depth, "NoiseRatio": ratio, "singleT": triage, "singleN": score})  # fmt: skip
    for folder in sorted({path.rsplit("/", 1)[0] for path in paths}):
        quality = np.ones((sum(path.startswith(f"{folder}/") for path in paths), 1), np.uint8)
        _save_mat(root / folder / "clusterquality.mat", {"clusterquality": quality})
    rows = rows[:n_units] + [{**rows[0], "path": path, "NoiseRatio": 39.71} for path in missing]
    rows.sort(key=lambda row: row["NoiseRatio"])
    stored = _struct([{name: _value(value) for name, value in row.items()} for row in rows])
    _save_mat(directory / "MetadataSHEnCneurons.mat", {"neuron": stored}, compress=True)

    spectrogram = None
    if published_spectrogram:  # dB re 1 Pa, floor -70 dB, hop 244 samples
        spectrogram = np.maximum(np.stack(levels)[:, :, None, : 2 * 999 : 2] - 94.0, -70.0)
        content = {"X_nfht": spectrogram, "y_nt": np.random.default_rng([seed, 5]).random((20, 999))}
        _save_mat(directory / "test_data_5ms.mat", content, compress=True)
    return Ns1Truth(
        directory, tuple(row["path"] for row in rows), tuple(rows), spike_times, tuple(waveforms), tuple(wav_names),
        lengths, renamed, missing, unlisted, merged, best_frequency, spectrogram)  # fmt: skip
