"""What all tests share: where real recordings are, and a cache of their own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis.configuration import set_hypothesis_home_dir

REAL_DATA = os.environ.get("DEEPSTRF_REAL_DATA")

# Nothing is left behind in the repository, and the same examples are tried every time.
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "deepstrf-hf-hypothesis")
hypothesis.settings.register_profile("repeatable", database=None, derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests on real recordings where there are none."""
    if REAL_DATA and Path(REAL_DATA).is_dir():
        return
    skip = pytest.mark.skip(reason="DEEPSTRF_REAL_DATA does not name a directory of real recordings")
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the directory of real recordings."""
    return Path(str(REAL_DATA))


@pytest.fixture(scope="session", autouse=True)
def _own_cache_of_grids(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep grids that fixtures of modules and of the session open out of the user's cache."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DEEPSTRF_CACHE_DIR", str(tmp_path_factory.mktemp("grids_of_fixtures")))
        yield


@pytest.fixture(autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what `datasets` and we cache inside the test's own directory."""
    import datasets

    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache / "datasets"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(cache / "datasets"))
    monkeypatch.setenv("DEEPSTRF_CACHE_DIR", str(cache / "grids"))


@pytest.fixture(scope="session")
def ns1_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a synthetic raw NS1 tree with all its edge cases, shared by the tests that only read it."""
    from tests.raw_writers.ns1 import write_ns1

    directory = tmp_path_factory.mktemp("ns1_raw")
    write_ns1(directory, seed=1, n_units=5, sound_driven=False, edge_cases=True, clip_seconds=0.5)
    return directory


@pytest.fixture(scope="session")
def ns1_built(ns1_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build of `ns1_raw`, shared by the tests that only read it."""
    from deepstrf_hf import build

    out = tmp_path_factory.mktemp("ns1_built") / "ns1"
    build("ns1", data_dir=ns1_raw, out=out, on_error="skip", waveform=True)
    return out


@pytest.fixture
def demo(ns1_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a fresh folder where ``demo/ns1`` is a build, as ``make demo`` leaves it."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "ns1").symlink_to(ns1_built)
    monkeypatch.chdir(tmp_path)
    return tmp_path
