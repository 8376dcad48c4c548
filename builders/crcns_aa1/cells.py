"""The cells of AA1 by name, so that AA2, which holds them all again, can tell which of its cells they are."""

from __future__ import annotations

_FIELD_L = {  # bird: numbers of its cells, all recorded with rig B
    "gg0304": (4, 6, 8, 9, 10),
    "lghp1616": (4, 5, 6, 7, 8, 9, 10),
    "pipu0617": (3, 4, 5, 7, 8, 9, 10),
    "pipu1018": (1, 2, 3, 4, 6, 7, 11),
    "publu0717": (3, 6, 7, 9),
    "yg0111": (2, 3, 4, 5, 6, 7, 8, 9, 10),
    "yg0331": (2, 3, 4, 5, 8, 9, 10),
    "yg0616": (8, 9, 10, 11),
}
_MLD = {  # the same, rig A
    "gg0304": (4, 6, 8, 9, 10, 11, 12, 15),
    "lghp1616": (4, 5, 6, 7, 8, 9, 10),
    "pipu0617": (2, 3, 5, 6, 7, 8, 10),
    "pipu1018": (1, 2, 3, 4, 5, 6, 7, 8),
    "publu0717": (2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
    "yg0331": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
}
FIELD_L_CELLS = frozenset(f"{bird}_{number}_B" for bird, numbers in _FIELD_L.items() for number in numbers)
MLD_CELLS = frozenset(f"{bird}_{number}_A" for bird, numbers in _MLD.items() for number in numbers)
AA1_CELLS = FIELD_L_CELLS | MLD_CELLS
"""All 100, 50 in each area. Their files are the same, byte for byte, in both releases."""
