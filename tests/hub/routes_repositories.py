"""Routes on whole repositories: who am I, create, delete, settings, information, references, commits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .accounts import may_read, require_download, require_namespace, require_read, require_write
from .errors import HubError, authentication_required
from .storage import Commit, FileEntry, Repository
from .wire import Request, Response, Router, json_response

router = Router()

GATES = (False, "auto", "manual")


def timestamp(date: datetime) -> str:
    """Write a date as the Hub does."""
    return date.strftime("%Y-%m-%dT%H:%M:%S.") + f"{date.microsecond // 1000:03d}Z"


def find(request: Request, repository: str) -> Repository:
    """Find a repository that the user may see."""
    return require_read(request.user, request.hub.repositories.get(repository))


def dataset_type(request: Request, payload: dict[str, Any]) -> tuple[str, str]:
    """Read namespace and name of a dataset from the payload of create and delete."""
    if payload.get("type") != "dataset":
        raise HubError(400, f"This Hub only holds datasets, not {payload.get('type', 'model')!r}")
    namespace = payload.get("organization") or (request.user.name if request.user else None)
    if namespace is None:
        raise authentication_required()
    return namespace, str(payload.get("name", ""))


def is_private(payload: dict[str, Any], default: bool) -> bool:
    """Read the visibility, which clients send in one of two ways."""
    if "visibility" in payload:
        return str(payload["visibility"]) == "private"
    return bool(payload.get("private", default))


@router.add("GET", "/api/whoami-v2")
def whoami(request: Request) -> Response:
    """Say whose token it is."""
    user = request.user
    if user is None:
        raise authentication_required()
    organisations = [{"type": "org", "name": name, "fullname": name} for name in user.organisations]
    token = {"displayName": "loopback", "role": user.role}
    return json_response(
        {
            "type": "user",
            "id": user.name,
            "name": user.name,
            "fullname": user.name,
            "orgs": organisations,
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


@router.add("GET", "/api/agent-harnesses")
def agent_harnesses(request: Request) -> Response:
    """Answer the command line's question about the program that runs it."""
    return json_response({"standardEnvVars": [], "harnesses": {}})


@router.add("POST", "/api/repos/create")
def create(request: Request) -> Response:
    """Create a dataset repository; 409 with its address if it exists."""
    payload = request.json()
    namespace, name = dataset_type(request, payload)
    user = require_namespace(request.user, namespace)
    identifier = f"{namespace}/{name}"
    url = f"{request.hub.endpoint}/datasets/{identifier}"
    repository = Repository(identifier, is_private(payload, default=False), author=user.name)
    if request.hub.repositories.setdefault(identifier, repository) is not repository:
        raise HubError(409, "You already created this dataset repo", fields={"url": url})
    return json_response({"url": url, "name": identifier, "id": identifier})


@router.add("DELETE", "/api/repos/delete")
def delete(request: Request) -> Response:
    """Delete a dataset repository."""
    namespace, name = dataset_type(request, request.json())
    repository = require_write(request.user, request.hub.repositories.get(f"{namespace}/{name}"))
    request.hub.repositories.pop(repository.identifier, None)
    return Response(200, b"OK", {"Content-Type": "text/plain"})


@router.add("PUT", "/api/datasets/{repository}/settings")
def settings(request: Request, repository: str) -> Response:
    """Change visibility and gate."""
    found = require_write(request.user, find(request, repository))
    payload = request.json()
    gated = payload.get("gated", found.gated)
    if gated not in GATES:
        raise HubError(400, f"gated must be one of {GATES}, not {gated!r}")
    found.private, found.gated = is_private(payload, found.private), gated
    return json_response({"private": found.private, "gated": found.gated})


@router.add("GET", "/api/datasets/{repository}/auth-check")
def check_read(request: Request, repository: str) -> Response:
    """Say whether the user may download."""
    require_download(request.user, find(request, repository))
    return Response(200, b"OK", {"Content-Type": "text/plain"})


@router.add("GET", "/api/datasets/{repository}/auth-check/write")
def check_write(request: Request, repository: str) -> Response:
    """Say whether the user may upload."""
    require_write(request.user, find(request, repository))
    return Response(200, b"OK", {"Content-Type": "text/plain"})


@router.add("GET", "/api/datasets/{repository}/refs")
def references(request: Request, repository: str) -> Response:
    """List branches and tags."""
    found = find(request, repository)

    def listed(names: dict[str, str], kind: str) -> list[dict[str, str]]:
        return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": oid} for name, oid in names.items()]

    with found.lock:
        payload = {"branches": listed(found.branches, "heads"), "tags": listed(found.tags, "tags"), "converts": []}
    return json_response({**payload, "pullRequests": []} if request.flag("include_prs") else payload)


@router.add("POST", "/api/datasets/{repository}/tag/{revision}")
def create_tag(request: Request, repository: str, revision: str) -> Response:
    """Tag a commit."""
    found = require_write(request.user, find(request, repository))
    found.create_reference(found.tags, str(request.json()["tag"]), revision)
    return json_response({})


@router.add("DELETE", "/api/datasets/{repository}/tag/{tag}")
def delete_tag(request: Request, repository: str, tag: str) -> Response:
    """Remove a tag."""
    found = require_write(request.user, find(request, repository))
    found.delete_reference(found.tags, tag)
    return json_response({})


@router.add("POST", "/api/datasets/{repository}/branch/{branch}")
def create_branch(request: Request, repository: str, branch: str) -> Response:
    """Start a branch."""
    found = require_write(request.user, find(request, repository))
    if branch.startswith("refs/"):
        raise HubError(400, f"Invalid reference for a branch: {branch}")
    found.create_reference(found.branches, branch, request.json().get("startingPoint") or "main")
    return json_response({})


@router.add("DELETE", "/api/datasets/{repository}/branch/{branch}")
def delete_branch(request: Request, repository: str, branch: str) -> Response:
    """Remove a branch other than ``main``."""
    found = require_write(request.user, find(request, repository))
    if branch == "main":
        raise HubError(400, "Cannot delete the main branch")
    found.delete_reference(found.branches, branch)
    return json_response({})


@router.add("GET", "/api/datasets/{repository}/commits/{revision}")
def commits(request: Request, repository: str, revision: str) -> Response:
    """List the history of a revision, newest first."""
    listed = [
        {
            "id": commit.oid,
            "title": commit.title,
            "message": commit.message,
            "authors": [{"user": commit.author}],
            "date": timestamp(commit.date),
        }
        for commit in find(request, repository).history(revision)
    ]
    return request.page(listed, request.hub.page_size)


def sibling(path: str, entry: FileEntry, blobs: bool) -> dict[str, Any]:
    """Describe a file as the information on a repository does."""
    described: dict[str, Any] = {"rfilename": path}
    if blobs:
        described |= {"size": entry.size, "blobId": entry.git_oid}
        if entry.lfs:
            pointer_size = len(entry.pointer)
            described["lfs"] = {"sha256": entry.blob.sha256, "size": entry.size, "pointerSize": pointer_size}
    return described


def information(repository: Repository, commit: Commit, blobs: bool = False) -> dict[str, Any]:
    """Describe a repository at a commit."""
    return {
        "_id": repository.identifier,
        "id": repository.identifier,
        "author": repository.namespace,
        "sha": commit.oid,
        "createdAt": timestamp(repository.created),
        "lastModified": timestamp(commit.date),
        "private": repository.private,
        "gated": repository.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "usedStorage": sum(entry.size for entry in commit.files.values()),
        "siblings": [sibling(path, entry, blobs) for path, entry in sorted(commit.files.items())],
    }


@router.add("GET", "/api/datasets")
def list_datasets(request: Request) -> Response:
    """List the repositories that the user may see, by author and by part of the name."""
    author, part = request.parameter("author"), request.parameter("search")
    listed = []
    for repository in list(request.hub.repositories.values()):
        wanted = author in ("", repository.namespace) and part in repository.identifier
        if wanted and may_read(request.user, repository):
            described = information(repository, repository.resolve())
            del described["siblings"]
            listed.append(described)
    return request.page(listed, request.hub.page_size)


@router.add("GET", "/api/datasets/{repository}/revision/{revision}")
@router.add("GET", "/api/datasets/{repository}")
def info(request: Request, repository: str, revision: str = "main") -> Response:
    """Describe a repository; anyone who sees a gated one may ask."""
    found = find(request, repository)
    described = information(found, found.resolve(revision), request.flag("blobs"))
    expand = request.query.get("expand", [])
    if expand:
        described = {name: value for name, value in described.items() if name in {"_id", "id", *expand}}
    return json_response(described)
