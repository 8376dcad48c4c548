"""Which members of the one archive of 29 GB a build needs: told by names, and by the table of fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from builders.downer2025.areas import AREAS, UNKNOWN
from builders.downer2025.release import CHANNEL_FILE, SESSIONS
from builders.downer2025.stimuli import CLASSES
from deepstrf_hf.where import Where, keeps


def needed_members(cohorts: Sequence[str], where: Where) -> Callable[[str], bool] | None:
    """Return which members a build needs.

    A session is needed whole or not at all: how many channels it has is a column of each of them.

    Parameters
    ----------
    cohorts : sequence of str
        Names of the cohorts that are to be built.
    where : Where
        Conditions of the build. Those that cannot be told by names, such as on coordinates, leave no session out.

    Returns
    -------
    callable or None
        Tells of a name below the raw directory whether it is needed; None: all are.
    """
    told = {name: values for name, values in where.items() if name in _TOLD}
    named = where.get("neuron.cell_id")
    if set(cohorts) == set(CLASSES) and not told and named is None:
        return None
    sounds = {file for cohort in cohorts for file in CLASSES[cohort].files}
    sessions = None if named is None else {_session_of(f"{cell}_MUspk.mat") for cell in named}

    def needed(name: str) -> bool:
        folder, _, below = name.partition("/")
        if folder != SESSIONS or not below:
            return name in sounds or not below  # metadata, licence and remarks lie at the top
        session, _, file = below.partition("/")
        matched = CHANNEL_FILE.fullmatch(file)
        if matched is None:
            return False
        area = AREAS.get(session, UNKNOWN)
        metadata = {
            "session_id": matched["session"],
            "animal_id": matched["animal"],
            "area": area.area,
            "area_is_certain": area.is_certain,
            "deepstrf_area": area.deepstrf,
        }
        return keeps(told, "neuron", metadata) and (sessions is None or _session_of(file) in sessions)

    return needed


_TOLD = tuple(f"neuron.{name}" for name in ("session_id", "animal_id", "area", "area_is_certain", "deepstrf_area"))


def _session_of(file: str) -> tuple[str, str] | None:
    """Return animal and session of a channel's file."""
    matched = CHANNEL_FILE.fullmatch(file)
    return None if matched is None else (matched["animal"], matched["session"])
