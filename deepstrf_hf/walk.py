"""The recordings a builder yields, checked and grouped by stimulus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.recording import Neuron, Part, Recording


def stimulus_blocks(recordings: Iterable[Recording], part: Part) -> Iterator[list[Recording]]:
    """Group the recordings of a part by stimulus and sort each group by neuron.

    Parameters
    ----------
    recordings : iterable of Recording
        All recordings of one stimulus in a run, stimuli in ascending order of ``stim_id``.
    part : Part
        For messages.

    Yields
    ------
    list of Recording
        All recordings of one stimulus, in ascending order of ``neuron_id``; held one at a time.

    Raises
    ------
    BuilderContractError
        A stimulus out of order, a pair yielded twice, two objects for one stimulus, or two versions of a neuron.
    """
    neurons: dict[str, Neuron] = {}
    block: list[Recording] = []
    for recording in recordings:
        neuron = neurons.setdefault(recording.neuron.neuron_id, recording.neuron)
        if neuron is not recording.neuron and dict(neuron.metadata) != dict(recording.neuron.metadata):
            raise BuilderContractError(
                f"Neuron {neuron.neuron_id} comes with two different sets of metadata", field=f"part {part.name}"
            )
        if block and recording.stimulus is not block[0].stimulus:
            before, now = block[0].stimulus.stim_id, recording.stimulus.stim_id
            if now <= before:
                raise BuilderContractError(
                    "Recordings must come stimulus by stimulus, in ascending order of stim_id, one object per stimulus",
                    field=f"part {part.name}",
                    found=f"{now} after {before}",
                )
            yield _sorted_block(block, part)
            block = []
        block.append(recording)
    if block:
        yield _sorted_block(block, part)


def _sorted_block(block: list[Recording], part: Part) -> list[Recording]:
    block = sorted(block, key=lambda recording: recording.neuron.neuron_id)
    for first, second in zip(block, block[1:], strict=False):
        if first.neuron.neuron_id == second.neuron.neuron_id:
            raise BuilderContractError(
                "A (stimulus, neuron) pair was yielded twice",
                field=f"part {part.name}",
                found=f"{first.stimulus.stim_id}, {first.neuron.neuron_id}",
                mend="stack its trials into one recording",
            )
    return block
