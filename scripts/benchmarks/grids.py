"""Made-up grids in the shape of two corpora, the same for every library: counts and spectrograms from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

COUNTS_PER_BIN = 0.2
"""Mean spike count per bin: 20 spikes/s in bins of 10 ms."""


@dataclass(frozen=True)
class GridSize:
    """How large a made-up grid is.

    Parameters
    ----------
    sites : int
        Groups of neurons recorded together; each hears stimuli of its own.
    neurons, stimuli : int
        In all; divided evenly among the sites.
    val_stimuli : int
        Stimuli of each site that are repeated; the last ones.
    val_trials : int
        Trials of these; others have one.
    bins, bands : int
        Shape of every spectrogram.
    dt_ms : float
        Bin width, ms.
    grows : str
        What is fewer in a smaller version: ``"neurons"``, or ``"sites"`` (with their neurons and stimuli).
    """

    sites: int
    neurons: int
    stimuli: int
    val_stimuli: int
    val_trials: int
    bins: int
    bands: int
    dt_ms: float
    grows: str

    def scaled(self, fraction: float) -> GridSize:
        """Return a version with a part of the data."""
        neurons = max(1, round(self.neurons * fraction))
        if self.grows == "neurons":
            return replace(self, neurons=neurons)
        sites = max(1, round(self.sites * fraction))
        per_site = self.neurons / self.sites, self.stimuli / self.sites
        return replace(self, sites=sites, neurons=round(per_site[0] * sites), stimuli=round(per_site[1] * sites))


SIZES = {
    # Pennington & David 2023, doi 10.1371/journal.pcbi.1011110: A1, 577 est clips and 18 val clips of 1.5 s.
    ("nat4", "full"): GridSize(1, 849, 595, 18, 20, 150, 18, 10.0, "neurons"),
    # Wingert et al. 2026, doi 10.1038/s41593-026-02216-0: A1, 20 s sequences, nothing shared between sites.
    ("wingert", "full"): GridSize(46, 2150, 5300, 6, 20, 2000, 32, 10.0, "sites"),
    ("nat4", "tiny"): GridSize(1, 24, 40, 6, 4, 30, 5, 10.0, "neurons"),
    ("wingert", "tiny"): GridSize(8, 37, 82, 2, 3, 40, 4, 10.0, "sites"),
}
"""Named sizes of the two grids."""


class Block(NamedTuple):
    """Responses of the neurons that heard one stimulus.

    Parameters
    ----------
    neurons : ndarray of int64, shape (heard,), or None
        Which they are, ascending; None is all.
    counts : ndarray of uint8, shape (heard, trials, bins)
        Spike counts.
    """

    neurons: NDArray[np.int64] | None
    counts: NDArray[np.uint8]


@dataclass(frozen=True)
class MadeGrid:
    """A made-up grid.

    Parameters
    ----------
    n_neurons : int
        Neurons in all.
    dt_ms : float
        Bin width, ms.
    spectrograms : list of ndarray of float32
        (bands, bins) each.
    blocks : list of Block
        Responses to each.
    stim_meta, nrn_meta : list of dict
        Names, sites, and ``subset`` of stimuli: ``"est"`` or ``"val"``.
    """

    n_neurons: int
    dt_ms: float
    spectrograms: list[NDArray[np.float32]]
    blocks: list[Block]
    stim_meta: list[dict[str, Any]]
    nrn_meta: list[dict[str, Any]]

    def stimuli_of(self, subset: str) -> list[int]:
        """Return the stimuli of a subset."""
        return [index for index, entry in enumerate(self.stim_meta) if entry["subset"] == subset]

    @property
    def amounts(self) -> dict[str, float]:
        """How much there is: pairs, response values, share of pairs that were recorded, MB as given."""
        pairs = sum(len(block.counts) for block in self.blocks)
        values = sum(block.counts.size for block in self.blocks)
        return {
            "neurons": self.n_neurons,
            "stimuli": len(self.blocks),
            "pairs": pairs,
            "filled": pairs / (self.n_neurons * len(self.blocks)),
            "values": values,
            "counts_mb": values / 1e6,
            "spectrograms_mb": sum(array.nbytes for array in self.spectrograms) / 1e6,
        }


def made_site(size: GridSize, site: int, seed: int = 0) -> MadeGrid:
    """Make the stimuli of one site with their responses; `nrn_meta` has the neurons of this site alone.

    Counts follow a Poisson distribution, as far as 256 quantiles can say.
    """
    generator = np.random.default_rng([seed, site])
    quantiles = _poisson_quantiles(COUNTS_PER_BIN)
    neurons = np.arange(_border(size.neurons, site, size.sites), _border(size.neurons, site + 1, size.sites))
    first, last = _border(size.stimuli, site, size.sites), _border(size.stimuli, site + 1, size.sites)
    made = MadeGrid(
        size.neurons,
        size.dt_ms,
        [],
        [],
        [],
        [{"cell_id": f"neuron{n:05d}", "site": f"site{site:03d}"} for n in neurons],
    )
    for stimulus in range(first, last):
        repeated = stimulus >= last - size.val_stimuli
        shape = len(neurons), size.val_trials if repeated else 1, size.bins
        draws = np.frombuffer(generator.bytes(int(np.prod(shape))), np.uint8)
        made.blocks.append(Block(None if size.sites == 1 else neurons, quantiles[draws].reshape(shape)))
        made.spectrograms.append(generator.random((size.bands, size.bins), np.float32))
        subset = "val" if repeated else "est"
        made.stim_meta.append({"name": f"stimulus{stimulus:05d}", "site": f"site{site:03d}", "subset": subset})
    return made


def made_grid(size: GridSize, seed: int = 0) -> MadeGrid:
    """Make a grid, site by site."""
    whole = MadeGrid(size.neurons, size.dt_ms, [], [], [], [])
    for site in range(size.sites):
        part = made_site(size, site, seed)
        whole.spectrograms.extend(part.spectrograms)
        whole.blocks.extend(part.blocks)
        whole.stim_meta.extend(part.stim_meta)
        whole.nrn_meta.extend(part.nrn_meta)
    return whole


def _border(total: int, part: int, parts: int) -> int:
    """Return where a part begins when a total is divided evenly."""
    return total * part // parts


def _poisson_quantiles(mean: float) -> NDArray[np.uint8]:
    """Return the counts at 256 equally likely quantiles of a Poisson distribution."""
    counts = np.arange(64)
    probability = np.exp(-mean) * np.cumprod(np.concatenate(([1.0], mean / counts[1:])))
    return np.searchsorted(np.cumsum(probability), (np.arange(256) + 0.5) / 256).astype(np.uint8)
