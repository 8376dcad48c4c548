"""Push a built directory to the Hub: one commit, after the licence has been asked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from deepstrf_hf.errors import HubError, TableFormatError
from deepstrf_hf.hub_errors import hub_errors
from deepstrf_hf.licence_gate import LicenceGate
from deepstrf_hf.names import CARD_NAME, REPORT_NAME
from deepstrf_hf.parquet import n_rows
from deepstrf_hf.registry import load_builder
from deepstrf_hf.report import BuildReport
from deepstrf_hf.repository import Repository

ATTEMPTS = 5
"""Commits tried when somebody else's commit comes in between."""
CONFLICT = 412


@dataclass(frozen=True)
class Pushed:
    """A finished push.

    Parameters
    ----------
    url : str
        Page of the repository.
    commit : str
        Commit that holds the data; ``revision=commit`` pins it.
    files : int
        Files of the directory.
    """

    url: str
    commit: str
    files: int


def push(
    directory: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    permission: str | None = None,
    message: str | None = None,
) -> Pushed:
    """Push a built directory to the Hub, in one commit.

    The repository is made if it does not exist. Afterwards it is what the directory is: files of ours that the
    directory no longer has are deleted in the same commit, files that others put there are left alone. Readers see the
    old state or the new one. A push that failed can be repeated; files already there are not sent again.

    Parameters
    ----------
    directory : str or Path
        What `deepstrf_hf.build` wrote.
    repo_id : str
        ``"owner/name"``.
    private : bool, optional
        Whether only the owner may read it. Must be True for a corpus whose terms do not allow it to be handed on.
    revision : str, optional
        Branch; made if it does not exist. The main branch if not given.
    token : str, bool or None
        As in ``huggingface_hub``; needs write access.
    permission : str, optional
        Text of a permission to publish a corpus whose terms do not allow it by themselves: who gave it, when, for
        what. It is written into the card.
    message : str, optional
        Commit message.

    Returns
    -------
    Pushed
        Address and commit.

    Raises
    ------
    TableFormatError
        The directory is not a whole build.
    RedistributionError
        The terms of the corpus, or of its sounds, do not allow a public copy.
    HubError
        The Hub refused or could not be reached.
    """
    directory = Path(directory)
    report = BuildReport.read(directory)
    corpus = load_builder(report.corpus).CORPUS
    files = _check_whole(directory, report)
    gate = LicenceGate.of_build(directory, report, corpus)
    if not private and not gate.opened_by(permission):
        raise gate.refusal("a push that is not private")
    api = HfApi(token=token)
    with hub_errors(repo_id, revision):
        url = str(api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True))
        _check_visibility(api, repo_id, gate, private, permission)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, repo_type="dataset", exist_ok=True)
        with _card_to_push(directory, permission) as card:
            contents = {name: card if name == CARD_NAME else directory / name for name in files}
            message = message or f"{corpus.name} {report.corpus_version}, built by deepstrf-hf {report.library_version}"
            commit = _commit(api, repo_id, revision, contents, message, corpus.name)
    return Pushed(url, commit, len(files))


def _check_whole(directory: Path, report: BuildReport) -> list[str]:
    """Return the files of a build, after checking that each is there, has its rows, and stands in the card."""
    listed = {
        config: {split: files.files for split, files in splits.items()}
        for entry in report.cohorts.values()
        for config, splits in entry.configs.items()
    }
    card = Repository.open(directory)
    if not listed or {config: dict(splits) for config, splits in card.configs.items()} != listed:
        raise TableFormatError(
            "The card and the build report name different files",
            path=directory,
            found=", ".join(card.configs),
            expected=", ".join(listed) or "a cohort",
            mend="build it again",
        )
    for entry in report.cohorts.values():
        for splits in entry.configs.values():
            for split in splits.values():
                missing = [name for name in split.files if not (directory / name).is_file()]
                if missing:
                    raise TableFormatError(
                        "A file of the build is missing", path=directory / missing[0], mend="build it again"
                    )
                found = sum(n_rows(directory / name) for name in split.files)
                if found != split.rows:
                    raise TableFormatError(
                        "Files do not have the rows that the build report states",
                        path=directory / split.files[0],
                        found=found,
                        expected=split.rows,
                        mend="build it again",
                    )
    return [CARD_NAME, REPORT_NAME, *report.files()]


def _check_visibility(
    api: HfApi, repo_id: str, gate: LicenceGate, private: bool | None, permission: str | None
) -> None:
    """Refuse an existing repository that is public: asking for a private one does not make it private."""
    allowed = gate.opened_by(permission)
    if (allowed and not private) or api.repo_info(repo_id, repo_type="dataset").private:
        return
    if allowed:
        raise HubError(
            f"{repo_id} exists and is public, though a private repository was asked for",
            mend="make it private on its page, choose another name, or push without private=True (--private)",
        )
    raise gate.refusal(f"{repo_id} exists and is public")


@contextmanager
def _card_to_push(directory: Path, permission: str | None) -> Iterator[Path]:
    """Yield the card, with the permission written into a copy of it if there is one."""
    card = directory / CARD_NAME
    if not permission or not permission.strip():
        yield card
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copy(card, scratch))
        with copy.open("a", encoding="utf-8") as file:
            file.write(
                "\n## Permission to publish\n\n"
                "Whatever is said above on handing the data on, this copy was allowed:\n\n"
                f"{permission.strip()}\n"
            )
        yield copy


def _commit(
    api: HfApi, repo_id: str, revision: str | None, contents: Mapping[str, Path], message: str, corpus: str
) -> str:
    """Commit everything at once, on the head as it is; again on the new head if another commit came first."""
    for _ in range(ATTEMPTS):
        head = api.repo_info(repo_id, repo_type="dataset", revision=revision).sha
        stale = _files_of_earlier_push(api, repo_id, head, corpus) - set(contents)
        # Made anew each time: they remember what the head of the time held, and leave it out.
        additions = [CommitOperationAdd(name, str(path)) for name, path in contents.items()]
        # An empty .gitignore: one in the repository would silently keep data files out of the commit.
        api.preupload_lfs_files(repo_id, additions, repo_type="dataset", revision=revision, gitignore_content="")
        try:
            commit = api.create_commit(
                repo_id,
                [*additions, *(CommitOperationDelete(name) for name in sorted(stale))],
                commit_message=message,
                repo_type="dataset",
                revision=revision,
                parent_commit=head,
            )
            return str(commit.oid)
        except HfHubHTTPError as error:
            if error.response is None or error.response.status_code != CONFLICT:
                raise
    raise HubError(f"Other commits to {repo_id} kept coming in between", mend="push again")


def _files_of_earlier_push(api: HfApi, repo_id: str, head: str | None, corpus: str) -> set[str]:
    """Return the data files of the same corpus that an earlier push put into the repository and that are there."""
    there = set(api.list_repo_files(repo_id, repo_type="dataset", revision=head))
    if REPORT_NAME not in there:
        return set()
    path = Path(api.hf_hub_download(repo_id, REPORT_NAME, repo_type="dataset", revision=head))
    try:
        report = BuildReport.read(path.parent)
    except TableFormatError:  # somebody else's file of that name
        return set()
    return there & set(report.files()) if report.corpus == corpus else set()
