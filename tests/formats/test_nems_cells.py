import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.nems_cells import match_cells, parse_cell_id, parse_loose_cell_id, site_of


@pytest.mark.parametrize(
    ("cell_id", "probe_letter", "parts"),
    [
        ("ARM029a-04-1", False, ("ARM029a", "ARM", None, 4, 1)),
        ("TNC010a-031-3", False, ("TNC010a", "TNC", None, 31, 3)),
        ("DRX006-64-2", False, ("DRX006", "DRX", None, 64, 2)),
        ("CLT027c-009-1", True, ("CLT027c", "CLT", None, 9, 1)),
        ("SLJ032a-B-154-1", True, ("SLJ032a", "SLJ", "B", 154, 1)),
        ("SLJ032a-B-154-1", False, ("SLJ032a", None, None, None, None)),
        ("CRD016d-c1", False, ("CRD016d", None, None, None, None)),
        ("ARM029A-04-1", False, ("ARM029A", None, None, None, None)),
        ("ARMA029a-04-1", False, ("ARMA029a", None, None, None, None)),
        ("ARM029a-04-1x", False, ("ARM029a", None, None, None, None)),
        ("ARM029a-04-1\n", False, ("ARM029a", None, None, None, None)),
        ("ARM029a-\u0664-1", False, ("ARM029a", None, None, None, None)),
        ("ARM029a", False, (None, None, None, None, None)),
        ("", False, (None, None, None, None, None)),
    ],
)
def test_cell_names(cell_id, probe_letter, parts):
    name = parse_cell_id(cell_id, probe_letter=probe_letter)
    assert (name.site, name.animal, name.probe, name.electrode, name.unit) == parts
    assert name.cell_id == cell_id
    assert name.key == (None if parts[3] is None else (parts[0], parts[2] or "", parts[3], parts[4]))


@pytest.mark.parametrize(
    ("cell_id", "parts"),
    [
        ("AMT003c-11-1", ("AMT003c", "AMT", "11", "1")),
        ("btn144a-c1", ("btn144a", "btn", "c1", None)),
        ("TAR010c-06-2", ("TAR010c", "TAR", "06", "2")),
        ("por012A-a12-05", ("por012A", "por", "a12", "05")),
        ("ley046g_weird", (None, None, None, None)),
        ("ley046g-weird", ("ley046g", None, None, None)),
        ("046g-11-1", ("046g", None, None, None)),
        ("AMT003c-11-1-1", ("AMT003c", None, None, None)),
    ],
)
def test_cell_names_of_the_older_recordings(cell_id, parts):
    name = parse_loose_cell_id(cell_id)
    assert (name.site, name.animal, name.channel, name.unit) == parts


@given(st.text(max_size=12))
def test_the_site_is_the_text_before_the_first_dash(text):
    assert site_of(text) == (text.split("-")[0] if "-" in text else None)
    assert parse_cell_id(text).site == parse_loose_cell_id(text).site == site_of(text)


def test_neurons_are_found_under_either_spelling():
    wanted = ["TNC010a-31-3", "TNC010a-40-1", "TNC010a-05-2", "TNC010a-c1", "ARM029a-99-1"]
    available = ["TNC010a-005-2", "TNC010a-040-1", "TNC010a-031-3", "TNC010a-c1", "TNC010b-099-1"]
    assert match_cells(wanted, available) == {
        "TNC010a-31-3": "TNC010a-031-3",
        "TNC010a-40-1": "TNC010a-040-1",
        "TNC010a-05-2": "TNC010a-005-2",
        "TNC010a-c1": "TNC010a-c1",
    }


def test_the_same_name_comes_before_another_spelling_and_probes_differ():
    assert match_cells(["TNC010a-4-1"], ["TNC010a-04-1", "TNC010a-4-1"]) == {"TNC010a-4-1": "TNC010a-4-1"}
    probes = ["SLJ032a-A-003-1"]
    assert match_cells(probes, ["SLJ032a-B-3-1", "SLJ032a-A-3-1"], probe_letter=True) == {probes[0]: "SLJ032a-A-3-1"}
    assert match_cells(probes, ["SLJ032a-B-3-1"], probe_letter=True) == {}


@pytest.mark.parametrize(
    ("wanted", "available"),
    [
        (["TNC010a-4-1"], ["TNC010a-04-1", "TNC010a-004-1"]),
        (["TNC010a-4-1", "TNC010a-04-1"], ["TNC010a-004-1"]),
        (["TNC010a-4-1", "TNC010a-04-1"], ["TNC010a-04-1"]),
    ],
)
def test_ambiguous_spellings_are_refused(wanted, available):
    with pytest.raises(RawFormatError, match="A neuron has two names") as caught:
        match_cells(wanted, available)
    assert "TNC010a-04" in caught.value.found or "TNC010a-004" in caught.value.found
