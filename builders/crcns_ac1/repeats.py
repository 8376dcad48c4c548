"""The repeats of a (stimulus, neuron) pair: cut from the traces, detrended, gated, binned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from builders.crcns_ac1.config import SPIKES_COHORT, CrcnsAc1Config
from builders.crcns_ac1.index import Cell, Presentation
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import ParameterError, RawDataError, RawFormatError
from deepstrf_hf.formats.matlab import MatlabStruct, load_variables
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.responses.detrend import medgauss_detrend
from deepstrf_hf.responses.gates import GATES
from deepstrf_hf.responses.spikes import detect_spikes, smoothed_samples_above_threshold

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Segment:
    """The part of a trace that a presentation covers.

    Parameters
    ----------
    presentation : Presentation
        Which.
    counts : ndarray, shape (samples,)
        As stored; shorter than the sound where the recording ended, and empty where it never was.
    scale : float
        Millivolts per count.
    rate_hz : float
        Rate of the trace, Hz.
    n_asked : int
        Samples of the whole sound.
    """

    presentation: Presentation
    counts: NDArray[np.generic]
    scale: float
    rate_hz: float
    n_asked: int

    @property
    def millivolts(self) -> Float:
        """The trace, mV."""
        return self.counts.astype(np.float64) * self.scale


@dataclass(eq=False)
class Pair:
    """What is left of the repeats of one (stimulus, neuron) pair.

    Parameters
    ----------
    n_recorded : int
        Repeats that were recorded.
    rejected : dict of str to str
        Gate by name of the repeat.
    kept : dict of str to ndarray of float32, shape (bins,)
        Binned response by name of the repeat, each of its own length.
    """

    n_recorded: int
    rejected: dict[str, str] = field(default_factory=dict)
    kept: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def n_bins(self) -> int:
        """Bins of the shortest repeat that was kept."""
        return min(len(values) for values in self.kept.values())

    def columns(self) -> dict[str, int | str]:
        """Return the recording columns."""
        by_gate = Counter(self.rejected.values())
        return {
            "n_recorded": self.n_recorded,
            **{f"n_rejected_{gate}": by_gate[gate] for gate in GATES},
            "trials": " ".join(self.kept),
        }

    def response(self, n_bins: int) -> NDArray[np.float32]:
        """Return the repeats on the bins of the stimulus, shape (repeats, n_bins); NaN where one ends before."""
        response = np.full((len(self.kept), n_bins), np.nan, np.float32)
        for row, values in zip(response, self.kept.values(), strict=True):
            row[: len(values)] = values[:n_bins]
        return response


def read_segments(raw: RawTree, cell: Cell, log: BuildLog) -> dict[str, list[Segment]]:
    """Read what a cell did during the presentations it has, file by file.

    Returns
    -------
    dict of str to list of Segment
        By ``stim_id``, in the order of presentation.

    Raises
    ------
    RawDataError
        A file that cannot be read, if the log does not skip it.
    """
    by_file: dict[str, list[Presentation]] = {}
    for trials in cell.presentations.values():
        for trial in trials:
            by_file.setdefault(trial.file, []).append(trial)
    kind = "trials" if cell.cohort == "wehr" else "recordings"
    read: dict[str, Segment] = {}
    for file, presented in by_file.items():
        name = presented[0].name.partition("#")[0]
        for segments in log.usable(kind, [(name, _read_file(raw, file, presented))]):
            read.update({segment.presentation.name: segment for segment in segments})
    return {
        stim_id: [read[trial.name] for trial in trials if trial.name in read]
        for stim_id, trials in cell.presentations.items()
    }


def _read_file(raw: RawTree, file: str, trials: Sequence[Presentation]) -> list[Segment] | RawDataError:
    try:
        path = raw.path(file)
        entries = MatlabStruct.entries(load_variables(path, ["response"])["response"], path, "response")
        if len(entries) != 1:
            raise RawFormatError(
                "A recording has no trace, or several", path=path, field="response", found=len(entries), expected=1
            )
        trace, scale, rate = entries[0].samples("trace"), entries[0].number("scale"), entries[0].number("sf")
        if not 0 < abs(scale) < float("inf") or not 0 < rate < float("inf"):
            raise entries[0].error("scale, sf", f"{scale:g} mV, {rate:g} Hz", "a scale other than 0, a positive rate")
        return [_cut(trial, trace, scale, rate, entries[0]) for trial in trials]
    except RawDataError as error:
        return error


def _cut(trial: Presentation, trace: NDArray[np.generic], scale: float, rate: float, entry: MatlabStruct) -> Segment:
    n_asked = round(trial.duration_ms * rate / 1000)
    first = max(0, trial.onset)
    counts = trace[first : first + n_asked].copy()  # a view would keep the whole trace
    if not np.isfinite(counts).all():
        raise entry.error("trace", f"values that are not finite, in {trial.name}", "finite values")
    return Segment(trial, counts, scale, rate, n_asked)


def bin_edges(n_samples: int, rate_hz: float, dt_ms: float, frames: str) -> NDArray[np.int64]:
    """Return the sample at which each bin begins, and the end of the last.

    Parameters
    ----------
    n_samples : int
        Length of the trace.
    rate_hz : float
        Its rate, Hz.
    dt_ms : float
        Width of a bin, ms.
    frames : str
        ``"fixed_hop"``: all bins have dt rounded to samples; ``"exact"``: each begins at the sample nearest to its
        time. The two are the same where dt is a whole number of samples.

    Returns
    -------
    ndarray of int64, shape (bins + 1,)
        What does not fill a bin is dropped; a trace shorter than one bin is one bin, an empty one has none.

    Raises
    ------
    ParameterError
        Bins narrower than a sample.
    """
    samples_per_bin = dt_ms * rate_hz / 1000
    if samples_per_bin < 1 - 1e-9:
        raise ParameterError(
            "Bins are narrower than a sample of the recordings",
            field="dt_ms",
            found=f"{dt_ms:g} ms",
            expected=f"at least {1000 / rate_hz:g} ms",
        )
    if frames == "fixed_hop":
        samples_per_bin = round(samples_per_bin)
    edges = np.round(np.arange(int(n_samples / samples_per_bin + 1e-9) + 1) * samples_per_bin).astype(np.int64)
    return np.array([0, n_samples]) if len(edges) == 1 and n_samples else edges


def process(segments: Sequence[Segment], cohort: str, config: CrcnsAc1Config) -> Pair:
    """Detrend, gate and bin the repeats of one pair.

    Parameters
    ----------
    segments : sequence of Segment
        All repeats. Those of one rate are compared with each other.
    cohort : str
        Of the cell: tells whether the response is a potential or spikes.
    config : CrcnsAc1Config
        Parameters.

    Returns
    -------
    Pair
        Rejected and kept repeats, in the order given.
    """
    verdicts: dict[str, str | None] = {}
    binned: dict[str, NDArray[np.float32]] = {}
    for rate in sorted({segment.rate_hz for segment in segments}):
        same = [segment for segment in segments if segment.rate_hz == rate]
        traces = [
            medgauss_detrend(
                segment.millivolts, rate, median_ms=config.detrend_med_ms, gauss_ms=config.detrend_gauss_ms
            )
            for segment in same
        ]
        for segment, trace, verdict in zip(same, traces, config.gates.judge(traces, rate), strict=True):
            verdicts[segment.presentation.name] = verdict.rejected_by
            if verdict.rejected_by is None:
                binned[segment.presentation.name] = _binned(trace, rate, cohort, config)
    pair = Pair(len(segments))
    for segment in segments:
        name = segment.presentation.name
        gate = verdicts[name]
        if gate is None:
            pair.kept[name] = binned[name]
        else:
            pair.rejected[name] = gate
    return pair


def _binned(trace: Float, rate: float, cohort: str, config: CrcnsAc1Config) -> NDArray[np.float32]:
    edges = bin_edges(len(trace), rate, config.dt_ms, config.frames)
    if cohort == SPIKES_COHORT and config.spikes == "events":
        times_ms = detect_spikes(
            trace, rate, threshold_sd=config.event_threshold_sd, refractory_ms=config.refractory_ms
        )
        # Compared as samples, so that a spike on an edge does not move with the rounding of its time.
        samples = np.round(times_ms * rate / 1000)
        return np.histogram(samples[samples < edges[-1]], edges)[0].astype(np.float32)
    if cohort == SPIKES_COHORT:
        # The published signal is detrended a second time.
        trace = medgauss_detrend(trace, rate, median_ms=config.detrend_med_ms, gauss_ms=config.detrend_gauss_ms)
        trace = smoothed_samples_above_threshold(trace, rate, config.spike_threshold_sd)
    sums = np.add.reduceat(trace[: edges[-1]], edges[:-1])
    return (sums / np.diff(edges)).astype(np.float32)
