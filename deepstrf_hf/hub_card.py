"""Push the card of a corpus without its data, which the terms of every corpus allow."""

from __future__ import annotations

from typing import Literal, overload

from huggingface_hub import CommitOperationAdd, HfApi

from deepstrf_hf.bare_card import bare_card
from deepstrf_hf.errors import DeepstrfError, HubError
from deepstrf_hf.hub import Pushed
from deepstrf_hf.hub_errors import hub_errors
from deepstrf_hf.hub_state import MAIN, HubState, files_of_earlier_push
from deepstrf_hf.names import CARD_NAME, REPORT_NAME
from deepstrf_hf.push_commit import commit_contents
from deepstrf_hf.push_plan import PushPlan, planned_files
from deepstrf_hf.registry import load_builder


@overload
def push_card(
    corpus: str,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    message: str | None = None,
    replace_data: bool = False,
    dry_run: Literal[False] = False,
) -> Pushed: ...
@overload
def push_card(
    corpus: str,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    message: str | None = None,
    replace_data: bool = False,
    dry_run: Literal[True],
) -> PushPlan: ...
def push_card(
    corpus: str,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    message: str | None = None,
    replace_data: bool = False,
    dry_run: bool = False,
) -> Pushed | PushPlan:
    """Push a card that says what a corpus is and how to build it, and no data.

    It may be public for every corpus, whatever its terms say of the data.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    repo_id : str
        ``"owner/name"``; the repository is made if it does not exist.
    private : bool, optional
        Whether only the owner may read it.
    token : str, bool or None
        As in ``huggingface_hub``; needs write access.
    message : str, optional
        Commit message.
    replace_data : bool
        Where the repository holds data that deepstrf-hf pushed, take them out of its main branch in the same commit.
        Earlier commits and tags keep them.
    dry_run : bool
        Send nothing, and return what would be done.

    Returns
    -------
    Pushed or PushPlan
        Address and commit; or, of a dry run, the plan, which also says why the push would be refused.

    Raises
    ------
    UnknownNameError
        No such corpus.
    HubError
        The repository holds data, or is public though a private one was asked for; or the Hub refused or could not be
        reached.
    """
    builder = load_builder(corpus)
    contents = {CARD_NAME: CommitOperationAdd(CARD_NAME, bare_card(builder).encode())}
    api = HfApi(token=token)

    def stale_of(head: str | None, there: set[str]) -> set[str]:
        """Return the files to be deleted; refuse where data would stay beside a card that says there are none."""
        ours = files_of_earlier_push(api, repo_id, head, there)
        refusal = _refusal_of_data(repo_id, there, ours, replace_data)
        if refusal:
            raise refusal
        return ours | ({REPORT_NAME} if ours else set())

    with hub_errors(repo_id):
        state = HubState.read(api, repo_id)
        ours = files_of_earlier_push(api, repo_id, state.base, set(state.files))
        stale = ours | ({REPORT_NAME} if ours else set())
        found = (
            _refusal_of_data(repo_id, set(state.files), ours, replace_data),
            _refusal_of_visibility(repo_id, private, state.private) if state.exists else None,
        )
        plan = PushPlan(
            repo_id=repo_id,
            makes_repository=not state.exists,
            private=state.private if state.exists else bool(private),
            gated=state.gated,
            sets_gate=False,
            branch=MAIN,
            makes_branch=False,
            files=planned_files(state, contents, stale),
            tag=None,
            licence="a card without data may be public for every corpus",
            refusals=tuple(refusal for refusal in found if refusal),
        )
        if dry_run:
            return plan
        if plan.refusals:
            raise plan.refusals[0]
        url = str(api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True))
        refusal = _refusal_of_visibility(repo_id, private, bool(api.dataset_info(repo_id).private))
        if refusal:  # somebody else may have made it since the plan
            raise refusal
        message = message or f"{corpus} {builder.CORPUS.version}: card without data"
        commit = commit_contents(api, repo_id, None, contents, message, stale_of)
    return Pushed(url, commit, len(contents))


def _refusal_of_data(repo_id: str, there: set[str], ours: set[str], replace_data: bool) -> DeepstrfError | None:
    """Return why a card that says there are no data may not go beside the files of a repository."""
    foreign = sorted(name for name in there - ours if name.endswith(".parquet"))
    if foreign:
        return HubError(
            f"{repo_id} holds data that deepstrf-hf did not push, beside which a card without data would be wrong",
            found=foreign[0],
            mend="choose another repository",
        )
    if ours and not replace_data:
        return HubError(
            f"{repo_id} holds data that deepstrf-hf pushed, and their card would be overwritten",
            found=f"{len(ours)} files",
            mend="choose another repository, or take the data out of this one (replace_data=True, --replace-data); "
            "earlier commits and tags keep them",
        )
    return None


def _refusal_of_visibility(repo_id: str, private: bool | None, is_private: bool) -> DeepstrfError | None:
    if not private or is_private:
        return None
    return HubError(
        f"{repo_id} exists and is public, though a private repository was asked for",
        mend="make it private on its page, choose another name, or push without private=True (--private)",
    )
