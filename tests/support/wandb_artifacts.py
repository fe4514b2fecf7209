"""Artifacts in the stand-in for the W&B server: answers to GraphQL operations, of what tests.support.wandb_store
remembers."""

import base64
from typing import Any

Answer = dict[str, Any]


def global_id(kind: str, name: str) -> str:
    return base64.b64encode(f"{kind}:{name}".encode()).decode()


def name_of(identifier: str) -> str:
    return base64.b64decode(identifier).decode().partition(":")[2]


def create(store: Any, given: Answer) -> Answer:
    """A new version, or the one that has the same contents; the client then uploads nothing."""
    versions = [each for each in store.artifacts.values() if each["name"] == given["artifactCollectionName"]]
    same = [each for each in versions if each["digest"] == given["digest"]]
    if not same:
        about = {"id": global_id("Artifact", str(next(store.ids))), "digest": given["digest"], "state": "PENDING"}
        about |= {"name": given["artifactCollectionName"], "type": given["artifactTypeName"], "files": {}}
        store.artifacts[about["id"]] = about | {"run": given["runName"], "version": len(versions)}
        same = versions = [store.artifacts[about["id"]]]
    artifact, latest = same[0], versions[-1]
    sequence = {"id": "sequence", "latestArtifact": {"id": latest["id"], "versionIndex": latest["version"]}}
    about = {"id": artifact["id"], "state": artifact["state"], "digest": artifact["digest"]}
    return {"createArtifact": {"artifact": {**about, "artifactSequence": sequence}}}


def create_manifest(store: Any, given: Answer) -> Answer:
    url = f"{store.url}/artifacts/{name_of(given['artifactID'])}/{given['name']}"
    file = {"id": "file", "name": given["name"], "displayName": given["name"], "uploadUrl": url, "uploadHeaders": []}
    return {"createArtifactManifest": {"artifactManifest": {"id": given["artifactID"], "file": file}}}


def create_files(store: Any, given: Answer) -> Answer:
    nodes = []
    for file in given["artifactFiles"]:
        path = f"/artifacts/{name_of(file['artifactID'])}/{file['name']}"
        store.artifacts[file["artifactID"]]["files"][file["name"]] = path
        about = {"id": "file", "name": file["name"], "displayName": file["name"], "storagePath": path}
        about |= {"uploadUrl": store.url + path, "uploadHeaders": [], "uploadMultipartUrls": None}
        nodes.append({"node": about | {"artifact": {"id": file["artifactID"]}}})
    return {"createArtifactFiles": {"files": {"edges": nodes}}}


def commit(store: Any, given: Answer) -> Answer:
    artifact = store.artifacts[given["artifactID"]]
    artifact["state"] = "COMMITTED"
    return {"commitArtifact": {"artifact": {"id": artifact["id"], "digest": artifact["digest"]}}}


def of_run(store: Any, given: Answer) -> Answer:
    """Those that are committed: the client fails at another one."""
    owner = {**store.project(given["project"], given["entity"]), "__typename": "Project"}
    same = {"__typename": "Artifact", "ttlDurationSeconds": -1, "ttlIsInherited": True, "tags": [], "aliases": []}
    same |= {"size": 1, "createdAt": "2026-01-01T00:00:00"}
    same |= dict.fromkeys(("description", "metadata", "historyStep", "commitHash", "updatedAt"))
    nodes = []
    for artifact in store.artifacts.values():
        if (artifact["run"], artifact["state"]) == (given["run"], "COMMITTED"):
            node = same | {key: artifact[key] for key in ("id", "state", "digest")}
            sequence = {"__typename": "ArtifactSequence", "id": "sequence", "name": artifact["name"], "project": owner}
            node |= {"artifactSequence": sequence, "artifactType": {"name": artifact["type"]}}
            nodes.append(node | {"versionIndex": artifact["version"], "fileCount": len(artifact["files"])})
    page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
    edges = [{"node": node} for node in nodes]
    return {"project": {"run": {"artifacts": {"totalCount": len(nodes), "pageInfo": page, "edges": edges}}}}
