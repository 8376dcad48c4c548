"""What the documents of Alice EEG say must come out of its raw files, by their formulas, with NumPy and SciPy."""

import math

import numpy as np
import pyarrow.parquet as pq
import scipy.signal

from tests.raw_writers.alice_eeg import RATE_HZ, SOUND_RATE_HZ


def rows_of(out, config="all", table=""):
    files = sorted((out / f"{config}{table}").glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    if table == "-stimuli":
        return {row["stim_segment"]: row for row in rows}
    if table == "-neurons":
        return {(row["neuron_subject"], row["neuron_channel_id"]): row for row in rows}
    return {(row["stim_segment"], row["neuron_subject"], row["neuron_channel_id"]): row for row in rows}


def mirrored(samples, before, after):
    """Continue a signal on both sides by its image turned about its ends; zeros where it is too short."""

    def side(ahead, length):
        image = 2 * ahead[0] - ahead[1 : length + 1]
        return np.concatenate([np.zeros(length - len(image)), image[::-1]])

    return np.concatenate([side(samples, before), samples, side(samples[::-1], after)[::-1]])


def filtered(samples, high_pass, low_pass, rate=RATE_HZ):
    """Filter without delay by a windowed sinc, as the documents write it down."""
    if high_pass is None and low_pass is None:
        return samples
    transitions = []
    if high_pass is not None:
        transitions.append(min(max(high_pass / 4, 2), high_pass))
    if low_pass is not None:
        transitions.append(min(max(low_pass / 4, 2), rate / 2 - low_pass))
    length = math.ceil(3.3 / min(transitions) * rate)
    length += 1 - length % 2

    def low_pass_prototype(start, stop):
        taps = int(round(3.3 / ((stop - start) / (rate / 2) / 2)))
        taps += 1 - taps % 2
        prototype = scipy.signal.firwin(taps, (start + stop) / 2, window="hamming", fs=rate)
        return np.pad(prototype, (length - taps) // 2)

    kernel = np.zeros(length)
    kernel[length // 2] = 1
    if low_pass is not None:
        kernel = low_pass_prototype(low_pass, low_pass + transitions[-1])
    if high_pass is not None:
        kernel = kernel - low_pass_prototype(high_pass - transitions[0], high_pass)
    padded = mirrored(samples, length - 1, length - 1)
    whole = scipy.signal.fftconvolve(padded, kernel)
    first = length - 1 + (length - 1) // 2
    return whole[first : first + len(samples)]


def resampled(samples, rate, wanted):
    """Resample by the Fourier transform of a mirrored signal."""
    ratio, n = wanted / rate, len(samples)
    total = 2 ** math.ceil(math.log2(n + 2 * min(n // 8, 100)))
    before, after = (total - n) // 2, total - n - (total - n) // 2
    spectrum = np.fft.rfft(mirrored(samples, before, after))
    new = round(ratio * total)
    if new % 2 == 0 and new < total:
        spectrum[new // 2] *= 2
    elif new > total:
        spectrum[total // 2] /= 2  # the highest frequency of the old rate stands for two of the new one
    values = np.fft.irfft(spectrum[: new // 2 + 1] * (new / total), new)
    first = round(ratio * before)
    return values[first : first + round(ratio * n)]


def expected_responses(subject, n_bins, *, dt_ms=10.0, high_pass=1.0, low_pass=None):
    """Return (bins,) V by segment and channel, of the channels that are not bad; n_bins by segment."""
    rate = 1000 / dt_ms
    found = {}
    for channel, samples in subject.values.items():
        if channel in subject.bad:
            continue
        values = resampled(filtered(samples, high_pass, low_pass), RATE_HZ, rate)
        for start, end in subject.artefacts_s:
            values[max(0, round(start * rate)) : max(0, round(end * rate))] = np.nan
        for segment, onset in subject.onsets_s.items():
            start = round(onset * rate)
            response = np.full(n_bins[segment], np.nan)
            piece = values[start : start + n_bins[segment]]
            response[: len(piece)] = piece
            if not np.isnan(response).all():
                found[segment, channel] = response
    return found


def gaussian_spectrogram(sound, *, dt_ms=10.0, n_bands=8, f_min=80.0, f_max=SOUND_RATE_HZ / 2, n_fft=1024):
    """Sum the power spectrum of one frame after the other."""
    samples = sound.astype(np.float64) / 32768
    step = dt_ms * SOUND_RATE_HZ / 1000
    padded = np.pad(samples, n_fft // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    low, high = (21.4 * math.log10(0.00437 * frequency + 1) for frequency in (f_min, f_max))
    columns = []
    frame = 0
    while (start := math.floor(frame * step + 0.5 + 1e-9)) + n_fft <= len(padded):
        power = np.abs(np.fft.rfft(padded[start : start + n_fft] * window)) ** 2
        column = []
        for erb in np.linspace(low, high, n_bands):
            centre = (10 ** (erb / 21.4) - 1) / 0.00437
            width = 24.7 * (0.00437 * centre + 1)
            frequencies = np.linspace(0, SOUND_RATE_HZ / 2, n_fft // 2 + 1)
            column.append((np.exp(-(((frequencies - centre) / width) ** 2)) * power).sum())
        columns.append(column)
        frame += 1
    return np.array(columns).T


def heeris_spectrogram(sound, *, dt_ms=10.0, n_bands=8, f_min=80.0, f_max=SOUND_RATE_HZ / 2, window_ms=25.0):
    """Filter by four cascaded sections per band, gains divided out, and take the RMS of windows."""
    samples, rate = sound.astype(np.float64) / 32768, SOUND_RATE_HZ
    width, shift = math.floor(window_ms * rate / 1000 + 0.5), 9.26449 * 24.7
    rows = []
    for k in range(n_bands, 0, -1):
        f = -shift + math.exp(k / n_bands * (math.log(f_min + shift) - math.log(f_max + shift))) * (f_max + shift)
        b, t = 1.019 * 2 * math.pi * (f / 9.26449 + 24.7), 1 / rate
        angle, decay = 2 * math.pi * f * t, math.exp(-b * t)
        denominator = [1, -2 * math.cos(angle) * decay, decay**2]
        z, g, gain = np.exp(2j * angle), np.exp(1j * angle - b * t), 1.0 + 0j
        filtered_sound = samples
        for r in (math.sqrt(3 + 2**1.5), -math.sqrt(3 + 2**1.5), math.sqrt(3 - 2**1.5), -math.sqrt(3 - 2**1.5)):
            turn = math.cos(angle) + r * math.sin(angle)
            filtered_sound = scipy.signal.lfilter([t, -t * decay * turn, 0], denominator, filtered_sound)
            gain *= z - g * turn
        gain *= (t * math.exp(b * t) / (-math.exp(-b * t) + 1 + z * (1 - math.exp(b * t)))) ** 4
        filtered_sound = filtered_sound / abs(gain)
        row, frame = [], 0
        while (start := math.floor(frame * dt_ms * rate / 1000 + 0.5 + 1e-9)) + width <= len(samples):
            row.append(math.sqrt((filtered_sound[start : start + width] ** 2).mean()))
            frame += 1
        rows.append(row)
    return np.array(rows)
