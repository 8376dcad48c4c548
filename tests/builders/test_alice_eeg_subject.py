"""Alice EEG: cutting segments out of a recording, and masking artefacts, bin by bin."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from builders.alice_eeg.subject import Subject, cut, recorded_bins
from deepstrf_hf.formats.fif import Annotation, FifRecording

N_BINS = 60
RECORDING = FifRecording(Path("S01_alice-raw.fif"), 500.0, 300, 0, (), ())
SECONDS = st.integers(-400, 1200).map(lambda hundredths: hundredths / 128)  # exact in binary: ties are ties


def half_even(value):
    """Round a fraction, halves to even numbers."""
    return round(Fraction(value))


@given(st.lists(st.tuples(SECONDS, st.integers(-50, 400).map(lambda length: length / 128)), max_size=4))
def test_artefacts_cover_their_bins(stretches):
    artefacts = tuple(Annotation(onset, duration, "BAD") for onset, duration in stretches)
    covered = Subject("S01", RECORDING, {1: 0.0}, artefacts, ()).artefact_bins(64.0, N_BINS)
    ends = [(half_even(onset * 64), half_even((onset + max(duration, 0)) * 64)) for onset, duration in stretches]
    expected = [any(first <= place < end for first, end in ends) for place in range(N_BINS)]
    assert covered.tolist() == expected


@given(st.integers(-90, 90), st.integers(1, 80), st.sets(st.integers(0, N_BINS - 1)))
def test_a_stretch_is_what_was_recorded_and_nothing_else(start, length, masked):
    values = np.arange(2 * N_BINS, dtype=np.float32).reshape(2, N_BINS)
    artefacts = np.isin(np.arange(N_BINS), list(masked))
    stretch = cut(values, artefacts, start, length)
    assert (stretch.shape, stretch.dtype) == ((2, length), np.float32)
    for row in range(2):
        for place in range(length):
            there = 0 <= start + place < N_BINS and start + place not in masked
            assert (stretch[row, place] == values[row, start + place]) if there else np.isnan(stretch[row, place])
    assert (
        recorded_bins(stretch)
        == [sum(0 <= start + place < N_BINS and start + place not in masked for place in range(length))] * 2
    )
    assert np.isfinite(values).all()  # the recording stays as it is


def test_what_is_no_segment_is_told_apart():
    subject = Subject("S26", RECORDING, dict.fromkeys(range(2, 13), 0.0), (), ("comment",))
    assert subject.missing_segments == [1]
