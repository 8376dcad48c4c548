"""Parameters of NAT4."""

from __future__ import annotations

from dataclasses import dataclass

from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.errors import ParameterError

DT_MS = 10.0
"""Bin width of the population recordings, ms: 100 Hz."""


@dataclass
class Nat4Config(CorpusConfig):
    """Parameters of NAT4; the default is the published one."""

    dt_ms: float = parameter(DT_MS, "bin width of responses and spectrogram; the files have no other", unit="ms")

    def check(self) -> None:
        """Check all values.

        Raises
        ------
        ParameterError
            As in the base; or a bin width that the files do not have.
        """
        super().check()
        if self.dt_ms != DT_MS:
            raise ParameterError(
                "NAT4 has no other bin width: the lab published its spectrograms, and its responses to the estimation "
                "clips, at 100 Hz only",
                field="dt_ms",
                found=f"{self.dt_ms:g} ms",
                expected=f"{DT_MS:g} ms",
                mend="leave dt_ms out, or bin further what `deepstrf_hf.load` gives",
            )
