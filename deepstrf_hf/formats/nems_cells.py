"""Names of neurons in the ferret recordings: what they say, and which of two spellings are one neuron.

``DRX006b-064-2`` is unit 2 on electrode 64 of site DRX006b of animal DRX; ``SLJ032a-A-12-3`` names the probe too. One
release writes the electrode with two digits in one file and three in another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deepstrf_hf.errors import RawFormatError

CELL_ID = re.compile(
    r"(?P<site>(?P<animal>[A-Za-z]{3})[0-9]+[a-z]?)-(?:(?P<probe>[A-Za-z])-)?(?P<electrode>[0-9]+)-(?P<unit>[0-9]+)"
)
LOOSE_CELL_ID = re.compile(
    r"(?P<site>(?P<animal>[A-Za-z]+)[0-9]+[A-Za-z]?)-(?P<channel>[A-Za-z]*[0-9]+)(?:-(?P<unit>[0-9]+))?"
)

CellKey = tuple[str, str, int, int]


@dataclass(frozen=True)
class CellName:
    """What the name of a neuron says.

    Parameters
    ----------
    cell_id : str
        The name.
    site : str or None
        Recording site: the text before the first ``-``, whatever follows; None where there is none.
    animal, probe : str or None
        None where the name has another form, the probe also where it names none.
    electrode, unit : int or None
        None where the name has another form.
    """

    cell_id: str
    site: str | None
    animal: str | None = None
    probe: str | None = None
    electrode: int | None = None
    unit: int | None = None

    @property
    def key(self) -> CellKey | None:
        """Site, probe (``""`` without), electrode and unit, equal for all spellings; None for names of another form."""
        if self.site is None or self.electrode is None or self.unit is None:
            return None
        return self.site, self.probe or "", self.electrode, self.unit


@dataclass(frozen=True)
class LooseCellName:
    """What the name of a neuron of the older recordings says: ``btn144a-c1``, ``AMT003c-11-1``.

    Parameters
    ----------
    cell_id : str
        The name.
    site, animal, channel, unit : str or None
        As written, leading zeros included; None where the name does not say. The site is the text before the first
        ``-`` also where the rest has another form.
    """

    cell_id: str
    site: str | None
    animal: str | None = None
    channel: str | None = None
    unit: str | None = None


def parse_cell_id(cell_id: str, *, probe_letter: bool = False) -> CellName:
    """Take the name of a neuron apart.

    Three letters, digits and perhaps one lower-case letter (the site; the letters are the animal), ``-``, digits (the
    electrode), ``-``, digits (the unit).

    Parameters
    ----------
    cell_id : str
        The name.
    probe_letter : bool
        Whether a letter and ``-`` may stand before the electrode.

    Returns
    -------
    CellName
        With the site alone where the name has another form.
    """
    match = CELL_ID.fullmatch(cell_id)
    if match is None or (match["probe"] is not None and not probe_letter):
        return CellName(cell_id, site_of(cell_id))
    return CellName(
        cell_id, match["site"], match["animal"], match["probe"], int(match["electrode"]), int(match["unit"])
    )


def parse_loose_cell_id(cell_id: str) -> LooseCellName:
    """Take the name of a neuron of the older recordings apart.

    Letters, digits and perhaps a letter (the site; its first letters are the animal), ``-``, perhaps letters, digits
    (the channel), and perhaps ``-`` and digits (the unit).
    """
    match = LOOSE_CELL_ID.fullmatch(cell_id)
    if match is None:
        return LooseCellName(cell_id, site_of(cell_id))
    return LooseCellName(cell_id, match["site"], match["animal"], match["channel"], match["unit"])


def site_of(cell_id: str) -> str | None:
    """Return the text before the first ``-``, None where there is none."""
    site, dash, _ = cell_id.partition("-")
    return site if dash else None


def match_cells(wanted: Sequence[str], available: Sequence[str], *, probe_letter: bool = False) -> dict[str, str]:
    """Find neurons under their names elsewhere: the same name, else the one name that differs by leading zeros.

    Parameters
    ----------
    wanted : sequence of str
        Names to look for.
    available : sequence of str
        Names to find them among.
    probe_letter : bool
        As in `parse_cell_id`.

    Returns
    -------
    dict of str to str
        Name among `available` by name in `wanted`; without those that are not there.

    Raises
    ------
    RawFormatError
        Two names differ by leading zeros alone and it cannot be told which is meant.
    """
    exact = set(available)
    by_key: dict[CellKey, list[str]] = {}
    for name in dict.fromkeys(available):
        key = parse_cell_id(name, probe_letter=probe_letter).key
        if key is not None:
            by_key.setdefault(key, []).append(name)
    found: dict[str, str] = {}
    taken: dict[str, str] = {name: name for name in wanted if name in exact}
    for name in wanted:
        if name in exact:
            found[name] = name
            continue
        key = parse_cell_id(name, probe_letter=probe_letter).key
        spellings = by_key.get(key, []) if key is not None else []
        if len(spellings) > 1 or (spellings and spellings[0] in taken):
            raise RawFormatError(
                "A neuron has two names",
                field=name,
                found=", ".join([*spellings, *(taken[s] for s in spellings if taken.get(s, s) != s)]),
                expected="one name but for leading zeros",
            )
        if spellings:
            found[name] = spellings[0]
            taken[spellings[0]] = name
    return found
