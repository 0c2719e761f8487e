"""An avatar being made in a process of its own, so that a web page stays quick while two cores are busy.

    BackgroundFit ── request, one line of JSON ──► python -m emotalk.create.worker ── personalize(), portrait()
          ▲ └─────── closing its input stops it ─────┘          │
          └──────────────── one line of JSON per news ──────────┘

The child ends with its parent: it stops when its input ends, however that comes about. Where nothing of a stopped fit
shall stay (`keep=False`), the child itself removes it, since its parent may have been killed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotalk.core.errors import Cancelled, EmotalkError
from emotalk.create.news import FitNews, picture_address
from emotalk.create.request import AvatarRequest, ImproveRequest, PersonalizeRequest, PortraitRequest, source_of
from emotalk.create.worker_process import STOP_SECONDS, WARM, Worker

if TYPE_CHECKING:
    from emotalk.core.progress import FitProgress
    from emotalk.tracking import TrackedVideo

log = logging.getLogger(__name__)

NICE = 5
"""The child yields to the page and to talks that are being made."""


class BackgroundFit:
    """One fit in a child process. `news`, `name` (when done) and `error` tell how it goes; `on_done` is called with the
    fit from another thread when it has ended. With `keep=False` a fit that makes no avatar leaves nothing to go on
    with. `judged` is the word and the sentences of the verdict on an avatar of a video. `faces` are JPEG data
    addresses, from left to right, where the error is that a photo shows several people."""

    def __init__(
        self,
        request: AvatarRequest,
        folder: Path | None = None,
        on_done: Callable[[BackgroundFit], None] | None = None,
        keep: bool = True,
    ) -> None:
        self.request = request
        self.news = FitNews()
        self.name: str | None = None
        self.error: EmotalkError | None = None
        self.faces: tuple[str, ...] = ()
        self.judged: tuple[str, tuple[str, ...]] | None = None
        self._folder, self._on_done, self._keep = folder, on_done, keep
        self._stopping = False
        self._changed = threading.Condition()
        self._done = False
        self._child: subprocess.Popen | None = None
        self._thread = threading.Thread(target=self._read_messages, name="emotalk-fit", daemon=True)

    @property
    def done(self) -> bool:
        """Whether the child has ended and `on_done` was called."""
        return self._done

    def start(self, worker: Worker | None = None) -> BackgroundFit:
        """Start the child, or give the request to a `worker` that waits; returns at once. Raises OSError or
        RuntimeError where no process or thread is left for it; a waiting worker has then been sent away."""
        order, source = asdict(self.request), source_of(self.request)
        if source is not None:
            order[self.request.SOURCE] = str(source.resolve())
        order |= {"folder": None if self._folder is None else str(self._folder), "keep": self._keep}
        worker = worker or Worker()
        try:
            worker.order(order)  # before `cancel` can close what it is written to
            self._errors, self._child = worker.errors, worker.process
            self._thread.start()
        except (OSError, RuntimeError):  # RuntimeError: no thread is left to listen to it
            worker.close()
            raise
        if self._stopping:  # `cancel` came before there was a child
            self.cancel()
        return self

    def cancel(self) -> None:
        """Ask the child to stop; it is killed if it does not. What it did stays on disk until `discard`."""
        self._stopping = True
        if self._child is None or self._child.poll() is not None:
            return
        with contextlib.suppress(OSError):
            self._child.stdin.close()
        try:
            threading.Thread(target=self._kill_late, name="emotalk-fit-stop", daemon=True).start()
        except RuntimeError:  # no thread is left to give it time
            self._child.kill()

    def wait(self, seconds: float) -> bool:
        """Wait for news at most that long; True when the fit has ended."""
        with self._changed:
            if not self._done:
                self._changed.wait(seconds)
        return self._done

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end, at most that long; not at all before the start."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _kill_late(self) -> None:
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()

    def _read_messages(self) -> None:
        try:
            for line in self._child.stdout:
                self._receive(json.loads(line))
            status = self._child.wait()
            if self.name is None and self.error is None:
                self.error = Cancelled("Stopped: no avatar was made.") if self._stopping else self._crash(status)
        except (OSError, ValueError):
            log.exception("a fit's messages cannot be read")
            self._child.kill()
            self.error = EmotalkError("The fit's messages cannot be read; the server's log has the details.")
        finally:
            self._errors.close()
            try:
                if self._on_done is not None:
                    self._on_done(self)
            finally:
                with self._changed:
                    self._done = True
                    self._changed.notify_all()

    def _receive(self, message: dict[str, Any]) -> None:
        if "name" in message:
            self.name = message["name"]
            if message.get("judged"):
                word, sentences = message["judged"]
                self.judged = word, tuple(sentences)
        elif "error" in message:
            self.error, self.faces = EmotalkError(message["error"]), tuple(message.get("faces", ()))
        else:
            old = self.news
            curve = old.curve
            if message.get("psnr") not in (None, old.psnr):
                curve = (*curve, (message["seconds"], message["psnr"]))
            kept = {name: message.pop(name, None) or getattr(old, name) for name in ("preview", "overlay", "verdict")}
            quality = tuple(message.pop("quality", None) or old.quality)
            known = {name: message.get(name, getattr(old, name)) for name in _NUMBERS}
            self.news = FitNews(**known, **kept, quality=quality, curve=curve)
        with self._changed:
            self._changed.notify_all()

    def _crash(self, status: int) -> EmotalkError:
        self._errors.seek(0)
        log.error("a fit ended with status %d:\n%s", status, self._errors.read()[-4000:])
        if status < 0:
            smaller = "a smaller photo" if isinstance(self.request, PortraitRequest) else "a shorter video"
            return EmotalkError(f"The machine ended the fit, most likely for want of memory. Try {smaller}.")
        return EmotalkError("Something unexpected went wrong in the fit; the server's log has the details.")


_NUMBERS = ("stage", "done", "total", "psnr", "seconds", "remaining")


def main() -> int:
    """The child: one request from standard input, news to standard output."""
    # Whatever else prints must not get between the messages.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if hasattr(os, "nice"):
        os.nice(NICE)
    if WARM in sys.argv[1:]:
        _warm_up()
    line = sys.stdin.readline()
    if not line:
        return 0  # nobody wants anything
    order = json.loads(line)
    stop = threading.Event()
    threading.Thread(target=_until_closed, args=(stop,), daemon=True).start()

    def send(**message: Any) -> None:
        try:
            out.write(json.dumps(message) + "\n")
            out.flush()
        except BrokenPipeError:
            stop.set()

    # Imported here: the page imports this module for `BackgroundFit` and needs none of these.
    from emotalk.create import discard, improve, personalize, portrait

    def progress(news: FitProgress) -> None:
        message = {name: getattr(news, name) for name in _NUMBERS}
        if news.preview is not None:
            message["preview"] = picture_address(news.preview)
        send(**message)

    def tracked(video: TrackedVideo) -> None:
        from emotalk.tracking.overlay import overlay

        quality = video.quality
        send(
            overlay=picture_address(overlay(video)), verdict=quality.verdict,
            quality=list(quality.sentences),
        )  # fmt: skip

    folder, keep = order.pop("folder"), order.pop("keep", True)
    folder = None if folder is None else Path(folder)
    if not keep and not folder.is_dir():
        return 0  # the server is gone, and another one has tidied up after it
    request, made = None, False
    try:
        request = _request_of(order)
        if isinstance(request, ImproveRequest):
            result = improve(request, progress, stop.is_set, folder=folder)
        else:
            make = portrait if isinstance(request, PortraitRequest) else personalize
            result = make(request, progress, stop.is_set, on_tracked=tracked, folder=folder)
        made = True
    except Cancelled:
        return 0
    except EmotalkError as error:
        send(error=str(error), faces=_faces_to_choose(request, error))
        return 2
    finally:
        if request is not None and not made and not keep and not isinstance(request, ImproveRequest):
            discard(request.name, folder)
    verdict = result.verdict
    send(name=result.name, judged=None if verdict is None else [verdict.word, list(verdict.sentences)])
    return 0


def _request_of(order: dict[str, Any]) -> AvatarRequest:
    """The request whose fields were sent."""
    kinds = (PortraitRequest, PersonalizeRequest)
    return next((kind for kind in kinds if kind.SOURCE in order), ImproveRequest)(**order)


def _warm_up() -> None:
    """Load what a portrait needs before it is asked for."""
    import numpy as np

    from emotalk.fitting.shipped_donor import shipped_tones
    from emotalk.portrait import make, tracked_photo  # noqa: F401
    from emotalk.portrait.faces import find_faces
    from emotalk.rendering import warmup
    from emotalk.tracking import overlay  # noqa: F401

    shipped_tones()
    warmup()
    find_faces(np.zeros((64, 64, 3), np.uint8))  # the first look for a face loads half of the detector's library


def _faces_to_choose(request: AvatarRequest | None, error: EmotalkError) -> list[str]:
    """Data addresses of the faces of a photo, where `error` is that it shows several."""
    from emotalk.create.portrait_job import face_pictures

    if request is None or not hasattr(error, "faces"):
        return []
    return [picture_address(picture) for picture in face_pictures(source_of(request), error.faces)]


def _until_closed(stop: threading.Event) -> None:
    # Not through sys.stdin: Python could not end while a thread holds its lock.
    while os.read(0, 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
