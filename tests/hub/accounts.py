"""Users, tokens and what each user may do with a repository."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from .errors import authentication_required, forbidden, gated_repository, invalid_token, repository_not_found
from .storage import Repository


@dataclass(frozen=True)
class User:
    """A user with one token.

    Parameters
    ----------
    name
        Namespace of the user.
    token
        What the clients send as a bearer token.
    organisations
        Namespaces where the user may write, besides their own.
    role
        ``"write"`` or ``"read"``: what the token is good for.
    """

    name: str
    token: str = field(repr=False)
    organisations: tuple[str, ...] = ()
    role: str = "write"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces that the user belongs to."""
        return (self.name, *self.organisations)


class Accounts:
    """The users of a Hub, found by token."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._lock = threading.Lock()

    def add(self, user: User) -> User:
        """Make a user known."""
        with self._lock:
            self._users[user.token] = user
        return user

    def authenticate(self, authorization: str | None) -> User | None:
        """Find the user of an ``Authorization`` header; ``None`` without one, 401 for an unknown token."""
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        with self._lock:
            user = self._users.get(token.strip())
        if scheme.lower() != "bearer" or user is None:
            raise invalid_token()
        return user


def may_write(user: User | None, repository: Repository) -> bool:
    """Tell whether a user may change a repository."""
    return user is not None and user.role == "write" and repository.namespace in user.namespaces


def may_read(user: User | None, repository: Repository) -> bool:
    """Tell whether a user sees a repository at all."""
    if not repository.private:
        return True
    return user is not None and (repository.namespace in user.namespaces or user.name in repository.readers)


def require_read(user: User | None, repository: Repository | None) -> Repository:
    """Return the repository, or answer as if it did not exist."""
    if repository is None or not may_read(user, repository):
        raise repository_not_found(anonymous=user is None)
    return repository


def require_download(user: User | None, repository: Repository | None) -> Repository:
    """Return the repository if its files may be handed out: it is visible, and its gate is open for the user."""
    visible = require_read(user, repository)
    member = user is not None and (visible.namespace in user.namespaces or user.name in visible.granted)
    if visible.gated and not member:
        raise gated_repository(visible.identifier, anonymous=user is None)
    return visible


def require_write(user: User | None, repository: Repository | None) -> Repository:
    """Return the repository if the user may change it."""
    visible = require_read(user, repository)
    if user is None:
        raise repository_not_found(anonymous=True)
    if not may_write(user, visible):
        raise forbidden("Forbidden: you must use a write token to upload to a repository.")
    return visible


def require_namespace(user: User | None, namespace: str) -> User:
    """Return the user if they may create or delete repositories in a namespace."""
    if user is None:
        raise authentication_required()
    if user.role != "write" or namespace not in user.namespaces:
        raise forbidden(f'You don\'t have the rights to create a dataset under the namespace "{namespace}"')
    return user
