"""Flip single bits of archives, unpack them, and show how many flips are detected.

    python -m scripts.bit_flips [--flips 1000] [--seed 0]

Ends with status 1 if a flip changed what was unpacked without an error, or made another error than `ArchiveError`.

Not all bits are covered by a check sum, and not all need be. In a zip archive CRC-32 covers contents; names, flags and
methods stand in two places, which must agree; sizes and places must fit together without overlap. What is left over are
times, versions, modes, sizes that are written twice, and the check sum in a member's own header: nothing of it is
applied. In a gzipped tar archive CRC-32 and length cover all of the tar archive, headers too; left over are the time
and system in gzip's header.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from scripts.archives.flips import example_archives, try_flips

OUTCOMES = ("detected", "identical", "different", "other error", "left traces")


def main() -> int:
    """Try flips in a zip and in a gzipped tar archive; return the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--flips", type=int, default=1000, help="how many bits, for each archive")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failed = False
    print(f"{'':8}{'bytes':>8}{'flips':>8}" + "".join(f"{outcome:>13}" for outcome in OUTCOMES) + f"{'by SHA-256':>12}")
    harmless = {}
    for kind, archive in example_archives(arguments.seed).items():
        with tempfile.TemporaryDirectory() as directory:
            flips = try_flips(archive, arguments.flips, arguments.seed, Path(directory))
        counts = "".join(f"{flips.outcomes[outcome]:13}" for outcome in OUTCOMES)
        print(f"{kind:8}{len(archive):8}{arguments.flips:8}{counts}{flips.by_sha256:12}")
        failed |= flips.outcomes["detected"] + flips.outcomes["identical"] != arguments.flips
        harmless[kind] = flips.harmless_in
    for kind, counts in harmless.items():
        for region, number in counts.most_common():
            print(f"harmless in {kind}: {number} in {region}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
