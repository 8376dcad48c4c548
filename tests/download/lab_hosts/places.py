"""The public hosts: their addresses, redirects and APIs.

Each place publishes a file under the address that a corpus declares and answers requests to its hosts.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from .wire import Answer, LabFile, LabRequest, file_answer, json_answer, not_found, redirect


class Place:
    """Hosts that give plain files.

    Attributes
    ----------
    hosts
        Names that this place answers for.
    files
        Published files by host and path (unquoted, no query).
    """

    hosts: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], LabFile] = {}

    def publish(self, url: str, file: LabFile) -> None:
        """Give a file under an address."""
        parts = urlsplit(url)
        self.files[parts.netloc, unquote(parts.path)] = file

    def answer(self, request: LabRequest) -> Answer:
        """Answer a request."""
        file = self.files.get((request.host, request.path))
        return not_found() if file is None else file_answer(file, request)


class ZenodoPlace(Place):
    """Records list files with ``key``, ``size`` and ``checksum``."""

    hosts = frozenset({"zenodo.org"})

    def answer(self, request: LabRequest) -> Answer:
        """Answer a request."""
        match = re.fullmatch(r"/api/records/(\d+)", request.path)
        if match is None:
            return super().answer(request)
        prefix = f"{request.path}/files/"
        files = [
            {
                "key": path.removeprefix(prefix).removesuffix("/content"),
                "size": file.published_size,
                "checksum": f"md5:{file.published_md5}",
                "links": {"self": f"https://zenodo.org{path}"},
            }
            for (_, path), file in self.files.items()
            if path.startswith(prefix)
        ]
        return json_answer({"id": int(match[1]), "files": files}) if files else not_found()


class OsfPlace(Place):
    """Downloads go over the file service to Google's storage; addresses there are signed."""

    hosts = frozenset({"osf.io", "api.osf.io", "files.osf.io", "storage.googleapis.com"})

    def answer(self, request: LabRequest) -> Answer:
        """Answer a request."""
        guid = request.path.strip("/").rpartition("/")[2]
        file = self.files.get(("osf.io", f"/download/{guid}/"))
        if file is None:
            return not_found()
        if request.host == "osf.io":
            return redirect(f"https://files.osf.io/v1/resources/lab/providers/osfstorage/{guid}?action=download")
        if request.host == "files.osf.io":
            return redirect(f"https://storage.googleapis.com/cos-osf-prod-files/{guid}?X-Goog-Signature=0123abcd")
        if request.host == "storage.googleapis.com":
            return file_answer(file, request)
        hashes = {"md5": file.published_md5, "sha256": file.published_sha256}
        attributes = {"name": file.name, "size": file.published_size, "extra": {"hashes": hashes, "downloads": 7}}
        return json_answer({"data": {"id": guid, "type": "files", "attributes": attributes}})


class FigsharePlace(Place):
    """Downloads go to Amazon's storage; the article tells of its files. All files are of one article."""

    hosts = frozenset({"figshare.com", "api.figshare.com", "s3-eu-west-1.amazonaws.com"})

    def answer(self, request: LabRequest) -> Answer:
        """Answer a request."""
        if request.host == "api.figshare.com":
            return json_answer({"files": [self._entry(path, file) for (_, path), file in self.files.items()]})
        number = request.path.split("/")[-1]
        file = self.files.get(("figshare.com", f"/ndownloader/files/{number}"))
        if file is None:
            return not_found()
        if request.host == "figshare.com":
            return redirect(f"https://s3-eu-west-1.amazonaws.com/pfigshare-u-files/{number}?X-Amz-Signature=0123abcd")
        return file_answer(file, request)

    @staticmethod
    def _entry(path: str, file: LabFile) -> dict[str, Any]:
        return {
            "id": int(path.rpartition("/")[2]),
            "name": file.name,
            "size": file.published_size,
            "is_link_only": False,
            "download_url": f"https://ndownloader.figshare.com/files/{path.rpartition('/')[2]}",
            "supplied_md5": "",
            "computed_md5": file.published_md5,
        }


class DrumPlace(Place):
    """Downloads go to the content of the bitstream, at the same host."""

    hosts = frozenset({"drum.lib.umd.edu"})

    def answer(self, request: LabRequest) -> Answer:
        """Answer a request."""
        match = re.fullmatch(r"(/server/api/core)?/bitstreams/([0-9a-f-]+)(/content|/download)?", request.path)
        file = None if match is None else self.files.get((request.host, f"/bitstreams/{match[2]}/download"))
        if match is None or file is None:
            return not_found()
        if match[3] == "/download":
            return redirect(f"https://{request.host}/server/api/core/bitstreams/{match[2]}/content")
        if match[3] == "/content":
            return file_answer(file, request)
        checksum = {"checkSumAlgorithm": "MD5", "value": file.published_md5}
        record = {"uuid": match[2], "name": file.name, "sizeBytes": file.published_size, "checkSum": checksum}
        return json_answer({**record, "type": "bitstream"})


class GitPlace(Place):
    """Raw files of commits; ``github.com/…/raw/…`` goes to the host of raw files."""

    hosts = frozenset({"github.com", "raw.githubusercontent.com", "bitbucket.org"})

    def answer(self, request: LabRequest) -> Answer:
        """Answer a request."""
        if request.host == "github.com":
            return redirect(f"https://raw.githubusercontent.com{request.path.replace('/raw/', '/', 1)}")
        return super().answer(request)
