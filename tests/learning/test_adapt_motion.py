"""Fitting the motion model to one person: nearer to them on speech never seen, and lips, contacts and emotion kept."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import AudioError, InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.emotion import EmotionCurve
from emotalk.learning.adapt_motion import AdaptConfig, adapt_motion, motion_of_video
from emotalk.learning.motion_data import rhythm_of
from emotalk.learning.person_habits import habits_of
from emotalk.motion import MotionModel
from emotalk.motion.rhythm import Rhythm
from emotalk.speech import SpeechEncoder, say
from emotalk.speech.coarticulation import articulation_targets
from emotalk.sync.lip_measures import measures_of_motion
from emotalk.sync.network import SyncModel
from tests.motion.test_model import spoken

pytestmark = pytest.mark.slow

CALM = EmotionCurve.constant(0, 0)
QUICK = AdaptConfig(steps=40, batch=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.load()


def mouth_of_somebody(speech: Speech) -> HeadMotion:
    """What the mouth of a person who is not average does for these phones, drawn by hand: no network takes part.

    They open wide, purse their lips hard, rest with a slight smile and the mouth a little open, and shut p, b and m.
    """
    jaw, width, pucker, closure, _, _ = articulation_targets(speech.phones, speech.frames, FPS).T
    shapes = {
        "jawOpen": (0.06 + 0.62 * jaw) * (1 - 0.8 * closure),
        "mouthPucker": 0.75 * pucker, "mouthFunnel": 0.3 * pucker,
        "mouthSmileLeft": 0.12, "mouthSmileRight": 0.12,
        "mouthStretchLeft": 0.3 * width.clip(0), "mouthStretchRight": 0.3 * width.clip(0),
        "mouthLowerDownLeft": 0.3 * jaw * (1 - closure), "mouthLowerDownRight": 0.3 * jaw * (1 - closure),
        "mouthClose": 0.12 * closure,
    }  # fmt: skip
    motion = HeadMotion.neutral(speech.frames)
    expression = motion.expression.copy()
    for name, amount in shapes.items():
        expression[:, ARKIT_INDEX[name]] = amount
    return dataclasses.replace(motion, expression=expression)


@pytest.fixture(scope="module")
def recording() -> tuple[SpeechFeatures, HeadMotion]:
    """Twenty seconds of that person, as a tracker with a little noise would see them."""
    speech, features = spoken(8)
    motion = mouth_of_somebody(speech)
    noise = 0.01 * np.random.default_rng(0).standard_normal(motion.expression.shape)
    return features, dataclasses.replace(motion, expression=np.clip(motion.expression + noise, 0, 1))


@pytest.fixture(scope="module")
def adapted(model, recording):
    """Adapted to the first three quarters."""
    features, motion = recording
    k = len(motion) * 3 // 4
    return adapt_motion(features[: 2 * k], motion[:k], np.ones(k, bool), model, QUICK)


def lips_of(model: MotionModel, features: SpeechFeatures, mood: EmotionCurve = CALM) -> np.ndarray:
    return measures_of_motion(model(features, mood, seed=1), SyncModel.load().network.basis)


def test_on_speech_never_seen_the_mouth_is_nearer_to_the_persons(model, recording, adapted):
    features, motion = recording
    tail = slice(len(motion) * 3 // 4, len(motion))
    truth = measures_of_motion(motion, SyncModel.load().network.basis)[tail]
    before = np.abs(lips_of(model, features)[tail] - truth).mean(0)
    after = np.abs(lips_of(model.adapted(adapted), features)[tail] - truth).mean(0)
    assert after[0] < 0.6 * before[0]  # the opening
    assert after.sum() < 0.6 * before.sum()
    assert adapted.facts["opening_r_after"] >= adapted.facts["opening_r_before"]


@pytest.mark.parametrize("corner", [(0, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_lips_still_close(model, recording, adapted, corner):
    speech, features = spoken(3)
    mood = EmotionCurve.constant(*corner)
    shared, own = lips_of(model, features, mood)[:, 0], lips_of(model.adapted(adapted), features, mood)[:, 0]
    for start, end, phone in speech.phones:
        if phone in ("p", "b", "m"):
            frames = slice(int(start * 25) - 1, int(np.ceil(end * 25)) + 1)  # within 40 ms, as closures are counted
            assert own[frames].min() <= shared[frames].min() + 0.01


def test_emotions_show_as_before(model, recording, adapted):
    _, features = spoken(2)
    for corner in ((1.0, 1.0), (-1.0, -1.0)):
        gone = []
        for m in (model, model.adapted(adapted)):
            faces = [m(features, EmotionCurve.constant(*va), seed=1).expression for va in ((0.0, 0.0), corner)]
            gone.append(faces[1] - faces[0])
        shown, kept = np.abs(gone[0]).mean(), np.abs(gone[1] - gone[0]).mean()
        assert kept < 0.3 * shown


def test_head_and_eyes_get_the_persons_habits(model, recording):
    features, motion = recording
    course = np.sin(np.arange(len(motion)) / 12)
    pose = motion.head_pose.copy()
    pose[:, 0], pose[:, 1] = 0.1 + 0.01 * course, -0.06 + 0.15 * course
    gaze = motion.gaze - pose[:, [1, 0]] * [1, -1]
    held = dataclasses.replace(motion, head_pose=pose, gaze=gaze)
    seen = np.ones(len(motion), bool)
    own = adapt_motion(features, held, seen, model, AdaptConfig(steps=1, batch=1))
    beats = [Rhythm.of(row) for row in rhythm_of(features)]
    assert own.habits == habits_of(held, seen, beats, model)
    assert own.habits.pose[:2] == pytest.approx((0.1, -0.06), abs=0.04)
    assert own.habits.size[0] < 0.8 < 1.3 < own.habits.size[1]
    assert own.habits.gaze == pytest.approx((0, 0), abs=0.03)
    moved = model.adapted(own)(features, CALM, seed=1).head_pose - model(features, CALM, seed=1).head_pose
    assert moved[:, :2].mean(0) == pytest.approx(own.habits.pose[:2], abs=0.03)


def test_a_late_picture_is_found_and_put_right(model, recording):
    features, motion = recording
    k = len(motion) - 4
    late = dataclasses.replace(motion, expression=np.roll(motion.expression, 3, axis=0))[:k]
    assert adapt_motion(features, late, np.ones(k, bool), model, AdaptConfig(steps=1, batch=1)).facts["lag"] == 3


def test_frames_without_a_face_do_not_count(model, recording, adapted):
    features, motion = recording
    k = len(motion) * 3 // 4
    seen = np.ones(k, bool)
    seen[40:60] = False
    wild = motion.expression[:k].copy()
    wild[40:60] = np.random.default_rng(1).random((20, 52))
    spoiled = dataclasses.replace(motion[:k], expression=wild)
    other = adapt_motion(features[: 2 * k], spoiled, seen, model, QUICK)
    assert np.abs(other.gain - adapted.gain).max() < 0.25
    assert np.abs(other.rest - adapted.rest).max() < 0.06


def test_the_same_recording_gives_the_same_person(model, recording):
    features, motion = recording
    first, again = (
        adapt_motion(features, motion, np.ones(len(motion), bool), model, AdaptConfig(steps=3, batch=2))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.gain, again.gain)
    np.testing.assert_array_equal(first.code, again.code)


def test_what_is_too_short_or_unseen_is_refused(model, recording):
    features, motion = recording
    with pytest.raises(InputError, match="2 s"):
        adapt_motion(features[:80], motion[:40], np.ones(40, bool), model)
    with pytest.raises(InputError, match=r"0\.0 s"):
        adapt_motion(features, motion, np.zeros(len(motion), bool), model)
    with pytest.raises(InputError, match="seen"):
        adapt_motion(features, motion, np.ones(3, bool), model)
    with pytest.raises(InputError, match="2 s"):
        adapt_motion(features[:0], motion, np.ones(len(motion), bool), model)


class Filmed:
    """As much of a tracked video as its motion needs."""

    def __init__(self, motion: HeadMotion, sound: Speech | AudioError | None) -> None:
        self.motion, self.seen, self._sound = motion, np.ones(len(motion), bool), sound

    def __len__(self) -> int:
        return len(self.motion)

    def audio(self) -> Speech | None:
        if isinstance(self._sound, AudioError):
            raise self._sound
        return self._sound


@pytest.fixture(scope="module")
def spoken_sound() -> Speech:
    return say("Bob may move five big maps before Friday, but my mother bought a very fine blue poppy.", "espeak:en-us")


def test_a_video_with_its_own_voice_gives_an_adaptation(model, spoken_sound):
    found = motion_of_video(Filmed(mouth_of_somebody(spoken_sound), spoken_sound))
    assert found is not None
    assert found.facts["opening_r_after"] > 0.8


def test_a_video_without_speech_gives_none(model):
    still, seconds = HeadMotion.neutral(100), 4
    noise = np.random.default_rng(0).normal(0, 0.01, seconds * 16000).astype(np.float32)
    for sound in (None, AudioError("The sound is silent."), Speech(noise)):
        assert motion_of_video(Filmed(still, sound)) is None


def test_a_voice_over_gives_none(spoken_sound):
    """Lips that move, but not to this voice."""
    lips = np.zeros((len(SpeechEncoder.load().encode(spoken_sound)) // 2, 52), np.float32)
    lips[:, ARKIT_INDEX["jawOpen"]] = 0.2 + 0.2 * np.sin(np.arange(len(lips)) / 40)
    motion = dataclasses.replace(HeadMotion.neutral(len(lips)), expression=lips)
    assert motion_of_video(Filmed(motion, spoken_sound)) is None
