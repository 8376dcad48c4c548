"""Loading a build: values against the raw tree and the tables, and every way in which it can go wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.signal
import torch

from deepstrf_hf import NeuralDataset, load, neural_collate
from deepstrf_hf.errors import DeepstrfError, GridError, ParameterError, TableFormatError, UnknownNameError
from deepstrf_hf.parquet import METADATA_KEY
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.conftest import KnownBuild
from tests.grid.examples import Array, LeaveOutOnset, assert_same_batch, items_of
from tests.raw_writers.ns1 import NATURAL_SETS

DT_MS, N_BINS, N_BANDS = 5, 999, 34
STIM_IDS = [f"source{source}.set{set_number}.stim{number:02d}" for source, set_number, number, _ in NATURAL_SETS]
TEST_CLIPS = [3, 6, 9, 19]
"""Of Rahman et al. 2020, counted from 0."""


def table_rows(build: Path, config: str) -> list[dict[str, Any]]:
    """Read all rows of a table with pyarrow alone."""
    return [row for path in sorted((build / config).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def one_file(build: Path, config: str, split: str = "train") -> Path:
    (path,) = (build / config).glob(f"{split}-*.parquet")
    return path


def rewrite(
    path: Path,
    *,
    table: Callable[[pa.Table], pa.Table] = lambda table: table,
    provenance: Callable[[dict[str, Any]], Mapping[str, Any] | None] = lambda provenance: provenance,
) -> None:
    """Write a Parquet file again with another table, or other provenance; None leaves that out."""
    said = provenance(json.loads(pq.read_metadata(path).metadata[METADATA_KEY]))
    changed = table(pq.read_table(path)).replace_schema_metadata(None)
    with pq.ParquetWriter(path, changed.schema) as writer:
        writer.write_table(changed)
        if said is not None:
            writer.add_key_value_metadata({METADATA_KEY: json.dumps(said).encode()})


def rewrite_all(build: Path, provenance: Callable[[dict[str, Any]], Mapping[str, Any] | None]) -> None:
    """Write all files of a build again with other provenance."""
    for path in build.rglob("*.parquet"):
        rewrite(path, provenance=provenance)


def with_column(table: pa.Table, name: str, change: Callable[[list[Any]], list[Any]]) -> pa.Table:
    """Return a table with another column in the place of one."""
    index = table.schema.get_field_index(name)
    values = change(table.column(name).to_pylist())
    return table.set_column(index, table.schema.field(index), pa.array(values, table.schema.field(index).type))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage(path: Path) -> None:
    """Overwrite the data of a Parquet file, but not its index at the end."""
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    content[4 : len(content) - footer] = b"\xff" * (len(content) - footer - 4)
    path.write_bytes(content)


def pair_responses(dataset: NeuralDataset) -> dict[tuple[str, str], Array]:
    """Return all recorded responses by the ids of their stimulus and neuron."""
    return {
        (stimulus["stim_id"], neuron["neuron_id"]): response.numpy()
        for stimulus, responses in zip(dataset.stim_meta, dataset.responses, strict=True)
        for neuron, response in zip(dataset.nrn_meta, responses, strict=True)
        if tuple(response.shape) != (1, 1)
    }


def binned_by_loop(trials: list[Array]) -> Array:
    """Count spikes: bin floor(t / 5 ms), from 0 to 4995 ms."""
    counts = np.zeros((len(trials), N_BINS), int)
    for trial, times in enumerate(trials):
        for time in times:
            position = math.floor(time / DT_MS)
            if 0 <= position < N_BINS:
                counts[trial, position] += 1
    return counts


def true_counts(build: KnownBuild) -> dict[tuple[str, str], Array]:
    """Return the counts of all pairs of the raw tree, by stimulus id and the lab's name of the unit."""
    truth = build.truth
    return {
        (STIM_IDS[clip], path.removesuffix(".mat")): binned_by_loop(
            [
                truth.spike_times[path, clip, repeat]
                for repeat in range(20)
                if (path, clip, repeat) in truth.spike_times  # one unit has 19 repeats of one clip
            ]
        )
        for clip in range(20)
        for path in truth.unit_paths
        if path not in truth.missing_units
    }


# Values ---------------------------------------------------------------------------------------------------------------


def test_responses_are_the_counts_of_the_raw_tree(known_build: KnownBuild) -> None:
    dataset = load(known_build.directory, "a1", preprocessing=None)
    expected = true_counts(known_build)
    cell_ids = {neuron["neuron_id"]: neuron["cell_id"] for neuron in dataset.nrn_meta}
    loaded = {(stim_id, cell_ids[neuron_id]): r for (stim_id, neuron_id), r in pair_responses(dataset).items()}
    assert loaded.keys() == expected.keys() and len(expected) == 60
    for pair, counts in expected.items():
        np.testing.assert_array_equal(loaded[pair], counts, err_msg=str(pair))
    assert sorted({len(counts) for counts in expected.values()}) == [19, 20]
    assert sum(int(counts.sum()) for counts in expected.values()) > 10_000


def test_published_preprocessing_is_the_hanning_window_of_21_ms(known_build: KnownBuild) -> None:
    stored = pair_responses(load(known_build.directory, preprocessing=None))
    published = load(known_build.directory)
    assert published.preprocessing == (HanningSmooth(21.0),)
    smoothed = pair_responses(published)
    assert smoothed.keys() == stored.keys()
    for pair, counts in stored.items():
        expected = [np.convolve(trial.astype(float), [0.5, 1, 0.5], mode="same") for trial in counts]
        np.testing.assert_allclose(smoothed[pair], expected, rtol=1e-6, err_msg=str(pair))


@pytest.mark.parametrize(
    ("preprocessing", "scale"),
    [("published", 1), ("deepstrf", 1), ([HanningSmooth(21.0)], 1), ((HanningSmooth(21.0, gain="unit"),), 0.5)],
)
def test_preprocessing(known_build: KnownBuild, preprocessing: Any, scale: float) -> None:
    published = neural_collate(items_of(load(known_build.directory))[:4])["responses"]
    other = neural_collate(items_of(load(known_build.directory, preprocessing=preprocessing))[:4])["responses"]
    np.testing.assert_allclose(other, scale * published, rtol=1e-6)


def test_steps_of_a_users_own(ns1_built: Path) -> None:
    stored = neural_collate(items_of(load(ns1_built, preprocessing=None))[:2])["responses"]
    batch = neural_collate(items_of(load(ns1_built, preprocessing=[LeaveOutOnset(bins=7)]))[:2])
    assert not batch["valid_mask"][..., :7].any() and batch["valid_mask"][..., 7:].all()
    assert torch.isnan(batch["responses"][..., :7]).all()
    assert torch.equal(batch["responses"][..., 7:], stored[..., 7:])


def test_no_preprocessing_at_all(known_build: KnownBuild) -> None:
    for nothing in (None, [], ()):
        dataset = load(known_build.directory, preprocessing=nothing)
        assert dataset.preprocessing == ()
        responses = neural_collate(items_of(dataset))["responses"]
        values = responses[~torch.isnan(responses)]
        assert torch.equal(values, values.round())


def test_everything_of_the_tables_is_there(ns1_built: Path) -> None:
    dataset = load(ns1_built, "a1", preprocessing=None)
    rows = {(row["stim_id"], row["neuron_id"]): row for row in table_rows(ns1_built, "a1")}
    loaded = pair_responses(dataset)
    assert loaded.keys() == rows.keys() and len(rows) == 100
    for pair, row in rows.items():
        np.testing.assert_array_equal(loaded[pair], np.array(row["response"], np.float32))
    stimuli = {row["stim_id"]: row for row in table_rows(ns1_built, "a1-stimuli")}
    for entry, stimulus in zip(dataset.stim_meta, dataset.stims, strict=True):
        np.testing.assert_array_equal(
            stimulus[0].numpy(), np.array(stimuli[entry["stim_id"]]["spectrogram"], np.float32)
        )
        assert tuple(stimulus.shape) == (1, N_BANDS, N_BINS)


def test_metadata_lose_their_prefixes_and_large_columns(ns1_built: Path) -> None:
    dataset = load(ns1_built, "a1")
    for entries, config, prefix, identity in (
        (dataset.stim_meta, "a1-stimuli", "stim_", "stim_id"),
        (dataset.nrn_meta, "a1-neurons", "neuron_", "neuron_id"),
    ):
        rows = sorted(table_rows(ns1_built, config), key=lambda row: row[identity])
        assert [entry[identity] for entry in entries] == [row[identity] for row in rows]
        for entry, row in zip(entries, rows, strict=True):
            expected = {
                name if name == identity else name.removeprefix(prefix): value
                for name, value in row.items()
                if name not in ("spectrogram", "audio", "picture")
            }
            assert entry == expected
            assert not [name for name in entry if name.startswith(prefix) and name != identity]
    assert dataset.stim_meta[0]["type"] == "water_sounds" and dataset.stim_meta[1]["type"] is None
    assert all(isinstance(neuron["snr"], float) for neuron in dataset.nrn_meta)


def test_stimuli_and_neurons_are_in_the_order_of_their_ids(ns1_built: Path) -> None:
    dataset = load(ns1_built)
    assert [entry["stim_id"] for entry in dataset.stim_meta] == STIM_IDS
    neuron_ids = [entry["neuron_id"] for entry in dataset.nrn_meta]
    assert neuron_ids == sorted(neuron_ids) and len(neuron_ids) == 5


def test_what_the_dataset_tells_of_itself(ns1_built: Path) -> None:
    dataset = load(str(ns1_built))
    assert (dataset.dt, dataset.F, dataset.N_neurons, dataset.get_S()) == (DT_MS, N_BANDS, 5, 20)
    assert (dataset.audio_fs, dataset.hop, dataset.return_waveform) == (None, None, False)
    assert (dataset.species, dataset.signal_type, dataset.path) == ("ferret", "spikes", str(ns1_built))
    assert dataset.hearing_range_hz == (200, 40_000)
    expected = [500 * 2 ** (band / 6) for band in range(N_BANDS)]
    np.testing.assert_allclose(dataset.band_frequencies_hz, expected, rtol=1e-5)
    dataset.validate()


@pytest.mark.parametrize("split", ["train", "test"])
def test_splits(ns1_built: Path, split: str) -> None:
    part, whole = load(ns1_built, "a1", split=split), load(ns1_built, "a1")
    expected = [STIM_IDS[clip] for clip in range(20) if (clip in TEST_CLIPS) == (split == "test")]
    assert [entry["stim_id"] for entry in part.stim_meta] == expected
    assert {entry["subset"] for entry in part.stim_meta} == {split}
    assert part.nrn_meta == whole.nrn_meta
    assert len(part) == part.get_S() == len(part.responses) == len(part.stims) == len(expected)
    everything = pair_responses(whole)
    loaded = pair_responses(part)
    assert loaded.keys() == {pair for pair in everything if pair[0] in expected}
    for pair, response in loaded.items():
        np.testing.assert_array_equal(response, everything[pair])
    whole.select_stims_by_attr("subset", split)
    assert_same_batch(neural_collate(items_of(part)), neural_collate(items_of(whole)))


# Waveforms ------------------------------------------------------------------------------------------------------------


def in_band(samples: Array, rate: float) -> Array:
    """Keep the lower quarter of the band, where every resampler must agree."""
    return np.convolve(samples, scipy.signal.firwin(401, rate / 8, fs=rate), mode="same")


def test_waveforms_lie_on_the_bins_of_the_responses(known_build: KnownBuild) -> None:
    dataset = load(known_build.directory, stimulus="waveform")
    assert (dataset.audio_fs, dataset.hop, dataset.F, dataset.return_waveform) == (48_000, 240, N_BANDS, True)
    batch = neural_collate(items_of(dataset)[:2])
    assert tuple(batch["stims"].shape) == (2, 1, N_BINS * 240)
    assert batch["responses"].shape[-1] == N_BINS
    assert all(tuple(stimulus.shape) == (1, N_BINS * 240) for stimulus in dataset.stims)
    dataset.validate()


@pytest.mark.parametrize(("audio_fs", "up", "down"), [(48_000, 3072, 3125), (None, 3072, 3125), (24_000, 1536, 3125)])
@pytest.mark.parametrize("clip", [0, 17])
def test_waveforms_are_resampled(known_build: KnownBuild, audio_fs: int | None, up: int, down: int, clip: int) -> None:
    rate = audio_fs or 48_000
    dataset = load(known_build.directory, stimulus="waveform", audio_fs=audio_fs)
    assert dataset.audio_fs == rate and dataset.hop == rate // 200
    loaded = dataset.stims[clip][0].numpy()
    assert dataset.stim_meta[clip]["stim_id"] == STIM_IDS[clip]
    source = known_build.truth.waveforms[clip].astype(np.float64)
    expected = scipy.signal.resample_poly(source, up, down, window=("kaiser", 10.0))
    length = math.ceil(len(source) * rate / 48_828.125)
    difference = in_band(loaded[:length], rate) - in_band(expected[:length], rate)
    inside = slice(500, length - 500)
    error = np.sqrt(np.mean(difference[inside] ** 2) / np.mean(in_band(expected, rate)[inside] ** 2))
    assert error < 2e-3
    assert not loaded[length + 1 :].any()


def test_responses_do_not_depend_on_the_kind_of_stimulus(ns1_built: Path) -> None:
    spectrograms, waveforms = load(ns1_built), load(ns1_built, stimulus="waveform")
    assert waveforms.nrn_meta == spectrograms.nrn_meta and waveforms.stim_meta == spectrograms.stim_meta
    one, other = (neural_collate(items_of(dataset)) for dataset in (spectrograms, waveforms))
    for key in ("responses", "valid_mask"):
        np.testing.assert_array_equal(one[key].numpy(), other[key].numpy())


def test_waveforms_of_one_split(ns1_built: Path) -> None:
    part, whole = (load(ns1_built, stimulus="waveform", split=split) for split in ("test", None))
    assert len(part) == 4
    for place, clip in enumerate(TEST_CLIPS):
        np.testing.assert_array_equal(part.stims[place].numpy(), whole.stims[clip].numpy())


# What cannot be loaded ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("config", "near"), [("a2", "a1"), ("aa1", "a1"), ("ns1", None)])
def test_unknown_configurations(ns1_built: Path, config: str, near: str | None) -> None:
    with pytest.raises(UnknownNameError, match="No configuration is named") as caught:
        load(ns1_built, config)
    assert repr(config) in caught.value.problem
    assert caught.value.expected == "one of: a1"
    assert caught.value.mend == (f"did you mean {near!r}?" if near else None)
    assert caught.value.path == str(ns1_built)


@pytest.mark.parametrize(("split", "near"), [("tset", "'test'"), ("trian", "'train'"), ("val", None), ("", None)])
def test_unknown_splits(ns1_built: Path, split: str, near: str | None) -> None:
    with pytest.raises(UnknownNameError, match="No split of a1") as caught:
        load(ns1_built, "a1", split=split)
    assert caught.value.expected == "one of: train, test"
    assert (near or "") in (caught.value.mend or "")


@pytest.mark.parametrize("stimulus", ["wave", "Spectrogram", "", None, "audio"])
def test_unknown_kinds_of_stimulus(ns1_built: Path, stimulus: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        load(ns1_built, stimulus=stimulus)
    assert (caught.value.field, caught.value.found) == ("stimulus", repr(stimulus))
    assert caught.value.expected == "'spectrogram' or 'waveform'"


@pytest.mark.parametrize("preprocessing", ["publishd", "", "None", "deepSTRF"])
def test_unknown_preprocessing(ns1_built: Path, preprocessing: str) -> None:
    with pytest.raises(ParameterError, match="Unknown preprocessing") as caught:
        load(ns1_built, preprocessing=preprocessing)
    assert (caught.value.field, caught.value.found) == ("preprocessing", repr(preprocessing))
    assert all(name in str(caught.value.expected) for name in ("'published'", "'deepstrf'", "None"))


@pytest.mark.parametrize("preprocessing", [HanningSmooth(21.0), ["published"], [None], 21, [HanningSmooth]])
def test_preprocessing_that_is_no_steps(ns1_built: Path, preprocessing: Any) -> None:
    with pytest.raises(DeepstrfError, match="preprocessing"):
        load(ns1_built, preprocessing=preprocessing)


@pytest.mark.parametrize("audio_fs", [48_000, 0])
def test_a_rate_without_waveforms(ns1_built: Path, audio_fs: int) -> None:
    with pytest.raises(ParameterError, match="goes with waveforms") as caught:
        load(ns1_built, audio_fs=audio_fs)
    assert (caught.value.field, caught.value.found) == ("audio_fs", audio_fs)
    assert "stimulus='waveform'" in str(caught.value.mend)


@pytest.mark.parametrize(("audio_fs", "samples"), [(44_100, "220.5"), (48_828, "244.14"), (48_001, "240.005")])
def test_a_rate_without_whole_samples_per_bin(ns1_built: Path, audio_fs: int, samples: str) -> None:
    with pytest.raises(GridError, match="whole number of samples per bin") as caught:
        load(ns1_built, stimulus="waveform", audio_fs=audio_fs)
    assert caught.value.field == "audio_fs"
    assert caught.value.found == f"{audio_fs} Hz at 5 ms bins: {samples} samples"
    assert caught.value.mend == "take a multiple of 200 Hz"


@pytest.mark.parametrize("audio_fs", [0, -48_000])
def test_a_rate_that_is_none(ns1_built: Path, audio_fs: int) -> None:
    with pytest.raises(DeepstrfError) as caught:
        load(ns1_built, stimulus="waveform", audio_fs=audio_fs)
    assert caught.value.field == "audio_fs"


def test_neither_a_directory_nor_a_repository(tmp_path: Path) -> None:
    for source in (tmp_path / "nothing" / "here", tmp_path / "file", "no repository", "a/b/c"):
        (tmp_path / "file").write_text("not a directory")
        with pytest.raises(TableFormatError, match="Neither a directory nor") as caught:
            load(source)
        assert caught.value.path == str(source)


@pytest.mark.parametrize(
    "card",
    [None, "", "# A card without a block\n", "---\nlicense: mit\n---\n", "---\n: [\n---\n", "---\n- 1\n---\n", "\xff"],
)
def test_a_directory_that_is_no_corpus(tmp_path: Path, card: str | None) -> None:
    if card is not None:
        (tmp_path / "README.md").write_bytes(card.encode("latin-1"))
    with pytest.raises(TableFormatError, match="not a corpus that deepstrf-hf built") as caught:
        load(tmp_path)
    assert caught.value.path == str(tmp_path)
    assert caught.value.field == "configs in README.md" and caught.value.mend is not None


FILES = [("a1", "train"), ("a1", "test"), ("a1-stimuli", "train"), ("a1-neurons", "train")]


@pytest.mark.parametrize(("config", "split"), FILES)
def test_a_missing_file(copied_build: Path, config: str, split: str) -> None:
    path = one_file(copied_build, config, split)
    path.unlink()
    with pytest.raises(TableFormatError, match="file that the card names is missing") as caught:
        load(copied_build)
    assert caught.value.path == str(path) and caught.value.mend is not None


def test_a_missing_file_of_another_split_does_not_matter(copied_build: Path) -> None:
    one_file(copied_build, "a1", "train").unlink()
    assert len(load(copied_build, split="test")) == 4


@pytest.mark.parametrize(("config", "split"), FILES)
@pytest.mark.parametrize(
    "spoil", [truncate, damage, lambda path: path.write_bytes(b"")], ids=["cut", "damaged", "empty"]
)
def test_a_broken_file(copied_build: Path, config: str, split: str, spoil: Callable[[Path], Any]) -> None:
    path = one_file(copied_build, config, split)
    spoil(path)
    with pytest.raises(TableFormatError, match="Not a readable Parquet file") as caught:
        load(copied_build)
    assert caught.value.path == str(path) and caught.value.mend is not None


def test_rewriting_alone_breaks_nothing(copied_build: Path, known_build: KnownBuild) -> None:
    for config, split in FILES:
        rewrite(one_file(copied_build, config, split))
    one, other = load(copied_build), load(known_build.directory)
    assert_same_batch(neural_collate(items_of(one)), neural_collate(items_of(other)))


@pytest.mark.parametrize(("companion", "column"), [("a1-stimuli", "stim_id"), ("a1-neurons", "neuron_id")])
def test_a_companion_that_lacks_what_the_main_table_names(copied_build: Path, companion: str, column: str) -> None:
    path = one_file(copied_build, companion)
    lacking = pq.read_table(path).column(column)[0].as_py()
    rewrite(path, table=lambda table: table.slice(1))
    with pytest.raises(TableFormatError, match="names what its companion table lacks") as caught:
        load(copied_build)
    assert (caught.value.field, caught.value.found) == (column, lacking)


def test_a_companion_that_names_one_neuron_twice(copied_build: Path) -> None:
    path = one_file(copied_build, "a1-neurons")
    twice = pq.read_table(path).column("neuron_id")[0].as_py()
    rewrite(path, table=lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    with pytest.raises(DeepstrfError, match=re.escape(twice)):
        load(copied_build)


def test_a_pair_that_stands_twice(copied_build: Path) -> None:
    rewrite(one_file(copied_build, "a1"), table=lambda table: pa.concat_tables([table, table.slice(3, 1)]))
    with pytest.raises(GridError, match="stands twice"):
        load(copied_build)


@pytest.mark.parametrize(("config", "column"), [("a1", "n_trials"), ("a1-stimuli", "spectrogram"), ("a1", "response")])
def test_a_table_that_lacks_a_column(copied_build: Path, config: str, column: str) -> None:
    path = one_file(copied_build, config)
    rewrite(path, table=lambda table: table.drop_columns([column]))
    with pytest.raises(TableFormatError, match="lacks columns") as caught:
        load(copied_build)
    assert caught.value.path == str(path)
    assert column in str(caught.value.expected)


@pytest.mark.parametrize("column", ["n_trials", "n_bins"])
@pytest.mark.parametrize("difference", [-1, 1])
def test_rows_that_state_other_shapes_than_they_hold(copied_build: Path, column: str, difference: int) -> None:
    def wrong(values: list[Any]) -> list[Any]:
        return [values[0] + difference, *values[1:]]

    rewrite(one_file(copied_build, "a1"), table=lambda table: with_column(table, column, wrong))
    with pytest.raises(TableFormatError, match=re.escape("trials and bins that their rows state")) as caught:
        load(copied_build)
    assert caught.value.field == "response"


def test_rows_whose_numbers_of_trials_were_exchanged(copied_build: Path) -> None:
    def exchanged(values: list[Any]) -> list[Any]:
        odd = values.index(19)
        other = odd + 1 if odd + 1 < len(values) else odd - 1
        values[odd], values[other] = values[other], values[odd]
        return values

    rewrite(one_file(copied_build, "a1"), table=lambda table: with_column(table, "n_trials", exchanged))
    with pytest.raises(TableFormatError, match=re.escape("trials and bins that their rows state")):
        load(copied_build)


def without_response(response: list[list[int]]) -> None:
    return None


def without_one_trial(response: list[list[int]]) -> list[list[int] | None]:
    return [None, *response[1:]]


def without_one_bin(response: list[list[int]]) -> list[list[int | None]]:
    return [[None, *response[0][1:]], *response[1:]]


@pytest.mark.parametrize("change", [without_response, without_one_trial, without_one_bin])
def test_nulls_in_a_response(copied_build: Path, change: Callable[[Any], Any]) -> None:
    def first_changed(values: list[Any]) -> list[Any]:
        return [change(values[0]), *values[1:]]

    rewrite(one_file(copied_build, "a1"), table=lambda table: with_column(table, "response", first_changed))
    with pytest.raises(TableFormatError):
        load(copied_build)


@pytest.mark.parametrize("split", ["test", None])
def test_a_main_table_without_rows(copied_build: Path, split: str | None) -> None:
    for name in ("train", "test"):
        if split in (None, name):
            rewrite(one_file(copied_build, "a1", name), table=lambda table: table.slice(0, 0))
    with pytest.raises(TableFormatError):
        load(copied_build, split=split)


def test_a_spectrogram_that_does_not_fit_its_responses(copied_build: Path) -> None:
    def cut(values: list[Any]) -> list[Any]:
        return [[band[:-1] for band in values[0]], *values[1:]]

    rewrite(one_file(copied_build, "a1-stimuli"), table=lambda table: with_column(table, "spectrogram", cut))
    with pytest.raises(GridError, match="spectrogram does not fit") as caught:
        load(copied_build)
    assert caught.value.field == f"stimulus 0 ({STIM_IDS[0]})"
    assert (caught.value.found, caught.value.expected) == ("34 bands, 998 bins", "34 bands, 999 bins")


def absent(spectrogram: list[list[float]]) -> None:
    return None


def ragged(spectrogram: list[list[float]]) -> list[list[float]]:
    return [spectrogram[0][:-2], *spectrogram[1:]]


def ragged_with_whole_sum(spectrogram: list[list[float]]) -> list[list[float]]:
    return [spectrogram[0][:-2], spectrogram[1] + spectrogram[0][-2:], *spectrogram[2:]]


@pytest.mark.parametrize("change", [absent, ragged, ragged_with_whole_sum])
def test_a_spectrogram_that_is_none(copied_build: Path, change: Callable[[Any], Any]) -> None:
    def first_changed(values: list[Any]) -> list[Any]:
        return [change(values[0]), *values[1:]]

    rewrite(one_file(copied_build, "a1-stimuli"), table=lambda table: with_column(table, "spectrogram", first_changed))
    with pytest.raises(DeepstrfError, match=STIM_IDS[0]):
        load(copied_build)


def test_a_stimulus_without_waveform(copied_build: Path) -> None:
    def without_second(values: list[Any]) -> list[Any]:
        return [values[0], None, *values[2:]]

    rewrite(one_file(copied_build, "a1-stimuli"), table=lambda table: with_column(table, "audio", without_second))
    with pytest.raises(GridError, match="has no waveform") as caught:
        load(copied_build, stimulus="waveform")
    assert caught.value.field == STIM_IDS[1] and "spectrogram" in str(caught.value.mend)
    assert len(load(copied_build)) == 20


def test_a_waveform_that_is_no_sound(copied_build: Path) -> None:
    def noise(values: list[Any]) -> list[Any]:
        return [{"bytes": b"no sound at all", "path": "sound.wav"}, *values[1:]]

    rewrite(one_file(copied_build, "a1-stimuli"), table=lambda table: with_column(table, "audio", noise))
    with pytest.raises(TableFormatError, match="cannot be decoded") as caught:
        load(copied_build, stimulus="waveform")
    assert caught.value.field == STIM_IDS[0]


def test_a_corpus_that_names_no_rate(copied_build: Path) -> None:
    rewrite_all(copied_build, lambda said: said | {"audio_fs": None})
    with pytest.raises(ParameterError, match="names no rate") as caught:
        load(copied_build, stimulus="waveform")
    assert caught.value.field == "audio_fs"
    assert load(copied_build, stimulus="waveform", audio_fs=16_000).hop == 80


@pytest.mark.parametrize("config", ["a1", "a1-stimuli", "a1-neurons"])
def test_files_of_different_builds(copied_build: Path, config: str) -> None:
    rewrite(one_file(copied_build, config), provenance=lambda said: said | {"dt_ms": 10.0})
    with pytest.raises(TableFormatError, match="Files of different builds") as caught:
        load(copied_build)
    assert caught.value.mend == "build it again"


def test_a_companion_table_in_place_of_the_main_one(ns1_built: Path) -> None:
    with pytest.raises(UnknownNameError, match="a1-stimuli is not a main table") as caught:
        load(ns1_built, "a1-stimuli")
    assert caught.value.mend == "did you mean 'a1'?"


def test_a_revision_of_a_directory(ns1_built: Path) -> None:
    with pytest.raises(ParameterError, match="A directory has no revisions"):
        load(ns1_built, revision="main")


def test_tables_of_a_later_version(copied_build: Path) -> None:
    rewrite_all(copied_build, lambda said: said | {"table_version": said["table_version"] + 1})
    with pytest.raises(TableFormatError, match="later version") as caught:
        load(copied_build)
    assert caught.value.field == "table_version" and caught.value.mend == "upgrade deepstrf-hf"


def test_tables_of_somebody_else(copied_build: Path) -> None:
    rewrite(one_file(copied_build, "a1"), provenance=lambda said: None)
    with pytest.raises(TableFormatError, match="not written by deepstrf-hf"):
        load(copied_build)


def test_tables_with_a_step_nobody_knows(copied_build: Path) -> None:
    steps = {"published": [{"step": "hanning_smoth"}], "deepstrf": []}
    rewrite_all(copied_build, lambda said: said | {"preprocessing": steps})
    with pytest.raises(UnknownNameError, match="did you mean 'hanning_smooth'"):
        load(copied_build)
    assert load(copied_build, preprocessing="deepstrf").preprocessing == ()
