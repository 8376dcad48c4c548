"""How many threads processes compute with that are started to work side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What NumPy's and SciPy's linear algebra, and Arrow, are told by when they are imported."""


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let processes that are started meanwhile compute with one thread, unless the user has said otherwise.

    Libraries of linear algebra use all cores by default; several processes that do so take twice as long as one.
    """
    added = [name for name in THREAD_VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
