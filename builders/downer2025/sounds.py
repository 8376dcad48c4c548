"""The sounds of the corpus, and the file of the sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.downer2025.matlab_fields import read_structures
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.formats.matlab import MatlabStruct

SENTENCES = "stimuli/out_sentence_details_timit_all_loudness.mat"
SENTENCE_FIELDS = ("name", "sentId", "sound", "soundf", "befaft")


@dataclass(frozen=True, eq=False)
class Sound:
    """A sound as it was played to the animal, from the onset of its trials on.

    Parameters
    ----------
    code : int
        The lab's number.
    name : str
        The lab's name, or ``mvoc_`` and the number.
    samples : ndarray of float32, or of int16, shape (samples,)
        Waveform at its own rate.
    rate_hz : int
        Rate, Hz.
    duration_s : float
        Duration that responses are taken over.
    metadata : mapping
        Columns of one class of stimuli alone.
    """

    code: int
    name: str
    samples: NDArray[Any]
    rate_hz: int
    duration_s: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def as_float(self) -> NDArray[np.float32]:
        """Return the samples as float32, 16-bit values over 32768."""
        if self.samples.dtype == np.int16:
            return self.samples.astype(np.float32) / np.float32(32768)
        return self.samples.astype(np.float32, copy=False)


def read_sentences(path: Path) -> Iterator[tuple[str, Sound | RawDataError]]:
    """Read the sentences one by one, without the silence at both ends.

    Yields
    ------
    str, Sound or RawDataError
        Place in the file, and the sentence or why it cannot be used.

    Raises
    ------
    MissingRawFileError, RawFormatError
        There is no such file, or it is not as published as a whole.
    """
    seen: dict[int, str] = {}
    for entry in read_structures(path, "sentdet", SENTENCE_FIELDS):
        try:
            sound = _sentence(entry)
        except RawDataError as error:
            yield entry.place, error
            continue
        if sound.code in seen:
            raise entry.error("sentId", f"{sound.code}, of {seen[sound.code]} too", "each number once")
        seen[sound.code] = entry.place
        yield sound.name, sound


def _sentence(entry: MatlabStruct) -> Sound:
    code, rate_hz, name = entry.integer("sentId"), entry.integer("soundf"), entry.text("name").strip()
    silence = entry.vector("befaft")
    samples = entry.samples("sound").astype(np.float32)
    if code < 1:
        raise entry.error("sentId", code, "1 or more")
    if rate_hz < 1:
        raise entry.error("soundf", rate_hz, "a rate in Hz")
    if not name:
        raise entry.error("name", "empty", "the name of a sentence")
    if silence.shape != (2,) or not np.isfinite(silence).all() or (silence < 0).any():
        raise entry.error("befaft", silence.tolist(), "seconds of silence before and after")
    before, after = (round(float(seconds) * rate_hz) for seconds in silence)
    speech = samples[before : len(samples) - after]
    if not len(speech):
        raise entry.error("sound", f"{len(samples)} samples", f"more than {before + after}, which are silence")
    if not np.isfinite(speech).all():
        raise entry.error("sound", "samples that are not finite", "numbers")
    trimmed = {"trimmed_before_s": before / rate_hz, "trimmed_after_s": after / rate_hz}
    return Sound(code, name, speech, rate_hz, len(speech) / rate_hz, trimmed)
