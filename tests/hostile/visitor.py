"""A stranger with a program of their own: talks to a running page by HTTP, byte for byte as they like.

visitor = Visitor(address)
answer = visitor.call("still", ["mira", 0, 0, ...])     # one of the page's own handlers, as a browser calls it
answer = visitor.call("talk", [...], listen=True)       # waits in line, and reads what comes
answer = visitor.get("/gradio_api/file=/etc/passwd")    # sent as written, dots and all
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import secrets
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SECONDS = 60.0
"""No verdict: a connection that is silent for so long is stuck."""
PREFIX = "/gradio_api"


@dataclass(frozen=True)
class Raw:
    """JSON as it is written, for what `json.dumps` would not write."""

    text: str


@dataclass(frozen=True)
class Answer:
    """Status and body of an answer, or of the last message about a job. Status 0: the server closed the connection."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """The body as text, the escapes of JSON undone."""
        return self.body.decode(errors="replace").replace("\\u0027", "'").replace("\\/", "/")

    @property
    def ok(self) -> bool:
        """Whether what was asked for was done."""
        return self.status == 200

    @property
    def data(self) -> list:
        """What the handler returned."""
        return json.loads(self.body)["data"]

    @property
    def error(self) -> str:
        """The sentence for a person in a refusal, wherever it stands; empty where there is none."""
        try:
            table = json.loads(self.body)
        except ValueError:
            return self.body.decode(errors="replace").strip()
        for name in ("error", "detail", "message"):
            if isinstance(table, dict) and table.get(name):
                found = table[name]
                return found if isinstance(found, str) else json.dumps(found)
        return ""


class Visitor:
    """One client with a session of its own."""

    def __init__(self, address: str, session: str | None = None, source: str = "") -> None:
        self.host = urlsplit(address).netloc
        self.source = source  # an address of this machine (127.0.0.2 and so on) to come from
        self.patience = 2 * SECONDS  # for an answer as a whole; a fit needs more
        self.session = secrets.token_hex(8) if session is None else session
        self._config: dict[str, Any] | None = None

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, most: int = 1 << 24
    ) -> Answer:
        """One request; the path goes out as it is. At most `most` bytes of the answer are read."""
        source = (self.source, 0) if self.source else None
        connection = http.client.HTTPConnection(self.host, timeout=SECONDS, source_address=source)
        wanted = {"Content-Length": str(len(body))} | (headers or {})
        try:
            connection.putrequest(method, path, skip_host="Host" in wanted, skip_accept_encoding=True)
            for name, value in wanted.items():
                connection.putheader(name, value)
            connection.endheaders()
            with contextlib.suppress(ConnectionError):  # it may answer, and hang up, before it has read everything
                connection.send(body)
            answer = connection.getresponse()
            body, end = b"", time.monotonic() + self.patience
            while len(body) < most and (part := answer.read1(1 << 16)):
                body += part
                if time.monotonic() > end:  # a stream of signs of life that never ends
                    return Answer(0, b"the answer does not end: " + body[-500:], {})
            return Answer(answer.status, body, {k.lower(): v for k, v in answer.getheaders()})
        except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
            return Answer(0, str(error).encode(), {})
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """GET a path, sent as written."""
        return self.send("GET", path, headers=headers)

    def post(self, path: str, value: Any, **headers: str) -> Answer:
        """POST JSON; `Raw` inside stands for itself."""
        return self.send("POST", path, written(value).encode(), {"Content-Type": "application/json"} | headers)

    def opened(self, path: str) -> socket.socket:
        """A connection that has asked for a path and has read nothing yet; the caller closes it."""
        host, _, port = self.host.rpartition(":")
        line = socket.create_connection((host, int(port)), SECONDS, (self.source, 0) if self.source else None)
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        return line

    def news(self) -> socket.socket:
        """A connection on which the messages about this session's jobs come."""
        return self.opened(f"{PREFIX}/queue/data?session_hash={self.session}")

    def config(self) -> dict[str, Any]:
        """What the page tells every browser about its handlers and controls."""
        if self._config is None:
            self._config = json.loads(self.get("/config").body)
        return self._config

    def handler(self, name: str) -> dict[str, Any]:
        """The entry of a handler by the name of its function."""
        found = [entry for entry in self.config()["dependencies"] if entry["api_name"] == name]
        assert found, f"no handler {name!r} among {sorted(str(e['api_name']) for e in self.config()['dependencies'])}"
        return found[0]

    def call(self, name: str, data: list | Raw, listen: bool = True, **more: Any) -> Answer:
        """Call a handler as a browser does: at once, or through the line where it has one; then wait for the end."""
        entry = self.handler(name)
        body = {"data": data, "fn_index": entry["id"], "session_hash": self.session, "event_data": None} | more
        if entry["queue"] is False:
            return self.post(f"{PREFIX}/run/{name}", body)
        joined = self.post(f"{PREFIX}/queue/join", body)
        return self.heard(json.loads(joined.body)["event_id"]) if joined.ok and listen else joined

    def public(self, name: str, data: list | Raw) -> Answer:
        """Call one of the documented endpoints as docs/api.md says."""
        joined = self.post(f"{PREFIX}/call/{name}", {"data": data})
        if not joined.ok:
            return joined
        event = json.loads(joined.body)["event_id"]
        text = self.get(f"{PREFIX}/call/{name}/{event}").body.decode()
        kind, _, data = text.rstrip().rpartition("\n\n")[2].partition("\n")
        value = json.loads(data.removeprefix("data: ") or "null")
        if kind == "event: complete":
            return Answer(200, json.dumps({"data": value}).encode(), {})
        return Answer(500, json.dumps(value if isinstance(value, dict) else {"error": value}).encode(), {})

    def heard(self, event: str | None = None) -> Answer:
        """The last message of a job of this session that is read to its end."""
        stream = self.get(f"{PREFIX}/queue/data?session_hash={self.session}").body.decode(errors="replace")
        ends = []
        for line in re.findall(r"^data: (.*)$", stream, re.MULTILINE):
            message = json.loads(line)
            if message["msg"] == "unexpected_error" or message["msg"] == "process_completed":
                ends.append(message)
        mine = [message for message in ends if event is None or message.get("event_id") in (event, None)]
        if not mine:
            return Answer(0, stream.encode(), {})
        message = mine[-1]
        good = message.get("success") and "error" not in (message.get("output") or {})
        output = message.get("output") or {"error": message.get("message", "")}
        return Answer(200 if good else 500, json.dumps(output).encode(), {})

    def upload(self, name: str, data: bytes, **headers: str) -> Answer:
        """Upload a file under a name, as a browser does; the answer is a list with where it lies."""
        border = "----border"
        shown = name.replace('"', "%22")
        body = (
            f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{shown}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode("utf-8", "surrogateescape") + data + f"\r\n--{border}--\r\n".encode()  # fmt: skip
        kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
        return self.send("POST", f"{PREFIX}/upload", body, kind | headers)


def written(value: Any) -> str:
    """JSON, with every `Raw` written as it is; NaN, infinity and halves of characters too."""
    raws: list[str] = []

    def stand_in(part: Any) -> Any:
        if isinstance(part, Raw):
            raws.append(part.text)
            return f"@@raw{len(raws) - 1}@@"
        if isinstance(part, list):
            return [stand_in(inner) for inner in part]
        if isinstance(part, dict):
            return {key: stand_in(inner) for key, inner in part.items()}
        return part

    text = json.dumps(stand_in(value))
    for number, raw in enumerate(raws):
        text = text.replace(f'"@@raw{number}@@"', raw, 1)
    return text
