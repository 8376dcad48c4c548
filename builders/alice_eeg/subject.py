"""The EEG of one subject: which segments it holds, and its samples on the bins of their spectrograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.alice_eeg.release import SEGMENTS
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.fif import Annotation, Channel, FifRecording, read_fif
from deepstrf_hf.recording import Neuron

AREA = "EEG"
ARTEFACT = "BAD"


@dataclass(frozen=True, eq=False)
class Subject:
    """A recording, as its header describes it.

    Parameters
    ----------
    name : str
        The subject.
    recording : FifRecording
        Header; it reads the samples.
    onsets_s : dict of int to float
        When the sound of each segment began, from the first sample, s; segments that were not heard are absent.
    artefacts : tuple of Annotation
        Stretches that are not to be used.
    ignored : tuple of str
        Texts of all other annotations.
    """

    name: str
    recording: FifRecording
    onsets_s: Mapping[int, float]
    artefacts: tuple[Annotation, ...]
    ignored: tuple[str, ...]

    @property
    def missing_segments(self) -> list[int]:
        """Segments without annotation."""
        return [number for number in SEGMENTS if number not in self.onsets_s]

    def neuron(self, channel: Channel) -> Neuron:
        """Return a channel of this subject as a neuron."""
        x, y, z = channel.position_m or (None, None, None)
        return Neuron(
            f"{self.name}-{channel.name}",
            {
                "channel_id": channel.name,
                "subject": self.name,
                "area": AREA,
                "x_m": x,
                "y_m": y,
                "z_m": z,
                "segments_present": ",".join(map(str, sorted(self.onsets_s))),
            },
        )

    def artefact_bins(self, rate_hz: float, n_bins: int) -> NDArray[np.bool_]:
        """Return which bins of the recording lie in an artefact.

        Its first bin is round(onset * rate), the bin after its last round((onset + duration) * rate), halves to even
        numbers, so that an artefact of no length covers none.

        Parameters
        ----------
        rate_hz : float
            Bins per second.
        n_bins : int
            Bins of the recording.

        Returns
        -------
        ndarray of bool, shape (n_bins,)
            True within an artefact.
        """
        covered = np.zeros(n_bins, bool)
        for artefact in self.artefacts:
            end_s = artefact.onset_s + max(artefact.duration_s, 0.0)
            covered[max(0, round(artefact.onset_s * rate_hz)) : max(0, round(end_s * rate_hz))] = True
        return covered


def read_subject(path: Path, name: str) -> Subject:
    """Read the header of a subject's recording.

    Raises
    ------
    RawFormatError
        The file cannot be read, no annotation is the number of a segment, or two are the same.
    """
    recording = read_fif(path)
    onsets: dict[int, float] = {}
    artefacts, ignored = [], []
    for annotation in recording.annotations:
        text = annotation.text.strip()
        number = int(text) if text.isascii() and text.isdigit() else None
        if number in SEGMENTS:
            if number in onsets:
                raise RawFormatError(
                    "Two annotations are of one segment, so that it cannot be told when it began",
                    path=path,
                    field=f"annotation {text!r}",
                    found=f"at {onsets[number]:g} s and {annotation.onset_s:g} s",
                    expected="one annotation per segment",
                    mend="leave the one there at which the sound of the segment began",
                )
            onsets[number] = annotation.onset_s
        elif text.upper().startswith(ARTEFACT):
            artefacts.append(annotation)
        else:
            ignored.append(annotation.text)
    if not onsets:
        texts = list(dict.fromkeys(annotation.text for annotation in recording.annotations))
        raise RawFormatError(
            "A recording does not say when its sounds began",
            path=path,
            field="annotations",
            found=", ".join(map(repr, texts[:8])) or "none",
            expected="annotations '1' to '12' at the onset of the segments",
            mend="use the restructured release, doi 10.13016/pulf-lndn, whose recordings have them",
        )
    return Subject(name, recording, onsets, tuple(artefacts), tuple(ignored))


def cut(values: NDArray[np.float32], artefacts: NDArray[np.bool_], start: int, n_bins: int) -> NDArray[np.float32]:
    """Cut a stretch out of a recording; bins in artefacts and outside of the recording are NaN.

    Parameters
    ----------
    values : ndarray of float32, shape (channels, bins of the recording)
        V.
    artefacts : ndarray of bool, shape (bins of the recording,)
        Which bins are not to be used.
    start : int
        First bin; below 0 where the stretch begins before the recording.
    n_bins : int
        Length of the stretch.

    Returns
    -------
    ndarray of float32, shape (channels, n_bins)
        V.
    """
    stretch = np.full((len(values), n_bins), np.nan, np.float32)
    first, last = max(start, 0), min(start + n_bins, values.shape[1])
    if first < last:
        inside = stretch[:, first - start : last - start]
        inside[:] = values[:, first:last]
        inside[:, artefacts[first:last]] = np.nan
    return stretch


def recorded_bins(stretches: NDArray[np.float32]) -> Sequence[int]:
    """Return how many bins of each channel hold a value."""
    counts: list[int] = np.isfinite(stretches).sum(axis=1).tolist()
    return counts
