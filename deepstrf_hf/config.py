"""Configurations of a builder: cohort, table, and the parameters a user may choose."""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import datasets

from deepstrf_hf.errors import ParameterError, unknown_name
from deepstrf_hf.where import Where, keeps, where_suffix


def parameter(default: Any, description: str, *, unit: str | None = None, choices: Sequence[Any] | None = None) -> Any:
    """Declare a parameter of a corpus: a dataclass field whose default is the published value.

    Parameters
    ----------
    default : object
        Published value.
    description : str
        What it changes.
    unit : str, optional
        Physical unit.
    choices : sequence, optional
        The values that are allowed.
    """
    metadata = {"description": description, "unit": unit, "choices": tuple(choices) if choices else None}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass
class CorpusConfig(datasets.BuilderConfig):
    """What to build: one table of one cohort, with these parameters.

    Parameters
    ----------
    cohort : str
        Name of the cohort.
    table : str
        ``"rows"``, ``"waveform"``, ``"stimuli"`` or ``"neurons"``.
    stimulus : str or None
        ``"inline"`` or ``"reference"``; None takes what the cohort declares.
    on_error : str
        ``"raise"`` stops at the first recording that cannot be used, ``"skip"`` leaves it out and reports it.
    where : mapping
        Conditions on metadata, as `deepstrf_hf.where.checked_where` returns them; nothing else is built.
    audio : bool
        Whether waveforms are stored.
    dt_ms : float
        Bin width, ms. A parameter, like every field that a corpus adds.
    """

    cohort: str = ""
    table: str = "rows"
    stimulus: str | None = None
    on_error: str = "raise"
    where: Where = dataclasses.field(default_factory=dict)
    audio: bool = True
    dt_ms: float = parameter(5.0, "bin width of responses and spectrogram", unit="ms")

    @classmethod
    def parameter_fields(cls) -> dict[str, dataclasses.Field[Any]]:
        """Return the fields that are parameters, by name."""
        return {field.name: field for field in dataclasses.fields(cls) if "description" in field.metadata}

    def parameters(self) -> dict[str, Any]:
        """Return the values of all parameters, by name."""
        return {name: getattr(self, name) for name in self.parameter_fields()}

    def changed_parameters(self) -> dict[str, Any]:
        """Return the parameters that differ from the published ones."""
        fields = self.parameter_fields()
        return {name: value for name, value in self.parameters().items() if value != fields[name].default}

    def variant_suffix(self) -> str:
        """Return what changed parameters add to the cohort's name, such as ``"-dt10-frames_exact"``, and conditions."""
        parts = []
        for name, value in sorted(self.changed_parameters().items()):
            text = f"{value:g}" if isinstance(value, float) else str(value)
            label = f"dt{text}" if name == "dt_ms" else f"{name}_{text}"
            parts.append("-" + re.sub(r"[^A-Za-z0-9_.]", "_", label))
        return "".join(parts) + where_suffix(self.where)

    def keeps_stimulus(self, metadata: Mapping[str, Any]) -> bool:
        """Return whether a stimulus is to be built; a reader may ask before it reads the rest of it."""
        return keeps(self.where, "stim", metadata)

    def keeps_neuron(self, metadata: Mapping[str, Any]) -> bool:
        """Return whether a neuron is to be built; a reader may ask before it reads the rest of it."""
        return keeps(self.where, "neuron", metadata)

    def check(self) -> None:
        """Check all values.

        Raises
        ------
        ParameterError
            A value of the wrong type or out of range.
        """
        if self.stimulus not in (None, "inline", "reference"):
            raise ParameterError(
                "Unknown way to store the stimulus",
                field="stimulus",
                found=self.stimulus,
                expected="'inline' or 'reference'",
            )
        if self.on_error not in ("raise", "skip"):
            raise ParameterError(
                "Unknown way to treat errors", field="on_error", found=self.on_error, expected="'raise' or 'skip'"
            )
        hints = typing.get_type_hints(type(self))
        for name, field in self.parameter_fields().items():
            value = getattr(self, name)
            setattr(self, name, _typed(name, value, hints[name]))
            choices = field.metadata["choices"]
            if choices and value not in choices:
                raise ParameterError(
                    "This value of the parameter is not allowed", field=name, found=repr(value), expected=choices
                )
        if not 0 < self.dt_ms < math.inf:
            raise ParameterError(
                "A bin width must be positive and finite", field="dt_ms", found=self.dt_ms, expected="> 0 ms"
            )


def _typed(name: str, value: Any, kind: Any) -> Any:
    """Convert a value, possibly text from the command line, to the type of a parameter."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if value is None and type(None) in kinds:
        return None
    for candidate in kinds:
        if candidate is type(None):
            continue
        if isinstance(value, str) and candidate is not str:
            if value.lower() == "none" and type(None) in kinds:
                return None
            truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            try:
                return truth[value.lower()] if candidate is bool else candidate(value)
            except (ValueError, KeyError):
                continue
        if candidate is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, candidate) and (candidate is bool or not isinstance(value, bool)):
            return value
    names = " or ".join(getattr(candidate, "__name__", str(candidate)) for candidate in kinds)
    raise ParameterError("A parameter has the wrong type", field=name, found=repr(value), expected=names)


def with_parameters(config: CorpusConfig, parameters: Mapping[str, Any]) -> CorpusConfig:
    """Return a copy of a configuration with other parameters.

    Raises
    ------
    UnknownNameError
        No such parameter; near matches are offered.
    ParameterError
        A value that cannot be used.
    """
    known = config.parameter_fields()
    for name in parameters:
        if name not in known:
            raise unknown_name("parameter", name, known)
    changed = dataclasses.replace(config, **parameters)
    changed.check()
    return changed
