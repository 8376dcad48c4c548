import pytest

from deepstrf_hf import build
from deepstrf_hf.errors import (
    BuilderContractError,
    DataDirectoryError,
    ParameterError,
    UnknownNameError,
)
from tests.toy import Faulty, Toy, write_toy


@pytest.fixture
def raw(tmp_path):
    return write_toy(tmp_path / "raw")


# Wrong use ------------------------------------------------------------------------------------------------------------


def test_names_that_do_not_exist_offer_near_ones(raw, tmp_path):
    for arguments, near in (
        (("ns11", None, {}), "ns1"),
        ((Toy, ["count"], {}), "counts"),
        ((Toy, None, {"gian": 2}), "gain"),
    ):
        corpus, cohorts, parameters = arguments
        with pytest.raises(UnknownNameError) as caught:
            build(corpus, cohorts, data_dir=raw, out=tmp_path / "out", parameters=parameters)
        assert f"did you mean {near!r}?" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"parameters": {"dt_ms": 0}}, "dt_ms"),
        ({"parameters": {"dt_ms": "five"}}, "dt_ms"),
        ({"parameters": {"gain": True}}, "gain"),
        ({"parameters": {"limit": "1.5"}}, "limit"),
        ({"parameters": {"window": "kaiser"}}, "window"),
        ({"stimulus": "outline"}, "stimulus"),
        ({"on_error": "ignore"}, "on_error"),
        ({"num_proc": 0}, "num_proc"),
    ],
)
def test_values_that_cannot_be_used(raw, tmp_path, changes, field):
    with pytest.raises(ParameterError) as caught:
        build(Toy, data_dir=raw, out=tmp_path / "out", **changes)
    assert caught.value.field == field


def test_a_wrong_raw_directory_says_which_would_be_right(raw, tmp_path):
    with pytest.raises(DataDirectoryError) as caught:
        build(Toy, data_dir=tmp_path, out=tmp_path / "x" / "out")
    assert caught.value.mend == f"did you mean {raw}?"
    with pytest.raises(DataDirectoryError, match="no such directory"):
        build(Toy, data_dir=tmp_path / "nowhere", out=tmp_path / "out")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "toy.zip").touch()
    with pytest.raises(DataDirectoryError, match=r"unpack toy\.zip"):
        build(Toy, data_dir=tmp_path / "packed", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("order", "ascending order"),
        ("twice", "yielded twice"),
        ("two objects", "one object per stimulus"),
        ("two metadata", "two different sets of metadata"),
        ("bins", "(trials, bins)"),
        ("no trials", "one trial at least"),
        ("dimensions", "(trials, bins)"),
        ("negative", "within uint8"),
        ("fractions", "within uint8"),
        ("nan counts", "within uint8"),
        ("undeclared", "sight"),
        ("empty text", "must be None"),
        ("nan text", "must be None"),
        ("nan spectrogram", "finite"),
        ("waveform without rate", "sampling rate"),
        ("waveform type", "without loss"),
    ],
)
def test_faults_of_a_builder_are_named(tmp_path, fault, said):
    raw = write_toy(tmp_path / "raw", fault=fault)
    with pytest.raises(BuilderContractError) as caught:
        build(Faulty, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_more_events_in_a_bin_than_the_table_can_hold(tmp_path):
    raw = write_toy(tmp_path / "raw", fault="too large")
    with pytest.raises(ParameterError, match=r"dt_ms; response of n0.* in a bin.*at most 255.*narrower dt_ms"):
        build(Faulty, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
