"""What the Hub's clients raise, said in our words: what was refused, and how to mend it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from deepstrf_hf.errors import HubError

LOGIN = "log in with `hf auth login`, set HF_TOKEN, or pass token=..."
LONGEST_MESSAGE = 400
"""Characters kept of what a client says."""
TOKEN = re.compile(r"hf_\w+|Bearer\s+\S+", re.IGNORECASE)


@contextmanager
def hub_errors(repo_id: str, revision: str | None = None) -> Iterator[None]:
    """Turn errors of the Hub's clients into `HubError`.

    Parameters
    ----------
    repo_id : str
        Repository, for the message.
    revision : str, optional
        Revision, for the message.

    Raises
    ------
    HubError
        With what was refused and how to mend it; never with a token.
    """
    try:
        yield
    except GatedRepoError as error:
        raise HubError(
            f"The repository {repo_id} asks for permission to be read",
            found=_status(error),
            mend=f"ask for access on its page, then {LOGIN}",
        ) from None
    except RevisionNotFoundError:
        raise HubError(
            f"The repository {repo_id} has no revision {revision!r}", mend="see its branches and tags"
        ) from None
    except RepositoryNotFoundError as error:
        raise HubError(
            f"There is no dataset repository {repo_id}, or it is private and the token given may not read it",
            found=_status(error),
            mend=f"check the name; if it is private, {LOGIN}",
        ) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise _unreachable(repo_id, error) from None
    except EntryNotFoundError as error:
        raise HubError(
            f"The repository {repo_id} lacks a file that was asked for",
            found=_message(error),
            mend="is it a corpus that deepstrf-hf pushed?",
        ) from None
    except HFValidationError as error:
        raise HubError(
            "Not the id of a repository", found=repo_id, expected="owner/name", mend=_message(error)
        ) from None
    except HfHubHTTPError as error:
        raise HubError(f"The Hub refused a request for {repo_id}", found=_message(error), mend=_mend(error)) from None
    except (LocalTokenNotFoundError, UnicodeEncodeError) as error:
        raise HubError(f"There is no usable token for {repo_id}", found=type(error).__name__, mend=LOGIN) from None
    except (HTTPError, ConnectionError) as error:
        if "header value" in str(error):
            raise HubError(f"There is no usable token for {repo_id}", found="a malformed token", mend=LOGIN) from None
        raise _unreachable(repo_id, error) from None
    except RuntimeError as error:  # what huggingface_hub makes of a refused upload of one file
        if not isinstance(error.__cause__, HfHubHTTPError):
            raise
        raise HubError(
            f"The Hub refused a file for {repo_id}", found=_message(error.__cause__), mend=_mend(error.__cause__)
        ) from None


def unknown_revision(repo_id: str, revision: str | None, token: str | bool | None) -> HubError:
    """Make the error for a revision that does not exist, with those that do and near matches.

    Parameters
    ----------
    repo_id : str
        Repository.
    revision : str, optional
        What was asked for.
    token : str, bool or None
        As in ``huggingface_hub``.
    """
    problem = f"The repository {repo_id} has no revision {revision!r}"
    try:
        there = HfApi(token=token).list_repo_refs(repo_id, repo_type="dataset")
    except (HfHubHTTPError, HTTPError, ConnectionError):
        return HubError(problem, mend="see its branches and tags")
    names = [reference.name for reference in (*there.tags, *there.branches)]
    near = difflib.get_close_matches(str(revision), names, n=3, cutoff=0.5)
    return HubError(
        problem,
        expected=f"one of: {', '.join(names)}; or a commit",
        mend=f"did you mean {' or '.join(map(repr, near))}?" if near else "see its branches and tags",
    )


def _unreachable(repo_id: str, error: Exception) -> HubError:
    return HubError(
        f"The Hub could not be reached for {repo_id}, and what is needed is not in the local cache",
        found=_message(error),
        mend="check the network (and HF_HUB_OFFLINE), then try again; finished files are not fetched twice",
    )


def _status(error: HfHubHTTPError) -> str | None:
    response = error.response
    return None if response is None else f"status {response.status_code}"


def _mend(error: HfHubHTTPError) -> str:
    status = None if error.response is None else error.response.status_code
    if status in (401, 403):
        return f"the token is wrong or may not do this: {LOGIN}"
    return "try again later"


def _message(error: Exception) -> str:
    said = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return TOKEN.sub("<token>", said or type(error).__name__)[:LONGEST_MESSAGE]
