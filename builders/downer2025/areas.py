"""Which auditory field each session was recorded in.

The release tells a group of fields (core, non-primary) as data; the field itself stands in comments of its metadata and
in the figures of Ahmed et al. 2025.
"""

from __future__ import annotations

from typing import NamedTuple

UNSURE, NEVER_ASSIGNED = "*", "**"
FIELDS = {
    "A1": "180627 180719 180720 180731 180808* 180810 180814 190604 190606 190726 190801 191113 191125 191206 191209 "
    "200206 200207 200313",
    "R": "180501** 180807 200213",
    "CL": "191219",
    "ML": "180613 190703 191115 200205 200219",
    "AL": "180413** 180420** 180622 191211",
    "CPB": "180724 191121 200318",
    "RPB": "180502 180717* 180728 180730* 190605 191210 200212**",
}
"""Sessions by field: with * the authors moved it on their plot of coordinates and say that they are unsure; with **
they never assigned one, only a group, and what stands here is deepSTRF 0.1.0's word for it."""


class Area(NamedTuple):
    """The field of a session.

    Parameters
    ----------
    area : str or None
        As the authors assigned it.
    is_certain : bool or None
        Whether they were sure; None where there is none.
    deepstrf : str or None
        What deepSTRF 0.1.0 says.
    """

    area: str | None
    is_certain: bool | None
    deepstrf: str | None


def _parsed() -> dict[str, Area]:
    areas = {}
    for field, sessions in FIELDS.items():
        for entry in sessions.split():
            session = entry.rstrip("*")
            mark = entry[len(session) :]
            areas[session] = Area(None, None, field) if mark == NEVER_ASSIGNED else Area(field, mark != UNSURE, field)
    return areas


AREAS = _parsed()
"""By session; those of the release."""
UNKNOWN = Area(None, None, None)
