"""Walk over Alice EEG: subject by subject, segment by segment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from builders.alice_eeg.config import AliceEegConfig
from builders.alice_eeg.release import RECORDING, Release, read_release
from builders.alice_eeg.segments import stim_id, usable_segments
from builders.alice_eeg.subject import Subject, cut, read_subject, recorded_bins
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Recording

NOTHING = "artefact, or after the end of the recording, throughout"


def chosen_subjects(release: Release, config: AliceEegConfig) -> dict[str, str]:
    """Return the recordings of the subjects that conditions leave, by subject."""
    wanted = config.where.get("neuron.subject")
    return {name: file for name, file in release.subjects.items() if wanted is None or name in wanted}


def walk(raw: RawTree, config: AliceEegConfig, part: str, log: BuildLog) -> Iterator[Recording]:
    """Yield the recordings of a subject, segment by segment.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    config : AliceEegConfig
        Parameters and conditions.
    part : str
        The subject.
    log : BuildLog
        What is left out.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A file cannot be used (with ``on_error="raise"``), or the release as a whole.
    ParameterError
        Corner frequencies that the recording does not allow.
    """
    release = read_release(raw)
    for folder in release.without:
        log.leave_out("subjects", folder, f"there is no {folder.rpartition('/')[2]}{RECORDING} in this folder")
    for subject in log.usable("subjects", _read(raw, release, part)):
        yield from _walk_subject(raw, release, config, subject, log)


def _read(raw: RawTree, release: Release, name: str) -> Iterator[tuple[str, Subject | RawDataError]]:
    try:
        yield name, read_subject(raw.root / release.subjects[name], name)
    except RawDataError as error:
        yield name, error


def _walk_subject(
    raw: RawTree, release: Release, config: AliceEegConfig, subject: Subject, log: BuildLog
) -> Iterator[Recording]:
    recording = subject.recording
    neurons = {
        channel.name: neuron
        for channel in recording.channels
        if config.keeps_neuron((neuron := subject.neuron(channel)).metadata)
    }
    if not neurons:
        return
    _report(subject, log)
    for channel in recording.channels:
        if channel.name in neurons:
            log.count("channels", neurons[channel.name].neuron_id, counts=True)
            log.count("bad_channels", neurons[channel.name].neuron_id, counts=channel.bad)
            if channel.bad:
                log.leave_out("channels", neurons[channel.name].neuron_id, "the lab marks it as bad")
                del neurons[channel.name]
    segments = [segment for segment in usable_segments(raw, release, config, log) if segment.number in subject.onsets_s]
    if not segments or not neurons:
        return
    for values in log.usable("subjects", _values(subject, list(neurons), config, log)):
        artefacts = subject.artefact_bins(config.rate_hz, values.shape[1])
        for segment in segments:
            stimulus, onset_s = segment.stimulus, subject.onsets_s[segment.number]
            n_bins = stimulus.spectrogram.shape[1]
            stretches = cut(values, artefacts, round(onset_s * config.rate_hz), n_bins)
            recorded = recorded_bins(stretches)
            if not any(recorded):
                log.leave_out("segments", f"{subject.name} {stimulus.stim_id}", NOTHING)
                log.leave_out_amount("rows", NOTHING, len(neurons))
                continue
            for neuron, stretch, n_recorded in zip(neurons.values(), stretches, recorded, strict=True):
                metadata = {"onset_s": onset_s, "missing_bins": n_bins - n_recorded}
                if n_recorded:
                    yield Recording(stimulus, neuron, stretch[None], metadata)
                else:
                    log.leave_out("rows", f"{stimulus.stim_id} {neuron.neuron_id}", NOTHING)


def _values(
    subject: Subject, channels: list[str], config: AliceEegConfig, log: BuildLog
) -> Iterator[tuple[str, NDArray[np.float32] | RawDataError]]:
    try:
        yield (
            subject.name,
            subject.recording.resampled(
                channels,
                config.rate_hz,
                high_pass_hz=config.high_pass_hz,
                low_pass_hz=config.low_pass_hz,
                remark=log.note,
            ),
        )
    except RawDataError as error:
        yield subject.name, error


def _report(subject: Subject, log: BuildLog) -> None:
    """Count what the papers count, and name what is not as in other recordings."""
    log.count("subjects", subject.name, counts=True)
    log.count("subjects_without_segment_1", subject.name, counts=1 in subject.missing_segments)
    for number in subject.missing_segments:
        log.leave_out("segments", f"{subject.name} {stim_id(number)}", "no annotation in the recording")
    for text in subject.ignored:
        log.leave_out_amount("annotations", f"neither a segment nor an artefact: {text!r}", 1)
    for remark in subject.recording.remarks:
        log.note(f"{subject.recording.path}: {remark}")
    if subject.recording.first_sample:
        log.note(
            f"The file of {subject.name} begins {subject.recording.first_sample} samples after its measurement; "
            "onsets are taken from its first sample."
        )
