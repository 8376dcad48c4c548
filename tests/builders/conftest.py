"""Raw NS1 trees that tests read or damage."""

import pytest

from deepstrf_hf import build
from tests.raw_writers.ns1 import write_ns1

N_BINS = 999


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("raw")
    truth = write_ns1(
        directory,
        seed=3,
        n_units=4,
        sound_driven=False,
        edge_cases=True,
        ragged=True,
        published_spectrogram=False,
        unlisted_clusters=2,
        clip_seconds=0.5,
    )
    return directory, truth


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "ns1"
    return build("ns1", data_dir=written[0], out=out, on_error="skip"), out


@pytest.fixture
def raw(tmp_path):
    """Return a small tree of its own, to be damaged."""
    write_ns1(tmp_path / "raw", seed=5, n_units=2, sound_driven=False, clip_seconds=0.2, unlisted_clusters=0)
    return tmp_path / "raw"
