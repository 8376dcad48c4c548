"""One commit that makes a repository what it should be, on the head as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable

from huggingface_hub import CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from deepstrf_hf.built_files import Contents
from deepstrf_hf.errors import HubError

StaleOf = Callable[[str | None, set[str]], set[str]]
ATTEMPTS = 5
"""Commits tried when somebody else's commit comes in between."""
CONFLICT = 412


def commit_contents(
    api: HfApi, repo_id: str, branch: str | None, contents: Contents, message: str, stale_of: StaleOf
) -> str:
    """Commit everything at once, on the head as it is; again on the new head if another commit came first.

    Where nothing changes, no commit is made.

    Parameters
    ----------
    api : HfApi
        With the user's token.
    repo_id : str
        Repository.
    branch : str or None
        Branch; the main one for None.
    contents : mapping of str to CommitOperationAdd
        Files.
    message : str
        Commit message.
    stale_of : callable
        Given a commit and the paths of its files, those that the new commit deletes.

    Returns
    -------
    str
        The commit that holds the contents.

    Raises
    ------
    HubError
        Other commits kept coming in between.
    """
    for _ in range(ATTEMPTS):
        head = api.repo_info(repo_id, repo_type="dataset", revision=branch).sha
        there = set(api.list_repo_files(repo_id, repo_type="dataset", revision=head))
        stale = stale_of(head, there) - set(contents)
        # Copied each time: they remember what the head of the time held, and leave it out.
        additions = [copy.copy(operation) for operation in contents.values()]
        # An empty .gitignore: one in the repository would silently keep data files out of the commit.
        api.preupload_lfs_files(repo_id, additions, repo_type="dataset", revision=branch, gitignore_content="")
        try:
            commit = api.create_commit(
                repo_id,
                [*additions, *(CommitOperationDelete(name) for name in sorted(stale))],
                commit_message=message,
                repo_type="dataset",
                revision=branch,
                parent_commit=head,
            )
            return str(commit.oid)
        except HfHubHTTPError as error:
            if error.response is None or error.response.status_code != CONFLICT:
                raise
    raise HubError(f"Other commits to {repo_id} kept coming in between", mend="push again")
