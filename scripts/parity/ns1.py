"""NS1: a built corpus against what deepSTRF 0.1.0 makes of the same raw files: values, time, memory.

Each of the two is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.io

BATCH_SIZE = 4
REPEATS = 7
SHARED = """
import json, resource, statistics, sys, time
import numpy as np
import torch
def rss():
    return {line.split()[0]: int(line.split()[1]) / 1024 for line in open("/proc/self/status")
            if line.startswith(("VmRSS", "VmHWM"))}
def measure(dataset, collate, seconds, before):
    after = rss()
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, collate_fn=collate)
    batch = next(iter(loader))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for batch in loader:
            pass
        times.append((time.perf_counter() - start) / len(loader))
    return {"load_s": seconds, "rss_before_mb": before["VmRSS:"], "rss_after_mb": after["VmRSS:"],
            "peak_after_load_mb": after["VmHWM:"], "peak_after_epochs_mb": rss()["VmHWM:"],
            "batch_ms": statistics.median(times) * 1000, "batch_ms_fastest": min(times) * 1000,
            "batch_shape": list(batch["responses"].shape)}
"""
PEER = """
from deepSTRF.datasets.audio import NS1Dataset
from deepSTRF.utils.data import neural_collate
before = rss(); start = time.perf_counter()
dataset = NS1Dataset(path=RAW, smooth=SMOOTH)
result = measure(dataset, neural_collate, time.perf_counter() - start, before)
if not SMOOTH:
    names = [entry["cell_id"] for entry in dataset.nrn_meta]
    counts = np.stack([np.stack([response.numpy() for response in row]) for row in dataset.responses]).astype(np.uint8)
    stims = [entry["name"] for entry in dataset.stim_meta]
    np.savez_compressed(OUT, names=np.array(names), stims=np.array(stims), counts=counts)
json.dump(result, sys.stdout)
"""
OURS = """
import deepstrf_hf
load, neural_collate = deepstrf_hf.load, deepstrf_hf.neural_collate
before = rss(); start = time.perf_counter()
dataset = load(BUILT, "a1", preprocessing="published" if SMOOTH else None, cache=CACHE)
result = measure(dataset, neural_collate, time.perf_counter() - start, before)
json.dump(result, sys.stdout)
"""


def run(python: str, code: str, **values: object) -> dict:
    """Run a snippet in a process of its own and return what it measured."""
    constants = {"BATCH": BATCH_SIZE, "REPEATS": REPEATS, **values}
    assignments = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    done = subprocess.run([python, "-c", f"{assignments}\n{SHARED}\n{code}"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{python} failed:\n{done.stderr}")
    result: dict = json.loads(done.stdout.splitlines()[-1])
    return result


def tree_for_peer(raw: Path, built: Path, scratch: Path) -> Path:
    """Make a raw tree with the spectrogram file that deepSTRF wants, from our own stimuli where it is missing."""
    import deepstrf_hf

    tree = scratch / "raw"
    tree.mkdir()
    for entry in raw.iterdir():
        (tree / entry.name).symlink_to(entry.resolve())
    if not (tree / "test_data_5ms.mat").exists():
        grid = deepstrf_hf.load(built, "a1", cache=False)
        stack = np.stack([stimulus.numpy() for stimulus in grid.stims]).transpose(0, 2, 1, 3).astype(float)
        scipy.io.savemat(tree / "test_data_5ms.mat", {"X_nfht": stack, "y_nt": np.zeros((20, 999))})
    return tree


def agreement(built: Path, peer: Path) -> dict[str, int]:
    """Compare spike counts: equal where deepSTRF loses nothing, and by how much they differ elsewhere."""
    import deepstrf_hf

    theirs = dict(np.load(peer))  # decompressed once
    grid = deepstrf_hf.load(built, "a1", preprocessing=None, cache=False)
    neurons = {entry["cell_id"]: index for index, entry in enumerate(grid.nrn_meta)}
    stimuli = {entry["name"]: index for index, entry in enumerate(grid.stim_meta)}
    found = dict.fromkeys(("trials", "equal", "equal_total", "fewer_in_deepstrf", "more_in_deepstrf"), 0)
    spikes = dict.fromkeys(("ours", "deepstrf"), 0)
    for s, stimulus in enumerate(theirs["stims"]):
        for n, name in enumerate(theirs["names"]):
            ours = grid.responses[stimuli[str(stimulus)]][neurons[str(name)]].numpy().astype(int)
            counts = theirs["counts"][s, n].astype(int)
            same = (ours == counts).all(axis=1)
            difference = ours.sum(axis=1) - counts.sum(axis=1)
            found["trials"] += len(ours)
            found["equal"] += int(same.sum())
            found["equal_total"] += int((~same & (difference == 0)).sum())
            found["fewer_in_deepstrf"] += int((difference > 0).sum())
            found["more_in_deepstrf"] += int((difference < 0).sum())
            spikes["ours"] += int(ours.sum())
            spikes["deepstrf"] += int(counts.sum())
    return {**found, **{f"spikes_{name}": count for name, count in spikes.items()}}


def exact_agreement(raw: Path, peer: Path) -> bool:
    """Say whether a build with deepSTRF's own rule (`binning=one_per_ms`) gives its counts, value by value."""
    import deepstrf_hf

    theirs = dict(np.load(peer))  # decompressed once
    with tempfile.TemporaryDirectory() as scratch:
        report = deepstrf_hf.build(
            "ns1", data_dir=raw, out=Path(scratch) / "ns1", parameters={"binning": "one_per_ms"}, on_error="skip"
        )
        grid = deepstrf_hf.load(Path(scratch) / "ns1", next(iter(report.cohorts)), preprocessing=None, cache=False)
        neurons = {entry["cell_id"]: index for index, entry in enumerate(grid.nrn_meta)}
        stimuli = {entry["name"]: index for index, entry in enumerate(grid.stim_meta)}
        return all(
            np.array_equal(grid.responses[stimuli[str(stimulus)]][neurons[str(name)]].numpy(), theirs["counts"][s, n])
            for s, stimulus in enumerate(theirs["stims"])
            for n, name in enumerate(theirs["names"])
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the comparison needs to know."""
    parser.add_argument("--data", type=Path, required=True, help="raw files")
    parser.add_argument("--built", type=Path, required=True, help="directory that `deepstrf-hf build` wrote")
    parser.add_argument("--peer-python", required=True, help="Python of an environment with deepSTRF 0.1.0")
    parser.add_argument("--runs", type=int, default=3, help="runs of each; the median is printed")


def compare(chosen: argparse.Namespace) -> int:
    """Run the comparison, print it as a Markdown table and return the exit code."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        tree, counts = tree_for_peer(chosen.data, chosen.built, scratch), scratch / "counts.npz"
        print("| measure | deepSTRF 0.1.0 | opened first | ratio | opened again | ratio |")
        print("| --- | --- | --- | --- | --- | --- |")
        for smooth in (False, True):
            runs: dict[str, list[dict]] = {"deepSTRF": [], "first": [], "again": []}
            for number in range(chosen.runs):
                runs["deepSTRF"].append(run(chosen.peer_python, PEER, RAW=str(tree), SMOOTH=smooth, OUT=str(counts)))
                cache = str(scratch / f"cache-{smooth}-{number}")
                for when in ("first", "again"):
                    ours = run(sys.executable, OURS, BUILT=str(chosen.built), SMOOTH=smooth, CACHE=cache)
                    runs[when].append(ours)
            label = "21 ms smoothing" if smooth else "plain counts"
            for key in runs["first"][0]:
                if key == "batch_shape":
                    continue
                theirs, first, again = (statistics.median(one[key] for one in measured) for measured in runs.values())
                ratios = [f"{ours:.3f} | {theirs / ours:.1f}" for ours in (first, again)]
                print(f"| {label}: {key} | {theirs:.3f} | {' | '.join(ratios)} |")
        print(f"\nBatches of {BATCH_SIZE} clips: {runs['first'][0]['batch_shape']} (B, neurons, trials, bins)\n")
        for name, value in agreement(chosen.built, counts).items():
            print(f"- {name}: {value:,}")
        print(f"- counts with binning=one_per_ms equal deepSTRF's, value by value: {exact_agreement(tree, counts)}")
    return 0
