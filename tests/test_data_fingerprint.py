import shutil

import pyarrow.parquet as pq
import pytest

from deepstrf_hf.data_fingerprint import data_fingerprint
from deepstrf_hf.errors import UnknownNameError
from deepstrf_hf.repository import Repository


def fingerprint(directory):
    return data_fingerprint(Repository.open(directory), "a1")


def test_a_copy_has_the_same_one_and_altered_neurons_another(ns1_built, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(ns1_built, copy)
    assert fingerprint(copy) == fingerprint(ns1_built)
    repository = Repository.open(copy)
    (neurons,) = repository.files("a1-neurons")
    pq.write_table(pq.read_table(neurons).slice(1), neurons)
    assert fingerprint(copy) != fingerprint(ns1_built)


def test_an_unknown_configuration_is_named(ns1_built):
    with pytest.raises(UnknownNameError, match="a7"):
        data_fingerprint(Repository.open(ns1_built), "a7")
