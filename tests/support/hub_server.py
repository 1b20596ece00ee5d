"""A Hugging Face Hub in one process: serves repositories held in memory to the real huggingface_hub client, and takes uploads.

    with LocalHub() as hub:
        sha = hub.add("owner/name", {"config.json": b"{}"})
        subprocess.run(..., env=os.environ | hub.environment(cache_folder))     # a process of its own
        hub.use(monkeypatch, cache_folder)                                      # or this one

Plays what the client asks for: repository information, the tree, files with HEAD, GET, Range, ETag and X-Repo-Commit, branches,
tags and commits, errors with X-Error-Code; creating repositories, Space variables, and commits of regular files.
"""

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

_KIND = r"(?P<kind>model|space|dataset)s"
_REPO = r"(?P<repo>[\w.-]+(?:/[\w.-]+)?)"
_INFO = re.compile(rf"/api/{_KIND}/{_REPO}(?:/revision/(?P<revision>[^/]+))?")
_TREE = re.compile(rf"/api/{_KIND}/{_REPO}/tree/(?P<revision>[^/]+)(?:/.*)?")
_FILE = re.compile(rf"/(?:(?P<kind>space|dataset)s/)?{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_PREUPLOAD = re.compile(rf"/api/{_KIND}/{_REPO}/preupload/(?P<revision>[^/]+)")
_COMMIT = re.compile(rf"/api/{_KIND}/{_REPO}/commit/(?P<revision>[^/]+)")
_VARIABLES = re.compile(rf"/api/{_KIND}/{_REPO}/variables")


@dataclass
class Repository:
    """One repository: every commit holds all its files."""

    kind: str = "model"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # sha → path → content
    refs: dict[str, str] = field(default_factory=dict)  # branch, tag or "refs/pr/1" → sha
    gated: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)  # what the request that made it said

    def commit(self, files: Mapping[str, bytes], ref: str | None, sha: str | None = None) -> str:
        seed = repr((sorted((path, hashlib.sha1(content).hexdigest()) for path, content in files.items()), len(self.commits)))
        sha = sha or hashlib.sha1(seed.encode()).hexdigest()
        self.commits[sha] = dict(files)
        if ref:
            self.refs[ref] = sha
        return sha

    def sha(self, revision: str) -> str | None:
        return self.refs.get(revision, revision if revision in self.commits else None)


class LocalHub:
    """The server; a context manager. `requests` lists (method, path) of everything that was asked."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}  # (kind, id) → repository
        self.requests: list[tuple[str, str]] = []
        self.tokens: set[str] = set()  # bearer tokens seen
        self.cut_after: int | None = None  # bytes after which the body of a large file (over 1000 bytes) breaks off
        self._connections: set[socket.socket] = set()
        hub = self

        class Handler(_Handler):
            server_hub = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "LocalHub":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering: from here on the Hub is out of reach."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            for connection in list(self._connections):  # kept alive by the client, and served by threads of their own
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def add(
        self,
        repo: str,
        files: Mapping[str, bytes | Path] | Path,
        *,
        revision: str | None = "main",
        sha: str | None = None,
        kind: str = "model",
    ) -> str:
        """Commit files (or all files of a folder) to a repository, making it where it does not exist; the commit's sha."""
        if isinstance(files, Path):
            files = {path.relative_to(files).as_posix(): path for path in files.rglob("*") if path.is_file()}
        contents = {path: content.read_bytes() if isinstance(content, Path) else content for path, content in files.items()}
        return self.repositories.setdefault((kind, repo), Repository(kind)).commit(contents, revision, sha)

    def files(self, repo: str, *, revision: str = "main", kind: str = "model") -> dict[str, bytes]:
        """What a repository holds now."""
        repository = self.repositories[kind, repo]
        return repository.commits[repository.refs[revision]]

    def environment(self, home: Path) -> dict[str, str]:
        """What a process needs in its environment to meet this Hub, with an empty cache of its own."""
        quiet = {
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        }
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_CACHE": str(home / "hub"), "HF_HUB_OFFLINE": "0", **quiet}

    def use(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        """Point this process's huggingface_hub, which has read its environment long ago, at this Hub and an empty cache."""
        from huggingface_hub import constants

        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", self.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HOME", str(home))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_hub: LocalHub

    def setup(self) -> None:
        super().setup()
        self.server_hub._connections.add(self.connection)

    def finish(self) -> None:
        self.server_hub._connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *arguments: object) -> None:
        """Silence: the tests read `requests`."""

    def do_HEAD(self) -> None:
        self._get()

    def do_GET(self) -> None:
        self._get()

    def _get(self) -> None:
        path = self._seen()
        if found := _FILE.fullmatch(path):
            self._file(found)
        elif found := _TREE.fullmatch(path):
            if at := self._commit_of(found):
                entries = [self._entry(name, content) for name, content in sorted(at[1].items())]
                self._json(entries)
        elif found := _VARIABLES.fullmatch(path):
            if repository := self._repository(found):
                self._json({key: {"value": value} for key, value in repository.variables.items()})
        elif path == "/api/whoami-v2":
            self._json({"type": "user", "name": "tester", "fullname": "tester", "orgs": [], "auth": {"type": "access_token"}})
        elif found := _INFO.fullmatch(path):
            if at := self._commit_of(found):
                siblings = [{"rfilename": name, "size": len(content)} for name, content in sorted(at[1].items())]
                about = {"private": False, "disabled": False, "gated": False, "downloads": 0, "likes": 0, "tags": []}
                self._json(
                    {"_id": "0", "id": found["repo"], "modelId": found["repo"], "sha": at[0], "siblings": siblings, **about}
                )
        else:
            self._fail(404, None, f"nothing at {path}")

    def do_POST(self) -> None:
        body = self._body()
        path = self._seen()
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif found := _PREUPLOAD.fullmatch(path):
            files = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(body)["files"]]
            if self._repository(found):
                self._json({"files": files})
        elif found := _COMMIT.fullmatch(path):
            self._take_commit(found, [json.loads(line) for line in body.splitlines() if line.strip()])
        elif found := _VARIABLES.fullmatch(path):
            if repository := self._repository(found):
                sent = json.loads(body)
                repository.variables[sent["key"]] = sent["value"]
                self._json({key: {"value": value} for key, value in repository.variables.items()})
        else:
            self._fail(404, None, f"nothing at {path}")

    def _seen(self) -> str:
        path = unquote(urlsplit(self.path).path.replace("%2F", "\0")).replace("\0", "%2F")  # a revision may hold a slash
        self.server_hub.requests.append((self.command, path))
        if token := self.headers.get("Authorization"):
            self.server_hub.tokens.add(token.removeprefix("Bearer "))
        return path

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _repository(self, found: re.Match[str]) -> Repository | None:
        repository = self.server_hub.repositories.get((found["kind"] or "model", found["repo"]))
        if repository is None:
            self._fail(404, "RepoNotFound", "Repository not found")
        return repository

    def _commit_of(self, found: re.Match[str]) -> tuple[str, dict[str, bytes]] | None:
        """The commit that a request is about, or None after the error was sent."""
        repository = self._repository(found)
        if repository is None:
            return None
        sha = repository.sha((found["revision"] or "main").replace("%2F", "/"))
        if sha is None:
            self._fail(404, "RevisionNotFound", f"Invalid rev id: {found['revision']}")
            return None
        return sha, repository.commits[sha]

    def _file(self, found: re.Match[str]) -> None:
        at = self._commit_of(found)
        if at is None:
            return
        sha, files = at
        if self.server_hub.repositories[found["kind"] or "model", found["repo"]].gated:
            self._fail(403, "GatedRepo", "Access to this model is restricted", sha)
            return
        content = files.get(found["path"])
        if content is None:
            self._fail(404, "EntryNotFound", "Entry not found", sha)
            return
        start = int(asked[1]) if (asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{_oid(content)}"')
        self.send_header("X-Repo-Commit", sha)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.server_hub.cut_after
        if cut is not None and len(content) > 1000:
            self.wfile.write(content[start : start + cut])
            self.close_connection = True
        else:
            self.wfile.write(content[start:])

    def _create(self, asked: dict[str, Any]) -> None:
        repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else f"tester/{asked['name']}"
        kind = asked.get("type") or "model"
        known = (kind, repo) in self.server_hub.repositories
        if not known:
            repository = self.server_hub.repositories[kind, repo] = Repository(kind, card=asked)
            repository.commit({".gitattributes": b""}, "main")
        prefix = "" if kind == "model" else f"{kind}s/"
        self._json({"url": f"{self.server_hub.url}/{prefix}{repo}", "id": repo, "name": repo}, 409 if known else 200)

    def _take_commit(self, found: re.Match[str], lines: list[dict[str, Any]]) -> None:
        at = self._commit_of(found)
        if at is None:
            return
        files = dict(at[1])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                files.pop(value["path"], None)
            elif line["key"] == "deletedFolder":
                files = {path: content for path, content in files.items() if not path.startswith(value["path"].rstrip("/") + "/")}
        repository = self.server_hub.repositories[found["kind"], found["repo"]]
        sha = repository.commit(files, found["revision"].replace("%2F", "/"))
        prefix = "" if found["kind"] == "model" else f"{found['kind']}s/"
        url = f"{self.server_hub.url}/{prefix}{found['repo']}/commit/{sha}"
        self._json({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})

    def _entry(self, path: str, content: bytes) -> dict[str, Any]:
        return {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}

    def _json(self, value: object, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _fail(self, status: int, code: str | None, message: str, sha: str | None = None) -> None:
        headers = {
            "X-Error-Message": message,
            **({"X-Error-Code": code} if code else {}),
            **({"X-Repo-Commit": sha} if sha else {}),
        }
        self._send(status, json.dumps({"error": message}).encode(), {"Content-Type": "application/json", **headers})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _oid(content: bytes) -> str:
    """git's name for a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
