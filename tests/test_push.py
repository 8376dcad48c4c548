"""Pushing a built directory to the Hub: one commit or none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.hub.client_env import ClientError
from tests.hub.fixtures import api_for, client, hub  # noqa: F401
from tests.hub.server import LoopbackHub
from tests.hub_helpers import (
    CLIENT,
    REPOSITORY,
    TOKEN,
    digests,
    hub_digests,
    lfs_bytes,
    read_files,
    requested,
    rewrite,
    steps,
)
from tests.push_helpers import (  # noqa: F401
    NEURONS,
    PERMISSION,
    PUSH,
    Client,
    plain_built,
)


def test_private_push_then_again_then_one_file_changed(
    hub: LoopbackHub,
    client: Client,
    ns1_built: Path,
    tmp_path: Path,
) -> None:
    directory = Path(shutil.copytree(ns1_built, tmp_path / "ns1"))
    before = digests(directory)
    changed = tmp_path / "changed"
    shutil.copytree(directory, changed)
    rewrite(changed / NEURONS, lambda table: table, compression="snappy")
    found = client(
        PUSH
        + """
from huggingface_hub import HfApi

results = []
anew = {"message": "Neurons written anew", "replace_tag": True}
for source, options in ((directory, {}), (directory, {}), (changed, anew)):
    results.append(pushed(source, repository, private=True, **options))
    HfApi().whoami()
report(results)
""",
        token=TOKEN,
        arguments={"directory": str(directory), "changed": str(changed), "repository": REPOSITORY},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == [None] * 3
    first, again, third = (result["value"] for result in found)
    repository = hub.repositories[REPOSITORY]
    assert repository.private
    assert digests(directory) == before, "a push changes nothing in the directory"
    assert hub_digests(repository, first["commit"]) == before
    assert hub_digests(repository) == digests(changed)
    history = repository.history()
    assert [commit.oid for commit in history[:-1]] == [third["commit"], first["commit"]], "one commit for each change"
    assert history[0].title == "Neurons written anew"
    assert history[1].title.startswith("ns1 1.0.0"), "a title that says what it is"
    assert first["url"] == f"{hub.endpoint}/datasets/{REPOSITORY}"
    assert first["files"] == len(before) == 8
    assert again == first
    of_first, of_again, of_third, _ = steps(hub)
    assert len(requested(of_first, "POST", "/commit/")) == 1
    assert sum(record.bytes_received for record in requested(of_first, "PUT")) == lfs_bytes(directory)
    assert requested(of_again, "PUT") == []
    assert requested(of_again, "POST", "/commit/") == []
    sent = requested(of_third, "PUT")
    assert [record.path.rpartition("/")[2] for record in sent] == [digests(changed)[NEURONS]]
    assert sent[0].bytes_received == (changed / NEURONS).stat().st_size


def test_public_push_of_an_unverified_corpus_is_refused(
    hub: LoopbackHub,
    client: Client,
    ns1_built: Path,
    plain_built: Path,
) -> None:
    """Nothing is asked of the Hub before the licence has been asked, and a public repository stays as it was."""
    public = hub.add_repository("deepstrf/public")
    gated = hub.add_repository("deepstrf/gated", gated="manual")
    for repository in (public, gated):
        repository.commit(read_files(plain_built))
    heads = [repository.resolve().oid for repository in (public, gated)]
    found = client(
        PUSH
        + """
from huggingface_hub import HfApi

refused = [pushed(directory, repository, **options)
           for options in ({}, {"private": False}, {"permission": " \\n "}, {"revision": "v1"})]
HfApi().whoami()
refused += [pushed(directory, "deepstrf/public", private=True),
            pushed(directory, "deepstrf/public", private=True, revision="v1"),
            pushed(directory, "deepstrf/gated", private=True)]
report(refused)
""",
        token=TOKEN,
        arguments={"directory": str(ns1_built), "repository": REPOSITORY},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == ["RedistributionError"] * 7
    for result in found:
        message = result["message"]
        assert "ns1" in message
        for part in ("not stated", "https://osf.io/ayw2p/", "Ask the authors before handing the data on"):
            assert part in message, "the licence and its terms"
        for part in ("private=True", "--private", "permission=", "--permission"):
            assert part in message, "the two ways out"
    assert "deepstrf/public exists and is public" in found[4]["message"]
    assert list(hub.repositories) == ["deepstrf/public", "deepstrf/gated"]
    assert [repository.resolve().oid for repository in (public, gated)] == heads
    assert list(public.branches) == ["main"]
    before, after = steps(hub)
    assert before == []
    assert requested(after, "PUT") == []


def test_permission_is_written_into_the_pushed_card_alone(
    hub: LoopbackHub,
    client: Client,
    plain_built: Path,
) -> None:
    before = read_files(plain_built)
    found = client(
        PUSH
        + """
first, again = (pushed(directory, repository, permission=permission) for _ in range(2))
private = pushed(directory, "deepstrf/private", private=True, permission=permission)
report([first, again, private])
""",
        token=TOKEN,
        arguments={"directory": str(plain_built), "repository": REPOSITORY, "permission": PERMISSION},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == [None] * 3
    assert found[0]["value"] == found[1]["value"], "the same permission makes the same card"
    assert not hub.repositories[REPOSITORY].private
    assert hub.repositories["deepstrf/private"].private
    assert read_files(plain_built) == before
    for repository in hub.repositories.values():
        card = repository.read("README.md").decode()
        assert card.startswith(before["README.md"].decode()), "the card is the local one, and the text after it"
        assert PERMISSION in card.removeprefix(before["README.md"].decode())
        others = {name: digest for name, digest in hub_digests(repository).items() if name != "README.md"}
        assert others == {name: digest for name, digest in digests(before).items() if name != "README.md"}


def test_branch(hub: LoopbackHub, client: Client, plain_built: Path) -> None:
    """A branch is made, filled, and filled again without a commit; the main branch stays as it was."""
    found = client(
        PUSH + 'report([pushed(directory, repository, private=True, revision="dev/next") for _ in range(2)])',
        token=TOKEN,
        arguments={"directory": str(plain_built), "repository": REPOSITORY},
        extra=CLIENT,
    )
    assert [result["error"] for result in found] == [None, None]
    assert found[0]["value"] == found[1]["value"]
    repository = hub.repositories[REPOSITORY]
    assert sorted(repository.branches) == ["dev/next", "main"]
    assert hub_digests(repository) == {}
    assert hub_digests(repository, "dev/next") == digests(plain_built)
    assert repository.branches["dev/next"] == found[0]["value"]["commit"]
    assert len(repository.history("dev/next")) == 2


COMMAND_LINE = """
import contextlib, io
from deepstrf_hf.cli import main

def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["push", *arguments])
        except SystemExit as ending:
            status = ending.code or 0
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}
"""


def test_command_line(
    hub: LoopbackHub,
    client: Client,
    plain_built: Path,
    tmp_path: Path,
) -> None:
    found = client(
        COMMAND_LINE
        + """
report({
    "public": run(directory, "deepstrf/public"),
    "explicitly public": run(directory, "deepstrf/public", "--public"),
    "nothing": run(nothing, "deepstrf/nothing", "--private"),
    "bad name": run(directory, "no/such/name", "--private"),
    "bad option": run(directory, repository, "--privat"),
    "private": run(directory, repository, "--private"),
    "branch": run(directory, repository, "--private", "--revision", "next"),
    "permission": run(directory, "deepstrf/permitted", "--permission", permission),
})
""",
        token=TOKEN,
        arguments={
            "directory": str(plain_built),
            "nothing": str(tmp_path / "nothing"),
            "repository": REPOSITORY,
            "permission": PERMISSION,
        },
        extra=CLIENT,
    )
    statuses = {name: result["status"] for name, result in found.items()}
    assert statuses == {
        "public": 1, "explicitly public": 1, "nothing": 1, "bad name": 1, "bad option": 2, "private": 0, "branch": 0,
        "permission": 0,
    }  # fmt: skip
    for name in ("public", "explicitly public"):
        assert "--private" in found[name]["err"]
        assert "--permission" in found[name]["err"]
        assert "Traceback" not in found[name]["err"]
        assert found[name]["out"] == ""
    assert sorted(hub.repositories) == [REPOSITORY, "deepstrf/permitted"]
    repository = hub.repositories[REPOSITORY]
    assert repository.private
    assert hub_digests(repository, "main") == hub_digests(repository, "next") == digests(plain_built)
    assert f"{hub.endpoint}/datasets/{REPOSITORY}" in found["private"]["out"]
    assert repository.branches["main"] in found["private"]["out"]
    assert not hub.repositories["deepstrf/permitted"].private
    assert PERMISSION in hub.repositories["deepstrf/permitted"].read("README.md").decode()


def test_command_line_never_writes_the_token(
    hub: LoopbackHub,
    client: Client,
    plain_built: Path,
) -> None:
    """A wrong token in the environment: status 1, how to log in, and no token even with the traceback."""
    token = "hf_wrongSECRETtoken"
    with pytest.raises(ClientError) as ended:
        client(
            """
            from deepstrf_hf.cli import main

            main(["push", directory, repository, "--private", "--traceback"])
            """,
            token=token,
            arguments={"directory": str(plain_built), "repository": REPOSITORY},
            extra=CLIENT,
        )
    assert ended.value.status == 1
    written = ended.value.stdout + ended.value.stderr
    assert "SystemExit: 1" in written
    assert "hf auth login" in written
    assert "Traceback" in written
    assert token not in written
    assert "SECRET" not in written
    assert hub.repositories == {}
