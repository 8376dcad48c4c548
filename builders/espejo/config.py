"""The two releases of Espejo 2019, and the parameters of a build."""

from __future__ import annotations

from dataclasses import dataclass

from deepstrf_hf.config import CorpusConfig, parameter

SAMPLE_RATE_HZ = 100
"""Bins per second of tiles and responses, as every header states it."""


@dataclass(frozen=True)
class Release:
    """One of the two sets of recordings.

    Parameters
    ----------
    cohort : str
        Its cohort, and the type of its stimuli.
    archive : str
        File that holds it.
    folder : str
        Where its recordings lie, below the raw directory.
    stimulus_format : str
        What their meta data must say of the tiles (``stimfmt``).
    n_bands : int
        Channels of a tile.
    sounds : str or None
        Folder of the sounds that were played, where they can be had.
    """

    cohort: str
    archive: str
    folder: str
    stimulus_format: str
    n_bands: int
    sounds: str | None


NAT = Release("nat", "A1_natural_sounds.tgz", "A1_natural_sounds/NAT", "ozgf", 18, "nat_waveforms")
VMN = Release("vmn", "A1_voc_mod_noise.tgz", "A1_voc_mod_noise/VMN", "envelope", 2, None)
RELEASES = {release.cohort: release for release in (NAT, VMN)}


@dataclass
class EspejoConfig(CorpusConfig):
    """Parameters of Espejo 2019; the defaults are the published ones."""

    dt_ms: float = parameter(10.0, "bin width; the tiles have no other", unit="ms", choices=(10.0,))
    binning: str = parameter(
        "recording",
        "bins of spike times: those of the recording, in which NEMS counts, or counted from the start of each epoch, "
        "as deepSTRF 0.1.0 does; recordings that come as counts have but the former",
        choices=("recording", "epoch"),
    )
