"""The walk over a group of sounds: who heard them, how long they are, and what the cells did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from builders.crcns_ac1.config import CrcnsAc1Config
from builders.crcns_ac1.index import Cell, Findings, Index, Presentation, Sound
from builders.crcns_ac1.repeats import Pair, Segment, bin_edges, process, read_segments
from builders.crcns_ac1.sounds import Waveform, make_stimulus, read_waveform
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.responses.gates import GATES

GROUPS = 4
"""Parts of a cohort. Each reads the long traces anew, so there are only as many as processes usually are."""


@dataclass(frozen=True, eq=False)
class SoundGroup(Part):
    """Some sounds in ascending order of ``stim_id``, and all cells that heard them.

    Parameters
    ----------
    sounds : tuple of Sound
        What to build.
    cells : tuple of Cell
        Every cell of the experimenter that heard one of them, in the lab's order, whichever cohort it belongs to: a
        stimulus is as long as the shortest of all their repeats.
    wanted : frozenset of str
        ``neuron_id`` of the cells to build.
    findings : Findings or None
        What the index left out, to be reported by one group.
    """

    sounds: tuple[Sound, ...] = ()
    cells: tuple[Cell, ...] = ()
    wanted: frozenset[str] = frozenset()
    findings: Findings | None = None


def sound_groups(index: Index, cohort: str, config: CrcnsAc1Config) -> list[SoundGroup]:
    """Divide the sounds of a cohort into groups of about as many presentations."""
    stimuli, wanted = index.chosen(cohort, config)
    presentations = [
        sum(len(cell.presentations.get(stim_id, ())) for cell in index.cells if cell.neuron.neuron_id in wanted)
        for stim_id in stimuli
    ]
    before = np.cumsum([0, *presentations])[:-1]
    number = (before * GROUPS // max(sum(presentations), 1)).tolist()
    groups = []
    for group in range(GROUPS):
        members = {stim_id for stim_id, of_group in zip(stimuli, number, strict=True) if of_group == group}
        if not members and group > 0:
            continue
        cells = [cell.hearing(members) for cell in index.cells]
        groups.append(
            SoundGroup(
                f"sounds{group}",
                sounds=tuple(index.sounds[stim_id] for stim_id in sorted(members)),
                cells=tuple(cell for cell in cells if cell.presentations),
                wanted=frozenset(wanted),
                findings=index.findings if group == 0 else None,
            )
        )
    return groups


class GroupWalk:
    """Processes the cells of a group and yields their recordings.

    Parameters
    ----------
    raw, config, group, log
        As the builder gets them.
    """

    def __init__(self, raw: RawTree, config: CrcnsAc1Config, group: SoundGroup, log: BuildLog) -> None:
        self.raw, self.config, self.group, self.log = raw, config, group, log
        self.pairs: dict[str, dict[int, Pair]] = {sound.stim_id: {} for sound in group.sounds}
        """By ``stim_id`` and position of the cell: its own cells, and of the others those that matter."""
        self.asked_bins: dict[str, int] = {}
        """Bins of the longest presentation of each stimulus, whoever heard it."""

    def recordings(self) -> Iterator[Recording]:
        """Yield the recordings, stimulus by stimulus (errors as in the builder)."""
        for position, cell in enumerate(self.group.cells):
            if self._is_wanted(cell):
                self._process_own(position, cell)
        for position, cell in enumerate(self.group.cells):
            if not self._is_wanted(cell):
                self._process_other(position, cell)
        for sound in self.group.sounds:
            own = {at: pair for at, pair in self._kept(sound.stim_id).items() if self._is_wanted(self.group.cells[at])}
            if not own:
                continue
            for waveform in self.log.usable("stimuli", [(sound.stim_id, self._waveform(sound))]):
                first = self._first_trial(sound.stim_id)
                n_bins = self._n_bins(sound.stim_id, waveform, first.duration_ms)
                columns = {**dict(first.columns), "duration_s": first.duration_ms / 1000}
                stimulus = make_stimulus(sound, waveform, n_bins, self.config, columns, self.log)
                for position, pair in own.items():
                    neuron = self.group.cells[position].neuron
                    yield Recording(stimulus, neuron, pair.response(n_bins), pair.columns())

    def _is_wanted(self, cell: Cell) -> bool:
        return cell.neuron.neuron_id in self.group.wanted

    def _kept(self, stim_id: str) -> dict[int, Pair]:
        """Return the pairs that kept a repeat, in the lab's order of cells."""
        return {position: pair for position, pair in sorted(self.pairs[stim_id].items()) if pair.kept}

    def _process_own(self, position: int, cell: Cell) -> None:
        for stim_id, segments in self._read(cell).items():
            pair = process(segments, cell.cohort, self.config)
            self.pairs[stim_id][position] = pair
            self._report(pair, segments, f"{stim_id}, {cell.neuron.neuron_id}")

    def _process_other(self, position: int, cell: Cell) -> None:
        """Process what another cell contributes to the length and the metadata of a stimulus, and nothing else."""
        relevant = {stim_id for stim_id in cell.presentations if self._kept(stim_id)}
        for stim_id, segments in self._read(cell.hearing(relevant)).items():
            kept = self._kept(stim_id)
            shortest = min(pair.n_bins for pair in kept.values())
            lengths = [self._bins_of(segment, len(segment.counts)) for segment in segments if len(segment.counts)]
            may_shorten = self.config.length == "common" and min(lengths, default=shortest) < shortest
            if may_shorten or position < min(kept):
                self.pairs[stim_id][position] = process(segments, cell.cohort, self.config)

    def _read(self, cell: Cell) -> dict[str, list[Segment]]:
        read = read_segments(self.raw, cell, self.log) if cell.presentations else {}
        for stim_id, segments in read.items():
            asked = [self._bins_of(segment, segment.n_asked) for segment in segments]
            self.asked_bins[stim_id] = max([self.asked_bins.get(stim_id, 0), *asked])
        return read

    def _bins_of(self, segment: Segment, n_samples: int) -> int:
        return len(bin_edges(n_samples, segment.rate_hz, self.config.dt_ms, self.config.frames)) - 1

    def _report(self, pair: Pair, segments: list[Segment], name: str) -> None:
        reasons = {
            "range": "range gate: empty" + _beyond(self.config.range_gate_mv, ", or beyond {:g} mV"),
            "step": "step gate" + _beyond(self.config.step_gate_mv, ": steps of more than {:g} mV"),
            "cross_trial": "cross-trial gate"
            + _beyond(self.config.cross_trial_gate_r, ": correlation with the other repeats below {:g}"),
        }
        for trial, gate in pair.rejected.items():
            self.log.leave_out("repeats", trial, reasons[gate])
        for trial in [*pair.kept, *pair.rejected]:
            for gate in GATES:
                self.log.count(f"rejected_{gate}", trial, pair.rejected.get(trial) == gate)
        if segments and not pair.kept:
            self.log.leave_out("pairs", name, "every repeat was rejected")
        for segment in segments:
            self._report_bins(segment.rate_hz)
            if segment.presentation.onset < 0:
                late_ms = -segment.presentation.onset * 1000 / segment.rate_hz
                self.log.note(
                    f"{segment.presentation.name}: its sound began {late_ms:.1f} ms before the recording; its bins are "
                    "counted from the first sample, as published."
                )
            missing = segment.n_asked - len(segment.counts)
            if missing > 0:
                missing_ms = missing * 1000 / segment.rate_hz
                self.log.note(
                    f"{segment.presentation.name}: the recording lacks the last {missing_ms:.1f} ms of its sound"
                )

    def _report_bins(self, rate_hz: float) -> None:
        samples = self.config.dt_ms * rate_hz / 1000
        if self.config.frames == "fixed_hop" and abs(round(samples) - samples) > 1e-9 * samples:
            width_ms = round(samples) * 1000 / rate_hz
            self.log.note(
                f"Recordings of {rate_hz:g} Hz: bins of the responses are {round(samples)} samples ({width_ms:.5f} ms) "
                f"wide, as published, where dt_ms is {self.config.dt_ms:g}; frames=exact avoids it."
            )

    def _waveform(self, sound: Sound) -> Waveform | RawDataError:
        try:
            return read_waveform(self.raw, sound)
        except RawDataError as error:
            return error

    def _first_trial(self, stim_id: str) -> Presentation:
        """Return the first trial of the first cell that kept a repeat: what cells differ in is taken from it."""
        return self.group.cells[min(self._kept(stim_id))].presentations[stim_id][0]

    def _n_bins(self, stim_id: str, waveform: Waveform, duration_ms: float) -> int:
        """Return the bins of a stimulus: as published, or of its longest presentation."""
        n_frames = waveform.n_frames(self.config)
        if self.config.length == "own":
            return min(n_frames, self.asked_bins[stim_id])
        kept = self._kept(stim_id)
        shortest = min(pair.n_bins for pair in kept.values())
        n_bins = min(count for count in (n_frames, round(duration_ms / self.config.dt_ms), shortest) if count > 0)
        asked = min(n_frames, self.asked_bins[stim_id])
        if n_bins < asked:
            by = [self.group.cells[at].neuron.neuron_id for at, pair in kept.items() if pair.n_bins == n_bins]
            self.log.note(
                f"{stim_id}: {n_bins} of {asked} bins are kept, for all cells, because of "
                + (f"the shortest repeat of {by[0]}" if by else "the duration that its first trial states")
                + "; length=own keeps the rest."
            )
        return n_bins


def _beyond(threshold: float | None, text: str) -> str:
    return "" if threshold is None else text.format(threshold)
