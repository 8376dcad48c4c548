import copy
import getpass
import io
import pickle
import sys

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import NoKeyringError

from deepstrf_hf.download.credentials import Credentials, Secret, credentials_for
from deepstrf_hf.errors import LoginError

SERVICE = "deepstrf-hf:crcns.org"


class Terminal(io.StringIO):
    def isatty(self):
        return True


class MemoryKeyring(KeyringBackend):
    priority = 1

    def __init__(self, entries):
        self.entries = entries

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        raise NotImplementedError

    def delete_password(self, service, username):
        raise NotImplementedError


class LockedKeyring(MemoryKeyring):
    def get_password(self, service, username):
        raise NoKeyringError("canary")


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.delenv("CRCNS_USERNAME", raising=False)
    monkeypatch.delenv("CRCNS_PASSWORD", raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring({}))
    yield
    keyring.set_keyring(before)


def told(credentials):
    return credentials.username.reveal(), credentials.password.reveal(), credentials.source


def test_the_environment_comes_first(monkeypatch):
    keyring.set_keyring(MemoryKeyring({(SERVICE, "me"): "in the keyring"}))
    monkeypatch.setenv("CRCNS_USERNAME", "me")
    monkeypatch.setenv("CRCNS_PASSWORD", "in the environment")
    assert told(credentials_for("crcns.org", ask=True)) == ("me", "in the environment", "the environment")


def test_then_the_keyring(monkeypatch):
    keyring.set_keyring(MemoryKeyring({(SERVICE, "me"): "secret", ("other", "me"): "no"}))
    monkeypatch.setenv("CRCNS_USERNAME", "me")
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert told(credentials_for("crcns.org", ask=True)) == ("me", "secret", "the keyring")


@pytest.mark.parametrize("state", ["empty", "locked", "not installed"])
def test_then_the_user_is_asked(monkeypatch, capsys, state):
    monkeypatch.setenv("CRCNS_USERNAME", "me")
    if state == "locked":
        keyring.set_keyring(LockedKeyring({}))
    if state == "not installed":
        monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr(sys, "stdin", Terminal("  you \n"))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"answer to {prompt}")
    assert told(credentials_for("crcns.org", ask=True)) == ("you", "answer to crcns.org password: ", "the prompt")
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == "crcns.org user name: "


@pytest.mark.parametrize("ask", [False, True])
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("empty", "the keyring has no entry deepstrf-hf:crcns.org"),
        ("locked", "the keyring could not be read (NoKeyringError)"),
        ("not installed", "keyring is not installed"),
    ],
)
def test_with_none_it_says_how_to_give_them(monkeypatch, ask, state, reason):
    monkeypatch.setenv("CRCNS_USERNAME", "me")
    monkeypatch.setattr(sys, "stdin", io.StringIO() if ask else Terminal())
    if state == "locked":
        keyring.set_keyring(LockedKeyring({}))
    if state == "not installed":
        monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(LoginError) as raised:
        credentials_for("crcns.org", ask=ask)
    assert reason in raised.value.found
    assert "CRCNS_PASSWORD" in raised.value.found
    assert "`keyring set deepstrf-hf:crcns.org NAME`" in raised.value.mend
    assert "https://crcns.org/register" in raised.value.mend


def test_half_of_the_environment_is_not_enough(monkeypatch):
    monkeypatch.setenv("CRCNS_PASSWORD", "alone")
    with pytest.raises(LoginError):
        credentials_for("crcns.org", ask=False)


def test_a_secret_does_not_show():
    secret = Secret("canary")
    credentials = Credentials(Secret("me"), secret, "the test")
    for value in (secret, credentials):
        for written in (repr(value), str(value), f"{value}", f"{value!r}", "%s" % value, repr([value])):  # noqa: UP031
            assert "canary" not in written
    assert "canary" not in repr(vars(credentials))
    with pytest.raises(TypeError):
        vars(secret)
    assert secret.reveal() == "canary"


def test_a_secret_equals_only_itself():
    secret = Secret("canary")
    assert secret == secret
    assert secret != Secret("canary")
    assert secret != "canary"
    assert hash(secret) != hash("canary")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol):
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        pickle.dumps(Credentials(Secret("me"), Secret("canary"), "the test"), protocol)


def test_a_secret_is_not_copied():
    for copying in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            copying(Secret("canary"))
