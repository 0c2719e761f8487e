"""From a photo of a person to their avatar: find the face, fit a head to it, make the avatar, save.

    photo ─► face ─► track/ (one frame, mask, head) ─► avatar folder, moved into place when complete
             └─ .<name>.work/portrait, beside the avatars

It takes half a minute, so nothing of a stopped run is kept: whatever happens, its folder goes. A stopped run of a video
under the same name stays what it was: its work lies beside that folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotalk.avatar.gallery import folder_name, own_folder
from emotalk.core.errors import Cancelled
from emotalk.core.heap import give_memory_back
from emotalk.core.progress import FitCallback
from emotalk.create.request import PersonalizeResult, PortraitRequest
from emotalk.create.stages import Waiting
from emotalk.create.workplace import MADE, photo_folder, put_in_place, sweep, workplace
from emotalk.rendering.device import resolve_device

if TYPE_CHECKING:
    from emotalk.portrait.faces import PhotoFace
    from emotalk.tracking import TrackedVideo

FIT_SECONDS = 20.0
"""What making the avatar takes on two idle cores, once the face is found."""
FACE_SIDE = 144
"""Pixels of the side of a face's picture in a row to choose from."""


def portrait(
    request: PortraitRequest,
    progress: FitCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    on_tracked: Callable[[TrackedVideo], None] | None = None,
    folder: Path | None = None,
) -> PersonalizeResult:
    """Make an avatar of the person in a photo and put it into the gallery (or into `folder`).

    `progress` hears of every stage in words, `on_tracked` gets the tracked photo (a video of one frame) before
    the fit, `cancelled` is asked often (Cancelled is raised).
    Raises the package's errors; `portrait.faces.SeveralFaces` where it is not clear which person in the photo is meant.
    """
    # Imported here: what is wrong with a request is said before these are loaded, which takes seconds.
    from emotalk.avatar import Consent
    from emotalk.portrait.make import make_portrait
    from emotalk.portrait.photo import read_photo
    from emotalk.portrait.tracked_photo import track_photo

    started = time.perf_counter()
    give_memory_back()
    progress = progress or (lambda _: None)
    cancelled = cancelled or (lambda: False)
    device = resolve_device(request.device)
    base = own_folder() if folder is None else folder
    name = folder_name(request.name)
    sweep(base)
    with workplace(base, name) as work, photo_folder(work) as own:
        picture = read_photo(Path(request.photo))
        waiting = Waiting(progress, FIT_SECONDS, 0.0, end_seconds=1.0)
        tracked = track_photo(
            picture, own / "track", name=Path(request.photo).name, face=request.face, size=request.size,
            progress=waiting.tracking(), cancelled=cancelled,
        )  # fmt: skip
        if cancelled():
            raise Cancelled("Stopped: no avatar was made.")
        if on_tracked is not None:
            on_tracked(tracked)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        consent = Consent(request.consent.strip(), now, live=not request.video_only)
        avatar = make_portrait(
            tracked, name=request.name.strip(), consent=consent, seed=request.seed, device=str(device),
            report=waiting.fitting(), cancelled=cancelled,
        )  # fmt: skip
        made = put_in_place(avatar, tracked, base, name, started)
        (work / MADE).unlink(missing_ok=True)  # an earlier avatar of that name, made of a video, is no more
        return made


def face_pictures(photo: Path, faces: Iterable[PhotoFace], side: int = FACE_SIDE) -> list[np.ndarray]:
    """[side, side, 3] uint8 for each of the faces that were found in a photo, for somebody who has to choose one."""
    from PIL import Image

    from emotalk.portrait.photo import read_photo

    picture = Image.fromarray(read_photo(photo))
    crops = []
    for face in faces:
        half = 0.9 * max(face.box[2] - face.box[0], face.height)  # with hair and chin
        x, y = face.centre
        square = picture.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
        crops.append(np.asarray(square.resize((side, side), Image.Resampling.LANCZOS)))
    return crops
