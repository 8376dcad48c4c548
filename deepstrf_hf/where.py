"""Build a part of a corpus: which neurons and stimuli, by their metadata."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from deepstrf_hf.corpus import Column, Corpus
from deepstrf_hf.errors import ParameterError, unknown_name

Where = dict[str, tuple[Any, ...]]
"""Allowed values by ``"neuron.<column>"`` or ``"stim.<column>"``; every column named must have one of its values."""
OR = "_or_"
LONGEST_SUFFIX = 100
"""Characters of a configuration's name that say which part it is."""
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def checked_where(where: Mapping[str, Any] | None, corpus: Corpus) -> Where:
    """Return conditions with values of the columns' types.

    Parameters
    ----------
    where : mapping, optional
        A value or several for each column, text where it comes from the command line.
    corpus : Corpus
        Whose columns.

    Raises
    ------
    UnknownNameError
        No such column; near matches are offered.
    ParameterError
        A value that the column cannot have.
    """
    columns = {f"stim.{name}": column for name, column in corpus.stimulus_columns.items()}
    columns |= {f"neuron.{name}": column for name, column in corpus.neuron_columns.items()}
    if not isinstance(where, (Mapping, type(None))):
        raise ParameterError(
            "Conditions must be a mapping", field="where", found=repr(where), expected="{'neuron.area': ['A1']}"
        )
    checked: Where = {}
    for name, wanted in (where or {}).items():
        if name not in columns:
            raise unknown_name("column", name, columns, field="where")
        values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else list(wanted)
        if not values:
            raise ParameterError("A condition needs a value", field=f"where {name}", found="none")
        checked[name] = tuple(sorted({_typed(value, columns[name], name) for value in values}))
    return dict(sorted(checked.items()))


def _typed(value: Any, column: Column, name: str) -> Any:
    kind = {"string": str, "bool": bool}.get(column.dtype, float if column.dtype.startswith("float") else int)
    try:
        if kind is bool:
            return value if isinstance(value, bool) else TRUTH[str(value).lower()]
        typed = kind(value)
        if kind is not str and (isinstance(value, bool) or typed != (value if not isinstance(value, str) else typed)):
            raise ValueError  # a fraction or truth value for a whole number; NaN equals nothing
        return typed
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise ParameterError(
            "A value that this column cannot have", field=f"where {name}", found=repr(value), expected=column.dtype
        ) from error


def keeps(where: Where, prefix: str, metadata: Mapping[str, Any]) -> bool:
    """Return whether metadata of a stimulus (prefix ``"stim"``) or of a neuron (``"neuron"``) fulfil the conditions."""
    if not where:  # mostly so, and asked of every pair
        return True
    return all(
        metadata.get(name.removeprefix(f"{prefix}.")) in values
        for name, values in where.items()
        if name.startswith(f"{prefix}.")
    )


def where_suffix(where: Where) -> str:
    """Return what the conditions add to the name of a configuration, such as ``"-neuron.area_MLd"``.

    Where that would be long, or would not tell two conditions apart, it ends in a digest of them.
    """
    parts = [f"-{name}_{OR.join(map(str, values))}" for name, values in sorted(where.items())]
    text = re.sub(r"[^A-Za-z0-9_.-]", "_", "".join(parts))
    said = [str(value) for values in where.values() for value in values]
    plain = all(re.fullmatch(r"[A-Za-z0-9._]+", value) and OR not in value for value in said)
    if plain and len(text) <= LONGEST_SUFFIX:
        return text
    digest = hashlib.sha256(json.dumps(sorted(where.items()), default=list).encode()).hexdigest()
    return f"{text[: LONGEST_SUFFIX - 9]}-{digest[:8]}"


def describe_where(where: Where) -> str:
    """Return the conditions in words."""
    return " and ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in sorted(where.items()))
