"""Kill `deepstrf-hf download` at random moments, run it again, and compare what is there with an undisturbed download.

    python -m scripts.download_kills [--kills 50] [--seed 0] [--corpus crcns_aa2]

Everything happens on this machine: the labs' hosts are those of the tests. Prints Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deepstrf_hf.download.lock_file import LOCK_NAME
from deepstrf_hf.registry import load_builder
from tests.download.lab_hosts.places_crcns import PASSWORD, USERNAME
from tests.download.lab_hosts.reach import child_environment
from tests.download.lab_hosts.server import LabHosts
from tests.download.packed_corpora import pack
from tests.every_corpus import TREES

PADDING_BYTES = 150_000_000
"""Added to a tree, in files of 1 MB that do not pack, so that there is something to fetch and to unpack."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Kill, run again, compare, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", default="crcns_aa2", choices=sorted(TREES))
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch, LabHosts(Path(scratch)) as lab:
        place = Path(scratch)
        publish(lab, chosen.corpus, place)
        expected, begins, takes = min(
            (undisturbed(lab, chosen.corpus, place / f"undisturbed{number}", place) for number in range(3)),
            key=lambda found: found[2],
        )
        moments = random.Random(chosen.seed)
        landed: Counter[str] = Counter()
        different = []
        for number in range(chosen.kills):
            directory = place / f"killed{number}"
            moment = moments.uniform(begins, takes)
            landed[killed_at(lab, chosen.corpus, directory, place, moment)] += 1
            run(lab, chosen.corpus, directory, place)
            found = content_of(directory)
            different += [
                f"kill {number}: {name}" for name in {*found, *expected} if found.get(name) != expected.get(name)
            ]
            shutil.rmtree(directory)
    print(f"{chosen.corpus}: {chosen.kills} kills between {begins:.2f} and {takes:.2f} s after the start\n")
    print("| what the kill left | times |\n| --- | --- |")
    for state, times in sorted(landed.items()):
        print(f"| {state} | {times} |")
    bad = {text.partition(":")[0] for text in different}
    print(f"\nByte-identical after running it again: {chosen.kills - len(bad)} of {chosen.kills}")
    if different:
        raise SystemExit("Different: " + ", ".join(different))


def publish(lab: LabHosts, corpus: str, place: Path) -> None:
    """Publish a made-up corpus, as large as it needs to be."""
    tree = TREES[corpus].write(place / "tree", seed=0)
    noise = random.Random(0)
    folder = next(path for path in sorted(tree.rglob("*")) if path.is_dir() and any(path.glob("*.wav")))
    for number in range(PADDING_BYTES // 10**6):
        (folder / f"padding{number:03d}.bin").write_bytes(noise.randbytes(10**6))
    declared = {archive.name: archive for archive in load_builder(corpus).CORPUS.archives}
    for name, path in pack(corpus, tree, place / "packed").items():
        if path.is_file():
            lab.publish(declared[name].url, path.read_bytes())


def command(lab: LabHosts, corpus: str, directory: Path, place: Path) -> subprocess.Popen[bytes]:
    """Start a download."""
    environment = child_environment(lab, place / "home") | {"CRCNS_USERNAME": USERNAME, "CRCNS_PASSWORD": PASSWORD}
    arguments = ["deepstrf_hf", "download", corpus, "--dest", str(directory)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.download.lab_hosts.run", *arguments], env=environment, stdout=subprocess.DEVNULL
    )


def run(lab: LabHosts, corpus: str, directory: Path, place: Path) -> None:
    """Download to the end."""
    if command(lab, corpus, directory, place).wait() != 0:
        raise SystemExit(f"The download into {directory.name} failed; its message is above")


def undisturbed(lab: LabHosts, corpus: str, directory: Path, place: Path) -> tuple[dict[str, str], float, float]:
    """Return what an undisturbed download gives, and when it makes its first request and is done, s after the start."""
    lab.requests.clear()
    begun = time.monotonic()
    process = command(lab, corpus, directory, place)
    while not lab.requests.records() and process.poll() is None:
        time.sleep(0.01)
    begins = time.monotonic() - begun
    process.wait()
    return content_of(directory), begins, time.monotonic() - begun


def killed_at(lab: LabHosts, corpus: str, directory: Path, place: Path, moment: float) -> str:
    """Kill a download at a moment, s after its start; return in words what it left."""
    process = command(lab, corpus, directory, place)
    try:
        process.wait(moment)
        return "all of it: it was done"
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if not (directory / LOCK_NAME).is_file():
        return "nothing, before the first file"
    entries = json.loads((directory / LOCK_NAME).read_text())["archives"].values()
    done = sum(entry["complete"] for entry in entries)
    parts = len(list(directory.glob("*.part")))
    staged = len([path for path in directory.iterdir() if path.is_dir() and path.name.startswith(".")])
    return f"{done} archives done, {parts} files in transfer, {staged} half unpacked"


def content_of(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file, the times in the lock file left out."""
    found = {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file() and path.name != LOCK_NAME
    }
    lock = json.loads((directory / LOCK_NAME).read_text())
    for entry in lock["archives"].values():
        del entry["fetched_at"]
    return {**found, LOCK_NAME: json.dumps(lock, sort_keys=True)}


if __name__ == "__main__":
    main()
