"""Takes that were made before, kept on this machine: each in a folder named after all that its frames depend on."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotalk import __version__
from emotalk.core.atomic import replacing_folder, sweep_unfinished
from emotalk.core.errors import VideoError
from emotalk.core.paths import cache_dir
from emotalk.emotion import EmotionCurve
from emotalk.talk.background import PictureFile
from emotalk.talk.take import CLEAR_PICTURE, FACTS, PICTURE, SOUND, TakeFacts

if TYPE_CHECKING:
    from emotalk.talk.request import TalkRequest
    from emotalk.talk.studio import Studio

LIMIT_BYTES = 1 << 30
"""What all takes together may take on the disk once a scene is done: about 20 minutes at 512 x 512."""
_FORMAT = "emotalk-take-2"
_KILLED_SECONDS = 3600.0  # a writer that has not changed its files for so long is gone


class TakeStore:
    """Takes by key in a folder (by default one in this user's cache). Several processes may use it at once."""

    def __init__(self, folder: Path | None = None, limit: int = LIMIT_BYTES) -> None:
        self.folder = cache_dir("takes") if folder is None else folder
        self.limit = limit

    def get(self, key: str, film: Callable[[Path], TakeFacts]) -> tuple[Path, TakeFacts, bool]:
        """The folder of the take `key`, what is known of it, and whether it was there before; else `film` makes it in
        an empty folder. Raises what `film` does, and VideoError where the disk fails."""
        place = self.folder / key
        if (known := self._read(place)) is not None:
            with contextlib.suppress(OSError):  # it is another user's, or gone: only its age is wrong then
                os.utime(place)
            return place, known, True
        shutil.rmtree(place, ignore_errors=True)  # what is damaged
        try:
            with replacing_folder(place, keep=True) as work:
                facts = film(work)
        except OSError as error:
            raise VideoError(f"A line cannot be kept in {self.folder}: {error.strerror or error}.") from error
        return place, facts, False

    def forget(self, key: str) -> None:
        """Remove the take `key`, if there is one."""
        shutil.rmtree(self.folder / key, ignore_errors=True)

    def trim(self, keep: Collection[str] = ()) -> None:
        """Remove what killed writers left, and the takes not used for longest until the rest is within the limit; those
        whose keys are in `keep` only where nothing else is left to remove."""
        if not self.folder.is_dir():
            return
        sweep_unfinished(self.folder, _KILLED_SECONDS)
        takes = []
        for place in self.folder.iterdir():
            if place.is_dir() and not place.name.startswith("."):
                with contextlib.suppress(OSError):  # another process removes it
                    size = sum(file.stat().st_size for file in place.iterdir())
                    takes.append((place.name in keep, place.stat().st_mtime, size, place))
        total = sum(size for _, _, size, _ in takes)
        for _, _, size, place in sorted(takes, key=lambda take: take[:2]):
            if total <= self.limit:
                break
            shutil.rmtree(place, ignore_errors=True)
            total -= size

    @staticmethod
    def _read(place: Path) -> TakeFacts | None:
        """What is known of a whole take; None where there is none, or a damaged one."""
        try:
            table = json.loads((place / FACTS).read_bytes())
            words = tuple((float(start), float(end), str(word)) for start, end, word in table["words"])
            facts = TakeFacts(
                int(table["frames"]), words, str(table["written"]), str(table["voice"]), tuple(table["remarks"])
            )
            picture = place / PICTURE if (place / PICTURE).is_file() else place / CLEAR_PICTURE
            whole = picture.stat().st_size > 0 and (place / SOUND).stat().st_size > 0
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return facts if whole and facts.frames > 0 else None


class TakeKeys:
    """Names takes after all that their frames and their sound depend on."""

    def __init__(self, studio: Studio) -> None:
        self._shared = {
            "format": _FORMAT,
            "version": __version__,
            "motion": studio.motion.digest,
            "device": studio.device.type,
        }
        self._studio = studio
        self._avatars: dict[Path, str] = {}  # digest of an avatar's folder

    def of(
        self,
        request: TalkRequest,
        folder: Path,
        listening: int | None = None,
        towards: tuple[float, float] | None = None,
    ) -> str:
        """The key of a request's take; `folder` is that of its avatar, `listening` and `towards` as for `Take`."""
        if folder not in self._avatars:
            self._avatars[folder] = digest_of(folder)
        asked = {
            field.name: _plain(getattr(request, field.name))
            for field in dataclasses.fields(request)
            if field.name not in ("avatar", "audio", "max_seconds", "transcript", "encoder")
        }
        hears = self._studio.encoder_of(request.encoder).digest
        facts = self._shared | {
            "request": asked, "avatar": self._avatars[folder], "listening": listening, "towards": towards,
            "encoder": hears,
        }  # fmt: skip
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    """What JSON knows, of a part of a request."""
    if isinstance(value, PictureFile):
        return hashlib.sha256(value.path.read_bytes()).hexdigest()
    if isinstance(value, EmotionCurve):
        return [value.times, value.values]
    if dataclasses.is_dataclass(value):
        named = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return [type(value).__name__, named]
    return value


def digest_of(folder: Path) -> str:
    """SHA-256 of the names and contents of a folder's own files, as of an avatar's."""
    content = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.is_file():
            with file.open("rb") as data:
                content.update(file.name.encode() + hashlib.file_digest(data, "sha256").digest())
    return content.hexdigest()
