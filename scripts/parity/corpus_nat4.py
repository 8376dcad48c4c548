"""How NAT4 is compared with deepSTRF 0.1.0."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter

import numpy as np

from scripts.parity.corpus_declaration import CorpusDifference, CorpusParity, RawFolder, Run
from scripts.parity.corpus_findings import Tolerance
from scripts.parity.corpus_models import SIGNAL_TYPE, native_waveforms, says, sinc_resample
from scripts.parity.corpus_snapshot import Snapshot, Vocabulary

SCALED = Tolerance(1e-6, relative=True)
"""Logarithms and ranges in single precision."""
WAVEFORM = Tolerance(2e-4, relative=True)
"""deepSTRF makes its filter in single precision."""
ONSET_S = 0.25
RESPELT_SITE = "TNC010a"
"""The synthetic site whose cells have another name in their own recording."""


def val_lost_with_another_name(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model that a cell has no val responses where its single-site recording spells its name otherwise."""
    responses = {
        (stimulus, neuron): response
        for (stimulus, neuron), response in ours.responses.items()
        if ours.stimuli[stimulus]["subset"] == "est" or not neuron.startswith(f"{RESPELT_SITE}-")
    }
    return ours.with_responses(responses)


def resampled_by_a_short_kernel(ours: Snapshot, folder: RawFolder, run: Run) -> Snapshot:
    """Model deepSTRF's resampler on the sounds that are not at the rate of the grid, and its mean over channels."""
    if run.stimulus != "waveform":
        return ours
    audio_fs, values = int(ours.facts["audio_fs"]), dict(ours.values)
    onset = round(ONSET_S * audio_fs)
    for name, (waveform, rate) in native_waveforms(folder, run).items():
        if name in values and rate != audio_fs:
            resampled = sinc_resample(waveform if waveform.ndim == 1 else waveform.mean(axis=1), rate, audio_fs)
            padded = np.zeros_like(values[name])
            kept = resampled[: padded.shape[-1] - onset]
            padded[0, onset : onset + len(kept)] = kept
            values[name] = padded
    return replace(ours, values=values)


VAL_BY_NAME = CorpusDifference(
    "cells-under-either-name",
    "A cell has no val responses where its single-site recording writes its electrode with another number of "
    "zeros: 33 cells of A1.",
    "Names are compared by site, electrode and unit, and the match is checked against the population recording.",
    "The responses are in the release.",
    val_lost_with_another_name,
)


def _parity(name: str, cohort: str, area: str) -> CorpusParity:
    option = {"area": area}
    return CorpusParity(
        name=name,
        corpus="nat4",
        cohort=cohort,
        writer="tests.raw_writers.nat4:write_nat4",
        writer_options={"odd_waveforms": True},
        bench_options={"areas": (area,), "n_sites": 5, "n_est": 575, "n_val": 18, "more_cells": 20},
        peer_class="NAT4Dataset",
        neuron_name=("cell_id",),
        stimulus_name=("name",),
        vocabulary=Vocabulary(
            {
                **{field: field for field in ("cell_id", "area", "auditory", "site", "animal", "electrode")},
                "unit_in_electrode": "unit",
            },
            {"name": "name", "subset": itemgetter("subset")},
        ),
        runs=(
            Run("defaults", option, preprocessing="deepstrf", stimuli=SCALED, responses=SCALED),
            Run("smooth", {**option, "smooth": True}, preprocessing="deepstrf", stimuli=SCALED, responses=SCALED),
            Run(
                "waveforms",
                {**option, "return_waveform": True},
                preprocessing="deepstrf",
                stimulus="waveform",
                stimuli=WAVEFORM,
                responses=SCALED,
            ),
        ),
        differences=(
            SIGNAL_TYPE,
            *([VAL_BY_NAME] if area == "A1" else []),
            CorpusDifference(
                "absent-is-null",
                "A cell that the table of cells lacks is not auditory.",
                "Whether it is auditory is null.",
                "Nobody has tested it.",
                says(neurons={"auditory": {None: False}}),
            ),
            CorpusDifference(
                "resampled-by-a-short-kernel",
                "Waveforms of another rate are resampled with a sinc of six zero crossings.",
                "They are resampled by soxr at high quality.",
                "The short kernel passes images and dampens the highest band. The sounds of the release need neither.",
                resampled_by_a_short_kernel,
            ),
        ),
    )


NAT4 = (_parity("nat4/a1", "a1", "A1"), _parity("nat4/peg", "peg", "PEG"))
