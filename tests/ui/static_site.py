"""Folders that a plain file server shows, and packs that are made in no time."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from emotalk.avatar import GaussianAvatar
from emotalk.live.pack import LivePack, made


def whole_pack(avatar: GaussianAvatar) -> LivePack:
    """No Gaussian is left out, which saves the pictures that find out which."""
    data = made(avatar, least_weight=0)
    return LivePack(hashlib.sha256(data).hexdigest()[:32], gzip.compress(data))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the page is what is looked at."""


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """The origin of a server that gives the files of a folder and knows nothing else."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
