"""Published scaling of responses by statistics that are stored with each neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deepstrf_hf.errors import ParameterError


@dataclass(frozen=True)
class ScaleResponses:
    """Scale responses from a range that is stored with each neuron to 0 … 1, and what is quiet to exactly 0.

    ``(r - low) / (high - low)``; a neuron whose low and high are equal, or unknown, keeps its values. Low and high
    are columns of the neurons table, taken when it was built, so that no value depends on what somebody loads.

    Parameters
    ----------
    low, high : str
        Columns of the neurons table, without their prefix. ``response_min`` and ``response_max`` are the smallest and
        largest stored value over all stimuli and trials of the neuron.
    over : str
        ``"neuron"`` scales each neuron by its own range, ``"cohort"`` all by the range of all neurons of the cohort.
    zero_below : float
        Scaled values below this become 0.
    subset : str, optional
        Only responses to stimuli of this subset (the lab's own word) are scaled; all by default.

    Raises
    ------
    ParameterError
        `over` is not one of the words.
    """

    low: str = "response_min"
    high: str = "response_max"
    over: str = "neuron"
    zero_below: float = 1e-6
    subset: str | None = None
    name: ClassVar[str] = "scale_responses"

    def __post_init__(self) -> None:
        if self.over not in ("neuron", "cohort"):
            raise ParameterError(
                "Unknown way to scale responses", field="over", found=repr(self.over), expected="'neuron' or 'cohort'"
            )

    def describe(self) -> str:
        """Say in one sentence what the step does."""
        whose = "each neuron's responses" if self.over == "neuron" else "the responses of all neurons together"
        which = f" to stimuli of the subset {self.subset}" if self.subset else ""
        return (
            f"{whose}{which} scaled from the stored range (`{self.low}`, `{self.high}`) to 0 … 1, "
            f"values below {self.zero_below:g} set to 0"
        )
