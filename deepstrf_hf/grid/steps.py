"""Preprocessing steps as a grid does them: on stimuli with their stored ranges, on responses with those of neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError, TableFormatError
from deepstrf_hf.features.compression import StandardizeBands
from deepstrf_hf.features.scaling import ScaleBands
from deepstrf_hf.grid.neuron_scaling import NeuronScaling
from deepstrf_hf.grid.response_buffer import NeuronStep
from deepstrf_hf.grid.response_buffer import Step as BoundStep
from deepstrf_hf.grid.storage import PackedGrid
from deepstrf_hf.names import BAND_MAX, BAND_MIN, STIMULUS_PREFIX
from deepstrf_hf.parquet import as_numpy
from deepstrf_hf.preprocessing import ForStimuli, Step, is_for_stimuli
from deepstrf_hf.responses.scaling import ScaleResponses


@dataclass(frozen=True, eq=False)
class StimulusPreprocessing:
    """What is done to spectrograms when they are read.

    Parameters
    ----------
    steps : tuple of StimulusStep, ScaleBands or StandardizeBands
        In order.
    ranges : mapping of str to ndarray of float32, shape (stimuli, bands, 2)
        Low and high of each band by the name of the range, for all stimuli of the stimuli table.
    frames : mapping of str to sequence of int or None
        Bins that the analysis reached by the name of the attribute, for all stimuli; None is all.

    Raises
    ------
    GridError
        A step needs a range or an attribute that is not there, or a range after bands were standardized.
    """

    steps: tuple[ForStimuli, ...] = ()
    ranges: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    frames: Mapping[str, Sequence[int | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lacking = [name for name in ranges_needed(self.steps) if name not in self.ranges]
        if lacking:
            raise GridError(
                "A step of preprocessing needs a range of bands that the stimuli lack",
                field=lacking[0],
                expected=", ".join(self.ranges) or "no ScaleBands: these stimuli carry no ranges",
                mend="build the tables again, or leave the step out",
            )
        lacking = [name for name in frames_needed(self.steps) if name not in self.frames]
        if lacking:
            raise GridError(
                "A step of preprocessing needs an attribute that the stimuli lack",
                field=lacking[0],
                expected="a whole number: the bins that the analysis reached",
                mend="StandardizeBands() standardizes over all bins",
            )
        kinds = [type(step) for step in self.steps]
        if StandardizeBands in kinds and ScaleBands in kinds[kinds.index(StandardizeBands) :]:
            raise GridError(
                "Stored ranges say nothing of bands that were standardized",
                field="preprocessing",
                found="ScaleBands after StandardizeBands",
                expected="one of the two",
            )

    @classmethod
    def of_table(cls, steps: Sequence[Step], table: pa.Table | None, path: str) -> StimulusPreprocessing:
        """Take the steps that are for stimuli, with the columns they need (see `columns_needed`)."""
        if table is None:
            return cls(steps_for_stimuli(steps))
        frames = {
            name: table.column(STIMULUS_PREFIX + name).to_pylist()
            for name in frames_needed(steps)
            if STIMULUS_PREFIX + name in table.column_names
        }
        return cls(steps_for_stimuli(steps), ranges_in(table, path), frames)

    @classmethod
    def of_metadata(cls, steps: Sequence[Step], stim_meta: Sequence[Any], n_stimuli: int) -> StimulusPreprocessing:
        """Take the steps that are for stimuli, with the attributes they need from metadata of all stimuli."""
        frames = {
            name: [entry[name] for entry in stim_meta]
            for name in frames_needed(steps)
            if len(stim_meta) == n_stimuli and all(isinstance(entry, Mapping) and name in entry for entry in stim_meta)
        }
        return cls(steps_for_stimuli(steps), {}, frames)

    def __getstate__(self) -> dict[str, Any]:
        # What was worked out from the rest need not travel.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _of_cohort(self) -> dict[str, NDArray[np.float32]]:
        return {
            name: np.stack([values[:, :, 0].min(axis=0), values[:, :, 1].max(axis=0)], axis=1)
            for name, values in self.ranges.items()
        }

    def apply(self, stimulus: int, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a preprocessed spectrogram.

        Parameters
        ----------
        stimulus : int
            Its place in the stimuli table.
        spectrogram : ndarray of float32, shape (bands, bins)
            As stored.

        Raises
        ------
        GridError
            A step changed the shape.
        """
        limits = {(name, "stimulus"): values[stimulus] for name, values in self.ranges.items()}
        limits |= {(name, "cohort"): values for name, values in self._of_cohort.items()}
        for step in self.steps:
            # Ranges go through the steps as spectrograms of two bins, so that they are those of what comes out.
            if isinstance(step, ScaleBands):
                own = limits[step.range, step.over]
                spectrogram = step.scale(spectrogram, own)
                limits = {key: step.scale(values, own) for key, values in limits.items()}
                continue
            if isinstance(step, StandardizeBands):
                known = None if step.frames is None else self.frames[step.frames][stimulus]
                spectrogram = step.standardize(spectrogram, spectrogram.shape[1] if known is None else known)
                continue
            shape = spectrogram.shape
            spectrogram = step.apply(spectrogram)
            limits = {key: step.apply(values) for key, values in limits.items()}
            if spectrogram.shape != shape:
                raise GridError(
                    "A step of preprocessing changed the shape of a spectrogram",
                    field=type(step).__name__,
                    found=spectrogram.shape,
                    expected=shape,
                )
        return np.ascontiguousarray(spectrogram, np.float32)


def steps_for_stimuli(steps: Sequence[Step]) -> tuple[ForStimuli, ...]:
    """Return the steps that are for stimuli."""
    return tuple(step for step in steps if is_for_stimuli(step))


def ranges_needed(steps: Sequence[Step]) -> list[str]:
    """Return the names of the stored ranges that steps ask for."""
    return sorted({step.range for step in steps if isinstance(step, ScaleBands)})


def frames_needed(steps: Sequence[Step]) -> list[str]:
    """Return the names of the attributes of stimuli that steps ask for."""
    return sorted({step.frames for step in steps if isinstance(step, StandardizeBands) and step.frames is not None})


def columns_needed(steps: Sequence[Step], there: Sequence[str]) -> list[str]:
    """Return the columns of the stimuli table that steps ask for, as far as they are there."""
    wanted = [beginning + name for name in ranges_needed(steps) for beginning in (BAND_MIN, BAND_MAX)]
    wanted += [STIMULUS_PREFIX + name for name in frames_needed(steps)]
    return [name for name in wanted if name in there]


def ranges_in(table: pa.Table, path: str) -> dict[str, NDArray[np.float32]]:
    """Return the ranges that a table of stimuli holds, by name; shape (stimuli, bands, 2) each.

    Raises
    ------
    TableFormatError
        Ranges that differ in their number of bands.
    """
    names = [name.removeprefix(BAND_MIN) for name in table.column_names if name.startswith(BAND_MIN)]
    ranges = {}
    for name in names:
        sides = []
        for beginning in (BAND_MIN, BAND_MAX):
            column = table.column(beginning + name)
            bands = {*column.combine_chunks().value_lengths().to_pylist()}
            if column.null_count or len(bands) > 1:
                raise TableFormatError(
                    "Ranges of bands have different numbers of bands",
                    path=path,
                    field=beginning + name,
                    found=sorted(bands, key=str),
                    mend="build or download it again",
                )
            sides.append(as_numpy(column.combine_chunks().flatten()).reshape(len(column), -1))
        ranges[name] = np.stack(sides, axis=2).astype(np.float32)
    return ranges


@dataclass(frozen=True, eq=False)
class ResponsePreprocessing:
    """What is done to responses when they are handed out.

    Parameters
    ----------
    steps : tuple of (str or None, step)
        In order, each with the subset of the stimuli (the lab's own word) it is for; None is all.
    """

    steps: tuple[tuple[str | None, BoundStep], ...] = ()

    @classmethod
    def bind(cls, steps: Sequence[Step], nrn_meta: Sequence[Mapping[str, Any]]) -> ResponsePreprocessing:
        """Take the steps that are for responses, with what they need to know of neurons.

        Parameters
        ----------
        steps : sequence of Step
            All steps.
        nrn_meta : sequence of mapping
            Metadata of all neurons of the cohort, whichever are wanted.

        Raises
        ------
        GridError
            The neurons lack a column that a step asks for.
        """
        bound: list[tuple[str | None, Any]] = []
        for step in steps:
            if isinstance(step, ScaleResponses):
                bound.append((step.subset, _bound(step, nrn_meta)))
            elif not is_for_stimuli(step):
                bound.append((None, step))
        return cls(tuple(bound))

    def of(self, subset: str | None) -> tuple[BoundStep, ...]:
        """Return the steps for responses to stimuli of a subset."""
        return tuple(step for of_subset, step in self.steps if of_subset in (None, subset))

    @property
    def common(self) -> tuple[BoundStep, ...]:
        """The steps if they are the same for all stimuli, else none."""
        return self.of(None) if all(subset is None for subset, _ in self.steps) else ()

    def renumbered(self, neuron: NDArray[np.int64]) -> ResponsePreprocessing:
        """Return the steps for a grid of these neurons, in this order."""
        return ResponsePreprocessing(
            tuple(
                (subset, step.renumbered(neuron) if isinstance(step, NeuronStep) else step)
                for subset, step in self.steps
            )
        )

    def done_to(self, grid: PackedGrid, subsets: Sequence[str | None]) -> PackedGrid:
        """Return a grid of one buffer with these steps, given the subset of each stimulus."""
        kinds: dict[tuple[int, ...], int] = {}
        steps: list[tuple[BoundStep, ...]] = []
        kind_of: dict[str | None, int] = {}
        for subset in dict.fromkeys(subsets):
            of_subset = self.of(subset)
            kind_of[subset] = kinds.setdefault(tuple(map(id, of_subset)), len(kinds))
            if len(steps) < len(kinds):
                steps.append(of_subset)
        return replace(
            grid,
            buffers=tuple(replace(grid.buffers[0], steps=of_kind) for of_kind in steps),
            stimulus_buffer=np.array([kind_of[subset] for subset in subsets], np.int16),
        )


def _bound(step: ScaleResponses, nrn_meta: Sequence[Mapping[str, Any]]) -> NeuronScaling:
    low, high = (_column(name, nrn_meta) for name in (step.low, step.high))
    if step.over == "cohort" and np.isfinite(low).any() and np.isfinite(high).any():
        low, high = np.full_like(low, np.nanmin(low)), np.full_like(high, np.nanmax(high))
    scaled = high > low  # False where one is unknown
    return NeuronScaling(
        np.where(scaled, high - low, 1).astype(np.float32),
        np.where(scaled, low, 0).astype(np.float32),
        step.describe(),
        step.zero_below,
    )


def _column(name: str, nrn_meta: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    if not nrn_meta or name not in nrn_meta[0]:
        raise GridError(
            "A step of preprocessing needs a column that the neurons lack",
            field=name,
            expected=", ".join(nrn_meta[0]) if nrn_meta else "metadata of neurons",
            mend="build the tables again, or leave the step out",
        )
    return np.array([np.nan if entry[name] is None else entry[name] for entry in nrn_meta], np.float64)
