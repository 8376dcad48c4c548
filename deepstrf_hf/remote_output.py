"""The output of a build in a place that fsspec knows, where nothing can be renamed as a whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from pathlib import Path
from types import TracebackType

from deepstrf_hf.card_assets import pictures_in_card
from deepstrf_hf.errors import OutputDirectoryError
from deepstrf_hf.names import CARD_NAME, REPORT_NAME
from deepstrf_hf.output import refuse_other_content, tell_what_is_kept
from deepstrf_hf.part_store import MANIFEST
from deepstrf_hf.remote_parts import RemoteParts
from deepstrf_hf.remote_place import RemotePlace
from deepstrf_hf.report import BuildReport

STAGING = ".building"


class RemoteOutput:
    """A place whose content is replaced file by file, so that no half of a build is ever taken for a whole one.

    New content is kept below ``.building`` until all of it is there. Then `commit` takes away the card and the report,
    without which nobody takes the place for a corpus, copies the files to their names, removes those that are left of
    the earlier build, and writes the report and, last, the card. What it has to do stands in ``.building/commit.json``
    before it begins: if it is killed, the next build of the corpus to this place does the rest first.

    There is no lock: two builds must not write to one place at a time.

    Parameters
    ----------
    place : RemotePlace
        The place; empty, or an earlier build of the same corpus.
    corpus : str
        Name of the corpus.

    Raises
    ------
    OutputDirectoryError
        It holds something else.
    """

    def __init__(self, place: RemotePlace, corpus: str) -> None:
        self.place_of_all, self.corpus, self.path = place, corpus, str(place)
        self._staging = place / STAGING
        self._parts, self._plan = self._staging / "parts", self._staging / "commit.json"
        self._copies: dict[str, str] = {}
        self._replaced: list[str] = []
        self._stale: list[str] = []

    def __enter__(self) -> RemoteOutput:
        self._local = tempfile.TemporaryDirectory(prefix="deepstrf-hf-")
        try:
            self.tree, self._scratch = Path(self._local.name) / "tree", Path(self._local.name) / "parts"
            self.tree.mkdir()
            self._scratch.mkdir()
            if self._plan.exists():
                self._finish_commit()
            self.existing = self._existing_report()
        except BaseException:
            self._local.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._local.cleanup()
        if value is None:
            return
        kept = self._parts.files()
        n_parts = sum(name.endswith(f"/{MANIFEST}") for name in kept)
        if n_parts:
            tell_what_is_kept(value, str(self._staging), n_parts, sum(kept.values()))
        else:
            self._staging.remove()

    def keep_parts_of(self, configs: Collection[str]) -> None:
        """Remove the parts that an earlier build left of other configurations."""
        _keep_only(self._parts, configs)

    def parts(self, config: str, key: str) -> RemoteParts:
        """Return the place of the parts of a configuration; parts of other keys are removed.

        Parameters
        ----------
        config : str
            Name of the main configuration.
        key : str
            Hexadecimal digest of all that the parts depend on.
        """
        name = key[:16]
        _keep_only(self._parts / config, [name])
        return RemoteParts(self._parts / config / name, self._scratch).open()

    def place(self, parts: RemoteParts, number: int, file: str, name: str) -> None:
        """Remember which file of a part goes where (arguments as in `deepstrf_hf.staging.OutputDirectory`)."""
        source = parts.path(number) / file
        self._copies[name] = source.root.removeprefix(f"{self._staging.root}/")

    def carry_over(self, replaced: Collection[str]) -> None:
        """Remember what goes: files of configurations that are built anew, and the pictures of the card.

        Parameters
        ----------
        replaced : collection of str
            Names of configurations that the new build writes itself, or that are to go.
        """
        self._replaced = sorted(replaced)
        card = self.place_of_all / CARD_NAME
        if card.exists():
            self._stale = pictures_in_card(card.read().decode(errors="replace"))

    def commit(self) -> None:
        """Put the new content in place of the old."""
        for file in sorted(path for path in self.tree.rglob("*") if path.is_file()):
            name = file.relative_to(self.tree).as_posix()
            (self._staging / "tree" / name).upload(file)
            self._copies[name] = f"tree/{name}"
        for config in self._replaced:
            self._stale += [f"{config}/{name}" for name in (self.place_of_all / config).files()]
        plan = {
            "corpus": self.corpus,
            "copies": self._copies,
            "remove": sorted(set(self._stale) - set(self._copies)),
        }
        self._plan.write(json.dumps(plan, indent=1).encode())
        self._finish_commit()

    def _finish_commit(self) -> None:
        plan = json.loads(self._plan.read())
        if plan["corpus"] != self.corpus:
            raise OutputDirectoryError(
                "A build of another corpus is about to be put here",
                path=self.path,
                found=plan["corpus"],
                expected=self.corpus,
                mend=f"build {plan['corpus']} to this place again, or remove {STAGING}",
            )
        last = [name for name in (REPORT_NAME, CARD_NAME) if name in plan["copies"]]
        for name in reversed(last):
            (self.place_of_all / name).remove()
        for name in [*sorted(set(plan["copies"]) - set(last)), *last]:
            if name == last[0]:
                for stale in plan["remove"]:
                    (self.place_of_all / stale).remove()
            (self._staging / plan["copies"][name]).copy_to(self.place_of_all / name)
        self._plan.remove()
        self._staging.remove()

    def _existing_report(self) -> BuildReport | None:
        content = [name for name in self.place_of_all.names() if name != STAGING]
        report = None
        if REPORT_NAME in content:
            (self.place_of_all / REPORT_NAME).download(self._scratch / REPORT_NAME)
            report = BuildReport.read(self._scratch)
        refuse_other_content(self.path, self.corpus, content, report)
        return report


def _keep_only(place: RemotePlace, names: Collection[str]) -> None:
    for name in place.names():
        if name not in names:
            (place / name).remove()
