"""The walk over a session: its channels file by file, then its stimuli one by one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from builders.downer2025.config import Downer2025Config
from builders.downer2025.release import Channel, read_release
from builders.downer2025.stimuli import CLASSES, Presented, StimulusClass, read_stimuli
from builders.downer2025.trials import Layout, Spikes, TrialTable, read_spikes, read_trials
from builders.downer2025.tuning import SessionTuning
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Recording

FILES_AHEAD = 2
SHOWN = 5
"""Stimuli that a note names."""


@dataclass(frozen=True, eq=False)
class _Counted:
    """A channel, and the counts of all its trials."""

    neuron: Neuron
    layout: Layout
    counts: np.ndarray


def walk(raw: RawTree, config: Downer2025Config, part: str, log: BuildLog) -> Iterator[Recording]:
    """Yield the recordings of a session, stimulus by stimulus in ascending order of their numbers.

    Spikes are counted as files are read and then forgotten: what is held at a time is the counts of one session, the
    spikes of one channel, and the stimuli.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    config : Downer2025Config
        Cohort, parameters and conditions.
    part : str
        Name of the session.
    log : BuildLog
        What is left out.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A file cannot be used (with ``on_error="raise"``), or those of the stimuli or sessions are not as published.
    """
    of_class = CLASSES[config.cohort]
    release = read_release(raw)
    release.report(log)
    stimuli = read_stimuli(raw, config).usable(log)
    for presented in stimuli:
        log.count(f"{of_class.plural}_in_the_release", of_class.stim_id(presented.code), counts=True)
    channels = release.sessions[part].channels
    tables = {channel.file: _table(raw, channel, of_class) for channel in channels}
    common = _common_table([table for table in tables.values() if isinstance(table, TrialTable)])
    if common is not None and not _check_session(part, common, of_class, stimuli, log):
        return
    counted = list(_count(raw, config, channels, tables, common, stimuli, log))
    _count_neurons(part, counted, log)
    for presented in stimuli:
        if presented.stimulus is not None:
            for channel in counted:
                if presented.code in channel.layout.rows:
                    response = channel.layout.response(channel.counts, presented.code)
                    yield Recording(presented.stimulus, channel.neuron, response)


def _table(raw: RawTree, channel: Channel, of_class: StimulusClass) -> TrialTable | RawDataError:
    try:
        return read_trials(raw.root / channel.file, of_class.field)
    except RawDataError as error:
        return error


def _common_table(tables: Sequence[TrialTable]) -> TrialTable | None:
    """Return the table that most channels of a session hold, of several the one that comes first; None of none."""
    times = Counter(table.key() for table in tables)
    return max(tables, key=lambda table: times[table.key()], default=None)


def _check_session(
    part: str, table: TrialTable, of_class: StimulusClass, stimuli: Sequence[Presented], log: BuildLog
) -> bool:
    """Say what a session played otherwise than published; return False if it played nothing of the class."""
    played = table.presentations()
    if not played:
        log.leave_out("sessions", part, f"it played no {of_class.plural}")
        return False
    known = {presented.code: presented for presented in stimuli}
    for code in sorted(played.keys() - known.keys()):
        name = f"{of_class.stim_id(code)} in {part}"
        log.leave_out(of_class.plural, name, f"played {played[code]} times, and there is no sound of that number")
    expected = {code: known[code].n_published for code in played.keys() & known.keys()}
    if not expected:
        return True
    # Some sessions played everything twice.
    ratios = Counter(played[code] / times for code, times in expected.items())
    usual = max(ratios, key=lambda ratio: (ratios[ratio], -ratio))
    factor = int(usual) if usual == int(usual) else 1
    odd = [code for code in sorted(expected) if played[code] != factor * expected[code]]
    if factor != 1:
        log.note(f"Session {part} played everything {factor} times as often as published.")
    if odd:
        named = ", ".join(
            f"{of_class.stim_id(code)} {played[code]} times instead of {factor * expected[code]}"
            for code in odd[:SHOWN]
        )
        more = f" and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
        log.note(f"Session {part} played {named}{more}.")
    return True


def _count(
    raw: RawTree,
    config: Downer2025Config,
    channels: Sequence[Channel],
    tables: Mapping[str, TrialTable | RawDataError],
    common: TrialTable | None,
    stimuli: Sequence[Presented],
    log: BuildLog,
) -> Iterator[_Counted]:
    """Read channel after channel and count its spikes."""
    of_class = CLASSES[config.cohort]
    n_bins = {presented.code: presented.n_bins for presented in stimuli}
    tuning = SessionTuning(of_class, stimuli, config.tuning_resamples)
    layouts: dict[bytes, Layout] = {}
    kept = [channel for channel in channels if channel.may_be_kept(config)]
    for channel, own, spikes in log.usable("channels", _read(raw, kept, tables)):
        table = own if common is None else _right_table(channel, own, common, spikes, log)
        if table.key() not in layouts:
            layouts[table.key()] = Layout.of(table, n_bins, config.dt_ms)
        layout = layouts[table.key()]
        if not layout.rows:
            log.leave_out("channels", channel.cell_id, f"its file tells of no {of_class.plural}")
            continue
        counts, outside = layout.count(spikes.times_s)
        log.leave_out_amount("spikes", f"not during {of_class.plural}", outside)
        metadata = {**channel.metadata, **tuning.columns(table, spikes.times_s)}
        neuron = Neuron(channel.cell_id, metadata)
        if config.keeps_neuron(metadata):
            yield _Counted(neuron, layout, counts)


def _read(
    raw: RawTree, channels: Sequence[Channel], tables: Mapping[str, TrialTable | RawDataError]
) -> Iterator[tuple[str, tuple[Channel, TrialTable, Spikes] | RawDataError]]:
    """Read files some ahead of where they are needed: most of the time goes into undoing their compression."""
    ahead: deque[tuple[str, Future[tuple[Channel, TrialTable, Spikes] | RawDataError]]] = deque()
    with ThreadPoolExecutor(FILES_AHEAD) as pool:
        for channel in channels:
            ahead.append((channel.file, pool.submit(_read_one, raw, channel, tables[channel.file])))
            if len(ahead) > FILES_AHEAD:
                file, future = ahead.popleft()
                yield file, future.result()
        for file, future in ahead:
            yield file, future.result()


def _read_one(
    raw: RawTree, channel: Channel, table: TrialTable | RawDataError
) -> tuple[Channel, TrialTable, Spikes] | RawDataError:
    if isinstance(table, RawDataError):
        return table
    try:
        return channel, table, read_spikes(raw.root / channel.file, table)
    except RawDataError as error:
        return error


def _right_table(channel: Channel, own: TrialTable, common: TrialTable, spikes: Spikes, log: BuildLog) -> TrialTable:
    """Return the table that a channel's spikes belong to: its own, unless its spikes say that it is the session's."""
    if own.key() == common.key():
        return common
    differs = f"{channel.file} holds another table of trials than most channels of its session"
    if spikes.fits(common) and not spikes.fits(own):
        log.note(f"{differs}; its own times from trial onset are those of the session's table, which is used.")
        return common
    log.note(f"{differs}, and is counted by its own.")
    return own


def _count_neurons(part: str, counted: Sequence[_Counted], log: BuildLog) -> None:
    """Count what the papers and documents of the corpus count."""
    log.count("sessions", part, counts=bool(counted))
    for channel in counted:
        name, metadata = channel.neuron.neuron_id, channel.neuron.metadata
        _count_one(name, metadata, log)
        for column in ("tuned", "well_tuned"):
            if metadata[column] is not None:
                log.count(column, name, counts=metadata[column])


def _count_one(name: str, metadata: Mapping[str, Any], log: BuildLog) -> None:
    for group in ("core", "non-primary"):
        log.count(group.replace("-", "_"), name, counts=metadata["area_group"] == group)
    log.count("a1", name, counts=metadata["deepstrf_area"] == "A1")
    log.count("monkey_b", name, counts=metadata["animal_id"] == "b")
