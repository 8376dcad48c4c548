"""Look at a built cohort: a summary, and a picture of one neuron's response."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepstrf_hf.drawing import draw_mean, draw_raster, draw_spectrogram, draw_traces, new_figure
from deepstrf_hf.errors import unknown_name
from deepstrf_hf.parquet import row_groups
from deepstrf_hf.repository import Repository


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found.

    Parameters
    ----------
    facts : dict
        Facts about the configuration, as what JSON can hold (keys in ``docs/command_line.md``).
    picture : Path
        PNG: spectrogram over raster and PSTH.
    """

    facts: dict[str, Any]
    picture: Path

    @property
    def summary(self) -> dict[str, str]:
        """The facts in words, for a table."""
        facts = self.facts
        snr = facts["snr"]
        return {
            "corpus": f"{facts['corpus']} {facts['corpus_version']}, {facts['species']}",
            "configuration": f"{facts['config']} ({', '.join(facts['configs'])})",
            "signal": f"{facts['signal_type']}, {facts['response_unit']}, {facts['dt_ms']:g} ms bins",
            "neurons": str(facts["neurons"]),
            "stimuli": str(facts["stimuli"]),
            "pairs": f"{facts['pairs']} of {facts['neurons'] * facts['stimuli']}",
            "trials per pair": _span(facts["trials_per_pair"]),
            "bins per stimulus": _span(facts["bins_per_stimulus"]),
            "splits": ", ".join(f"{name} {pairs}" for name, pairs in facts["pairs_by_subset"].items()),
            "SNR of neurons": "none"
            if snr["median"] is None
            else f"median {snr['median']:.3f}, {snr['without']} without",
            "drawn": f"{facts['drawn']['neuron_id']} at {facts['drawn']['stim_id']}",
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything as what JSON can hold."""
        return {**self.facts, "picture": str(self.picture)}


def inspect(
    source: str | Path,
    config: str | None = None,
    *,
    output: str | Path | None = None,
    neuron_id: str | None = None,
    stim_id: str | None = None,
) -> Inspection:
    """Summarise a cohort and draw one neuron's response to one stimulus.

    Parameters
    ----------
    source : str or Path
        Built directory or Hub repository.
    config : str, optional
        Configuration of a main table; the default one if not given.
    output : str or Path, optional
        PNG to write; ``<corpus>-<config>.png`` in the working directory if not given.
    neuron_id, stim_id : str, optional
        What to draw; the neuron of highest signal-to-noise ratio, and a test stimulus it heard, if not given.

    Returns
    -------
    Inspection
        Summary and picture.

    Raises
    ------
    UnknownNameError
        No such configuration, neuron or stimulus.
    TableFormatError
        Not a built directory.
    """
    repository = Repository.open(source)
    config = repository.main_config(config)
    files = repository.files(config)
    provenance = repository.provenance(files)
    neurons = pa.concat_tables(list(row_groups(repository.files(f"{config}-neurons"), ["neuron_id", "snr", "ccmax"])))
    pairs = pa.concat_tables(list(row_groups(files, ["stim_id", "neuron_id", "n_trials", "n_bins", "subset"])))
    neuron = _choose_neuron(neurons, neuron_id, config)
    stimulus = _choose_stimulus(pairs, neuron["neuron_id"], stim_id, config)
    response = _response(files, stimulus, neuron["neuron_id"])
    spectrogram = _spectrogram(repository.files(f"{config}-stimuli"), stimulus)
    path = Path(output or f"{provenance['corpus']}-{config}.png")
    _draw(path, provenance, spectrogram, response, neuron, stimulus)
    return Inspection(_facts(repository, config, provenance, neurons, pairs, neuron, stimulus), path)


def _choose_neuron(neurons: pa.Table, neuron_id: str | None, config: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = neurons.to_pylist()
    if neuron_id is None:
        return max(rows, key=lambda row: -np.inf if row["snr"] is None else row["snr"])
    for row in rows:
        if row["neuron_id"] == neuron_id:
            return row
    raise unknown_name(f"neuron of {config}", neuron_id, [row["neuron_id"] for row in rows])


def _choose_stimulus(pairs: pa.Table, neuron_id: str, stim_id: str | None, config: str) -> str:
    heard = pairs.filter(pc.equal(pairs.column("neuron_id"), neuron_id)).to_pylist()
    if stim_id is None:
        return str(max(heard, key=lambda row: (row["n_trials"], row["subset"] == "test"))["stim_id"])
    names = [row["stim_id"] for row in heard]
    if stim_id not in names:
        raise unknown_name(f"stimulus of {config} that {neuron_id} heard", stim_id, names)
    return stim_id


def _response(files: list[Path], stim_id: str, neuron_id: str) -> np.ndarray[Any, Any]:
    for table in row_groups(files, ["stim_id", "neuron_id", "response"]):
        wanted = pc.and_(pc.equal(table.column("stim_id"), stim_id), pc.equal(table.column("neuron_id"), neuron_id))
        found = table.filter(wanted)
        if len(found):
            return np.array(found.column("response")[0].as_py(), np.float64)
    raise unknown_name("pair", f"{stim_id}, {neuron_id}", [])


def _spectrogram(files: list[Path], stim_id: str) -> np.ndarray[Any, Any]:
    for table in row_groups(files, ["stim_id", "spectrogram"]):
        found = table.filter(pc.equal(table.column("stim_id"), stim_id))
        if len(found):
            return np.array(found.column("spectrogram")[0].as_py(), np.float64)
    raise unknown_name("stimulus", stim_id, [])


def _draw(
    path: Path,
    provenance: dict[str, Any],
    spectrogram: np.ndarray[Any, Any],
    response: np.ndarray[Any, Any],
    neuron: dict[str, Any],
    stimulus: str,
) -> None:
    dt_ms, bands = provenance["dt_ms"], provenance["band_frequencies_hz"]
    spikes = provenance["signal_type"] == "spikes"
    figure = new_figure(11, 8)
    quality = "" if neuron["snr"] is None else f", SNR {neuron['snr']:.2f}"
    figure.suptitle(
        f"{provenance['corpus']} / {provenance['config']}: {neuron['neuron_id']}{quality}",
        x=0.08, y=0.965, ha="left", fontsize=13, fontweight="bold",
    )  # fmt: skip
    grid = figure.add_gridspec(3, 1, left=0.08, right=0.92, top=0.88, bottom=0.075, hspace=0.22)
    sound = figure.add_subplot(grid[0])
    trials = figure.add_subplot(grid[1], sharex=sound)
    mean = figure.add_subplot(grid[2], sharex=sound)
    draw_spectrogram(
        figure,
        sound,
        spectrogram,
        None if bands is None else np.array(bands),
        dt_ms,
        provenance["spectrogram_unit"],
        title=f"Sound: spectrogram of {stimulus}",
    )
    (draw_raster if spikes else draw_traces)(trials, response, dt_ms)
    draw_mean(mean, response, dt_ms, unit=None if spikes else provenance["response_unit"])
    for axes in (sound, trials):
        axes.tick_params(labelbottom=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", metadata={"Software": None})


def _facts(
    repository: Repository,
    config: str,
    provenance: dict[str, Any],
    neurons: pa.Table,
    pairs: pa.Table,
    neuron: dict[str, Any],
    stimulus: str,
) -> dict[str, Any]:
    snr = neurons.column("snr").drop_null()
    return {
        **{name: provenance[name] for name in ("corpus", "corpus_version", "species")},
        "config": config,
        "configs": list(repository.configs),
        **{name: provenance[name] for name in ("signal_type", "response_unit", "dt_ms")},
        "neurons": len(neurons),
        "stimuli": len(pc.unique(pairs.column("stim_id"))),
        "pairs": len(pairs),
        "trials_per_pair": _range(pairs.column("n_trials")),
        "bins_per_stimulus": _range(pairs.column("n_bins")),
        "pairs_by_subset": {
            entry["values"]: entry["counts"] for entry in pc.value_counts(pairs.column("subset")).to_pylist()
        },
        "snr": {
            "median": float(np.median(snr.to_pylist())) if len(snr) else None,
            "without": len(neurons) - len(snr),
        },
        "drawn": {"neuron_id": neuron["neuron_id"], "stim_id": stimulus},
    }


def _range(column: pa.ChunkedArray) -> list[int]:
    return [pc.min(column).as_py(), pc.max(column).as_py()]


def _span(limits: list[int]) -> str:
    low, high = limits
    return str(low) if low == high else f"{low} to {high}"
