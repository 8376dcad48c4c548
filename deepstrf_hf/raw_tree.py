"""A directory of raw files as a lab published them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError
from deepstrf_hf.progress import progress_bar

READ_BYTES = 2**20


class RawTree:
    """The raw files of one corpus.

    A copy in another process is equal to it, so that what is kept of a tree between parts is kept there too; the same
    directory opened again is not, as its files may be others.

    Parameters
    ----------
    root : str or Path
        Directory of the raw files.
    corpus : str
        Name of the corpus, for messages.
    landmarks : sequence of str
        Paths that must be there for this to be the corpus at all.

    Raises
    ------
    DataDirectoryError
        Not a directory, or without a landmark; a neighbouring directory that has them is pointed out.
    """

    def __init__(self, root: str | Path, corpus: str, landmarks: Sequence[str]) -> None:
        self.root, self.corpus = Path(root), corpus
        self._opening = uuid.uuid4().hex
        missing = [name for name in landmarks if not (self.root / name).exists()]
        if self.root.is_dir() and not missing:
            return
        candidates = [self.root.parent, *sorted(self.root.glob("*/"))] if self.root.is_dir() else []
        near = [path for path in candidates if all((path / name).exists() for name in landmarks)]
        present = sorted(path.name for path in self.root.iterdir())[:8] if self.root.is_dir() else None
        archives = [name for name in present or [] if name.endswith((".zip", ".tgz", ".tar.gz"))]
        mend = f"name the directory that holds {', '.join(landmarks)}"
        if near:
            mend = f"did you mean {near[0]}?"
        elif archives:
            mend = f"unpack {', '.join(archives)} there"
        raise DataDirectoryError(
            f"This directory does not hold the raw files of {corpus}",
            path=self.root,
            found="no such directory" if present is None else ", ".join(present) or "an empty directory",
            expected=", ".join(missing or landmarks),
            mend=mend,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RawTree) and self._opening == other._opening

    def __hash__(self) -> int:
        return hash(self._opening)

    def path(self, name: str, mend: str | None = None) -> Path:
        """Return the path of a raw file.

        Raises
        ------
        MissingRawFileError
            It is not there.
        """
        path = self.root / name
        if not path.is_file():
            raise MissingRawFileError(
                f"A raw file of {self.corpus} is missing",
                path=path,
                expected="a file",
                mend=mend or "complete the download, or leave it out with on_error='skip' where that is allowed",
            )
        return path

    def shown(self, text: str) -> str:
        """Return a text in which paths of raw files begin below the raw directory."""
        for root in dict.fromkeys((str(self.root), str(self.root.resolve()))):
            text = text.replace(f"{root}/", "")
        return text

    def sha256(self, names: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 of raw files, by name; files that are not there are left out."""
        present = [name for name in sorted(set(names)) if (self.root / name).is_file()]
        with ThreadPoolExecutor(max_workers=2) as pool, progress_bar(len(present), "hashing raw files") as bar:
            digests = []
            for digest in pool.map(lambda name: sha256_of(self.root / name), present):
                digests.append(digest)
                bar.update()
        return dict(zip(present, digests, strict=True))


def sha256_of_list(hashes: Mapping[str, str]) -> str:
    """Return one SHA-256 for many files: that of their list, as ``sha256sum`` prints it, in the order of their names.

    Parameters
    ----------
    hashes : mapping of str to str
        SHA-256 of each file by its name below the raw directory, as `RawTree.sha256` gives them.
    """
    lines = (f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
