"""Reading a pushed corpus as a grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.hub.client_env import run_client
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.records import RequestRecord
from tests.hub.server import LoopbackHub
from tests.hub.storage import Repository
from tests.hub_helpers import (
    REPOSITORY,
    TOKEN,
    expected_fingerprint,
    read_files,
    steps,
)
from tests.reading_helpers import (  # noqa: F401
    FINGERPRINT,
    Client,
    files_fetched,
    repository,
)


@dataclass(frozen=True)
class Visits:
    """What a client found online, the requests of each step, what it found offline later, and those requests."""

    online: dict[str, Any]
    steps: list[list[RequestRecord]]
    offline: dict[str, Any]
    requests_offline: int


@pytest.fixture(scope="module")
def visits(ns1_built: Path, tmp_path_factory: pytest.TempPathFactory) -> Visits:
    """Load a private repository online, and again offline with the same cache."""
    home = tmp_path_factory.mktemp("visits")
    arguments = {"repository": REPOSITORY, "directory": str(ns1_built)}
    with LoopbackHub() as server:
        server.add_user("alice", TOKEN, orgs=["deepstrf"])
        for name in (REPOSITORY, "deepstrf/other"):
            server.add_repository(name, private=True).commit(read_files(ns1_built))
        online = run_client(
            server,
            FINGERPRINT
            + """
from huggingface_hub import HfApi, hf_hub_download

def described(source, **options):
    grid = deepstrf_hf.load(source, "a1", **options)
    attributes = {name: getattr(grid, name) for name in ("dt", "F", "N_neurons", "audio_fs", "hop")}
    return [fingerprint_of(grid), repr(grid.stim_meta), repr(grid.nrn_meta), repr(attributes)]

found = {"test": load(split="test")}
HfApi().whoami()
found["both"] = load(config="a1")
HfApi().whoami()
found["again"] = load()
published = described(repository)
HfApi().whoami()
waveform = described(repository, stimulus="waveform")
HfApi().whoami()
found["published"] = published == described(directory)
found["waveform"] = waveform == described(directory, stimulus="waveform")
HfApi().whoami()
hf_hub_download("deepstrf/other", "README.md", repo_type="dataset")
report({**found, "different": len({published[0], waveform[0], found["both"]})})
""",
            home=home,
            token=TOKEN,
            arguments=arguments,
        )
        records = steps(server)
        server.requests.clear()
        offline = run_client(
            server,
            FINGERPRINT
            + """
report({
    "both": load(), "test": load(split="test"),
    "never seen": attempt(load, "deepstrf/nothing"),
    "card alone": attempt(load, "deepstrf/other"),
    "rows": attempt(deepstrf_hf.rows, repository, "a1-waveform", split="test"),
})
""",
            home=home,
            arguments=arguments,
            offline=True,
        )
        assert server.internal_errors == []
        return Visits(online, records, offline, len(server.requests))


def test_load_equals_the_directory(visits: Visits, ns1_built: Path) -> None:
    assert visits.online["test"] == expected_fingerprint(ns1_built, ["test"])
    assert visits.online["both"] == visits.online["again"] == expected_fingerprint(ns1_built)
    assert visits.online["published"], "the same grid as from the directory"
    assert visits.online["waveform"]
    assert visits.online["different"] == 3, "smoothed, waveform and plain are three grids"


def test_load_fetches_what_it_needs(visits: Visits) -> None:
    test, both, again, waveform, directory, _ = visits.steps
    companions = {f"a1-{table}/train-00000-of-00001.parquet" for table in ("stimuli", "neurons")}
    assert files_fetched(test) == {"README.md", "a1/test-00000-of-00001.parquet", *companions}
    assert files_fetched(both) - {"README.md"} == {"a1/train-00000-of-00001.parquet"}
    assert files_fetched(again) | files_fetched(waveform) <= {"README.md"}, "nothing is fetched twice"
    assert directory == [], "a directory needs no Hub"


def test_load_works_offline(visits: Visits) -> None:
    assert visits.requests_offline == 0
    assert visits.offline["test"] == visits.online["test"]
    assert visits.offline["both"] == visits.online["both"]


@pytest.mark.parametrize("what", ["never seen", "card alone", "rows"])
def test_what_is_not_in_the_cache_is_told_offline(visits: Visits, what: str) -> None:
    """Whoever has never loaded something, or only looked at its card, and goes offline is told the reason."""
    assert visits.offline[what]["error"] == "HubError", visits.offline[what]
    assert "HF_HUB_OFFLINE" in visits.offline[what]["message"]


def test_what_is_not_there(hub: LoopbackHub, repository: Repository, client: Client) -> None:
    """Repository, revision, configuration, split and file that do not exist, and ids that are none."""
    hub.add_repository("deepstrf/empty")
    hub.add_repository("deepstrf/prose").commit({"README.md": b"# No tables here\n"})
    broken = hub.add_repository("deepstrf/broken")
    main = {name: entry for name, entry in repository.resolve().files.items() if not name.startswith("a1-stimuli/")}
    broken.commit(main)
    found = client(
        """
        import deepstrf_hf

        def both(*arguments, **options):
            return [attempt(function, *arguments, **options) for function in (deepstrf_hf.load, deepstrf_hf.rows)]

        report({
            "repository": both("deepstrf/nothing"),
            "revision": both(repository, revision="v9"),
            "branch": both(repository, revision="no/branch"),
            "empty": both("deepstrf/empty"),
            "prose": both("deepstrf/prose"),
            "config": both(repository, "b1"),
            "split": both(repository, split="validation"),
            "id": both("deepstrf/ns1/a1"),
            "bad id": both("deepstrf--/ns1"),
            "file": [attempt(deepstrf_hf.load, "deepstrf/broken")],
            "login": both(repository, token=True),
        })
        """,
        token=TOKEN,
        arguments={"repository": REPOSITORY},
    )
    errors = {name: {result["error"] for result in results} for name, results in found.items()}
    messages = {name: " | ".join(result.get("message", "") for result in results) for name, results in found.items()}
    assert errors.pop("login") == {None}, "the environment has a token"
    assert errors == {
        "repository": {"HubError"},
        "revision": {"HubError"},
        "branch": {"HubError"},
        "empty": {"HubError"},
        "prose": {"TableFormatError"},
        "config": {"UnknownNameError"},
        "split": {"UnknownNameError"},
        "id": {"TableFormatError"},
        "bad id": {"HubError"},
        "file": {"HubError"},
    }
    assert all(message.count("Mend:") == len(found[name]) for name, message in messages.items() if name in (
        "repository", "revision", "branch", "empty", "prose", "bad id", "file",
    )), messages  # fmt: skip
    assert "check the name" in messages["repository"]
    assert "'v9'" in messages["revision"]
    assert "'no/branch'" in messages["branch"]
    assert "deepstrf-hf" in messages["empty"]
    assert "a1-stimuli/train-00000-of-00001.parquet" in messages["file"]
    assert messages["config"].count("one of: a1") == 2
    assert messages["split"].count("train, test") == 2


NETWORK_FAULTS: dict[str, dict[str, Any]] = {
    "card-drop": {"method": "HEAD", "path_regex": r"/.*/README\.md$", "close": True},
    "card-500": {"method": "HEAD", "path_regex": r"/.*/README\.md$", "status": 500},
    "listing-drop": {"method": "GET", "path_regex": "/tree/", "close": True},
    "listing-500": {"method": "GET", "path_regex": "/tree/", "status": 500},
    "listing-403": {"method": "GET", "path_regex": "/tree/", "status": 403},
    "file-403": {"method": "GET", "path_regex": r"/.*/a1/train-.*\.parquet$", "status": 403},
    "file-cut": {"method": "GET", "path_regex": r"/.*/a1/train-.*\.parquet$", "after_bytes": 1000},
    "rows-information-drop": {"method": "GET", "path_regex": "(/revision/[^/]*)?$", "close": True},
    "rows-file-403": {"method": "GET", "path_regex": r"/.*/a1/test-.*\.parquet$", "status": 403},
}


@pytest.fixture(scope="module")
def calls_with_faults(
    ns1_built: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """Load twice from one repository for each fault; the first call meets it. Return results and faults not met."""
    files = read_files(ns1_built)
    with LoopbackHub() as server:
        for fault, plan in NETWORK_FAULTS.items():
            server.add_repository(f"deepstrf/{fault}").commit(files)
            prefix = f"^(/api)?/datasets/deepstrf/{fault}"
            server.fail_next(**{**plan, "path_regex": prefix + plan["path_regex"]})
        found = run_client(
            server,
            """
            import deepstrf_hf
            from tests.hub_helpers import fingerprint_of

            def load(repository):
                if "rows" in repository:
                    return [row["neuron_id"] for row in deepstrf_hf.rows(repository, split="test", streaming=False)]
                return fingerprint_of(deepstrf_hf.load(repository, preprocessing=None))

            names = {fault: f"deepstrf/{fault}" for fault in faults}
            report({fault: [attempt(load, name), attempt(load, name)] for fault, name in names.items()})
            """,
            home=tmp_path_factory.mktemp("faults"),
            arguments={"faults": list(NETWORK_FAULTS)},
        )
        assert server.internal_errors == []
        return found, server.faults.pending()


@pytest.mark.parametrize("fault", NETWORK_FAULTS)
def test_network_fault_is_an_error_and_the_repeat_works(
    calls_with_faults: tuple[dict[str, list[dict[str, Any]]], int], ns1_built: Path, fault: str
) -> None:
    """A fault is mended by trying again or a `HubError`; the next call succeeds, so nothing half-read was kept."""
    results, pending = calls_with_faults
    assert pending == 0, "every fault was met"
    first, again = results[fault]
    if fault.startswith("rows-"):
        stored = pq.read_table(ns1_built / "a1" / "test-00000-of-00001.parquet", columns=["neuron_id"])
        expected: Any = stored.column("neuron_id").to_pylist()
    else:
        expected = expected_fingerprint(ns1_built)
    assert again["error"] is None, again
    assert again["value"] == expected
    if first["error"] is None:
        assert first["value"] == expected
    else:
        assert first["error"] == "HubError", first
        assert f"deepstrf/{fault}" in first["message"]
        assert "Mend:" in first["message"]
