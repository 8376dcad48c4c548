"""CRCNS AA4: the numbers of the real corpus, against a plain walk over its files."""

import h5py
import numpy as np
import pytest

from builders.crcns_aa4.raw import NO_PROTOCOL, STIMULUS_TYPES, unit_files
from deepstrf_hf import build
from deepstrf_hf.raw_tree import RawTree
from tests.builders.crcns_aa4_trees import pairs
from tests.raw_writers.crcns_aa4 import ANIMALS


@pytest.fixture(scope="module")
def real_build(real_data, tmp_path_factory):
    if not (real_data / "crcns_aa4").is_dir():
        pytest.skip("no real recordings of CRCNS AA4")
    out = tmp_path_factory.mktemp("real") / "crcns_aa4"
    return real_data / "crcns_aa4", build("crcns_aa4", data_dir=real_data / "crcns_aa4", out=out), out


@pytest.mark.real
def test_real_trials_are_all_there(real_build):
    directory, report, out = real_build
    raw = RawTree(directory, "crcns_aa4", [])
    rows = pairs(out)
    expected: dict[tuple[str, str], int] = {}
    units = [name for animal in ANIMALS for name in unit_files(raw, animal)][::50]
    for name in units:
        with h5py.File(directory / name) as file:
            if np.ravel(file.attrs["sortType"])[0] in (b"noise", b"tdt", "noise", "tdt"):
                continue
            for protocol in set(file) - set(NO_PROTOCOL):
                for group in file[protocol].values():
                    kind, md5 = (np.ravel(group.attrs[key])[0] for key in ("stim_type", "stim_md5"))
                    kind, md5 = (text.decode() if isinstance(text, bytes) else text for text in (kind, md5))
                    if kind in STIMULUS_TYPES:
                        key = md5.lower(), name.removesuffix(".h5").replace("/", "-")
                        expected[key] = expected.get(key, 0) + len(group)
    left_out = {name for kind, name, _ in report.cohorts["all"].left_out if kind == "stimuli"}
    expected = {key: trials for key, trials in expected.items() if key[0] not in left_out}
    assert expected
    assert {key: rows[key]["n_trials"] for key in expected} == expected


@pytest.mark.real
def test_real_sounds_are_the_ones_that_were_played(real_build):
    entry = real_build[1].cohorts["all"]
    assert entry.counts["stimuli_with_verified_md5"] == entry.counts["stimuli"]
