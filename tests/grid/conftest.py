"""A build of which everything is known, and one of which a test may break a copy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.raw_writers.ns1 import Ns1Truth, write_ns1


class KnownBuild(NamedTuple):
    """A build, and what was in its raw tree."""

    directory: Path
    truth: Ns1Truth


@pytest.fixture(scope="session")
def known_build(tmp_path_factory: pytest.TempPathFactory) -> KnownBuild:
    """Return a build of three units, one with a clip of 19 repeats, beside what the raw tree holds."""
    from deepstrf_hf import build

    directory = tmp_path_factory.mktemp("known")
    truth = write_ns1(
        directory / "raw", seed=7, n_units=3, sound_driven=False, edge_cases=True, ragged=True, clip_seconds=0.3
    )
    build("ns1", data_dir=directory / "raw", out=directory / "ns1", on_error="skip")
    return KnownBuild(directory / "ns1", truth)


@pytest.fixture
def copied_build(known_build: KnownBuild, tmp_path: Path) -> Path:
    """Return a copy of the build, to be broken."""
    return Path(shutil.copytree(known_build.directory, tmp_path / "ns1"))
