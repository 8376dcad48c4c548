"""What the memory of this machine allows, measured on the spot; each function is a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from scripts.benchmarks.measure import seconds_of

COPY_VALUES = 2**26
"""Values of the array whose copying tells the bandwidth: 256 MB, more than any cache."""


def bandwidth() -> dict[str, float]:
    """Copy one float32 array into another that is in memory already.

    Returns
    -------
    dict
        GB copied per second, with one thread and with those of torch.
    """
    source = np.ones(COPY_VALUES, np.float32)
    target = np.zeros_like(source)
    one = seconds_of(lambda: np.copyto(target, source), at_most=9)
    source_tensor, target_tensor = torch.from_numpy(source), torch.from_numpy(target)
    threads = seconds_of(lambda: target_tensor.copy_(source_tensor), at_most=9)
    return {
        "one_thread_gb_per_s": source.nbytes / one["seconds"] / 1e9,
        "torch_threads_gb_per_s": source.nbytes / threads["seconds"] / 1e9,
        "torch_threads": torch.get_num_threads(),
    }


def fresh_batch(shape: Sequence[int]) -> dict[str, Any]:
    """Write a batch of a shape into new memory: float32 values and their mask, page faults included.

    Returns
    -------
    dict
        ``seconds`` of the fastest of several ways, by the name of the ``way``, and of ``ways``, all of them.
    """
    ways: dict[str, Callable[[], Any]] = {
        "numpy": lambda: (np.full(shape, np.nan, np.float32), np.full(shape, 1, np.int8)),
        "torch": lambda: (torch.full(list(shape), float("nan")), torch.ones(list(shape), dtype=torch.bool)),
        "numpy memory, torch threads": lambda: (
            torch.from_numpy(np.empty(shape, np.float32)).fill_(float("nan")),
            torch.from_numpy(np.empty(shape, bool)).fill_(True),
        ),
    }
    return _fastest(ways)


def fresh_copy(n_bytes: int) -> dict[str, Any]:
    """Copy bytes into new memory, page faults included; answers as `fresh_batch` does."""
    source = np.ones(n_bytes, np.uint8)
    tensor = torch.from_numpy(source)
    return _fastest(
        {
            "numpy": source.copy,
            "torch": tensor.clone,
            "numpy memory, torch threads": lambda: torch.from_numpy(np.empty_like(source)).copy_(tensor),
        }
    )


def _fastest(ways: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    seconds = {name: seconds_of(way)["seconds"] for name, way in ways.items()}
    best = min(seconds, key=lambda name: seconds[name])
    return {"seconds": seconds[best], "way": best, "ways": seconds}
