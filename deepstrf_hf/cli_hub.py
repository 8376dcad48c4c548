"""Commands that send to the Hub: ``deepstrf-hf push | push-card``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepstrf_hf.cli_options import CorpusName
from deepstrf_hf.terminal import terminal


def push(
    directory: Annotated[Path, typer.Argument(help="What `build` wrote.")],
    repo_id: Annotated[str, typer.Argument(help="owner/name on the Hub.")],
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Whether only the owner may read it.")
    ] = None,
    gated: Annotated[
        str | None, typer.Option(help="auto or manual: let readers in who agree to the terms, or each by hand.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch; the main one if not given.")] = None,
    permission: Annotated[str | None, typer.Option(help="Text of the owners' permission to publish.")] = None,
    replace_tag: Annotated[
        bool, typer.Option("--replace-tag", help="Move the tag of the version here, even from other data.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Push a built directory to the Hub, in one commit, and tag it with its version."""
    from deepstrf_hf.hub import push as push_directory
    from deepstrf_hf.push_table import print_push

    result = push_directory(  # type: ignore[call-overload]  # which overload, the user says
        directory,
        repo_id,
        private=private,
        gated=gated,
        revision=revision,
        permission=permission,
        replace_tag=replace_tag,
        dry_run=dry_run,
    )
    print_push(result, terminal())


def push_card(
    corpus: CorpusName,
    repo_id: Annotated[str, typer.Argument(help="owner/name on the Hub.")],
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Whether only the owner may read it.")
    ] = None,
    replace_data: Annotated[
        bool, typer.Option("--replace-data", help="Take data of ours that the repository holds out of it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Push the card of a corpus without its data: what it is, where its files are, how to build it."""
    from deepstrf_hf.hub_card import push_card as push_bare_card
    from deepstrf_hf.push_table import print_push

    result = push_bare_card(  # type: ignore[call-overload]  # which overload, the user says
        corpus, repo_id, private=private, replace_data=replace_data, dry_run=dry_run
    )
    print_push(result, terminal())
