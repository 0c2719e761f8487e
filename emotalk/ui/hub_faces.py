"""Faces from the Hugging Face Hub: the recommended ones and what a page fetched by address, with their downloads."""

from __future__ import annotations

import html
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.avatar.files import THUMBNAIL, check_folder
from emotalk.avatar.hub_avatars import recommended_avatars, resolve_avatar
from emotalk.core.errors import EmotalkError, HubError
from emotalk.core.progress import Progress
from emotalk.hub import HubAddress, downloaded
from emotalk.hub.client import commit_of
from emotalk.server.limits import limits
from emotalk.ui.pictures import thumbnail_address

if TYPE_CHECKING:
    from emotalk.talk.studio import Studio

log = logging.getLogger(__name__)


class AvatarDownload:
    """An avatar that is being downloaded. `progress` counts bytes; `error` says what went wrong when `wait` is over."""

    def __init__(self, studio: Studio, address: HubAddress) -> None:
        self.address = address
        self.progress = Progress("waiting")
        self.error: Exception | None = None
        self._studio = studio
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="emotalk-hub", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait at most that long; True when it has ended."""
        return self._ended.wait(seconds)

    def _run(self) -> None:
        try:
            resolve_avatar(str(self.address), paths=False, progress=self._note, keep=limits().hub_avatars)
            self._studio.avatar(str(self.address))  # every file is checked before the face is shown
        except EmotalkError as error:
            self.error = error
        except Exception as error:
            # The thread's end: whatever it was must reach the person and the log, not vanish with the thread.
            log.exception("a download failed")
            self.error = error
        finally:
            self._ended.set()

    def _note(self, progress: Progress) -> None:
        self.progress = progress


class HubFaces:
    """Which faces from the Hub a page shows behind those of the gallery."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._fetched: dict[str, list[HubAddress]] = {}

    def fetch(self, address: HubAddress) -> AvatarDownload:
        """Begin to download a face."""
        return AvatarDownload(self._studio, address)

    def keep(self, session: str, address: HubAddress) -> None:
        """Show a fetched face to this page from now on."""
        mine = self._fetched.setdefault(session, [])
        if address not in mine:
            mine.append(address)

    def end_session(self, session: str) -> None:
        """The page was closed."""
        self._fetched.pop(session, None)

    def faces(self, session: str = "") -> list[dict[str, str]]:
        """What the row of faces shows for a page: recommended faces, then what it fetched itself."""
        try:
            recommended = recommended_avatars()
        except HubError as error:
            log.warning("%s No avatar is recommended.", error)
            recommended = []
        shown = [_face(HubAddress.parse(entry.address), entry.title, entry.licence) for entry in recommended]
        names = {face["name"] for face in shown}
        mine = [address for address in self._fetched.get(session, ()) if str(address) not in names]
        return [*shown, *(_face(address) for address in mine if downloaded(address))]


def _face(address: HubAddress, title: str = "", licence: str = "") -> dict[str, str]:
    folder = downloaded(address)
    if folder is not None:
        try:
            return _here(address, folder)
        except Exception as error:
            # Whatever is in one folder that was downloaded, the page opens.
            log.warning("%s cannot be shown: %s", address, error)
    about = html.escape(f"{title}: {address} on the Hugging Face Hub; licence {licence}")
    note = f"downloads on first use; {licence}"
    return {"name": str(address), "title": title or address.repo, "about": about, "picture": "", "note": note}


def _here(address: HubAddress, folder: Path) -> dict[str, str]:

    card = check_folder(folder)
    who = "a synthetic person" if card.synthetic else "a real person, with their consent"
    about = f"{card.name}: {who}; licence {card.licence}; {address} as of {commit_of(folder)[:8]}"
    picture = thumbnail_address(folder / THUMBNAIL)
    return {"name": str(address), "title": card.name, "about": html.escape(about), "picture": picture}
