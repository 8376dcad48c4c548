"""Repositories that let readers in one by one: where the licence allows them, and what they then do."""

from __future__ import annotations

from pathlib import Path

import pytest

import builders
from deepstrf_hf import build
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub_helpers import CLIENT, TOKEN, digests, hub_digests, requested, steps
from tests.licensed_toys import FORBIDDEN_TERMS, KNOW_TOYS, TOYS, ForbiddenToy
from tests.push_helpers import PERMISSION, PUSH, Client, writing
from tests.toy import Toy, write_toy

STRANGER = "hf_mallory"


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return builds of a corpus that may be handed on and of one that may not."""
    base = tmp_path_factory.mktemp("toys")
    raw = write_toy(base / "raw")
    with pytest.MonkeyPatch.context() as patch:
        for name, home in TOYS.items():
            patch.setitem(builders.BUILDERS, name, home)
        for builder in (Toy, ForbiddenToy):
            build(builder, ["counts"], data_dir=raw, out=base / builder.CORPUS.name)
    return {name: str(base / name) for name in TOYS}


def test_gated_where_the_licence_allows_it(hub: LoopbackHub, client: Client, toys: dict[str, str]) -> None:
    """The gate is closed before data arrive; another push leaves it alone, or turns it into the other kind."""
    found = client(
        KNOW_TOYS
        + PUSH
        + """
from huggingface_hub import HfApi

results = []
for options in ({"gated": "manual"}, {}, {"gated": "manual"}, {"gated": "auto"}):
    results.append(pushed(directory, "deepstrf/toy", **options))
    HfApi().whoami()
report(results)
""",
        token=TOKEN,
        arguments={"directory": toys["toy"]},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == [None] * 4, found
    repository = hub.repositories["deepstrf/toy"]
    assert hub_digests(repository) == digests(Path(toys["toy"]))
    assert not repository.private
    assert repository.gated == "auto"
    first, second, third, fourth, _ = steps(hub)
    order = writing(first)
    settings = order.index("PUT /api/datasets/deepstrf/toy/settings")
    for later in ("preupload", "lfs-uploads", "/commit/"):
        assert settings < min(place for place, line in enumerate(order) if later in line)
    for unchanged in (second, third):
        assert requested(unchanged, "PUT") == []
    assert [record.path for record in requested(fourth, "PUT")] == ["/api/datasets/deepstrf/toy/settings"]


def test_who_is_let_in(hub: LoopbackHub, client: Client, toys: dict[str, str], tmp_path: Path) -> None:
    """Readers of a gated repository are told to ask; those let in read what the directory holds."""
    pushed = client(
        KNOW_TOYS + PUSH + 'report(pushed(directory, "deepstrf/toy", gated="manual"))',
        token=TOKEN,
        arguments={"directory": toys["toy"]},
        extra=CLIENT,
    )
    assert pushed["error"] is None
    snippet = """
    import deepstrf_hf
    from datasets import load_dataset

    report([
        attempt(lambda: len(load_dataset("deepstrf/toy", "counts", split="train", revision=tag))),
        attempt(lambda: len(deepstrf_hf.load("deepstrf/toy", "counts", revision=tag))),
    ])
    """
    tag = pushed["value"]["tag"]
    out = client(snippet, token=STRANGER, arguments={"tag": tag}, home=tmp_path / "outside")
    assert out[0]["error"] is not None
    assert out[1]["error"] == "HubError"
    assert "asks for permission" in out[1]["message"]
    hub.repositories["deepstrf/toy"].granted.add("mallory")
    let_in = client(snippet, token=STRANGER, arguments={"tag": tag}, home=tmp_path / "inside")
    assert [result["value"] for result in let_in] == [18, 4]


def test_gated_is_handed_on_all_the_same(hub: LoopbackHub, client: Client, toys: dict[str, str]) -> None:
    """Refused with the terms before anything is asked of the Hub, unless there is a permission."""
    found = client(
        KNOW_TOYS
        + PUSH
        + """
from huggingface_hub import HfApi

ways = ({"gated": "manual"}, {"gated": "auto", "private": True}, {"gated": "auto", "permission": " "})
refused = [pushed(directory, "deepstrf/forbidden", **options) for options in ways]
wrong = [pushed(directory, "deepstrf/forbidden", private=True, gated=gate) for gate in ("ajar", True)]
HfApi().whoami()
plan = push(directory, "deepstrf/forbidden", gated="manual", dry_run=True)
HfApi().whoami()
report({
    "refused": refused,
    "wrong": wrong,
    "plan": [[type(error).__name__, str(error)] for error in plan.refusals],
    "private": pushed(directory, "deepstrf/private", private=True),
    "permitted": pushed(directory, "deepstrf/permitted", gated="manual", permission=permission),
})
""",
        token=TOKEN,
        arguments={"directory": toys["forbidden_toy"], "permission": PERMISSION},
        extra=CLIENT,
    )
    for result in found["refused"]:
        assert result["error"] == "RedistributionError", result
        for part in (
            "gated repository",
            "handed on all the same",
            FORBIDDEN_TERMS,
            "example.org/terms",
            "--permission",
        ):
            assert part in result["message"]
    for result in found["wrong"]:
        assert result["error"] == "ParameterError"
        assert "'auto' or 'manual'" in result["message"]
    assert found["plan"] == [["RedistributionError", found["refused"][0]["message"]]]
    assert found["private"]["error"] is None
    assert found["permitted"]["error"] is None
    before, planning, _ = steps(hub)
    assert before == []
    assert planning
    assert writing(planning) == []
    assert sorted(hub.repositories) == ["deepstrf/permitted", "deepstrf/private"]
    assert hub.repositories["deepstrf/private"].private
    permitted = hub.repositories["deepstrf/permitted"]
    assert permitted.gated == "manual"
    assert PERMISSION in permitted.read("README.md").decode()


def test_a_gate_that_cannot_be_set_leaves_no_data(hub: LoopbackHub, client: Client, toys: dict[str, str]) -> None:
    """Data that were to lie behind a gate never lie before it."""
    hub.fail_next("PUT", "/settings$", status=403)
    found = client(
        KNOW_TOYS + PUSH + 'report([pushed(directory, "deepstrf/toy", gated="auto") for _ in range(2)])',
        token=TOKEN,
        arguments={"directory": toys["toy"]},
        extra=CLIENT,
    )
    repository = hub.repositories["deepstrf/toy"]
    assert found[0]["error"] == "HubError"
    assert len(repository.history()) == 2, "nothing but the second push"
    assert found[1]["error"] is None
    assert repository.gated == "auto"
