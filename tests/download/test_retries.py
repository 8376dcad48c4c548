import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.download.retries import PassingError, Patience, retry_after_s
from deepstrf_hf.errors import DownloadError

from .helpers import URL, Waits, session_for

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("²", 0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60),
        ("Tue, 14 Nov 2023 23:14:20 +0100", 60),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0),
        ("Tue, 99 Nov 2023 22:00:00 GMT", 0),
    ],
)
def test_retry_after(header, seconds):
    assert retry_after_s(header, NOW) == seconds


@given(st.text(max_size=40))
def test_no_header_breaks_it(header):
    assert retry_after_s(header, NOW) >= 0


def fail_until_given_up(waits, error, **details):
    patience = Patience(waits.retries(**details), "Fetching it")
    with pytest.raises(DownloadError) as raised:
        while True:
            patience.wait_after(error)
    return raised.value


def test_waits_double_up_to_the_longest_and_end():
    waits = Waits()
    error = fail_until_given_up(waits, PassingError("it broke"), tries=10)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert str(error).startswith("Fetching it failed 10 times in a row. Found: it broke.")


@given(st.floats(0, 1))
def test_half_of_a_wait_is_left_to_chance(drawn):
    waits = Waits()
    fail_until_given_up(waits, PassingError("it broke"), jitter=lambda: drawn)
    for wait, longest in zip(waits, [1, 2, 4, 8, 16, 32, 64], strict=True):
        assert longest / 2 <= wait <= longest


def test_all_waits_together_are_bounded():
    waits = Waits()
    fail_until_given_up(waits, PassingError("busy", 500), tries=1000)
    assert waits == [500] * 7


def test_what_a_host_asks_for_is_waited_but_not_for_ever():
    waits = Waits()
    error = fail_until_given_up(waits, PassingError("busy", 601))
    assert waits == []
    assert "the host asks for a pause of 601 s" in error.mend


def test_progress_begins_the_count_anew():
    waits = Waits()
    patience = Patience(waits.retries(tries=2), "Fetching it")
    for position in (10, 20, 30):
        patience.wait_after(PassingError("it broke"), position)
    with pytest.raises(DownloadError):
        patience.wait_after(PassingError("it broke"), 30)
    assert waits == [1, 1, 1]


@pytest.mark.parametrize("header", ["90", "Tue, 14 Nov 2023 22:14:50 GMT"])
def test_a_session_reads_the_header_by_its_clock(lab, header):
    file = lab.publish(URL, b"content")
    waits = Waits()
    lab.fail("answer", file, status=503, headers={"Retry-After": header})
    with session_for(URL, waits) as session:
        assert session.document(URL) == b"content"
    assert waits == [90]
