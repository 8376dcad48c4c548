"""What CRCNS AA1 and AA2 have in common beyond their files: parameters, columns, and the walk from sounds to rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.corpus import Column
from deepstrf_hf.errors import MissingRawFileError, RawDataError, RawFormatError
from deepstrf_hf.features.mel import frame_slip_ms
from deepstrf_hf.features.mel_config import MelConfig
from deepstrf_hf.formats.theunissen import (
    SAMPLE_RATE_HZ,
    Presentation,
    SpikeTrains,
    cell_metadata,
    count_spikes,
    list_cell,
    read_sound,
    read_spike_file,
)
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron, Part, Recording, Stimulus
from deepstrf_hf.where import keeps

FULL_SCALE = 32_768
"""A 16-bit sample of this size is a sound pressure of 1, as the published spectrogram takes it."""
UNKNOWN_CLASS = "unknown"
SOUNDS_PER_PART = 5
"""Sounds of one class that are built together; a spike file is read for one sound only."""
KNOWN_UNREAD = ("stim.name", "stim.type")
"""Conditions that can be told from the names of files: a sound that they leave out is not read."""

STIMULUS_COLUMNS = {
    "name": Column("string", "The lab's file of the sound, named by its MD5."),
    "type": Column("string", "Class of the sound: conspecific (song), flatrip (modulation-limited noise) or songrip."),
    "n_samples": Column("int64", "Length of the sound.", "samples"),
    "duration_s": Column("float64", "Length of the sound.", "s"),
}
NEURON_COLUMNS = {
    "cell_id": Column("string", "The lab's name of the cell."),
    "animal_id": Column("string", "The lab's name of the bird."),
    "area": Column("string", "Brain area, as the lab labels it."),
    "cell_seq": Column("int32", "The cell is the n-th of its bird; cells of one n were recorded at the same time."),
    "rig": Column("string", "Recording rig, a letter; null where the name of the cell has none."),
    "also_in": Column("string", "Where the same cell, with the same recordings, is found again: corpus/cell."),
}
RECORDING_COLUMNS = {
    "folder": Column("string", "Class of sounds under which the lab filed the recording."),
    "n_presentations": Column("int32", "Series of trials that the response stacks."),
    "presentations": Column("string", "Their numbers in the lab's file names: 2 for stim2 and spike2."),
    "presentation_trials": Column("string", "Their numbers of trials."),
}


class FinchConfig(MelConfig):
    """Parameters of AA1 and AA2; the defaults are the published ones."""

    SAMPLE_RATE_HZ = SAMPLE_RATE_HZ


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell with its recordings.

    Parameters
    ----------
    name : str
        The lab's name.
    folder : str
        Its folder below the raw directory.
    neuron : Neuron
        Identity and metadata.
    presentations : tuple of Presentation
        Complete ones.
    left_out : tuple of (kind, name, reason)
        What in its folder is not used.
    faults : tuple of (name, RawDataError)
        What in its folder cannot be read.
    """

    name: str
    folder: str
    neuron: Neuron
    presentations: tuple[Presentation, ...]
    left_out: tuple[tuple[str, str, str], ...]
    faults: tuple[tuple[str, RawDataError], ...]


@dataclass(frozen=True, eq=False)
class Release:
    """A raw tree, listed: cells, sounds, and who heard what.

    Parameters
    ----------
    root : Path
        The raw directory.
    cells : tuple of Cell
        By name.
    sounds : mapping of str to Path
        Wav files by name.
    types : mapping of str to str or None
        Class of each sound that was heard, by name of its wav file.
    left_out : tuple of (kind, name, reason)
        What outside of the cells' folders is not used.
    notes : tuple of str
        What is unusual about the tree.
    listed_samples : mapping of str to tuple
        (rate, bits, samples) of each sound, where the release states them.
    """

    root: Path
    cells: tuple[Cell, ...]
    sounds: Mapping[str, Path]
    types: Mapping[str, str | None]
    left_out: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()
    listed_samples: Mapping[str, tuple[float, int, int]] | None = None

    def runs(self) -> dict[str, list[str]]:
        """Return the sounds that were heard, class by class in runs of `SOUNDS_PER_PART`, by the names of the parts."""
        classes: dict[str, list[str]] = {}
        for wav, kind in sorted(self.types.items()):
            classes.setdefault(kind or UNKNOWN_CLASS, []).append(wav)
        return {
            f"{kind} {begin // SOUNDS_PER_PART + 1}": wavs[begin : begin + SOUNDS_PER_PART]
            for kind, wavs in sorted(classes.items())
            for begin in range(0, len(wavs), SOUNDS_PER_PART)
        }

    def parts(self) -> list[Part]:
        """Return one part per run of sounds."""
        return [Part(name, n_stimuli=len(wavs)) for name, wavs in self.runs().items()]

    def raw_files(self, config: FinchConfig) -> list[str]:
        """Return the files of the cells that the configuration keeps, and their sounds, below the raw directory."""
        cells = (cell for cell in self.cells if config.keeps_neuron(cell.neuron.metadata))
        heard = [presentation for cell in cells for presentation in cell.presentations]
        files = [name for one in heard for name in (one.stim_file, one.spike_file)]
        sounds = {one.wav for one in heard if one.wav in self.sounds}
        return sorted([*files, *(self.sounds[wav].relative_to(self.root).as_posix() for wav in sounds)])


def unwrapped(data_dir: str | None, wrappers: Sequence[str], landmarks: Sequence[str]) -> str | None:
    """Return the directory that holds the landmarks: the one given, or what an archive wraps them in below it."""
    if data_dir is None or all((Path(data_dir) / name).exists() for name in landmarks):
        return data_dir
    inner = [Path(data_dir) / wrapper for wrapper in wrappers]
    return next((str(path) for path in inner if all((path / name).exists() for name in landmarks)), data_dir)


def heard_in(cells: Sequence[Cell]) -> dict[str, set[str]]:
    """Return, for each sound that was heard, the folders in which it is filed."""
    folders: dict[str, set[str]] = {}
    for cell in cells:
        for presentation in cell.presentations:
            folders.setdefault(presentation.wav, set()).add(presentation.folder)
    return folders


def read_cell(raw: RawTree, folder: str, metadata: Mapping[str, Any]) -> Cell:
    """List the folder of a cell.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    folder : str
        Folder of the cell, named by it.
    metadata : mapping
        Columns that its name does not tell.

    Returns
    -------
    Cell
        With a fault where it holds no complete presentation.
    """
    name = folder.rpartition("/")[2]
    files = list_cell(raw.root, folder)
    faults = files.faults
    if not files.presentations and not faults:
        error = RawFormatError(
            "The folder of a cell holds no recording",
            path=raw.root / folder,
            found="; ".join(f"{item}: {reason}" for _, item, reason in files.left_out[:3]) or "nothing",
            expected="<class>/stim<k> with <class>/spike<k>",
            mend="complete the unpacking, or leave the cell out with on_error='skip'",
        )
        faults = ((folder, error),)
    neuron = Neuron(name, {**cell_metadata(name), **metadata})
    return Cell(name, folder, neuron, files.presentations, files.left_out, faults)


def walk(release: Release, config: FinchConfig, part: Part, log: BuildLog) -> Iterator[Recording]:
    """Yield the recordings of one part, sound by sound.

    A spike file is read when its sound comes, so that memory is bounded by one sound.
    """
    cells = [cell for cell in release.cells if config.keeps_neuron(cell.neuron.metadata)]
    _report(release, cells, config, log)
    listeners: dict[str, list[tuple[Cell, list[Presentation]]]] = {}
    for cell in cells:
        for presentation in cell.presentations:
            of_sound = listeners.setdefault(presentation.wav, [])
            if not of_sound or of_sound[-1][0] is not cell:
                of_sound.append((cell, []))
            of_sound[-1][1].append(presentation)
    wavs = [wav for wav in release.runs()[part.name] if wav in listeners]
    for stimulus in log.usable("sounds", ((wav, _stimulus(release, wav, config, log)) for wav in wavs)):
        if stimulus is None:
            continue
        wav = stimulus.metadata["name"]
        for cell, presentations in listeners[wav]:
            recording = _recording(release, stimulus, cell, presentations, config, log)
            if recording is not None:
                log.count(f"area_{cell.neuron.metadata['area'] or 'unlisted'}", cell.name, True)
                log.count(f"stimuli_{release.types[wav] or UNKNOWN_CLASS}", wav, True)
                yield recording


def _report(release: Release, cells: Sequence[Cell], config: FinchConfig, log: BuildLog) -> None:
    """Write into the log what is known before anything is read."""
    for note in release.notes:
        log.note(note)
    for entry in [*release.left_out, *(entry for cell in cells for entry in cell.left_out)]:
        log.leave_out(*entry)
    for cell in cells:
        list(log.usable("cells" if not cell.presentations else "presentations", cell.faults))
    if config.frames == "fixed_hop":
        slip = frame_slip_ms(SAMPLE_RATE_HZ, config.dt_ms, 1 + round(1000 / config.dt_ms))
        if abs(slip) > 1e-6:
            log.note(
                f"Frames of the spectrogram slip by {slip:.2f} ms against the bins per second of sound, because the "
                f"hop is cut to whole samples; frames=exact does not."
            )
    empty = config.empty_bands_note(SAMPLE_RATE_HZ)
    if empty:
        log.note(empty)


def _stimulus(release: Release, wav: str, config: FinchConfig, log: BuildLog) -> Stimulus | RawDataError | None:
    """Read a sound; None where the configuration leaves it out."""
    metadata: dict[str, Any] = {"name": wav, "type": release.types[wav]}
    if not keeps({name: config.where[name] for name in config.where if name in KNOWN_UNREAD}, "stim", metadata):
        return None
    if wav not in release.sounds:
        places = [one.stim_file for cell in release.cells for one in cell.presentations if one.wav == wav]
        return MissingRawFileError(
            "A sound that was played is missing",
            path=wav,
            found=f"named by {places[0]}" + (f" and {len(places) - 1} more" if len(places) > 1 else ""),
            expected="a file below all_stims",
            mend="complete the unpacking, or leave the sound out with on_error='skip'",
        )
    try:
        samples, digest = read_sound(release.sounds[wav])
        metadata |= {"n_samples": len(samples), "duration_s": len(samples) / SAMPLE_RATE_HZ}
        if not config.keeps_stimulus(metadata):
            return None
        pressure = samples.astype(np.float32) / np.float32(FULL_SCALE)
        spectrogram = config.spectrogram(pressure, SAMPLE_RATE_HZ, release.sounds[wav])
    except RawDataError as error:
        return error
    if f"{digest}.wav" != wav:
        log.note(f"The content of {wav} has the MD5 {digest}: the file is not the one it is named for.")
    stated, found = (release.listed_samples or {}).get(wav), (float(SAMPLE_RATE_HZ), 16, len(samples))
    if stated not in (None, found):
        log.note(f"stim_data.csv states (rate, bits, samples) {stated} for {wav}, whose file has {found}.")
    return Stimulus(wav.removesuffix(".wav"), spectrogram, metadata, samples, SAMPLE_RATE_HZ)


def _recording(
    release: Release,
    stimulus: Stimulus,
    cell: Cell,
    presentations: Sequence[Presentation],
    config: FinchConfig,
    log: BuildLog,
) -> Recording | None:
    """Read what a cell answered to a sound; None where nothing of it can be read."""
    contents: dict[bytes, Presentation] = {}
    used: list[tuple[Presentation, SpikeTrains]] = []
    for presentation in presentations:
        place = presentation.spike_file
        for trains, content in log.usable("presentations", [(place, _spikes(release.root, presentation))]):
            log.count("pairs_by_folder", f"{cell.name} hearing {stimulus.stim_id} in {presentation.folder}", True)
            log.count("copied_presentations", place, content in contents)
            if content in contents:
                first = contents[content]
                reason = f"a copy, byte for byte, of {first.spike_file}: the same presentation"
                log.leave_out("presentations", place, reason)
                continue
            contents[content] = presentation
            used.append((presentation, trains))
    if not used:
        return None
    bins = stimulus.spectrogram.shape[1]
    counted = count_spikes([trains for _, trains in used], bins, config.dt_ms)
    log.leave_out_amount("spikes", "before sound onset", counted.before)
    log.leave_out_amount("spikes", "after the last bin of the sound", counted.after)
    kept, pair = [presentation for presentation, _ in used], f"{cell.name} hearing {stimulus.stim_id}"
    folders = list(dict.fromkeys(presentation.folder for presentation in kept))
    log.count("pairs_presented_again", pair, len(kept) > 1)
    log.count("pairs_in_the_folder_of_another_class", pair, folders != [stimulus.metadata["type"]])
    metadata = {
        "folder": "+".join(folders),
        "n_presentations": len(kept),
        "presentations": ",".join(str(presentation.number) for presentation in kept),
        "presentation_trials": ",".join(str(trains.n_trials) for _, trains in used),
    }
    return Recording(stimulus, cell.neuron, counted.counts, metadata)


def _spikes(root: Path, presentation: Presentation) -> tuple[SpikeTrains, bytes] | RawDataError:
    try:
        return read_spike_file(root / presentation.spike_file)
    except RawDataError as error:
        return error
