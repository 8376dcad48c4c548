import pytest

from deepstrf_hf.download.sessions import LARGEST_DOCUMENT, HostSession
from deepstrf_hf.errors import DownloadError

from .helpers import URL, Waits, session_for

ELSEWHERE = "https://storage.example/a.tgz"


def send_on(lab, location, status=302, url=URL):
    file = lab.publish(url, b"")
    lab.fail(
        "answer", file, status=status, headers={"Location": location, "Set-Cookie": "id=1; Domain=example"}, times=None
    )


def sent(lab):
    return [(record.method, record.host, record.path) for record in lab.requests.records()]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_public_file_may_lie_elsewhere_and_nothing_is_carried_there(lab, status):
    lab.publish(ELSEWHERE, b"content")
    send_on(lab, ELSEWHERE, status)
    with session_for(URL) as session:
        assert session.document(URL) == b"content"
        assert session.document(URL) == b"content"
    for record in lab.requests.records():
        assert not {"Cookie", "Authorization", "Referer"} & set(record.headers)


def test_a_place_may_be_named_from_where_one_is(lab):
    lab.publish("https://zenodo.org/b.tgz", b"content")
    send_on(lab, "/b.tgz?signature=0")
    with session_for(URL) as session:
        assert session.document(URL) == b"content"


@pytest.mark.parametrize(
    "location", ["http://storage.example/a.tgz", "ftp://storage.example/a.tgz", "file:///etc/passwd"]
)
def test_only_https_is_followed(lab, location):
    send_on(lab, location)
    with session_for(URL) as session, pytest.raises(DownloadError, match="Expected: an https address"):
        session.document(URL)
    assert len(lab.requests.records()) == 1


@pytest.mark.parametrize("url", ["http://zenodo.org/a", "ftp://zenodo.org/a", "file:///etc/passwd", "zenodo.org/a"])
def test_only_https_is_asked(lab, url):
    with HostSession() as session, pytest.raises(DownloadError, match="Only https is used"):
        session.open(url)
    assert lab.requests.records() == []


def test_round_in_circles(lab):
    send_on(lab, URL)
    with session_for(URL) as session, pytest.raises(DownloadError, match="round in circles"):
        session.document(URL)
    assert len(lab.requests.records()) == 10


def test_a_login_of_the_users_netrc_is_not_used(lab, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine zenodo.org login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    lab.publish(URL, b"content")
    with session_for(URL) as session:
        session.document(URL)
    assert "Authorization" not in lab.requests.records()[0].headers


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(lab, monkeypatch):
    lab.publish(URL, b"content")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    waits = Waits()
    with session_for(URL, waits) as session, pytest.raises(DownloadError, match="certificate of zenodo.org"):
        session.document(URL)
    assert (waits, lab.requests.records()) == ([], [])


def test_an_authority_that_is_not_there(lab, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with session_for(URL) as session, pytest.raises(DownloadError, match="REQUESTS_CA_BUNDLE"):
        session.document(URL)


def test_what_is_shown_of_an_address_gives_no_access(lab):
    signed = "https://storage.example/a.tgz?X-Goog-Signature=0123#token"
    lab.publish("https://storage.example/other", b"")
    send_on(lab, signed)
    with session_for(URL) as session, pytest.raises(DownloadError) as raised:
        session.document(URL)
    assert "https://storage.example/a.tgz" in str(raised.value)
    assert "0123" not in str(raised.value)


@pytest.mark.parametrize("answer", [b"", b"{", b"<html>", b"\xff\xfe\x00"])
def test_what_is_no_json(lab, answer):
    lab.publish(URL, answer)
    with session_for(URL) as session, pytest.raises(DownloadError, match="did not answer with JSON"):
        session.json(URL)


def test_a_document_that_is_too_long(lab):
    lab.publish(URL, b" " * (LARGEST_DOCUMENT + 1))
    with session_for(URL) as session, pytest.raises(DownloadError, match="too long"):
        session.document(URL)


def test_a_document_is_asked_for_three_times(lab):
    lab.publish(URL, b"{}")
    lab.fail("stall", path="", times=2)
    with session_for(URL) as session:
        assert session.json(URL) == {}
    lab.fail("truncated", path="", times=3)
    with session_for(URL) as session, pytest.raises(DownloadError, match="3 times"):
        session.json(URL)
