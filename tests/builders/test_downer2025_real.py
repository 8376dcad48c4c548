"""Downer 2025: the numbers of the real corpus, against its files read without the library."""

import numpy as np
import pytest
import scipy.io

from deepstrf_hf import build
from tests.builders.downer2025_trees import neurons_of, pairs_of, stimuli_of

SESSION = "180413"


@pytest.fixture(scope="module")
def real_raw(real_data):
    directory = real_data / "downer2025"
    inner = directory / "auditory_cortex_data"
    root = inner if inner.is_dir() else directory
    if not (root / "sessions" / SESSION).is_dir():
        pytest.skip("no real recordings of Downer 2025")
    return root


@pytest.fixture(scope="module")
def real_session(real_raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("real") / "downer2025"
    report = build("downer2025", ["timit"], data_dir=real_raw, out=out, where={"neuron.session_id": SESSION})
    (name,) = report.cohorts
    return report.cohorts[name], out, name


@pytest.mark.real
def test_a_real_session_has_the_documented_numbers(real_session):
    report, out, name = real_session
    assert (report.counts["neurons"], report.counts["stimuli"], report.counts["sessions"]) == (16, 499, 1)
    stimuli = stimuli_of(out, name)
    assert all(0.99 <= row["stim_duration_s"] <= 2.6 for row in stimuli.values())
    assert sum(row["subset"] == "test" for row in stimuli.values()) == 10
    assert not [note for note in report.notes if "instead of" in note]
    assert {row["neuron_area_group"] for row in neurons_of(out, name).values()} == {"non-primary"}


@pytest.mark.real
def test_real_counts_equal_a_plain_count_of_the_spike_times(real_session, real_raw):
    _, out, name = real_session
    rows = pairs_of(out, name)
    cell = sorted({key[1] for key in rows})[0]
    file = real_raw / "sessions" / SESSION / f"{cell}_MUspk.mat"
    content = scipy.io.loadmat(file, squeeze_me=True)
    times, trial = content["spike"]["spktimes"].item(), content["trial"]
    onsets, codes = trial["stimon"].item(), trial["timitStimcode"].item()
    for code in (12, 100):
        response = np.array(rows[code, cell]["response"])
        for row, onset in zip(response, onsets[codes == code], strict=True):
            edges = np.linspace(0, len(row) * 0.005, len(row) + 1)
            since = times - onset
            expected = np.histogram(since[since < edges[-1]], edges)[0]
            np.testing.assert_array_equal(row, expected)


@pytest.mark.real
@pytest.mark.parametrize("cohort", ["timit", "mvocs"])
def test_the_whole_release_has_the_published_counts(real_raw, tmp_path, cohort):
    report = build("downer2025", [cohort], data_dir=real_raw, out=tmp_path / "out", num_proc=2).cohorts[cohort]
    assert {name: report.counts[name] for name in report.published} == dict(report.published)
