"""The sounds of AA4: which file holds the sound that an MD5 names, its waveform and its mel spectrogram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from builders.crcns_aa4.config import CrcnsAa4Config
from builders.crcns_aa4.raw import ANIMALS, DURATION_TOLERANCE_S, Catalogue, wav_file
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.features.mel import frame_slip_ms
from deepstrf_hf.formats.wav import read_sound
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Stimulus

NAMES_SHOWN = 5


class Sounds:
    """Which wav file holds the sound that an MD5 names.

    It is the file that has this MD5, whatever bird's it is. Where none has, another file was shipped than was played:
    the file of the first bird that has one under the number it gives to the sound.

    Parameters
    ----------
    catalogue : Catalogue
        What is in the tree.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._by_content: dict[str, str] = {}
        for name, md5 in catalogue.wav_md5.items():
            self._by_content.setdefault(md5, name)

    def own_files(self, md5: str, animal: str) -> list[str]:
        """Return the wav files that a bird has under its numbers of a sound."""
        numbers = self._catalogue.sounds[md5].numbers.get(animal, [])
        names = [wav_file(animal, f"stim{int(number)}.wav") for number in numbers]
        return [name for name in names if name in self._catalogue.wav_md5]

    def file(self, md5: str) -> str | None:
        """Return the wav file of a sound, below the raw directory; None where no bird has one."""
        if md5 in self._by_content:
            return self._by_content[md5]
        return next((name for animal in ANIMALS for name in self.own_files(md5, animal)), None)

    def metadata(self, md5: str) -> dict[str, Any]:
        """Return the stimulus metadata of a sound; the same in all birds."""
        name = self.file(md5)
        values = self._catalogue.sounds[md5].values
        return {"name": md5, **values, "wav_md5": None if name is None else self._catalogue.wav_md5[name]}

    def report(self, animal: str, chosen: Sequence[str], log: BuildLog) -> None:
        """Write into the log which of a bird's own files are not the sounds that its units name."""
        elsewhere, unverified = list[str](), list[str]()
        for md5 in chosen:
            log.count("stimuli_with_verified_md5", md5, md5 in self._by_content)
            for contradiction in self._catalogue.sounds[md5].contradictions:
                log.note(f"Unit files disagree on stimulus {md5}: {contradiction}; the first was taken.")
            other = [name for name in self.own_files(md5, animal) if self._catalogue.wav_md5[name] != md5]
            if md5 not in self._by_content:
                unverified.append(md5)
            elif other:
                elsewhere.append(f"{other[0]} (for {md5})")
        if elsewhere:
            log.note(
                f"{animal}: wav files whose MD5 is not the stim_md5 that units name, replaced by the file that has it: "
                f"{_some(elsewhere)}."
            )
        if unverified:
            log.note(
                f"{animal}: stimuli of which no wav file has the stim_md5 that units name, so that another sound may "
                f"have been played than is stored here (stim_wav_md5 differs from the name): {_some(unverified)}."
            )


def _some(names: Sequence[str]) -> str:
    rest = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def read_stimuli(
    raw: RawTree, sounds: Sounds, animal: str, chosen: Sequence[str], config: CrcnsAa4Config, log: BuildLog
) -> Iterator[tuple[str, Stimulus | RawDataError]]:
    """Read sounds one after the other, and make their spectrograms.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    sounds : Sounds
        Where they are.
    animal : str
        Whose part is built, for the log.
    chosen : sequence of str
        MD5 of the sounds; each has a file.
    config : CrcnsAa4Config
        Parameters of the spectrogram.
    log : BuildLog
        What is unusual about them.

    Yields
    ------
    str, Stimulus or RawDataError
        MD5, and the sound or why it cannot be read, in the order given.
    """
    longest, slip_ms, off = 0.0, 0.0, 0
    for md5 in chosen:
        name = str(sounds.file(md5))
        try:
            sound = read_sound(raw.path(name))
            samples, rate = sound
            spectrogram = config.spectrogram(sound.one_channel(), rate, raw.root / name)
        except RawDataError as error:
            yield md5, error
            continue
        empty = config.empty_bands_note(rate)
        if empty:
            log.note(empty)
        metadata = sounds.metadata(md5)
        duration_s = len(samples) / rate
        if rate != config.SAMPLE_RATE_HZ:
            log.note(f"Stimulus {md5} has {rate} Hz; its bands reach to {rate // 2} Hz.")
        if samples.ndim == 2:
            log.note(f"Stimulus {md5} has {samples.shape[1]} channels; its spectrogram is that of their mean.")
        said_s = metadata["duration_s"]
        off += said_s is not None and abs(said_s - duration_s) > DURATION_TOLERANCE_S
        if duration_s > longest:
            longest, slip_ms = duration_s, frame_slip_ms(rate, config.dt_ms, spectrogram.shape[1])
        yield md5, Stimulus(md5, spectrogram, metadata, samples, float(rate))
    if off:
        log.note(f"{animal}: {off} stimuli whose stim_duration differs from that of the wav file by more than 1 ms.")
    if config.frames == "fixed_hop" and longest:
        side = "before" if slip_ms < 0 else "after"
        log.note(
            f"{animal}: the last frame of the longest sound ({longest:.3f} s) lies {abs(slip_ms):.1f} ms {side} its "
            "bin, as published; frames=exact puts frames on their bins."
        )
