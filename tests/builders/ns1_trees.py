"""What tests do to raw NS1 trees."""

from pathlib import Path

import numpy as np
import scipy.io

N_BINS = 999


def unit_files(raw: Path) -> list[Path]:
    return sorted(raw.glob("spikesandwav/*/*/cluster.*.data.mat"))


def change_unit(path: Path, change) -> None:
    """Read a unit file, change its structures in place, and write it back."""
    data = scipy.io.loadmat(path, variable_names=["data"])["data"]
    change(data[0, 0]["set"])
    scipy.io.savemat(path, {"data": data})


def expected_counts(times: np.ndarray, dt_ms: float, n_bins: int) -> np.ndarray:
    """Count spikes bin by bin, from the definition."""
    return (
        np.histogram(times[times >= 0], bins=np.arange(n_bins + 1) * dt_ms)[0]
        - np.histogram(times[times == n_bins * dt_ms], bins=np.arange(n_bins + 1) * dt_ms)[0]
    )
