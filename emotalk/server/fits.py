"""Who is making an avatar on this page server, and which avatars are whose.

On one's own machine avatars go to the gallery and stay. Where they are not kept (`Limits.keep_avatars`: on a page
open to strangers) they lie in a temporary folder of the page session, are known to that page alone, and go when it is
closed.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.avatar import list_avatars
from emotalk.avatar.gallery import delete_avatar, own_folder, pack_avatar
from emotalk.core.errors import AvatarError, InputError
from emotalk.create.job import discard
from emotalk.create.request import CONSENT, PersonalizeRequest
from emotalk.create.worker import BackgroundFit
from emotalk.server.limits import limits

if TYPE_CHECKING:
    from emotalk.avatar import AvatarInfo
    from emotalk.talk.studio import Studio


KEPT_SECONDS = 600
"""How long a packed avatar stays in the temporary folder."""


@dataclass(frozen=True)
class _Running:
    session: str
    fit: BackgroundFit
    folder: Path


class FitSessions:
    """One fit at a time for the whole server; own avatars by page session."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._private: dict[str, dict[str, str]] = {}  # session -> name in the studio -> name of the folder
        self._videos: dict[str, list[Path]] = {}
        self._gone: set[str] = set()  # closed pages whose fit has yet to stop
        self.temporary = Path(tempfile.mkdtemp(prefix="emotalk-own-"))

    def start(self, session: str, video: str | None, title: str, minutes: float, consent: bool) -> BackgroundFit:
        """Begin a fit for a page; InputError with a sentence where something is missing or another fit runs."""
        if not video:
            raise InputError("There is no video yet; upload one or record yourself.")
        if not consent:
            raise InputError("An avatar of a person needs consent; tick the box if you have it.")
        allowed = limits()
        megabytes = Path(video).stat().st_size / 2**20 if Path(video).is_file() else 0
        if megabytes > allowed.upload_megabytes:
            raise InputError(
                f"The video has {megabytes:.0f} MB, at most {allowed.upload_megabytes} are taken here. Cut it shorter."
            )
        request = PersonalizeRequest(
            video,
            title or "",
            CONSENT,
            minutes=min(float(minutes), allowed.personalise_minutes),
            seconds=allowed.personalise_seconds,
            device=str(self._studio.device),
        )
        with self._lock:
            if self._running is not None and not self._running.fit.done:
                raise InputError(f"Another avatar is being made here{self._time_left()}, one at a time. Try later.")
            folder = self._folder(session)
            folder.mkdir(parents=True, exist_ok=True)
            fit = BackgroundFit(request, folder, on_done=self._ended)
            self._running = _Running(session, fit, folder)
            if not limits().keep_avatars:
                self._videos.setdefault(session, []).append(Path(video))
        return fit.start()

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

    def own(self, session: str) -> list[AvatarInfo]:
        """The usable own avatars of this page by the names they have in its gallery."""
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
        for old in packed.iterdir():  # the page has copied them long ago
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        return pack_avatar(folder, target, self._folder(session))

    def delete(self, session: str, name: str) -> None:
        """Remove an own avatar for good; AvatarError where this page has none of that name."""
        delete_avatar(self._folder_name(session, name), self._folder(session))
        self._studio.forget(name)
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
        for name in self._private.pop(session, {}):
            self._studio.forget(name)
            self._studio.unregister(name)
        for video in self._videos.pop(session, []):
            with contextlib.suppress(OSError):
                video.unlink()
        shutil.rmtree(self._folder(session), ignore_errors=True)

    def close(self) -> None:
        """The server ends: stop the fit, remove what was temporary."""
        with self._lock:
            now = self._running
        if now is not None and not now.fit.done:
            now.fit.cancel()
            now.fit.join(12)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _ended(self, fit: BackgroundFit) -> None:
        """Called from the fit's thread when it has ended, whether or not a page still looks."""
        now = self._running
        if now.session in self._gone:
            self._gone.discard(now.session)
            shutil.rmtree(now.folder, ignore_errors=True)
        elif fit.name is None:
            discard(fit.request.name, now.folder)
        elif not limits().keep_avatars:
            name = f"{fit.name}-{secrets.token_hex(6)}"  # nobody can guess what others made
            self._studio.register(name, now.folder / fit.name)
            self._private.setdefault(now.session, {})[name] = fit.name
            fit.name = name
        else:
            self._studio.forget(fit.name)

    def _folder(self, session: str) -> Path:
        if limits().keep_avatars:
            return own_folder()
        return self.temporary / (re.sub(r"[^A-Za-z0-9]", "", session)[:64] or "nobody")

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
