"""The stimuli of a cohort, preprocessed spectrograms or waveforms on the bins of the responses, in one buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.cache.remembered import logger
from deepstrf_hf.cache.stores import ArrayStore
from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.check import refuse_not_finite, whole_hop
from deepstrf_hf.grid.load_tables import CohortFiles
from deepstrf_hf.grid.spectrograms import matrix_of
from deepstrf_hf.grid.steps import StimulusPreprocessing, columns_needed, steps_for_stimuli
from deepstrf_hf.grid.stimuli import PackedStimuli
from deepstrf_hf.names import AUDIO_ONSET
from deepstrf_hf.parquet import column_names, row_groups, row_groups_ahead
from deepstrf_hf.preprocessing import Step, is_declarable, steps_to_json

WAVEFORM_COLUMNS = ("stim_id", "audio", "stim_sample_rate_hz", AUDIO_ONSET)


def open_spectrograms(files: CohortFiles, wanted: NDArray[np.bool_], steps: Sequence[Step]) -> PackedStimuli:
    """Read and preprocess spectrograms, or map what was made of them before.

    Parameters
    ----------
    files : CohortFiles
        Files and cache.
    wanted : ndarray of bool, shape (stimuli of the table,)
        Which to read.
    steps : sequence of Step
        Preprocessing; those for responses do not matter.

    Raises
    ------
    TableFormatError
        A spectrogram is absent or no matrix.
    GridError
        Not finite, or the stimuli lack what a step needs.
    """
    mine = steps_for_stimuli(steps)

    def make(store: ArrayStore) -> Any:
        return _append(store, _spectrograms(files.stimuli, wanted, _for_stimuli(steps, files.stimuli)))

    if not all(map(is_declarable, mine)):  # what a step of one's own does may change from one day to the next
        logger.info("Spectrograms with steps of one's own are not kept in the cache")
        return _packed(*files.without_cache().remembered(make))
    return _packed(*files.remembered(make, "spectrograms", np.flatnonzero(wanted).tolist(), steps_to_json(mine)))


def open_waveforms(
    files: CohortFiles, wanted: NDArray[np.bool_], bins: NDArray[np.int32], audio_fs: int, dt_ms: float
) -> PackedStimuli:
    """Decode waveforms, resample them and cut or pad them to the bins of their responses, or map what was made before.

    Parameters
    ----------
    files, wanted
        As in `open_spectrograms`.
    bins : ndarray of int32, shape (wanted stimuli,)
        Time bins of the responses.
    audio_fs : int
        Rate, Hz.
    dt_ms : float
        Bin width, ms.

    Raises
    ------
    GridError
        A stimulus has no waveform, or it is not finite.
    """

    def make(store: ArrayStore) -> Any:
        return _append(store, _waveforms(files.stimuli, wanted, bins, audio_fs, whole_hop(audio_fs, dt_ms)))

    return _packed(*files.remembered(make, "waveforms", np.flatnonzero(wanted).tolist(), audio_fs))


def n_bands_of(files: Sequence[Path]) -> int:
    """Return the number of frequency bands of the first spectrogram."""
    first = next(iter(row_groups(files, ["spectrogram"])))
    return len(first.column("spectrogram")[0].values)


def _packed(content: Any, arrays: Any) -> PackedStimuli:
    return PackedStimuli.of_pieces(arrays["stimuli"], content)


def _append(store: ArrayStore, stimuli: Iterator[NDArray[np.float32]]) -> list[list[int]]:
    """Append stimuli to a store; return their shapes."""
    shapes = []
    for stimulus in stimuli:
        store.append("stimuli", stimulus.ravel())
        shapes.append(list(stimulus.shape))
    return shapes


def _for_stimuli(steps: Sequence[Step], files: Sequence[Path]) -> StimulusPreprocessing:
    """Return what is done to spectrograms, with the columns it needs."""
    columns = columns_needed(steps, column_names(files[0]))
    table = pa.concat_tables(list(row_groups(files, columns))) if columns else None
    return StimulusPreprocessing.of_table(steps, table, str(files[0]))


def _spectrograms(
    files: Sequence[Path], wanted: NDArray[np.bool_], preprocessing: StimulusPreprocessing
) -> Iterator[NDArray[np.float32]]:
    place = 0
    for table in row_groups_ahead(files, ["stim_id", "spectrogram"]):
        names, column = table.column("stim_id"), table.column("spectrogram").combine_chunks()
        for row, name in enumerate(names.to_pylist()):
            if wanted[place]:
                spectrogram = preprocessing.apply(place, matrix_of(column[row].values, name, files[0].parent))
                refuse_not_finite(spectrogram, name, str(files[0].parent))
                yield spectrogram
            place += 1


def _waveforms(
    files: Sequence[Path], wanted: NDArray[np.bool_], bins: NDArray[np.int32], audio_fs: int, hop: int
) -> Iterator[NDArray[np.float32]]:
    from deepstrf_hf.grid.waveforms import waveform_on_bins  # only waveforms need soxr and soundfile

    place, length = 0, iter(bins.tolist())
    for table in row_groups(files, WAVEFORM_COLUMNS):
        for row in table.to_pylist():
            if wanted[place]:
                if row["audio"] is None:
                    raise GridError(
                        "A stimulus has no waveform", field=row["stim_id"], mend="take stimulus='spectrogram'"
                    )
                waveform = waveform_on_bins(
                    row["audio"]["bytes"],
                    row["stim_id"],
                    row["stim_sample_rate_hz"],
                    audio_fs,
                    next(length) * hop,
                    row[AUDIO_ONSET],
                )
                refuse_not_finite(waveform, row["stim_id"], str(files[0].parent))
                yield waveform
            place += 1
