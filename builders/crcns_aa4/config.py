"""Parameters of CRCNS AA4."""

from __future__ import annotations

from deepstrf_hf.features.mel_config import MelConfig


class CrcnsAa4Config(MelConfig):
    """Parameters of AA4; the defaults are the published ones. Frames slip against bins by 51 ms in 3 s."""

    SAMPLE_RATE_HZ = 24_414
    """Rate of the sounds, Hz, but for strays."""
