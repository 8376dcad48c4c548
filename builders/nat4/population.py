"""The population recording of an area: all cells and all clips, with val clips averaged over their repeats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.nat4.responses import PopulationResponses
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import MissingRawFileError, RawDataError
from deepstrf_hf.formats.nems import NemsRecording, read_recording
from deepstrf_hf.formats.nems_epochs import STIMULUS_PREFIX, EpochTable
from deepstrf_hf.raw_tree import RawTree

RATE_HZ = 100
N_BANDS = 18
VAL_PREFIX = f"{STIMULUS_PREFIX}00"
"""Names of the val clips begin so: ``STIM_00cat172_...``; those of the estimation clips ``STIM_cat...``."""
LEAST_LINEAR = -0.1
"""log(1 + 10 x), the published compression, needs values above."""


def recording_name(area: str) -> str:
    """Return the name of the population recording of ``"A1"`` or ``"PEG"``, without its ending."""
    return f"{area}_NAT4_ozgf.fs100.ch18"


@dataclass(frozen=True, eq=False)
class Clip:
    """A sound, and where it stands in the population recording.

    Parameters
    ----------
    name : str
        Of its epoch, beginning with ``STIM_``.
    spans : tuple of (int, int)
        First bin, and bin after the last, of each presentation; all of one length.
    silence_before_s, silence_after_s : float or None
        Of the first presentation; None where the table does not state it.
    """

    name: str
    spans: tuple[tuple[int, int], ...]
    silence_before_s: float | None
    silence_after_s: float | None

    @property
    def n_bins(self) -> int:
        """Bins of a presentation."""
        return self.spans[0][1] - self.spans[0][0]

    @property
    def subset(self) -> str:
        """The lab's word for what the clip is for: ``"est"`` or ``"val"``."""
        return "val" if self.name.startswith(VAL_PREFIX) else "est"


@dataclass(frozen=True, eq=False)
class Population:
    """A population recording.

    Parameters
    ----------
    cells : tuple of str
        Names, in the order of record.
    clips : tuple of Clip
        In ascending order of their names.
    listed : frozenset of str
        Names of all clips of the epoch table, those that cannot be used included.
    responses : PopulationResponses
        What the cells did.
    cochleagram : ndarray of float32, shape (bands, bins)
        Of the whole recording, linear, NaN where missing.
    """

    cells: tuple[str, ...]
    clips: tuple[Clip, ...]
    listed: frozenset[str]
    responses: PopulationResponses
    cochleagram: NDArray[np.float32]

    def band_range(self) -> NDArray[np.float32]:
        """Return low and high of each band over the whole recording, shape (bands, 2)."""
        low, high = np.fmin.reduce(self.cochleagram, axis=1), np.fmax.reduce(self.cochleagram, axis=1)
        return np.nan_to_num(np.stack([low, high], axis=1))  # a band without any value is stored as zeros


def find_population(raw: RawTree, area: str) -> Path:
    """Return the archive of the population recording, or the directory of that name where it was unpacked.

    Raises
    ------
    MissingRawFileError
        Neither is there.
    """
    name = recording_name(area)
    for path in (raw.root / f"{name}.tgz", raw.root / name):
        if path.exists():
            return path
    raise MissingRawFileError(
        f"The population recording of {area} is missing",
        path=raw.root / f"{name}.tgz",
        expected="the archive, or the directory of that name that it unpacks to",
        mend="complete the download, or name the cohorts that are to be built: cohorts=[...]",
    )


def read_population(raw: RawTree, area: str, log: BuildLog) -> Population:
    """Read a population recording in one pass.

    Raises
    ------
    MissingRawFileError, RawFormatError
        It is missing, cut short, or not as published.
    """
    path = find_population(raw, area)
    if path.suffix == ".tgz" and (raw.root / recording_name(area)).is_dir():
        log.note(f"{area}: the population recording is there packed and unpacked; the archive was read.")
    responses = PopulationResponses()
    recording = read_recording(path, ("resp", "stim"), raster_sinks={"resp": responses.add})
    resp, stim = recording.signal("resp"), recording.signal("stim")
    for signal in (resp, stim):
        signal.require_rate(RATE_HZ)
    cells = resp.require_channels()
    recording.raster("resp")  # checked against its header; its values went to `responses`
    cochleagram = recording.raster("stim").values
    if len(cochleagram) != N_BANDS:
        raise stim.error("A cochleagram has another number of bands", "chans", len(cochleagram), N_BANDS)
    if cochleagram.shape[1] != responses.n_bins:
        raise stim.error("Cochleagram and responses differ in length", "bins", cochleagram.shape[1], responses.n_bins)
    if (cochleagram <= LEAST_LINEAR).any():
        raise stim.error(
            "A cochleagram is not linear", "values", f"down to {np.nanmin(cochleagram):g}", f"above {LEAST_LINEAR}"
        )
    clips = tuple(log.usable("clips", _read_clips(recording, responses.n_bins, log)))
    within = np.zeros(responses.n_bins, np.bool_)
    for clip in clips:
        for start, stop in clip.spans:
            within[start:stop] = True
    log.leave_out_amount("bins of the population recording", "in no clip", int((~within).sum()))
    listed = frozenset(recording.epochs("resp").names(STIMULUS_PREFIX))
    return Population(cells, clips, listed, responses, cochleagram)


def _read_clips(recording: NemsRecording, n_bins: int, log: BuildLog) -> list[tuple[str, Clip | RawDataError]]:
    """Return all clips of the epoch table, or why one cannot be used."""
    epochs, of_sound = recording.epochs("resp"), recording.epochs("stim")
    clips: list[tuple[str, Clip | RawDataError]] = []
    for name in sorted(epochs.names(STIMULUS_PREFIX)):
        try:
            clips.append((name, _clip(name, epochs, of_sound, n_bins, log)))
        except RawDataError as error:
            clips.append((name, error))
    for name in sorted(set(of_sound.names(STIMULUS_PREFIX)) - set(epochs.names(STIMULUS_PREFIX))):
        log.leave_out("clips", name, "the responses of the population recording have no such epoch")
    return clips


def _clip(name: str, epochs: EpochTable, of_sound: EpochTable, n_bins: int, log: BuildLog) -> Clip:
    spans = epochs.spans(name, RATE_HZ, n_bins)
    heard = of_sound.spans(name, RATE_HZ, n_bins)
    if spans.shape != heard.shape or (spans != heard).any():
        raise epochs.error(
            "Responses and cochleagram disagree on when a clip was played", name, spans.tolist(), heard.tolist()
        )
    lengths = spans[:, 1] - spans[:, 0]
    if lengths[0] < 1:
        raise epochs.error("A clip has no length", name, "0 bins", "at least one bin of 10 ms")
    for number in np.flatnonzero(lengths != lengths[0]):
        log.leave_out("presentations", f"{name}, {number + 1}", f"{lengths[number]} bins long, the first {lengths[0]}")
    before, after = epochs.silences(name)
    return Clip(
        name,
        tuple((int(start), int(stop)) for start, stop in spans[lengths == lengths[0]]),
        None if np.isnan(before[0]) else float(before[0]),
        None if np.isnan(after[0]) else float(after[0]),
    )
