"""The JSON files of NEMS recordings: meta data of the recording, and the header of each signal."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.nems_container import REPAIR, MemberStream

POINT_PROCESS = "PointProcess"
RASTERIZED = "RasterizedSignal"
TILED = "TiledSignal"
SIGNAL_TYPE = re.compile(r"(?:.*[.'])?(PointProcess|RasterizedSignal|TiledSignal)(?:'>)?")
"""``<class 'nems.signal.PointProcess'>``; later versions of NEMS have other module names."""


@dataclass(frozen=True)
class NemsSignal:
    """What the JSON file of a signal says.

    Parameters
    ----------
    name : str
        Name of the signal: ``"resp"``, ``"stim"`` …
    channels : tuple of str or None
        Names of its channels in the order of record; None where the file names none.
    sample_rate_hz : float
        Samples (bins) per second.
    n_samples : int or None
        Length in samples; None in files of the older generation.
    kind : str
        ``"PointProcess"``, ``"RasterizedSignal"`` or ``"TiledSignal"``; the second where the file does not say, as all
        signals of the older generation are.
    meta : dict
        What the lab wrote beside it; empty where it wrote nothing.
    path, member : str
        Recording and member it was read from, for messages.
    """

    name: str
    channels: tuple[str, ...] | None
    sample_rate_hz: float
    n_samples: int | None
    kind: str
    meta: dict[str, Any]
    path: str
    member: str

    def error(self, problem: str, field: str, found: object, expected: object) -> RawFormatError:
        """Make the error for a header that contradicts something."""
        place = f"{self.member}: {field}"
        return RawFormatError(problem, path=self.path, field=place, found=found, expected=expected, mend=REPAIR)

    def require_rate(self, sample_rate_hz: float) -> None:
        """Check the sampling rate.

        Raises
        ------
        RawFormatError
            It is another one.
        """
        if self.sample_rate_hz != sample_rate_hz:
            raise self.error(
                "A signal has another sampling rate than its corpus",
                "fs",
                f"{self.sample_rate_hz:g} Hz",
                f"{sample_rate_hz:g} Hz",
            )

    def require_channels(self) -> tuple[str, ...]:
        """Return the names of the channels.

        Raises
        ------
        RawFormatError
            The file names none.
        """
        if self.channels is None:
            raise self.error("A signal does not name its channels", "chans", None, "a list of names")
        return self.channels


def read_json(stream: MemberStream) -> dict[str, Any]:
    """Read a member that holds a JSON object.

    Raises
    ------
    RawFormatError
        It does not.
    """
    try:
        content = json.loads(stream.whole())
    except (ValueError, RecursionError) as error:
        raise stream.error("A JSON file cannot be read", found=error, expected="JSON") from error
    if not isinstance(content, dict):
        raise stream.error("A JSON file is not as published", found=type(content).__name__, expected="an object")
    return content


def read_signal_json(stream: MemberStream) -> NemsSignal:
    """Read the header of a signal.

    Raises
    ------
    RawFormatError
        Not JSON, without sampling rate, or with values that no signal can have.
    """
    content = read_json(stream)

    def wrong(field: str, expected: str) -> RawFormatError:
        return stream.error(
            "The header of a signal is not as published", field=field, found=content.get(field), expected=expected
        )

    rate = content.get("fs")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not (math.isfinite(rate) and rate > 0):
        raise wrong("fs", "a sampling rate, Hz")
    channels = content.get("chans")
    if channels is not None:
        if not isinstance(channels, list) or not all(isinstance(name, str) for name in channels):
            raise wrong("chans", "a list of names, or null")
        if len(set(channels)) < len(channels):
            raise wrong("chans", "each name once")
    kind = content.get("signal_type")
    match = SIGNAL_TYPE.fullmatch(kind) if isinstance(kind, str) else None
    if kind is not None and match is None:
        raise wrong("signal_type", "PointProcess, RasterizedSignal or TiledSignal")
    length = content.get("segments")
    if length is not None and not _are_segments(length):
        raise wrong("segments", "[[0, n], …] in samples, ascending")
    meta = content.get("meta")
    return NemsSignal(
        name=stream.member.signal,
        channels=None if channels is None else tuple(channels),
        sample_rate_hz=float(rate),
        n_samples=int(length[-1][1]) if length else None,
        kind=RASTERIZED if match is None else match[1],
        meta=meta if isinstance(meta, dict) else {},
        path=str(stream.path),
        member=stream.member.name,
    )


def _are_segments(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return False
    bounds = [bound for pair in value for bound in pair]
    if not all(type(bound) in (int, float) and math.isfinite(bound) and bound == int(bound) for bound in bounds):
        return False
    return bounds == sorted(bounds) and (not bounds or bounds[0] >= 0)


def meta_sha1(meta: dict[str, Any]) -> str:
    """Return the digest that NEMS puts into the names of files: SHA-1 of the meta data as JSON with sorted keys.

    It is no check sum: two files with different digests can hold the same recording, and the contents of two with the
    same can differ.
    """
    return hashlib.sha1(json.dumps(meta, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
