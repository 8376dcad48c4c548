"""Columns that belong to a (stimulus, neuron) pair: from a builder's recording to the tables."""

from dataclasses import replace

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

import deepstrf_hf
from deepstrf_hf import build
from deepstrf_hf.corpus import Column, Corpus
from deepstrf_hf.errors import BuilderContractError
from tests.toy import N_STIMULI, SITES, Toy, fingerprint, write_toy


class Paired(Toy):
    """Each pair knows how it was recorded; some pairs say nothing."""

    CORPUS = Corpus(
        **{
            **vars(Toy.CORPUS),
            "name": "paired",
            "recording_columns": {
                "protocol": Column("string", "Protocols of the trials."),
                "gain": Column("float64", "Gain.", "dB"),
                "n_rejected": Column("int32", "Trials rejected."),
                "clean": Column("bool", "Nothing rejected."),
                # The same name as a column of neurons: the prefix tells them apart.
                "site": Column("string", "Where the pair was recorded."),
            },
        }
    )

    @classmethod
    def values(cls, stim_id, neuron_id):
        """Return what the pair says, by what it is."""
        stimulus, neuron = int(stim_id[-1]), int(neuron_id[-1])
        if stimulus == 2:
            return {}
        return {
            "protocol": f"Call{stimulus},STRF{neuron}",
            "gain": None if neuron else np.float64(stimulus + 0.25),
            "n_rejected": np.int64(stimulus * 10 + neuron),
            "clean": stimulus == 0,
            "site": f"{neuron_id} in a booth",
        }

    @classmethod
    def recordings(cls, raw, cohort, config, part, log):
        for recording in super().recordings(raw, cohort, config, part, log):
            values = cls.values(recording.stimulus.stim_id, recording.neuron.neuron_id)
            yield replace(recording, metadata=values)


NAMES = list(Paired.CORPUS.recording_columns)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("paired")
    report = build(Paired, data_dir=write_toy(root / "raw"), out=root / "out", waveform=True)
    return report, root / "out"


@pytest.mark.parametrize("config", ["counts", "potentials", "counts-waveform"])
def test_each_row_has_the_values_of_its_pair(built, config):
    rows = [
        row
        for split in datasets.load_dataset(str(built[1]), config).values()
        for row in split.select_columns(["stim_id", "neuron_id", *(f"recording_{name}" for name in NAMES)])
    ]
    assert len(rows) == len(SITES) * 2 * N_STIMULI
    for row in rows:
        expected = Paired.values(row["stim_id"], row["neuron_id"])
        found = {name: row[f"recording_{name}"] for name in NAMES}
        assert found == {name: expected.get(name) for name in NAMES}
    assert {row["recording_gain"] for row in rows} == {None, 0.25, 1.25, 3.25}


def test_types_are_the_declared_ones(built):
    features = datasets.load_dataset(str(built[1]), "counts", split="train").features
    types = {name: features[f"recording_{name}"].dtype for name in NAMES}
    assert types == {"protocol": "string", "gain": "float64", "n_rejected": "int32", "clean": "bool", "site": "string"}


def test_a_column_of_neurons_of_the_same_name_is_another_column(built):
    for row in pq.read_table(next((built[1] / "counts").glob("train-*")), columns=None).to_pylist():
        assert row["neuron_site"] in SITES
        assert row["recording_site"] in (None, f"{row['neuron_id']} in a booth")


@pytest.mark.parametrize("config", ["counts-stimuli", "counts-neurons"])
def test_tables_of_stimuli_and_neurons_have_no_such_columns(built, config):
    schema = pq.read_schema(next((built[1] / config).glob("*.parquet")))
    assert not [name for name in schema.names if name.startswith("recording_")]


def test_the_card_explains_them(built):
    lines = (built[1] / "README.md").read_text().splitlines()
    (gain,) = [line for line in lines if line.startswith("| `recording_gain`")]
    assert [cell.strip() for cell in gain.split("|")][2:5] == ["float64", "dB", "Gain."]
    assert "`counts`" in gain
    assert "stimuli" not in gain


def test_two_processes_give_the_same_bytes(built, tmp_path):
    build(Paired, data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out", waveform=True, num_proc=2)
    assert fingerprint(tmp_path / "out") == fingerprint(built[1])


@pytest.mark.parametrize("config", ["counts", "counts-waveform"])
def test_the_builder_gives_datasets_the_same_rows(built, tmp_path, config):
    builder = Paired(config_name=config, data_dir=str(write_toy(tmp_path / "raw")), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    for split, ours in datasets.load_dataset(str(built[1]), config).items():
        theirs = builder.as_dataset(split)
        assert theirs.features == ours.features
        assert theirs.data.table.cast(ours.data.table.schema).to_pylist() == ours.data.table.to_pylist()


def test_rows_with_their_stimuli_keep_them(built):
    rows = deepstrf_hf.rows(str(built[1]), "potentials", split="train")
    row = next(iter(rows))
    expected = Paired.values(row["stim_id"], row["neuron_id"])
    assert "spectrogram" in row
    assert {name: row[f"recording_{name}"] for name in expected} == expected


def test_the_grid_opens_and_its_metadata_are_of_stimuli_and_neurons_alone(built):
    pytest.importorskip("torch")
    grid = deepstrf_hf.load(built[1], "counts")
    assert (grid.get_S(), grid.N_neurons) == (N_STIMULI, 2 * len(SITES))
    assert {entry["site"] for entry in grid.nrn_meta} == set(SITES)
    assert not any("protocol" in entry for entry in [*grid.nrn_meta, *grid.stim_meta])


def test_a_corpus_without_such_columns_has_none(tmp_path):
    build(Toy, ["counts"], data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out")
    for file in (tmp_path / "out").rglob("*.parquet"):
        assert not [name for name in pq.read_schema(file).names if name.startswith("recording_")]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"protocoll": "Call1"}, "protocoll"),
        ({"recording_protocol": "Call1"}, "recording_protocol"),
        ({"protocol": ""}, "must be None"),
        ({"protocol": "nan"}, "must be None"),
    ],
)
def test_what_the_corpus_does_not_declare_is_refused_with_the_name_of_the_pair(tmp_path, monkeypatch, values, said):
    monkeypatch.setattr(Paired, "values", classmethod(lambda cls, stim_id, neuron_id: values))
    with pytest.raises(BuilderContractError) as caught:
        build(Paired, ["counts"], data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out")
    assert said in str(caught.value)
    assert "site_a-n0 hearing sound0" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_not_a_number_is_null(tmp_path, monkeypatch):
    monkeypatch.setattr(Paired, "values", classmethod(lambda cls, stim_id, neuron_id: {"gain": float("nan")}))
    build(Paired, ["counts"], data_dir=write_toy(tmp_path / "raw"), out=tmp_path / "out")
    column = pq.read_table(next((tmp_path / "out" / "counts").glob("train-*")))["recording_gain"]
    assert column.null_count == len(column) > 0
