"""NS1: every trap of its files, and the numbers of the real corpus."""

import hashlib
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
import scipy.io

import deepstrf_hf
from builders.ns1 import Ns1
from builders.ns1.raw import CLIPS, read_units
from deepstrf_hf.build import build
from deepstrf_hf.errors import MissingRawFileError, ParameterError, RawFormatError
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.responses.binning import bin_spikes_one_per_ms
from tests.raw_writers.ns1 import write_ns1

N_BINS = 999


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("raw")
    truth = write_ns1(
        directory,
        seed=3,
        n_units=4,
        sound_driven=False,
        edge_cases=True,
        ragged=True,
        published_spectrogram=False,
        unlisted_clusters=2,
        clip_seconds=0.5,
    )
    return directory, truth


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "ns1"
    return build("ns1", data_dir=written[0], out=out, on_error="skip"), out


@pytest.fixture
def raw(tmp_path):
    """Return a small tree of its own, to be damaged."""
    write_ns1(tmp_path / "raw", seed=5, n_units=2, sound_driven=False, clip_seconds=0.2, unlisted_clusters=0)
    return tmp_path / "raw"


def unit_files(raw: Path) -> list[Path]:
    return sorted(raw.glob("spikesandwav/*/*/cluster.*.data.mat"))


def change_unit(path: Path, change) -> None:
    """Read a unit file, change its structures in place, and write it back."""
    data = scipy.io.loadmat(path, variable_names=["data"])["data"]
    change(data[0, 0]["set"])
    scipy.io.savemat(path, {"data": data})


def expected_counts(times: np.ndarray, dt_ms: float, n_bins: int) -> np.ndarray:
    """Count spikes bin by bin, from the definition."""
    return (
        np.histogram(times[times >= 0], bins=np.arange(n_bins + 1) * dt_ms)[0]
        - np.histogram(times[times == n_bins * dt_ms], bins=np.arange(n_bins + 1) * dt_ms)[0]
    )


# What comes out -------------------------------------------------------------------------------------------------------


def test_counts_equal_the_spike_times_that_were_written(written, built):
    _, truth = written
    rows = [
        row
        for split in datasets.load_dataset(str(built[1]), "a1").values()
        for row in split.select_columns(
            ["neuron_cell_id", "stim_index", "response", "n_trials", "subset", "stim_name"]
        ).with_format("numpy")
    ]
    loadable = [path for path in truth.unit_paths if path not in truth.missing_units]
    assert len(rows) == len(loadable) * 20
    for row in rows:
        path, clip = f"{row['neuron_cell_id']}.mat", int(row["stim_index"])
        assert path in loadable
        trials = [key[2] for key in truth.spike_times if key[:2] == (path, clip)]
        response = np.stack(row["response"])
        assert response.shape == (len(trials), N_BINS)
        for repeat in trials:
            expected = expected_counts(truth.spike_times[path, clip, repeat], 5.0, N_BINS)
            np.testing.assert_array_equal(response[repeat], expected)
        assert row["subset"] == ("test" if clip in (3, 6, 9, 19) else "train")
        assert row["stim_name"] == f"nat{clip + 1:02d}"


def test_a_clip_with_19_repeats_keeps_them(written, built):
    trials = [
        row["n_trials"]
        for split in datasets.load_dataset(str(built[1]), "a1").values()
        for row in split.select_columns(["n_trials"])
    ]
    assert sorted(set(trials)) == [19, 20]
    assert trials.count(19) == 1
    assert any("19 instead of 20 repeats" in note for note in built[0].cohorts["a1"].notes)


def test_what_is_left_out_is_named(written, built):
    _, truth = written
    entry = built[0].cohorts["a1"]
    left_out = {(kind, name): reason for kind, name, reason in entry.left_out}
    for path in truth.missing_units:
        assert "is missing" in left_out["units", path]
    for path in truth.unlisted_units:
        assert "not in the lab's metadata" in left_out["clusters", f"spikesandwav/{path}"]
    assert ("stimulus sets", "dynamic random chords (Source 9)") in left_out
    loadable = [path for path in truth.unit_paths if path not in truth.missing_units]
    inside = sum(
        int(((times >= 0) & (times < 4995)).sum())
        for (path, clip, _), times in truth.spike_times.items()
        if path in loadable and clip < 20
    )
    every = sum(len(times) for (path, clip, _), times in truth.spike_times.items() if path in loadable and clip < 20)
    outside = sum(amount for kind, _, amount in entry.amounts if kind == "spikes")
    assert entry.counts["spikes"] == inside
    assert inside + outside == every
    assert {reason for _, reason, _ in entry.amounts} == {"before clip onset", "after the last bin (4995 ms)"}


def test_a_unit_found_under_its_other_name_is_read_and_remarked(written, built):
    _, truth = written
    assert truth.renamed_units
    for path in truth.renamed_units:
        assert any(path in note and "_1.mat" in note for note in built[0].cohorts["a1"].notes)


def test_metadata_of_units(written, built):
    _, truth = written
    neurons = {row["neuron_cell_id"]: row for row in datasets.load_dataset(str(built[1]), "a1-neurons", split="train")}
    for path, metadata in zip(truth.unit_paths, truth.metadata, strict=True):
        if path in truth.missing_units:
            continue
        row = neurons[path.removesuffix(".mat")]
        assert row["neuron_depth_um"] == metadata["depth"]
        assert row["neuron_noise_ratio"] == metadata["NoiseRatio"]
        assert (row["neuron_single_t"], row["neuron_single_n"]) == (metadata["singleT"], metadata["singleN"])
        assert row["neuron_n_electrodes"] == metadata["NrOfElectrodes"]
        assert row["neuron_electrode_number"] == metadata["ElectrodeNumber"]
        chosen = metadata["singleT"] != "No" and metadata["depth"] >= 0
        assert row["neuron_single_unit_at_known_depth"] is chosen
        experiment, penetration, file = path.split("/")
        assert (row["neuron_experiment"], row["neuron_penetration"]) == (experiment, penetration)
        assert row["neuron_cluster"] == int(file.split(".")[1])
        assert "/" not in row["neuron_id"]


def test_waveforms_are_the_pascals_of_the_files(written, built):
    import io

    _, truth = written
    stimuli = datasets.load_dataset(str(built[1]), "a1-stimuli", split="train").cast_column(
        "audio", datasets.Audio(decode=False)
    )
    assert stimuli["stim_index"] == list(range(20))
    for row, waveform in zip(stimuli, truth.waveforms, strict=True):
        rate, samples = scipy.io.wavfile.read(io.BytesIO(row["audio"]["bytes"]))
        assert rate == 48_828
        assert row["stim_sample_rate_hz"] == 48_828.125
        np.testing.assert_array_equal(samples, waveform)
    assert max(np.abs(waveform).max() for waveform in truth.waveforms) > 1, "peaks beyond 1 must survive"


def test_clips_are_known_by_what_the_files_say_not_by_position(raw, tmp_path):
    build("ns1", data_dir=raw, out=tmp_path / "before")
    for path in unit_files(raw):
        change_unit(path, lambda sets: sets.__setitem__(slice(None), sets[:, ::-1].copy()))
    build("ns1", data_dir=raw, out=tmp_path / "after")
    tables = [
        datasets.load_dataset(str(tmp_path / name), "a1", split="train").select_columns(
            ["stim_id", "neuron_id", "response"]
        )
        for name in ("before", "after")
    ]
    assert tables[0].to_list() == tables[1].to_list()


def test_ids_do_not_depend_on_where_the_tree_lies(raw, tmp_path):
    shutil.copytree(raw, tmp_path / "elsewhere")
    for place, name in ((raw, "one"), (tmp_path / "elsewhere", "two")):
        build("ns1", data_dir=place, out=tmp_path / name)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.parquet")} for name in ("one", "two")
    )
    assert one == two


# Parameters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dt_ms", "duration_ms", "bins"), [(10, 4995, 499), (1, 4995, 4995), (5, 5195, 1039)])
def test_other_bins(raw, tmp_path, dt_ms, duration_ms, bins):
    report = build("ns1", data_dir=raw, out=tmp_path / "out", parameters={"dt_ms": dt_ms, "duration_ms": duration_ms})
    (name,) = report.cohorts
    grid = deepstrf_hf.load(tmp_path / "out", name, preprocessing=None)
    assert grid.stims[0].shape == (1, 34, bins)
    assert grid.responses[0][0].shape == (20, bins)
    files = unit_files(raw)
    times = read_units(RawTree(raw, "ns1", Ns1.LANDMARKS))[0][1].spikes[CLIPS[0].key][0]
    cell = f"{files[0].parent.parent.name}/{files[0].parent.name}/{files[0].name}"
    position = [entry["cell_id"] + ".mat" for entry in grid.nrn_meta].index(cell)
    first = read_units(RawTree(raw, "ns1", Ns1.LANDMARKS))
    path = next(unit for unit_path, unit in first if unit_path == cell)
    times = path.spikes[CLIPS[0].key][0]
    assert grid.responses[0][position].sum() == ((times >= 0) & (times < bins * dt_ms)).sum()


def test_one_spike_per_millisecond_on_request(raw, tmp_path):
    build("ns1", data_dir=raw, out=tmp_path / "out", parameters={"binning": "one_per_ms"})
    grid = deepstrf_hf.load(tmp_path / "out", "a1-binning_one_per_ms", preprocessing=None)
    for path, unit in read_units(RawTree(raw, "ns1", Ns1.LANDMARKS)):
        position = [entry["cell_id"] + ".mat" for entry in grid.nrn_meta].index(path)
        for clip in CLIPS:
            times, trials, n_trials = unit.spikes[clip.key]
            flags = np.zeros((n_trials, 4995))
            milliseconds = np.rint(times).astype(int)
            kept = (milliseconds >= 0) & (milliseconds < 4995)
            flags[trials[kept], milliseconds[kept]] = 1
            expected = flags.reshape(n_trials, N_BINS, 5).sum(axis=2)
            np.testing.assert_array_equal(grid.responses[clip.index][position].numpy(), expected)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"duration_ms": 5200}, "duration_ms"),
        ({"duration_ms": 4}, "duration_ms"),
        ({"spectrogram": "drawn"}, "spectrogram"),
        ({"frames": "loose"}, "frames"),
        ({"binning": "none"}, "binning"),
        ({"spectrogram": "published", "dt_ms": 10}, "spectrogram"),
        ({"high_hz": 30_000}, "high_hz"),
    ],
)
def test_parameters_that_cannot_be_used(raw, tmp_path, parameters, field):
    with pytest.raises(ParameterError) as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out", parameters=parameters)
    assert field in str(caught.value.field)
    assert not (tmp_path / "out").exists()


# The published spectrogram --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["auto", "published", "computed"])
def test_the_published_cochleagram_is_used_where_it_is(tmp_path, choice):
    truth = write_ns1(
        tmp_path / "raw",
        n_units=1,
        sound_driven=False,
        published_spectrogram=True,
        clip_seconds=0.2,
        unlisted_clusters=0,
    )
    report = build("ns1", data_dir=tmp_path / "raw", out=tmp_path / "out", parameters={"spectrogram": choice})
    (name,) = report.cohorts
    grid = deepstrf_hf.load(tmp_path / "out", name)
    published = truth.spectrogram[:, :, 0, :].astype(np.float32)
    same = all(np.array_equal(grid.stims[index][0].numpy(), published[index]) for index in range(20))
    assert same == (choice != "computed")
    source = "computed" if choice == "computed" else "published"
    assert {entry["spectrogram_source"] for entry in grid.stim_meta} == {source}
    assert any(source in note for note in report.cohorts[name].notes)
    assert ("test_data_5ms.mat" in report.cohorts[name].raw_sha256) == (choice != "computed")


def test_a_published_cochleagram_stored_upside_down_is_turned(tmp_path):
    raw = tmp_path / "raw"
    write_ns1(raw, n_units=1, unlisted_clusters=0)
    build("ns1", data_dir=raw, out=tmp_path / "computed")
    computed = deepstrf_hf.load(tmp_path / "computed", "a1")
    stack = np.stack([stimulus.numpy() for stimulus in computed.stims]).transpose(0, 2, 1, 3)
    for name, stored in (("upright", stack), ("reversed", stack[:, ::-1])):
        scipy.io.savemat(raw / "test_data_5ms.mat", {"X_nfht": stored.astype(float)})
        report = build("ns1", data_dir=raw, out=tmp_path / name)
        grid = deepstrf_hf.load(tmp_path / name, "a1")
        np.testing.assert_array_equal(grid.stims[4].numpy(), computed.stims[4].numpy())
        said = any("it was stored reversed" in note for note in report.cohorts["a1"].notes)
        assert said == (name == "reversed")


@pytest.mark.parametrize("shape", [(20, 34, 1, 998), (19, 34, 1, 999), (20, 34, 999)])
def test_a_published_cochleagram_of_another_shape(raw, tmp_path, shape):
    scipy.io.savemat(raw / "test_data_5ms.mat", {"X_nfht": np.zeros(shape)})
    with pytest.raises(RawFormatError, match="X_nfht"):
        build("ns1", data_dir=raw, out=tmp_path / "out")


def test_the_published_cochleagram_asked_for_and_absent(raw, tmp_path):
    with pytest.raises(MissingRawFileError, match=r"test_data_5ms\.mat"):
        build("ns1", data_dir=raw, out=tmp_path / "out", parameters={"spectrogram": "published"})


def test_a_waveform_of_another_level_is_remarked(raw, tmp_path):
    wav = raw / CLIPS[7].wav_file
    content = bytearray(wav.read_bytes())
    content[44:] = (np.frombuffer(bytes(content[44:]), "<f4") * 2).tobytes()
    wav.write_bytes(content)
    report = build("ns1", data_dir=raw, out=tmp_path / "out")
    assert any(CLIPS[7].stim_id in note and "86.0 dB SPL" in note for note in report.cohorts["a1"].notes)


# Bad input ------------------------------------------------------------------------------------------------------------


def test_a_missing_unit_stops_the_build_and_is_named(written, tmp_path):
    with pytest.raises(MissingRawFileError) as caught:
        build("ns1", data_dir=written[0], out=tmp_path / "out")
    assert written[1].missing_units[0] in str(caught.value.path)
    assert "on_error='skip'" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("keep", [0, 100, 1000, 0.5, 0.99])
def test_a_truncated_unit(raw, tmp_path, keep):
    broken = unit_files(raw)[0]
    content = broken.read_bytes()
    broken.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(RawFormatError) as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out")
    assert caught.value.path == str(broken)
    report = build("ns1", data_dir=raw, out=tmp_path / "out", on_error="skip")
    assert report.cohorts["a1"].counts["neurons"] == 1


@pytest.mark.parametrize("name", ["MetadataSHEnCneurons.mat", CLIPS[2].wav_file])
def test_a_file_of_the_whole_corpus_always_stops_the_build(raw, tmp_path, name):
    (raw / name).write_bytes((raw / name).read_bytes()[:150])
    with pytest.raises(RawFormatError) as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out", on_error="skip")
    assert caught.value.path == str(raw / name)
    (raw / name).unlink()
    with pytest.raises(deepstrf_hf.errors.DeepstrfError) as missing:
        build("ns1", data_dir=raw, out=tmp_path / "out", on_error="skip")
    assert name in str(missing.value)
    assert not (tmp_path / "out").exists()


def test_a_waveform_of_the_wrong_rate(raw, tmp_path):
    wav = raw / CLIPS[0].wav_file
    scipy.io.wavfile.write(wav, 44_100, np.zeros(100, np.float32))
    with pytest.raises(RawFormatError, match="44100 Hz") as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out")
    assert caught.value.expected == "48828 Hz"


def set_parameter(field, value, position=0):
    def change(sets):
        sets[0, position]["stim_params"][0, 0][field] = np.array([[value]])

    return change


def drop_field(sets):
    reduced = sets[["spikes", "stim_params", "length_signal_ms"]]
    for index in range(sets.shape[1]):
        sets[0, index] = (reduced[0, index]["spikes"], np.zeros((0, 0)), reduced[0, index]["stim_params"], 0)


def not_finite(sets):
    sets[0, 0]["repeats"][0, 0]["t"] = np.array([[1.0, np.nan]])


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (set_parameter("NominalLevel", 70), "NominalLevel", "80"),
        (set_parameter("StimID", 2), "StimID", "twice"),
        (drop_field, "repeats", "structure"),
        (not_finite, "repeats", "finite"),
    ],
)
def test_a_unit_that_is_not_as_published(raw, tmp_path, change, field, said):
    broken = unit_files(raw)[1]
    change_unit(broken, change)
    with pytest.raises(RawFormatError) as caught:
        build("ns1", data_dir=raw, out=tmp_path / "out")
    assert caught.value.path == str(broken)
    assert field in str(caught.value.field)
    assert said in str(caught.value)


def test_a_stimulus_set_nobody_knows_is_left_out_by_name(raw, tmp_path):
    change_unit(unit_files(raw)[0], set_parameter("StimID", 99))
    report = build("ns1", data_dir=raw, out=tmp_path / "out")
    entry = report.cohorts["a1"]
    kinds = {kind: name for kind, name, _ in entry.left_out}
    assert "Source 1, Set 2, StimID 99" in kinds["stimulus sets"] or any(
        "StimID 99" in name for _, name, _ in entry.left_out
    )
    assert kinds["pairs"].startswith(CLIPS[0].stim_id)
    assert entry.counts["rows"] == 2 * 20 - 1


def test_metadata_that_contradict_themselves(raw, tmp_path):
    metadata = scipy.io.loadmat(raw / "MetadataSHEnCneurons.mat")["neuron"]
    metadata[0, 0]["singleT"] = np.array(["Perhaps"])
    scipy.io.savemat(raw / "MetadataSHEnCneurons.mat", {"neuron": metadata})
    with pytest.raises(RawFormatError, match="singleT"):
        build("ns1", data_dir=raw, out=tmp_path / "out")


# The builder as datasets sees it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a1", "a1-waveform", "a1-stimuli", "a1-neurons"])
def test_the_builder_gives_datasets_the_same_rows(raw, tmp_path, name):
    build("ns1", data_dir=raw, out=tmp_path / "out", waveform=True)
    builder = Ns1(config_name=name, data_dir=str(raw), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    ours = datasets.load_dataset(str(tmp_path / "out"), name)
    for split, table in ours.items():
        theirs = builder.as_dataset(split)
        assert theirs.features == table.features
        assert theirs.data.table.cast(table.data.table.schema).to_pylist() == table.data.table.to_pylist()


def test_the_builder_streams_and_takes_parameters(raw, tmp_path):
    builder = Ns1(config_name="a1", data_dir=str(raw), cache_dir=str(tmp_path / "cache"), dt_ms=10.0)
    streamed = next(iter(builder.as_streaming_dataset("test")))
    assert streamed["dt_ms"] == 10
    assert np.shape(streamed["response"]) == (20, 499)
    prepared = Ns1(config_name="a1", data_dir=str(raw), cache_dir=str(tmp_path / "cache"), dt_ms=10.0)
    prepared.download_and_prepare(num_proc=2)
    first = prepared.as_dataset("test")[0]
    assert streamed.keys() == first.keys()
    for column, value in first.items():
        np.testing.assert_array_equal(streamed[column], value, err_msg=column)


def test_the_builder_without_data_says_where_they_are(tmp_path):
    builder = Ns1(config_name="a1", cache_dir=str(tmp_path / "cache"))
    with pytest.raises(deepstrf_hf.errors.DataDirectoryError, match=r"osf\.io"):
        builder.download_and_prepare()


# The real corpus ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_build(real_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("real") / "ns1"
    return build("ns1", data_dir=real_data / "ns1", out=out), out


@pytest.mark.real
def test_real_counts_are_the_published_ones(real_build):
    entry = real_build[0].cohorts["a1"]
    assert entry.published
    assert entry.differences() == {}
    assert [name for kind, name, _ in entry.left_out if kind == "units"] == []


@pytest.mark.real
def test_real_spikes_are_all_there(real_build, real_data):
    """Count the spikes of the .mat files with nothing of the reader under test."""
    inside, every = 0, 0
    metadata = scipy.io.loadmat(real_data / "ns1" / "MetadataSHEnCneurons.mat", simplify_cells=True)["neuron"]
    for neuron in metadata:
        data = scipy.io.loadmat(real_data / "ns1" / "spikesandwav" / neuron["path"], simplify_cells=True)["data"]
        for stimulus_set in data["set"][:20]:
            for repeat in stimulus_set["repeats"]:
                times = np.atleast_1d(repeat["t"]).astype(float)
                every += times.size
                inside += int((times < 4995).sum())
    assert every == 3_164_715
    assert real_build[0].cohorts["a1"].counts["spikes"] == inside == 3_071_786


@pytest.mark.real
def test_real_counts_under_deepstrfs_rule_have_its_fingerprint(real_data):
    """The SHA-256 of deepSTRF 0.1.0's counts on the same files, (unit, clip, trial, bin) as uint8."""
    counts = np.zeros((119, 20, 20, N_BINS), np.uint8)
    for position, (_, unit) in enumerate(read_units(RawTree(real_data / "ns1", "ns1", Ns1.LANDMARKS))):
        for clip in CLIPS:
            counts[position, clip.index] = bin_spikes_one_per_ms(*unit.spikes[clip.key], N_BINS, 5.0).counts
    assert counts.sum() == 2_990_905
    assert counts.sum(axis=(1, 2, 3))[:5].tolist() == [18985, 26322, 21366, 54627, 25438]
    digest = hashlib.sha256(counts.tobytes()).hexdigest()
    assert digest == "2de10c6c1d8a0a5911b30c0c879bc1baf29ce0824239557e8edd0d9880d0a69c"


@pytest.mark.real
def test_real_waveforms_have_their_nominal_levels(real_build):
    assert not any("dB SPL" in note for note in real_build[0].cohorts["a1"].notes)


@pytest.mark.real
def test_real_grid_opens_whole(real_build):
    grid = deepstrf_hf.load(real_build[1], "a1", preprocessing=None)
    assert (grid.get_S(), grid.N_neurons, grid.F, grid.dt) == (20, 119, 34, 5)
    assert bool(grid.nrn_masks.all())
    assert grid.responses[0][0].shape == (20, N_BINS)
    assert len(grid.select_pop_by_nrn_attr("single_unit_at_known_depth", True)) == 73
