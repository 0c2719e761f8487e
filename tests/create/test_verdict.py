"""What is said of a finished avatar, and what it rests on."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from emotalk.core.landmarks import INNER_LIPS, INNER_OPENINGS, LANDMARKS, MOUTH_PAIRS
from emotalk.create.filmed import Filmed, filmed, remembered, shows_teeth
from emotalk.create.verdict import LIP_FRAMES, WORDS, Lips, likeness, lip_rows, verdict_of

GOOD = Filmed(seconds=20.0, yaw=30.0, pitch=15.0, blinks=6, teeth=0.5)
FOLLOWING = Lips(0.93, 0.95)


def test_a_good_avatar_of_a_good_video():
    verdict = verdict_of(31.2, FOLLOWING, GOOD, True)
    assert verdict.word == "good"
    assert verdict.sentences == (
        "Likeness: very close (31.2 dB on frames that it did not learn from).",
        "Its lips move as filmed (r 0.93, 95 % of the opening).",
        "Filmed: 20 s, 30° of turning, 15° of nodding, 6 blinks.",
    )
    assert verdict.lacking == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": 3.0}, "ten seconds or more"), ({"yaw": 4.0}, "sides are guessed"),
        ({"pitch": 2.0}, "below the chin"), ({"blinks": 1}, "shut eyes are guessed"),
        ({"teeth": 0.0}, "Teeth were hardly seen"),
    ],
)  # fmt: skip
def test_what_was_not_filmed_is_said_and_kept_as_lacking(changes, said):
    verdict = verdict_of(31.2, FOLLOWING, dataclasses.replace(GOOD, **changes), True)
    assert len(verdict.lacking) == 1
    assert said in verdict.lacking[0]
    assert verdict.lacking[0] in verdict.sentences


@pytest.mark.parametrize(
    ("psnr", "lips", "word", "said"),
    [
        (26.0, FOLLOWING, "usable", "close (26.0 dB"), (22.0, FOLLOWING, "usable", "fair"),
        (22.0, Lips(0.4, 0.9), "poor", "follow the filmed ones loosely (r 0.40)"),
        (31.0, Lips(0.9, 0.5), "usable", "opens less than the filmed one (50 %)"),
        (31.0, Lips(0.9, 1.6), "usable", "wider than the filmed one (160 %)"),
        (31.0, None, "usable", "hardly moved"), (None, FOLLOWING, "good", "as filmed"),
    ],
)  # fmt: skip
def test_a_sketch_is_not_praised(psnr, lips, word, said):
    verdict = verdict_of(psnr, lips, GOOD, True)
    assert verdict.word == word
    assert word in WORDS
    assert said in " ".join(verdict.sentences)


def test_somebody_who_was_not_heard_speaks_as_the_average_person():
    assert "average person" in " ".join(verdict_of(31.0, FOLLOWING, GOOD, False).lacking)


@pytest.mark.parametrize(("psnr", "word"), [(12, "rough"), (20, "fair"), (27.9, "close"), (28, "very close")])
def test_likeness_has_words(psnr, word):
    assert likeness(psnr) == word


def test_what_was_filmed_comes_back_from_a_card():
    assert remembered(GOOD.metrics | {"psnr_head": 30.0}) == GOOD
    assert remembered({"psnr_head": 30.0}) is None


def face(opening, shade):
    """A drawn face whose mouth is that far open, and what is between its lips in that colour; its landmarks."""
    points = np.full((LANDMARKS, 2), 60.0)
    angle = np.linspace(0, 2 * np.pi, LANDMARKS, endpoint=False)
    points += 50 * np.stack([np.cos(angle), np.sin(angle)], 1)  # somewhere on the outline
    ring = np.linspace(0, 2 * np.pi, len(INNER_LIPS), endpoint=False)
    points[list(INNER_LIPS)] = np.stack([60 - 16 * np.cos(ring), 84 + opening * np.sin(ring)], 1)
    image = Image.new("RGB", (120, 120), (205, 150, 125))
    ImageDraw.Draw(image).polygon([tuple(p) for p in points[list(INNER_LIPS)]], fill=shade)
    return np.asarray(image), points.astype(np.float32)


@pytest.mark.parametrize(
    ("opening", "shade", "seen"),
    [(8, (225, 215, 200), True), (8, (40, 20, 20), False), (8, (190, 80, 80), False)],
    ids=["teeth", "a dark mouth", "a tongue"],
)
def test_teeth_are_bright_and_pale(opening, shade, seen):
    assert shows_teeth(*face(opening, shade)) == seen


class Recorded:
    """As much of a tracked video as the lips need."""

    fps = 25
    quality = SimpleNamespace(yaw=(-3.0, 5.0), pitch=(0.0, 4.0), blinks=2)

    def __init__(self, landmarks, seen) -> None:
        self.landmarks, self.seen = landmarks, seen

    def __len__(self) -> int:
        return len(self.seen)


def tracked_of(opening, seen=None):
    """A video whose inner lips are so far open [T] (eye distances)."""
    frames = len(opening)
    landmarks = np.zeros((frames, LANDMARKS, 2), np.float32)
    landmarks[:, 33], landmarks[:, 263] = (0, 0), (100, 0)
    landmarks[:, 10], landmarks[:, 152] = (50, -60), (50, 90)
    for upper, lower in {*MOUTH_PAIRS, *INNER_OPENINGS}:
        landmarks[:, lower, 1] = 100 * np.asarray(opening)
        landmarks[:, upper] = 0
    return Recorded(landmarks, np.ones(frames, bool) if seen is None else seen)


def test_lips_are_looked_at_where_they_are_liveliest():
    still = np.full(500, 0.02)
    still[300:400] += 0.1 * np.abs(np.sin(np.arange(100)))
    rows = lip_rows(tracked_of(still))
    assert 275 <= rows.start <= 350
    assert len(rows) == LIP_FRAMES
    assert not len(lip_rows(tracked_of(np.full(500, 0.02))))
    assert not len(lip_rows(tracked_of(still, np.zeros(500, bool))))
    assert lip_rows(tracked_of(0.1 * np.abs(np.sin(np.arange(30))))) == range(30)  # a short one, whole


def test_frames_without_a_face_are_not_asked_for_teeth():
    assert filmed(tracked_of(np.full(50, 0.2), np.zeros(50, bool))) == Filmed(0.0, 8.0, 4.0, 2, 0.0)
