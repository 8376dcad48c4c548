"""pprox files: the trials of one unit as JSON, in the layouts that the lab of C. D. Meliza publishes.

A file is one object with a list ``pprox`` of trials. Two layouts are known, and told apart by the keys of the trials:
the older one has ``event`` and ``stim_on`` in milliseconds of one clock, the newer one ``events`` in seconds. The name
of the schema does not tell them apart: ``spec:2/pprox`` has been written over both (https://meliza.org/specifications).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import MissingRawFileError, RawFormatError

SCHEMA = re.compile(r".*spec:2/(pprox|stimtrial)\.json#?")
REPAIR = "the file is damaged or of another kind than those this reader knows: fetch it again"
LONGEST_MS = 1e12
"""Larger numbers are no times."""
MILLISECONDS = "ms"
SECONDS = "s"


@dataclass(frozen=True, eq=False)
class PproxTrial:
    """One presentation of a stimulus to a unit.

    Parameters
    ----------
    place : str
        Where in the file it is, for messages.
    stimulus, condition : str or None
        As the file names them; the newer layout has no condition.
    times_ms : ndarray of float64, shape (events,)
        From stimulus onset, ms; empty where no stimulus is named.
    n_missing : int
        Entries of the list of events that hold no number.
    has_events : bool
        False where there is no list of events at all.
    stated_ms : float or None
        How long the stimulus lasted, as the trial states it, ms.
    recorded_ms : (float, float) or None
        Begin and end of what was recorded, from stimulus onset, ms, where the trial states them.
    """

    place: str
    stimulus: str | None
    condition: str | None
    times_ms: NDArray[np.float64]
    n_missing: int = 0
    has_events: bool = True
    stated_ms: float | None = None
    recorded_ms: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class PproxFile:
    """What a file holds.

    Parameters
    ----------
    path : Path
        The file.
    unit : str
        ``"ms"`` (older layout) or ``"s"`` (newer one): the unit of its times.
    attributes : mapping
        All keys of the object but the trials.
    trials : tuple of PproxTrial
        In the order of the file.
    """

    path: Path
    unit: str
    attributes: Mapping[str, Any]
    trials: tuple[PproxTrial, ...]

    def text(self, key: str) -> str | None:
        """Return an attribute that is text, or absent.

        Raises
        ------
        RawFormatError
            It is something else.
        """
        value = self.attributes.get(key)
        if value is not None and not isinstance(value, str):
            raise _error(self.path, "An attribute of a unit is not text", key, repr(value)[:80], "text, or null")
        return value or None


def read_pprox(path: Path) -> PproxFile:
    """Read the file of a unit.

    Parameters
    ----------
    path : Path
        A ``.pprox`` or ``.json`` file.

    Returns
    -------
    PproxFile
        Its trials, with times from stimulus onset.

    Raises
    ------
    MissingRawFileError
        It is not there.
    RawFormatError
        Not JSON, no list of trials, an unknown schema, trials of neither layout or of both, or a value of a wrong type.
    """
    if not path.is_file():
        raise MissingRawFileError("The file of a unit is missing", path=path, expected="a pprox file")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # not JSON, or not UTF-8, or nested without end
        raise _error(path, "A pprox file is not JSON", None, error, "one JSON object") from error
    trials = content.get("pprox") if isinstance(content, dict) else None
    if not isinstance(trials, list) or not all(isinstance(trial, dict) for trial in trials):
        found = f"the keys {', '.join(list(content)[:8])}" if isinstance(content, dict) else type(content).__name__
        raise _error(path, "A pprox file holds no list of trials", "pprox", found, "an object with a list of objects")
    schema = content.get("$schema")
    if schema is not None and not (isinstance(schema, str) and SCHEMA.fullmatch(schema)):
        raise _error(
            path, "A pprox file is of an unknown schema", "$schema", repr(schema)[:120], "spec:2/pprox or stimtrial"
        )
    unit = _unit(path, trials)
    read = _older_trial if unit == MILLISECONDS else _newer_trial
    attributes = {name: value for name, value in content.items() if name != "pprox"}
    read_trials = tuple(read(path, f"pprox[{index}]", trial) for index, trial in enumerate(trials))
    return PproxFile(path, unit, attributes, read_trials)


def _unit(path: Path, trials: Sequence[Mapping[str, Any]]) -> str:
    """Tell the layout by the keys of the trials."""
    older = any("event" in trial or "stim_on" in trial for trial in trials)
    newer = any("events" in trial for trial in trials)
    if older == newer:
        keys = sorted({str(key) for trial in trials for key in trial})
        raise _error(
            path,
            "A pprox file is of no layout that is known" if not older else "A pprox file mixes two layouts",
            "keys of its trials",
            ", ".join(keys[:12]) or "no trials",
            "event and stim_on (ms), or events (s)",
        )
    return MILLISECONDS if older else SECONDS


def _older_trial(path: Path, place: str, trial: Mapping[str, Any]) -> PproxTrial:
    """Read a trial of the older layout: ``event``, ``stim_on`` and ``stim_off`` in ms of one clock."""
    if trial.get("units") not in (None, MILLISECONDS):
        raise _error(path, "A trial is in another unit than its layout", f"{place}.units", trial["units"], "ms")
    stimulus, condition = (_name(path, place, trial, key) for key in ("stimulus", "condition"))
    if stimulus is None or condition is None:
        return PproxTrial(place, stimulus, condition, np.empty(0))
    times, missing = _times(path, f"{place}.event", trial.get("event"))
    onset = _number(path, f"{place}.stim_on", trial.get("stim_on"))
    end = trial.get("stim_off")
    stated = None if end is None else _number(path, f"{place}.stim_off", end) - onset
    return PproxTrial(place, stimulus, condition, times - onset, missing, trial.get("event") is not None, stated)


def _newer_trial(path: Path, place: str, trial: Mapping[str, Any]) -> PproxTrial:
    """Read a trial of the newer layout: ``events`` and intervals in s, the stimulus an object or a bare name."""
    described = trial.get("stimulus")
    onset, stated = 0.0, None
    if isinstance(described, Mapping):
        stimulus = _name(path, place, described, "name")
        if described.get("interval") is not None:
            onset, end = _interval(path, f"{place}.stimulus.interval", described["interval"])
            stated = 1000 * (end - onset)
    else:
        named = _name(path, place, trial, "stimulus")
        stimulus = None if named is None else PurePosixPath(named).name.removesuffix(".wav")
    if stimulus is None:
        return PproxTrial(place, None, None, np.empty(0))
    times, missing = _times(path, f"{place}.events", trial.get("events"))
    recorded = None
    if trial.get("interval") is not None:
        begin, end = _interval(path, f"{place}.interval", trial["interval"])
        recorded = (1000 * (begin - onset), 1000 * (end - onset))
    return PproxTrial(
        place, stimulus, None, 1000 * (times - onset), missing, trial.get("events") is not None, stated, recorded
    )


def _times(path: Path, field: str, values: object) -> tuple[NDArray[np.float64], int]:
    """Return the numbers of a list, and how many of its entries are null."""
    if values is None:
        return np.empty(0), 0
    if not isinstance(values, list) or not set(map(type, values)) <= {int, float, type(None)}:
        raise _error(path, "The events of a trial are not times", field, repr(values)[:80], "a list of numbers")
    numbers = [value for value in values if value is not None]
    try:
        times = np.array(numbers, dtype=np.float64)
    except OverflowError as error:
        raise _error(path, "The events of a trial are not times", field, error, "a list of numbers") from error
    real = np.isfinite(times)
    if (np.abs(times[real]) > LONGEST_MS).any():
        raise _error(path, "The events of a trial are not times", field, f"{np.abs(times[real]).max():g}", "times")
    return times[real], len(values) - int(real.sum())


def _name(path: Path, place: str, holder: Mapping[str, Any], key: str) -> str | None:
    value = holder.get(key)
    if value is not None and not isinstance(value, str):
        raise _error(path, "A trial names its stimulus by no text", f"{place}.{key}", repr(value)[:80], "text, or null")
    return value or None


def _number(path: Path, field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LONGEST_MS:
        raise _error(path, "A time of a trial is no number", field, repr(value)[:80], "a finite number")
    return float(value)


def _interval(path: Path, field: str, value: object) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise _error(path, "An interval of a trial is not one", field, repr(value)[:80], "[begin, end]")
    begin, end = (_number(path, field, bound) for bound in value)
    if end < begin:
        raise _error(path, "An interval of a trial is not one", field, f"[{begin:g}, {end:g}]", "begin before end")
    return begin, end


def _error(path: Path, problem: str, field: str | None, found: object, expected: str) -> RawFormatError:
    return RawFormatError(problem, path=path, field=field, found=found, expected=expected, mend=REPAIR)
