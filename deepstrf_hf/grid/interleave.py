"""Several streams as one: what they must have in common, and what they are called."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deepstrf_hf.errors import GridError, MissingDependencyError, ParameterError

try:
    import torch

    from deepstrf_hf.grid.concat import SAME_FREQUENCY, MixedSignalsWarning
    from deepstrf_hf.grid.interleave_order import InterleavedOrder
    from deepstrf_hf.grid.interleave_stream import InterleavedStream
    from deepstrf_hf.grid.stream_dataset import ResponseStream
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingDependencyError(
        "The grid needs PyTorch", found="no torch", mend="pip install 'deepstrf-hf[torch]'"
    ) from error


def interleave(
    streams: Sequence[ResponseStream] | Mapping[str, ResponseStream],
    probabilities: Sequence[float] | None = None,
    seed: int = 0,
    stop: str = "first",
    *,
    allow_different_bands: bool = False,
) -> InterleavedStream:
    """Make one stream of several: items of all, in an order drawn from a seed.

    Items are those of the streams, with all neurons of all streams in place of their own: responses of the others are
    missing, as in `concat_neural_datasets`. So every item fits every batch, and `collate_heard_neurons` makes batches
    of the neurons with data. ``item["dataset"]`` says which stream an item is of; `neural_collate` makes a list of it.

    Parameters
    ----------
    streams : sequence of ResponseStream, or mapping of str to ResponseStream
        What `deepstrf_hf.stream` returned, two or more, with their own shuffling and seeds. They are copied: their
        epoch and position do not matter, and do not change. A mapping says what they are called; otherwise it is their
        corpus and configuration, with a number where another has the same.
    probabilities : sequence of float, optional
        Chance of each stream to give the next item; their sum is 1. By default every order of the items is equally
        likely, so that streams come as often as they are long and last until the end.
    seed : int
        Of the draws; they are others in every epoch, `InterleavedStream.set_epoch`.
    stop : str
        ``"first"``: an epoch ends with the last item of the first stream that has no more; each worker of each node
        sees to that for its own share. ``"all"``: it ends when all have given every item, once; the chances of those
        that are left keep their ratios.
    allow_different_bands : bool
        Spectrograms of as many bands but other centre frequencies may stand together.

    Returns
    -------
    InterleavedStream
        An ``IterableDataset`` with the protocol of a `ResponseStream`.

    Warns
    -----
    MixedSignalsWarning
        Kinds of signals differ.

    Raises
    ------
    ParameterError
        Fewer than two streams, or what is none; shares of different nodes; an argument that cannot be used.
    GridError
        Bin widths, bands, or kinds of stimuli that differ.
    """
    named = _named(streams)
    order = InterleavedOrder.checked(len(named), probabilities, seed, stop)
    _check_alike(named, allow_different_bands)
    kinds = sorted({stream.description.signal_type for stream in named.values()})
    if len(kinds) > 1:
        warnings.warn(
            f"Responses of different kinds stand in one stream: {', '.join(kinds)}. Their units differ",
            MixedSignalsWarning,
            stacklevel=2,
        )
    return InterleavedStream({name: _fresh(stream) for name, stream in named.items()}, order)


def _named(streams: Any) -> dict[str, ResponseStream]:
    """Return streams by name.

    Raises
    ------
    ParameterError
        Fewer than two, something else, or shares of different nodes.
    """
    if isinstance(streams, Mapping):
        names, listed = list(streams), list(streams.values())
    else:
        one = isinstance(streams, torch.utils.data.IterableDataset) or not isinstance(streams, Iterable)
        names, listed = [], [streams] if one else list(streams)
    for index, stream in enumerate(listed):
        if not isinstance(stream, ResponseStream):
            raise ParameterError(
                "Not a stream",
                field=f"streams[{names[index] if names else index!r}]",
                found=f"{stream!r:.80}",
                expected="what deepstrf_hf.stream returned",
            )
    if len(listed) < 2:
        raise ParameterError("Too few streams to interleave", field="streams", found=len(listed), expected="2 or more")
    if not all(isinstance(name, str) and name for name in names):
        raise ParameterError("Names of streams must be text", field="streams", found=repr(names))
    shares = {(stream._order.rank, stream._order.world_size) for stream in listed}
    if len(shares) > 1:
        raise ParameterError(
            "Shares of different nodes cannot stand in one stream",
            field="streams",
            found=", ".join(f"node {rank} of {size}" for rank, size in sorted(shares)),
            mend="interleave whole streams, and split the result by node",
        )
    named: dict[str, ResponseStream] = {}
    for stream, stem in zip(listed, names or [stream.description.name for stream in listed], strict=True):
        name, number = stem, 2
        while name in named:
            name, number = f"{stem}#{number}", number + 1
        named[name] = stream
    return named


def _check_alike(streams: Mapping[str, ResponseStream], allow_different_bands: bool) -> None:
    """Refuse streams that no model could take together.

    Raises
    ------
    GridError
        Naming them and what differs.
    """
    (first_name, first), *others = streams.items()
    for name, other in others:
        for quantity, found, expected, mend in (
            ("bin widths (dt, ms)", other.dt, first.dt, "build one of them with the other's dt_ms"),
            ("kinds of stimuli", _kind(other), _kind(first), "open all with the same stimulus=..."),
            ("numbers of frequency bands", other.F, first.F, "build one of them with the other's number of bands"),
            ("rates of waveforms (Hz)", other.audio_fs, first.audio_fs, "open all with the same audio_fs=..."),
        ):
            if found != expected:
                raise GridError(
                    f"Different {quantity}",
                    field=f"{name} beside {first_name}",
                    found=f"{found} in {name}",
                    expected=f"{expected}, as in {first_name}",
                    mend=mend,
                )
    if first.description.waveform or allow_different_bands:
        return
    known = [(name, one.description.band_frequencies_hz) for name, one in streams.items()]
    bands = [(name, np.array(hz, np.float64)) for name, hz in known if hz is not None]
    for name, here in bands[1:]:
        beside, there = bands[0]
        if not np.allclose(here, there, rtol=SAME_FREQUENCY):
            worst = int(np.argmax(np.abs(here / there - 1)))
            raise GridError(
                "Frequency bands of different centre frequencies",
                field=f"band {worst} of {name} beside {beside}",
                found=f"{here[worst]:.0f} Hz in {name}, of {here[0]:.0f} to {here[-1]:.0f} Hz",
                expected=f"{there[worst]:.0f} Hz as in {beside}, of {there[0]:.0f} to {there[-1]:.0f} Hz",
                mend="interleave(..., allow_different_bands=True) if the model may mix them",
            )


def _kind(stream: ResponseStream) -> str:
    return "waveforms" if stream.description.waveform else "spectrograms"


def _fresh(stream: ResponseStream) -> ResponseStream:
    """Return a copy of a stream at the beginning of its first epoch, that nobody else moves on."""
    own = copy.copy(stream)
    own._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
    own._progress = own._resume = None
    return own
