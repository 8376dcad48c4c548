import subprocess
import sys

import pytest
from filelock import FileLock

from deepstrf_hf.download.transfer import Expected, fetch
from deepstrf_hf.errors import DownloadError

from .helpers import URL, content, names_in, session_for
from .lab_hosts.reach import child_environment

CONTENT = content(2_000_000)
FETCH = """
import sys
from pathlib import Path
from deepstrf_hf.download.hosts import host_of
from deepstrf_hf.download.transfer import Expected, fetch

url, target = sys.argv[1:]
sys.stdout.write("ready\\n")
sys.stdout.flush()


def say_when_half_is_there(size):
    if size > 1_000_000:
        sys.stdout.write("half\\n")
        sys.stdout.flush()


fetched = fetch(host_of(url).session(), url, Path(target), Expected(), progress=say_when_half_is_there)
sys.stdout.write(f"{fetched.requests} {fetched.sha256}\\n")
"""


def test_of_several_processes_one_downloads(lab, scratch, tmp_path):
    file = lab.publish(URL, CONTENT)
    command = [sys.executable, "-m", "tests.download.lab_hosts.run", "-c", FETCH, URL, str(scratch / "a.tgz")]
    environment = child_environment(lab, tmp_path / "home")
    with FileLock(scratch / ".a.tgz.lock"):  # nobody may begin before all are there
        clients = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        assert [client.stdout.readline() for client in clients] == ["ready\n"] * 3
    said = sorted(client.communicate(timeout=60)[0].replace("half\n", "") for client in clients)
    assert said == [f"{requests} {file.published_sha256}\n" for requests in (0, 0, 1)]
    assert [record.status for record in lab.requests.records()] == [200]
    assert (scratch / "a.tgz").read_bytes() == CONTENT
    assert names_in(scratch) == ["a.tgz"]


def test_a_process_that_is_killed_leaves_what_the_next_one_continues(lab, scratch, tmp_path):
    file = lab.publish(URL, CONTENT)
    lab.fail("stall", file, after_bytes=1_500_000)
    command = [sys.executable, "-m", "tests.download.lab_hosts.run", "-c", FETCH, URL, str(scratch / "a.tgz")]
    environment = child_environment(lab, tmp_path / "home")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as client:
        assert [client.stdout.readline() for _ in range(2)] == ["ready\n", "half\n"]
        client.kill()
    assert not (scratch / "a.tgz").exists()
    with session_for(URL) as session:
        fetched = fetch(session, URL, scratch / "a.tgz", Expected())
    assert fetched.resumed_from >= 900_000  # a buffer may have been lost
    assert (scratch / "a.tgz").read_bytes() == CONTENT
    assert names_in(scratch) == ["a.tgz"]


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "DEEPSTRF_OFFLINE", None])
def test_offline_nothing_is_asked_and_what_is_here_is_used(lab, scratch, monkeypatch, variable):
    lab.publish(URL, CONTENT)
    if variable is not None:
        monkeypatch.setenv(variable, "1")
    with session_for(URL, offline=variable is None) as session:
        with pytest.raises(
            DownloadError, match=r"no request is made offline\. Found: https://zenodo.org/api"
        ) as raised:
            fetch(session, URL, scratch / "a.tgz", Expected())
        assert "put the file in place by hand" in raised.value.mend
        assert names_in(scratch) == []
        (scratch / "a.tgz").write_bytes(CONTENT)
        assert fetch(session, URL, scratch / "a.tgz", Expected(len(CONTENT))).requests == 0
    assert lab.requests.records() == []


@pytest.mark.parametrize("word", ["", "0", "no", "false"])
def test_a_variable_that_says_no_is_not_offline(lab, scratch, monkeypatch, word):
    lab.publish(URL, CONTENT)
    monkeypatch.setenv("DEEPSTRF_OFFLINE", word)
    with session_for(URL) as session:
        assert fetch(session, URL, scratch / "a.tgz", Expected()).requests == 1
