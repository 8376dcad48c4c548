"""Make all comparisons on our data set and on deepSTRF's; run by `fitters` in deepSTRF's environment.

Prints one JSON object per comparison.
"""

from __future__ import annotations

import json
from typing import Any

import deepstrf_hf
from scripts.parity import fits, transforms
from scripts.parity.comparison import Comparison
from scripts.parity.equality import compared
from scripts.parity.recordings import our_dataset, peer_dataset, simulate


def main() -> None:
    """Make all comparisons and print them."""
    for comparison in (*fits.comparisons(), *transforms.comparisons()):
        print(json.dumps(made(comparison)), flush=True)


def made(comparison: Comparison) -> dict[str, Any]:
    """Make a comparison and return what `compared` says, or the error that our data set led to."""
    from deepSTRF.utils import data

    arrays = simulate(comparison.waveform, comparison.missing_samples)
    theirs = comparison.measure(peer_dataset(arrays), data.neural_collate)
    said: dict[str, Any] = {"name": comparison.name, "tolerance": comparison.tolerance}
    try:
        ours = comparison.measure(our_dataset(arrays), deepstrf_hf.neural_collate)
    except Exception as error:  # noqa: BLE001 (whatever is raised on our data set is the result)
        return said | {"error": f"{type(error).__name__}: {error}"}
    return said | compared(ours, theirs)


if __name__ == "__main__":
    main()
