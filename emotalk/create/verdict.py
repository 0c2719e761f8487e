"""What somebody should know of an avatar that was just made of a video: how alike, how its lips move, what was filmed.

Everything said is measured on this very avatar, and what is measured is kept in its card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.landmarks import apertures, eye_distance
from emotalk.create.filmed import Filmed, filmed

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotalk.avatar import GaussianAvatar
    from emotalk.tracking import TrackedVideo

LIKENESS = ((20.0, "rough"), (24.0, "fair"), (28.0, "close"))
"""Up to how many dB pictures of avatar and person are so alike. Fits of the benchmark's clips
(benchmarks/results/personalize.md) begin rough and end close or very close."""
LIP_FRAMES = 50
"""In a row: landmarks are followed from picture to picture, in drawn ones as in filmed ones."""
LIVELY = 0.02
"""Standard deviation of the filmed opening, in eye distances, below which lips say nothing."""
FOLLOWS = 0.8
"""Correlation of the drawn opening with the filmed one from which lips count as following."""
WIDE = (0.7, 1.3)
"""Slope of the drawn opening over the filmed one within which a mouth opens as far as filmed."""
FEW_SECONDS, FEW_BLINKS, FEW_TEETH = 5.0, 2, 0.1
LITTLE_YAW, LITTLE_PITCH = 10.0, 6.0  # degrees
WORDS = ("good", "usable", "poor")


@dataclass(frozen=True)
class Lips:
    """How the lips of the drawn avatar follow the filmed ones, as a landmarker sees both."""

    r: float  # correlation of the openings, -1 to 1
    slope: float  # drawn opening per filmed one: 1 is right, 0 a dead mouth

    @property
    def metrics(self) -> dict[str, float]:
        """For a card."""
        return {"lip_r": round(self.r, 3), "lip_slope": round(self.slope, 3)}


@dataclass(frozen=True)
class Verdict:
    """`word` is one of WORDS; `sentences` say why, `lacking` (part of them) what was not filmed or is not good yet."""

    word: str
    sentences: tuple[str, ...]
    lacking: tuple[str, ...] = ()


def likeness(psnr: float) -> str:
    """A word for how alike pictures of the avatar and of the person are (dB)."""
    return next((word for most, word in LIKENESS if psnr < most), "very close")


def drawn_lips(
    avatar: GaussianAvatar, tracked: TrackedVideo, cancelled: Callable[[], bool] = lambda: False
) -> Lips | None:
    """Draw the liveliest two seconds of a video with its avatar and look at the lips of both; None where the mouth
    hardly moves there or the avatar's face is not found."""
    # Imported here: the landmarker's library, when the avatar is made.
    from emotalk.evaluation.clip_detector import ClipDetector
    from emotalk.evaluation.faces import lip_agreement
    from emotalk.fitting.video_fit import draw_frame

    rows = lip_rows(tracked)
    if not len(rows):
        return None
    with ClipDetector() as drawn, ClipDetector() as recorded:
        for row in rows:
            if cancelled():
                return None
            drawn.detect(draw_frame(avatar, tracked.motion, row))
            recorded.detect(tracked.frame_bytes(row))
        found = lip_agreement(drawn.detections(), recorded.detections())
    return None if found is None else Lips(found.correlation, found.slope)


def lip_rows(tracked: TrackedVideo) -> range:
    """The frames in which `drawn_lips` looks at lips; none where the mouth hardly moves."""
    if not tracked.seen.any():
        return range(0)
    opening = apertures(tracked.landmarks)[:, 0] / eye_distance(tracked.landmarks[tracked.seen])
    first = _liveliest(np.where(tracked.seen, opening, np.nan), LIP_FRAMES)
    return range(0) if first is None else range(first, min(first + LIP_FRAMES, len(tracked)))


def _liveliest(opening: np.ndarray, length: int) -> int | None:
    """Where the opening [T] varies most for `length` frames; None where it varies by less than `LIVELY`."""
    starts = np.arange(0, max(1, len(opening) - length + 1), max(1, length // 2))
    parts = [opening[start : start + length] for start in starts]
    spread = np.array([np.std(part[np.isfinite(part)]) if np.isfinite(part).sum() > 10 else 0.0 for part in parts])
    return int(starts[spread.argmax()]) if spread.max() >= LIVELY else None


def judged(
    avatar: GaussianAvatar,
    tracked: TrackedVideo,
    cancelled: Callable[[], bool] = lambda: False,
    shown: Filmed | None = None,
) -> tuple[Verdict, dict[str, float]]:
    """The verdict on an avatar that was made of a tracked video, and the numbers that it rests on, for its card. What
    the video showed is looked for in its frames where it is not known."""
    lips, shown = drawn_lips(avatar, tracked, cancelled), shown or filmed(tracked)
    spoken = None if avatar.motion is None else avatar.motion.facts
    numbers = shown.metrics | ({} if lips is None else lips.metrics)
    if spoken:
        numbers |= {
            f"voice_{name}": round(spoken[name], 3) for name in ("seconds", "opening_r_after") if name in spoken
        }
    return verdict_of(avatar.card.metrics.get("psnr_head"), lips, shown, spoken is not None), numbers


def verdict_of(psnr: float | None, lips: Lips | None, shown: Filmed, speaks: bool) -> Verdict:
    """The verdict from its numbers: dB of the head in frames that were not learned from, lips, what was filmed, and
    whether the person's way of speaking could be learned."""
    said, lacking, faults = [], [], 0

    def lack(sentence: str) -> None:
        said.append(sentence)
        lacking.append(sentence)

    if psnr is not None:
        said.append(f"Likeness: {likeness(psnr)} ({psnr:.1f} dB on frames that it did not learn from).")
        faults += 2 if psnr < LIKENESS[1][0] else 1 if psnr < LIKENESS[2][0] else 0
    if lips is None:
        lack("The mouth hardly moved in the video: how its lips move is a guess.")
        faults += 1
    elif lips.r < FOLLOWS:
        lack(f"Its lips follow the filmed ones loosely (r {lips.r:.2f}).")
        faults += 2
    elif lips.slope < WIDE[0]:
        lack(f"Its mouth opens less than the filmed one ({100 * lips.slope:.0f} %).")
        faults += 1
    elif lips.slope > WIDE[1]:
        lack(f"Its mouth opens wider than the filmed one ({100 * lips.slope:.0f} %).")
        faults += 1
    else:
        said.append(f"Its lips move as filmed (r {lips.r:.2f}, {100 * lips.slope:.0f} % of the opening).")
    if not speaks:
        lack("There was too little speech of this person to learn from: it speaks as an average person does.")
    said.append(
        f"Filmed: {shown.seconds:.0f} s, {shown.yaw:.0f}° of turning, {shown.pitch:.0f}° of nodding, "
        f"{shown.blinks} blink{'' if shown.blinks == 1 else 's'}."
    )
    if shown.seconds < FEW_SECONDS:
        lack("That is short: ten seconds or more make a better one.")
        faults += 1
    if shown.yaw < LITTLE_YAW:
        lack("The head hardly turned: its sides are guessed.")
    if shown.pitch < LITTLE_PITCH:
        lack("The head hardly nodded: below the chin is guessed.")
    if shown.blinks < FEW_BLINKS:
        lack("Hardly a blink was filmed: shut eyes are guessed.")
    if shown.teeth < FEW_TEETH:
        lack("Teeth were hardly seen: they are guessed.")
    return Verdict(WORDS[0] if not faults else WORDS[1] if faults < 3 else WORDS[2], tuple(said), tuple(lacking))
