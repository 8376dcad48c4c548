"""Options that several commands take as NAME=VALUE."""

from __future__ import annotations

from collections.abc import Iterator

from deepstrf_hf.errors import ParameterError


def pairs_of(texts: list[str] | None, option: str, expected: str) -> Iterator[tuple[str, str]]:
    """Divide texts at their first equals sign.

    Parameters
    ----------
    texts : list of str or None
        As they were given.
    option, expected : str
        Name of the option and form of its value, for the message.

    Raises
    ------
    ParameterError
        One has no equals sign.
    """
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f"This option takes {expected}", field=option, found=text, expected=expected)
        yield name, value


def conditions_of(where: list[str] | None) -> dict[str, list[str]]:
    """Return the values that are allowed of each column (errors as in `pairs_of`)."""
    conditions: dict[str, list[str]] = {}
    for name, value in pairs_of(where, "--where", "COLUMN=VALUE"):
        conditions.setdefault(name, []).append(value)
    return conditions
