"""Some fields of MATLAB structures, against what scipy reads, and files that are damaged."""

import struct
import zlib

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.io

from builders.downer2025.matlab_fields import read_structures
from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from tests.raw_writers.downer2025 import structure_array

CONTENT = {
    "first": np.arange(5.0),
    "other": "text",
    "spike": {
        "events": np.random.default_rng(0).standard_normal((3000, 40)).astype(np.float32),
        "times": np.linspace(0, 9, 3000)[:, None],
        "small": np.array([[7]], np.uint8),
        "empty": np.zeros((0, 1)),
        "word": "Ch10 π",
        "cells": np.array([1, "x"], dtype=object),
        "inner": {"a": 1.0},
        "imaginary": np.array([[1 + 2j]]),
        "signed": np.array([[-3, 4]], np.int16),
    },
}


@pytest.fixture(params=[True, False], ids=["compressed", "plain"])
def path(request, tmp_path):
    scipy.io.savemat(tmp_path / "file.mat", CONTENT, do_compression=request.param)
    return tmp_path / "file.mat"


def test_numbers_and_text_are_those_that_scipy_reads(path):
    (spike,) = read_structures(path, "spike", ("times", "small", "empty", "word", "signed", "absent"))
    np.testing.assert_array_equal(spike.vector("times"), CONTENT["spike"]["times"].ravel())
    assert spike.integer("small") == 7
    assert spike.samples("small").dtype == np.uint8
    assert spike.vector("empty").shape == (0,)
    assert spike.text("word") == "Ch10 π"
    assert spike.samples("signed").tolist() == [-3, 4]
    assert not spike.has("absent")
    with pytest.raises(RawFormatError, match="lacks a field"):
        spike.get("absent")
    assert not spike.has("events"), "it was not asked for"


def test_whole_matrices_keep_their_shape(path):
    (spike,) = read_structures(path, "spike", ("events",))
    np.testing.assert_array_equal(spike.get("events"), CONTENT["spike"]["events"])


@pytest.mark.parametrize("field", ["cells", "inner", "imaginary"])
def test_what_is_neither_numbers_nor_text_is_empty(path, field):
    (spike,) = read_structures(path, "spike", (field, "signed"))
    assert not spike.has(field)
    assert spike.samples("signed").tolist() == [-3, 4], "what follows is read"


def test_elements_of_an_array_come_one_by_one(tmp_path):
    elements = [{"name": f"s{number}", "sound": np.arange(number + 1.0), "other": "x" * number} for number in range(6)]
    scipy.io.savemat(tmp_path / "file.mat", {"set": structure_array(elements)})
    read = list(read_structures(tmp_path / "file.mat", "set", ("name", "sound")))
    assert [entry.text("name") for entry in read] == [element["name"] for element in elements]
    assert [len(entry.vector("sound")) for entry in read] == [1, 2, 3, 4, 5, 6]
    assert read[3].place == "set(4)"


@hypothesis.given(
    rows=st.integers(0, 70),
    columns=st.integers(0, 3),
    kind=st.sampled_from(["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]),
    compressed=st.booleans(),
)
def test_any_matrix_is_read_back(tmp_path_factory, rows, columns, kind, compressed):
    file = tmp_path_factory.mktemp("matrix") / "file.mat"
    values = np.random.default_rng(rows).integers(0, 100, (rows, columns)).astype(kind)
    scipy.io.savemat(file, {"s": {"before": "abc", "m": values, "after": 5.0}}, do_compression=compressed)
    (element,) = read_structures(file, "s", ("m", "after"))
    np.testing.assert_array_equal(element.get("m"), values)
    assert element.number("after") == 5


def big_endian_file():
    """Return a file as a big-endian machine writes it: a structure s with one field v, [1.5, -2]."""

    def element(kind, content):
        return struct.pack(">II", kind, len(content)) + content + b"\0" * (-len(content) % 8)

    def header(of_class, rows, columns, name):
        return (
            element(6, struct.pack(">II", of_class, 0))
            + element(5, struct.pack(">ii", rows, columns))
            + element(1, name)
        )

    value = element(14, header(6, 1, 2, b"") + element(9, struct.pack(">dd", 1.5, -2.0)))
    names = struct.pack(">HHi", 4, 5, 8) + element(1, b"v\0\0\0\0\0\0\0")
    return (
        b"MATLAB 5.0".ljust(124)
        + struct.pack(">HH", 0x0100, 0x4D49)
        + element(14, header(2, 1, 1, b"s") + names + value)
    )


def test_files_of_the_other_byte_order_are_read(tmp_path):
    (tmp_path / "file.mat").write_bytes(big_endian_file())
    assert scipy.io.loadmat(tmp_path / "file.mat")["s"]["v"][0, 0].tolist() == [[1.5, -2.0]]
    (element,) = read_structures(tmp_path / "file.mat", "s", ("v",))
    assert element.vector("v").tolist() == [1.5, -2.0]


# Files that are not as they should be ---------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.3, 0.7, 0.9999])
def test_a_file_that_is_cut_short(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RawFormatError) as caught:
        list(read_structures(path, "spike", ("signed",)))
    assert caught.value.path == str(path)
    assert caught.value.mend


@pytest.mark.parametrize("place", [-9, -200, 600, 50_000])
def test_a_byte_that_changed_in_what_is_passed_over(tmp_path, place):
    file = tmp_path / "file.mat"
    scipy.io.savemat(file, {"spike": CONTENT["spike"]}, do_compression=True)
    content = bytearray(file.read_bytes())
    content[place] ^= 0x55
    file.write_bytes(bytes(content))
    with pytest.raises(RawFormatError):
        list(read_structures(file, "spike", ("signed",)))


@hypothesis.given(junk=st.binary(max_size=300))
def test_junk_is_refused_by_name(tmp_path_factory, junk):
    file = tmp_path_factory.mktemp("junk") / "file.mat"
    file.write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + junk)
    with pytest.raises(RawFormatError) as caught:
        list(read_structures(file, "spike", ("signed",)))
    assert caught.value.path == str(file)


@hypothesis.given(junk=st.binary(min_size=8, max_size=300))
def test_junk_within_compression_is_refused_by_name(tmp_path_factory, junk):
    file = tmp_path_factory.mktemp("junk") / "file.mat"
    packed = zlib.compress(struct.pack("<II", 14, len(junk)) + junk)
    file.write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(RawFormatError):
        list(read_structures(file, "spike", ("signed",)))


@pytest.mark.parametrize(
    "header", [b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512), b"\x89HDF\r\n\x1a\n" + b"\0" * 300]
)
def test_version_7_3_is_named(tmp_path, header):
    (tmp_path / "file.mat").write_bytes(header)
    with pytest.raises(RawFormatError, match=r"version 7\.3") as caught:
        list(read_structures(tmp_path / "file.mat", "spike", ("times",)))
    assert "-v7" in caught.value.mend


def test_a_file_or_variable_that_is_missing_or_no_structure(path, tmp_path):
    with pytest.raises(MissingRawFileError):
        list(read_structures(tmp_path / "absent.mat", "spike", ()))
    with pytest.raises(RawFormatError, match="lacks a variable") as caught:
        list(read_structures(path, "trial", ()))
    assert caught.value.field == "trial"
    with pytest.raises(RawFormatError) as caught:
        list(read_structures(path, "first", ()))
    assert caught.value.expected == "a structure"
