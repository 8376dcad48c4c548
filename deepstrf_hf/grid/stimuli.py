"""Stimuli of a grid: all spectrograms or waveforms in one buffer, and the transform they get when handed out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.grid.shared import GatheredArray, SharedArray


@dataclass(frozen=True, eq=False)
class Standardization:
    """Shift and scale of stimuli, ``(stimulus - mean) / std``.

    Parameters
    ----------
    mean, std : ndarray of float32, shape (bands, 1) or (1, 1)
        Per band, or one for all.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def apply(self, stimulus: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a stimulus standardized, shape as given."""
        of_waveform = stimulus.ndim == 1
        shifted = (stimulus[None] if of_waveform else stimulus) - self.mean
        shifted /= self.std
        return shifted[0] if of_waveform else shifted


@dataclass(frozen=True, eq=False)
class PackedStimuli(Sequence[NDArray[np.float32]]):
    """Stimuli back to back in flat buffers; an entry is float32 (bands, bins), or (samples,) of a waveform.

    Parameters
    ----------
    buffers : tuple of SharedArray
        Values; several where data sets were concatenated.
    buffer : ndarray of int16, shape (stimuli,)
        Buffer of each stimulus.
    offset : ndarray of int64, shape (stimuli,)
        Where it begins; stimuli of the same content may share a place.
    bands : ndarray of int32, shape (stimuli,)
        Frequency bands; 0 for a waveform.
    length : ndarray of int64, shape (stimuli,)
        Bins or samples.
    transforms : tuple of tuple of Standardization
        For each buffer, what is done when its stimuli are handed out.
    """

    buffers: tuple[SharedArray, ...]
    buffer: NDArray[np.int16]
    offset: NDArray[np.int64]
    bands: NDArray[np.int32]
    length: NDArray[np.int64]
    transforms: tuple[tuple[Standardization, ...], ...]

    @classmethod
    def pack(cls, arrays: Sequence[NDArray[np.float32]], *, copy: bool = True) -> PackedStimuli:
        """Take stimuli as one buffer; an array that occurs several times is taken once.

        Parameters
        ----------
        arrays : sequence of ndarray of float32
            (bands, bins) or (samples,) each.
        copy : bool
            Whether they are copied together, or stay where they lie.
        """
        place: dict[int, int] = {}
        pieces: list[NDArray[np.float32]] = []
        offset, total = np.zeros(len(arrays), np.int64), 0
        for index, array in enumerate(arrays):
            if id(array) not in place:
                place[id(array)] = total
                total += array.size
                own = np.ascontiguousarray(array, np.float32)
                pieces.append(own if copy or own.flags.writeable else own.copy())  # torch knows no read-only memory
            offset[index] = place[id(array)]
        gathered = GatheredArray(pieces) if pieces else SharedArray(np.empty(0, np.float32))
        return cls(
            (SharedArray(gathered.array) if copy else gathered,),
            np.zeros(len(arrays), np.int16),
            offset,
            np.array([array.shape[0] if array.ndim == 2 else 0 for array in arrays], np.int32),
            np.array([array.shape[-1] for array in arrays], np.int64),
            ((),),
        )

    @classmethod
    def of_pieces(cls, pieces: Sequence[NDArray[np.float32]], shapes: Sequence[Sequence[int]]) -> PackedStimuli:
        """Take stimuli that lie back to back in flat arrays, which stay where they are.

        Parameters
        ----------
        pieces : sequence of ndarray of float32
            Flat, contiguous, writable; nobody else's.
        shapes : sequence of sequence of int
            (bands, bins) or (samples,) of each stimulus, in order.
        """
        sizes = np.array([math.prod(shape) for shape in shapes], np.int64)
        return cls(
            (SharedArray(pieces[0]) if len(pieces) == 1 else GatheredArray(pieces),),
            np.zeros(len(shapes), np.int16),
            np.cumsum(sizes) - sizes,
            np.array([shape[0] if len(shape) == 2 else 0 for shape in shapes], np.int32),
            np.array([shape[-1] for shape in shapes], np.int64),
            ((),),
        )

    def __len__(self) -> int:
        return len(self.offset)

    def __getitem__(self, index: int) -> NDArray[np.float32]:  # type: ignore[override]
        source, begin = int(self.buffer[index]), int(self.offset[index])
        bands, length = int(self.bands[index]), int(self.length[index])
        stimulus: NDArray[np.float32] = self.buffers[source].part(begin, begin + max(1, bands) * length)
        if bands:
            stimulus = stimulus.reshape(bands, length)
        for transform in self.transforms[source]:
            stimulus = transform.apply(stimulus)
        return stimulus

    def with_transform(self, transform: Standardization) -> PackedStimuli:
        """Return the stimuli with one more transform for all of them."""
        return replace(self, transforms=tuple((*done, transform) for done in self.transforms))

    @classmethod
    def join(cls, several: Sequence[PackedStimuli]) -> PackedStimuli:
        """Return the stimuli of several, one after another, sharing their values."""
        before = np.cumsum([0, *(len(stimuli.buffers) for stimuli in several)])
        return cls(
            tuple(buffer for stimuli in several for buffer in stimuli.buffers),
            np.concatenate([stimuli.buffer + np.int16(n) for stimuli, n in zip(several, before[:-1], strict=True)]),
            np.concatenate([stimuli.offset for stimuli in several]),
            np.concatenate([stimuli.bands for stimuli in several]),
            np.concatenate([stimuli.length for stimuli in several]),
            tuple(transform for stimuli in several for transform in stimuli.transforms),
        )
