"""Building a part of a corpus by the metadata of neurons and stimuli."""

from dataclasses import replace

import datasets
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deepstrf_hf
from deepstrf_hf import build, cli
from deepstrf_hf.corpus import Column, Corpus
from deepstrf_hf.errors import MissingRawFileError, ParameterError, UnknownNameError
from deepstrf_hf.parquet import read_provenance
from deepstrf_hf.recording import Neuron
from deepstrf_hf.report import BuildReport
from deepstrf_hf.where import checked_where, describe_where, keeps, where_suffix
from tests.toy import SITES, Toy, fingerprint, write_toy


class NumberedToy(Toy):
    """Neurons that have a number and a depth as well, so that there is a column of every type."""

    CORPUS = Corpus(
        **{
            **vars(Toy.CORPUS),
            "name": "numbered_toy",
            "neuron_columns": {
                **Toy.CORPUS.neuron_columns,
                "number": Column("int32", "Number."),
                "depth": Column("float64", "Depth."),
            },
        }
    )

    @classmethod
    def recordings(cls, raw, cohort, config, part, log):
        for recording in super().recordings(raw, cohort, config, part, log):
            number = int(recording.neuron.neuron_id[-1])
            metadata = {**recording.neuron.metadata, "number": number, "depth": number + 0.5}
            yield replace(recording, neuron=Neuron(recording.neuron.neuron_id, metadata))


COLUMNS = [
    "stim_id", "neuron_id", "response", "stim_name", "stim_level", "neuron_site", "neuron_good", "neuron_number",
    "neuron_depth",
]  # fmt: skip


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_toy(tmp_path_factory.mktemp("toy") / "raw")


@pytest.fixture(scope="module")
def whole(raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    build(NumberedToy, ["counts"], data_dir=raw, out=out)
    return rows_of(out, "counts")


def rows_of(out, config):
    files = sorted((out / config).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file, columns=COLUMNS).to_pylist()]


def build_part(raw, out, where, **options):
    report = build(NumberedToy, ["counts"], data_dir=raw, out=out, where=where, **options)
    ((name, entry),) = report.cohorts.items()
    return name, entry


# What is built --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "name", "kept"),
    [
        ({"neuron.site": "site_b"}, "counts-neuron.site_site_b", lambda row: row["neuron_site"] == "site_b"),
        (
            {"neuron.site": ["site_c", "site_a"]},
            "counts-neuron.site_site_a_or_site_c",
            lambda row: row["neuron_site"] in ("site_a", "site_c"),
        ),
        (
            {"stim.name": ("Sound 1",)},
            "counts" + where_suffix({"stim.name": ("Sound 1",)}),
            lambda row: row["stim_name"] == "Sound 1",
        ),
        ({"stim.level": 61}, "counts-stim.level_61.0", lambda row: row["stim_level"] == 61.0),
        ({"stim.level": "61"}, "counts-stim.level_61.0", lambda row: row["stim_level"] == 61.0),
        ({"neuron.number": "1"}, "counts-neuron.number_1", lambda row: row["neuron_number"] == 1),
        ({"neuron.depth": [0.5]}, "counts-neuron.depth_0.5", lambda row: row["neuron_depth"] == 0.5),
        ({"neuron.good": True}, "counts-neuron.good_True", lambda row: row["neuron_good"] is True),
        ({"neuron.good": "yes"}, "counts-neuron.good_True", lambda row: row["neuron_good"] is True),
        (
            {"stim.name": ["Sound 3", "Sound 0"], "neuron.site": "site_a", "neuron.number": 0},
            "counts"
            + where_suffix({"neuron.number": (0,), "neuron.site": ("site_a",), "stim.name": ("Sound 0", "Sound 3")}),
            lambda row: (
                row["stim_name"] in ("Sound 0", "Sound 3")
                and row["neuron_site"] == "site_a"
                and row["neuron_number"] == 0
            ),
        ),
    ],
)
def test_rows_that_fulfil_all_conditions_are_built_and_equal_those_of_the_whole(
    raw, whole, tmp_path, where, name, kept
):
    found, entry = build_part(raw, tmp_path / "out", where)
    assert found == name
    expected = [row for row in whole if kept(row)]
    assert 0 < len(expected) < len(whole)
    assert rows_of(tmp_path / "out", name) == expected
    stimuli = pq.read_table(tmp_path / "out" / f"{name}-stimuli")["stim_id"].to_pylist()
    neurons = pq.read_table(tmp_path / "out" / f"{name}-neurons")["neuron_id"].to_pylist()
    assert stimuli == sorted({row["stim_id"] for row in expected})
    assert neurons == sorted({row["neuron_id"] for row in expected})
    assert entry.counts["rows"] == len(expected)
    assert (entry.counts["stimuli"], entry.counts["neurons"]) == (len(stimuli), len(neurons))


def test_a_null_fulfils_no_condition(raw, whole, tmp_path):
    name, _ = build_part(raw, tmp_path / "out", {"neuron.good": [True, False]})
    assert {row["neuron_good"] for row in whole} == {True, None}
    assert {row["neuron_good"] for row in rows_of(tmp_path / "out", name)} == {True}


def test_no_condition_is_the_whole_under_its_own_name(raw, whole, tmp_path):
    for number, where in enumerate((None, {})):
        name, entry = build_part(raw, tmp_path / str(number), where)
        assert name == "counts"
        assert entry.published
        assert rows_of(tmp_path / str(number), name) == whole
    assert fingerprint(tmp_path / "0") == fingerprint(tmp_path / "1")


def test_the_order_of_values_and_conditions_does_not_matter(raw, tmp_path):
    one = {"neuron.site": ["site_a", "site_c"], "stim.name": "Sound 1"}
    two = {"stim.name": ["Sound 1", "Sound 1"], "neuron.site": ("site_c", "site_a", "site_a")}
    build_part(raw, tmp_path / "one", one)
    build_part(raw, tmp_path / "two", two, num_proc=2)
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


def test_a_split_without_rows_is_left_away(raw, tmp_path):
    name, entry = build_part(raw, tmp_path / "out", {"stim.name": "Sound 1"})
    assert list(entry.configs[name]) == ["test"]
    assert datasets.load_dataset(str(tmp_path / "out"), name).keys() == {"test"}


def test_parts_and_variants_live_beside_the_whole(raw, whole, tmp_path):
    build(NumberedToy, ["counts"], data_dir=raw, out=tmp_path / "out")
    build(NumberedToy, ["counts"], data_dir=raw, out=tmp_path / "out", where={"neuron.site": "site_a"})
    report = build(
        NumberedToy, ["counts"], data_dir=raw, out=tmp_path / "out", where={"neuron.site": "site_a"},
        parameters={"dt_ms": 10.0},
    )  # fmt: skip
    assert list(report.cohorts) == ["counts", "counts-dt10-neuron.site_site_a", "counts-neuron.site_site_a"]
    assert rows_of(tmp_path / "out", "counts") == whole


def test_the_grid_opens_a_part(raw, tmp_path):
    pytest.importorskip("torch")
    name, _ = build_part(raw, tmp_path / "out", {"neuron.site": "site_b"})
    grid = deepstrf_hf.load(tmp_path / "out", name)
    assert {entry["site"] for entry in grid.nrn_meta} == {"site_b"}


def test_datasets_takes_conditions_too(raw, whole, tmp_path):
    builder = NumberedToy(
        config_name="counts", data_dir=str(raw), cache_dir=str(tmp_path), where={"neuron.site": ("site_b",)}
    )
    builder.download_and_prepare()
    found = {(row["stim_id"], row["neuron_id"]) for split in builder.as_dataset().values() for row in split}
    assert found == {(row["stim_id"], row["neuron_id"]) for row in whole if row["neuron_site"] == "site_b"}


# What is said about it ------------------------------------------------------------------------------------------------


def test_report_card_and_files_say_that_it_is_a_part(raw, tmp_path):
    where = {"neuron.site": ["site_b", "site_a"], "stim.level": 60}
    name, entry = build_part(raw, tmp_path / "out", where)
    said = "Only a part was built: neuron.site is site_a or site_b and stim.level is 60.0."
    assert entry.notes[0] == said
    assert BuildReport.read(tmp_path / "out").cohorts[name].notes == entry.notes
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"- {said}" in card
    for file in (tmp_path / "out").rglob("*.parquet"):
        provenance = read_provenance(file)
        assert provenance["where"] == {"neuron.site": ["site_a", "site_b"], "stim.level": [60.0]}
        assert provenance["config"] == name


def test_published_counts_are_not_compared_with_a_part(raw, tmp_path):
    _, entry = build_part(raw, tmp_path / "part", {"neuron.site": "site_b"})
    assert entry.published == {}
    assert entry.differences() == {}
    assert "**differs**" not in (tmp_path / "part" / "README.md").read_text()
    report = build(NumberedToy, ["counts"], data_dir=raw, out=tmp_path / "whole")
    assert report.cohorts["counts"].differences() == {"good": (3, 99)}


def test_the_files_of_a_whole_build_name_no_condition(raw, tmp_path):
    build(NumberedToy, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert {str(read_provenance(file)["where"]) for file in (tmp_path / "out").rglob("*.parquet")} == {"{}"}


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "error", "said"),
    [
        ({"neuron.sight": "site_a"}, UnknownNameError, "neuron.site"),
        ({"site": "site_a"}, UnknownNameError, "neuron.site"),
        ({"neuron_site": "site_a"}, UnknownNameError, "neuron.site"),
        ({"stim.site": "site_a"}, UnknownNameError, "stim.name"),
        ({"recording.site": "site_a"}, UnknownNameError, "one of"),
        ({"stim.level": "loud"}, ParameterError, "float64"),
        ({"neuron.number": "one"}, ParameterError, "int32"),
        ({"neuron.number": "1.5"}, ParameterError, "int32"),
        ({"neuron.good": "perhaps"}, ParameterError, "bool"),
        ({"neuron.good": 2}, ParameterError, "bool"),
        ({"stim.level": None}, ParameterError, "float64"),
        ({"neuron.site": []}, ParameterError, "needs a value"),
    ],
)
def test_conditions_that_cannot_hold_are_refused_before_anything_is_written(raw, tmp_path, where, error, said):
    with pytest.raises(error) as caught:
        build_part(raw, tmp_path / "out", where)
    assert said in str(caught.value)
    assert "where" in str(caught.value.field)
    assert not (tmp_path / "out").exists()


def test_conditions_that_nothing_fulfils_stop_the_build(raw, tmp_path):
    with pytest.raises(MissingRawFileError, match="conditions") as caught:
        build_part(raw, tmp_path / "out", {"neuron.site": "site_a", "stim.name": "Sound 9"})
    assert caught.value.expected == "neuron.site is site_a and stim.name is Sound 9"
    assert not (tmp_path / "out").exists()


# The command line -----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(capsys, monkeypatch):
    """Return a function that runs the command line on the toy corpus."""
    monkeypatch.setattr("builders.BUILDERS", {"numbered_toy": "tests.test_where:NumberedToy"})

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return left.value.code or 0, captured.out, captured.err

    return run


def test_the_command_line_takes_conditions(command, raw, tmp_path):
    arguments = ["build", "numbered_toy", "counts", "--data-dir", raw, "--where"]
    code, out, error = command(
        *arguments, "neuron.site=site_a", "--where", "neuron.site=site_c", "--where", "stim.level=61", "--out",
        tmp_path / "cli",
    )  # fmt: skip
    assert (code, error) == (0, "")
    assert "Only a part was built" in out
    assert "differs" not in out
    build_part(raw, tmp_path / "python", {"neuron.site": ["site_a", "site_c"], "stim.level": 61.0})
    assert fingerprint(tmp_path / "cli") == fingerprint(tmp_path / "python")


@pytest.mark.parametrize(
    ("condition", "said"),
    [("neuron.site", "COLUMN=VALUE"), ("neuron.sit=site_a", "neuron.site"), ("neuron.number=x", "int32")],
)
def test_the_command_line_says_what_is_wrong_with_a_condition(command, raw, tmp_path, condition, said):
    code, _, error = command(
        "build", "numbered_toy", "counts", "--data-dir", raw, "--out", tmp_path / "out", "--where", condition
    )
    assert code != 0
    assert said in " ".join(error.split())
    assert not (tmp_path / "out").exists()


def test_a_value_may_hold_an_equals_sign(command, raw, tmp_path):
    code, _, error = command(
        "build", "numbered_toy", "counts", "--data-dir", raw, "--out", tmp_path / "out", "--where", "stim.name=a=b"
    )
    assert code != 0
    assert "stim.name is a=b" in " ".join(error.split())


# Invariants -----------------------------------------------------------------------------------------------------------

VALUES = st.lists(st.sampled_from(SITES), min_size=1, max_size=4)


@given(VALUES, st.sampled_from(SITES))
def test_a_condition_holds_for_its_values_and_no_others(wanted, site):
    where = checked_where({"neuron.site": wanted}, Toy.CORPUS)
    assert keeps(where, "neuron", {"site": site}) == (site in wanted)
    assert keeps(where, "stim", {"site": site}), "a condition on neurons says nothing of stimuli"
    assert not keeps(where, "neuron", {})


@given(VALUES, VALUES)
def test_names_and_descriptions_depend_on_the_set_of_values_alone(first, second):
    one, two = (checked_where({"neuron.site": values}, Toy.CORPUS) for values in (first, second))
    same = set(first) == set(second)
    assert (one == two) == (where_suffix(one) == where_suffix(two)) == (describe_where(one) == describe_where(two))
    assert (one == two) == same


@given(st.text(min_size=1))
def test_names_of_configurations_are_safe_in_paths(value):
    suffix = where_suffix(checked_where({"neuron.site": value}, Toy.CORPUS))
    assert suffix.startswith("-neuron.site_")
    assert set(suffix) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
