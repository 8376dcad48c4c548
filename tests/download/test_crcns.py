import re
import threading

import pytest

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.hosts import host_of
from deepstrf_hf.download.hosts.crcns import sizes_in
from deepstrf_hf.download.transfer import Expected, fetch
from deepstrf_hf.errors import DownloadError, LoginError

from .helpers import Waits, content, login, names_in, session_for
from .lab_hosts.places_crcns import LOGIN_PAGE, PASSWORD

NEWER = "https://download.crcns.org/aa-1/crcns-aa1.zip"
OLDER = "https://portal.nersc.gov/project/crcns/download/aa-1/crcns-aa1.zip"
CONTENT = content(300_000)
WRONG = login("wrong")


@pytest.fixture
def file(lab):
    return lab.publish(NEWER, CONTENT)


@pytest.fixture
def old_file(lab):
    """Publish a file that only the older portal has."""
    lab.publish("https://download.crcns.org/aa-2/other.zip", b"")
    return lab.publish(OLDER, CONTENT)


@pytest.fixture
def get(scratch):
    def fetch_it(credentials=None, url=NEWER, **details):
        with session_for(url, credentials=credentials or login(), **details) as session:
            fetched = fetch(session, url, scratch / "aa1.zip", Expected())
        assert fetched.path.read_bytes() == CONTENT
        return fetched

    return fetch_it


def asked(lab):
    return [f"{record.method} {record.host}{record.path}" for record in lab.requests.records()]


def hosts_with(lab, field):
    return {record.host for record in lab.requests.records() if field in record.fields}


def test_one_login_opens_all_files(lab, file, scratch):
    lab.publish("https://download.crcns.org/aa-2/crcns-aa2-docs.tar.gz", b"docs")
    with session_for(NEWER) as session:
        fetch(session, NEWER, scratch / "aa1.zip", Expected())
        fetch(session, "https://download.crcns.org/aa-2/crcns-aa2-docs.tar.gz", scratch / "docs.tar.gz", Expected())
    assert asked(lab) == [
        "POST crcns.org/login_form",
        "GET crcns.org/login_success",
        "GET download.crcns.org/aa-1",
        "GET download.crcns.org/aa-1/crcns-aa1.zip",
        "GET download.crcns.org/aa-2/crcns-aa2-docs.tar.gz",
    ]
    assert hosts_with(lab, "__ac_password") == {"crcns.org"}
    assert lab.requests.records()[0].fields == (
        "form.submitted", "js_enabled", "pwd_empty", "submit", "__ac_name", "__ac_password"
    )  # fmt: skip
    assert all(
        record.headers["User-Agent"].startswith("Mozilla/5.0 (compatible; ") for record in lab.requests.records()
    )


def test_threads_share_one_login(lab, scratch):
    urls = [f"https://download.crcns.org/aa-4/{number}.tar.gz" for number in range(4)]
    for url in urls:
        lab.publish(url, CONTENT)
    with session_for(NEWER) as session:
        threads = [
            threading.Thread(target=fetch, args=(session, url, scratch / str(number), Expected()))
            for number, url in enumerate(urls)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert names_in(scratch) == ["0", "1", "2", "3"]
    assert asked(lab).count("POST crcns.org/login_form") == 1


def test_a_login_that_the_site_has_forgotten_is_made_again(lab, file, scratch):
    lab.publish("https://download.crcns.org/aa-1/second.zip", b"second")
    with session_for(NEWER) as session:
        fetch(session, NEWER, scratch / "aa1.zip", Expected())
        lab.crcns.logins.clear()
        fetch(session, "https://download.crcns.org/aa-1/second.zip", scratch / "second.zip", Expected())
    assert (scratch / "second.zip").read_bytes() == b"second"
    assert asked(lab).count("POST crcns.org/login_form") == 2


def test_a_wrong_password_is_said_once_and_nothing_is_left(lab, file, get, scratch):
    waits = Waits()
    with pytest.raises(LoginError, match="did not take the user name and password from the test") as raised:
        get(WRONG, waits=waits)
    assert "https://crcns.org/register" in raised.value.mend
    assert (waits, names_in(scratch)) == ([], [])
    assert asked(lab) == ["POST crcns.org/login_form", "GET download.crcns.org/aa-1"]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", ["/login_form", "/aa-1/crcns-aa1.zip"])
def test_a_login_that_is_refused_with_a_status(lab, file, get, status, path):
    lab.fail("answer", path=f"^{path}$", status=status, times=None)
    with pytest.raises(LoginError):
        get()


def test_a_login_page_right_after_the_login(lab, file, get):
    lab.fail("answer", file, headers={"Content-Type": "text/html"}, content=LOGIN_PAGE.encode(), times=None)
    with pytest.raises(LoginError, match="a page in place of the file"):
        get()


def test_without_credentials(lab, file, scratch):
    with host_of(NEWER).session() as session, pytest.raises(LoginError, match="are needed"):
        fetch(session, NEWER, scratch / "aa1.zip", Expected())
    assert lab.requests.records() == []


def test_offline_comes_before_credentials(lab, file, scratch):
    with host_of(NEWER).session(offline=True) as session, pytest.raises(DownloadError, match="offline"):
        fetch(session, NEWER, scratch / "aa1.zip", Expected())


@pytest.mark.parametrize("path", ["^/login_form$", "^/aa-1$", "^/aa-1/crcns-aa1.zip$"])
def test_a_busy_site_is_asked_again(lab, file, get, path):
    lab.fail("answer", path=path, status=503, times=2)
    lab.fail("reset", path=path)
    get()


def test_the_older_portal_has_what_the_newer_site_has_not(lab, old_file, get):
    assert get().etag == old_file.etag
    assert asked(lab)[-1] == "POST portal.nersc.gov/project/crcns/download/aa-1/crcns-aa1.zip"
    (record,) = lab.requests.records("POST", "^/project/crcns")
    assert record.fields == ("fn", "submit", "username", "password")
    assert "Cookie" not in record.headers


@pytest.mark.parametrize("gone", [404, 410])
def test_a_newer_site_that_is_gone(lab, old_file, get, gone):
    lab.fail("answer", host="crcns.org", status=gone, times=None)
    assert get(url=OLDER).requests == 1
    assert asked(lab) == [
        "POST crcns.org/login_form",
        "POST portal.nersc.gov/project/crcns/download/aa-1/crcns-aa1.zip",
    ]


@pytest.mark.parametrize("kind", ["truncated", "chunked_cut", "reset", "stall"])
def test_the_older_portal_is_continued_too(lab, old_file, get, kind):
    lab.fail(kind, old_file, after_bytes=250_000)
    assert get().requests == 2


def test_a_wrong_password_at_the_older_portal(lab, old_file, get, scratch):
    lab.fail("answer", host="crcns.org", status=404, times=None)
    with pytest.raises(LoginError, match=r"portal\.nersc\.gov did not take"):
        get(WRONG)
    assert names_in(scratch) == []


@pytest.mark.parametrize("portal", ["404", "gone", "unreachable"])
def test_a_file_that_is_nowhere(lab, file, get, scratch, portal, monkeypatch):
    url = NEWER.replace("aa1.zip", "aa9.zip")
    if portal == "gone":
        lab.fail("answer", host="portal.nersc.gov", status=410, times=None)
    if portal == "unreachable":
        lab.fail("reset", host="portal.nersc.gov", times=None)
    with pytest.raises(DownloadError, match=r"CRCNS has no file aa-1/crcns-aa9\.zip") as raised:
        get(url=url)
    assert "answered that it is not there, and" in raised.value.found
    assert names_in(scratch) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["https://evil.example/login_form", "https://www.crcns.org/login_form", "http://crcns.org/login_form"]
)
def test_a_form_that_has_moved_is_not_sent_there(lab, file, get, status, location):
    lab.publish("https://evil.example/login_form", b"thanks")
    lab.publish("https://www.crcns.org/login_form", b"thanks")
    lab.fail("answer", path="^/login_form$", status=status, headers={"Location": location}, times=None)
    with pytest.raises(DownloadError, match="has moved, and no password is sent") as raised:
        get()
    assert not isinstance(raised.value, LoginError)
    assert raised.value.found == location
    assert asked(lab) == ["POST crcns.org/login_form"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_portal_that_has_moved_is_not_taken_for_a_failed_login(lab, old_file, get, status):
    lab.publish("https://elsewhere.example/x", b"x")
    sent_on = {"Location": "https://elsewhere.example/x"}
    lab.fail("answer", host="portal.nersc.gov", status=status, headers=sent_on, times=None)
    with pytest.raises(DownloadError, match="has moved") as raised:
        get()
    assert not isinstance(raised.value, LoginError)
    assert "elsewhere.example" not in " ".join(asked(lab))


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_portal_that_moved_within_its_host_is_not_taken_for_a_failed_login(lab, old_file, get, status):
    sent_on = {"Location": "https://portal.nersc.gov/new"}
    lab.fail("answer", host="portal.nersc.gov", status=status, headers=sent_on, times=None)
    with pytest.raises(DownloadError, match="CRCNS has no file") as raised:
        get()
    assert f"status {status}" in raised.value.found


def test_cookies_of_the_login_stay_with_their_hosts(lab, file, get):
    lab.publish("https://storage.example/aa1.zip", CONTENT)
    lab.publish("https://evil.crcns.org/aa1.zip", CONTENT)
    sent_on = {"Location": "https://storage.example/aa1.zip", "Set-Cookie": "__ac=other; Domain=storage.example"}
    lab.fail("answer", file, status=302, headers=sent_on)
    get()
    with_cookie = {record.host for record in lab.requests.records() if "Cookie" in record.headers}
    assert with_cookie <= {"crcns.org", "download.crcns.org"}
    assert "download.crcns.org" in with_cookie


def test_cookies_of_the_login_do_not_go_to_other_names_of_the_site(lab, file, get, scratch):
    lab.publish("https://evil.crcns.org/aa1.zip", CONTENT)
    lab.fail("answer", file, status=302, headers={"Location": "https://evil.crcns.org/aa1.zip"})
    get()
    (record,) = [record for record in lab.requests.records() if record.host == "evil.crcns.org"]
    assert "Cookie" not in record.headers


def test_a_closed_session_has_forgotten_its_login(lab, file, scratch):
    with session_for(NEWER) as session:
        fetch(session, NEWER, scratch / "aa1.zip", Expected())
    assert len(session._with_cookies.cookies) == 0


def test_the_list_of_files_tells_sizes():
    text = """# dataset aa-1
+aa-1/crcns-aa1.zip 17000000 (17 MB)
 docs/read me.txt 12
+aa-1/sub/data.mat\t3 (3 B)

no size here
"""
    assert sizes_in(text, "aa-1") == {
        "aa-1/crcns-aa1.zip": 17_000_000,
        "aa-1/docs/read me.txt": 12,
        "aa-1/sub/data.mat": 3,
    }


def test_published(lab, file):
    archives = [Archive("aa1", NEWER), Archive("lost", NEWER.replace("aa1", "aa9"))]
    with session_for(NEWER) as session:
        published = host_of(NEWER).published(session, archives)
    assert published.files == {"aa1": Expected(len(CONTENT)), "lost": Expected()}
    assert published.notes == ("lost: the host tells no size",)


def test_a_list_that_cannot_be_had_stops_nothing(lab, file, scratch):
    lab.fail("answer", path="filelist", status=503, times=None)
    with session_for(NEWER) as session:
        published = host_of(NEWER).published(session, [Archive("aa1", NEWER)])
        fetch(session, NEWER, scratch / "aa1.zip", published.files["aa1"])
    assert published.files == {"aa1": Expected()}
    assert re.match("aa-1: Asking .* failed 3 times.*; sizes are learned instead", published.notes[0])


def test_a_wrong_password_stops_the_question_for_sizes(lab, file):
    with session_for(NEWER, credentials=WRONG) as session, pytest.raises(LoginError):
        host_of(NEWER).published(session, [Archive("aa1", NEWER)])


@pytest.mark.parametrize("url", ["https://crcns.org/data-sets/ac/aa-1", "https://download.crcns.org.evil.example/x"])
def test_an_address_that_is_no_file(lab, url):
    with session_for(NEWER) as session, pytest.raises(DownloadError, match="Not the address of a file at CRCNS"):
        session.open(url)


def test_the_password_of_these_tests_is_written_otherwise_in_a_form():
    assert set(PASSWORD) >= set(" &=/é")
