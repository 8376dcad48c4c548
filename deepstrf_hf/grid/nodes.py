"""Which node this process is, where several train together."""

from __future__ import annotations

import os

import torch.distributed as dist

from deepstrf_hf.errors import ParameterError


def this_node(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return rank and number of nodes, as given or as this process was started.

    Parameters
    ----------
    rank, world_size : int or None
        As given. Both None: those of the default group of ``torch.distributed``, once it is initialised (Ray Train does
        so too); else what ``torchrun`` put into the environment (``RANK``, ``WORLD_SIZE``); else the only node.

    Returns
    -------
    int, int
        Rank, counted from 0, and number of nodes.

    Raises
    ------
    ParameterError
        One of the two is missing, or the environment says something else than numbers.
    """
    if rank is not None and world_size is not None:
        return rank, world_size
    if rank is not None or world_size is not None:
        raise ParameterError(
            "A rank says nothing without the number of nodes",
            field="world_size" if world_size is None else "rank",
            found="None",
            expected="both numbers, or neither",
        )
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    said = {name: os.environ.get(name) for name in ("RANK", "WORLD_SIZE")}
    if None in said.values():
        return 0, 1
    try:
        return int(said["RANK"] or ""), int(said["WORLD_SIZE"] or "")
    except ValueError as error:
        raise ParameterError(
            "The environment does not say which node this is",
            field="RANK, WORLD_SIZE",
            found=f"{said['RANK']!r}, {said['WORLD_SIZE']!r}",
            expected="whole numbers, as torchrun sets them",
            mend="split_by_node(rank, world_size)",
        ) from error
