"""Push a built directory to the Hub: one commit, after the licence has been asked, and a tag for its version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

from huggingface_hub import HfApi

from deepstrf_hf.built_files import Contents, check_whole, contents_to_push
from deepstrf_hf.errors import DeepstrfError, HubError, ParameterError
from deepstrf_hf.hub_errors import hub_errors
from deepstrf_hf.hub_state import GATES, MAIN, HubState, files_of_earlier_push
from deepstrf_hf.licence_gate import LicenceGate
from deepstrf_hf.push_commit import commit_contents
from deepstrf_hf.push_plan import PushPlan, planned_files
from deepstrf_hf.push_tag import apply_tag, plan_tag, refusal_of_tag, refuse_tag_as_branch
from deepstrf_hf.registry import load_builder
from deepstrf_hf.report import BuildReport

Gate = Literal["auto", "manual"]


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
    tag : str or None
        Tag of the version, ``"v<builder version>"``; ``revision=tag`` pins it. None on a branch, and of a card.
    tag_moved_from : str or None
        Commit that the tag named before, where it was moved.
    """

    url: str
    commit: str
    files: int
    tag: str | None = None
    tag_moved_from: str | None = None


@dataclass(frozen=True)
class _Job:
    """What is asked for, and what its checks found."""

    report: BuildReport
    gate: LicenceGate
    repo_id: str
    private: bool | None
    gated: Gate | None
    branch: str | None
    permission: str | None
    replace_tag: bool

    @property
    def corpus(self) -> str:
        return self.gate.corpus.name


@overload
def push(
    directory: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    gated: Gate | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    permission: str | None = None,
    message: str | None = None,
    replace_tag: bool = False,
    dry_run: Literal[False] = False,
) -> Pushed: ...
@overload
def push(
    directory: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    gated: Gate | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    permission: str | None = None,
    message: str | None = None,
    replace_tag: bool = False,
    dry_run: Literal[True],
) -> PushPlan: ...
def push(
    directory: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    gated: Gate | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    permission: str | None = None,
    message: str | None = None,
    replace_tag: bool = False,
    dry_run: bool = False,
) -> Pushed | PushPlan:
    """Push a built directory to the Hub, in one commit.

    The repository is made if it does not exist. Afterwards it is what the directory is: files of ours that the
    directory no longer has are deleted in the same commit, files that others put there are left alone. Readers see the
    old state or the new one. A push that failed can be repeated; files already there are not sent again.

    A push to the main branch tags its commit with the builder version, so that ``revision="v1.2.0"`` pins the data of
    a paper. The same version with other data files is refused; another card beside the same data leaves the tag alone.

    Parameters
    ----------
    directory : str or Path
        What `deepstrf_hf.build` wrote.
    repo_id : str
        ``"owner/name"``.
    private : bool, optional
        Whether only the owner may read it. Must be True for a corpus whose terms do not allow it to be handed on.
    gated : str, optional
        ``"auto"`` (readers agree to the terms) or ``"manual"`` (each is let in by hand). The gate is set before
        anything is sent. Not for a corpus whose terms do not allow it to be handed on: behind a gate it still is.
    revision : str, optional
        Branch; made if it does not exist. The main branch if not given.
    token : str, bool or None
        As in ``huggingface_hub``; needs write access.
    permission : str, optional
        Text of a permission to publish a corpus whose terms do not allow it by themselves: who gave it, when, for
        what. It is written into the card.
    message : str, optional
        Commit message.
    replace_tag : bool
        Move the tag of the version to this push, even from other data.
    dry_run : bool
        Send nothing, and return what would be done.

    Returns
    -------
    Pushed or PushPlan
        Address and commit; or, of a dry run, the plan, which also says why the push would be refused.

    Raises
    ------
    TableFormatError
        The directory is not a whole build.
    ParameterError
        No such gate, or a branch with the name of a version's tag.
    RedistributionError
        The terms of the corpus, or of its sounds, do not allow a public copy.
    HubError
        The Hub refused or could not be reached; or the version is there with other data.
    """
    if gated is not None and gated not in GATES:
        raise ParameterError("No such gate", field="gated", found=repr(gated), expected=" or ".join(map(repr, GATES)))
    refuse_tag_as_branch(revision)
    directory = Path(directory)
    report = BuildReport.read(directory)
    corpus = load_builder(report.corpus).CORPUS
    names = check_whole(directory, report)
    gate = LicenceGate.of_build(directory, report, corpus)
    job = _Job(report, gate, repo_id, private, gated, None if revision == MAIN else revision, permission, replace_tag)
    refusal = gate.refusal_of(private, gated, permission)
    if refusal and not dry_run:
        raise refusal
    api = HfApi(token=token)
    with contents_to_push(directory, names, permission) as contents, hub_errors(repo_id, revision):
        plan = _plan(api, job, contents, (refusal,) if refusal else ())
        if dry_run:
            return plan
        if plan.refusals:
            raise plan.refusals[0]
        message = message or f"{job.corpus} {report.corpus_version}, built by deepstrf-hf {report.library_version}"
        return _carry_out(api, job, plan, contents, message)


def _plan(api: HfApi, job: _Job, contents: Contents, refusals: tuple[DeepstrfError, ...]) -> PushPlan:
    """Find out what the push does, without changing anything."""
    state = HubState.read(api, job.repo_id, job.branch or MAIN)
    earlier = files_of_earlier_push(api, job.repo_id, state.base, set(state.files), job.corpus)
    files = planned_files(state, contents, earlier - set(contents))
    commits = any(file.change != "unchanged" for file in files)
    tag = None
    if job.branch is None:
        tag = plan_tag(api, state, job.report, contents, commits=commits, replace=job.replace_tag)
    found: list[DeepstrfError | None] = [refusal_of_tag(state, tag, job.branch)]
    if state.exists:
        found.insert(0, _refusal_of_visibility(job, state.private))
    return PushPlan(
        repo_id=job.repo_id,
        makes_repository=not state.exists,
        private=state.private if state.exists else bool(job.private),
        gated=job.gated or state.gated,
        sets_gate=job.gated is not None and job.gated != state.gated,
        branch=job.branch or MAIN,
        makes_branch=job.branch is not None and job.branch not in state.branches,
        files=files,
        tag=tag,
        licence=job.gate.says(job.permission),
        refusals=(*refusals, *(refusal for refusal in found if refusal)),
    )


def _refusal_of_visibility(job: _Job, is_private: bool) -> DeepstrfError | None:
    """Return why a repository that is there may not be filled: asking for a private one does not make it private."""
    allowed = job.gate.opened_by(job.permission)
    if (allowed and not job.private) or is_private:
        return None
    if allowed:
        return HubError(
            f"{job.repo_id} exists and is public, though a private repository was asked for",
            mend="make it private on its page, choose another name, or push without private=True (--private)",
        )
    return job.gate.refusal(f"{job.repo_id} exists and is public")


def _carry_out(api: HfApi, job: _Job, plan: PushPlan, contents: Contents, message: str) -> Pushed:
    """Do what was planned: repository, gate, branch, commit, tag, in this order."""
    url = str(api.create_repo(job.repo_id, repo_type="dataset", private=job.private, exist_ok=True))
    # Asked again: somebody else may have made it, or made it public, since the plan.
    refusal = _refusal_of_visibility(job, bool(api.dataset_info(job.repo_id).private))
    if refusal:
        raise refusal
    if plan.sets_gate:
        api.update_repo_settings(job.repo_id, gated=job.gated, repo_type="dataset")
    if plan.makes_branch:
        api.create_branch(job.repo_id, branch=plan.branch, repo_type="dataset", exist_ok=True)

    def stale_of(head: str | None, there: set[str]) -> set[str]:
        return files_of_earlier_push(api, job.repo_id, head, there, job.corpus)

    commit = commit_contents(api, job.repo_id, job.branch, contents, message, stale_of)
    if plan.tag is None:
        return Pushed(url, commit, len(contents))
    apply_tag(api, job.repo_id, plan.tag, commit)
    moved_from = plan.tag.commit if plan.tag.change == "moved" else None
    return Pushed(url, commit, len(contents), plan.tag.name, moved_from)
