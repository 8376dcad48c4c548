"""Row groups that are decoded while the items of another are used; decoding leaves Python's lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from deepstrf_hf.grid.stream_reader import ItemReader, StreamItem


def read_ahead(
    tasks: Iterable[Sequence[int]], make_reader: Callable[[], ItemReader], depth: int
) -> Iterator[dict[int, StreamItem]]:
    """Read items block by block, the next ones while one is used.

    Parameters
    ----------
    tasks : iterable of sequence of int
        Items of one block each.
    make_reader : callable
        Makes a reader; each thread has its own.
    depth : int
        Blocks read ahead, each in a thread of its own; 0 reads when asked.

    Yields
    ------
    dict
        The items of one task by their number, in the order of the tasks.
    """
    readers: list[ItemReader] = []
    own = threading.local()

    def read(task: Sequence[int]) -> dict[int, StreamItem]:
        if not hasattr(own, "reader"):
            own.reader = make_reader()
            readers.append(own.reader)
        result: dict[int, StreamItem] = own.reader.read(task)
        return result

    pool = ThreadPoolExecutor(depth, thread_name_prefix="deepstrf-stream") if depth else None
    coming: deque[Future[dict[int, StreamItem]]] = deque()
    try:
        if pool is None:
            yield from map(read, tasks)
            return
        for task in tasks:
            coming.append(pool.submit(read, task))
            if len(coming) > depth:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        for future in coming:  # not by the pool's own option, which fails while the interpreter ends
            future.cancel()
        if pool is not None:
            pool.shutdown()
        for reader in readers:
            reader.close()
