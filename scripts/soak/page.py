"""`python app.py` as a child process with all its files in one folder, and the visitors' side of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.hostile.visitor import Answer, Visitor
from tests.ui.browsing import ROOT, free_port

START_SECONDS = 180.0
"""A page that does not answer by then never will (the renderer compiles once per machine)."""

PATIENCE = 1800.0
"""Seconds that somebody waits for the end of a talk or a fit."""


class Page:
    """A running page. Its temporary files lie in `folder`/tmp, uploads in `folder`/gradio, its log is appended to
    `folder`/app.txt; `start` may be called again after `kill`. `before` stands before the command."""

    def __init__(self, folder: Path, before: Sequence[str] = (), **settings: str) -> None:
        self.folder = folder
        self._before = list(before)
        self.settings = settings
        self.process: subprocess.Popen | None = None
        for name in ("tmp", "gradio"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def files(self) -> Path:
        """The folder of all its files, in which nothing of a visitor may stay."""
        return self.folder

    def start(self) -> Page:
        """Start the process and wait until it answers."""
        self.port = free_port()
        environment = os.environ | {"EMOTALK_STOP_SECONDS": "20"} | self.settings | {
            "GRADIO_SERVER_PORT": str(self.port), "GRADIO_SERVER_NAME": "127.0.0.1", "HF_HUB_OFFLINE": "1",
            "GRADIO_TEMP_DIR": str(self.folder / "gradio"), "TMPDIR": str(self.folder / "tmp"),
            "GRADIO_ANALYTICS_ENABLED": "False",
        }  # fmt: skip
        with (self.folder / "app.txt").open("a") as log:
            command = [*self._before, sys.executable, "app.py"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the page does not start:\n{self.log()[-4000:]}")
            time.sleep(0.2)
        return self

    def answers(self) -> bool:
        """Whether the page can be opened now."""
        try:
            return self.visitor().get("/").ok
        except OSError:
            return False

    def visitor(self, source: str = "", session: str | None = None) -> Visitor:
        """Somebody with a program, from an address of this machine's own network."""
        visitor = Visitor(self.address, session, source)
        visitor.patience = PATIENCE
        return visitor

    def kill(self) -> None:
        """End the process at once, as the machine would for want of memory."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End the process as a container does."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def log(self) -> str:
        """Everything it wrote so far."""
        return (self.folder / "app.txt").read_text(errors="replace")


def spoken(text: str, size: int = 256) -> list:
    """The Generate button's arguments for a text."""
    return [
        "mira", "Type", text, "", None, False, 0.3, 0.2, {"keys": []}, 0, 1.0, 1.0, 0, 0, 1.0, size, "The avatar's own",
        "#cfe3f2", None, "bottom-right", True, "", "1:1", "off", "still", "ahead", "embedded",
    ]  # fmt: skip


def face(valence: float) -> list:
    """The arguments of the still on the stage."""
    return [
        "mira",
        valence,
        0.1,
        1.0,
        0,
        0,
        1.0,
        "The avatar's own",
        "#cfe3f2",
        None,
        "bottom-right",
        "1:1",
        "off",
        "ahead",
    ]


def made(answer: Answer) -> bool:
    """Whether a talk ended with a clip."""
    return answer.ok and any(isinstance(part, dict) and part.get("state") == "done" for part in answer.data)


def uploaded(visitor: Visitor, video: Path) -> dict:
    """A video as the page's own upload, to be given to the making of an avatar."""
    answer = visitor.upload("me.mp4", video.read_bytes())
    if not answer.ok:
        raise SystemExit(f"the upload was refused: {answer.error}")
    [where] = json.loads(answer.body)
    return {"path": where, "orig_name": "me.mp4", "meta": {"_type": "gradio.FileData"}}
