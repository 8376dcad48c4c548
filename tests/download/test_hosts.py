import json

import pytest

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.hosts import Host, host_of
from deepstrf_hf.download.transfer import Expected, fetch
from deepstrf_hf.registry import corpus_names, load_builder

from .fault_table import HOSTS, RECORDS
from .helpers import content, git_blob, session_for

CONTENT = content(100_000)
API_HOSTS = {
    "Zenodo": "https://zenodo.org/api/records/16175377",
    "OSF": "https://api.osf.io/v2/files/5nxga/",
    "figshare": "https://api.figshare.com/v2/articles/29203457",
    "DRUM": "https://drum.lib.umd.edu/server/api/core/bitstreams/24d4a3a9-1c5b-4d0e-9c5e-0b6f9a3c1d2e",
}
"""Kinds of host that tell sizes and checksums, and what is asked for the addresses of `HOSTS`."""


def archive(url):
    return Archive("a", url, record=RECORDS.get(url))


def published(url):
    with session_for(url) as session:
        return host_of(url).published(session, [archive(url)])


@pytest.mark.parametrize("corpus", corpus_names())
def test_the_hosts_of_all_corpora_are_known(corpus):
    for declared in load_builder(corpus).CORPUS.archives:
        assert type(host_of(declared.url)) is not Host, declared.url


def test_only_crcns_wants_a_login():
    assert {name: host_of(url).login_site for name, url in HOSTS.items() if host_of(url).login_site} == {
        "CRCNS": "crcns.org"
    }


def test_cold_storage_gets_more_time():
    assert {name: host_of(url).read_timeout_s for name, url in HOSTS.items() if name in ("CRCNS", "OSF")} == {
        "CRCNS": 600,
        "OSF": 60,
    }


@pytest.mark.parametrize("kind", HOSTS)
def test_what_is_published_is_learned_before_the_download(lab, scratch, kind):
    url = HOSTS[kind]
    file = lab.publish(url, CONTENT)
    with session_for(url) as session:
        told = host_of(url).published(session, [archive(url)])
        expected = told.files.get("a", Expected())
        fetched = fetch(session, url, scratch / "a", expected)
    assert fetched.path.read_bytes() == CONTENT
    assert told.notes == ()
    checksum = f"sha256:{file.published_sha256}" if kind == "OSF" else f"md5:{file.published_md5}"
    assert expected == {
        "CRCNS": Expected(len(CONTENT)),
        "GitHub": Expected(),
    }.get(kind, Expected(len(CONTENT), checksum))


def test_a_record_of_several_files_is_asked_for_once(lab):
    urls = [f"https://zenodo.org/api/records/18331549/files/{name}/content" for name in ("A1.zip", "README%20two.md")]
    files = [lab.publish(url, content(1000 + number)) for number, url in enumerate(urls)]
    with session_for(urls[0]) as session:
        told = host_of(urls[0]).published(session, [Archive(url, url) for url in urls])
    assert told.files == {
        url: Expected(len(file.content), f"md5:{file.published_md5}") for url, file in zip(urls, files, strict=True)
    }
    assert [record.path for record in lab.requests.records()] == ["/api/records/18331549"]


@pytest.mark.parametrize("kind", API_HOSTS)
def test_the_question_that_is_asked(kind):
    assert host_of(HOSTS[kind]).api_url(archive(HOSTS[kind])) == API_HOSTS[kind]


@pytest.mark.parametrize("kind", API_HOSTS)
@pytest.mark.parametrize("status", [404, 503])
def test_an_api_that_is_out_of_reach_stops_nothing_and_is_said(lab, scratch, kind, status):
    url = HOSTS[kind]
    lab.publish(url, CONTENT)
    lab.fail("answer", path="/api/|/v2/", status=status, times=3 if status == 503 else 1)
    told = published(url)
    assert told.files == {}
    (note,) = told.notes
    assert note.endswith("; sizes and checksums are learned instead")
    with session_for(url) as session:
        assert fetch(session, url, scratch / "a", Expected()).path.read_bytes() == CONTENT


@pytest.mark.parametrize("kind", API_HOSTS)
@pytest.mark.parametrize(
    "record",
    [None, [], {}, {"files": {}}, {"files": [1, None]}, {"data": []}, {"data": {"attributes": None}}, {"checkSum": 1}],
)
def test_a_record_of_another_form_tells_nothing(lab, kind, record):
    lab.publish(HOSTS[kind], CONTENT)
    lab.fail("answer", path="/api/|/v2/", content=json.dumps(record).encode())
    told = published(HOSTS[kind])
    assert told.files in ({}, {"a": Expected()})
    assert record is None or told.notes == ("a: the host tells no size", "a: the host tells no checksum")


@pytest.mark.parametrize(
    ("size", "checksum", "expected"),
    [
        (5, "md5:" + "a" * 32, Expected(5, "md5:" + "a" * 32)),
        (5, "MD5:" + "A" * 32, Expected(5, "md5:" + "a" * 32)),
        ("5", "md5:" + "a" * 31, Expected()),
        (True, "crc32:abcd", Expected()),
        (-5, None, Expected()),
        (5.0, 7, Expected()),
        (0, "", Expected()),
        (5, "a" * 32, Expected(5)),
    ],
)
def test_what_is_malformed_is_not_believed(lab, size, checksum, expected):
    url = "https://zenodo.org/api/records/1/files/a/content"
    lab.publish(url, CONTENT)
    record = {"files": [{"key": "b", "size": 1}, {"key": "a", "size": size, "checksum": checksum}]}
    lab.fail("answer", content=json.dumps(record).encode())
    assert published(url).files == {"a": expected}


def test_a_file_of_figshare_whose_article_is_not_known(lab):
    told = published("https://figshare.com/ndownloader/files/1")
    assert told.files == {}
    assert told.notes == ("a: its address does not tell which record of the host it belongs to",)
    assert lab.requests.records() == []


@pytest.mark.parametrize(
    ("url", "pinned"),
    [
        (f"https://raw.githubusercontent.com/monzilur/DNet/{'0a' * 20}/test_data_5ms.mat", True),
        (f"https://github.com/monzilur/DNet/raw/{'0a' * 20}/test_data_5ms.mat", True),
        (f"https://bitbucket.org/lbhb/baphy/raw/{'0a' * 20}/Config/a%20b.wav", True),
        ("https://raw.githubusercontent.com/monzilur/DNet/master/test_data_5ms.mat", False),
        ("https://bitbucket.org/lbhb/baphy/raw/master/Config/a.wav", False),
    ],
)
def test_a_git_address_without_a_commit_is_said(lab, scratch, url, pinned):
    assert bool(published(url).notes) is not pinned
    lab.publish(url.replace("github.com/monzilur/DNet/raw", "raw.githubusercontent.com/monzilur/DNet"), CONTENT)
    with session_for(url) as session:
        assert fetch(session, url, scratch / "a", Expected(None, git_blob(CONTENT))).path.read_bytes() == CONTENT


def test_a_host_that_nothing_is_known_of_gives_plain_files(lab, scratch):
    url = "https://lab.example/data/a.zip"
    lab.publish(url, CONTENT)
    assert type(host_of(url)) is Host
    assert published(url).files == {}
    with session_for(url) as session:
        assert fetch(session, url, scratch / "a.zip", Expected()).path.read_bytes() == CONTENT
