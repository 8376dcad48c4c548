"""Parameters of CRCNS AC1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.log_spectrogram import log_spaced_bands
from deepstrf_hf.responses.gates import RepeatGates

SPIKES_COHORT = "asari_mgb"
STEP_PARAMETERS = ("step_gate_window_ms", "step_gate_fraction")
EVENT_PARAMETERS = ("event_threshold_sd", "refractory_ms")
SPIKE_PARAMETERS = ("spikes", "spike_threshold_sd", *EVENT_PARAMETERS)


@dataclass
class CrcnsAc1Config(CorpusConfig):
    """Parameters of CRCNS AC1; the defaults are the published ones."""

    fmin: float = parameter(100.0, "lowest band of the spectrogram", unit="Hz")
    fmax: float = parameter(45_000.0, "upper limit of its bands; 25600 gives the 49 bands used for Wehr", unit="Hz")
    bins_per_octave: float = parameter(6.0, "bands per octave")
    window_ms: float | None = parameter(None, "window of the spectrogram; none: two bins", unit="ms")
    frames: str = parameter(
        "fixed_hop",
        "hop rounded to samples as published (frames slip against bins), or frames centred on their bins, bands above "
        "half the sampling rate marked",
        choices=("fixed_hop", "exact"),
    )
    detrend_med_ms: float = parameter(100.0, "window of the running median that is subtracted", unit="ms")
    detrend_gauss_ms: float = parameter(10.0, "Gaussian that smooths this median, standard deviation", unit="ms")
    range_gate_mv: float | None = parameter(150.0, "largest value of a repeat; none: no such gate", unit="mV")
    step_gate_mv: float | None = parameter(30.0, "size of a step; none: no such gate", unit="mV")
    step_gate_window_ms: float = parameter(5.0, "running median in which steps are looked for", unit="ms")
    step_gate_fraction: float = parameter(0.005, "part of a repeat that may lie beyond a step")
    cross_trial_gate_r: float | None = parameter(0.05, "least correlation with the other repeats; none: no such gate")
    length: str = parameter(
        "common",
        "a stimulus is as long as the shortest repeat that any cell kept, as published, or each repeat keeps its own "
        "length and ends in NaN",
        choices=("common", "own"),
    )
    spikes: str = parameter(
        "published",
        "cell-attached traces: smoothed count of samples above threshold, or spikes per bin",
        choices=("published", "events"),
    )
    spike_threshold_sd: float = parameter(2.5, "threshold of spikes=published, in standard deviations of the repeat")
    event_threshold_sd: float = parameter(5.0, "threshold of spikes=events, in robust standard deviations")
    refractory_ms: float = parameter(1.5, "least time between two spikes of spikes=events", unit="ms")

    @property
    def bands_hz(self) -> NDArray[np.float64]:
        """Frequencies of the spectrogram, Hz: 53 as published."""
        return log_spaced_bands(self.fmin, self.fmax, self.bins_per_octave)

    @property
    def gates(self) -> RepeatGates:
        """The tests that a repeat must pass."""
        return RepeatGates(
            self.range_gate_mv,
            self.step_gate_mv,
            self.step_gate_window_ms,
            self.step_gate_fraction,
            self.cross_trial_gate_r,
        )

    def check(self) -> None:
        """Check all values (errors as in the base), and that none would be ignored."""
        super().check()
        self.bands_hz  # noqa: B018  (refuses bands that do not rise)
        for name in ("dt_ms", "window_ms", "detrend_med_ms", "range_gate_mv", "step_gate_mv", "step_gate_window_ms",
                     "spike_threshold_sd", "event_threshold_sd", "refractory_ms"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ParameterError("This parameter must be positive", field=name, found=value, expected="> 0")
        if not 0 <= self.detrend_gauss_ms < float("inf"):
            raise ParameterError(
                "A standard deviation cannot be negative",
                field="detrend_gauss_ms",
                found=self.detrend_gauss_ms,
                expected=">= 0",
            )
        if not 0 <= self.step_gate_fraction <= 1:
            raise ParameterError(
                "A fraction is expected", field="step_gate_fraction", found=self.step_gate_fraction, expected="0 to 1"
            )
        if self.cross_trial_gate_r is not None and not -1 <= self.cross_trial_gate_r <= 1:
            raise ParameterError(
                "A correlation is expected",
                field="cross_trial_gate_r",
                found=self.cross_trial_gate_r,
                expected="-1 to 1",
            )
        self._refuse_ignored(STEP_PARAMETERS, self.step_gate_mv is not None, "step_gate_mv=none switches this gate off")
        self._refuse_ignored(EVENT_PARAMETERS, self.spikes == "events", "it belongs to spikes=events")
        self._refuse_ignored(("spike_threshold_sd",), self.spikes == "published", "it belongs to spikes=published")
        self._refuse_ignored(
            SPIKE_PARAMETERS, self.cohort in ("", SPIKES_COHORT), f"it belongs to the cohort {SPIKES_COHORT}"
        )

    def _refuse_ignored(self, names: tuple[str, ...], used: bool, why: str) -> None:
        ignored = [name for name in names if name in self.changed_parameters()]
        if ignored and not used:
            raise ParameterError(
                f"A parameter would have no effect: {why}",
                field=", ".join(ignored),
                found=", ".join(str(getattr(self, name)) for name in ignored),
                mend=f"leave it out, or build {SPIKES_COHORT} alone" if "cohort" in why else "leave it out",
            )
