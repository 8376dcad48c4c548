"""Routes that read files: trees, information on paths, downloads."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from .accounts import require_download
from .errors import entry_not_found
from .routes_repositories import find, timestamp
from .storage import Commit, FileEntry, Repository
from .wire import Request, Response, Router, content_response, json_response

router = Router()

EXPANDED_PAGE_SIZE = 50


def describe_file(path: str, entry: FileEntry) -> dict[str, Any]:
    """Describe a file as a tree does."""
    described: dict[str, Any] = {"type": "file", "oid": entry.git_oid, "size": entry.size, "path": path}
    if entry.lfs:
        described["lfs"] = {"oid": entry.blob.sha256, "size": entry.size, "pointerSize": len(entry.pointer)}
    return described


def describe_folder(path: str, commit: Commit) -> dict[str, Any]:
    """Describe a folder as a tree does."""
    return {"type": "directory", "oid": commit.oid, "size": 0, "path": path}


def add_details(described: dict[str, Any], repository: Repository, commit: Commit) -> None:
    """Add what ``expand`` asks for: the last change and the result of the scan."""
    last = repository.last_change(described["path"], commit)
    described["lastCommit"] = {"id": last.oid, "title": last.title, "date": timestamp(last.date)}
    if described["type"] == "file":
        described["securityFileStatus"] = {"status": "safe", "avScan": None, "pickleImportScan": None}


def folders_of(files: list[str]) -> set[str]:
    """List every folder that holds one of the files."""
    return {path[:position] for path in files for position, letter in enumerate(path) if letter == "/"}


@router.add("GET", "/api/datasets/{repository}/tree/{revision}")
@router.add("GET", "/api/datasets/{repository}/tree/{revision}/{path}")
def tree(request: Request, repository: str, revision: str, path: str = "") -> Response:
    """List a folder, page by page; anyone who sees a gated repository may ask."""
    found = find(request, repository)
    commit = found.resolve(revision)
    prefix = f"{path.strip('/')}/" if path.strip("/") else ""
    names = [name for name in (*commit.files, *folders_of(list(commit.files))) if name.startswith(prefix)]
    if not names and prefix:
        raise entry_not_found(f"{path} does not exist on {revision}", commit.oid)
    if not request.flag("recursive"):
        names = [name for name in names if "/" not in name[len(prefix) :]]
    listed = [
        describe_file(name, commit.files[name]) if name in commit.files else describe_folder(name, commit)
        for name in sorted(names)
    ]
    expand = request.flag("expand")
    if expand:
        for described in listed:
            add_details(described, found, commit)
    size = request.hub.page_size
    return request.page(listed, min(size, EXPANDED_PAGE_SIZE) if expand else size)


@router.add("POST", "/api/datasets/{repository}/paths-info/{revision}")
def paths_info(request: Request, repository: str, revision: str) -> Response:
    """Describe those of some paths that exist."""
    found = find(request, repository)
    commit = found.resolve(revision)
    form = request.form()
    folders = folders_of(list(commit.files))
    listed = []
    for path in (str(name).strip("/") for name in form.get("paths", [])):
        if path in commit.files:
            listed.append(describe_file(path, commit.files[path]))
        elif path in folders:
            listed.append(describe_folder(path, commit))
    if str(form.get("expand", ["false"])[-1]).lower() in {"true", "1"}:
        for described in listed:
            add_details(described, found, commit)
    return json_response(listed)


@router.add("GET", "/datasets/{repository}/resolve/{revision}/{path}")
@router.add("GET", "/datasets/{repository}/raw/{revision}/{path}")
def download(request: Request, repository: str, revision: str, path: str) -> Response:
    """Hand out a file, or one range of it."""
    found = require_download(request.user, request.hub.repositories.get(repository))
    commit = found.resolve(revision)
    entry = commit.files.get(path)
    if entry is None:
        raise entry_not_found("Entry not found", commit.oid)
    headers = {
        "X-Repo-Commit": commit.oid,
        "ETag": f'"{entry.etag}"',
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(path.rsplit('/', 1)[-1])}",
    }
    if entry.lfs:
        headers |= {"X-Linked-Etag": f'"{entry.etag}"', "X-Linked-Size": str(entry.size)}
    return content_response(entry.blob.content, request.headers.get("Range"), headers)
