"""The walk over one session of Wingert 2026: its cells, its sounds, and what each cell fired to each sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from builders.wingert2026.cells import CELL_LIST, CellValues
from builders.wingert2026.config import Wingert2026Config
from builders.wingert2026.onset import DEFAULT_MS, envelope, session_onset
from builders.wingert2026.release import SessionArchive, read_release, report_tree, select
from builders.wingert2026.session import (
    RATE_HZ,
    Session,
    SessionStimulus,
    largest_counts,
    read_largest_counts,
    read_session,
)
from builders.wingert2026.sounds import read_sounds, wav_files, wav_of
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.formats.nems_events import BinnedEvents
from deepstrf_hf.formats.wav import read_sound
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Recording, Stimulus

UINT8_MAX = 255


def walk(raw: RawTree, cohort: str, config: Wingert2026Config, part: str, log: BuildLog) -> Iterator[Recording]:
    """Yield the recordings of a session, sound by sound in ascending order of name.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    cohort : str
        Name of the cohort.
    config : Wingert2026Config
        Parameters and conditions.
    part : str
        Name of the session; or a broken archive that may hold one.
    log : BuildLog
        What is left out.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A file cannot be used (with ``on_error="raise"``), or the list of cells is not as published.
    """
    release = read_release(raw)
    selection = select(release, cohort, config)
    report_tree(release, selection, log)
    if part in release.broken:
        for _ in log.usable("archives", [(part, release.broken[part])]):
            pass
        return
    read: dict[str, str] = {}
    archives = release.sessions[part]
    largest = _largest_of_all(raw, archives, selection.cells) if len(archives) > 1 else {}
    for archive in archives:
        for cell in archive.channels:
            if cell not in release.cells:
                log.leave_out("units", cell, f"{archive.file}: not in {CELL_LIST}")
        yield from _walk_archive(raw, config, archive, selection.cells, largest, read, log)


def _walk_archive(
    raw: RawTree,
    config: Wingert2026Config,
    archive: SessionArchive,
    cells: Mapping[str, CellValues],
    largest: Mapping[str, int],
    read: dict[str, str],
    log: BuildLog,
) -> Iterator[Recording]:
    """Yield the recordings of one archive.

    Parameters
    ----------
    largest : mapping of str to int
        Largest counts in other recordings of the session, by cell.
    read : dict of str to str
        Archives of the session that have been read: file by digest of its content. This one is added.
    """
    for session in log.usable("archives", _read(raw, archive, log)):
        if session.digest in read:
            log.leave_out("archives", archive.file, f"the same recording as {read[session.digest]}")
            return
        label = archive.session
        if read:
            # A second recording of a session is data too; its stimuli take the name of its file besides.
            label += f"@{archive.file.rpartition('/')[2]}"
            log.note(f"{archive.file} holds another recording of {archive.session} than {', '.join(read.values())}.")
        read[session.digest] = archive.file
        binned = session.events.select([cell for cell in archive.channels if cell in cells]).binned(RATE_HZ)
        neurons = _neurons(session, binned, cells, largest)
        _count(session, label, [neuron for neuron in neurons if config.keeps_neuron(neuron.metadata)], log)
        _count_lost_spikes(session, binned, log)
        for stimulus, played in _stimuli(raw, config, archive.session, label, session, log):
            counts = binned.counts(played.starts, played.n_bins)
            if counts.max(initial=0) <= UINT8_MAX:  # else the table says that they do not fit
                counts = counts.astype(np.uint8)
            for neuron, response in zip(neurons, counts, strict=True):
                yield Recording(stimulus, neuron, response)


def _read(raw: RawTree, archive: SessionArchive, log: BuildLog) -> Iterator[tuple[str, Session | RawDataError]]:
    try:
        yield archive.file, read_session(raw.root / archive.file, archive.session, log)
    except RawDataError as error:
        yield archive.file, error


def _largest_of_all(
    raw: RawTree, archives: Sequence[SessionArchive], cells: Mapping[str, CellValues]
) -> dict[str, int]:
    """Return the largest count of each cell over several archives: a cell has one, however often it was recorded."""
    largest: dict[str, int] = {}
    for archive in archives:
        try:
            found = read_largest_counts(raw.root / archive.file, cells)
        except RawDataError:
            continue  # it is told when its turn comes
        for cell, count in found.items():
            largest[cell] = max(count, largest.get(cell, 0))
    return largest


def _neurons(
    session: Session, binned: BinnedEvents, cells: Mapping[str, CellValues], largest: Mapping[str, int]
) -> list[Neuron]:
    counts = largest_counts(binned, session.n_bins).tolist()
    return [
        Neuron(cell, {**cells[cell], "recording_max": max(count, largest.get(cell, 0))})
        for cell, count in zip(binned.channels, counts, strict=True)
    ]


def _count(session: Session, label: str, neurons: list[Neuron], log: BuildLog) -> None:
    """Count what the paper and the documents of the corpus count."""
    log.count("sessions", label, counts=bool(neurons))
    for n_bins in sorted({stimulus.n_bins for stimulus in session.stimuli}):
        log.count(f"sessions_of_{n_bins}_bins", label, counts=bool(neurons))
    for neuron in neurons:
        log.count(f"layer_{neuron.metadata['layer'] or 'unknown'}", neuron.neuron_id, counts=True)
        log.count("narrow", neuron.neuron_id, counts=neuron.metadata["narrow"] is True)
        log.count("goodpred", neuron.neuron_id, counts=neuron.metadata["goodpred"] is True)


def _count_lost_spikes(session: Session, binned: BinnedEvents, log: BuildLog) -> None:
    spans = [(start, start + stimulus.n_bins) for stimulus in session.stimuli for start in stimulus.starts.tolist()]
    outside = int(binned.outside(np.array(spans)).sum())
    log.leave_out_amount("spikes", "between the sounds, or before and after them", outside)


class _Sounds(NamedTuple):
    """Sound files of the stimuli of a session, by stimulus, and when all of them begin."""

    files: Mapping[str, str]
    onset_ms: float


def _stimuli(
    raw: RawTree, config: Wingert2026Config, name: str, label: str, session: Session, log: BuildLog
) -> Iterator[tuple[Stimulus, SessionStimulus]]:
    """Yield the stimuli that are built, in ascending order of their names."""
    ranges = {"recording": session.recording_range, "tiles": session.tiles_range}
    sounds = _sounds(raw, config, label, session, log)
    for played in session.stimuli:
        file = sounds.files.get(played.name)
        metadata = {
            "name": played.name,
            "session": name,
            "content_id": played.content_id,
            "n_presentations": len(played.starts),
            "count_rule_subset": played.count_rule_subset,
            "presented_bins": played.presented_bins,
            "first_sound_ms": played.first_sound_ms,
            "wav": None if file is None else file.rpartition("/")[2],
        }
        if not config.keeps_stimulus(metadata):
            continue
        sound = None if file is None else read_sound(raw.root / file)
        stimulus = Stimulus(
            f"{label}-{played.name}",
            played.spectrogram,
            metadata,
            waveform=None if sound is None else sound.samples,
            sample_rate_hz=None if sound is None else float(sound.sample_rate_hz),
            audio_onset_ms=sounds.onset_ms,
            subset=played.subset,
            band_ranges=ranges,
        )
        yield stimulus, played


def _sounds(raw: RawTree, config: Wingert2026Config, label: str, session: Session, log: BuildLog) -> _Sounds:
    """Find the sound files of a session, and when its sounds begin in their spectrograms."""
    files = wav_files(raw)
    if not files:
        log.note("There are no sound files in this tree, so that stimuli have no waveforms.")
        return _Sounds({}, DEFAULT_MS)
    of_stimuli = {stimulus.name: file for stimulus in session.stimuli if (file := wav_of(stimulus.name, files))}
    for stimulus in session.stimuli:
        if stimulus.name not in of_stimuli:
            log.leave_out("waveforms", f"{label} {stimulus.name}", "there is no sound file of its name")
    spectrograms = {
        file: stimulus.spectrogram for stimulus in session.stimuli if (file := of_stimuli.get(stimulus.name))
    }
    usable: set[str] = set()

    def compared() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for file, sound in log.usable("waveforms", read_sounds(raw, spectrograms)):
            usable.add(file)
            yield spectrograms[file], envelope(sound.one_channel(), sound.sample_rate_hz)

    onset = session_onset(compared())
    n_bins = max(stimulus.n_bins for stimulus in session.stimuli)
    onset_ms = onset.onset_ms
    if config.prestim_ms is not None:
        onset_ms = config.prestim_ms
    if onset.found:
        log.count(f"sessions_of_{n_bins}_bins_with_sound_at_{onset.onset_ms:g}_ms", label, counts=True)
    elif usable:
        log.count(f"sessions_of_{n_bins}_bins_with_sound_at_unknown_time", label, counts=True)
        log.note(
            "Where spectrograms and sounds of a session do not tell when the sound begins, waveforms begin "
            f"{DEFAULT_MS:g} ms after the first bin, as in deepSTRF 0.1.0 (prestim_ms sets another time)."
        )
    return _Sounds({name: file for name, file in of_stimuli.items() if file in usable}, onset_ms)
