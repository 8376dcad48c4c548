"""A password that is searched for in everything that a download writes, raises, logs and holds."""

import base64
import gc
import io
import logging
import signal
import subprocess
import sys
import traceback
from urllib.parse import quote, quote_plus

import pytest
import requests
import urllib3

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.credentials import credentials_for
from deepstrf_hf.download.hosts import host_of
from deepstrf_hf.download.range_file import RangeFile
from deepstrf_hf.download.transfer import Expected, fetch
from deepstrf_hf.errors import DownloadError

from .helpers import Waits, content, names_in
from .lab_hosts import places_crcns
from .lab_hosts.reach import child_environment

CANARY = "c4n4ry & <pass>=wörd/+%"
URL = "https://download.crcns.org/aa-1/crcns-aa1.zip"
OLDER = "https://portal.nersc.gov/project/crcns/download/aa-1/old.zip"
PORTAL_ONLY = "https://download.crcns.org/aa-1/old.zip"


def traces(secret=CANARY):
    """All ways in which a password may be written, and its first characters alone."""
    raw = secret.encode()
    return {
        secret, secret[:6], quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1],
        repr(raw)[2:-1], base64.b64encode(raw).decode().rstrip("="), raw.hex(),
    }  # fmt: skip


def assert_clean(text, what):
    for trace in traces():
        assert trace not in text, f"{trace!r} is in {what}"


CASES = {
    "right": {},
    "wrong password": {"wrong": True},
    "wrong password at the portal": {"wrong": True, "url": PORTAL_ONLY, "fail": {"host": "crcns.org", "status": 404}},
    "right at the portal": {"url": PORTAL_ONLY},
    "login moved": {"fail": {"path": "login_form", "status": 307, "headers": {"Location": "https://evil.example/"}}},
    "login moved within": {"fail": {"path": "login_form", "status": 308, "headers": {"Location": "/other"}}},
    "portal moved": {"url": PORTAL_ONLY, "fail": {"host": "portal.nersc.gov", "status": 302,
                                                  "headers": {"Location": "https://evil.example/"}}},
    "login refused": {"fail": {"path": "login_form", "status": 403}},
    "login broken": {"fail": {"path": "login_form", "status": 500}},
    "login reset": {"fail": {"kind": "reset", "path": "login_form"}},
    "login stalls": {"fail": {"kind": "stall", "path": "login_form"}},
    "portal reset": {"url": PORTAL_ONLY, "fail": {"kind": "reset", "host": "portal.nersc.gov"}},
    "file stalls": {"fail": {"kind": "stall", "path": "zip", "after_bytes": 1000}},
    "portal stalls": {"url": PORTAL_ONLY, "fail": {"kind": "stall", "host": "portal.nersc.gov", "after_bytes": 1000}},
    "file is a page": {"fail": {"path": "zip", "headers": {"Content-Type": "text/html"}, "content": b"<form>"}},
    "certificate": {"no authority": True},
    "offline": {"offline": True},
}  # fmt: skip
SUCCEED = {"right", "right at the portal"}


@pytest.fixture
def logged():
    """Everything that is logged, by urllib3, requests and us too, however unimportant."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("case", CASES)
def test_the_password_shows_nowhere(lab, scratch, monkeypatch, capfd, logged, case):
    details = CASES[case]
    monkeypatch.setattr(places_crcns, "PASSWORD", "another one" if details.get("wrong") else CANARY)
    monkeypatch.setenv("CRCNS_USERNAME", places_crcns.USERNAME)
    monkeypatch.setenv("CRCNS_PASSWORD", CANARY)
    url = details.get("url", URL)
    lab.publish(URL, content(300_000))
    lab.publish(OLDER, content(300_000))
    lab.publish("https://evil.example/", b"thanks")
    if "fail" in details:
        lab.fail(**{"kind": "answer", "times": None} | details["fail"])
    if details.get("no authority"):
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    credentials = credentials_for("crcns.org", ask=False)
    session = host_of(url).session(
        credentials, read_timeout_s=0.1, retries=Waits().retries(tries=2), offline=details.get("offline", False)
    )
    errors = []

    def attempt(function, *arguments):
        try:
            return function(*arguments)
        except DownloadError as error:
            errors.append(error)

    published = attempt(host_of(url).published, session, [Archive("a", url)])
    attempt(fetch, session, url, scratch / "a", Expected())
    attempt(RangeFile, session, url)
    assert bool(errors) is (case not in SUCCEED)
    assert (scratch / "a").exists() is (case in SUCCEED)

    for error in errors:
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        for shown in ("".join(trace.format()), str(error), repr(error), repr(vars(error))):
            assert_clean(shown, f"an exception: {shown[:200]}")
        for link in (error.__cause__, error.__context__):
            assert not isinstance(link, requests.RequestException | urllib3.exceptions.HTTPError)
    for value in (session, vars(session), credentials, vars(credentials), published, vars(session._with_cookies)):
        assert_clean(repr(value) + str(value), f"the repr of {type(value).__name__}")
    assert_clean(logged.getvalue(), "the log")
    assert "crcns" in logged.getvalue() or case == "offline"  # it was logged what was asked
    written = capfd.readouterr()
    assert_clean(written.out + written.err, "what was written")
    for name in names_in(scratch):
        assert_clean(name + (scratch / name).read_bytes().decode("latin-1"), f"the file {name}")
    for record in lab.requests.records():
        assert record.fields == () or record.host in {"crcns.org", "portal.nersc.gov"}
        assert_clean(repr(record.headers) + record.path + record.query, "a request, outside its body")
    session.close()


def test_nothing_that_is_left_of_the_requests_holds_the_form(lab, scratch, monkeypatch):
    monkeypatch.setattr(places_crcns, "PASSWORD", CANARY)
    monkeypatch.setenv("CRCNS_USERNAME", places_crcns.USERNAME)
    monkeypatch.setenv("CRCNS_PASSWORD", CANARY)
    lab.publish(URL, content(1000))
    lab.publish(OLDER, content(1000))
    with host_of(URL).session(credentials_for("crcns.org", ask=False)) as session:
        replies = [session.open(URL), session.open(PORTAL_ONLY)]
        prepared = [value for value in gc.get_objects() if isinstance(value, requests.PreparedRequest)]
        assert prepared
        for request in prepared:
            assert_clean(repr(vars(request)), "a request that was made")
            assert "Cookie" not in request.headers
        for reply in replies:
            assert_clean(repr(vars(reply)) + repr(vars(reply._response)), "a reply")
            reply.close()


def test_a_user_who_interrupts_the_login_gets_a_traceback_without_it(lab, tmp_path, scratch):
    lab.publish(URL, content(1000))
    lab.fail("stall", path="login_form")
    code = """
import sys, threading, traceback
from pathlib import Path
from deepstrf_hf.download.credentials import credentials_for
from deepstrf_hf.download.hosts import host_of
from deepstrf_hf.download.transfer import Expected, fetch

url, target = sys.argv[1:]
session = host_of(url).session(credentials_for("crcns.org", ask=False))
try:
    fetch(session, url, Path(target), Expected())
except KeyboardInterrupt as error:
    sys.stdout.write("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
"""
    command = [sys.executable, "-m", "tests.download.lab_hosts.run", "-c", code, URL, str(scratch / "a")]
    environment = child_environment(lab, tmp_path / "home") | {"CRCNS_USERNAME": "me", "CRCNS_PASSWORD": CANARY}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as client:
        lab.wait_for_request("/login_form")
        client.send_signal(signal.SIGINT)
        said = client.communicate(timeout=60)[0]
    assert "KeyboardInterrupt" in said
    assert "CrcnsSession" in said  # locals are shown
    assert_clean(said, "the traceback")


def test_the_search_would_find_it():
    def login(password):
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed") as raised:
        login(CANARY)
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    with pytest.raises(AssertionError):
        assert_clean(shown, "a traceback")
