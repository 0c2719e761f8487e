"""One's own avatars: what they may be called, where they lie, packing them as .zip, deleting them."""

from __future__ import annotations

import re
import secrets
import shutil
import unicodedata
import zipfile
from pathlib import Path

from emotalk.avatar.files import TENSORS, avatar_folders, check_folder
from emotalk.errors import AvatarError, InputError
from emotalk.paths import cache_dir

NAME_LENGTH = 40
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
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for part in sorted(folder.iterdir()):  # only what `check_folder` knows
                archive.write(part, f"{name}/{part.name}")
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise AvatarError(f"The avatar cannot be written to {target}: {error.strerror}.") from error
    return target
