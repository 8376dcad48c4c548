"""The recipes of docs/hub.md, how each is looked at after it ran, and the corpora that they read.

Clients of the loopback Hub import this too.
"""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "hub.md"
_RECIPE = re.compile(r"<!-- recipe: ([\w-]+) -->\n```python\n(.*?)```", re.DOTALL)

RESULTS = {
    "load": "[len(rows), len(waveforms), len(stimuli), len(neurons), rows[0]['response'], rows[0]['stim_id'], "
    "'audio' in waveforms.features, len(rows[0]['spectrogram'])]",
    "join": "[rows[0]['stim_id'], spectrogram]",
    "audio": "[len(samples), rate_hz, true_rate_hz]",
    "stream": "[first['stim_id'], first['neuron_id'], first['response'], sum(1 for row in rows)]",
    "columns": "[list(row['response']) for row in responses]",
    "filters": "sorted([row['stim_id'], row['neuron_id'], row['neuron_area']] for row in one_area)",
    "filters-loaded": "[one_area.column_names, sorted(zip(one_area['stim_id'], one_area['neuron_id']))]",
    "revision": "['spectrogram' in rows.features, len(rows), sorted(neurons['neuron_id'])]",
    "private": "[len(rows), sorted(set(rows['neuron_id']))]",
    "download": "[len(rows), rows[0]['response']]",
    "pandas": "[best, {name: values.tolist() for name, values in sorted(psth.items())}]",
    "pyarrow": "sorted(zip(*(table.column(name).to_pylist() for name in ('stim_id', 'neuron_id', 'response'))))",
    "duckdb": "spikes_per_second",
    "polars": "sorted(spikes.rows())",
    "polars-elsewhere": "sorted(spikes.rows())",
    "directory": "[sorted(map(list, zip(one['stim_id'], one['neuron_id']))), sorted(map(list, other.rows())), "
    "sorted(map(list, third))]",
    "grid": "[len(grid), grid.N_neurons, len(stream), sum(1 for row in rows if row['spectrogram'])]",
    "union": "[len(both), both.N_neurons, sorted({entry['dataset'] for entry in both.stim_meta}), field_l.get_N(), "
    "len(field_l)]",
    "interleave": "[sorted(set(batch['dataset'])), len(training), training.names, len(neurons)]",
}
"""For each recipe an expression over the names that it leaves behind."""

ONLINE = ("load", "join", "audio", "stream", "columns", "filters", "filters-loaded", "download", "pandas", "pyarrow",
          "duckdb", "polars-elsewhere")  # fmt: skip
"""Recipes that unmodified clients run against the loopback Hub, with nothing of ours."""
LOCAL = ("load", "join", "audio", "stream", "columns", "filters", "filters-loaded", "pandas", "duckdb", "polars",
         "directory")  # fmt: skip
"""Recipes that run on directories, with paths in place of ``hf://datasets/``."""
OURS = ("grid", "union", "interleave")
APART = ("revision", "private")
"""Recipes that need a test of their own."""

RUN = """
def run(names, change=lambda code: code):
    from tests.hub_recipes_examples import RESULTS, recipes

    known, found = recipes(), {}
    for name in names:
        left = {}
        exec(compile(change(known[name]), f"recipe {name}", "exec"), left)
        found[name] = eval(RESULTS[name], left)
    return found
"""


def recipes() -> dict[str, str]:
    """Return the recipes by name, as the document has them."""
    return dict(_RECIPE.findall(DOCUMENT.read_text(encoding="utf-8")))


def n_python_blocks() -> int:
    """Return how many blocks of Python the document has, named or not."""
    return DOCUMENT.read_text(encoding="utf-8").count("```python")
