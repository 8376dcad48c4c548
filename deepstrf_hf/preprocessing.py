"""All steps of preprocessing at load: by name, as plain data, and as a user gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeGuard

from deepstrf_hf.errors import ParameterError, unknown_name
from deepstrf_hf.features.compression import LogFloored, LogPlusOne, PowerLaw, StandardizeBands
from deepstrf_hf.features.scaling import LogCompress, ScaleBands, StimulusStep
from deepstrf_hf.responses.preprocessing import HanningSmooth, ResponseStep
from deepstrf_hf.responses.scaling import ScaleResponses

ForStimuli = StimulusStep | ScaleBands | StandardizeBands
"""A step that is for stimuli."""
Step = ResponseStep | ScaleResponses | ForStimuli
"""A step as a corpus declares it or a user gives it."""
STEPS: Mapping[str, type[Any]] = {
    step.name: step
    for step in (
        HanningSmooth,
        ScaleResponses,
        LogCompress,
        LogFloored,
        LogPlusOne,
        PowerLaw,
        ScaleBands,
        StandardizeBands,
    )
}


def is_for_stimuli(step: Step) -> TypeGuard[ForStimuli]:
    """Return whether a step is for stimuli; all others are for responses."""
    return getattr(step, "applies_to", "responses") == "stimuli"


def is_declarable(step: Step) -> bool:
    """Return whether a step is one of `STEPS`, so that plain data say all of what it does."""
    return type(step) in STEPS.values()


def chosen_steps(preprocessing: Any, declared: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[Step, ...]:
    """Return the steps that a user asked for, by name or as they are.

    Parameters
    ----------
    preprocessing : str, sequence of steps, or None
        ``"published"``, ``"deepstrf"``, steps, or None for none.
    declared : mapping
        Plain data of the steps that tables declare, by name.

    Raises
    ------
    ParameterError
        Neither a declared name nor a list of steps.
    UnknownNameError
        The tables declare a step that this version of the library does not know.
    """
    if preprocessing is None:
        return ()
    if isinstance(preprocessing, str) and preprocessing in declared:
        return steps_from_json(declared[preprocessing])
    return checked_steps(preprocessing, declared)


def checked_steps(steps: Any, named: Iterable[str] = ()) -> tuple[Step, ...]:
    """Return steps that a user gave, as a tuple.

    Parameters
    ----------
    steps : sequence of ResponseStep or StimulusStep
        What was given.
    named : iterable of str
        Names that would have been taken in place of steps, for the message.

    Raises
    ------
    ParameterError
        Not a list of steps.
    """
    given = tuple(steps) if isinstance(steps, Sequence) and not isinstance(steps, str) else (None,)
    if not all(_is_step(step) for step in given):
        raise ParameterError(
            "Unknown preprocessing",
            field="preprocessing",
            found=repr(steps),
            expected=", ".join([*map(repr, named), "None", "or a list of steps such as HanningSmooth(21)"]),
        )
    return given


def _is_step(step: Any) -> bool:
    if isinstance(step, type):
        return False
    return isinstance(step, (ScaleResponses, ScaleBands, StandardizeBands)) or callable(getattr(step, "apply", None))


def steps_to_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Write preprocessing steps as plain data, for the metadata of a table."""
    return [{"step": step.name, **asdict(step)} for step in steps]  # type: ignore[arg-type]


def steps_from_json(entries: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Read preprocessing steps back from plain data.

    Raises
    ------
    UnknownNameError
        A step that this version of the library does not know.
    """
    steps = []
    for entry in entries:
        arguments = dict(entry)
        name = arguments.pop("step", None)
        if name not in STEPS:
            raise unknown_name("preprocessing step", name, STEPS, field="preprocessing")
        steps.append(STEPS[name](**arguments))
    return tuple(steps)
