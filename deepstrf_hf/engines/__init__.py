"""What runs the parts of a build: this process, several processes, or Ray; the result is the same."""

from __future__ import annotations

from deepstrf_hf.engines.engine import ENGINES, Engine, open_engine
from deepstrf_hf.engines.schedule import run_parts

__all__ = ["ENGINES", "Engine", "open_engine", "run_parts"]
