"""A toy corpus that notes which parts are walked, and whose workers can be made to die in one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.corpus import Cohort
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from tests.toy import Toy

CALLS, KILL = "calls.txt", "kill.txt"
"""Files beside the raw ones: the parts walked so far, a line each; who dies where, as ``part times self|parent``."""


class WatchedToy(Toy):
    """The toy corpus; its raw directory holds `CALLS` and `KILL`, which are no raw files."""

    CORPUS = replace(Toy.CORPUS, name="watched_toy")

    @classmethod
    def recordings(cls, raw: RawTree, cohort: Cohort, config: Any, part: Part, log: BuildLog) -> Iterator[Recording]:
        """Yield what the toy yields; die after the first stimulus where that is asked for."""
        with (raw.root / CALLS).open("a") as file:
            file.write(f"{part.name}\n")
        first = None
        for recording in super().recordings(raw, cohort, config, part, log):
            first = first or recording.stimulus
            if recording.stimulus is not first:
                _die_if_asked(raw.root, part.name)
            yield recording


def _die_if_asked(root: Path, part: str) -> None:
    order = root / KILL
    if not order.exists():
        return
    name, times, who = order.read_text().split()
    if name == part and int(times) > 0:
        order.write_text(f"{name} {int(times) - 1} {who}")
        os.kill(os.getpid() if who == "self" else os.getppid(), signal.SIGKILL)


def walked(raw: Path) -> list[str]:
    """Return the parts that have been walked, in the order in which they were begun."""
    calls = raw / CALLS
    return calls.read_text().split() if calls.exists() else []
