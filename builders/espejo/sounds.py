"""The sounds of NAT: files of a mirror of the lab's sound bank, which the release itself does not hold."""

from __future__ import annotations

from builders.espejo.catalogue import read_catalogue
from builders.espejo.config import NAT, Release
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.formats.nems_epochs import STIMULUS_PREFIX
from deepstrf_hf.formats.wav import Sound, read_sound
from deepstrf_hf.raw_tree import RawTree

PUBLISHED_RATE_HZ = 44_100


def sound_names(raw: RawTree) -> list[str]:
    """Return the names of the sound files that the recordings of NAT were made with, sorted.

    Raises
    ------
    MissingRawFileError
        The recordings are not there.
    """
    sounds = (name.removeprefix(STIMULUS_PREFIX) for name in read_catalogue(raw, NAT).n_repeats)
    return sorted(name for name in sounds if _is_file_name(name))


def _is_file_name(sound: str) -> bool:
    """Return whether the name of a sound is that of a file, and never a way out of its folder."""
    return sound not in ("", ".", "..") and "/" not in sound and "\\" not in sound


class Sounds:
    """The sounds of a release, read when asked for.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    release : Release
        Which.
    log : BuildLog
        What is missing or unusual.
    """

    def __init__(self, raw: RawTree, release: Release, log: BuildLog) -> None:
        self._raw, self._folder, self._log = raw, release.sounds, log
        self._there = self._folder is not None and (raw.root / self._folder).is_dir()
        if self._folder is not None and not self._there:
            log.note(f"There is no folder {self._folder}: no stimulus has a waveform.")

    def file(self, name: str) -> str | None:
        """Return the file of a sound below the raw directory, by the name of its epoch; None where there is none."""
        sound = name.removeprefix(STIMULUS_PREFIX)
        if not self._there or not _is_file_name(sound):
            return None
        file = f"{self._folder}/{sound}"
        return file if (self._raw.root / file).is_file() else None

    def played(self, stim_id: str, name: str, before_s: float | None, length_s: float | None) -> Sound | None:
        """Read what was played of a sound: its beginning, as long as it lasted.

        Parameters
        ----------
        stim_id, name : str
            Stimulus, and name of its epoch.
        before_s, length_s : float or None
            When it began after the epoch did, and how long it was, s; None where the epochs do not tell.

        Returns
        -------
        Sound or None
            None without a file, or where the onset is not known; the log says so.

        Raises
        ------
        RawFormatError
            Not a sound file, or cut short (with ``on_error="raise"``).
        """
        if not self._there:
            return None
        file = self.file(name)
        if file is None:
            self._log.leave_out("waveforms", name, f"no such file in {self._folder}")
            return None
        if before_s is None or length_s is None:
            self._log.leave_out("waveforms", stim_id, "its epochs do not tell when the sound began")
            return None
        for sound in self._log.usable("waveforms", [(file, self._read(file))]):
            wanted = round(length_s * sound.sample_rate_hz)
            if len(sound.samples) < wanted:
                self._log.note(
                    f"{file} lasts {len(sound.samples) / sound.sample_rate_hz:.3f} s, and the epoch of {stim_id} "
                    f"leaves {length_s:g} s for it."
                )
            if not wanted:
                self._log.leave_out("waveforms", stim_id, "its epochs leave no time for the sound")
                return None
            return sound._replace(samples=sound.samples[:wanted])
        return None

    def _read(self, file: str) -> Sound | RawDataError:
        try:
            sound = read_sound(self._raw.root / file)
        except RawDataError as error:
            return error
        if sound.sample_rate_hz != PUBLISHED_RATE_HZ or sound.samples.ndim > 1:
            channels = "several channels" if sound.samples.ndim > 1 else "one channel"
            self._log.note(f"{file} has {sound.sample_rate_hz} Hz and {channels}; stored as it is.")
        return sound
