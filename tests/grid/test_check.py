"""`validate`: everything that does not fit is found, and named."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepstrf_hf import NeuralDataset
from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.check import check_grid
from deepstrf_hf.grid.description import GridDescription
from tests.grid.examples import (
    TOY_NRN_META,
    TOY_STIM_META,
    packed_toy,
    toy,
    toy_pairs,
    toy_stimuli,
    toy_waveforms,
    toy_with_waveforms,
)

SPECTROGRAMS = GridDescription(dt_ms=5, n_bands=2)
WAVEFORMS = GridDescription(dt_ms=5, n_bands=2, audio_fs=8000, waveform=True)


def problem_of(**changes: Any) -> GridError:
    """Return what is found wrong with a changed toy."""
    arguments = {
        "grid": packed_toy(),
        "stimuli": toy_stimuli(),
        "stim_meta": TOY_STIM_META,
        "nrn_meta": TOY_NRN_META,
        "description": SPECTROGRAMS,
    } | changes
    with pytest.raises(GridError) as caught:
        check_grid(**arguments)
    return caught.value


def changed_stimulus(index: int, stimulus: Any, waveform: bool = False) -> list[Any]:
    stimuli: list[Any] = toy_waveforms(40) if waveform else toy_stimuli()
    stimuli[index] = stimulus
    return stimuli


def test_the_toy_is_in_order() -> None:
    check_grid(packed_toy(), toy_stimuli(), TOY_STIM_META, TOY_NRN_META, SPECTROGRAMS)
    check_grid(packed_toy(), toy_waveforms(40), TOY_STIM_META, TOY_NRN_META, WAVEFORMS)
    toy().validate()
    toy_with_waveforms().validate()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("waveform", [False, True])
def test_stimuli_are_finite(value: float, waveform: bool) -> None:
    stimuli = toy_waveforms(40) if waveform else toy_stimuli()
    stimuli[2][..., 3] = value
    error = problem_of(stimuli=stimuli, description=WAVEFORMS if waveform else SPECTROGRAMS)
    assert "NaN or infinite" in error.problem
    assert error.field == "stimulus 2 (s2)"
    assert error.mend is not None


@pytest.mark.parametrize(
    ("entry", "name"), [({}, "unnamed"), ({"name": "b"}, "b"), ({"stim_id": "a", "name": "b"}, "a")]
)
def test_a_stimulus_is_named_by_what_is_known_of_it(entry: dict[str, str], name: str) -> None:
    stimuli = changed_stimulus(0, np.full((2, 4), np.nan, np.float32))
    assert problem_of(stimuli=stimuli, stim_meta=[entry, *TOY_STIM_META[1:]]).field == f"stimulus 0 ({name})"


@pytest.mark.parametrize(
    ("shape", "found"), [((3, 6), "3 bands, 6 bins"), ((2, 5), "2 bands, 5 bins"), ((6, 2), "6 bands, 2 bins")]
)
def test_spectrograms_fit_each_other_and_their_responses(shape: tuple[int, int], found: str) -> None:
    error = problem_of(stimuli=changed_stimulus(1, np.ones(shape, np.float32)))
    assert "spectrogram does not fit" in error.problem
    assert (error.field, error.found, error.expected) == ("stimulus 1 (s1)", found, "2 bands, 6 bins")


def test_a_stated_number_of_bands_is_checked() -> None:
    with pytest.raises(GridError) as caught:
        toy(n_bands=3)
    assert (caught.value.found, caught.value.expected) == ("2 bands, 4 bins", "3 bands, 4 bins")


def test_a_stimulus_nobody_heard_may_have_any_length_but_no_other_bands() -> None:
    responses = {pair: response for pair, response in toy_pairs().items() if pair[0] != 3}
    toy(responses=responses, stims=changed_stimulus(3, np.ones((2, 17), np.float32))).validate()
    with pytest.raises(GridError) as caught:
        toy(responses=responses, stims=changed_stimulus(3, np.ones((3, 17), np.float32)))
    assert (caught.value.found, caught.value.expected) == ("3 bands, 17 bins", "2 bands")


@pytest.mark.parametrize(("samples", "expected"), [(239, "240 samples, 40 a bin"), (200, "240 samples, 40 a bin")])
def test_waveforms_fit_their_responses(samples: int, expected: str) -> None:
    error = problem_of(stimuli=changed_stimulus(1, np.ones(samples, np.float32), True), description=WAVEFORMS)
    assert "waveform does not fit" in error.problem
    assert (error.field, error.found, error.expected) == ("stimulus 1 (s1)", f"{samples} samples", expected)


def test_a_waveform_nobody_heard_still_has_whole_bins() -> None:
    responses = {pair: response for pair, response in toy_pairs().items() if pair[0] != 3}
    toy_with_waveforms(responses=responses, stims=changed_stimulus(3, np.ones(40 * 17), True)).validate()
    with pytest.raises(GridError) as caught:
        toy_with_waveforms(responses=responses, stims=changed_stimulus(3, np.ones(41), True))
    assert (caught.value.found, caught.value.expected) == ("41 samples", "a multiple of 40 samples")


@pytest.mark.parametrize("field", ["stim_meta", "nrn_meta"])
@pytest.mark.parametrize("difference", [-1, 1])
def test_numbers_of_metadata(field: str, difference: int) -> None:
    entries = {"stim_meta": TOY_STIM_META, "nrn_meta": TOY_NRN_META}[field]
    error = problem_of(**{field: [*entries, {}][: len(entries) + difference]})
    assert (error.field, error.expected) == (field, len(entries))
    assert error.found == f"{len(entries) + difference} entries"


@pytest.mark.parametrize("field", ["stim_meta", "nrn_meta"])
@pytest.mark.parametrize("entry", ["name", 3, None, ["name"]])
def test_metadata_are_mappings(field: str, entry: Any) -> None:
    entries: list[Any] = list({"stim_meta": TOY_STIM_META, "nrn_meta": TOY_NRN_META}[field])
    entries[1] = entry
    with pytest.raises(GridError, match=field):
        toy(**{field: entries})


@pytest.mark.parametrize(("field", "key"), [("stim_meta", "stim_id"), ("nrn_meta", "neuron_id")])
def test_ids_stand_once(field: str, key: str) -> None:
    count = len({"stim_meta": TOY_STIM_META, "nrn_meta": TOY_NRN_META}[field])
    toy(**{field: [{key: f"id{index}"} for index in range(count)]})
    with pytest.raises(GridError, match="id0"):
        toy(**{field: [{key: f"id{index // 2}"} for index in range(count)]})


def test_numbers_of_stimuli() -> None:
    error = problem_of(stimuli=toy_stimuli()[:3], stim_meta=TOY_STIM_META[:3])
    assert "Responses do not fit the stimuli" in error.problem
    assert (error.found, error.expected) == ("4 rows", 3)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"stims": [], "responses": [], "stim_meta": []}, "0 and 3"),
        ({"responses": [[]] * 4, "nrn_meta": []}, "4 and 0"),
        ({"stims": [], "responses": [], "stim_meta": None, "nrn_meta": None}, "0 and 0"),
    ],
)
def test_a_grid_needs_a_stimulus_and_a_neuron(changes: dict[str, Any], found: str) -> None:
    with pytest.raises(GridError, match="needs a stimulus and a neuron") as caught:
        toy(**changes)
    assert caught.value.found == found


@pytest.mark.parametrize("dt_ms", [0, -5, np.nan, np.inf])
def test_bin_widths(dt_ms: float) -> None:
    error = problem_of(description=replace(SPECTROGRAMS, dt_ms=dt_ms))
    assert error.field == "dt_ms" and str(error.found) == str(dt_ms)
    with pytest.raises(GridError, match="bin width"):
        toy(dt_ms=dt_ms)


@pytest.mark.parametrize(
    "hearing_range_hz", [(0, 100), (-1, 100), (100, 100), (200, 100), (np.nan, 100), (100, np.nan), (1,), (1, 2, 3), ()]
)
def test_hearing_ranges(hearing_range_hz: Any) -> None:
    with pytest.raises(GridError, match="hearing range") as caught:
        toy(hearing_range_hz=hearing_range_hz)
    assert caught.value.field == "hearing_range_hz" and caught.value.found == hearing_range_hz


@pytest.mark.parametrize(("audio_fs", "dt_ms", "samples"), [(8000, 5, "40"), (44_100, 10, "441"), (16_000, 2.5, "40")])
def test_rates_with_whole_samples_per_bin(audio_fs: int, dt_ms: float, samples: str) -> None:
    dataset = toy_with_waveforms(stims=toy_waveforms(int(samples)), audio_fs=audio_fs, dt_ms=dt_ms)
    assert dataset.hop == int(samples)


@pytest.mark.parametrize(
    ("audio_fs", "dt_ms", "found", "mend"),
    [
        (44_100, 5, "44100 Hz at 5 ms bins: 220.5 samples", "a multiple of 200 Hz"),
        (22_050, 10, "22050 Hz at 10 ms bins: 220.5 samples", "a multiple of 100 Hz"),
        (0, 5, "0 Hz at 5 ms bins: 0 samples", "a multiple of 200 Hz"),
        (-8000, 5, "-8000 Hz at 5 ms bins: -40 samples", "a multiple of 200 Hz"),
    ],
)
def test_rates_without_whole_samples_per_bin(audio_fs: int, dt_ms: float, found: str, mend: str) -> None:
    with pytest.raises(GridError, match="whole number of samples per bin") as caught:
        toy_with_waveforms(audio_fs=audio_fs, dt_ms=dt_ms)
    assert (caught.value.field, caught.value.found) == ("audio_fs", found)
    assert mend in str(caught.value.mend)


def test_waveforms_need_a_rate() -> None:
    error = problem_of(stimuli=toy_waveforms(40), description=replace(WAVEFORMS, audio_fs=None))
    assert error.field == "audio_fs"


def test_a_dataset_can_be_checked_again() -> None:
    dataset = toy()
    dataset.nrn_meta.pop()
    with pytest.raises(GridError, match="nrn_meta"):
        dataset.validate()
    dataset = toy()
    dataset.stims[1][0, 0, 2] = np.nan  # a stimulus is handed out as it lies there
    with pytest.raises(GridError, match=re.escape("stimulus 1 (s1)")):
        dataset.validate()


def test_a_dataset_made_by_hand_is_not_checked_until_asked() -> None:
    dataset = NeuralDataset(packed_toy(), toy_stimuli()[:3], TOY_STIM_META[:3], TOY_NRN_META, SPECTROGRAMS)
    with pytest.raises(GridError, match="Responses do not fit the stimuli"):
        dataset.validate()
