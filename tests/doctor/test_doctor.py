"""The doctor's verdicts, each brought about, and that no credential shows."""

from __future__ import annotations

import json
import sys

import keyring
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import cli
from deepstrf_hf.doctor import examine, importing, machine, packages
from deepstrf_hf.doctor.corpora import examine_corpora
from deepstrf_hf.doctor.findings import NOTE, OK, PROBLEM, Check, Diagnosis
from deepstrf_hf.doctor.importing import import_problems
from deepstrf_hf.doctor.logins import examine_logins
from deepstrf_hf.doctor.machine import examine_machine
from deepstrf_hf.doctor.packages import examine_packages
from deepstrf_hf.doctor.storage import examine_storage
from tests.download.test_credentials import SERVICE, MemoryKeyring
from tests.plugins import BUILDER, install
from tests.toy import write_toy


@pytest.fixture(autouse=True)
def _no_logins(monkeypatch, tmp_path):
    for name in ("CRCNS_USERNAME", "CRCNS_PASSWORD", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("DEEPSTRF_DATA_DIR", str(tmp_path / "raw"))
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring({}))
    yield
    keyring.set_keyring(before)


@pytest.fixture
def nothing_is_imported(monkeypatch):
    monkeypatch.setattr(packages, "import_problems", lambda modules: dict.fromkeys(modules))


def named(checks, start: str) -> Check:
    (found,) = [check for check in checks if check.name.startswith(start)]
    return found


# Packages --------------------------------------------------------------------------------------------------------


def test_this_installation_is_sound():
    checks = examine_packages()
    assert {check.verdict for check in checks} <= {OK, NOTE}
    assert named(checks, "numpy").topic == "packages"
    assert named(checks, "torch:") == Check(
        "optional parts", "torch: the grid (load, stream)", OK, named(checks, "torch:").found
    )


def test_every_part_of_the_installation_has_a_purpose_or_is_for_developers():
    metadata = packages.importlib.metadata.metadata("deepstrf-hf")
    extras = set(metadata.get_all("Provides-Extra"))
    assert extras - packages.PURPOSES.keys() <= {"dev", "docs", "examples"}


def absent(monkeypatch, name):
    """Have one distribution not installed."""
    found = packages.installed_version
    monkeypatch.setattr(packages, "installed_version", lambda asked: None if asked == name else found(asked))


@pytest.mark.usefixtures("nothing_is_imported")
def test_a_part_that_is_not_installed_is_a_note_that_says_what_for(monkeypatch):
    absent(monkeypatch, "mne")
    check = named(examine_packages(), "mne")
    assert (check.verdict, check.found) == (NOTE, "not installed")
    assert check.name == "mne: building alice_eeg"
    assert check.mend == "pip install 'deepstrf-hf[eeg]'"


@pytest.mark.usefixtures("nothing_is_imported")
def test_a_package_that_is_needed_and_not_there_is_a_problem(monkeypatch):
    absent(monkeypatch, "soxr")
    check = named(examine_packages(), "soxr")
    assert (check.verdict, check.mend) == (PROBLEM, "pip install 'soxr>=0.3.7'")
    diagnosis = examine()
    assert not diagnosis.healthy
    assert named(diagnosis.checks, "not looked at").verdict == NOTE


def test_the_sources_alone_are_no_installation(monkeypatch):
    absent(monkeypatch, "deepstrf-hf")
    (check,) = examine_packages()
    assert (check.name, check.verdict) == ("deepstrf-hf", PROBLEM)


@pytest.mark.usefixtures("nothing_is_imported")
def test_torch_that_is_too_old(monkeypatch, tmp_path):
    install(tmp_path / "old", monkeypatch, "torch", version="2.1.2")
    check = named(examine_packages(), "torch:")
    assert (check.verdict, check.found) == (PROBLEM, "2.1.2, needed >=2.2")
    assert check.mend == "pip install 'deepstrf-hf[torch]' --upgrade"


@pytest.mark.parametrize("name", ["torchaudio", "torchcodec"])
def test_a_companion_of_torch_that_cannot_be_imported(monkeypatch, tmp_path, name):
    code = {f"{name}.py": "raise OSError('undefined symbol')"}
    install(tmp_path / "bad", monkeypatch, name, version="2.13.0", modules=code)
    monkeypatch.setattr(packages, "import_problems", lambda modules: dict.fromkeys(modules) | import_problems([name]))
    check = named(examine_packages(), name)
    assert (check.verdict, check.found) == (PROBLEM, "2.13.0, but OSError: undefined symbol")
    assert "made for this torch" in check.mend


@pytest.mark.usefixtures("nothing_is_imported")
def test_without_torchcodec_sounds_stay_encoded(monkeypatch):
    absent(monkeypatch, "torchcodec")
    check = named(examine_packages(), "torchcodec")
    assert (check.verdict, check.found) == (NOTE, "not installed")
    assert "datasets.Audio(decode=False)" in check.mend


@pytest.mark.usefixtures("nothing_is_imported")
def test_with_torchcodec_sounds_are_decoded(monkeypatch, tmp_path):
    install(tmp_path / "good", monkeypatch, "torchcodec", version="0.9.0")
    assert named(examine_packages(), "torchcodec").verdict == OK


def test_imports_are_tried_one_by_one_even_where_one_ends_the_process(monkeypatch, tmp_path):
    codes = {
        "lab_good.py": "print('chatter')",
        "lab_broken.py": "import nothing_of_this_name",
        "lab_leaves.py": "raise SystemExit(0)",
        "lab_dies.py": "import os; os._exit(7)",
        "lab_last.py": "",
    }
    install(tmp_path / "modules", monkeypatch, "modules", modules=codes)
    problems = import_problems([name.removesuffix(".py") for name in codes])
    assert problems == {
        "lab_good": None,
        "lab_broken": "ModuleNotFoundError: No module named 'nothing_of_this_name'",
        "lab_leaves": "SystemExit: 0",
        "lab_dies": "to import it ends the process with status 7",
        "lab_last": None,
    }
    assert "lab_good" not in sys.modules


def test_an_import_that_takes_for_ever(monkeypatch, tmp_path):
    codes = {"lab_first.py": "", "lab_hangs.py": "import threading; threading.Event().wait()", "lab_last.py": ""}
    install(tmp_path / "modules", monkeypatch, "modules", modules=codes)
    monkeypatch.setattr(importing, "SECONDS", 3)
    assert import_problems(["lab_first", "lab_hangs", "lab_last"]) == {
        "lab_first": None,
        "lab_hangs": "to import it takes more than 3 s",
        "lab_last": None,
    }


# Corpora ---------------------------------------------------------------------------------------------------------


def test_corpora_of_other_packages(monkeypatch, tmp_path):
    (ours,) = examine_corpora()
    assert (ours.verdict, ours.found) == (OK, "11 of 11 can be used")
    code = BUILDER.format(name="lab_sound")
    corpora = {"lab_sound": "lab_fine:Lab", "lab_gone": "lab_absent:Lab"}
    install(tmp_path / "lab", monkeypatch, "the-lab", corpora=corpora, modules={"lab_fine.py": code})
    checks = examine_corpora()
    assert named(checks, "lab_sound") == Check("corpora", "lab_sound", OK, "1.2.3, of the-lab")
    assert named(checks, "lab_gone").verdict == PROBLEM
    assert named(checks, "lab_gone").mend == "mend, upgrade or uninstall the-lab"


# Logins ----------------------------------------------------------------------------------------------------------


def test_no_logins_are_notes():
    host, hub = examine_logins()
    assert (host.name, host.verdict) == ("crcns.org", NOTE)
    assert "the keyring has no entry" in host.found
    assert "CRCNS_USERNAME" in host.found and "https://crcns.org/register" in host.mend
    assert (hub.name, hub.verdict) == ("Hugging Face Hub", NOTE)
    assert "hf auth login" in hub.mend


def test_logins_in_the_environment(monkeypatch):
    monkeypatch.setenv("CRCNS_USERNAME", "somebody")
    monkeypatch.setenv("CRCNS_PASSWORD", "something")
    monkeypatch.setenv("HF_TOKEN", "hf_something")
    host, hub = examine_logins()
    assert (host.verdict, host.found) == (OK, "user name and password are in the environment")
    assert (hub.verdict, hub.found) == (OK, "a token is there")


def test_a_login_in_the_keyring(monkeypatch):
    monkeypatch.setenv("CRCNS_USERNAME", "somebody")
    keyring.set_keyring(MemoryKeyring({(SERVICE, "somebody"): "something"}))
    assert examine_logins()[0].found == "user name and password are in the keyring"


def test_half_a_login_is_none(monkeypatch):
    monkeypatch.setenv("CRCNS_PASSWORD", "something")
    assert examine_logins()[0].verdict == NOTE


SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc"]), min_size=3)
SECRETS = SECRETS.map(lambda text: f"Ω{text}")  # so that it is no word of ours


@given(secrets=st.lists(SECRETS, min_size=6, max_size=6, unique=True), in_keyring=st.booleans())
def test_nothing_of_a_login_shows(secrets, in_keyring, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    username, password, token, stored, machine_name, in_netrc = secrets
    (home / "token").write_text(stored, encoding="utf-8")
    (home / ".netrc").write_text(f"machine crcns.org login {machine_name} password {in_netrc}\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HOME", str(home))
        patched.setenv("NETRC", str(home / ".netrc"))
        patched.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(home / "token"))
        patched.setenv("CRCNS_USERNAME", username)
        if in_keyring:
            keyring.set_keyring(MemoryKeyring({(SERVICE, username): password}))
        else:
            patched.setenv("CRCNS_PASSWORD", password)
            patched.setenv("HF_TOKEN", token)
        checks = examine_logins()
        assert [check.verdict for check in checks] == [OK, OK]
        for written in (repr(checks), json.dumps(Diagnosis(tuple(checks)).to_json(), ensure_ascii=False)):
            for secret in secrets:
                assert secret not in written
                assert secret[:2] not in written
    keyring.set_keyring(MemoryKeyring({}))


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.usefixtures("nothing_is_imported")
def test_nothing_of_a_login_shows_in_all_that_is_printed(monkeypatch, capsys, as_json):
    canaries = {"CRCNS_USERNAME": "c4n4ry-user", "CRCNS_PASSWORD": "p4ssw0rd-c4n4ry", "HF_TOKEN": "hf_c4n4rytoken"}
    for name, value in canaries.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as left:
        cli.main(["--traceback", "doctor", *(["--json"] if as_json else [])])
    assert left.value.code == 0
    said = capsys.readouterr()
    for value in ("c4n4", "p4ss", "hf_c", *canaries.values()):
        assert value not in said.out + said.err
    assert "the environment" in said.out


# Storage ---------------------------------------------------------------------------------------------------------


def test_directories_their_size_and_the_disk(monkeypatch, tmp_path):
    checks = examine_storage()
    assert named(checks, "raw files").verdict == OK
    assert "not made yet" in named(checks, "raw files").found
    assert not (tmp_path / "raw").exists(), "looking changes nothing"
    write_toy(tmp_path / "raw" / "toy")
    (tmp_path / "raw" / "large").write_bytes(bytes(12_000_000))
    assert f"{tmp_path / 'raw'}: 0.01 GB; " in named(examine_storage(), "raw files").found
    assert (
        ", at most 20 GB" in named(checks, "opened grids").found
        or "not made yet" in named(checks, "opened grids").found
    )


@pytest.mark.parametrize("place", ["a file/below", "/proc/nowhere"])
def test_a_directory_that_cannot_be_written_to(monkeypatch, tmp_path, place):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("DEEPSTRF_DATA_DIR", str(tmp_path / place))
    check = named(examine_storage(), "raw files")
    assert check.verdict == PROBLEM
    assert "cannot be written to" in check.found
    assert "DEEPSTRF_DATA_DIR" in check.mend


def test_a_disk_that_is_nearly_full(monkeypatch):
    monkeypatch.setattr("deepstrf_hf.doctor.storage.LITTLE_BYTES", float("inf"))
    check = named(examine_storage(), "raw files")
    assert check.verdict == NOTE
    assert "make room" in check.mend


def test_a_cache_that_is_switched_off_or_misunderstood(monkeypatch):
    monkeypatch.setenv("DEEPSTRF_CACHE_GB", "0")
    assert named(examine_storage(), "opened grids").verdict == NOTE
    monkeypatch.setenv("DEEPSTRF_CACHE_GB", "much")
    check = named(examine_storage(), "opened grids")
    assert check.verdict == PROBLEM
    assert "'much'" in check.found


# Machine ---------------------------------------------------------------------------------------------------------


def test_processors_memory_and_open_files():
    names = [check.name for check in examine_machine()]
    assert names[0] == "processors"
    if sys.platform == "linux":
        assert names == ["processors", "memory", "open files"]


def test_little_memory():
    assert machine._memory(10**9).verdict == NOTE
    assert machine._memory(8 * 10**9) == Check("machine", "memory", OK, "8.0 GB")


def test_few_open_files():
    check = machine._open_files(256, 4096, -1)
    assert (check.verdict, check.found) == (NOTE, "256, can be raised to 4096")
    assert "ulimit -n 1024" in check.mend
    assert machine._open_files(-1, -1, -1) == Check(
        "machine", "open files", OK, "unlimited, can be raised to unlimited"
    )
    assert machine._open_files(1024, -1, -1).verdict == OK


# As a whole ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_is_imported")
def test_the_exit_code_is_1_for_problems_only(monkeypatch, capsys, tmp_path):
    def run(*options: str):
        with pytest.raises(SystemExit) as left:
            cli.main(["doctor", *options])
        return left.value.code, capsys.readouterr().out

    code, out = run()
    assert code == 0
    assert "crcns.org" in out and " note" in out and ", 0 problem" in out
    monkeypatch.setenv("DEEPSTRF_CACHE_GB", "much")
    code, out = run("--json")
    found = json.loads(out)
    assert code == 1
    assert found["healthy"] is False
    assert [check["name"] for check in found["checks"] if check["verdict"] == "problem"] == ["opened grids"]
    assert all(set(check) == {"topic", "name", "verdict", "found", "mend"} for check in found["checks"])
    code, out = run()
    assert code == 1
    assert "1 problem" in out


@pytest.mark.usefixtures("nothing_is_imported")
def test_no_request_is_made(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a request")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert examine().checks


def test_extras_in_square_brackets_are_printed_as_they_are(capsys):
    from deepstrf_hf.terminal import terminal

    Diagnosis((Check("optional parts", "x", NOTE, "not installed", "pip install 'deepstrf-hf[eeg]'"),)).print(
        terminal()
    )
    assert "deepstrf-hf[eeg]" in capsys.readouterr().out
