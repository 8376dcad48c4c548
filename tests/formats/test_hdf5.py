import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.hdf5 import open_hdf5


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file with a given change and opens it."""

    def written(change):
        path = tmp_path / "file.h5"
        with h5py.File(path, "w") as file:
            change(file)
        return open_hdf5(path)

    return written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.bytes_("Site1"), "Site1"),
        ("Site1", "Site1"),
        (np.array([b"Site1"]), "Site1"),
        (np.array([[b"Site1"]]), "Site1"),
        (np.array(["Site1"], dtype=h5py.string_dtype()), "Site1"),
        (np.array([b"Site1", b"Site2"]), "Site1"),
        (np.array([b"S", b"i", b"t", b"e"]), "Site"),
        (np.array([b"S"]), "S"),
        (np.bytes_(b"Site1\0\0  "), "Site1"),
        ("Bl\u00e9", "Bl\u00e9"),
        ("", None),
        ("  ", None),
        ("NaN", None),
        (h5py.Empty("S1"), None),
        (np.array([], "S3"), None),
    ],
)
def test_text_in_all_its_encodings(write, value, text):
    with write(lambda file: file.attrs.__setitem__("a", value)) as root:
        assert root.text("a") == text
        assert root.label("a") == text
        assert root.text("b") is None


@pytest.mark.parametrize("value", [5, 5.0, np.array([5]), np.array([[5.0]]), np.uint8(5), np.float32(5), np.True_ * 5])
def test_numbers_in_all_their_shapes(write, value):
    with write(lambda file: file.attrs.__setitem__("a", value)) as root:
        assert root.number("a") == root.integer("a") == 5
        assert isinstance(root.integer("a"), int)
        assert root.label("a") == "5"
        assert root.number("b") is root.integer("b") is root.label("b") is None


@pytest.mark.parametrize("value", [np.nan, np.array([np.nan]), h5py.Empty("f8"), np.empty(0)])
def test_absent_numbers(write, value):
    with write(lambda file: file.attrs.__setitem__("a", value)) as root:
        assert root.number("a") is root.integer("a") is root.label("a") is None


@pytest.mark.parametrize(
    ("method", "value", "expected"),
    [
        ("text", 5, "text"),
        ("number", "5 um", "one number"),
        ("number", [1.0, 2.0], "one number"),
        ("number", 1 + 2j, "one number"),
        ("integer", 1.5, "a whole number"),
    ],
)
def test_attributes_of_another_kind_are_refused(write, method, value, expected):
    with (
        write(lambda file: file.create_group("unit").attrs.__setitem__("a", value)) as root,
        pytest.raises(RawFormatError) as caught,
    ):
        getattr(root.group("unit"), method)("a")
    assert caught.value.field == "/unit/a"
    assert caught.value.expected == expected


def test_attributes_of_members(write):
    with write(lambda file: file.create_group("unit/1").attrs.__setitem__("a", 7)) as root:
        assert root.group("unit").integer("a", "1") == 7
        assert root.integer("a", "unit/1") == 7
        with pytest.raises(RawFormatError, match="2 a"):
            root.group("unit").integer("a", "2")


@given(
    st_numpy.arrays(
        st.sampled_from(["<f8", ">f4", "<i4", "<u2", "<i8"]),
        st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
        elements=st.integers(0, 1000),
    )
)
def test_values_of_any_shape_and_type_are_read_as_a_vector(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("hdf5") / "file.h5"
    with h5py.File(path, "w") as file:
        file["group/values"] = values
    with open_hdf5(path) as root:
        read = root.group("group").numbers("values")
        assert read.dtype == np.float64
        np.testing.assert_array_equal(read, values.ravel())
        np.testing.assert_array_equal(root.numbers("group/values", absent=-999.0), values.ravel())


@pytest.mark.parametrize("value", [-999, -999.0, np.array([-999]), np.array([[-999.0]]), h5py.Empty("f8")])
def test_a_mark_alone_is_no_values(write, value):
    with write(lambda file: file.__setitem__("values", value)) as root:
        assert root.numbers("values", absent=-999.0).size == 0
        if not isinstance(value, h5py.Empty):
            assert root.numbers("values").tolist() == [-999.0]


def test_a_mark_among_values_is_refused(write):
    with (
        write(lambda file: file.__setitem__("values", [1.0, -999.0])) as root,
        pytest.raises(RawFormatError, match="-999 among 2"),
    ):
        root.numbers("values", absent=-999.0)


def test_members(write):
    def change(file):
        file.create_group("b/inner")
        file["a"] = 1
        file["10"] = 2

    with write(change) as root:
        assert root.members() == ["10", "a", "b"]
        assert [root.is_group(name) for name in root.members()] == [False, False, True]
        assert root.group("b").members() == ["inner"]
        assert root.group("b").group("inner").place == "/b/inner"
        for call in (root.group, root.is_group, root.numbers):
            with pytest.raises(RawFormatError) as caught:
                call("c")
            assert caught.value.field == "/c"
        with pytest.raises(RawFormatError, match="lacks a group"):
            root.group("a")


@pytest.mark.parametrize("content", ["text", np.array([b"x"]), np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])])
def test_values_that_are_no_numbers_are_refused(write, content):
    with (
        write(lambda file: file.__setitem__("values", content)) as root,
        pytest.raises(RawFormatError, match="cannot be read"),
    ):
        root.numbers("values")


@pytest.mark.parametrize("content", [b"", b"\x89HDF", b"text " * 500])
def test_a_file_that_is_not_hdf5(tmp_path, content):
    (tmp_path / "file.h5").write_bytes(content)
    with pytest.raises(RawFormatError, match=f"file of {len(content)} bytes"), open_hdf5(tmp_path / "file.h5"):
        pass
    with pytest.raises(RawFormatError, match="no such file"), open_hdf5(tmp_path / "absent.h5"):
        pass


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused_when_opened_or_read(tmp_path, keep):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        for number in range(50):
            file[f"group/{number}/values"] = np.arange(200.0)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(RawFormatError) as caught, open_hdf5(path) as root:
        for name in root.group("group").members():
            root.numbers(f"group/{name}/values")
    assert caught.value.path == str(path)


def test_a_file_is_closed_after_an_error(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["values"] = 1
    with pytest.raises(RawFormatError), open_hdf5(path) as root:
        root.group("nothing")
    with h5py.File(path, "r+") as file:  # refused while another handle is open
        file["values"][...] = 2
