"""Stimuli of a cohort, made once and shared by all sessions that a process builds."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from builders.downer2025.calls import CALL_RECORDING, CALL_TIMES, read_calls
from builders.downer2025.config import RESAMPLERS, Downer2025Config
from builders.downer2025.sounds import SENTENCES, Sound, read_sentences
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.features.kaldi import KaldiFilterBank
from deepstrf_hf.published_split import RecordedSplit
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Stimulus
from deepstrf_hf.where import Where, keeps


@dataclass(frozen=True)
class StimulusClass:
    """One of the two classes of stimuli that all sessions played.

    Parameters
    ----------
    type : str
        Word of the stimuli for it, and beginning of their ids.
    plural : str
        For the report.
    field : str
        Field of the trial table with the numbers of its stimuli.
    test : tuple of int
        Numbers of the test stimuli.
    repeats : int
        Presentations of each of them.
    files : tuple of str
        Below the raw directory.
    """

    type: str
    plural: str
    field: str
    test: tuple[int, ...]
    repeats: int
    files: tuple[str, ...]

    def stim_id(self, code: int) -> str:
        """Return the id of a stimulus."""
        return f"{self.type}_{code:03d}"


CLASSES = {
    "timit": StimulusClass(
        "timit", "sentences", "timitStimcode", (12, 13, 32, 43, 56, 163, 212, 218, 287, 308), 11, (SENTENCES,)
    ),
    "mvocs": StimulusClass(
        "mvoc",
        "calls",
        "mVocStimcode",
        (7, 9, 12, 15, 24, 29, 30, 33, 44, 45, 48),
        15,
        (CALL_TIMES, CALL_RECORDING),
    ),
}
"""By cohort."""
SPLIT = RecordedSplit(
    {"estimation": "train", "test": "test"},
    "stimuli presented 11 (sentences) or 15 times (calls) per session, Ahmed et al. 2025; fixed by their numbers",
)


@dataclass(frozen=True, eq=False)
class Presented:
    """A stimulus that sessions may have played.

    Parameters
    ----------
    code : int
        The lab's number.
    duration_s : float
        What responses are taken over.
    n_published : int
        How often a session plays it: as often as the recording of calls holds it; a sentence 11 times or once.
    n_bins : int
        Bins of the responses.
    stimulus : Stimulus or None
        None where the conditions of the build leave it out.
    """

    code: int
    duration_s: float
    n_published: int
    n_bins: int
    stimulus: Stimulus | None


@dataclass(frozen=True, eq=False)
class StimulusSet:
    """All stimuli of a class, and what is to be said of them."""

    of_class: StimulusClass
    items: tuple[tuple[str, Presented | RawDataError], ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def usable(self, log: BuildLog) -> list[Presented]:
        """Return the stimuli in ascending order of their numbers, after saying what there is to say.

        Raises
        ------
        RawDataError
            One cannot be used, with ``on_error="raise"``.
        """
        for name, reason in self.left_out:
            log.leave_out(self.of_class.plural, name, reason)
        for note in self.notes:
            log.note(note)
        return sorted(log.usable(self.of_class.plural, self.items), key=lambda presented: presented.code)


@dataclass(frozen=True)
class _Recipe:
    """Everything that stimuli depend on."""

    cohort: str
    root: Path
    state: tuple[tuple[int, int], ...]
    dt_ms: float
    bank: KaldiFilterBank
    channels: str
    resampling: str
    where: tuple[tuple[str, tuple[object, ...]], ...]


def read_stimuli(raw: RawTree, config: Downer2025Config) -> StimulusSet:
    """Read the stimuli of a cohort.

    Raises
    ------
    MissingRawFileError, RawFormatError
        Their files are missing or not as published as a whole.
    """
    files = [raw.path(name) for name in CLASSES[config.cohort].files]
    state = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    where = tuple((name, values) for name, values in config.where.items() if name.startswith("stim."))
    return _made(
        _Recipe(
            config.cohort,
            raw.root.resolve(),
            state,
            config.dt_ms,
            config.filter_bank(),
            config.channels,
            config.resampling,
            where,
        )
    )


@functools.lru_cache(maxsize=1)
def _made(recipe: _Recipe) -> StimulusSet:
    of_class = CLASSES[recipe.cohort]
    paths = [recipe.root / name for name in of_class.files]
    notes: list[str] = []
    sounds: Iterable[tuple[str, Sound | RawDataError]]
    if recipe.cohort == "timit":
        sounds = read_sentences(paths[0])
    else:
        calls, notes = read_calls(paths[0], paths[1], recipe.channels)
        sounds = [(call.name, call) for call in calls]
        notes += _notes_on_repeats(of_class, calls)
    if recipe.bank.empty_bands:
        empty = ", ".join(map(str, recipe.bank.empty_bands))
        notes.append(
            f"Bands {empty} (from 0) hold nothing in any sound; a longer window_ms or fewer n_bands fills them."
        )
    items: list[tuple[str, Presented | RawDataError]] = []
    left_out: list[tuple[str, str]] = []
    for name, sound in sounds:
        if isinstance(sound, RawDataError):
            items.append((name, sound))
            continue
        # Half to even, as Python rounds: 120.5 bins are 120.
        n_bins = round(sound.duration_s * 1000 / recipe.dt_ms)
        if n_bins == 0:
            left_out.append((name, f"{sound.duration_s * 1000:g} ms long, less than half a bin"))
            continue
        stimulus = _stimulus(of_class, sound, n_bins, recipe)
        if stimulus is not None and not stimulus.metadata["n_frames"]:
            window = f"window of {recipe.bank.window_ms * recipe.bank.frames_per_bin:g} ms"
            notes.append(f"{name} is shorter than the {window} of the spectrogram, which is 0 in all its bins.")
        once = of_class.repeats if sound.code in of_class.test else 1
        n_published = int(sound.metadata.get("n_reps_in_wav", once))
        items.append((name, Presented(sound.code, sound.duration_s, n_published, n_bins, stimulus)))
    return StimulusSet(of_class, tuple(items), tuple(left_out), tuple(notes))


def _stimulus(of_class: StimulusClass, sound: Sound, n_bins: int, recipe: _Recipe) -> Stimulus | None:
    is_test = sound.code in of_class.test
    metadata = {
        "name": sound.name,
        "type": of_class.type,
        "code": sound.code,
        "duration_s": sound.duration_s,
        "n_samples": len(sound.samples),
        "n_reps_canonical": of_class.repeats if is_test else 1,
        **sound.metadata,
    }
    where: Where = dict(recipe.where)
    if not keeps({name: values for name, values in where.items() if name != "stim.n_frames"}, "stim", metadata):
        return None
    waveform = sound.as_float()
    if sound.rate_hz != recipe.bank.sample_rate_hz:
        waveform = RESAMPLERS[recipe.resampling](waveform, sound.rate_hz, recipe.bank.sample_rate_hz)
    spectrogram, n_frames = recipe.bank.spectrogram(waveform, n_bins)
    return Stimulus(
        of_class.stim_id(sound.code),
        spectrogram,
        {**metadata, "n_frames": n_frames},
        waveform=sound.samples,
        sample_rate_hz=float(sound.rate_hz),
        subset="test" if is_test else "estimation",
    )


def _notes_on_repeats(of_class: StimulusClass, calls: list[Sound]) -> list[str]:
    """Compare the fixed test set of the calls with the recording that was played."""
    found = tuple(call.code for call in calls if call.metadata["n_reps_in_wav"] == of_class.repeats)
    if found == of_class.test:
        return []
    return [
        f"Calls with exactly {of_class.repeats} slots in the recording are {', '.join(map(str, found)) or 'none'}; "
        f"those of the test set are {', '.join(map(str, of_class.test))}."
    ]
