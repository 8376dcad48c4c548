"""Names that builders, tables, repositories and grids share."""

from __future__ import annotations

STIMULUS_PREFIX, NEURON_PREFIX, RECORDING_PREFIX = "stim_", "neuron_", "recording_"
TABLES = ("rows", "waveform", "stimuli", "neurons")
SUFFIX = {"rows": "", "waveform": "-waveform", "stimuli": "-stimuli", "neurons": "-neurons"}
"""What is added to the cohort's name to give the name of the table's configuration."""
CARD_NAME = "README.md"
"""The dataset card, which is also the index of the configurations."""
REPORT_NAME = "build_report.json"
AUDIO_ONSET = "stim_audio_onset_ms"
"""Column that says when a waveform begins on the bins of the responses."""
BAND_MIN, BAND_MAX = "band_min_", "band_max_"
"""Beginnings of the columns of the stimuli table that hold the range of each band."""
