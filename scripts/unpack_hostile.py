"""Try to unpack hostile archives with this Python, and show what became of them.

    python -m scripts.unpack_hostile [--each]

Needs the standard library and filelock alone, so that it runs on interpreters without the rest of the library. Ends
with status 1 if any archive was unpacked, left anything behind, or made another error than `ArchiveError`.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from deepstrf_hf.download.unpack import unpack
from deepstrf_hf.errors import ArchiveError
from scripts.archives.hostile import GROUPS, LIMITS

OUTCOMES = ("refused", "got through", "other error", "left traces")


def outcome_of(archive: bytes, directory: Path) -> tuple[str, str]:
    """Unpack an archive in an empty directory; return one of ``OUTCOMES``, and what the error said."""
    packed = directory / "packed" / "archive"
    data = directory / "data"
    packed.parent.mkdir()
    data.mkdir()
    packed.write_bytes(archive)
    try:
        unpack(packed, data / "target", limits=LIMITS)
    except ArchiveError as error:
        outcome, said = "refused", str(error)
    except Exception as error:  # noqa: BLE001
        outcome, said = "other error", repr(error)
    else:
        outcome, said = "got through", ""
    left = {path.relative_to(directory).as_posix() for path in directory.rglob("*")}
    if outcome == "refused" and left != {"packed", "packed/archive", "data"}:
        outcome = "left traces"
    if Path("/deepstrf-outside").exists():
        outcome = "got through"
    return outcome, said


def main() -> int:
    """Try all; return the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--each", action="store_true", help="show what was said of each archive")
    arguments = parser.parse_args()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for group, name, archive in ((group, *named) for group, archives in GROUPS.items() for named in archives()):
        with tempfile.TemporaryDirectory() as directory:
            outcome, said = outcome_of(archive, Path(directory))
        counts[group][outcome] += 1
        if arguments.each or outcome != "refused":
            print(f"{group}: {name}: {outcome}: {said.replace(directory, '')}")
    inflating = "with isal" if "isal" in sys.modules else "without isal"
    print(f"Python {platform.python_version()}, {inflating}")
    print(f"{'':14}{'tried':>8}" + "".join(f"{outcome:>14}" for outcome in OUTCOMES))
    counts["all"] = sum(counts.values(), Counter())
    for group, found in counts.items():
        print(f"{group:14}{found.total():8}" + "".join(f"{found[outcome]:14}" for outcome in OUTCOMES))
    return int(counts["all"]["refused"] != counts["all"].total())


if __name__ == "__main__":
    sys.exit(main())
