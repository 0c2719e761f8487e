"""One's own avatars: what they may be called, where they lie, packing them as .zip, deleting them."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import shutil
import unicodedata
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.avatar.card import AvatarCard
from emotalk.avatar.files import (
    CARD,
    LIMITS,
    MOTION,
    OPTIONAL,
    SIZE_LIMITS,
    SPEC,
    TENSORS,
    THUMBNAIL,
    check_folder,
    unpack,
)
from emotalk.avatar.model import GaussianAvatar, head_version, same_head
from emotalk.avatar.tensors import decode, read_regular
from emotalk.core.atomic import recover_folder, replacing, set_aside
from emotalk.core.errors import AvatarError, CheckpointError, InputError
from emotalk.core.paths import CHECKPOINTS, cache_dir
from emotalk.head.model import HeadModel
from emotalk.motion.person import MotionAdaptation

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

NAME_LENGTH = 40
FIRST_FACES = ("asha", "henrik", "mira", "kofi", "jun", "elena")
"""Shipped avatars in the order in which they are shown: those first that strangers like best."""
_FOLDER = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def own_folder() -> Path:
    """Where the avatars that were made on this machine lie."""
    return cache_dir("avatars")


def folder_name(title: str) -> str:
    """The folder of an avatar that a person calls `title`: its letters a to z and digits, joined by hyphens.

    Raises InputError for an empty or too long title, and for the name of a shipped avatar.
    """
    title = title.strip() if isinstance(title, str) else ""
    if not title:
        raise InputError("The avatar has no name; give it one, for example your first name.")
    if len(title) > NAME_LENGTH or not title.isprintable():
        raise InputError(f"A name has at most {NAME_LENGTH} printable characters, found {title!r:.80}.")
    plain = unicodedata.normalize("NFKD", title.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    name = "-".join(re.findall(r"[a-z0-9]+", plain))
    if not name:
        raise InputError(f"The name {title!r} has no letter from a to z and no digit; give one that does.")
    if any(shipped and (base / name).is_dir() for base, shipped in avatar_folders()):
        raise InputError(f"{title!r} is the name of an avatar that comes with the program; choose another one.")
    return name


def find_own(name: str, base: Path | None = None) -> Path:
    """The folder of an own avatar; AvatarError where there is none. No name leads out of `base`."""
    base = own_folder() if base is None else base
    folder = base / name if isinstance(name, str) and _FOLDER.fullmatch(name) else None
    if folder is None or folder.is_symlink() or not (folder / TENSORS).is_file():
        raise AvatarError(f"There is no avatar of your own called {name!r:.80}; shipped ones stay as they are.")
    return folder


def delete_avatar(name: str, base: Path | None = None) -> None:
    """Remove an own avatar for good. It disappears at once or not at all; AvatarError where there is none."""
    folder = find_own(name, base)
    doomed = folder.parent / f".{name}.deleted-{secrets.token_hex(4)}"
    try:
        folder.rename(doomed)
    except OSError as error:
        raise AvatarError(f"The avatar {name!r} cannot be deleted: {error.strerror}.") from error
    shutil.rmtree(doomed, ignore_errors=True)


def pack_avatar(name: str, target: Path, base: Path | None = None) -> Path:
    """Write an own avatar as a .zip of one folder, moved into place when complete; returns `target`."""
    folder = find_own(name, base)
    check_folder(folder)
    try:
        with replacing(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for part in sorted(folder.iterdir()):  # only what `check_folder` knows
                archive.write(part, f"{name}/{part.name}")
    except OSError as error:
        raise AvatarError(f"The avatar cannot be written to {target}: {error.strerror}.") from error
    return target


@dataclass(frozen=True)
class AvatarInfo:
    """One entry of the gallery. `problem` says in a sentence why an entry cannot be used, or is None."""

    name: str  # the folder's name, what `load_avatar` takes
    folder: Path
    card: AvatarCard | None
    thumbnail: Path | None
    shipped: bool
    problem: str | None = None


def load_avatar(name_or_folder: str | Path, head: HeadModel | None = None) -> GaussianAvatar:
    """The avatar of a gallery name ("mira") or a folder, after checking every file in it.

    Raises an AvatarError, one sentence that names what is wrong, for anything missing, damaged, foreign or unsafe.
    """
    folder = find_avatar(name_or_folder)
    card = check_folder(folder)
    if head is None:
        head = HeadModel.load()
    if not same_head(card.head_version, head_version(head)):
        raise AvatarError(
            f"The avatar in {folder} was made for head {card.head_version or 'unknown'}, this program has head "
            f"{head_version(head)}; get a matching avatar or make it again."
        )
    avatar = unpack(read_arrays(folder), card, head, f"{TENSORS} in {folder}")
    avatar.thumbnail = read_regular(folder / THUMBNAIL, SIZE_LIMITS[THUMBNAIL])
    if (folder / MOTION).exists():
        try:
            avatar.motion = MotionAdaptation.from_bytes(read_regular(folder / MOTION, SIZE_LIMITS[MOTION]))
        except CheckpointError as error:
            raise AvatarError(f"{MOTION} in {folder}: {error}") from error
    return avatar


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of an avatar's folder as they are stored, each with its shape in `files.SPEC`: enough to know its
    colours, and a fraction of the time and memory of the avatar. AvatarError where they are damaged."""
    what = f"{TENSORS} in {folder}"
    return decode(read_regular(folder / TENSORS, SIZE_LIMITS[TENSORS]), SPEC, LIMITS, what, OPTIONAL)


def avatar_folders() -> list[tuple[Path, bool]]:
    """Where avatars are looked for: (folder of avatar folders, shipped with the program?)."""
    return [(CHECKPOINTS / "avatars", True), (cache_dir("avatars"), False)]


def find_avatar(name_or_folder: str | Path, paths: bool = True) -> Path:
    """The folder of a gallery name or, with `paths`, of a path; an AvatarError lists the known names where there is
    none. Without `paths` no text leads out of the gallery."""
    text = str(name_or_folder)
    plain = text != "" and Path(text).name == text and not text.startswith(".")
    try:
        if plain:
            for base, _ in avatar_folders():
                recover_folder(base / text)
                if (base / text).is_dir():
                    return base / text
        # A word alone is a gallery name unless it plainly is an avatar folder; a path is taken at its word.
        path = Path(text) if paths and text not in ("", ".", "..") else None
        if path is not None and path.is_dir() and (not plain or (path / CARD).exists()):
            return path
    except (OSError, ValueError):
        pass  # too long for a file name or with a zero byte: no such avatar
    known = ", ".join(info.name for info in list_avatars() if info.problem is None) or "none"
    raise AvatarError(f"There is no avatar {text!r:.200}; known are: {known}.")


def list_avatars(folders: list[tuple[Path, bool]] | None = None) -> list[AvatarInfo]:
    """All avatars of the gallery: shipped ones in the order of `FIRST_FACES`, then others by name; unusable ones carry
    their `problem`, and so does a whole folder of avatars that cannot be read."""
    found = []
    for base, shipped in folders if folders is not None else avatar_folders():
        try:
            inside = _avatars_in(base)
        except OSError as error:
            problem = f"{base} cannot be read ({error.strerror or error}); check its permissions."
            found.append(AvatarInfo(base.name, base, None, None, shipped, problem))
        else:
            if shipped:
                inside.sort(key=lambda folder: _rank(folder.name))
            found += [_info(folder, shipped) for folder in inside]
    return found


def _avatars_in(base: Path) -> list[Path]:
    if not base.exists():
        return []
    for folder in set_aside(base):
        with contextlib.suppress(OSError):  # it cannot be brought back, or is not ours
            recover_folder(folder)
    return sorted(path for path in base.iterdir() if not path.name.startswith(".") and _may_be_avatar(path))


def _rank(name: str) -> int:
    return FIRST_FACES.index(name) if name in FIRST_FACES else len(FIRST_FACES)


def _may_be_avatar(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return True  # nobody can look: that is its problem


def _info(folder: Path, shipped: bool) -> AvatarInfo:
    written = folder.name.encode("utf-8", "backslashreplace").decode()
    if written != folder.name:  # no terminal and no page could show it
        problem = "the folder's name holds bytes that are no letters; rename it."
        return AvatarInfo(written, folder, None, None, shipped, problem)
    try:
        card = check_folder(folder)
    except AvatarError as error:
        problem = str(error)
    except Exception as error:
        # Whatever is in one folder, the others can still be used.
        log.info("%s cannot be used", folder, exc_info=True)
        problem = f"{folder} cannot be read ({type(error).__name__}); the avatar is damaged."
    else:
        return AvatarInfo(folder.name, folder, card, folder / THUMBNAIL, shipped)
    return AvatarInfo(folder.name, folder, None, None, shipped, problem)
