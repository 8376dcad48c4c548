import inspect
import pickle

import pytest

from deepstrf_hf import errors
from deepstrf_hf.errors import DeepstrfError, RawFormatError, UnknownNameError, unknown_name

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DeepstrfError)]


@pytest.mark.parametrize("kind", ALL)
def test_an_error_says_all_it_knows_and_survives_a_process_border(kind):
    error = kind("It broke", path="/data/x.mat", field="neuron(3).depth", found=-1, expected="a depth", mend="ask")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    assert type(copy) is kind
    for said in (error, copy):
        assert str(said) == (
            "It broke. File: /data/x.mat. Field: neuron(3).depth. Found: -1. Expected: a depth. Mend: ask."
        )


def test_what_is_not_known_is_not_said():
    assert str(RawFormatError("It broke.")) == "It broke."
    assert str(RawFormatError("It broke", found=0)) == "It broke. Found: 0."


def test_near_names_are_offered():
    error = unknown_name("cohort", "asari_a", ["wehr", "asari_a1", "asari_mgb"])
    assert isinstance(error, UnknownNameError)
    assert isinstance(error, KeyError)
    assert error.mend.startswith("did you mean 'asari_a1'")
    assert str(error).endswith("?")
    assert "wehr, asari_a1, asari_mgb" in str(error)


def test_long_lists_of_names_are_cut_and_counted():
    error = unknown_name("neuron", "x", [f"n{index}" for index in range(100)])
    assert "(100 in all)" in str(error)
    assert "n99" not in str(error)


def test_no_names_at_all():
    assert "there is no corpus here" in str(unknown_name("corpus", "x", []))
