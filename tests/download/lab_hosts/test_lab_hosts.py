import socket
import ssl

import pytest
import requests

from tests.download.helpers import content

URL = "https://zenodo.org/api/records/1/files/a.zip/content"
CONTENT = content(10_000)


@pytest.fixture
def file(lab):
    return lab.publish(URL, CONTENT)


def get(url=URL, **headers):
    return requests.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=5)


@pytest.mark.parametrize(
    "url",
    ["https://example.org/", "http://zenodo.org/", "https://zenodo.org:8443/", "https://pypi.org/", "https://1.1.1.1"],
)
def test_nobody_gets_out(lab, file, url):
    with pytest.raises(requests.ConnectionError):
        get(url)
    assert lab.requests.records() == []


def test_each_host_has_a_certificate_in_its_own_name(lab, file):
    context = ssl.create_default_context(cafile=str(lab.ca_file))
    with (
        socket.create_connection(("127.0.0.1", lab.port)) as plain,
        context.wrap_socket(plain, server_hostname="osf.io") as connection,
    ):
        assert ("DNS", "osf.io") in connection.getpeercert()["subjectAltName"]


def test_a_host_that_is_published_at_later_is_known(lab):
    lab.publish("https://lab.example/a.zip", CONTENT)
    assert get("https://lab.example/a.zip").content == CONTENT
    assert get("https://lab.example/b.zip").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status", "part"),
    [
        ({}, 200, slice(None)),
        ({"Range": "bytes=10-19"}, 206, slice(10, 20)),
        ({"Range": "bytes=9990-"}, 206, slice(9990, None)),
        ({"Range": "bytes=9990-20000"}, 206, slice(9990, None)),
        ({"Range": "bytes=10-19", "If_Range": "etag"}, 206, slice(10, 20)),
        ({"Range": "bytes=10-19", "If_Range": "last_modified"}, 206, slice(10, 20)),
        ({"Range": "bytes=10-19", "If_Range": '"other"'}, 200, slice(None)),
        ({"Range": "bytes=10000-"}, 416, slice(0, 0)),
    ],
)
def test_ranges(lab, file, headers, status, part):
    meant = headers.get("If_Range")
    if meant in ("etag", "last_modified"):
        headers = headers | {"If_Range": getattr(file, meant)}
    answer = get(**headers)
    assert (answer.status_code, answer.content) == (status, CONTENT[part])
    if status == 206:
        begin, stop, _ = part.indices(len(CONTENT))
        assert answer.headers["Content-Range"] == f"bytes {begin}-{stop - 1}/{len(CONTENT)}"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("truncated", requests.exceptions.ChunkedEncodingError),
        ("reset", requests.exceptions.RequestException),
        ("stall", requests.exceptions.RequestException),
        ("chunked_cut", requests.exceptions.ChunkedEncodingError),
    ],
)
@pytest.mark.parametrize("after_bytes", [0, 5000])
def test_faults_break_off_once(lab, file, kind, error, after_bytes):
    lab.fail(kind, file, after_bytes=after_bytes)
    with pytest.raises(error):
        requests.get(URL, timeout=0.2)
    assert get().content == CONTENT


def test_faults_answer_otherwise(lab, file):
    lab.fail("no_ranges", file)
    assert get(Range="bytes=5-9").status_code == 200
    lab.fail("answer", path="/content$", status=429, headers={"Retry-After": "3"}, times=2)
    assert [get().headers.get("Retry-After") for _ in range(3)] == ["3", "3", None]
    lab.fail("content", file, content=b"shorter", times=None)
    assert get(Range="bytes=5-").content == b"er"
    assert get().headers["ETag"] == file.etag
    lab.faults.clear()
    lab.fail("chunked", file)
    assert get().headers["Transfer-Encoding"] == "chunked"
    lab.fail("no_end", file)
    assert not {"Transfer-Encoding", "Content-Length"} & set(get().headers)
    with pytest.raises(ValueError, match="no fault is named fire"):
        lab.fail("fire", file)


def test_the_log(lab, file):
    get(Range="bytes=5-9")
    requests.post("https://crcns.org/login_form", data={"a": "1", "b": "2"}, timeout=5)
    first, second = lab.requests.records()
    assert (first.method, first.host, first.path, first.range, first.status) == (
        "GET", "zenodo.org", "/api/records/1/files/a.zip/content", "bytes=5-9", 206
    )  # fmt: skip
    assert (second.method, second.fields, second.bytes_received) == ("POST", ("a", "b"), 7)
    assert second.headers["Content-Type"] == "application/x-www-form-urlencoded"
