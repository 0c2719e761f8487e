"""Clips that play while they are made: a talk runs in a thread, browsers read its growing file.

    page ─ Generate ─► LiveClip.start ─► thread: talk ─► pieces ─► live file ◄─ GET /emotalk/live/<token>.mp4
                                                     └► finished file       ◄─ GET /emotalk/clip/<token>.mp4

The addresses hold a random token, so nobody can guess another person's clip. A clip's folder lies in a temporary
folder of the page session and is removed with it.
"""

from __future__ import annotations

import contextvars
import logging
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from emotalk.core.errors import EmotalkError, VideoError
from emotalk.core.progress import Progress
from emotalk.server.limits import limits
from emotalk.talk.request import TalkRequest

if TYPE_CHECKING:
    from starlette.requests import Request

    from emotalk.core.clip import Clip
    from emotalk.server.zero_gpu import Talker

log = logging.getLogger(__name__)

_WAIT_SECONDS = 60.0
"""A browser's connection is let go when a talk produces nothing for that long."""


class LiveClip:
    """One talk on its way. `start` returns at once; `progress`, `clip` and `error` tell how it goes."""

    def __init__(self, talk: Talker, request: TalkRequest, folder: Path) -> None:
        self.token = secrets.token_urlsafe(18)
        self.request = request
        self.progress = Progress("waiting")
        self.clip: Clip | None = None
        self.error: Exception | None = None
        self.first_piece_seconds: float | None = None
        self._folder = folder / self.token
        self._folder.mkdir(parents=True, mode=0o700)
        self._live = self._folder / "live.mp4"
        self._live.touch()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._done = False
        self._started = time.perf_counter()
        self._talk = talk
        # The thread knows whose press it answers: ZeroGPU counts by visitor, and a warning needs its page.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="emotalk-talk", daemon=True)

    @property
    def live_path(self) -> str:
        """Address of the growing file, below the page's."""
        return f"emotalk/live/{self.token}.mp4"

    @property
    def final_path(self) -> str:
        """Address of the finished file, below the page's."""
        return f"emotalk/clip/{self.token}.mp4"

    @property
    def done(self) -> bool:
        """Whether the talk has ended, well or not."""
        return self._done

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked it to stop."""
        return self._stop.is_set()

    @property
    def playable(self) -> bool:
        """Whether the live file holds something to play."""
        return self.first_piece_seconds is not None

    def start(self) -> LiveClip:
        """Begin the talk in its own thread; returns at once."""
        self._thread.start()
        return self

    def cancel(self) -> None:
        """Ask the talk to stop; it does within a frame or two."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait for news (a piece, the end) at most that long; True when the talk has ended."""
        with self._changed:
            if not self._done:
                self._changed.wait(seconds)
        return self._done

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end, at most that long."""
        self._thread.join(seconds)

    def remove(self) -> None:
        """Stop and delete everything of this clip."""
        self.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)

    def bytes(self) -> Iterator[bytes]:
        """The live file as it grows, from its beginning to its end."""
        with self._live.open("rb") as file:
            while True:
                # Read "done" first: what is written before it is seen by the read after it.
                done = self._done
                data = file.read(1 << 16)
                if data:
                    yield data
                elif done:
                    return
                else:
                    with self._changed:
                        if not self._done and not self._changed.wait(_WAIT_SECONDS):
                            return

    def _run(self) -> None:
        try:
            with self._live.open("ab", buffering=0) as live:

                def keep(piece: bytes) -> None:
                    live.write(piece)
                    if self.first_piece_seconds is None:
                        self.first_piece_seconds = time.perf_counter() - self._started
                    with self._changed:
                        self._changed.notify_all()

                self.clip = self._talk(
                    self.request,
                    self._folder / "emotalk.mp4",
                    motion_out=self._folder / "emotalk-motion.csv",
                    on_piece=keep,
                    progress=self._note,
                    cancelled=self._stop.is_set,
                )
        except (EmotalkError, OSError) as error:
            self.error = VideoError(f"The clip could not be written: {error}.") if isinstance(error, OSError) else error
        except Exception as error:
            # The thread's end: whatever it was must reach the person and the log, not vanish with the thread.
            log.exception("a talk failed")
            self.error = error
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _note(self, progress: Progress) -> None:
        self.progress = progress


class LiveClips:
    """All clips of this server by token and by page session."""

    def __init__(self, talk: Talker, folder: Path | None = None) -> None:
        self._talk = talk
        self.folder = folder or Path(tempfile.mkdtemp(prefix="emotalk-sessions-"))
        self._lock = threading.Lock()
        self._clips: dict[str, LiveClip] = {}
        self._sessions: dict[str, list[LiveClip]] = {}

    def start(self, session: str, request: TalkRequest) -> LiveClip:
        """Begin a talk for a page session; its oldest clips make room (`limits.Limits`)."""
        clip = LiveClip(self._talk, request, self.folder / _folder_name(session))
        with self._lock:
            mine = self._sessions.setdefault(session, [])
            mine.append(clip)
            self._clips[clip.token] = clip
            old = [mine.pop(0) for _ in range(len(mine) - limits().kept_clips)]
            for gone in old:
                self._clips.pop(gone.token, None)
        for gone in old:
            gone.remove()
        return clip.start()

    def cancel_session(self, session: str) -> None:
        """Stop the talks of a page; its finished clips stay."""
        with self._lock:
            clips = list(self._sessions.get(session, ()))
        for clip in clips:
            if not clip.done:
                clip.cancel()

    def end_session(self, session: str) -> None:
        """The page was closed: stop its talks and remove its files."""
        with self._lock:
            clips = self._sessions.pop(session, [])
            for clip in clips:
                self._clips.pop(clip.token, None)
        for clip in clips:
            clip.remove()
        shutil.rmtree(self.folder / _folder_name(session), ignore_errors=True)

    def close(self) -> None:
        """The server ends: nothing stays on the disk."""
        for session in list(self._sessions):
            self.end_session(session)
        shutil.rmtree(self.folder, ignore_errors=True)

    def find(self, token: str) -> LiveClip | None:
        """The clip of that token, or None where it is gone."""
        with self._lock:
            return self._clips.get(token)

    def routes(self) -> list[Route]:
        """What to add to the web server."""

        def live(request: Request) -> Response:
            clip = self.find(request.path_params["token"])
            if clip is None:
                return PlainTextResponse("This clip is gone.", status_code=404)
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Accept-Ranges": "none"}
            return StreamingResponse(clip.bytes(), media_type="video/mp4", headers=headers)

        def finished(request: Request) -> Response:
            clip = self.find(request.path_params["token"])
            if clip is None or clip.clip is None:
                return PlainTextResponse("This clip is gone.", status_code=404)
            return FileResponse(clip.clip.path, media_type="video/mp4", headers={"Cache-Control": "private, no-cache"})

        return [Route("/emotalk/live/{token}.mp4", live), Route("/emotalk/clip/{token}.mp4", finished)]


def _folder_name(session: str) -> str:
    """A session's id as a folder name: letters and digits only, so that no id can point elsewhere."""
    return re.sub(r"[^A-Za-z0-9]", "", session)[:64] or "api"
