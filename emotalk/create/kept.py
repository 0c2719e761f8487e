"""What is kept of a run so that its avatar can be improved later: numbers, and the frames that the fit learns from.

<avatars>/.<name>.work/made.json    the settings of the run, and which avatar it made
<avatars>/.<name>.work/track, fit   motion, masks and frames; the state of the fit

Frames show a person, so no more of them stay than are needed: not the other frames, not the sound, and nothing at all
beyond `MOST_BYTES` for all avatars of a folder together. They go with the avatar, and `forget` removes them alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from emotalk.avatar.files import TENSORS
from emotalk.avatar.gallery import folder_name, own_folder
from emotalk.core.atomic import write_json
from emotalk.core.errors import InputError
from emotalk.create.workplace import JOB, LOCK, MADE, remove, work_folder

if TYPE_CHECKING:
    from emotalk.fitting.personalize import PersonalizeConfig

MOST_BYTES = 600 * 2**20
"""Of all that is kept beside the avatars of one folder; what was made longest ago goes first. A video of 20 seconds
takes about 110 MB."""
_CONFIG = ("size", "seed")
"""Settings of a fit that decide whether its state can be gone on with, and that people choose."""


def keep(work: Path, avatar: Path, config: PersonalizeConfig, rows: Iterable[int]) -> None:
    """Leave in a held work folder what the avatar in the folder `avatar` can be improved with; `rows` are the frames
    that are needed. Where that is too much, nothing is left."""
    settings = {name: getattr(config, name) for name in _CONFIG}
    # First: a run that is killed while frames go must not be gone on with as if they were there.
    write_json(work / MADE, settings | {"avatar": _digest(avatar)}, indent=2)
    (work / JOB).unlink(missing_ok=True)
    needed = {f"{row:06d}" for row in rows}
    for folder in ("frames", "masks"):
        for picture in (work / "track" / folder).glob("*"):
            if picture.stem not in needed:
                picture.unlink()
    for sound in (work / "track").glob("*.wav"):
        sound.unlink()
    _make_room(work)


def can_improve(name: str, folder: Path | None = None) -> bool:
    """Whether enough was kept to improve the avatar of that name."""
    base = own_folder() if folder is None else folder
    return (work_folder(base, folder_name(name)) / MADE).is_file() and (base / folder_name(name) / TENSORS).is_file()


def forget(name: str, folder: Path | None = None) -> bool:
    """Remove what was kept to improve the avatar of that name, which itself stays; whether there was anything. What a
    stopped run can be gone on with is left alone."""
    work = work_folder(own_folder() if folder is None else folder, folder_name(name))
    if not (work / MADE).is_file() or work.is_symlink():
        return False
    with contextlib.suppress(Timeout, OSError), FileLock(work / LOCK).acquire(blocking=False):
        remove(work)
    return not work.exists()


def settings_of(work: Path, avatar: Path) -> dict[str, Any]:
    """What `keep` wrote down; InputError with a sentence where there is nothing, or it is of another avatar."""
    again = "Make the avatar again from its video."
    try:
        made = json.loads((work / MADE).read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"Nothing was kept to improve {avatar.name!r:.80} with. {again}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"What was kept to improve {avatar.name!r:.80} with cannot be read. {again}") from error
    if not isinstance(made, dict) or set(made) != {*_CONFIG, "avatar"} or made["size"] not in (256, 512):
        raise InputError(f"What was kept to improve {avatar.name!r:.80} with is damaged. {again}")
    if type(made["seed"]) is not int or not 0 <= made["seed"] < 2**32:
        raise InputError(f"What was kept to improve {avatar.name!r:.80} with is damaged. {again}")
    if made["avatar"] != _digest(avatar):
        raise InputError(f"{avatar.name!r:.80} is another avatar than the one that was kept to be improved. {again}")
    return {name: made[name] for name in _CONFIG}


def _digest(avatar: Path) -> str:
    """Tells one avatar from another."""
    try:
        return hashlib.sha256((avatar / TENSORS).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"There is no avatar in {avatar.name!r:.80}.") from error


def _make_room(work: Path) -> None:
    """Remove what is too much beside the avatars: the oldest first, then this one."""
    kept = [path for path in work.parent.glob(".*.work") if (path / MADE).is_file() and not path.is_symlink()]
    kept.sort(key=lambda path: (path != work, -(path / MADE).stat().st_mtime))
    total = 0
    for path in kept:
        total += sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
        if total <= MOST_BYTES:
            continue
        if path == work:
            remove(path)
        else:
            forget(path.name[1 : -len(".work")], work.parent)
