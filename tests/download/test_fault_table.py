import pytest

from deepstrf_hf.errors import LoginError

from .fault_table import FAULTS, HOSTS, PAUSE_S, run_cell

REFUSED = {
    "wrong length": "another file than was published",
    "disk full": "The disk is full",
}
"""Faults that no patience mends, and what is said."""
WITHOUT_CHECKSUM = {"CRCNS"}
"""Kinds of host that publish a size only: nothing tells that a changed file is not the one that is meant."""


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_overcome_or_refused_and_never_leaves_a_bad_file(lab, scratch, host, fault):
    cell = run_cell(lab, host, fault, scratch)
    assert not cell.bad
    assert cell.second_is_good
    said = REFUSED.get(fault)
    if fault == "changed ETag" and host not in WITHOUT_CHECKSUM:
        said = "another file than was published"
    if fault == "HTML login with 200" and host != "CRCNS":  # CRCNS has forgotten the login, and gets it again
        said = "a page in place of the file"
    if said is None:
        assert cell.error is None
        assert cell.left == ("archive",)
    else:
        assert said in str(cell.error)
        assert not isinstance(cell.error, LoginError)
        assert cell.left == (("archive.part", "archive.part.json") if fault == "disk full" else ())


@pytest.mark.parametrize("host", HOSTS)
def test_a_broken_transfer_continues_where_it_broke_off(lab, scratch, host):
    for fault in ("truncated body", "stall", "connection reset"):
        cell = run_cell(lab, host, fault, scratch / fault)
        assert cell.requests == 2
        # A reset may overtake bytes that were sent before it.
        assert cell.resumed_from > 0 or fault == "connection reset"


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_left_alone_as_long_as_it_asks(lab, scratch, host):
    assert run_cell(lab, host, "429 with Retry-After", scratch).waited_s == PAUSE_S
