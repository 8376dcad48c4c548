"""Corpora that other installed distributions declare: whether their builders can be used."""

from __future__ import annotations

from deepstrf_hf.doctor.findings import OK, PROBLEM, Check
from deepstrf_hf.registry import OURS, load_builders, registrations

TOPIC = "corpora"


def examine_corpora() -> list[Check]:
    """Check the corpora of this distribution together, and those of others one by one."""
    usable, broken = load_builders()
    ours = [entry.name for entry in registrations() if entry.provided_by == OURS]
    checks = [Check(TOPIC, f"corpora of {OURS}", OK, f"{len(set(ours) & usable.keys())} of {len(ours)} can be used")]
    checks += [
        Check(TOPIC, entry.name, OK, f"{usable[entry.name].CORPUS.version}, of {entry.provided_by}")
        for entry in registrations()
        if entry.provided_by != OURS and entry.name in usable
    ]
    checks += [
        Check(TOPIC, name, PROBLEM, f"{error.problem}: {error.found}", error.mend) for name, error in broken.items()
    ]
    return checks
