"""Every error a user can meet: where it happened, what was found, what was expected, and how to mend it."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class DeepstrfError(Exception):
    """Base of all errors that deepstrf_hf raises on purpose.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence.
    path : str or Path, optional
        File or directory concerned.
    field : str, optional
        Field, column, argument or key concerned.
    found, expected : object, optional
        What was there and what should have been.
    mend : str, optional
        What the user can do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: str | Path | None = None,
        field: str | None = None,
        found: object = None,
        expected: object = None,
        mend: str | None = None,
    ) -> None:
        super().__init__(problem)  # first: ImportError sets an attribute `path` of its own
        self.problem = problem
        self.path = None if path is None else str(path)
        self.field = field
        self.found = found
        self.expected = expected
        self.mend = mend

    def __str__(self) -> str:
        parts = [self.problem.rstrip(".") + "."]
        for label, value in (
            ("File", self.path),
            ("Field", self.field),
            ("Found", self.found),
            ("Expected", self.expected),
            ("Mend", self.mend),
        ):
            if value is not None:
                text = str(value).rstrip(".")
                parts.append(f"{label}: {text}" + ("" if text.endswith("?") else "."))
        return " ".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process borders (parallel builds); keyword arguments are lost by the default reduction.
        keywords = {name: getattr(self, name) for name in ("path", "field", "found", "expected", "mend")}
        return functools.partial(type(self), self.problem, **keywords), ()


class RawDataError(DeepstrfError):
    """A raw recording cannot be used; ``on_error="skip"`` leaves it out and reports it."""


class MissingRawFileError(RawDataError):
    """A raw file that the corpus names is not there."""


class RawFormatError(RawDataError):
    """A raw file does not have the layout its corpus is published in."""


class ArchiveError(RawDataError):
    """An archive is damaged, or holds what must not be unpacked."""


class DataDirectoryError(DeepstrfError):
    """The directory given as raw data does not hold the corpus."""


class UnknownNameError(DeepstrfError, KeyError):
    """No corpus, cohort, configuration, parameter, attribute or neuron of that name."""

    __str__ = DeepstrfError.__str__


class ParameterError(DeepstrfError, ValueError):
    """A parameter has a value that cannot be used."""


class OutputDirectoryError(DeepstrfError):
    """The output directory holds something that must not be overwritten."""


class WorkerLostError(DeepstrfError):
    """A process that built a part was ended from outside, again and again."""


class BuilderContractError(DeepstrfError):
    """A corpus builder yielded recordings that break the row contract (a fault of the builder, not of the data)."""


class RegistrationError(DeepstrfError):
    """An installed distribution declares a corpus that cannot be used, or one of a name that another has."""


class TableFormatError(DeepstrfError):
    """A directory or repository does not hold the tables of this library, or holds them broken."""


class GridError(DeepstrfError, ValueError):
    """Arrays or tables cannot form a (stimulus, neuron) grid."""


class SelectionError(DeepstrfError, IndexError):
    """An index of a stimulus or neuron is out of range or not an integer."""


class RedistributionError(DeepstrfError):
    """The terms of a corpus do not allow what was asked for."""


class HubError(DeepstrfError):
    """The Hub refused, or could not be reached."""


class DownloadError(DeepstrfError):
    """A file that a lab publishes could not be fetched whole and right."""


class NotAtHostError(DownloadError):
    """A host has no file at an address, or no longer."""


class LoginError(DownloadError):
    """A host did not take the user name and password, or has none to take."""


class RangesNotServedError(DownloadError):
    """A host only gives whole files, so that parts of one cannot be read from afar."""


class MissingDependencyError(DeepstrfError, ImportError):
    """An optional dependency is not installed."""

    __str__ = DeepstrfError.__str__


def unknown_name(kind: str, name: object, known: Iterable[object], **where: Any) -> UnknownNameError:
    """Make the error for a name that does not exist, with near matches.

    Parameters
    ----------
    kind : str
        What the name should be the name of, for example ``"cohort"``.
    name : object
        What was given.
    known : iterable
        The names that exist.
    **where
        ``path`` or ``field`` for the message.

    Returns
    -------
    UnknownNameError
        The error, to be raised by the caller.
    """
    names = [str(entry) for entry in known]
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    shown = ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")
    return UnknownNameError(
        f"No {kind} is named {str(name)!r}",
        expected=f"one of: {shown}" if names else f"nothing: there is no {kind} here",
        mend=f"did you mean {' or '.join(map(repr, near))}?" if near else None,
        **where,
    )
