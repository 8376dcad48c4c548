"""Error answers of the Hub, with the headers by which its clients choose their exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class HubError(Exception):
    """An answer with an error status.

    Parameters
    ----------
    status
        HTTP status.
    message
        Text of the ``error`` field and of the ``X-Error-Message`` header.
    code
        Value of the ``X-Error-Code`` header, if any.
    headers
        Further headers of the answer.
    fields
        Further fields of the JSON body.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})
        self.fields = dict(fields or {})

    @property
    def payload(self) -> dict[str, Any]:
        """JSON body of the answer."""
        return {"error": self.message, **self.fields}


def invalid_token() -> HubError:
    """Answer any request whose token is unknown, whether the repository is public or not."""
    return HubError(401, "Invalid credentials in Authorization header")


def authentication_required() -> HubError:
    """Answer an anonymous request for something that needs a user."""
    return HubError(401, "Invalid username or password.")


def repository_not_found(anonymous: bool) -> HubError:
    """Answer for a repository that is missing or hidden from the user: the two look the same."""
    if anonymous:
        return HubError(401, "Invalid username or password.", code="RepoNotFound")
    return HubError(404, "Repository not found", code="RepoNotFound")


def revision_not_found(revision: str) -> HubError:
    """Answer for an unknown branch, tag or commit."""
    return HubError(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


def entry_not_found(message: str, commit: str | None = None) -> HubError:
    """Answer for an unknown path of a known revision."""
    headers = {} if commit is None else {"X-Repo-Commit": commit}
    return HubError(404, message, code="EntryNotFound", headers=headers)


def gated_repository(repository_id: str, anonymous: bool) -> HubError:
    """Answer a download from a gated repository by someone who was not granted access."""
    restricted = f"Access to dataset {repository_id} is restricted"
    if anonymous:
        return HubError(401, f"{restricted}. You must be authenticated to access it.", code="GatedRepo")
    return HubError(403, f"{restricted} and you are not in the authorized list.", code="GatedRepo")


def stale_parent() -> HubError:
    """Answer a commit whose declared parent is not the head of the branch any more."""
    return HubError(412, "A commit has happened since. Please refresh and try again.")


def forbidden(message: str) -> HubError:
    """Answer a user who may see a repository but not do what was asked."""
    return HubError(403, message)
