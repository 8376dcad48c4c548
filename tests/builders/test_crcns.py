"""What the corpora of CRCNS.org share: terms, and the addresses of their archives."""

import pytest

from builders.crcns import archive
from deepstrf_hf.corpus import Redistribution
from deepstrf_hf.registry import load_builder

ARCHIVES = {"crcns_ac1": 3, "crcns_aa1": 1, "crcns_aa2": 3, "crcns_aa4": 7}


@pytest.mark.parametrize("name", ARCHIVES)
def test_no_corpus_of_crcns_may_be_handed_on(name):
    corpus = load_builder(name).CORPUS
    assert corpus.redistribution is Redistribution.FORBIDDEN
    assert corpus.licence.hub_identifier == "other", "not a licence of the Hub's list"
    assert corpus.licence.url == "https://crcns.org/terms"
    assert "redistribution is not permitted" in corpus.licence.terms
    assert "scientific purposes only" in corpus.licence.terms
    if name != "crcns_ac1":
        assert "the Theunissen lab, UC Berkeley" in corpus.licence.terms


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_lie_below_the_folder_of_their_data_set(name):
    corpus = load_builder(name).CORPUS
    data_set = f"{name[-3:-1]}-{name[-1]}"
    assert corpus.homepage == f"https://crcns.org/data-sets/{data_set[:2]}/{data_set}"
    assert len({entry.name for entry in corpus.archives}) == len(corpus.archives) == ARCHIVES[name]
    for entry in corpus.archives:
        assert entry.url == f"https://download.crcns.org/{data_set}/{entry.name}"
        assert "free account" in entry.note


def test_what_is_optional_is_said():
    assert archive("aa-4", "CRCNSCode.tar.gz", "code", optional=True).optional
    optional = {
        name: [entry.name for entry in load_builder(name).CORPUS.archives if entry.optional] for name in ARCHIVES
    }
    assert optional == {"crcns_ac1": [], "crcns_aa1": [], "crcns_aa2": [], "crcns_aa4": ["CRCNSCode.tar.gz"]}


def test_wehrs_cells_need_one_archive():
    cohorts = {entry.name: entry.cohorts for entry in load_builder("crcns_ac1").CORPUS.archives}
    assert cohorts["crcns-ac1.zip"] == ()
    results = [f"crcns-ac1-asari-results-{number}.zip" for number in (1, 2)]
    assert [cohorts[name] for name in results] == [("asari_a1", "asari_mgb")] * 2
