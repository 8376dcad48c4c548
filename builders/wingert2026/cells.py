"""The list of cells, ``cell_list.csv``: which units there are, and what is known of them.

It is read as text. A library that guesses types makes "13.0" of the layers "13" where some are blank, and True of a
blank truth value.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.nems_cells import parse_cell_id

CELL_LIST = "cell_list.csv"
COLUMNS = ("cellid", "siteid", "area", "layer", "depth", "narrow", "celltype", "sw", "goodpred")
"""The columns that are used, of some dozens."""
AREAS = ("A1", "PEG", "AC", "HC")
BLANK = ("", "nan", "none", "null", "na")
TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
WHOLE = re.compile(r"([0-9]+)\.0+")
REPAIR = f"{CELL_LIST} is damaged or not the published one: fetch it again"

CellValues = Mapping[str, Any]
"""Neuron metadata by column, absent values None; without what only the recordings tell."""


def read_cell_list(path: Path) -> dict[str, CellValues]:
    """Read the list of cells.

    Parameters
    ----------
    path : Path
        ``cell_list.csv``.

    Returns
    -------
    dict of str to mapping
        Neuron metadata by cell, in the order of the file.

    Raises
    ------
    RawFormatError
        Not the published table; a cell that is named twice; a value that its column cannot have.
    """
    cells: dict[str, CellValues] = {}
    # The limit of the csv module on one field is for files that were not meant as csv.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            absent = [name for name in COLUMNS if header.count(name) != 1]
            if absent:
                raise _error(path, "line 1", f"not once: {', '.join(absent)}", f"the columns {', '.join(COLUMNS)}")
            place = {name: header.index(name) for name in COLUMNS}
            for row in reader:
                line = f"line {reader.line_num}"
                if not row:
                    continue
                if len(row) != len(header):
                    raise _error(path, line, f"{len(row)} values", f"{len(header)} values")
                values = _cell({name: row[index] for name, index in place.items()}, path, line)
                if values["cell_id"] in cells:
                    raise _error(path, line, f"{values['cell_id']} again", "each cell once")
                cells[values["cell_id"]] = values
        except (csv.Error, UnicodeDecodeError) as error:
            raise _error(path, f"after line {reader.line_num}", error, "comma-separated text") from error
    return cells


def _cell(row: Mapping[str, str], path: Path, line: str) -> CellValues:
    """Return the metadata of one cell from the text of its row."""

    def text(column: str) -> str | None:
        said = row[column].strip()
        return None if said.lower() in BLANK else said

    def number(column: str) -> float | None:
        said = text(column)
        try:
            value = math.nan if said is None else float(said)
        except ValueError as error:
            raise _error(path, f"{line}, {column}", said, "a number, or nothing") from error
        if math.isinf(value):
            raise _error(path, f"{line}, {column}", said, "a finite number, or nothing")
        return None if math.isnan(value) else value

    def truth(column: str) -> bool | None:
        said = text(column)
        if said is not None and said.lower() not in TRUTH:
            raise _error(path, f"{line}, {column}", said, "True, False, or nothing")
        return None if said is None else TRUTH[said.lower()]

    cell_id = text("cellid")
    if cell_id is None:
        raise _error(path, f"{line}, cellid", row["cellid"], "the name of a cell")
    layer = text("layer")
    whole = WHOLE.fullmatch(layer or "")
    name = parse_cell_id(cell_id, probe_letter=True)
    return {
        "cell_id": cell_id,
        "site": text("siteid"),
        "session": name.site,
        "area": text("area"),
        "layer": whole[1] if whole else layer,
        "depth_um": number("depth"),
        "narrow": truth("narrow"),
        "celltype": text("celltype"),
        "sw_ms": number("sw"),
        "goodpred": truth("goodpred"),
        "animal": name.animal,
        "probe": name.probe,
        "electrode": name.electrode,
        "unit_in_electrode": name.unit,
    }


def _error(path: Path, field: str, found: object, expected: str) -> RawFormatError:
    return RawFormatError(
        "The list of cells is not as published", path=path, field=field, found=found, expected=expected, mend=REPAIR
    )
