"""The report of the section `push`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.benchmarks.tables import ABSENT, megabytes, number, seconds, table

LABELS = {"rows_of_datasets": "datasets, NumPy format", "rows_of_ours": "deepstrf_hf.stream"}
FIRSTS = {"first_row": "datasets: first row", "first_item": "deepstrf_hf.stream: first item (a stimulus, all neurons)"}


def markdown_of(figures: Mapping[str, Any], is_measurement: bool) -> str:
    """Return the report of what was measured, for people."""
    built = figures["built"]
    parts = [
        "# The Hub",
        f"`{built['config']}`: {megabytes(built['mb'])} in {built['files']} files; training rows "
        f"{number(built['train_rows'])} in {built['train_files']} files of {megabytes(built['train_mb'])} together. "
        "Server and clients are processes of one machine; every client begins with an empty cache.",
        *([] if is_measurement else ["A check that everything runs: times mean nothing."]),
    ]
    if "push" in figures:
        parts += ["## Push", table([_push_row(name, found) for name, found in figures["push"].items()])]
    if "stream" in figures:
        streamed = figures["stream"]
        firsts = [
            {"streaming": label, "time": seconds(streamed[job]["seconds"]), **_fetched(streamed[job]["wire"])}
            for job, label in FIRSTS.items()
        ]
        rates = [
            {
                "streaming": label,
                **{
                    f"rows/s, {workers} workers": number(found["rows_per_s"])
                    for workers, found in streamed[job].items()
                },
            }
            for job, label in LABELS.items()
        ]
        parts += ["## Stream", table(firsts), table(rates)]
    if "fetch" in figures:
        parts += ["## Fetch a part", _fetch_table(figures["fetch"])]
    if "load" in figures:
        rows = [
            {"deepstrf_hf.load": name, "time": seconds(found["seconds"]), **_fetched(found["wire"])}
            for name, found in figures["load"].items()
        ]
        parts += ["## Load", table(rows)]
    return "\n\n".join(parts)


def _push_row(name: str, found: Mapping[str, Any]) -> dict[str, str]:
    return {
        "push": name,
        "time": seconds(found["seconds"]),
        "sent": megabytes(found["wire"]["received"] / 1e6),
        "requests": number(found["wire"]["requests"]),
        "of it the changed file": megabytes(found["changed_file_bytes"] / 1e6)
        if "changed_file_bytes" in found
        else ABSENT,
    }


def _fetched(wire: Mapping[str, Any]) -> dict[str, str]:
    return {"fetched": megabytes(wire["sent"] / 1e6), "requests": number(wire["requests"])}


def _fetch_table(found: Mapping[str, Any]) -> str:
    whole = found["whole"]["wire"]["parquet_sent"]
    rows = [
        {
            "load_dataset(..., streaming=True)": name,
            "rows": number(one["rows"]),
            "fetched of Parquet files": megabytes(one["wire"]["parquet_sent"] / 1e6),
            "of the whole": f"{one['wire']['parquet_sent'] / whole:.1%}" if whole else ABSENT,
            "requests": number(one["wire"]["parquet_requests"]),
            "time": seconds(one["seconds"]),
        }
        for name, one in found.items()
    ]
    return table(rows)
