"""Which cells are auditory, as the lab's table of prediction correlations says."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError, RawFormatError
from deepstrf_hf.formats.nems_cells import match_cells
from deepstrf_hf.raw_tree import RawTree

CELL, FLAG = "cellid", "sig_auditory"
WORDS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False, "": None, "nan": None}


def table_name(area: str) -> str:
    """Return the name of the table of ``"A1"`` or ``"PEG"``."""
    return f"{area}_pred_correlation.csv"


def read_auditory(raw: RawTree, area: str, cells: Sequence[str], log: BuildLog) -> dict[str, bool]:
    """Read which of the cells are auditory; those of which nothing is said are left out of the result and noted.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    area : str
        ``"A1"`` or ``"PEG"``.
    cells : sequence of str
        Of the population recording.
    log : BuildLog
        What does not fit together.

    Raises
    ------
    MissingRawFileError, RawFormatError
        The table is missing or not as published (with ``on_error="raise"``).
    """
    name = table_name(area)
    try:
        flags = _read_table(raw, name)
        found = _matched(raw, name, cells, flags)
    except RawDataError as error:
        list(log.usable("tables", [(name, error)]))  # stops, or leaves it out
        return {}
    for cell in sorted(flags.keys() - set(found.values())):
        log.leave_out("cells", f"{cell} ({name})", "not in the population recording")
    auditory = {}
    for cell, listed in found.items():
        flag = flags[listed]
        if flag is not None:
            auditory[cell] = flag
    unknown = [cell for cell in cells if cell not in auditory]
    if unknown:
        log.note(f"{area}: {name} does not say whether these cells are auditory: {', '.join(unknown)}.")
    return auditory


def _matched(raw: RawTree, name: str, cells: Sequence[str], flags: dict[str, bool | None]) -> dict[str, str]:
    try:
        return match_cells(cells, list(flags))
    except RawFormatError as error:
        error.path = str(raw.root / name)
        raise


def _read_table(raw: RawTree, name: str) -> dict[str, bool | None]:
    path = raw.path(name)
    flags: dict[str, bool | None] = {}

    def wrong(problem: str, field: str, found: object, expected: str) -> RawFormatError:
        return RawFormatError(problem, path=path, field=field, found=found, expected=expected, mend="fetch it again")

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = reader.fieldnames or []
            if CELL not in header or FLAG not in header:
                raise wrong("A table of cells has other columns", "line 1", ", ".join(header), f"{CELL} and {FLAG}")
            for row in reader:
                cell, word = row[CELL], row[FLAG]
                if not cell or word is None or word.strip().lower() not in WORDS:
                    raise wrong(
                        "A table of cells has a bad row", f"line {reader.line_num}", f"{cell}, {word}", "True or False"
                    )
                flag = WORDS[word.strip().lower()]
                if flags.setdefault(cell, flag) is not flag:
                    raise wrong("A table contradicts itself", f"line {reader.line_num}", cell, "each cell once")
    except (UnicodeDecodeError, csv.Error) as error:
        raise wrong("A table cannot be read", "text", error, "comma-separated values") from error
    return flags
