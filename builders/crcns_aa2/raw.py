"""The raw tree of AA2: which cells and sounds it holds, and what its tables say of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from builders.crcns_aa1.cells import AA1_CELLS
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.theunissen import STRAY, list_sounds
from deepstrf_hf.formats.theunissen_corpus import Cell, Release, heard_in, read_cell
from deepstrf_hf.raw_tree import RawTree

CELLS, SOUNDS = "all_cells", "all_stims"
DOCUMENTS = "docs"
"""Folder of the tables, where the archive that holds them was unpacked by itself; else they lie beside the cells."""
REGIONS, CLASSES, SOUND_TABLE = "cell_regions.csv", "cell_stim_classes.csv", "stim_data.csv"
KNOWN_REGIONS = ("L", "L1", "L2a", "L2b", "L3", "mld", "OV", "CM", "None")
"""Labels of the release; None is a label, "no region known", and stays text."""
_DOCUMENTS_MEND = "crcns-aa2-docs.tar.gz holds it: unpack that beside all_cells"
_Left = list[tuple[str, str, str]]


@functools.lru_cache(maxsize=1)
def read_release(raw: RawTree) -> Release:
    """List the tree, read its tables and which sound was played when; the last tree read is kept.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A table is missing, or not as published.
    """
    regions = _read_regions(raw)
    classes = _read_classes(raw)
    table = _read_sound_table(raw)
    left_out: _Left = []
    notes: list[str] = []
    cells: list[Cell] = []
    for path in sorted((raw.root / CELLS).iterdir()):
        if not path.is_dir():
            left_out.append(("files", f"{CELLS}/{path.name}", STRAY))
            continue
        also_in = f"crcns_aa1/{path.name}" if path.name in AA1_CELLS else None
        metadata = {"area": regions.get(path.name), "also_in": also_in}
        cells.append(read_cell(raw, f"{CELLS}/{path.name}", metadata))
    present = {cell.name for cell in cells}
    left_out += [("cells", name, f"in {REGIONS}, but without a folder") for name in regions if name not in present]
    notes += [f"{cell.name} is not in {REGIONS}: its area is unknown." for cell in cells if cell.name not in regions]
    for region in sorted(set(regions.values()) - set(KNOWN_REGIONS)):
        notes.append(f"{REGIONS} has the label {region}, which the release does not describe; it was kept.")
    for cell in cells:
        folders = {entry.name for entry in (raw.root / cell.folder).iterdir() if entry.is_dir()}
        missing = [name for name in classes.get(cell.name, ()) if name not in folders]
        left_out += [("folders", f"{cell.folder}/{name}", f"in {CLASSES}, but absent") for name in missing]
    sounds, strays = list_sounds(raw.root / SOUNDS)
    heard = heard_in(cells)
    left_out += [("files", f"{SOUNDS}/{name}", STRAY) for name in strays]
    left_out += [("sounds", wav, "heard by no cell") for wav in sounds if wav not in heard]
    types = {wav: _class_of(wav, table, folders) for wav, folders in heard.items()}
    unlisted = sorted(wav for wav in heard if wav not in table)
    notes += [f"{wav} is not in {SOUND_TABLE}: its class is taken from the folders of cells." for wav in unlisted]
    stated = {wav: row[:3] for wav, row in table.items()}
    return Release(raw.root, tuple(cells), sounds, types, tuple(left_out), tuple(notes), stated)


def _class_of(wav: str, table: Mapping[str, tuple[float, int, int, str]], folders: set[str]) -> str | None:
    """Return the class of a sound: the table's, or that of the folders it is filed in, where they agree."""
    if wav in table:
        return table[wav][3]
    return next(iter(folders)) if len(folders) == 1 else None


def _read_regions(raw: RawTree) -> dict[str, str]:
    regions: dict[str, str] = {}
    path = raw.path(_table(raw, REGIONS), mend=_DOCUMENTS_MEND)
    for number, row in _rows(path, range(2, 3), "cell,region"):
        if regions.setdefault(row[0], row[1]) != row[1]:
            raise _line_error(path, number, f"{row[0]} in {regions[row[0]]} and in {row[1]}", "one region per cell")
    return regions


def _read_classes(raw: RawTree) -> dict[str, tuple[str, ...]]:
    """Read the classes of sounds that each cell heard. The folders say the same: this tells whether all are there."""
    path = raw.root / _table(raw, CLASSES)
    if not path.is_file():
        return {}
    rows = _rows(path, range(2, 100), "cell,class[,class ...]")
    return {row[0]: tuple(row[1:]) for _, row in rows}


def _read_sound_table(raw: RawTree) -> dict[str, tuple[float, int, int, str]]:
    """Read (rate in Hz, bits, samples, class) of each sound."""
    path = raw.path(_table(raw, SOUND_TABLE), mend=_DOCUMENTS_MEND)
    table: dict[str, tuple[float, int, int, str]] = {}
    for number, row in _rows(path, range(5, 6), "wav,rate,bits,samples,class"):
        try:
            entry = (float(row[1]), int(row[2]), int(row[3]), row[4])
        except ValueError as error:
            raise _line_error(path, number, ",".join(row), "numbers in columns 2 to 4") from error
        if table.setdefault(row[0], entry) != entry:
            raise _line_error(path, number, f"{row[0]} twice, with different values", "one row per sound")
    return table


def _table(raw: RawTree, name: str) -> str:
    """Return the name of a table below the raw directory: beside the cells, or in the folder of the documents."""
    inside = f"{DOCUMENTS}/{name}"
    return inside if not (raw.root / name).is_file() and (raw.root / inside).is_file() else name


def _rows(path: Path, lengths: Sequence[int], layout: str) -> list[tuple[int, list[str]]]:
    """Read a table without a header: line numbers and fields; empty lines are skipped.

    Raises
    ------
    RawFormatError
        Not text, a row of another length, or an empty field.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RawFormatError("A table cannot be read", path=path, found=error, expected=layout) from error
    rows = [(number, [field.strip() for field in line.split(",")]) for number, line in enumerate(lines, 1)]
    rows = [(number, row) for number, row in rows if row != [""]]
    for number, row in rows:
        if len(row) not in lengths or "" in row:
            raise _line_error(path, number, ",".join(row), layout)
    return rows


def _line_error(path: Path, number: int, found: str, expected: str) -> RawFormatError:
    return RawFormatError(
        "A table of the release is not as published",
        path=path,
        field=f"line {number}",
        found=found,
        expected=expected,
        mend="fetch crcns-aa2-docs.tar.gz again",
    )
