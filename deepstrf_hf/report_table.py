"""The build report as a table in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from deepstrf_hf.card import grouped_left_out
from deepstrf_hf.report import BuildReport


def print_report(report: BuildReport, console: Console) -> None:
    """Print counts against published counts, what was left out, notes and files.

    Parameters
    ----------
    report : BuildReport
        Of a build.
    console : Console
        Where to print.
    """
    for name, entry in report.cohorts.items():
        counts = Table("count", "here", "published", "", title=f"{report.corpus} / {name}", title_justify="left")
        for count, found in entry.counts.items():
            published = entry.published.get(count)
            verdict = "" if published is None else "equal" if published == found else "[bold red]differs[/bold red]"
            counts.add_row(
                count.replace("_", " "), f"{found:,}", "" if published is None else f"{published:,}", verdict
            )
        console.print(counts)
        left_out = [(kind, f"{amount:,}", reason) for kind, reason, amount in entry.amounts]
        left_out += [(kind, names, reason) for kind, reason, names in grouped_left_out(entry)]
        if left_out:
            table = Table("left out", "how many, or which", "why", title_justify="left")
            for row in left_out:
                table.add_row(*row)
            console.print(table)
        if entry.n_parts_taken_over:
            taken_over = f"- {entry.n_parts_taken_over} of {entry.n_parts} parts were taken over from an earlier build."
            console.print(taken_over, highlight=False)
        for note in entry.notes:
            console.print(f"- {note}", highlight=False, markup=False)
        files = Table("configuration", "rows", "on disk (MB)", "unfolded (MB)", title_justify="left")
        for config, splits in entry.configs.items():
            rows = ", ".join(f"{split} {split_files.rows:,}" for split, split_files in splits.items())
            sizes = [
                sum(getattr(split_files, kind) for split_files in splits.values()) / 1e6
                for kind in ("bytes", "unfolded_bytes")
            ]
            files.add_row(config, rows, *(f"{size:,.2f}" for size in sizes))
        console.print(files)
