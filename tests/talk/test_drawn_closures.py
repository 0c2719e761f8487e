"""What a viewer sees of p, b and m: lips of shipped faces meet in every mood, by landmarks of drawn pictures."""

import numpy as np
import pytest

from benchmarks.drawn_lips import CORNERS, Closures, DrawnAvatar, spoken_lines
from emotalk.core.paths import CHECKPOINTS
from emotalk.emotion import EmotionCurve
from emotalk.talk import Studio

PRESETS = sorted(folder.name for folder in (CHECKPOINTS / "avatars").iterdir() if folder.is_dir())
SAID = "My mother bought a very fine blue poppy from Pam."
LEAST = 0.98


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_lips_are_seen_to_meet_at_every_corner_of_the_mood_field(studio, name):
    avatar, lines = DrawnAvatar(studio, name, 256), spoken_lines(studio, (SAID,))
    found = [avatar.closures(lines, EmotionCurve.constant(*corner)) for corner in CORNERS]
    assert sum(len(closures.gaps) for closures in found) == len(CORNERS) * len(lines[0].closures)
    shut = np.concatenate([closures.shut for closures in found])
    assert shut.mean() >= LEAST


@pytest.mark.slow
def test_lips_that_stay_apart_are_seen(studio):
    """The measure itself: the same sentence with its closures left open."""
    avatar, (line,) = DrawnAvatar(studio, "mira", 256), spoken_lines(studio, (SAID,))
    motion = avatar.motion(line, EmotionCurve.constant(0, 0))
    motion.expression[:] = motion.expression[line.spoken].max(0)
    avatar.motion = lambda *_: motion
    closures = avatar.closures([line], EmotionCurve.constant(0, 0))
    assert not closures.shut.any()
    assert closures.gaps.min() > 0.03
    assert closures.inside.min() > 0.01


def test_landmarks_and_the_inside_of_the_mouth_both_have_to_agree_unless_shut_lips_are_misread():
    gaps, inside = np.array([0.001, 0.02, 0.001]), np.array([0.0, 0.0, 0.02])
    assert Closures(gaps, inside).shut.tolist() == [True, False, False]
    assert Closures(gaps, inside, known=False).shut.tolist() == [True, True, False]
