"""The manifest of a part: what is written is what is read, and what is broken or of another part is not taken."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import BuilderContractError
from deepstrf_hf.part_result import PartFile, PartResult, Shards, StoredStimulus, manifest_of, result_of
from deepstrf_hf.recording import Neuron
from deepstrf_hf.responses.quality import ResponseQuality
from deepstrf_hf.tally import NeuronTally

texts = st.text(max_size=8)
whole = st.integers(0, 2**53)
numbers = st.floats(allow_nan=False, allow_infinity=False)
limits = st.floats(allow_nan=False)
values = st.one_of(st.none(), st.booleans(), texts, st.integers(), numbers)
files = st.builds(PartFile, texts, whole, whole, texts)
qualities = st.builds(
    ResponseQuality, whole, whole, whole, numbers, numbers, numbers, numbers, numbers, numbers, numbers
) | st.just(ResponseQuality())


@st.composite
def results(draw: st.DrawFn) -> PartResult:
    tally = NeuronTally()
    for name in draw(st.lists(texts, unique=True, max_size=3)):
        tally.neurons[name] = Neuron(name, draw(st.dictionaries(texts, values, max_size=3)))
        tally.quality[name] = draw(qualities)
    pairs = st.tuples(texts, texts)
    log = BuildLog(
        "skip",
        draw(st.dictionaries(pairs, texts, max_size=3)),
        Counter(draw(st.dictionaries(pairs, whole, max_size=3))),
        draw(st.dictionaries(texts, st.dictionaries(texts, st.booleans(), max_size=3), max_size=3)),
        dict.fromkeys(draw(st.lists(texts, max_size=3))),
        draw(st.lists(pairs, max_size=3)),
    )
    return PartResult(
        draw(st.dictionaries(pairs, st.builds(Shards, st.lists(files, max_size=2), whole), max_size=3)),
        draw(files),
        draw(st.lists(st.builds(StoredStimulus, texts, whole, whole, texts), max_size=3)),
        draw(whole),
        tally,
        log,
    )


def plain(result: PartResult) -> dict[str, Any]:
    content = dict(vars(result))
    tally = content.pop("neurons")
    return content | {
        "neurons": {name: (neuron.neuron_id, neuron.metadata) for name, neuron in tally.neurons.items()},
        "quality": tally.quality,
        "order": list(tally.neurons),
    }


@given(results())
def test_what_is_written_is_read(result: PartResult) -> None:
    manifest = manifest_of(result, "key", "part")
    read = result_of(manifest, "key", "part", "skip")
    assert read is not None
    assert plain(read) == plain(result)
    assert manifest_of(read, "key", "part") == manifest


@given(results())
def test_of_another_part_or_build_nothing_is_read(result: PartResult) -> None:
    manifest = manifest_of(result, "key", "part")
    assert result_of(manifest, "other", "part", "raise") is None
    assert result_of(manifest, "key", "other", "raise") is None
    for end in range(0, len(manifest), max(1, len(manifest) // 7)):
        assert result_of(manifest[:end], "key", "part", "raise") is None


@given(results(), st.data())
def test_what_lacks_a_member_is_not_read(result: PartResult, data: st.DataObject) -> None:
    content = json.loads(manifest_of(result, "key", "part"))
    del content[data.draw(st.sampled_from(sorted(content)))]
    assert result_of(json.dumps(content), "key", "part", "raise") is None


def of_neuron(**metadata: Any) -> PartResult:
    tally = NeuronTally({"n": Neuron("n", metadata)}, {"n": ResponseQuality()})
    return PartResult({}, PartFile("s", 0, 0, ""), [], 0, tally, BuildLog())


def test_metadata_are_stored_as_the_tables_store_them() -> None:
    result = of_neuron(depth=np.float32(0.1), good=np.bool_(True), count=np.int64(3), missing=math.nan)
    read = result_of(manifest_of(result, "key", "part"), "key", "part", "raise")
    assert read is not None
    assert read.neurons.neurons["n"].metadata == {
        "depth": float(np.float32(0.1)),
        "good": True,
        "count": 3,
        "missing": None,
    }


def test_metadata_that_tables_do_not_hold_are_refused() -> None:
    with pytest.raises(BuilderContractError) as caught:
        manifest_of(of_neuron(site=["a", "b"]), "key", "part")
    assert caught.value.field == "site"
