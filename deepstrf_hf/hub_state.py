"""What a repository on the Hub holds before a push; reading it changes nothing there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from deepstrf_hf.card_assets import pictures_in_card
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.names import CARD_NAME, REPORT_NAME
from deepstrf_hf.report import BuildReport

MAIN = "main"
GATES = ("auto", "manual")
"""Ways to let readers in: everybody who agrees to the terms, or each by hand."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a repository.

    Parameters
    ----------
    size_bytes : int
        Size of its content.
    sha256 : str or None
        Of the content, where the file is kept in LFS.
    git_hash : str
        SHA-1 by which git knows it; of the content, where the file is not kept in LFS.
    """

    size_bytes: int
    sha256: str | None
    git_hash: str

    def has_content_of(self, local: CommitOperationAdd) -> bool:
        """Return whether a file to be pushed has the same content."""
        if self.size_bytes != local.upload_info.size:
            return False
        if self.sha256 is not None:
            return self.sha256 == local.upload_info.sha256.hex()
        with local.as_file() as file:
            content = file.read()  # what is not in LFS is small
        return self.git_hash == hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class HubState:
    """A repository as it is before a push.

    Parameters
    ----------
    repo_id : str
        ``"owner/name"``.
    exists : bool
        Whether it is there, as far as the token may see.
    private : bool
        Whether only its owner may read it.
    gated : str or None
        ``"auto"``, ``"manual"`` or None.
    branches, tags : frozenset of str
        Their names.
    base : str or None
        Commit that a push to the branch asked for would build upon.
    files : mapping of str to StoredFile
        What that commit holds.
    """

    repo_id: str
    exists: bool = False
    private: bool = False
    gated: str | None = None
    branches: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    base: str | None = None
    files: Mapping[str, StoredFile] = field(default_factory=dict)

    @classmethod
    def read(cls, api: HfApi, repo_id: str, branch: str = MAIN) -> HubState:
        """Ask the Hub.

        Parameters
        ----------
        api : HfApi
            With the user's token.
        repo_id : str
            ``"owner/name"``.
        branch : str
            Where the push goes to; a branch that does not exist will start from the main one.
        """
        try:
            references = api.list_repo_refs(repo_id, repo_type="dataset")
            branches = frozenset(reference.name for reference in references.branches)
            about = api.dataset_info(repo_id, revision=branch if branch in branches else None)
        except GatedRepoError:
            raise
        except RepositoryNotFoundError:
            return cls(repo_id)
        return cls(
            repo_id,
            exists=True,
            private=bool(about.private),
            gated=about.gated if isinstance(about.gated, str) else None,
            branches=branches,
            tags=frozenset(reference.name for reference in references.tags),
            base=about.sha,
            files=files_at(api, repo_id, about.sha),
        )


def files_at(api: HfApi, repo_id: str, revision: str | None) -> dict[str, StoredFile]:
    """Return the files of a commit, by path."""
    entries = api.list_repo_tree(repo_id, recursive=True, revision=revision, repo_type="dataset")
    return {
        entry.path: StoredFile(entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
        for entry in entries
        if isinstance(entry, RepoFile)
    }


def data_of_earlier_push(
    api: HfApi, repo_id: str, revision: str | None, there: set[str], corpus: str | None = None
) -> set[str]:
    """Return the data files that an earlier push put into a repository and that are there.

    Parameters
    ----------
    api : HfApi
        With the user's token.
    repo_id : str
        Repository.
    revision : str or None
        Commit or tag.
    there : set of str
        All files of that commit.
    corpus : str, optional
        Only of this corpus.
    """
    if REPORT_NAME not in there:
        return set()
    path = Path(api.hf_hub_download(repo_id, REPORT_NAME, repo_type="dataset", revision=revision))
    try:
        report = BuildReport.read(path.parent)
    except TableFormatError:  # somebody else's file of that name
        return set()
    return there & set(report.files()) if corpus in (None, report.corpus) else set()


def files_of_earlier_push(
    api: HfApi, repo_id: str, revision: str | None, there: set[str], corpus: str | None = None
) -> set[str]:
    """Return the data files of an earlier push, and the pictures of their card (arguments as above)."""
    data = data_of_earlier_push(api, repo_id, revision, there, corpus)
    if not data or CARD_NAME not in there or not any(name.startswith("assets/") for name in there):
        return data
    card = Path(api.hf_hub_download(repo_id, CARD_NAME, repo_type="dataset", revision=revision))
    return data | there & set(pictures_in_card(card.read_text(encoding="utf-8", errors="replace")))
