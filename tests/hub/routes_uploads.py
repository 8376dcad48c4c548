"""Routes that write files: card check, upload modes, LFS objects, commits."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

from .accounts import require_write
from .attributes import is_ignored, is_lfs
from .card_rules import check_card
from .errors import HubError, forbidden
from .routes_repositories import find
from .storage import Blob, FileEntry
from .wire import Request, Response, Router, json_response

router = Router()


@router.add("POST", "/api/validate-yaml")
def validate_yaml(request: Request) -> Response:
    """Check the metadata block of a card; a card without one is worth a warning."""
    errors, warnings = check_card(str(request.json().get("content", "")))
    fields = {
        kind: [{"message": text} for text in texts] for kind, texts in (("errors", errors), ("warnings", warnings))
    }
    if errors:
        raise HubError(400, "Invalid metadata in README.md", fields=fields)
    return json_response(fields)


@router.add("POST", "/api/datasets/{repository}/preupload/{revision}")
def preupload(request: Request, repository: str, revision: str) -> Response:
    """Say for each file whether it goes to git or to LFS, whether it is ignored, and what it was before."""
    found = require_write(request.user, find(request, repository))
    files = found.resolve(revision).files
    payload = request.json()
    gitignore = payload.get("gitIgnore")
    if gitignore is None:
        gitignore = files[".gitignore"].blob.content.decode() if ".gitignore" in files else ""
    answers = []
    for described in payload.get("files", []):
        path = described["path"]
        lfs = is_lfs(path, described["size"], base64.b64decode(described.get("sample", "")))
        answer = {
            "path": path,
            "uploadMode": "lfs" if lfs else "regular",
            "shouldIgnore": is_ignored(path, gitignore),
        }
        if path in files:
            answer["oid"] = files[path].etag
        answers.append(answer)
    return json_response({"files": answers})


@router.add("POST", "/datasets/{repository}.git/info/lfs/objects/batch")
def lfs_batch(request: Request, repository: str) -> Response:
    """Say where to put each object; one that the repository holds already needs no upload."""
    found = require_write(request.user, find(request, repository))
    payload = request.json()
    if payload.get("operation") != "upload" or payload.get("hash_algo", "sha256") != "sha256":
        raise HubError(422, "Only uploads with sha256 are known here")
    described: list[dict[str, Any]] = []
    for wanted in payload.get("objects", []):
        answer: dict[str, Any] = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] not in found.objects:
            ticket = secrets.token_urlsafe(16)
            request.hub.tickets[ticket] = (found, wanted["oid"])
            base = f"{request.hub.endpoint}/datasets/{found.identifier}.git/info/lfs"
            answer["actions"] = {
                "upload": {"href": f"{request.hub.endpoint}/lfs-uploads/{wanted['oid']}?ticket={ticket}"},
                "verify": {"href": f"{base}/verify"},
            }
        described.append(answer)
    return json_response({"transfer": "basic", "objects": described})


@router.add("PUT", "/lfs-uploads/{oid}")
def lfs_upload(request: Request, oid: str) -> Response:
    """Take the bytes of an object; the address is signed, and the bytes must have the hash that it names."""
    repository, promised = request.hub.tickets.get(request.parameter("ticket"), (None, None))
    if repository is None or promised != oid:
        raise forbidden("The signature of this upload is not valid")
    found = hashlib.sha256(request.body).hexdigest()
    if found != oid:
        raise HubError(400, f"The content has sha256 {found}, but {oid} was promised")
    repository.objects[oid] = Blob.from_content(request.body)
    return Response(200, b"", {"ETag": f'"{oid}"'})


@router.add("POST", "/datasets/{repository}.git/info/lfs/verify")
def lfs_verify(request: Request, repository: str) -> Response:
    """Confirm that an object has arrived whole."""
    found = require_write(request.user, find(request, repository))
    payload = request.json()
    blob = found.objects.get(payload["oid"])
    if blob is None or len(blob.content) != payload["size"]:
        raise HubError(404, f"LFS object {payload['oid']} of {payload['size']} bytes is not here")
    return json_response({})


@router.add("POST", "/api/datasets/{repository}/commit/{revision}")
def commit(request: Request, repository: str, revision: str) -> Response:
    """Apply a commit sent as one JSON object per line, all of it or nothing."""
    found = require_write(request.user, find(request, repository))
    if request.flag("create_pr"):
        raise HubError(400, "This Hub knows no pull requests")
    header: dict[str, Any] = {}
    additions: dict[str, bytes | FileEntry] = {}
    deletions: list[str] = []
    for line in request.body.splitlines():
        try:
            item = json.loads(line)
            key, value = item["key"], item["value"]
        except (ValueError, KeyError, TypeError) as error:
            raise HubError(400, f"Invalid line in commit: {line[:80]!r}") from error
        if key == "header":
            header = value
        elif key == "file":
            content = value["content"]
            additions[check_path(value["path"])] = FileEntry(
                Blob.from_content(base64.b64decode(content) if value.get("encoding") == "base64" else content.encode()),
                lfs=False,
            )
        elif key == "lfsFile":
            blob = found.objects.get(value["oid"])
            if blob is None or value.get("size", len(blob.content)) != len(blob.content):
                raise HubError(400, f"LFS pointer of {value['path']} points to an object that is not here")
            additions[check_path(value["path"])] = FileEntry(blob, lfs=True)
        elif key == "deletedFile":
            deletions.append(value["path"])
        elif key == "deletedFolder":
            deletions.append(value["path"].rstrip("/") + "/")
        else:
            raise HubError(400, f"Unknown operation in commit: {key}")
    if not header.get("summary"):
        raise HubError(400, "A commit needs a summary")
    request.hub.run_before_commit(found)
    made = found.commit(
        additions,
        deletions,
        title=header["summary"],
        message=header.get("description", ""),
        author=request.user.name if request.user else "",
        branch=revision,
        parent=header.get("parentCommit"),
    )
    url = f"{request.hub.endpoint}/datasets/{found.identifier}/commit/{made.oid}"
    return json_response({"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})


def check_path(path: str) -> str:
    """Refuse a path that leaves the repository or hides in git's own folder."""
    parts = path.split("/")
    if not path or path.startswith("/") or {"", ".", "..", ".git"} & set(parts):
        raise HubError(400, f"Invalid path in commit: {path!r}")
    return path
