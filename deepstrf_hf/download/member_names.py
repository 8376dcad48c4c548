"""Which names of members are unpacked: those that are safe, and mean the same, on every system.

An archive that is unpacked on Linux is refused if it would escape, overwrite itself or lose files on macOS or Windows,
so that a data directory can be moved between them. Spaces, dots at the beginning, and letters of all scripts are legal;
so are what macOS leaves behind (``.DS_Store``, ``__MACOSX/``, ``._name``).

References
----------
.. [1] Microsoft, Naming Files, Paths, and Namespaces:
   https://learn.microsoft.com/windows/win32/fileio/naming-a-file
.. [2] The Unicode Standard, section 3.13, canonical caseless matching (D145).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from deepstrf_hf.download.archive_members import refusal

LONGEST_PART, LONGEST_NAME = 255, 1000
"""Bytes in UTF-8, of a component and of the whole name: what Linux, macOS and Windows take."""
RESERVED = frozenset(
    [
        "CON",
        "PRN",
        "AUX",
        "NUL",
        "CONIN$",
        "CONOUT$",
        *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³"),
    ]
)
"""Names that Windows takes for devices, whatever stands after a dot [1]_."""

Parts = tuple[str, ...]


def split_name(name: str, is_folder: bool, archive: str) -> Parts:
    """Split the name of a member into its components, if it is a legal one.

    Parameters
    ----------
    name : str
        As the archive spells it: components joined by ``/``. A leading ``./`` is dropped, and the ``/`` at the end of a
        folder.
    is_folder : bool
        Whether the member is a folder.
    archive : str
        Name of the archive, for the message.

    Returns
    -------
    tuple of str
        Empty for the folder ``./`` itself.

    Raises
    ------
    ArchiveError
        The name is absolute, has a drive letter, leads out of the folder with ``..``, has a backslash (which separates
        folders on Windows alone), an empty component, control characters, characters that are not Unicode, a reserved
        name, or a dot or space at the end of a component; or it is too long.
    """
    fault = None
    rest = name.removesuffix("/") if is_folder else name
    while rest.startswith("./"):
        rest = rest[2:]
    if is_folder and name in (".", "./"):
        return ()
    if name.startswith("/"):
        fault = "an absolute path"
    elif len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        fault = f"more than {LONGEST_NAME} bytes"
    parts = tuple(rest.split("/"))
    fault = fault or next((found for part in parts if (found := _fault(part))), None)
    if fault:
        raise refusal("An archive has a member with a name that is not safe", archive, member=name, found=fault)
    return parts


def _fault(part: str) -> str | None:
    """Return why a component is refused."""
    if part == "":
        return "an empty component"
    if part in (".", ".."):
        return f"the component {part!r}"
    if "\\" in part:
        return "a backslash"
    if ":" in part:
        return "a colon (a drive, or a stream of a file)"
    kinds = {unicodedata.category(character) for character in part}
    if "Cc" in kinds:
        return "a control character"
    if "Cs" in kinds:
        return "bytes that are not UTF-8"
    if part[-1] in " .":
        return "a component that ends in a space or dot"
    if part.partition(".")[0].rstrip(" ").upper() in RESERVED:
        return "a name that Windows reserves for a device"
    if len(part.encode()) > LONGEST_PART:
        return f"a component of more than {LONGEST_PART} bytes"
    return None


def without_wrapper(members: Sequence[tuple[Parts, bool]], wrapper: Parts) -> list[Parts]:
    """Take the leading folders off all names, as many of them as all members lie in.

    Some archives are in circulation with and without the folder around them. What macOS adds beside that folder
    (``__MACOSX/``, ``.DS_Store``, ``._name``) does not count, and is left out with it.

    Parameters
    ----------
    members : sequence of (tuple of str, bool)
        Components of each name, and whether it is a folder.
    wrapper : tuple of str
        The leading folders, outermost first.

    Returns
    -------
    list of tuple of str
        One for each member; empty for what is left out: the leading folders themselves, and strays beside them.
    """
    for depth in range(len(wrapper), 0, -1):
        folders = wrapper[:depth]
        names = [() if _is_stray_beside(parts, folders) else parts for parts, _ in members]
        if all(
            not parts or (parts[:depth] == folders[: len(parts)] and (is_folder or len(parts) > depth))
            for parts, (_, is_folder) in zip(names, members, strict=True)
        ):
            return [parts[depth:] for parts in names]
    return [parts for parts, _ in members]


def _is_stray_beside(parts: Parts, wrapper: Parts) -> bool:
    if parts[:1] == wrapper[:1]:
        return False
    return parts[:1] == ("__MACOSX",) or (len(parts) == 1 and (parts[0] == ".DS_Store" or parts[0].startswith("._")))


class NameClashes:
    """The names seen so far, as a file system sees them that ignores case and the way accents are composed [2]_.

    A folder may be announced more than once, and after its content.

    Parameters
    ----------
    archive : str
        Name of the archive, for messages.
    """

    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._seen: dict[str, tuple[Parts, bool]] = {}

    def add(self, parts: Parts, is_folder: bool) -> None:
        """Take in a member, and the folders above it.

        Raises
        ------
        ArchiveError
            A file of that name is there already; or a name that differs in case or composition only; or a folder is
            needed where there is a file, or the reverse.
        """
        for depth in range(1, len(parts)):
            self._add(parts[:depth], True, parts)
        self._add(parts, is_folder, parts)

    def _add(self, parts: Parts, is_folder: bool, member: Parts) -> None:
        key = _caseless("/".join(parts))
        if key not in self._seen:
            self._seen[key] = parts, is_folder
            return
        earlier, was_folder = self._seen[key]
        if earlier != parts or not (was_folder and is_folder):
            raise refusal(
                "An archive has members that would overwrite each other",
                self._archive,
                member="/".join(member),
                found=f"also a {'folder' if was_folder else 'file'} {'/'.join(earlier)!a}",
                expected="names that differ in more than case and the composition of accents",
            )


def _caseless(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFD", decomposed)
