"""Clips that play while they are made: a talk runs in a thread, browsers read its growing file.

    page ─ Generate ─► LiveClip.start ─► thread: talk ─► pieces ─► live file ◄─ GET /emotalk/live/<token>.mp4
                                                     └► finished file       ◄─ GET /emotalk/clip/<token>.mp4, .gif...

The addresses hold a random token, so nobody can guess another person's clip. A clip's folder lies in a temporary
folder of the page session and is removed with it, or some time after it was last looked at. Readers wait in the
server's event loop, not in threads: any number of them leaves the page as quick as it was. Other formats than the
video's own are made one at a time, when they are asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import hashlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from emotalk.core.errors import EmotalkError, VideoError
from emotalk.core.progress import Progress
from emotalk.server.clip_files import MEDIA_TYPES, VIDEOS, file_of
from emotalk.server.housekeeping import Leftover
from emotalk.server.limits import limits
from emotalk.server.temporary import fresh_folder
from emotalk.talk.background import Transparent
from emotalk.talk.request import TalkRequest

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from emotalk.core.clip import Clip
    from emotalk.server.zero_gpu import Talker

log = logging.getLogger(__name__)

_WAIT_SECONDS = 60.0
"""A browser's connection is let go when a talk produces nothing, or the browser takes nothing, for that long."""
READERS = 4
"""Connections that may read one growing clip at once: a page has one, and two for a moment when it seeks."""


class LiveClip:
    """One talk on its way. `start` returns at once; `progress`, `clip` and `error` tell how it goes."""

    def __init__(
        self, talk: Talker, request: TalkRequest, folder: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.token = secrets.token_urlsafe(18)
        self.request = request
        self.ending = "webm" if isinstance(request.look.background, Transparent) else "mp4"
        self.progress = Progress("waiting")
        self.clip: Clip | None = None
        self.error: Exception | None = None
        self.first_piece_seconds: float | None = None
        self.folder = folder / self.token
        self.folder.mkdir(parents=True, mode=0o700)
        self._live = self.folder / "live.mp4"
        self._live.touch()
        self._changed = threading.Condition()
        self._readers: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._stop = threading.Event()
        self._done = False
        self._clock = clock
        self.used = clock()
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
        return f"{self.files_path}.{self.ending}"

    @property
    def files_path(self) -> str:
        """The same without its ending: with another one (`clip_files.offered`) it is that format's address."""
        return f"emotalk/clip/{self.token}"

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
        shutil.rmtree(self.folder, ignore_errors=True)

    def touch(self) -> None:
        """Somebody looks at it: it stays for some time from now on."""
        self.used = self._clock()

    @property
    def readers(self) -> int:
        """How many connections read the growing file now."""
        return len(self._readers)

    def stream(self) -> Response:
        """The live file as it grows, from its beginning to its end, as an answer to a browser; status 429 with a
        sentence where `READERS` read it already."""
        news = asyncio.Event()
        reader = (asyncio.get_running_loop(), news)
        with self._changed:
            if len(self._readers) >= READERS:
                sentence = f"This clip is being read by {READERS} others; wait until one of them has ended."
                return PlainTextResponse(sentence, status_code=429, headers={"Retry-After": "5"})
            self._readers.append(reader)
        return _LiveResponse(self._bytes(news), lambda: self._leave(reader))

    def _leave(self, reader: tuple[asyncio.AbstractEventLoop, asyncio.Event]) -> None:
        with self._changed:  # never while the talk's thread goes through the readers
            self._readers.remove(reader)

    async def _bytes(self, news: asyncio.Event) -> AsyncIterator[bytes]:
        try:
            file = self._live.open("rb")
        except OSError:  # removed this moment
            return
        with file:
            while True:
                # Both before the read: what is written from here on is seen by it, or announced after it.
                news.clear()
                done = self._done
                data = file.read(1 << 16)  # a piece that was just written: no disk is waited for
                if data:
                    yield data
                elif done:
                    return
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_WAIT_SECONDS):
                            await news.wait()
                    if not news.is_set():
                        return

    def _tell(self) -> None:
        """There are news: a piece, or the end."""
        with self._changed:
            self._changed.notify_all()
            for loop, news in self._readers:
                with contextlib.suppress(RuntimeError):  # that server has stopped
                    loop.call_soon_threadsafe(news.set)

    def _run(self) -> None:
        try:
            with self._live.open("ab", buffering=0) as live:

                def keep(piece: bytes) -> None:
                    live.write(piece)
                    if self.first_piece_seconds is None:
                        self.first_piece_seconds = time.perf_counter() - self._started
                    self._tell()

                self.clip = self._talk(
                    self.request,
                    self.folder / f"emotalk.{self.ending}",
                    motion_out=self.folder / "emotalk-motion.csv",
                    on_piece=keep if self.ending == "mp4" else None,  # alpha cannot be streamed
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
            self.touch()
            self._done = True
            self._tell()

    def _note(self, progress: Progress) -> None:
        self.progress = progress


class _LiveResponse(StreamingResponse):
    """A stream that ends where its reader takes nothing for a minute, and says when it has ended, however it did."""

    def __init__(self, content: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        super().__init__(content, media_type="video/mp4", headers=_LIVE_HEADERS)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()

    async def stream_response(self, send: Send) -> None:
        async def patiently(message: dict) -> None:
            async with asyncio.timeout(_WAIT_SECONDS):
                await send(message)

        with contextlib.suppress(TimeoutError):
            await super().stream_response(patiently)


_LIVE_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Accept-Ranges": "none"}


class LiveClips:
    """All clips of this server by token and by page session."""

    def __init__(self, talk: Talker, folder: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._talk, self._clock = talk, clock
        self._converting = ThreadPoolExecutor(1, "emotalk-convert")
        self.folder = folder or fresh_folder("sessions")
        self._lock = threading.Lock()
        self._clips: dict[str, LiveClip] = {}
        self._sessions: dict[str, list[LiveClip]] = {}

    def start(self, session: str, request: TalkRequest) -> LiveClip:
        """Begin a talk for a page session; its oldest clips make room (`limits.Limits`)."""
        clip = LiveClip(self._talk, request, self.folder / folder_of(session), self._clock)
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
        shutil.rmtree(self.folder / folder_of(session), ignore_errors=True)

    def forget(self, avatar: str) -> None:
        """An avatar was deleted: talks by it are stopped, and their files removed, whichever page made them."""
        with self._lock:
            gone = [clip for clip in self._clips.values() if clip.request.avatar == avatar]
            for clip in gone:
                del self._clips[clip.token]
            for session, clips in self._sessions.items():
                self._sessions[session] = [clip for clip in clips if clip not in gone]
        for clip in gone:
            clip.remove()

    def leftovers(self) -> list[Leftover]:
        """Every clip, for the housekeeping; one that is being made or read is in use."""
        with self._lock:
            clips = [(session, clip) for session, clips in self._sessions.items() for clip in clips]
        return [self._leftover(session, clip) for session, clip in clips]

    def close(self) -> None:
        """The server ends: nothing stays on the disk."""
        for session in list(self._sessions):
            self.end_session(session)
        self._converting.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def find(self, token: str) -> LiveClip | None:
        """The clip of that token, or None where it is gone."""
        with self._lock:
            clip = self._clips.get(token)
        if clip is not None:
            clip.touch()
        return clip

    def routes(self) -> list[Route]:
        """What to add to the web server."""

        async def live(request: Request) -> Response:
            clip = self.find(request.path_params["token"])
            if clip is None:
                return PlainTextResponse("This clip is gone.", status_code=404)
            if request.method == "HEAD":
                return Response(media_type="video/mp4", headers=_LIVE_HEADERS)
            return clip.stream()

        async def finished(request: Request) -> Response:
            clip, ending = self.find(request.path_params["token"]), request.path_params["ending"]
            if clip is None or clip.clip is None or not Path(clip.clip.path).is_file():
                return PlainTextResponse("This clip is gone.", status_code=404)
            try:
                path = Path(clip.clip.path)
                if ending != clip.ending:
                    loop = asyncio.get_running_loop()
                    path = await loop.run_in_executor(self._converting, file_of, clip.clip, ending)
            except VideoError as error:
                return PlainTextResponse(str(error), status_code=404)
            return FileResponse(
                path,
                media_type=MEDIA_TYPES[ending],
                headers={"Cache-Control": "private, no-cache"},
                filename=f"{clip.request.file_name}.{ending}",
                content_disposition_type="inline" if ending in VIDEOS else "attachment",
            )

        return [Route("/emotalk/live/{token}.mp4", live), Route("/emotalk/clip/{token}.{ending}", finished)]

    def _leftover(self, session: str, clip: LiveClip) -> Leftover:
        in_use = not clip.done or clip.readers > 0
        return Leftover(clip.folder, clip.used, in_use, lambda: self._drop(session, clip))

    def _drop(self, session: str, clip: LiveClip) -> None:
        with self._lock:
            self._clips.pop(clip.token, None)
            mine = self._sessions.get(session, [])
            if clip in mine:
                mine.remove(clip)
            last = not mine
            if last:
                self._sessions.pop(session, None)
        clip.remove()
        if last:
            with contextlib.suppress(OSError):  # a new clip came this moment
                (self.folder / folder_of(session)).rmdir()


def folder_of(session: str) -> str:
    """The name of a page session's folders: two ids never share one, and no id can point elsewhere."""
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()[:32]
