"""From a video of a person to their avatar: track, fit, learn how they speak, save.

    video ─► track/ (frames, masks, motion, sound) ─► fit/ (state) ─► avatar folder, moved into place when complete
             └──────────── .<name>.work, beside the avatars ┘

Everything on the way lies in one work folder. At the end it is removed, but for what the avatar can be improved with
(`kept`) where that is wanted. A run that was killed goes on from there; an avatar that was there before stays as it was
until the new one is complete.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotalk.avatar.gallery import folder_name, own_folder
from emotalk.core.atomic import write_json
from emotalk.core.blas import one_blas_thread
from emotalk.core.errors import Cancelled, EmotalkError, InputError
from emotalk.core.heap import give_memory_back
from emotalk.core.progress import FitCallback
from emotalk.create.kept import keep
from emotalk.create.request import PersonalizeRequest, PersonalizeResult, need_consent
from emotalk.create.stages import JUDGING, TRACK_STAGES, Waiting
from emotalk.create.workplace import JOB, empty, put_in_place, remove, sweep, workplace
from emotalk.rendering.device import resolve_device

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo

_FIRST_SIDE = 384
"""Pixels of the longer side of the picture that is shown at once."""
_DIGEST_BYTES = 1 << 22
"""Of the beginning and of the end of a video, to tell it from another one."""


def personalize(
    request: PersonalizeRequest,
    progress: FitCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    on_tracked: Callable[[TrackedVideo], None] | None = None,
    folder: Path | None = None,
) -> PersonalizeResult:
    """Make an avatar of the person in a video and put it into the gallery (or into `folder`).

    `progress` hears of every stage in words, `on_tracked` gets the tracked video before the fit, `cancelled` is asked
    often (Cancelled is raised; what was done stays for `resume`, see `discard`). Raises the package's errors.
    """
    # Imported here: what is wrong with a request is said before these are loaded, which takes seconds.
    from emotalk.avatar import Consent
    from emotalk.create.verdict import judged, lip_rows
    from emotalk.fitting.personalize import PersonalizeConfig, PersonalizeFit, one_thread
    from emotalk.learning.adapt_motion import motion_of_video
    from emotalk.portrait.emotional_faces import EmotionalFaces, FacesConfig
    from emotalk.tracking import track_video

    started = time.perf_counter()
    # On a busy machine threads that wait for each other made learning to speak take minutes in place of seconds.
    one_blas_thread()
    give_memory_back()
    progress = progress or (lambda _: None)
    cancelled = cancelled or (lambda: False)
    device = resolve_device(request.device)  # before the video is tracked, which takes minutes
    base = own_folder() if folder is None else folder
    name = folder_name(request.name)
    sweep(base)
    with workplace(base, name) as work:
        job = _job(request, work)
        waiting = Waiting(progress, 60 * job["minutes"])
        waiting.show(TRACK_STAGES["look"], preview=first_picture(Path(request.video)))
        try:
            tracked = track_video(
                request.video,
                work / "track",
                waiting.tracking(),
                size=job["size"],
                seconds=job["seconds"],
                cancelled=cancelled,
            )
        except EmotalkError as error:
            if not isinstance(error, Cancelled) and not request.resume:
                remove(work)  # such a video is refused again: there is nothing to go on with
            raise
        if on_tracked is not None:
            on_tracked(tracked)
        if not tracked.quality.sound:
            waiting.voice_seconds = 0.0
        config = PersonalizeConfig(minutes=job["minutes"], size=job["size"], seed=job["seed"], device=str(device))
        # Who wants less when the run goes on gets it; more than was agreed to at its start it does not become.
        live = not (job["video_only"] or request.video_only)
        consent = Consent(job["consent"].strip(), job["started"], live)
        faces = EmotionalFaces(FacesConfig(seed=job["seed"]))
        fit = PersonalizeFit(
            tracked, work / "fit", config, name=job["name"].strip(), consent=consent, extra_pairs=faces
        )  # fmt: skip
        avatar = fit.run(waiting.fitting(), cancelled)
        rows = fit.rows
        del fit  # its frames and what it learned by: 250 MB that learning to speak and judging need not come on top of
        with one_thread():
            avatar = avatar.replace(motion=motion_of_video(tracked, waiting.speaking(cancelled)))
            waiting.show(JUDGING)
            verdict, numbers = judged(avatar, tracked, cancelled)
        if cancelled():
            raise Cancelled("Stopped; it can go on from here.")
        card = dataclasses.replace(avatar.card, metrics=avatar.card.metrics | numbers)
        made = put_in_place(avatar.replace(card=card), tracked, base, name, started, verdict)
        if job["keep_frames"] and request.keep_frames:
            keep(work, made.folder, config, [*rows, *lip_rows(tracked)])
        else:
            remove(work)
        return made


def first_picture(video: Path) -> np.ndarray | None:
    """The middle of a video's first picture beside the same out of focus, where the avatar will be, [H, 2 H, 3] uint8,
    for somebody who waits; None where it cannot be read: tracking says why."""
    # Imported here: as above.
    from PIL import Image, ImageFilter

    from emotalk.tracking.source import probe, small_frames

    try:
        frames = small_frames(video, probe(video), _FIRST_SIDE)
        picture = next(frames, None)
        frames.close()
    except (EmotalkError, OSError):
        return None
    if picture is None:
        return None
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = Image.fromarray(picture[top : top + side, left : left + side])
    blurred = square.filter(ImageFilter.GaussianBlur(side / 24))
    return np.concatenate([np.asarray(square), np.asarray(blurred)], 1)


def _job(request: PersonalizeRequest, work: Path) -> dict[str, Any]:
    """The settings of this run: those of the stopped one when it goes on, else the request's, written down."""
    digest = _digest(Path(request.video))
    path = work / JOB
    if request.resume and path.is_file():
        job = _read_job(path, request)
        if job["digest"] != digest:
            raise InputError(
                f"The stopped run for {request.name!r} was made from another video ({job['video']}); give that one, "
                "or start anew without --resume."
            )
        return job
    need_consent(request.consent, request.video_only)
    empty(work)
    settings = vars(request)
    job = {name: settings[name] for name in _SETTINGS}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    job |= {"video": Path(request.video).name, "digest": digest, "started": now}
    write_json(path, job, indent=2)
    return job


_SETTINGS = ("name", "consent", "minutes", "size", "seed", "seconds", "video_only", "keep_frames")


def _read_job(path: Path, request: PersonalizeRequest) -> dict[str, Any]:
    """What a stopped run wrote down of itself; InputError with a sentence where it does not hold what such a run needs,
    as after a fault of the disk or somebody's editing."""
    try:
        job = json.loads(path.read_bytes())
        if not isinstance(job, dict):
            raise InputError("it holds no table")
        job.setdefault(
            "video_only", True
        )  # begun before there was a choice: what was agreed to says nothing of browsers
        job.setdefault("keep_frames", False)  # nor of frames that stay
        missing = [name for name in (*_SETTINGS, "video", "digest", "started") if name not in job]
        if missing:
            raise InputError(f"it lacks {', '.join(missing)}")
        wrong = [name for name in ("name", "video", "digest", "started") if not isinstance(job[name], str)]
        if wrong:
            raise InputError(f"its {wrong[0]} is no text")
        need_consent(job["consent"] if isinstance(job["consent"], str) else "")
        # The checks that every request goes through; the name leads to this folder, so it is the one asked for.
        dataclasses.replace(request, **{name: job[name] for name in _SETTINGS})
        if folder_name(job["name"]) != folder_name(request.name):
            raise InputError(f"it was written for {job['name']!r:.60}")
    except (ValueError, TypeError, OverflowError, RecursionError) as error:  # InputError is a ValueError
        why = str(error).rstrip(".") if isinstance(error, InputError) else "it is no JSON that this program wrote"
        raise InputError(
            f"The stopped run for {request.name!r:.60} cannot be gone on with: its {JOB} is damaged ({why}). Start "
            "anew without --resume."
        ) from error
    return job


def _digest(video: Path) -> str:
    """What tells one video from another: its length, its beginning and its end."""
    with video.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        summary = hashlib.sha256(f"{size} ".encode())
        summary.update(file.read(_DIGEST_BYTES))
        file.seek(max(0, size - _DIGEST_BYTES))
        summary.update(file.read(_DIGEST_BYTES))
    return summary.hexdigest()
