"""A Hub on 127.0.0.1 that the real `huggingface_hub` client downloads from and uploads to.

It keeps repositories in memory, speaks the endpoints that the client uses, writes down every request, and misbehaves
on demand: refuses, breaks connections, falls silent, sends damaged bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LFS_FROM = 200_000
"""Bytes from which a file counts as large, as on the real Hub (there by extension or 10 MB)."""


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Repository:
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    private: bool = False

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        digest = hashlib.sha1(repr([branch, len(self.commits), sorted(files)]).encode()).hexdigest()
        self.commits[digest] = dict(files)
        self.branches[branch] = digest
        return digest


@dataclass
class Request:
    method: str
    path: str
    token: str | None
    range: str | None


class LocalHub:
    """`with LocalHub() as hub:` serves at `hub.url` until the block ends."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.uploads: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}  # path -> a size to lie about
        self.status: int | None = None  # answer every request so
        self.cut_after: int | None = None  # break the next download after so many bytes
        self.damage = False  # flip a bit of every download
        self.silent = threading.Event()  # answer nothing
        self.closing = threading.Event()
        hub = self

        class Handler(_Handler):
            local = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> LocalHub:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def add(self, name: str, files: dict[str, bytes], branch: str = "main", private: bool = False) -> str:
        """Commit files to a repository, made if needed; returns the commit."""
        repository = self.repositories.setdefault(name, Repository(private=private))
        return repository.commit(files, branch)

    def downloads(self) -> list[str]:
        """Names of the files whose content was asked for."""
        return [r.path.split("/resolve/")[1].split("/", 1)[1] for r in self.requests if self._is_download(r)]

    @staticmethod
    def _is_download(request: Request) -> bool:
        return request.method == "GET" and "/resolve/" in request.path


class _Handler(BaseHTTPRequestHandler):
    local: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        body = self._body()
        hub, path = self.local, unquote(urlsplit(self.path).path)
        hub.requests.append(Request(self.command, path, self.headers.get("Authorization"), self.headers.get("Range")))
        while hub.silent.is_set() and not hub.closing.wait(0.05):
            pass
        if hub.status is not None:
            return self._send(hub.status, {"error": "as the test asked"})
        for pattern, method in (
            (r"/api/(?:models|datasets)/([^/]+/[^/]+)/revision/(.+)", self._describe),
            (r"(?:/datasets)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._file),
            (r"/api/(?:models|spaces)/([^/]+/[^/]+)/preupload/.+", self._preupload),
            (r"/api/(?:models|spaces)/([^/]+/[^/]+)/commit/(.+)", self._commit),
            (r"(?:/spaces)?/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self._lfs_batch),
            (r"/lfs/([0-9a-f]{64})", self._lfs_put),
            (r"/api/(repos/create)", self._create),
            (r"/api/(validate-yaml)", lambda _, __: self._send(200, {"errors": [], "warnings": []})),
        ):
            match = re.fullmatch(pattern, path)
            if match:
                return method(match, body)
        return self._send(404, {"error": f"no such endpoint: {self.command} {path}"})

    do_GET = do_POST = do_HEAD = do_PUT = handle_any

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _repository(self, name: str) -> Repository | None:
        repository = self.local.repositories.get(name)
        if repository is None or (repository.private and not self.headers.get("Authorization")):
            self._send(401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        return repository

    def _describe(self, match: re.Match, _: bytes) -> None:
        repository = self._repository(match[1])
        if repository is None:
            return
        commit = repository.branches.get(match[2], match[2])
        if commit not in repository.commits:
            return self._send(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        siblings = []
        for name, data in repository.commits[commit].items():
            size = self.local.sizes.get(name, len(data))
            entry = {"rfilename": name, "size": size, "blobId": blob_id(data)}
            if size >= LFS_FROM:
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 130}
            siblings.append(entry)
        self._send(200, {"id": match[1], "modelId": match[1], "sha": commit, "siblings": siblings, "tags": []})

    def _file(self, match: re.Match, _: bytes) -> None:
        repository = self._repository(match[1])
        if repository is None:
            return
        commit = repository.branches.get(match[2], match[2])
        data = repository.commits.get(commit, {}).get(match[3])
        if data is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        tag = hashlib.sha256(data).hexdigest() if len(data) >= LFS_FROM else blob_id(data)
        if self.local.damage:
            data = bytes([data[0] ^ 1]) + data[1:]
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        start = int(re.match(r"bytes=(\d+)-", self.headers.get("Range") or "bytes=0-")[1])
        headers["Content-Length"] = str(len(data) - start)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if self.command == "GET" and self.local.cut_after is not None and len(data) - start > self.local.cut_after:
            self.send_response(206 if start else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[start : start + self.local.cut_after])
            self.wfile.flush()
            self.local.cut_after = None
            self.close_connection = True
            self.connection.close()
            return None
        return self._send(206 if start else 200, data[start:], headers)

    def _create(self, _: re.Match, body: bytes) -> None:
        wish = json.loads(body)
        name = f"{wish['organization']}/{wish['name']}" if wish.get("organization") else f"me/{wish['name']}"
        self.local.repositories.setdefault(name, Repository(private=wish.get("visibility") == "private"))
        self._send(200, {"url": f"{self.local.url}/{name}", "name": name})

    def _preupload(self, _: re.Match, body: bytes) -> None:
        files = [
            {
                "path": f["path"],
                "uploadMode": "lfs" if f["size"] >= LFS_FROM else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for f in json.loads(body)["files"]
        ]
        self._send(200, {"files": files})

    def _lfs_batch(self, _: re.Match, body: bytes) -> None:
        objects = [
            {"oid": o["oid"], "size": o["size"], "actions": {"upload": {"href": f"{self.local.url}/lfs/{o['oid']}"}}}
            for o in json.loads(body)["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def _lfs_put(self, match: re.Match, body: bytes) -> None:
        self.local.uploads[match[1]] = body
        self._send(200, b"")

    def _commit(self, match: re.Match, body: bytes) -> None:
        repository = self._repository(match[1])
        if repository is None:
            return
        files = dict(repository.commits.get(repository.branches.get(match[2], ""), {}))
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            elif entry["key"] == "lfsFile":
                files[entry["value"]["path"]] = self.local.uploads[entry["value"]["oid"]]
        commit = repository.commit(files, match[2])
        url = f"{self.local.url}/{match[1]}/commit/{commit}"
        self._send(200, {"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})
