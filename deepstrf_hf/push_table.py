"""What a push did, or would do, in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deepstrf_hf.hub import Pushed
from deepstrf_hf.push_plan import CHANGES, PushPlan

TAG_CHANGES = {
    "new": "would be made",
    "unchanged": "stays",
    "moved": "would be moved from commit {commit}",
    "refused": "holds other data (commit {commit})",
}


def print_push(result: Pushed | PushPlan, console: Console) -> None:
    """Print what was pushed, or what would be.

    Parameters
    ----------
    result : Pushed or PushPlan
        Of a push, or of a dry run.
    console : Console
        Where to print.

    Raises
    ------
    DeepstrfError
        The plan would be refused: its first refusal, after it was printed.
    """
    if isinstance(result, PushPlan):
        print_plan(result, console)
        if result.refusals:
            raise result.refusals[0]
        return
    tag = f", tag {result.tag}" if result.tag else ""
    if result.tag_moved_from:
        tag += f" (moved from commit {result.tag_moved_from})"
    files = "1 file" if result.files == 1 else f"{result.files} files"
    console.print(f"{files} at {result.url}, commit {result.commit}{tag}", highlight=False)


def print_plan(plan: PushPlan, console: Console) -> None:
    """Print what a push would do: files with their sizes, then repository, visibility, tag and licence.

    Parameters
    ----------
    plan : PushPlan
        Of a dry run.
    console : Console
        Where to print.
    """
    files = Table("file", "change", "bytes", title=f"Dry run: nothing was sent to {plan.repo_id}", title_justify="left")
    for file in plan.files:
        files.add_row(Text(file.name), file.change, f"{file.size_bytes:,}")
    console.print(files)
    about = Table(show_header=False)
    for name, text in plan_lines(plan):
        about.add_row(name, Text(text))  # not read as markup: errors quote what they found
    console.print(about)


def plan_lines(plan: PushPlan) -> list[tuple[str, str]]:
    """Return what a plan says besides its files, as (name, text)."""
    gate = f"{plan.gated}, {'would be set' if plan.sets_gate else 'as it is'}" if plan.gated else "none"
    counts = ", ".join(
        f"{len(plan.names(change))} {change} ({plan.size_bytes(change):,} bytes)"
        for change in CHANGES
        if plan.names(change)
    )
    tag = "none"
    if plan.tag is not None:
        tag = f"{plan.tag.name} {TAG_CHANGES[plan.tag.change].format(commit=plan.tag.commit)}"
    lines = [
        ("files", counts),
        ("to be sent", f"at most {plan.bytes_to_send:,} bytes"),
        ("repository", "would be made" if plan.makes_repository else "exists"),
        ("visibility", "private" if plan.private else "public"),
        ("gate", gate),
        ("branch", f"{plan.branch}{', would be made' if plan.makes_branch else ''}"),
        ("tag", tag),
        ("licence", plan.licence),
    ]
    return lines + [("would be refused", str(refusal)) for refusal in plan.refusals]
