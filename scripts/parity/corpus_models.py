"""Models of what deepSTRF 0.1.0 does otherwise, shared by several corpora.

Each makes of our snapshot what deepSTRF would make of the same raw tree, in one respect.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.parity.corpus_declaration import AsDeepstrf, CorpusDifference, RawFolder, Run
from scripts.parity.corpus_snapshot import Float32, Snapshot, name_of, plain

LOW_PASS_WIDTH = 6
ROLLOFF = 0.99


def says(
    *,
    facts: Mapping[str, Mapping[Any, Any]] | None = None,
    neurons: Mapping[str, Mapping[Any, Any]] | None = None,
    stimuli: Mapping[str, Mapping[Any, Any]] | None = None,
) -> AsDeepstrf:
    """Model other words for the same thing.

    Parameters
    ----------
    facts, neurons, stimuli : mapping
        By field of the metadata: our value and deepSTRF's.
    """

    def worded(entry: Mapping[str, Any], words: Mapping[str, Mapping[Any, Any]] | None) -> dict[str, Any]:
        changed = dict(entry)
        for name, values in (words or {}).items():
            value = changed.get(name)
            if name in changed and not isinstance(value, list) and value in values:
                changed[name] = values[value]
        return changed

    def as_deepstrf(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
        return replace(
            ours,
            facts=worded(ours.facts, facts),
            neurons={name: worded(entry, neurons) for name, entry in ours.neurons.items()},
            stimuli={name: worded(entry, stimuli) for name, entry in ours.stimuli.items()},
        )

    return as_deepstrf


def resampled_by_a_short_kernel(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model deepSTRF's resampler: our waveforms at their own rate, resampled as torchaudio does with its defaults.

    The rate is the one that the files' headers state, a whole number.
    """
    if run.stimulus != "waveform":
        return ours
    audio_fs, values = int(ours.facts["audio_fs"]), dict(ours.values)
    for name, (waveform, rate) in native_waveforms(folder, run).items():
        if name in values:
            length = values[name].shape[-1]
            resampled = sinc_resample(waveform, rate, audio_fs)[:length]
            values[name] = np.pad(resampled, (0, length - len(resampled)))[None]
    return replace(ours, values=values)


SIGNAL_TYPE = CorpusDifference(
    "signal-type-is-told",
    "`signal_type` is None, or `subthresh`.",
    "`signal_type` is `spikes`, `subthreshold` or `eeg` for every corpus.",
    "Models and losses depend on it.",
    says(facts={"signal_type": {"spikes": None}}),
)
SHORT_KERNEL = CorpusDifference(
    "resampled-by-a-short-kernel",
    "Waveforms are resampled, from the whole number of Hz that the header states, with a sinc of six zero crossings.",
    "Waveforms are resampled by soxr at high quality, from the true rate.",
    "The short kernel passes images and dampens the highest band; a rounded rate lets sound drift against bins.",
    resampled_by_a_short_kernel,
)


def native_waveforms(folder: RawFolder, run: Run) -> dict[str, tuple[Float32, int]]:
    """Return the stored waveforms by name of the stimulus, each with its rate in Hz, rounded to a whole number."""
    import pyarrow.parquet
    import soundfile

    (out, config), corpus = folder.built(run), folder.corpus
    waveforms = {}
    for file in sorted((out / f"{config}-stimuli").glob("*.parquet")):
        columns = [name for name in pyarrow.parquet.read_schema(file).names if name not in ("spectrogram", "picture")]
        for row in pyarrow.parquet.read_table(file, columns=columns).to_pylist():
            entry = {name.removeprefix("stim_") if name != "stim_id" else name: value for name, value in row.items()}
            named = {name: plain(value) for name, value in entry.items() if name != "audio"}
            name = name_of(corpus.vocabulary.of_stimulus(named), corpus.stimulus_name)
            samples, _ = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
            waveforms[name] = samples, math.floor(row["stim_sample_rate_hz"])
    return waveforms


def sinc_resample(waveform: Float32, rate_hz: int, new_rate_hz: int) -> Float32:
    """Resample with a windowed sinc of six zero crossings on either side.

    The kernel is that of the published interface of torchaudio with its defaults, in single precision as for waveforms
    in single precision: with o and n the two rates without their common factor, base = 0.99 min(o, n) and
    width = ceil(6 o / base), tap j of phase i is sinc(t) cos²(pi t / 12) base / o where t = (j / o - i / n) base,
    limited to ±6, for -width <= j < width + o and 0 <= i < n.

    Parameters
    ----------
    waveform : ndarray of float32, shape (samples,)
        Samples.
    rate_hz, new_rate_hz : int
        Their rate, and the one wanted.

    Returns
    -------
    ndarray of float32, shape (ceil(samples * new_rate_hz / rate_hz),)
        Resampled.
    """
    if rate_hz == new_rate_hz:
        return waveform
    common = math.gcd(rate_hz, new_rate_hz)
    old, new = rate_hz // common, new_rate_hz // common
    base = min(old, new) * ROLLOFF
    width = math.ceil(LOW_PASS_WIDTH * old / base)
    kernel = _kernel(old, new, base, width)
    padded = np.pad(waveform, (width, width + old))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[1])[::old]
    wanted = math.ceil(new * len(waveform) / old)
    blocks = [windows[start : start + 64] @ kernel.T for start in range(0, len(windows), 64)]
    return np.concatenate(blocks).reshape(-1)[:wanted].astype(np.float32)


@functools.lru_cache(maxsize=2)
def _kernel(old: int, new: int, base: float, width: int) -> NDArray[np.float32]:
    """Make the kernel, shape (new, 2 * width + old)."""
    single = np.float32
    taps = np.arange(-width, width + old, dtype=single)[None] / single(old)
    phases = np.arange(0, -new, -1, dtype=single)[:, None] / single(new)
    times = np.clip((phases + taps) * single(base), -LOW_PASS_WIDTH, LOW_PASS_WIDTH)
    window = np.cos(times * single(np.pi) / single(LOW_PASS_WIDTH) / single(2)) ** 2
    times = times * single(np.pi)
    with np.errstate(invalid="ignore", divide="ignore"):
        sinc = np.where(times == 0, single(1), np.sin(times) / times)
    return (sinc * window * single(base / old)).astype(single)
