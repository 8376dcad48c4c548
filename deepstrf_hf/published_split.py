"""Published divisions of a corpus into training and test sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.recording import Recording, Stimulus


@dataclass(frozen=True)
class StimulusSplit:
    """A published division of the stimuli into training and test sets.

    Parameters
    ----------
    test : tuple of str
        ``stim_id`` of the test stimuli; all others are training stimuli.
    source : str
        The publication that defines it.
    """

    test: tuple[str, ...]
    source: str
    names: tuple[str, ...] = ("train", "test")

    def split_of(self, stim_id: str) -> str:
        """Return the name of the split a stimulus belongs to."""
        return "test" if stim_id in self.test else "train"

    def split_of_recording(self, recording: Recording) -> str:
        """Return the name of the split a recording belongs to."""
        return self.split_of(recording.stimulus.stim_id)

    def subset_of(self, stimulus: Stimulus) -> str | None:
        """Return the word for the division a stimulus belongs to."""
        return self.split_of(stimulus.stim_id)


@dataclass(frozen=True)
class RecordedSplit:
    """A published division that the raw files tell, stimulus by stimulus or recording by recording.

    Parameters
    ----------
    splits : mapping of str to str
        Name of the split (``"train"`` or ``"test"``) by the lab's word for it, which a `Stimulus`, or a `Recording`
        where it differs from site to site, carries as `subset`.
    source : str
        The publication that defines it, and the rule.
    """

    splits: Mapping[str, str]
    source: str
    names: tuple[str, ...] = ("train", "test")

    def split_of_recording(self, recording: Recording) -> str:
        """Return the name of the split a recording belongs to.

        Raises
        ------
        BuilderContractError
            It carries no word, or one that is not declared.
        """
        word = recording.subset or recording.stimulus.subset
        if word is None or word not in self.splits:
            raise BuilderContractError(
                "A recording does not say which division it belongs to",
                field=f"subset of {recording.neuron.neuron_id} hearing {recording.stimulus.stim_id}",
                found=repr(word),
                expected=" or ".join(map(repr, self.splits)),
            )
        return self.splits[word]

    def subset_of(self, stimulus: Stimulus) -> str | None:
        """Return the lab's word for the division a stimulus belongs to; None where sites differ."""
        return stimulus.subset


@dataclass(frozen=True)
class Undivided:
    """No published division: everything is in ``train``."""

    names: tuple[str, ...] = ("train",)
    source: str = ""

    def split_of_recording(self, recording: Recording) -> str:
        """Return the name of the only split."""
        return "train"

    def subset_of(self, stimulus: Stimulus) -> str | None:
        """Return the name of the only split."""
        return "train"
