"""Deflated data: the same bytes and the same kinds of error with ISA-L and without."""

from __future__ import annotations

import gzip
import importlib
import io
import sys
import zlib
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepstrf_hf.formats import inflate as inflate_module


@pytest.fixture(params=["as installed", "without isal"])
def inflate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the module as it is where ISA-L is installed, and where it is not."""
    if request.param == "without isal":
        monkeypatch.setitem(sys.modules, "isal", None)
    yield importlib.reload(inflate_module)
    monkeypatch.undo()
    importlib.reload(inflate_module)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=5000), chunk=st.integers(1, 700), most=st.integers(1, 700))
def test_what_was_deflated_comes_out(inflate: ModuleType, content: bytes, chunk: int, most: int) -> None:
    packed, stream, found = zlib.compress(content), inflate.inflater(), b""
    for begin in range(0, len(packed), chunk):
        pending = packed[begin : begin + chunk]
        while pending:
            piece = stream.decompress(pending, most)
            assert len(piece) <= most
            found, pending = found + piece, stream.unconsumed_tail
    while not stream.eof and (piece := stream.decompress(b"", most)):
        found += piece
    assert found == content
    assert stream.eof
    with inflate.open_gzip(io.BytesIO(gzip.compress(content))) as file:
        assert file.read() == content


def test_damage_is_one_of_the_errors_that_are_named(inflate: ModuleType) -> None:
    content = bytes(range(256)) * 40
    packed = bytearray(zlib.compress(content))
    packed[-1] ^= 1  # the check sum
    with pytest.raises(inflate.INFLATE_ERRORS):
        inflate.inflater().decompress(bytes(packed))
    zipped = gzip.compress(content)
    for broken in (zipped[:-10], zipped[:-6] + b"x" + zipped[-5:], zipped[:20] + b"\xff" * 20 + zipped[40:]):
        with pytest.raises((EOFError, OSError, *inflate.INFLATE_ERRORS)), inflate.open_gzip(io.BytesIO(broken)) as file:
            file.read()
