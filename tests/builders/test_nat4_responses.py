"""NAT4: the store of a population recording, which holds one byte per value."""

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from builders.nat4.responses import PopulationResponses

VALUES = st.sampled_from([0.0, 1.0, 2.0, 253.0, 254.0, 255.0, 256.0, 1e9, -1.0, 0.05, 1.5, np.nan])
MATRICES = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=VALUES)


def stored(matrix, cuts):
    responses = PopulationResponses()
    edges = sorted({0, matrix.shape[1], *(cut for cut in cuts if cut < matrix.shape[1])})
    for start, stop in zip(edges, edges[1:], strict=False):
        responses.add(start, matrix[:, start:stop].copy())
    return responses


@given(MATRICES, st.sets(st.integers(1, 11)), st.data())
def test_any_stretch_comes_back_whatever_the_blocks_were(matrix, cuts, data):
    responses = stored(matrix, cuts)
    assert responses.n_bins == matrix.shape[1]
    start = data.draw(st.integers(0, matrix.shape[1] - 1))
    stop = data.draw(st.integers(start + 1, matrix.shape[1]))
    expected = matrix[:, start:stop]
    np.testing.assert_array_equal(responses.values(start, stop), expected.astype(np.float32))
    counts, missing, others = responses.counts(start, stop)
    countable = np.isin(expected, np.arange(254))
    np.testing.assert_array_equal(missing, np.isnan(expected).sum(axis=1))
    np.testing.assert_array_equal(others, (~countable & ~np.isnan(expected)).sum(axis=1))
    np.testing.assert_array_equal(counts[countable], expected[countable])
    assert counts.dtype == np.uint8


@given(MATRICES, st.sets(st.integers(1, 11)))
def test_ranges_are_those_of_all_values_but_missing_ones(matrix, cuts):
    responses = stored(matrix, cuts)
    np.testing.assert_array_equal(responses.low, np.where(np.isnan(matrix), np.inf, matrix).min(axis=1))
    np.testing.assert_array_equal(responses.high, np.where(np.isnan(matrix), -np.inf, matrix).max(axis=1))


def test_counts_take_one_byte_each():
    """A real recording is 75 million values; in double precision they would be 600 MB."""
    blocks, shape = 60, (50, 1000)
    tracemalloc.start()
    try:
        responses = PopulationResponses()
        for number in range(blocks):
            block = np.zeros(shape)
            block[number % 50, :10] = np.nan if number % 2 else 3.0
            block[:, 20] = 0.05 * (number % 3)
            responses.add(number * shape[1], block)
        del block
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    n_values = blocks * shape[0] * shape[1]
    assert n_values <= held < 1.1 * n_values
    assert peak < held + 4 * 8 * shape[0] * shape[1]
