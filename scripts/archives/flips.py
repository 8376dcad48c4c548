"""What becomes of an archive of which one bit has changed."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from deepstrf_hf.download.unpack import Limits, unpack
from deepstrf_hf.errors import ArchiveError
from scripts.archives.packing import tgz_by_library, zip_by_library

LIMITS = Limits(largest_bytes=10_000_000, most_members=1000)


def example_files(seed: int) -> dict[str, bytes]:
    """Return files as recordings have them: numbers as text and as floats, odd names, an empty file, an empty folder.

    Parameters
    ----------
    seed : int
        Of the random contents.
    """
    rng = random.Random(seed)
    files: dict[str, bytes] = {"recording/": b"", "recording/no trials/": b"", "recording/.DS_Store": bytes(100)}
    for number in range(12):
        times = ",".join(f"{rng.expovariate(20):.4f}" for _ in range(150)).encode()
        files[f"recording/unit {number}/spikes_é{number}.csv"] = times
        files[f"recording/unit {number}/sound.bin"] = rng.randbytes(600)
    files["recording/empty"] = b""
    return files


@dataclass
class Flips:
    """Counts of flips by what became of them.

    Attributes
    ----------
    outcomes : Counter
        ``"detected"`` (an `ArchiveError`, and nothing left behind), ``"identical"`` (unpacked to the same bytes),
        ``"different"``, ``"other error"`` or ``"left traces"``.
    harmless_in : Counter
        Parts of the archive where flips did not change what was unpacked.
    by_sha256 : int
        Flips that the SHA-256 of the archive shows.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    harmless_in: Counter[str] = field(default_factory=Counter)
    by_sha256: int = 0


def example_archives(seed: int) -> dict[str, bytes]:
    """Return a zip archive and a gzipped tar archive of `example_files`."""
    files = example_files(seed)
    return {"zip": zip_by_library(files), "tar.gz": tgz_by_library(files)}


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return the content of each file below a folder, and None for each folder."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")
    }


def try_flips(archive: bytes, n_flips: int, seed: int, directory: Path) -> Flips:
    """Flip one bit at a time, at random places, and unpack.

    Parameters
    ----------
    archive : bytes
        A whole archive.
    n_flips : int
        How many bits, one after the other, each in the whole archive.
    seed : int
        Of the places.
    directory : Path
        An empty directory.

    Returns
    -------
    Flips
        What became of them.
    """
    rng, flips = random.Random(seed), Flips()
    packed, target = directory / "archive", directory / "data" / "target"
    packed.write_bytes(archive)
    members = unpack(packed, target, limits=LIMITS)
    content, digest = tree(target), hashlib.sha256(archive).digest()
    regions = _regions(archive)
    for number in range(n_flips):
        bit = rng.randrange(8 * len(archive))
        broken = bytearray(archive)
        broken[bit // 8] ^= 1 << bit % 8
        packed.write_bytes(broken)
        flips.by_sha256 += hashlib.sha256(broken).digest() != digest
        folder = directory / f"data{number}"
        folder.mkdir()
        try:
            found = unpack(packed, folder / "target", limits=LIMITS)
        except ArchiveError:
            outcome = "left traces" if any(folder.iterdir()) else "detected"
        except Exception:  # noqa: BLE001
            outcome = "other error"
        else:
            same = (found, tree(folder)) == (
                members,
                {"target": None, **{f"target/{k}": v for k, v in content.items()}},
            )
            outcome = "identical" if same else "different"
        flips.outcomes[outcome] += 1
        if outcome == "identical":
            flips.harmless_in[_region_at(regions, bit // 8)] += 1
    return flips


def _regions(archive: bytes) -> list[tuple[int, str]]:
    """Return where the parts of an archive begin, and what they are, in ascending order."""
    if archive[:2] == b"\x1f\x8b":
        return [(0, "gzip header"), (10, "deflated data"), (len(archive) - 8, "check sum and length")]
    begins, at = [], 0
    while archive[at : at + 4] == b"PK\3\4":
        packed, name = int.from_bytes(archive[at + 18 : at + 22], "little"), archive[at + 26]
        begins += [
            (at, "header of a member: version, flags, time, sizes"),
            (at + 30, "name"),
            (at + 30 + name, "content"),
        ]
        at += 30 + name + packed
    while archive[at : at + 4] == b"PK\1\2":
        begins += [(at, "directory"), (at + 46, "name in the directory")]
        at += 46 + archive[at + 28]
    return [*begins, (at, "end record")]


def _region_at(regions: list[tuple[int, str]], position: int) -> str:
    return next(name for begin, name in reversed(regions) if begin <= position)
