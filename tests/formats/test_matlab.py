import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.matlab import MatlabStruct, load_variable


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "unit.mat"
    contents = {
        "name": "ferret",
        "number": np.uint8(3),
        "half": 2.5,
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


@pytest.fixture(scope="module")
def path_once(tmp_path_factory):
    file = tmp_path_factory.mktemp("matlab") / "unit.mat"
    scipy.io.savemat(file, {"data": {"name": "ferret", "times": np.array([[1.5, 2.5]]), "inner": {"value": 7}}})
    return file
