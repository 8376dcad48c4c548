"""What should come out of a synthetic tree of CRCNS AC1, computed from what was written and from the formulas."""

import math

import numpy as np
import scipy.ndimage

from tests.raw_writers.crcns_ac1 import ASARI_SOUND_RATE_HZ, Ac1Truth

ASARI = {("A1", "whole-cell"): "asari_a1", ("MGB", "cell-attached"): "asari_mgb"}
COHORTS = ("wehr", "asari_a1", "asari_mgb")
RESULTS_2 = "crcns-ac1-asari-results-2/asari-results-2"
RESULTS_1 = "crcns-ac1-asari-results-1/asari-results-1"
WEHR = "crcns-ac1/wehr"
BANDS = 100 * 2 ** (np.arange(53) / 6)


def cohort_of(truth: Ac1Truth, one) -> str | None:
    if "-mw-" in one.session:
        return "wehr"
    return ASARI.get(truth.modes[one.trial.split("#")[0]])


def detrended(trace, rate):
    if not len(trace):
        return trace
    baseline = scipy.ndimage.median_filter(trace, size=round(0.1 * rate), mode="reflect")
    return trace - scipy.ndimage.gaussian_filter1d(baseline, 0.01 * rate, mode="reflect")


def first_failures(traces, rate):
    """Name the gate that rejects each detrended trace."""
    shortest = min(len(trace) for trace in traces)
    failures = []
    for index, trace in enumerate(traces):
        median = scipy.ndimage.median_filter(trace, size=round(0.005 * rate), mode="reflect")
        failure = None
        if np.abs(trace).max() > 150:
            failure = "range"
        elif np.mean(np.abs(median - np.median(median)) > 30) > 0.005:
            failure = "step"
        elif len(traces) >= 3:
            others = np.median([other[:shortest] for at, other in enumerate(traces) if at != index], axis=0)
            failure = "cross_trial" if np.corrcoef(trace[:shortest], others)[0, 1] < 0.05 else None
        failures.append(failure)
    return failures


def published_spikes(trace, rate):
    trace = detrended(trace, rate)
    fast = trace - scipy.ndimage.median_filter(trace, size=round(0.01 * rate), mode="reflect")
    length = round(0.021 * rate)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
    full = np.convolve(fast > 2.5 * fast.std(), window)
    return full[(length - 1) // 2 :][: len(trace)]


def bin_means(trace, rate, dt_ms):
    per_bin = round(dt_ms * rate / 1000)
    n_bins = len(trace) // per_bin
    return trace[: n_bins * per_bin].reshape(n_bins, per_bin).mean(axis=1)


def expected_pairs(truth: Ac1Truth, dt_ms: float = 5.0):
    """Return {(session, sound): (cohort, {trial: binned response of its own length}, {trial: gate})}."""
    pairs = {}
    for session, sound in dict.fromkeys((one.session, one.sound) for one in truth.presented):
        members = [one for one in truth.of(session, sound) if cohort_of(truth, one)]
        if not members:
            continue
        cohort, rate = cohort_of(truth, members[0]), members[0].rate_hz
        traces = [detrended(one.trace_mv, rate) for one in members]
        kept, rejected = {}, {}
        for one, trace, failure in zip(members, traces, first_failures(traces, rate), strict=True):
            if failure:
                rejected[one.trial] = failure
            else:
                signal = published_spikes(trace, rate) if cohort == "asari_mgb" else trace
                kept[one.trial] = bin_means(signal, rate, dt_ms)
        pairs[session, sound] = (cohort, kept, rejected)
    return pairs


def waveform_of(truth: Ac1Truth, sound):
    """Return samples as played, and the rate that the files state."""
    rate = truth.sounds[sound[0]][1]
    if not sound[0].startswith("class"):
        return truth.sounds[sound[0]]
    parts = []
    for name in sound:
        part = truth.sounds[name][0].copy()
        n = round(0.005 * rate)
        for k in range(n):
            weight = math.sin(math.pi / 2 * k / n) ** 2
            part[k] *= weight
            part[-1 - k] *= weight
        parts.append(part)
    return np.concatenate(parts), rate


def n_frames(truth: Ac1Truth, sound, dt_ms: float = 5.0) -> int:
    samples, rate = waveform_of(truth, sound)
    return math.ceil(len(samples) / round(dt_ms * rate / 1000))


def expected_bins(truth: Ac1Truth, pairs, sound, dt_ms: float = 5.0) -> int:
    """Return the common length: over all cells that heard the sound, whatever their cohort."""
    hearing = [(session, kept) for (session, of), (_, kept, _) in pairs.items() if of == sound and kept]
    first = truth.of(hearing[0][0], sound)[0]
    shortest = min(len(values) for _, kept in hearing for values in kept.values())
    return min(n_frames(truth, sound, dt_ms), round(first.duration_ms / dt_ms), shortest)


def expected_spectrogram(samples, rate, bands=BANDS, dt_ms=5.0):
    hop, length = round(dt_ms * rate / 1000), round(2 * dt_ms * rate / 1000)
    padded = np.concatenate([np.zeros(length // 2), samples, np.zeros(length)])
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
    phases = np.exp(-2j * np.pi * np.outer(np.asarray(bands), np.arange(length)) / rate)
    frames = [padded[i * hop : i * hop + length] * window for i in range(math.ceil(len(samples) / hop))]
    return 20 * np.log10(np.abs(phases @ np.transpose(frames)) + 1e-12)


def sound_key(metadata):
    """Return the files of a row's sound, from columns without prefix."""
    if metadata["experimenter"] == "wehr":
        return (f"{metadata['category']}/{metadata['idx']}.mat",)
    return tuple(metadata["segment_files"].split())


def true_rate(rate: float) -> float:
    return 97_656.25 if rate == ASARI_SOUND_RATE_HZ else rate


def columns(row, prefix):
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
