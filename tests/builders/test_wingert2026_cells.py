"""Wingert 2026: the list of cells, value by value."""

import pytest

from builders.wingert2026.cells import read_cell_list
from deepstrf_hf.errors import RawFormatError
from tests.raw_writers.wingert2026 import write_cell_list


def listed(tmp_path, changes):
    row = {
        "cellid": "CLT027c-009-1", "siteid": "CLT027c", "area": "A1", "layer": "13", "depth": "-12.5",
        "narrow": "True", "celltype": "N13", "sw": "0.31", "goodpred": "True", "iso": "99", "LN32": "0.4",
    }  # fmt: skip
    return read_cell_list(write_cell_list(tmp_path, {"x": row | changes}))


@pytest.mark.parametrize(
    ("changes", "column", "value"),
    [
        ({}, "layer", "13"),
        ({"layer": "13.0"}, "layer", "13"),
        ({"layer": "1-3"}, "layer", "1-3"),
        ({"layer": "BS"}, "layer", "BS"),
        ({"layer": ""}, "layer", None),
        ({"layer": "nan"}, "layer", None),
        ({"goodpred": ""}, "goodpred", None),
        ({"goodpred": "0"}, "goodpred", False),
        ({"narrow": "1.0"}, "narrow", True),
        ({"narrow": ""}, "narrow", None),
        ({"depth": ""}, "depth_um", None),
        ({"depth": "NaN"}, "depth_um", None),
        ({"area": " A1 "}, "area", "A1"),
        ({"sw": "0.5"}, "sw_ms", 0.5),
        ({"cellid": "SLJ032a-B-154-3"}, "probe", "B"),
        ({"cellid": "SLJ032a-B-154-3"}, "electrode", 154),
        ({"cellid": "SLJ032a-B-154-3"}, "unit_in_electrode", 3),
        ({"cellid": "odd-name"}, "animal", None),
        ({"cellid": "odd-name"}, "session", "odd"),
    ],
)
def test_values_of_the_list(tmp_path, changes, column, value):
    (cell,) = listed(tmp_path, changes).values()
    assert cell[column] == value
    assert type(cell[column]) is type(value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"depth": "deep"}, "line 2, depth"),
        ({"sw": "inf"}, "line 2, sw"),
        ({"goodpred": "maybe"}, "line 2, goodpred"),
        ({"narrow": "2"}, "line 2, narrow"),
        ({"cellid": ""}, "line 2, cellid"),
    ],
)
def test_values_that_a_column_cannot_have(tmp_path, changes, field):
    with pytest.raises(RawFormatError) as caught:
        listed(tmp_path, changes)
    assert caught.value.field == field
    assert caught.value.path == str(tmp_path / "cell_list.csv")
    assert caught.value.expected and caught.value.mend
