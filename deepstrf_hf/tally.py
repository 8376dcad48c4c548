"""What is known of each neuron after a walk over its recordings: the content of the neurons table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.recording import Neuron, Recording
from deepstrf_hf.responses.quality import ResponseQuality, qualities_of_counts

BLOCK_VALUES = 2**18
"""Values looked at together: 2 MB in double precision, which a processor's cache holds."""


@dataclass
class NeuronTally:
    """Neurons met so far, with the running sums of their response quality."""

    neurons: dict[str, Neuron] = field(default_factory=dict)
    quality: dict[str, ResponseQuality] = field(default_factory=dict)

    def add(self, recording: Recording) -> None:
        """Take in one recording."""
        neuron_id = recording.neuron.neuron_id
        self.neurons.setdefault(neuron_id, recording.neuron)
        self.quality.setdefault(neuron_id, ResponseQuality()).add(recording.response)

    def add_block(self, recordings: Sequence[Recording]) -> None:
        """Take in the recordings of one stimulus; counts of one shape together, which is much faster."""
        shapes: dict[tuple[int, ...], list[Recording]] = {}
        for recording in recordings:
            if recording.response.dtype.kind in "ui":
                shapes.setdefault(recording.response.shape, []).append(recording)
            else:
                self.add(recording)
        for shape, alike in shapes.items():
            at_a_time = max(1, BLOCK_VALUES // max(1, math.prod(shape)))
            for begin in range(0, len(alike), at_a_time):
                some = alike[begin : begin + at_a_time]
                qualities = qualities_of_counts(np.stack([recording.response for recording in some]))
                for recording, quality in zip(some, qualities, strict=True):
                    neuron_id = recording.neuron.neuron_id
                    self.neurons.setdefault(neuron_id, recording.neuron)
                    if neuron_id in self.quality:
                        self.quality[neuron_id].merge(quality)
                    else:
                        self.quality[neuron_id] = quality

    def merge(self, other: NeuronTally) -> None:
        """Take in the tally of another part.

        Raises
        ------
        BuilderContractError
            A neuron that both parts know has different metadata in them.
        """
        for neuron_id, neuron in other.neurons.items():
            known = self.neurons.setdefault(neuron_id, neuron)
            if dict(known.metadata) != dict(neuron.metadata):
                raise BuilderContractError(f"Neuron {neuron_id} comes with two different sets of metadata")
            self.quality.setdefault(neuron_id, ResponseQuality()).merge(other.quality[neuron_id])

    def rows(self) -> list[tuple[Neuron, Mapping[str, Any]]]:
        """Return neurons in ascending order of ``neuron_id``, with coverage and quality."""
        return [(self.neurons[name], self.quality[name].columns()) for name in sorted(self.neurons)]

    def total(self) -> float:
        """Return the sum of all response values: the number of spikes, where responses are counts."""
        return sum(self.quality[name].total for name in sorted(self.quality))
