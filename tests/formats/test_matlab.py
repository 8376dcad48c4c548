import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.matlab import MatlabStruct, load_variable, load_variables


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "unit.mat"
    contents = {
        "name": "ferret",
        "number": np.uint8(3),
        "half": 2.5,
        "absent_number": np.nan,
        "endless": np.inf,
        "times": np.array([[1.5, 2.5]]),
        "column": np.array([[1.0], [2.0]]),
        "empty": np.zeros((1, 0), np.uint8),
        "matrix": np.ones((2, 2)),
        "inner": {"value": 7},
    }
    scipy.io.savemat(file, {"data": contents, "other": 1})
    return file


@pytest.fixture
def data(path):
    return MatlabStruct.elements(load_variable(path, "data"), path, "data")[0]


def test_fields_of_each_kind(data):
    assert data.text("name") == "ferret"
    assert data.integer("number") == 3
    assert data.number("half") == 2.5
    assert data.vector("times").tolist() == [1.5, 2.5]
    assert data.vector("column").tolist() == [1, 2]
    assert data.struct("inner").integer("value") == 7


def test_an_empty_field_of_any_type_is_an_empty_vector(data):
    assert data.vector("empty").shape == (0,)
    assert data.vector("empty").dtype == np.float64


@pytest.mark.parametrize(
    ("read", "field", "said"),
    [
        (lambda data: data.get("absent"), "data(1).absent", "name, number"),
        (lambda data: data.text("number"), "data(1).number", "text"),
        (lambda data: data.number("times"), "data(1).times", "one number"),
        (lambda data: data.integer("half"), "data(1).half", "whole number"),
        (lambda data: data.integer("absent_number"), "data(1).absent_number", "Found: nan"),
        (lambda data: data.integer("endless"), "data(1).endless", "Found: inf"),
        (lambda data: data.vector("name"), "data(1).name", "numeric vector"),
        (lambda data: data.vector("matrix"), "data(1).matrix", "numeric vector"),
        (lambda data: data.struct("times"), "data(1).times", "structure"),
    ],
)
def test_a_field_that_is_not_as_published_is_named(data, path, read, field, said):
    with pytest.raises(RawFormatError) as caught:
        read(data)
    assert caught.value.field == field
    assert caught.value.path == str(path)
    assert said in str(caught.value)
    assert "fetch it again" in str(caught.value)


def test_a_missing_variable_lists_those_there_are(path):
    with pytest.raises(RawFormatError, match="data, other"):
        load_variable(path, "spikes")


@pytest.mark.parametrize("keep", [0, 50, 127, 128, 200, 700])
def test_a_truncated_file_is_an_error_that_names_it(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RawFormatError) as caught:
        load_variable(path, "data")
    assert caught.value.path == str(path)


def test_a_file_of_another_kind(tmp_path):
    file = tmp_path / "hdf5.mat"
    file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    with pytest.raises(RawFormatError, match="cannot be read"):
        load_variable(file, "data")


@settings(deadline=None, derandomize=True, max_examples=100)
@given(keep=st.integers(0, 10_000))
def test_wherever_a_file_is_cut_short_it_is_an_error_of_ours(path_once, keep):
    content = path_once.read_bytes()
    damaged = path_once.with_name("damaged.mat")
    damaged.write_bytes(content[: keep % len(content)])
    with pytest.raises(RawFormatError) as caught:
        load_variable(damaged, "data")
    assert caught.value.path == str(damaged)


def test_a_variable_of_a_damaged_kind_beside_a_missing_one(path_once):
    """The parser passes over a variable that is not wanted, and cannot list it."""
    damaged, content = path_once.with_name("kind.mat"), bytearray(path_once.read_bytes())
    content[144] = 17  # class of the first variable: one whose dimensions are not told
    damaged.write_bytes(content)
    with pytest.raises(RawFormatError) as caught:
        load_variable(damaged, "spikes")
    assert caught.value.path == str(damaged)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RawFormatError, match="no such file"):
        load_variable(tmp_path / "none.mat", "data")


@pytest.fixture(scope="module")
def path_once(tmp_path_factory):
    file = tmp_path_factory.mktemp("matlab") / "unit.mat"
    scipy.io.savemat(file, {"data": {"name": "ferret", "times": np.array([[1.5, 2.5]]), "inner": {"value": 7}}})
    return file


def test_several_variables_and_those_that_may_be_absent(path):
    content = load_variables(path, ["data"], optional=["other", "nothing"])
    assert content.keys() == {"data", "other"}
    with pytest.raises(RawFormatError) as caught:
        load_variables(path, ["data", "nothing"])
    assert caught.value.field == "nothing"
    assert caught.value.found == "data, other"


def test_structure_arrays_and_cell_arrays_of_structures_are_read_alike(tmp_path):
    file = tmp_path / "cells.mat"
    rows = [{"value": 1.0}, {"value": 2.0}]
    array = np.array([(1.0,), (2.0,)], dtype=[("value", object)])[None]
    cells = np.empty((1, 2), object)
    cells[0, :] = rows
    holder = {"inside": cells, "none": np.zeros((0, 0)), "number": 4}
    scipy.io.savemat(file, {"structs": array, "cells": cells, "empty": np.zeros((0, 0)), "holder": holder})
    content = load_variables(file, ["structs", "cells", "empty", "holder"])
    for name, places in (("structs", ["structs(1)", "structs(2)"]), ("cells", ["cells{1}(1)", "cells{2}(1)"])):
        entries = MatlabStruct.entries(content[name], file, name)
        assert [entry.number("value") for entry in entries] == [1, 2]
        assert [entry.place for entry in entries] == places
    assert MatlabStruct.entries(content["empty"], file, "empty") == []
    outer = MatlabStruct.elements(content["holder"], file, "holder")[0]
    assert outer.entry("inside").number("value") == 1
    assert [outer.has(field) for field in ("inside", "none", "absent")] == [True, False, False]
    with pytest.raises(RawFormatError, match="empty"):
        outer.entry("none")
    with pytest.raises(RawFormatError, match="structure is expected"):
        MatlabStruct.entries(np.array([[1.0]]), file, "number")
    mixed = np.empty((1, 1), object)
    mixed[0, 0] = np.array([[1.0]])
    with pytest.raises(RawFormatError, match=r"mixed\{1\}"):
        MatlabStruct.entries(mixed, file, "mixed")


def test_samples_keep_the_type_they_are_stored_in(tmp_path):
    file = tmp_path / "trace.mat"
    scipy.io.savemat(file, {"data": {"trace": np.array([[1], [-2]], np.int16)}})
    data = MatlabStruct.elements(load_variable(file, "data"), file, "data")[0]
    assert data.samples("trace").dtype == np.int16
    assert data.vector("trace").tolist() == [1.0, -2.0]
    assert data.vector("trace").dtype == np.float64
