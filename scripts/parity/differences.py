"""The deliberate differences from deepSTRF 0.1.0, and which of its tests fail for each.

``docs/parity_with_deepstrf.md`` holds them as a table: `markdown` writes it, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Difference:
    """One thing that is otherwise here, on purpose.

    Parameters
    ----------
    name : str
        Short name in lower case with hyphens; the anchor of its row in the table.
    theirs, ours : str
        What deepSTRF 0.1.0 does, and what this library does.
    reason : str
        Why.
    tests : mapping of str to str
        deepSTRF's tests that fail for it, as ``file::test``, and the type of the exception each fails with.
    """

    name: str
    theirs: str
    ours: str
    reason: str
    tests: Mapping[str, str] = field(default_factory=dict)


def _in(file: str, **errors: str) -> dict[str, str]:
    return {f"{file}.py::{test}": error for test, error in errors.items()}


DIFFERENCES = (
    Difference(
        "own-errors",
        "`AssertionError`, which `python -O` removes",
        "Errors that name what was found and how to mend it. `GridError` and `ParameterError` are `ValueError`s, "
        "`SelectionError` is an `IndexError`, `UnknownNameError` a `KeyError`.",
        "A user's mistake must be caught, and understood, in every mode of Python. Where the exception type is the "
        "same the words differ.",
        _in(
            "test_base_classes",
            test_neural_dataset_validate_fails_on_empty="GridError",
            test_audio_neural_dataset_validate_requires_F="GridError",
            test_standardize_stims_empty_subset_raises="AssertionError",
        )
        | _in("test_stim_selection", test_select_stim_rejects_out_of_range="SelectionError")
        | _in(
            "test_concat",
            test_concat_dt_mismatch_rejects="GridError",
            test_concat_F_mismatch_rejects="GridError",
            test_concat_names_length_must_match="ParameterError",
        ),
    ),
    Difference(
        "made-whole",
        "A dataset begins empty; attributes are set one after the other, then `validate()` is called.",
        "`load` and `from_arrays` make a dataset that is complete and validated. There is no empty one.",
        "A half-made dataset cannot be used by mistake.",
        _in("test_base_classes", test_neural_dataset_base_attributes_after_init="GridError")
        | _in("test_nrn_masks_cache", test_nrn_masks_empty_dataset="GridError"),
    ),
    Difference(
        "one-class",
        "An abstract base class, with a subclass per corpus.",
        "One concrete `NeuralDataset`; what is true of a corpus is in its tables.",
        "The data of a corpus need no code of their own to be read.",
        _in("test_base_classes", test_neural_dataset_is_abstract_base_class="AssertionError"),
    ),
    Difference(
        "unknown-names",
        "An attribute name that no neuron or stimulus has selects nothing.",
        "`UnknownNameError`, with near matches, also for a key that a predicate asks for.",
        "A typing error is not a selection. A key that only some entries have is fine.",
        _in("test_concat", test_select_pop_by_nrn_attr_tolerates_mixed_schemas="UnknownNameError")
        | _in(
            "test_stim_selection",
            test_select_stims_by_missing_attr_returns_empty="UnknownNameError",
            test_select_stims_by_predicate_missing_key_is_skipped="UnknownNameError",
        ),
    ),
    Difference(
        "empty-is-none",
        "`I = []` means all neurons, `S_sel = []` no stimuli.",
        "`None` means all and `[]` none, for neurons and stimuli alike.",
        "A selection that found nothing must not train on everything.",
    ),
    Difference(
        "any-integer",
        "Indices must be Python integers; `True` counts as 1.",
        "Integers of NumPy and torch are indices too; truth values are not. `True` does not match the value 1.",
        "Samplers and splitters of other libraries hand out NumPy integers.",
    ),
    Difference(
        "presence",
        "A response with one NaN counts as not recorded in `nrn_masks`, so its stimulus may be skipped.",
        "A pair has data if any value is finite; `valid_mask` of the batch says which.",
        "One missing sample must not hide the others.",
        _in("test_nrn_masks_cache", test_nrn_masks_with_nan_in_non_sentinel="AssertionError"),
    ),
    Difference(
        "masks-follow-the-grid",
        "`nrn_masks` is cached until `_invalidate_nrn_masks()` is called, and handed out as it is.",
        "`nrn_masks` always fits the responses and is a copy; there is nothing to invalidate.",
        "A stale mask, or one changed by its reader, selects the wrong neurons.",
        _in(
            "test_nrn_masks_cache",
            test_nrn_masks_returns_cached_object="AssertionError",
            test_invalidate_nrn_masks_forces_recompute="AssertionError",
        ),
    ),
    Difference(
        "one-length-per-stimulus",
        "Responses to one stimulus may differ in bins, and from its spectrogram.",
        "All have the bins of the stimulus; a missing sample is NaN.",
        "A response that is longer or shorter than its stimulus is shifted or cut, and models fail on it late.",
        _in(
            "test_compute_neuron_quality_streaming",
            test_streaming_equals_legacy_ragged_shapes="GridError",
            test_streaming_avoids_full_padded_tensor="GridError",
        ),
    ),
    Difference(
        "made-on-demand",
        "`stims` and `responses` are lists of tensors, which may be assigned to.",
        "Read-only sequences whose tensors are made when asked for: `torch.cat(list(dataset.stims), dim=-1)`.",
        "Values are stored once, packed and in their own type; that is what makes large corpora fit into memory.",
        _in(
            "test_base_classes",
            test_standardize_stims_per_band_makes_unit_std="TypeError",
            test_standardize_stims_global_scalar_path="TypeError",
        ),
    ),
    Difference(
        "more-quality",
        "`compute_neuron_quality` returns `snr` and `ccmax`.",
        "It also returns `signal_power`, `noise_power`, `ccmax_hsu` and `ccmax_schoppe`.",
        "A noise ceiling means little without its definition.",
        _in("test_neuron_quality", test_compute_neuron_quality_writes_both_keys="AssertionError"),
    ),
    Difference(
        "ceiling-without-repeats",
        "`ccmax` is 1 for a neuron without repeats.",
        "NaN: the ceiling is not known. `ccmax_without_repeats=1.0` gives deepSTRF's.",
        "Such neurons would pass every threshold on `ccmax`.",
        _in(
            "test_neuron_quality",
            test_compute_neuron_quality_r1_only_neuron_gets_ccmax_one="AssertionError",
            test_compute_neuron_quality_missing_neuron_gets_nan="AssertionError",
        )
        | _in(
            "test_compute_neuron_quality_streaming",
            test_streaming_equals_legacy_r1_only_neuron="AssertionError",
        ),
    ),
    Difference(
        "random-half-splits",
        "`ccmax` takes the first 126 half-splits in lexicographic order and drops the last of an odd number of trials.",
        'Half-splits are drawn at random from a seed, none twice. `half_splits="first"` gives deepSTRF\'s.',
        "The first of many differ in the last trials only.",
    ),
    Difference(
        "smoothing-near-missing-samples",
        "`smooth_responses` leaves a response with any NaN as it is.",
        "All responses are smoothed; a missing sample spreads to its neighbours within the window.",
        "Smoothed and raw trials must not be averaged together.",
    ),
    Difference(
        "statistics-of-nothing",
        "`normalize_responses(stim_indices=[])` does nothing, and neurons without data stay on their scale in silence.",
        "The first raises, the second warns.",
        "Neurons on different scales are not seen in a loss.",
    ),
    Difference(
        "get-n",
        "`get_N()` is the number of neurons in the dataset.",
        "The number that items hold under the present selection; `N_neurons` is the number in the dataset.",
        "It is the size of the batch, which a model must have.",
    ),
    Difference(
        "ids-stay-unique",
        "Concatenated datasets keep their ids.",
        "An id that several datasets have is written `<name>/<id>`.",
        "Splits and selections by id must not mean two stimuli.",
    ),
)


def markdown(differences: Iterable[Difference] = DIFFERENCES) -> str:
    """Return differences as a Markdown table, with an anchor per row."""
    lines = ["| difference | deepSTRF 0.1.0 | here | why | its tests that fail |", "| --- | --- | --- | --- | --- |"]
    for one in differences:
        tests = "<br>".join(f"`{test.partition('::')[2]}`" for test in one.tests) or "none looks at it"
        lines.append(f'| <a id="{one.name}"></a>{one.name} | {one.theirs} | {one.ours} | {one.reason} | {tests} |')
    return "\n".join(lines)
