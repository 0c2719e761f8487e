"""Is a tracked video good enough, and what would make it better: numbers and sentences."""

from __future__ import annotations

import cv2
import numpy as np

from emotalk.core.landmarks import apertures
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.tracking.survey import Survey
from emotalk.tracking.tracked import TrackQuality


def sharpness(grey: np.ndarray) -> float:
    """About 0.6 for a well focused face at the crop's size, 0.4 for one enlarged to twice its size, 0.3 when blurred.

    Share of the gradient of the picture `grey` [h, w] uint8 that a blur over 3 pixels takes away (after
    Crété et al. 2007, "The blur effect").
    """
    grey = grey.astype(np.float32)
    blurred = cv2.GaussianBlur(grey, (0, 0), 1.5)
    detail, coarse = (np.abs(np.diff(g, axis=1)).mean() + np.abs(np.diff(g, axis=0)).mean() for g in (grey, blurred))
    return float(np.clip(2 * (1 - coarse / max(detail, 1e-6)), 0, 1))


def judge(
    looked: Survey,
    motion: HeadMotion,
    landmarks: np.ndarray,  # [T, 478, 2]
    seen: np.ndarray,  # [T]
    error: np.ndarray,  # [T]
    scale: float,  # eye distance, px
    *,
    sharp: float,
    covered: float,  # share of the frames with a hand before the face
    sound: bool,
    sound_offset: int = 0,  # frames
) -> TrackQuality:
    """Numbers and sentences about a tracked stretch."""
    good = np.flatnonzero(seen)
    angles = np.degrees(motion.head_pose[good, :3]) if len(good) else np.zeros((1, 3))
    open_ = apertures(landmarks[good])[:, 0] / scale if len(good) else np.zeros(1)
    shut = motion.eyelids[good].mean(1) > 0.6 if len(good) else np.zeros(1, bool)
    numbers = {
        "seconds": len(seen) / FPS,
        "seen": float(seen.mean()),
        "error": float(np.nanmedian(error)) if np.isfinite(error).any() else float("nan"),
        "yaw": _range(angles[:, 1]),
        "pitch": _range(angles[:, 0]),
        "mouth": _range(open_),
        "blinks": int((np.diff(shut.astype(int)) == 1).sum()),
        "sharpness": sharp,
        "face_height": looked.face_height,
        "cuts": looked.cuts,
        "sound": sound,
        "sound_offset": sound_offset,
    }
    numbers["relative_error"] = numbers["error"] / scale
    sentences, faults = [], 0

    def say(sentence: str, grave: int = 0) -> None:
        nonlocal faults
        sentences.append(sentence)
        faults += grave

    if numbers["seen"] < 0.9:
        say(
            f"The face can be followed in {100 * numbers['seen']:.0f} % of the frames only: look into the camera and "
            "keep hands and hair away from the face.",
            2 if numbers["seen"] < 0.6 else 1,
        )
    if covered > 0.02:
        say(f"A hand is before the face in {100 * covered:.0f} % of the frames, which are left out.")
    if looked.face_height < 160:
        say(
            f"The face is only {looked.face_height:.0f} pixels high: come nearer or film with a higher resolution.",
            2 if looked.face_height < 90 else 1,
        )
    if sharp < 0.35:
        say("The picture is blurred: clean the lens, let the camera focus on the face, use more light.", 1)
    if np.abs(numbers["yaw"]).min() > 25:
        say("The head is turned aside all the time: look into the camera.", 2)
    if numbers["mouth"][1] < 0.04:
        say("The mouth hardly opens: say a few sentences, so that the avatar learns how you speak.", 1)
    if numbers["seconds"] < 5:
        say(f"{numbers['seconds']:.1f} seconds are short: 10 to 60 seconds of talking give a better avatar.", 1)
    if numbers["yaw"][1] - numbers["yaw"][0] < 6:
        say("The head hardly turns: look a little left and right while you speak, so that its sides are seen.")
    if looked.cuts:
        say(f"The video has {looked.cuts} cut(s): the longest stretch without one, {len(seen) / FPS:.0f} s, is used.")
    if looked.bystanders:
        say("Other, smaller faces are in the picture: they are not followed.")
    if sound_offset:
        late, by = ("picture" if sound_offset > 0 else "sound"), abs(sound_offset) / FPS
        say(f"The {late} was {by:.2f} seconds late: this was put right.")
    if not sound:
        say("The video has no sound: the avatar will look like you, but not learn how you move when you speak.")
    verdict = "good" if faults == 0 else "usable" if faults <= 2 else "poor"
    if verdict == "good":
        sentences.insert(0, "The video is good.")
    return TrackQuality(verdict=verdict, sentences=tuple(sentences), **numbers)


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(np.percentile(values, 2)), float(np.percentile(values, 98))
