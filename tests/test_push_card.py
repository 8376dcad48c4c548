"""Cards without data: what they say, where they go, and that no data go with them; the Hub's check of all cards."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard

from deepstrf_hf import corpus_names, load_builder
from deepstrf_hf.bare_card import BARE_TAG, bare_card
from deepstrf_hf.corpus import Redistribution
from tests.hub.card_rules import check_card
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub_helpers import CLIENT, REPOSITORY, TOKEN, hub_digests, read_files, steps
from tests.push_helpers import (  # noqa: F401
    PERMISSION,
    PUSH,
    Client,
    plain_built,
    push_once,
    writing,
)
from tests.test_push_plan import COMMAND_LINE

CARD = "README.md"
PUSH_CARD = """
from deepstrf_hf import push_card

def carded(*arguments, **options):
    return attempt(lambda: vars(push_card(*arguments, **options)))
"""


@pytest.mark.parametrize("name", corpus_names())
def test_what_a_card_without_data_says(name: str) -> None:
    """All of the declaration that a reader needs, and nothing that points at data."""
    builder = load_builder(name)
    corpus, card = builder.CORPUS, bare_card(builder)
    read = DatasetCard(card)
    data = yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))
    assert data == read.data.to_dict()
    assert not {"configs", "dataset_info", "data_files", "size_categories"} & set(data)
    assert data["viewer"] is False
    assert BARE_TAG in data["tags"]
    assert data["license"] == corpus.licence.hub_identifier
    assert check_card(card) == ([], [])
    text = read.text
    assert "**This repository holds no data.**" in text
    for part in (corpus.title, corpus.licence.name, corpus.licence.url, corpus.licence.terms, corpus.homepage):
        assert part in text
    for archive in corpus.archives:
        assert archive.url in text
    for cohort in corpus.cohorts:
        assert f"`{cohort.name}`" in text
        for count, value in cohort.counts.items():
            assert f"{value:,} {count.replace('_', ' ')}" in text
    for parameter in builder.BUILDER_CONFIG_CLASS.parameter_fields():
        assert f"\n| {parameter} |" in text
    for column in ("response", "spectrogram", *(f"neuron_{column}" for column in corpus.neuron_columns)):
        assert f"\n| `{column}` |" in text
    assert corpus.citation in text
    assert f"deepstrf-hf build {name} --data-dir RAW" in text
    if corpus.redistribution is Redistribution.FORBIDDEN:
        assert "terms do not allow the data to be handed on" in text
    headings = Counter(re.findall(r"^## .*", text, re.MULTILINE))
    assert set(headings.values()) == {1}, headings


def test_public_card_of_a_corpus_that_may_not_be_handed_on(hub: LoopbackHub, client: Client) -> None:
    """One file in a public repository, once; readers find no data, and are told so."""
    found = client(
        PUSH_CARD
        + """
import deepstrf_hf
from datasets import load_dataset
from huggingface_hub import DatasetCard, HfApi

plan = push_card("crcns_aa1", "deepstrf/crcns_aa1", dry_run=True)
HfApi().whoami()
results = [carded("crcns_aa1", "deepstrf/crcns_aa1") for _ in range(2)]
HfApi().whoami()
report({
    "plan": [[vars(file) for file in plan.files], plan.makes_repository, plan.private, plan.tag, len(plan.refusals)],
    "results": results,
    "private": carded("crcns_aa1", "deepstrf/private", private=True),
    "validated": attempt(DatasetCard.load("deepstrf/crcns_aa1").validate),
    "load": attempt(deepstrf_hf.load, "deepstrf/crcns_aa1")["error"],
    "load_dataset": attempt(load_dataset, "deepstrf/crcns_aa1")["error"],
    "unknown": attempt(push_card, "crcns_aa9", "deepstrf/crcns_aa9"),
})
""",
        token=TOKEN,
        arguments={},
        extra=CLIENT,
    )
    planning, pushing, _ = steps(hub)
    card = bare_card(load_builder("crcns_aa1")).encode()
    assert writing(planning) == []
    assert found["plan"] == [[{"name": CARD, "change": "new", "size_bytes": len(card)}], True, False, None, 0]
    first, again = found["results"]
    assert first["error"] is None
    assert again == first
    repository = hub.repositories["deepstrf/crcns_aa1"]
    assert not repository.private
    assert repository.read(CARD) == card
    assert list(hub_digests(repository)) == [CARD]
    assert repository.tags == {}
    assert len(repository.history()) == 2
    assert sum("/commit/" in line for line in writing(pushing)) == 1
    assert found["private"]["error"] is None
    assert hub.repositories["deepstrf/private"].private
    assert found["validated"] == {"error": None, "value": None}
    assert found["load"] == "TableFormatError"
    assert found["load_dataset"] is not None
    assert found["unknown"]["error"] == "UnknownNameError"
    assert "crcns_aa1" in found["unknown"]["message"]


def test_data_are_not_covered_by_a_card_that_denies_them(hub: LoopbackHub, client: Client, plain_built: Path) -> None:
    """Data of ours stay unless told otherwise, and then go in the same commit; data of others always stay."""
    assert push_once(client, plain_built, permission=PERMISSION)["error"] is None
    repository = hub.repositories[REPOSITORY]
    repository.commit({"notes.txt": b"by hand"}, title="foreign")
    full = hub_digests(repository)
    foreign = hub.add_repository("deepstrf/foreign")
    foreign.commit({"data/train-0.parquet": b"PAR1 of somebody else", CARD: b"# Theirs\n"})
    hub.requests.clear()
    found = client(
        PUSH_CARD
        + """
from huggingface_hub import HfApi

refused = [carded("ns1", repository), carded("ns1", "deepstrf/foreign"),
           carded("ns1", "deepstrf/foreign", replace_data=True), carded("ns1", "deepstrf/foreign", private=True)]
plan = push_card("ns1", repository, replace_data=True, dry_run=True)
HfApi().whoami()
report({
    "refused": refused,
    "plan": {file.name: file.change for file in plan.files},
    "told": carded("ns1", repository, replace_data=True),
})
""",
        token=TOKEN,
        arguments={"repository": REPOSITORY},
        extra=CLIENT,
    )
    assert [result["error"] for result in found["refused"]] == ["HubError"] * 4
    ours, *others = (result["message"] for result in found["refused"])
    for part in (REPOSITORY, "replace_data=True", "--replace-data"):
        assert part in ours
    for message in others:
        assert "data/train-0.parquet" in message
    assert len(foreign.history()) == 2
    assert writing(steps(hub)[0]) == []
    assert found["plan"] == {name: "changed" if name == CARD else "deleted" for name in read_files(plain_built)}
    assert found["told"]["error"] is None
    left = repository.resolve().files
    assert sorted(left) == [".gitattributes", CARD, "notes.txt"]
    assert repository.read(CARD) == bare_card(load_builder("ns1")).encode()
    assert hub_digests(repository, "v1.0.0") == {
        name: digest for name, digest in full.items() if name != "notes.txt"
    }, "the tag keeps the data"


def test_data_that_come_in_between(hub: LoopbackHub, client: Client, plain_built: Path) -> None:
    """Somebody pushes data while the card is on its way: they are not covered."""
    repository = hub.add_repository(REPOSITORY)
    hub.before_commit = lambda found: found.commit(read_files(plain_built), title="data")
    found = client(
        PUSH_CARD + 'report(carded("ns1", repository))',
        token=TOKEN,
        arguments={"repository": REPOSITORY},
        extra=CLIENT,
    )
    assert found["error"] == "HubError"
    assert repository.history()[0].title == "data"


def test_a_card_gives_way_to_data(hub: LoopbackHub, client: Client, plain_built: Path) -> None:
    """A repository that began as a card takes the data once they may be public."""
    found = client(
        PUSH_CARD
        + PUSH
        + """
report([carded("ns1", repository), pushed(directory, repository, permission=permission)])
""",
        token=TOKEN,
        arguments={"repository": REPOSITORY, "directory": str(plain_built), "permission": PERMISSION},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == [None, None]
    assert set(hub_digests(hub.repositories[REPOSITORY])) == set(read_files(plain_built))


def test_command_line(hub: LoopbackHub, client: Client) -> None:
    found = client(
        COMMAND_LINE
        + """
report({
    "plan": run("push-card", "crcns_ac1", "deepstrf/crcns_ac1", "--dry-run"),
    "push": run("push-card", "crcns_ac1", "deepstrf/crcns_ac1"),
    "unknown": run("push-card", "crcns_ac9", "deepstrf/crcns_ac9"),
    "no corpus": run("push-card"),
})
""",
        token=TOKEN,
        arguments={},
        extra=CLIENT,
    )
    assert {name: result["status"] for name, result in found.items()} == {
        "plan": 0, "push": 0, "unknown": 1, "no corpus": 2,
    }  # fmt: skip
    assert "a card without data may be public" in found["plan"]["out"]
    assert f"1 file at {hub.endpoint}/datasets/deepstrf/crcns_ac1" in found["push"]["out"]
    assert "did you mean 'crcns_ac1'" in found["unknown"]["err"]
    assert list(hub.repositories) == ["deepstrf/crcns_ac1"]


def test_pushed_cards_pass_the_check_of_the_hub(hub: LoopbackHub, client: Client, ns1_built: Path) -> None:
    """By `RepoCard.validate`, as pushed, with a permission or without; and the check would find faults."""
    found = client(
        PUSH
        + """
from huggingface_hub import DatasetCard

results = [pushed(directory, "deepstrf/plain", private=True),
           pushed(directory, "deepstrf/permitted", permission=permission)]
cards = [DatasetCard.load(f"deepstrf/{name}") for name in ("plain", "permitted")]
faults = []
for name, value in faulty.items():
    card = DatasetCard(str(cards[0]))
    setattr(card.data, name, value)
    faults.append(attempt(card.validate)["error"])
report({"pushed": [result["error"] for result in results], "cards": [attempt(card.validate) for card in cards],
        "configs": [config["config_name"] for config in cards[0].data.configs], "faults": faults})
""",
        token=TOKEN,
        arguments={
            "directory": str(ns1_built),
            "permission": PERMISSION,
            "faulty": {
                "license": "free",
                "license_name": "Not an identifier",
                "size_categories": ["huge"],
                "tags": [1],
            },
        },
        extra=CLIENT,
    )
    assert found["pushed"] == [None, None]
    assert found["cards"] == [{"error": None, "value": None}] * 2
    assert found["configs"] == ["a1", "a1-waveform", "a1-stimuli", "a1-neurons"]
    assert found["faults"] == ["ValueError"] * 4
    assert len(hub.requests.records("POST", "/api/validate-yaml$", 200)) >= 4


FAULTY: dict[str, Any] = {
    "not closed": "---\nlicense: mit\n",
    "tabs": "---\n\tlicense: mit\n---\n",
    "no mapping": "---\n- mit\n---\n",
    "licence": "---\nlicense: my own\n---\n",
    "licence name": "---\nlicense: other\nlicense_name: Terms of use\n---\n",
    "licence link": "---\nlicense: other\nlicense_link: on request\n---\n",
    "viewer": "---\nviewer: perhaps\n---\n",
    "configuration twice": "---\nconfigs:\n- config_name: a\n- config_name: a\n---\n",
    "configurations without names": "---\nconfigs:\n- data_files: a\n---\n",
    "two defaults": "---\nconfigs:\n- config_name: a\n  default: true\n- config_name: b\n  default: true\n---\n",
    "files without split": "---\nconfigs:\n- config_name: a\n  data_files:\n  - path: x.parquet\n---\n",
}


@pytest.mark.parametrize("kind", FAULTY)
def test_the_check_of_the_loopback_hub_finds_faults(kind: str) -> None:
    errors, _ = check_card(FAULTY[kind])
    assert len(errors) == 1
