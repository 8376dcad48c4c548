"""What is known of each neuron after a walk over its recordings: the content of the neurons table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.recording import Neuron, Recording
from deepstrf_hf.responses.quality import ResponseQuality


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
