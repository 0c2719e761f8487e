"""Who is making an avatar on this page server, and which avatars are whose.

On one's own machine avatars go to the gallery and stay. Where they are not kept (`Limits.keep_avatars`: on a page
open to strangers) they lie in a temporary folder of the page session, are known to that page alone, and go when it is
closed or some time after their last use, and so do the photos and videos that a page has sent for them, whether or not
an avatar was made. There a fit that was stopped, or whose page has gone, leaves nothing.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.avatar import list_avatars
from emotalk.avatar.gallery import delete_avatar, own_folder, pack_avatar
from emotalk.core.errors import AvatarError, InputError
from emotalk.create.kept import can_improve, forget
from emotalk.create.request import (
    AvatarRequest,
    ImproveRequest,
    PersonalizeRequest,
    PortraitRequest,
    consent_to,
    source_of,
)
from emotalk.create.worker import BackgroundFit
from emotalk.create.worker_process import SpareWorker
from emotalk.create.workplace import discard, sweep
from emotalk.server.clips import folder_of
from emotalk.server.housekeeping import Leftover, Shelf
from emotalk.server.limits import limits
from emotalk.server.temporary import fresh_folder

if TYPE_CHECKING:
    from emotalk.avatar import AvatarInfo
    from emotalk.talk.studio import Studio


@dataclass(frozen=True)
class _Running:
    session: str
    fit: BackgroundFit
    folder: Path


class FitSessions:
    """One fit at a time for the whole server; own avatars by page session. `forgotten` is told the name of each avatar
    that is gone, or was made anew, `deleted` of each that its owner has deleted."""

    def __init__(
        self,
        studio: Studio,
        clock: Callable[[], float] = time.monotonic,
        forgotten: Callable[[str], None] = lambda _: None,
        deleted: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._studio, self._clock, self._forgotten, self._deleted = studio, clock, forgotten, deleted
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._private: dict[str, dict[str, str]] = {}  # session -> name in the studio -> name of the folder
        self._uploads: dict[str, set[Path]] = {}  # session -> videos and photos of a stranger
        self._used: dict[str, float] = {}  # session -> when its page last did something, by the clock
        self._gone: set[str] = set()  # closed pages whose fit has yet to stop
        self._closing = False
        self.temporary = fresh_folder("own")
        self._spare = SpareWorker()
        self._packed = Shelf(self.temporary / "packed", clock=clock)

    def start(
        self, session: str, video: str | None, title: str, minutes: float, consent: bool, video_only: bool = False
    ) -> BackgroundFit:
        """Begin a fit to a video for a page; InputError with a sentence where something is missing or another fit runs.
        Consent is `True` and nothing else: no word, number or list that a program sends for it. `video_only` narrows
        it (`create.request.consent_to`), and is `True` or `False` as strictly."""
        self.note(session, video)
        _check(video, "video", consent)
        allowed = limits()
        return self._start(session, PersonalizeRequest(
            video,
            title or "",
            consent_to(video_only),
            minutes=min(float(minutes), allowed.personalise_minutes),
            seconds=allowed.personalise_seconds,
            device=str(self._studio.device),
            video_only=video_only,
            keep_frames=allowed.keep_avatars,
        ))  # fmt: skip

    def improve(self, session: str, name: str | None, minutes: float) -> BackgroundFit:
        """Begin to fit an own avatar of this page further; InputError where nothing was kept for that, as on a page
        open to strangers."""
        if not self.can_improve(session, name):
            raise InputError("Nothing was kept to improve this avatar with. Make it again from its video.")
        minutes = min(float(minutes), limits().personalise_minutes)
        request = ImproveRequest(self._folder_name(session, name), minutes, str(self._studio.device))
        return self._start(session, request)

    def can_improve(self, session: str, name: str | None) -> bool:
        """Whether an own avatar of this page can be fitted further."""
        if not (limits().keep_avatars and isinstance(name, str) and name):
            return False
        try:
            return can_improve(self._folder_name(session, name), self._folder(session))
        except (AvatarError, InputError):
            return False

    def start_portrait(
        self,
        session: str,
        photo: str | None,
        title: str,
        consent: bool,
        face: int | None = None,
        video_only: bool = False,
    ) -> BackgroundFit:
        """Begin to make an avatar of a photo for a page, as `start` does of a video. `face` chooses among several."""
        self.note(session, photo)
        _check(photo, "photo", consent)
        request = PortraitRequest(
            photo, title or "", consent_to(video_only), face=face, device=str(self._studio.device),
            video_only=video_only,
        )  # fmt: skip
        return self._start(session, request)

    def note(self, session: str, file: str | None) -> None:
        """A page has sent a photo or a video of a person. A stranger's goes with the page, whatever becomes of it."""
        if file and not limits().keep_avatars:
            with self._lock:
                self._uploads.setdefault(session, set()).add(Path(file).resolve())
                self._used[session] = self._clock()

    def prepare(self) -> None:
        """A photo was chosen: a fit may be begun soon. One worker at most waits, whoever asks, and none while a fit
        runs."""
        now = self._running
        if now is None or now.fit.done:
            self._spare.prepare()

    def _start(self, session: str, request: AvatarRequest) -> BackgroundFit:
        allowed = limits()
        with self._lock:
            if self._running is not None and not self._running.fit.done:
                raise InputError(f"Another avatar is being made here{self._time_left()}, one at a time. Try later.")
            folder = self._folder(session)
            folder.mkdir(parents=True, exist_ok=True)
            fit = BackgroundFit(request, folder, on_done=self._ended, keep=allowed.keep_avatars)
            self._running = _Running(session, fit, folder)
            self._used[session] = self._clock()
        try:
            return fit.start(self._spare.take())
        except (OSError, RuntimeError) as error:  # no memory, process or thread left for a child
            with self._lock:
                self._running = None
            why = getattr(error, "strerror", None) or error
            raise InputError(f"The fit could not be started ({why}); try again later.") from error

    @property
    def busy(self) -> bool:
        """Whether a fit runs, whoever began it."""
        now = self._running
        return now is not None and not now.fit.done

    def touch(self, session: str) -> None:
        """The page did something: what it made stays for some time from now on."""
        if session in self._used:
            self._used[session] = self._clock()

    def in_use(self) -> set[Path]:
        """Uploads that a running fit reads."""
        now = self._running
        file = source_of(now.fit.request) if now is not None and not now.fit.done else None
        return set() if file is None else {file}

    def leftovers(self) -> list[Leftover]:
        """What pages made and packed, for the housekeeping; a page whose fit runs is in use."""
        now = self._running
        busy = None if now is None or now.fit.done else now.session
        sessions = list(self._used.items())
        made = [
            Leftover(self._folder(session), used, session == busy, lambda session=session: self.end_session(session))
            for session, used in sessions
            if not limits().keep_avatars
        ]
        return [*made, *self._packed.leftovers()]

    def running(self, session: str) -> BackgroundFit | None:
        """The fit that this page may watch and stop: its own, or on one's own machine whichever runs."""
        with self._lock:
            now = self._running
            mine = now is not None and (now.session == session or limits().keep_avatars)
            return now.fit if mine and not now.fit.done else None

    def cancel(self, session: str) -> None:
        """Stop this page's fit; nothing of it is kept."""
        fit = self.running(session)
        if fit is not None:
            fit.cancel()

    def unwatch(self, fit: BackgroundFit) -> None:
        """The page that began a fit does not look any more: a stranger's fit ends."""
        if not limits().keep_avatars and not fit.done:
            fit.cancel()

    def own(self, session: str) -> list[AvatarInfo]:
        """The usable own avatars of this page by the names they have in its gallery."""
        self.touch(session)
        infos = [info for info in list_avatars([(self._folder(session), False)]) if info.problem is None]
        if limits().keep_avatars:
            return infos
        names = {folder: name for name, folder in self._private.get(session, {}).items()}
        return [replace(info, name=names[info.name]) for info in infos if info.name in names]

    def pack(self, session: str, name: str) -> Path:
        """The avatar as a .zip in the server's temporary folder."""
        folder = self._folder_name(session, name)
        packed = self.temporary / "packed"
        target = packed / secrets.token_hex(8) / f"{folder}.zip"
        target.parent.mkdir(parents=True)
        self.touch(session)
        return pack_avatar(folder, target, self._folder(session))

    def delete(self, session: str, name: str) -> None:
        """Remove an own avatar for good; AvatarError where this page has none of that name."""
        folder = self._folder_name(session, name)
        delete_avatar(folder, self._folder(session))
        forget(folder, self._folder(session))
        self._forget(name)
        self._deleted(name)
        if not limits().keep_avatars:
            self._studio.unregister(name)
            self._private.get(session, {}).pop(name, None)

    def end_session(self, session: str) -> None:
        """The page was closed. What a stranger made goes; on one's own machine even a running fit goes on."""
        if limits().keep_avatars:
            return
        fit = self.running(session)
        if fit is not None:
            self._gone.add(session)
            fit.cancel()
        self._used.pop(session, None)
        for name in self._private.pop(session, {}):
            self._forget(name)
            self._studio.unregister(name)
        with self._lock:
            mine = self._uploads.pop(session, set())
            others = set().union(*self._uploads.values())  # the same content lies at the same place
        for upload in mine - others:
            with contextlib.suppress(OSError):
                upload.unlink()
        shutil.rmtree(self._folder(session), ignore_errors=True)

    def close(self) -> None:
        """The server ends: stop the fit, remove what was temporary. On one's own machine what a fit to a video has done
        stays, as where a server is killed: `personalize --resume` goes on with it."""
        with self._lock:
            now, self._closing = self._running, True
        if now is not None and not now.fit.done:
            now.fit.cancel()
            now.fit.join(12)
        self._spare.close()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _ended(self, fit: BackgroundFit) -> None:
        """Called from the fit's thread when it has ended, whether or not a page still looks."""
        now = self._running
        if now.session in self._gone:
            self._gone.discard(now.session)
            shutil.rmtree(now.folder, ignore_errors=True)
        elif fit.name is None and isinstance(fit.request, PortraitRequest | ImproveRequest):
            sweep(now.folder)  # what a killed one left; what can be gone on with under that name stays
        elif fit.name is None and self._closing and limits().keep_avatars:
            pass  # nobody has asked it to stop but the server
        elif fit.name is None:
            discard(fit.request.name, now.folder)
        elif not limits().keep_avatars:
            mine = self._private.setdefault(now.session, {})
            name = next((name for name, folder in mine.items() if folder == fit.name), None)
            if name is None:
                name = f"{fit.name}-{secrets.token_hex(6)}"  # nobody can guess what others made
                self._studio.register(name, now.folder / fit.name)
                mine[name] = fit.name
            else:  # made anew, of a video after a photo
                self._forget(name)
            self._used[now.session] = self._clock()
            fit.name = name
        else:
            self._forget(fit.name)

    def _forget(self, name: str) -> None:
        self._studio.forget(name)
        self._forgotten(name)

    def _folder(self, session: str) -> Path:
        if limits().keep_avatars:
            return own_folder()
        return self.temporary / "pages" / folder_of(session)

    def _folder_name(self, session: str, name: str) -> str:
        if limits().keep_avatars:
            return name
        try:
            return self._private.get(session, {})[name]
        except KeyError as error:
            raise AvatarError(f"This page has no avatar of its own called {name!r:.80}.") from error

    def _time_left(self) -> str:
        remaining = self._running.fit.news.remaining
        return "" if remaining is None else f" (some {max(1, round(remaining / 60))} min left)"


def _check(file: str | None, what: str, consent: bool) -> None:
    """Raise InputError where the file of a person is missing or too large, or consent is."""
    if not file:
        take = "record yourself" if what == "video" else "take one with the camera"
        raise InputError(f"There is no {what} yet; upload one or {take}.")
    if consent is not True:
        raise InputError("An avatar of a person needs consent; tick the box if you have it.")
    megabytes = Path(file).stat().st_size / 2**20 if Path(file).is_file() else 0
    most = limits().upload_megabytes
    if megabytes > most:
        smaller = "Cut it shorter" if what == "video" else "Make it smaller"
        raise InputError(f"The {what} has {megabytes:.0f} MB, at most {most} are taken here. {smaller}.")
