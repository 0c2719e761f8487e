"""A first quick look at a whole video: where is one face, without cuts, and which square shows head and shoulders."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotalk.core.errors import TrackingError
from emotalk.core.rates import FPS
from emotalk.tracking.landmarks import FaceFinder, FoundFace
from emotalk.tracking.source import Crop, VideoInfo, small_frames

LONGEST_SIDE = 480
EVERY = 5  # frames between looks for faces
SEARCHED_SECONDS = 600.0
LEAST_SECONDS, MOST_SECONDS = 2.0, 120.0
CUT, CUT_SPIKE = 0.024, 6.0
"""Two tiny grey pictures that differ by more than CUT (mean, in [0, 1]) and CUT_SPIKE times as much as their neighbours
do are two shots. Jump cuts of news clips reach 0.026 to 0.063, lively heads 0.021."""
RIVAL = 0.6
"""A second face at least this high, relative to the main one, makes two main people."""
SPAN = 8.2
"""Side of the crop in distances between the pupils (about 6.2 cm): 0.5 m, a head with hair and shoulders."""


@dataclass(frozen=True)
class Survey:
    """What to work on."""

    start: float  # seconds into the file
    frames: int  # at 25 fps
    crop: Crop
    searched: float  # seconds looked at
    cuts: int  # in the whole
    rivals: float  # share of looks in which a second face was nearly as large
    bystanders: bool  # smaller faces were seen
    face_height: float  # source pixels, median


def survey(
    video: Path,
    info: VideoInfo,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    tell: Callable[[float], None] = lambda share: None,
) -> Survey:
    """Choose the stretch and the crop. Raises TrackingError where no stretch of 2 s shows one face."""
    searched = min(SEARCHED_SECONDS, seconds if seconds is not None else SEARCHED_SECONDS)
    expected = FPS * min(searched, max((info.seconds or searched) - start, 0.1))
    looks: list[list[FoundFace]] = []
    changes = [0.0]
    before = None
    count = 0
    with FaceFinder() as finder:
        for count, picture in enumerate(small_frames(video, info, LONGEST_SIDE, start, searched), 1):
            tiny = _tiny(picture)
            if before is not None:
                changes.append(float(np.abs(tiny - before).mean()))
            before = tiny
            if count % EVERY == 1:
                looks.append(finder.find(picture))
                tell(min(1.0, count / expected))
    return choose(video.name, info, looks, np.array(changes), count, start, seconds)


def _tiny(picture: np.ndarray) -> np.ndarray:
    """[24, 24] block means of a picture, in [0, 1], its mean brightness taken out (lamps and exposure are no cuts)."""
    rows, columns = (side // 24 for side in picture.shape[:2])
    grey = picture[: rows * 24, : columns * 24, 1].reshape(24, rows, 24, columns).mean((1, 3)) / 255
    return grey - grey.mean()


def choose(
    name: str,
    info: VideoInfo,
    looks: list[list[FoundFace]],  # one for every EVERY frames
    changes: np.ndarray,  # [T] difference to the frame before
    frames: int,
    start: float,
    seconds: float | None,
) -> Survey:
    """The decision, from what was seen."""
    if frames < LEAST_SECONDS * FPS:
        raise TrackingError(
            f"{name} is too short: {frames / FPS:.1f} seconds, at least {LEAST_SECONDS:.0f} are needed and "
            "10 to 60 are best. Record a longer one."
        )
    main = [faces[0] if faces else None for faces in looks]
    if not any(main):
        raise TrackingError(
            f"No face was found in {name}. Film one person from the front, with light on the face, so that the face "
            "takes up at least an eighth of the picture's height."
        )
    rivals = [len(faces) > 1 and faces[1].height > RIVAL * faces[0].height for faces in looks]
    seen = [m is not None for m in main]
    share = sum(rivals) / max(1, sum(seen))
    if share > 0.5:
        raise TrackingError(
            f"{name} shows several people: a second face, nearly as large, in {100 * share:.0f} % of it. Crop the "
            "video to one person, or film again alone."
        )
    # A face that jumps by more than its own size between looks is another shot too.
    cut = cuts_of(changes)
    for k in range(1, len(main)):
        a, b = main[k - 1], main[k]
        if a and b and np.abs((a.centre - b.centre) / (b.width, b.height)).max() > 1.0:
            stretch = slice((k - 1) * EVERY + 1, k * EVERY + 1)
            if not cut[stretch].any():
                cut[(k - 1) * EVERY + 1 + int(np.argmax(changes[stretch]))] = True
    borders = [0, *np.flatnonzero(cut).tolist(), frames]
    best, best_stretch = 0, None
    for first, last in itertools.pairwise(borders):
        run = _longest_run(first, last, seen, rivals)
        if run[1] - run[0] > best:
            best, best_stretch = run[1] - run[0], run
    if best_stretch is None or best < LEAST_SECONDS * FPS:
        raise TrackingError(
            f"{name} shows one face without a cut for {best / FPS:.1f} seconds at the longest; at least "
            f"{LEAST_SECONDS:.0f} are needed. Film in one go, the face always in the picture."
        )
    first, last = best_part(*best_stretch, main)
    faces = [main[k] for k in range(len(main)) if main[k] and first <= k * EVERY < last]
    return Survey(
        start=start + first / FPS,
        frames=last - first,
        crop=crop_for(faces, info),
        searched=frames / FPS,
        cuts=int(cut[1:].sum()),
        rivals=share,
        bystanders=any(len(f) > 1 for f in looks),
        face_height=float(np.median([f.height for f in faces]) * info.height),
    )


def cuts_of(changes: np.ndarray) -> np.ndarray:
    """[T] bool: where a new shot begins, from the differences [T] of each frame to the one before."""
    padded = np.pad(changes, 8, mode="reflect") if len(changes) > 8 else np.pad(changes, 8, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 17)
    usual = np.median(np.delete(around, 8, axis=1), axis=1)
    return (changes > CUT) & (changes > CUT_SPIKE * usual)


def best_part(first: int, last: int, main: list[FoundFace | None]) -> tuple[int, int]:
    """The two minutes of [first, last) in which the face is seen most surely and most from the front."""
    most = round(FPS * MOST_SECONDS)
    if last - first <= most:
        return first, last
    worth = [0.0]
    for k in range(first // EVERY, last // EVERY):
        worth.append(worth[-1] + (main[k].score * main[k].frontal if main[k] else 0.0))
    span = most // EVERY
    sums = np.array(worth[span:]) - np.array(worth[:-span])
    start = first + EVERY * int(np.argmax(sums > sums.max() - 1e-9))
    return start, min(last, start + most)


def _longest_run(first: int, last: int, seen: list[bool], rivals: list[bool]) -> tuple[int, int]:
    """Frames of [first, last) around the longest run of looks with one face (gaps up to a second are bridged)."""
    best, begin, gap = (first, first), None, 0
    looks = [k for k in range(len(seen)) if first <= k * EVERY < last]
    for k in looks:
        good = seen[k] and not rivals[k]
        gap = 0 if good else gap + 1
        if good and begin is None:
            begin = k
        if begin is not None and gap > FPS / EVERY:
            begin = None
        if begin is not None and good:
            run = (max(first, begin * EVERY), min(last, (k + 1) * EVERY))
            if run[1] - run[0] > best[1] - best[0]:
                best = run
    return best


def crop_for(faces: list[FoundFace], info: VideoInfo) -> Crop:
    """The square that shows head, hair and shoulders in all of these looks; as large as the picture allows."""
    scale = np.array([info.width, info.height])
    points = np.stack([face.points for face in faces]) * scale
    eyes = points[:, :2].mean(1)
    # A turned head brings the pupils together but not eyes and mouth.
    apart = np.maximum(
        np.linalg.norm(points[:, 0] - points[:, 1], axis=1),
        np.linalg.norm(eyes - points[:, 3], axis=1),
    )
    pupil = float(np.percentile(apart, 75))
    low, high = np.percentile(eyes, 2, axis=0), np.percentile(eyes, 98, axis=0)
    middle = 0.5 * (low + high)
    side = SPAN * pupil + 0.7 * float((high - low).max())
    side = int(min(side, info.width, info.height)) // 2 * 2
    left = middle[0] - side / 2
    top = middle[1] - 0.43 * side
    return Crop(
        left=int(np.clip(round(left), 0, info.width - side)),
        top=int(np.clip(round(top), 0, info.height - side)),
        side=side,
    )
