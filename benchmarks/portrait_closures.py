"""Whether the drawn lips of avatars made of a photo meet at p, b and m in every mood, also where the photo's are open.

What is measured are landmarks of the drawn pictures, as a viewer's eye would, not the head model.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.motion_lips import WITHIN, frames_near
from benchmarks.portrait_clips import CONSENT
from benchmarks.portrait_photos import PHOTOS
from benchmarks.portrait_sheet import MOODS
from emotalk.avatar import GaussianAvatar
from emotalk.core.landmarks import apertures, eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.core.speech import Speech
from emotalk.emotion import EmotionCurve
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.motion import MotionModel
from emotalk.portrait import read_photo, track_photo
from emotalk.portrait.make import make_portrait
from emotalk.speech import say
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.known_phones import known_phones
from emotalk.talk.request import Look
from emotalk.talk.scene import Scene

SAID = "Maybe my mother remembers the problem better, but Bob built up my map."
PEOPLE = {
    "035": "shut", "061": "shut", "007": "open", "009": "open, smiling", "014": "open, smiling", "016": "open",
    "022": "open, smiling", "030": "open, smiling", "037": "open", "042": "open", "071": "open, smiling",
    "089": "wide open, laughing",
}  # fmt: skip
"""Photos, and what the lips do on them: two with shut lips, and all of the folder with open ones that are taken."""
SIZE = 512
CLOSED = 0.005
"""Eye distances between the lips up to which they are shut."""


def table() -> Iterator[str]:
    """Markdown."""
    if not PHOTOS.is_dir():
        yield "The photos are not on this machine."
        return
    torch.set_num_threads(1)
    yield (
        f"One sentence with many p, b and m, said in each mood at full strength: mean and 90th percentile of the gap "
        f"between the inner lips, in thousandths of the eye distance, at its smallest within {WITHIN * 1e3:.0f} ms of "
        f"the middle of each of them, by landmarks of the pictures of a talk (512 pixels, "
        f"with the photo's detail). Up to {1e3 * CLOSED:.0f} counts as shut.\n"
    )
    yield "| photo | its lips | its gap | " + " | ".join(MOODS) + " |\n" + "|---" * (3 + len(MOODS)) + "|"
    spoken = spoken_line()
    with tempfile.TemporaryDirectory() as folder:
        for name, lips in PEOPLE.items():
            photo = track_photo(read_photo(PHOTOS / f"{name}.jpg"), Path(folder) / name)
            points = photo.landmarks.astype(np.float64)
            own = float(apertures(points)[0, 0] / eye_distance(points))
            avatar = make_portrait(photo, name="measured", consent=CONSENT)
            cells = [
                f"{1e3 * gaps.mean():.1f}, {1e3 * np.quantile(gaps, 0.9):.1f}" for gaps in closures(avatar, spoken)
            ]
            yield f"| {name} | {lips} | {1e3 * own:.0f} | " + " | ".join(cells) + " |"


def spoken_line() -> tuple[Speech, list[HeadMotion]]:
    """The sentence, and what the head does to it in each of the MOODS."""
    speech = say(SAID)
    features, model = known_phones(SpeechEncoder.load().encode(speech), speech), MotionModel.load()
    return speech, [model(features, EmotionCurve.named(mood, 1.0), None, seed=1) for mood in MOODS]


def closures(avatar: GaussianAvatar, spoken: tuple[Speech, list[HeadMotion]]) -> Iterator[np.ndarray]:
    """For each mood the smallest gaps between drawn lips [closures], in eye distances."""
    speech, motions = spoken
    scene = Scene(avatar, Look(size=SIZE, mark="off"))
    middles = [(start + end) / 2 for start, end, phone in speech.phones if phone in ("p", "b", "m")]
    for motion in motions:
        groups = [near for middle in middles if len(near := frames_near(middle, len(motion)))]
        rows = np.unique(np.concatenate(groups))
        with ClipDetector() as detector:
            for t in rows:
                detector.detect(scene.draw(motion, int(t))[..., :3])
            points = detector.detections().landmarks.astype(np.float64)
        gap = dict(zip(rows.tolist(), apertures(points)[:, 0] / eye_distance(points), strict=True))
        yield np.array([min(gap[int(t)] for t in group) for group in groups]).clip(0)
