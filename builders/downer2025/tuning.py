"""The columns of tuning: the criterion of the paper, for each channel by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.downer2025.columns import TUNING_COLUMNS
from builders.downer2025.stimuli import Presented, StimulusClass
from builders.downer2025.trials import Layout, TrialTable
from deepstrf_hf.responses.tuning import ANALYSIS_BIN_MS, TrialPairs, can_be_tested, in_wider_bins

PUBLISHED_DT_MS = 5.0
GROUP = round(ANALYSIS_BIN_MS / PUBLISHED_DT_MS)
SEED = 0


class SessionTuning:
    """Tests the channels of a session, which share their random pairs.

    Pairs are drawn from a generator of its own for every table of trials, so that the numbers are those that deepSTRF
    0.1.0 gives for a data set of one channel, whatever else is built. The bins of the analysis are those of the
    published 5 ms bins, whatever bins the tables have.

    Parameters
    ----------
    of_class : StimulusClass
        Which stimuli are test stimuli.
    stimuli : sequence of Presented
        All of the class.
    resamples : int
        Pairs of trials; 0 tests nothing.
    """

    def __init__(self, of_class: StimulusClass, stimuli: Sequence[Presented], resamples: int) -> None:
        self._resamples = resamples
        self._n_bins = {
            presented.code: round(presented.duration_s * 1000 / PUBLISHED_DT_MS)
            for presented in stimuli
            if presented.code in of_class.test
        }
        self._layouts: dict[bytes, Layout] = {}
        self._drawn: dict[tuple[int, ...], TrialPairs] = {}

    def columns(self, table: TrialTable, times_s: NDArray[np.float64]) -> dict[str, Any]:
        """Return the columns of a channel; null where it lacks repeats of a test stimulus.

        Parameters
        ----------
        table : TrialTable
            What was played.
        times_s : ndarray of float64, shape (spikes,)
            Spike times, ascending.
        """
        unknown = dict.fromkeys(TUNING_COLUMNS)
        if not self._resamples:
            return unknown
        if table.key() not in self._layouts:
            self._layouts[table.key()] = Layout.of(table, self._n_bins, PUBLISHED_DT_MS)
        layout = self._layouts[table.key()]
        if set(layout.rows) != set(self._n_bins):
            return unknown
        counts, _ = layout.count(times_s)
        responses = [in_wider_bins(layout.response(counts, code), GROUP) for code in self._n_bins]
        bins = tuple(response.shape[1] for response in responses)
        if not can_be_tested(responses, bins):
            return unknown
        trials = tuple(len(response) for response in responses)
        if trials not in self._drawn:
            self._drawn[trials] = TrialPairs.draw(np.random.default_rng(SEED), trials, bins, self._resamples)
        found = self._drawn[trials].tuning(responses)
        if math.isnan(found.p_value):
            return unknown
        return {
            "tuned": found.is_tuned(),
            "well_tuned": found.is_well_tuned(),
            "tuning_p_value": found.p_value,
            "tuning_delta": found.delta,
        }
