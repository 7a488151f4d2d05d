"""A server on this machine that answers as the Hugging Face Hub does to one who publishes a dataset."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from servers import Handler, Served, serving

REPOSITORY = "lab/data"
API = f"/api/datasets/{REPOSITORY}"


@dataclass
class Hub(Served):
    """One repository: contents of large files by digest, commits by id, and where its names point."""

    exists: bool = False
    objects: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, dict[str, tuple[bytes, bool]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    refuse: int = 0
    refuse_tags: bool = False
    cut_after: int | None = None
    uploads: list[str] = field(default_factory=list)

    def create(self) -> None:
        self.exists = True
        self.commit({".gitattributes": (b"*.parquet filter=lfs", False)})

    def commit(self, files: dict[str, tuple[bytes, bool]]) -> str:
        # With the number of commits, so that equal contents committed twice have two ids.
        text = json.dumps(
            [sorted((name, hashlib.sha256(data).hexdigest()) for name, (data, _) in files.items()), len(self.commits)]
        )
        oid = hashlib.sha1(text.encode()).hexdigest()
        self.commits[oid] = files
        self.names["main"] = oid
        return oid

    def at(self, revision: str) -> dict[str, tuple[bytes, bool]] | None:
        return self.commits.get(self.names.get(revision, revision))

    def info(self, revision: str) -> dict[str, Any]:
        siblings = []
        for name, (data, large) in (self.at(revision) or {}).items():
            blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
            sibling: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": blob}
            if large:
                sibling["lfs"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}
            siblings.append(sibling)
        return {"id": REPOSITORY, "sha": self.names.get(revision, revision), "siblings": siblings}


class HubHandler(Handler):
    served: Hub

    def answer(self, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        hub = self.served
        found = re.fullmatch(rf"{API}(?:/revision/(?P<revision>[^/]+))?", path)
        if found:
            revision = found["revision"] or "main"
            if not hub.exists:
                return self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body)
            if hub.at(revision) is None:
                return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"}, with_body)
            return self.json(hub.info(revision))
        found = re.fullmatch(rf"/datasets/{REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", path)
        if found and (files := hub.at(found["revision"])) and found["name"] in files:
            hub.files[path] = files[found["name"]][0]
        return super().answer(with_body)

    def do_POST(self) -> None:
        body, hub, path = self.body(), self.served, self.path.partition("?")[0]
        hub.requests.append(f"POST {path}")
        if hub.refuse:
            return self.send(hub.refuse, b'{"error": "refused"}', {}, True)
        if path == "/api/repos/create":
            hub.create()
            return self.json({"url": f"{hub.url}/datasets/{REPOSITORY}"})
        if path == "/api/validate-yaml":
            return self.json({"errors": [], "warnings": []})
        if path.startswith(f"{API}/preupload/"):
            modes = [
                # Both ways of sending are used: large files by digest before the commit, small ones inside it.
                {"path": file["path"], "uploadMode": "lfs" if file["size"] > 5000 else "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.json({"files": modes})
        if path.endswith("/info/lfs/objects/batch"):
            return self.json(
                {"transfer": "basic", "objects": [self.action(item) for item in json.loads(body)["objects"]]}
            )
        if path.startswith(f"{API}/commit/"):
            return self.commit(body)
        if path.startswith(f"{API}/tag/"):
            if hub.refuse_tags:
                return self.send(403, b'{"error": "refused"}', {}, True)
            hub.names[json.loads(body)["tag"]] = path.rpartition("/")[2]
            return self.json({})
        return self.send(404, b"", {}, True)

    def do_PUT(self) -> None:
        hub = self.served
        if hub.cut_after is not None and len(hub.uploads) >= hub.cut_after:
            # As a connection that breaks in the middle of an upload.
            self.close_connection = True
            return self.connection.close()
        data = self.body()
        assert hashlib.sha256(data).hexdigest() == self.path.rpartition("/")[2]
        hub.objects[self.path.rpartition("/")[2]] = data
        hub.uploads.append(self.path.rpartition("/")[2])
        return self.send(200, b"", {}, True)

    def action(self, item: dict[str, Any]) -> dict[str, Any]:
        if item["oid"] in self.served.objects:
            return item
        return item | {"actions": {"upload": {"href": f"{self.served.url}/upload/{item['oid']}"}}}

    def commit(self, body: bytes) -> None:
        hub = self.served
        files = dict(hub.at("main") or {})
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            # The Hub refuses a commit whose parent is not the last one.
            if line["key"] == "header" and value.get("parentCommit") not in (None, hub.names["main"]):
                return self.send(412, b'{"error": "moved"}', {}, True)
            if line["key"] == "file":
                files[value["path"]] = (base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile":
                files[value["path"]] = (hub.objects[value["oid"]], True)
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        oid = hub.commit(files)
        return self.json({"commitUrl": f"{hub.url}/datasets/{REPOSITORY}/commit/{oid}", "commitOid": oid})

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def json(self, value: Any) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"}, True)


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Start the server, and let the library that speaks to the Hub speak to it."""
    pytest.importorskip("huggingface_hub")
    with serving(HubHandler, Hub()) as hub, pytest.MonkeyPatch.context() as patch:
        assert isinstance(hub, Hub)
        patch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        patch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield hub
