"""The tag of a version: ``v1.2.0`` names the commit that holds what builder version 1.2.0 made."""

from __future__ import annotations

import re
from dataclasses import dataclass

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from deepstrf_hf.built_files import Contents
from deepstrf_hf.errors import HubError, ParameterError
from deepstrf_hf.hub_errors import hub_errors
from deepstrf_hf.hub_state import HubState, data_of_earlier_push, files_at
from deepstrf_hf.report import BuildReport

EXISTS = 409
LIKE_A_TAG = re.compile(r"v\d+\.\d+\.\d+.*")


@dataclass(frozen=True)
class PlannedTag:
    """What a push does with the tag of its version.

    Parameters
    ----------
    name : str
        ``"v<builder version>"``.
    change : str
        ``"new"``, ``"unchanged"``, ``"moved"``, or ``"refused"`` where the push is.
    commit : str or None
        What it names before the push.
    """

    name: str
    change: str
    commit: str | None = None


def refuse_tag_as_branch(revision: str | None) -> None:
    """Refuse a branch that would be taken for the tag of a version.

    Raises
    ------
    ParameterError
        The name is that of a version.
    """
    if revision is not None and LIKE_A_TAG.fullmatch(revision):
        raise ParameterError(
            "This is the name of a version's tag; a branch of that name would hide it",
            field="revision",
            found=revision,
            expected="the name of a branch",
            mend="push without revision: a push to the main branch makes the tag by itself",
        )


def plan_tag(
    api: HfApi, state: HubState, report: BuildReport, contents: Contents, *, commits: bool, replace: bool
) -> PlannedTag:
    """Return what a push to the main branch does with the tag of its version.

    The content of a version is its data files; another card or build report beside the same data leaves the tag alone.

    Parameters
    ----------
    api : HfApi
        With the user's token.
    state : HubState
        The repository before the push.
    report : BuildReport
        Of the build to be pushed.
    contents : mapping of str to CommitOperationAdd
        Its files.
    commits : bool
        Whether the push changes anything.
    replace : bool
        Whether the tag is moved to the push, wherever it is.
    """
    name = f"v{report.corpus_version}"
    if name not in state.tags:
        return PlannedTag(name, "new")
    commit = api.dataset_info(state.repo_id, revision=name).sha
    if replace:
        return PlannedTag(name, "unchanged" if commit == state.base and not commits else "moved", commit)
    tagged, data = files_at(api, state.repo_id, commit), set(report.files())
    same = all(path in tagged and tagged[path].has_content_of(contents[path]) for path in data)
    same = same and data_of_earlier_push(api, state.repo_id, commit, set(tagged), report.corpus) <= data
    return PlannedTag(name, "unchanged" if same else "refused", commit)


def refusal_of_tag(state: HubState, planned: PlannedTag | None, revision: str | None) -> HubError | None:
    """Return why the tags of a repository forbid a push; None if they do not.

    Parameters
    ----------
    state : HubState
        The repository before the push.
    planned : PlannedTag or None
        What the push does with the tag of its version.
    revision : str or None
        Branch to push to.
    """
    if revision in state.tags:
        return HubError(f"{state.repo_id} has a tag of that name", found=revision, mend="choose another branch")
    if planned is None:
        return None
    if planned.name in state.branches:
        return HubError(
            f"{state.repo_id} has a branch with the name of the version's tag",
            found=planned.name,
            mend="delete or rename that branch: readers could not tell it from the tag",
        )
    if planned.change == "refused":
        return HubError(
            f"{state.repo_id} holds version {planned.name} with other data; whoever pinned it must go on getting those",
            found=f"tag {planned.name} at commit {planned.commit}",
            mend="raise the version of the corpus and build again, push to another branch (revision=..., --revision), "
            "or move the tag (replace_tag=True, --replace-tag)",
        )
    return None


def apply_tag(api: HfApi, repo_id: str, planned: PlannedTag, commit: str) -> None:
    """Do with the tag what was planned.

    Parameters
    ----------
    api : HfApi
        With the user's token.
    repo_id : str
        Repository.
    planned : PlannedTag
        Plan.
    commit : str
        Commit of the push.

    Raises
    ------
    HubError
        The data are there and the tag could not be made.
    """
    if planned.change == "unchanged":
        return
    try:
        with hub_errors(repo_id, planned.name):
            if planned.change == "moved":
                api.delete_tag(repo_id, tag=planned.name, repo_type="dataset")
            _create(api, repo_id, planned.name, commit)
    except HubError as error:
        raise HubError(
            f"Commit {commit} of {repo_id} holds the data, but its tag {planned.name} could not be made",
            found=error,
            mend="push again: what is there is not sent twice",
        ) from None


def _create(api: HfApi, repo_id: str, name: str, commit: str) -> None:
    try:
        api.create_tag(repo_id, tag=name, revision=commit, repo_type="dataset")
    except HfHubHTTPError as error:
        if error.response is None or error.response.status_code != EXISTS:
            raise
        if api.dataset_info(repo_id, revision=name).sha != commit:
            raise HubError("Somebody else made the tag meanwhile", found=name) from None
