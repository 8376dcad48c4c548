"""User names and passwords: where they are looked for, and how they are kept from showing anywhere."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from deepstrf_hf.errors import LoginError


class Secret:
    """A text that shows in no ``repr``, ``str`` or ``vars``, cannot be pickled or copied, and equals only itself.

    Parameters
    ----------
    text : str
        What must not show.
    """

    __slots__ = ("reveal",)

    reveal: Callable[[], str]
    """Give the text. Call it where the text is used, and keep it in no variable."""

    def __init__(self, text: str) -> None:
        self.reveal = lambda: text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")


@dataclass(frozen=True)
class Credentials:
    """A user name and a password.

    Parameters
    ----------
    username, password : Secret
        Of one account.
    source : str
        Where they were found, for people.
    """

    username: Secret
    password: Secret
    source: str


@dataclass(frozen=True)
class Account:
    """Where the credentials of a site are looked for.

    Parameters
    ----------
    site : str
        The site, as it is named to people and, after ``deepstrf-hf:``, in the keyring.
    username_variable, password_variable : str
        Environment variables.
    register_at : str
        Where people get an account.
    """

    site: str
    username_variable: str
    password_variable: str
    register_at: str

    @property
    def keyring_service(self) -> str:
        """Name of the service in the keyring."""
        return f"deepstrf-hf:{self.site}"


ACCOUNTS = {"crcns.org": Account("crcns.org", "CRCNS_USERNAME", "CRCNS_PASSWORD", "https://crcns.org/register")}
"""Accounts by site."""


def credentials_for(site: str, *, ask: bool) -> Credentials:
    """Look for the credentials of a site: environment, keyring where it is installed, then the user in a terminal.

    Parameters
    ----------
    site : str
        Key of `ACCOUNTS`.
    ask : bool
        Whether the user may be asked.

    Returns
    -------
    Credentials
        The first that were found.

    Raises
    ------
    LoginError
        There are none; it says how to give them.
    """
    account = ACCOUNTS[site]
    given = _from_environment(account)
    if given is not None:
        return given
    given, found_in_keyring = _from_keyring(account)
    if given is not None:
        return given
    if ask and sys.stdin.isatty():
        return _from_prompt(account)
    raise LoginError(
        f"There is no user name and password for {site}",
        found=f"{account.username_variable} and {account.password_variable} are not both set; {found_in_keyring}",
        mend=f"set both, or store them with `keyring set {account.keyring_service} NAME` and set "
        f"{account.username_variable}, or run it in a terminal to be asked; accounts are free: {account.register_at}",
    )


def _from_environment(account: Account) -> Credentials | None:
    if not os.environ.get(account.username_variable) or not os.environ.get(account.password_variable):
        return None
    return Credentials(
        Secret(os.environ[account.username_variable]), Secret(os.environ[account.password_variable]), "the environment"
    )


def _from_keyring(account: Account) -> tuple[Credentials | None, str]:
    """Return what the keyring holds, and why there is nothing where there is nothing."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None, "keyring is not installed"
    try:
        entry = keyring.get_credential(account.keyring_service, os.environ.get(account.username_variable) or None)
    except KeyringError as error:
        return None, f"the keyring could not be read ({type(error).__name__})"
    if entry is None:
        return None, f"the keyring has no entry {account.keyring_service}"
    return Credentials(Secret(entry.username), Secret(entry.password), "the keyring"), ""


def _from_prompt(account: Account) -> Credentials:
    sys.stderr.write(f"{account.site} user name: ")
    sys.stderr.flush()
    username = Secret(sys.stdin.readline().strip())
    return Credentials(username, Secret(getpass.getpass(f"{account.site} password: ")), "the prompt")
