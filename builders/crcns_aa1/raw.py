"""The raw tree of AA1: which cells and sounds it holds."""

from __future__ import annotations

import functools
from pathlib import Path

from builders.crcns_aa1.cells import AA1_CELLS
from deepstrf_hf.errors import DataDirectoryError
from deepstrf_hf.formats.theunissen import STRAY, list_sounds
from deepstrf_hf.formats.theunissen_corpus import Cell, Release, heard_in, read_cell
from deepstrf_hf.raw_tree import RawTree

SOUNDS = "all_stims"
AREAS = {"Field_L": "Field_L_cells", "MLd": "MLd_cells"}
"""Folder of the cells of each area."""
CLASSES = ("conspecific", "flatrip")


@functools.lru_cache(maxsize=1)
def read_release(raw: RawTree) -> Release:
    """List the tree and read which sound was played when; the last tree read is kept.

    Raises
    ------
    DataDirectoryError
        It holds the cells of neither area.
    """
    present = {area: folder for area, folder in AREAS.items() if (raw.root / folder).is_dir()}
    if not present:
        raise DataDirectoryError(
            "This directory does not hold the raw files of crcns_aa1",
            path=raw.root,
            found="no folder of cells",
            expected=" or ".join(AREAS.values()),
            mend="complete the unpacking; a directory with all_cells is crcns_aa2",
        )
    notes = [f"The tree has no {folder}: cells of {area} are not in the tables." for area, folder in AREAS.items()
             if area not in present]  # fmt: skip
    left_out: list[tuple[str, str, str]] = []
    cells: list[Cell] = []
    for area, folder in present.items():
        for path in sorted((raw.root / folder).iterdir()):
            if not path.is_dir():
                left_out.append(("files", f"{folder}/{path.name}", STRAY))
                continue
            also_in = f"crcns_aa2/{path.name}" if path.name in AA1_CELLS else None
            cells.append(read_cell(raw, f"{folder}/{path.name}", {"area": area, "also_in": also_in}))
    heard = heard_in(cells)
    sounds: dict[str, Path] = {}
    types: dict[str, str | None] = dict.fromkeys(heard)
    for path in sorted((raw.root / SOUNDS).iterdir()):
        if not path.is_dir():
            left_out.append(("files", f"{SOUNDS}/{path.name}", STRAY))
            continue
        of_class, strays = list_sounds(path)
        left_out += [("files", f"{SOUNDS}/{path.name}/{name}", STRAY) for name in strays]
        sounds |= of_class
        notes += [f"{wav} lies in {types[wav]} and in {path.name}: it counts as the latter." for wav in of_class
                  if types.get(wav)]  # fmt: skip
        types |= {wav: path.name for wav in of_class if wav in heard}
    left_out += [("sounds", wav, "heard by no cell") for wav in sounds if wav not in heard]
    return Release(raw.root, tuple(cells), sounds, types, tuple(left_out), tuple(notes))
