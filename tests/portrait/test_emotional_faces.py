"""Faces in other moods made from the frames of a calm person: the same person, the same lips, and counted where not."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.camera import project
from emotalk.core.image_metrics import peak_ratio
from emotalk.core.landmarks import INNER_LIPS
from emotalk.core.motion import HeadMotion
from emotalk.emotion import expression_field, named_emotion, radius
from emotalk.fitting.starting_avatar import Start
from emotalk.fitting.video_corrections import EMOTIONS, FELT
from emotalk.fitting.video_fit import draw_frame
from emotalk.fitting.video_frames import VideoFrames
from emotalk.portrait.emotional_faces import (
    EmotionalFaces,
    FacesConfig,
    Source,
    in_mood,
    mood_points,
    moved,
    similarity,
    source_rows,
)
from emotalk.portrait.flow import PhotoFlow
from emotalk.tracking.landmarks import FaceLandmarks
from tests.fitting.synthetic_video import make_video

SMALL = FacesConfig(sources=2, moods=6)
STILL = np.zeros(3)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Where a fit to a calm preset would begin, and its frames."""
    video, person = make_video(tmp_path_factory.mktemp("calm"), "jun", frames=12, size=256)
    return Start(person, 0, torch.zeros(len(video), 3, 4)), VideoFrames(video, range(12))


@pytest.fixture(scope="module")
def made(filmed):
    faces = EmotionalFaces(SMALL)
    return faces, list(faces(*filmed))


def test_every_face_is_kept_or_counted(made):
    faces, pairs = made
    assert sum(faces.counts.values()) == SMALL.sources * SMALL.moods
    assert faces.counts["kept"] == len(pairs) >= 6


def test_the_lips_jaw_and_gaze_are_those_of_a_frame(filmed, made):
    motion = filmed[1].tracked.motion
    rows = source_rows(filmed[1], SMALL.sources)
    other = [k for k in range(len(ARKIT_NAMES)) if k not in FELT]
    for pair in made[1]:
        row = min(rows, key=lambda r: np.abs(motion.expression[r][other] - pair.motion.expression[0][other]).max())
        assert np.array_equal(pair.motion.expression[0][other], motion.expression[row][other])
        assert np.array_equal(pair.motion.jaw[0], motion.jaw[row])
        assert np.array_equal(pair.motion.gaze[0], motion.gaze[row])
        assert np.abs(pair.motion.expression[0][FELT] - motion.expression[row][FELT]).max() > 0.2


def test_a_face_is_how_the_person_looks_in_that_mood(filmed, made):
    person, rows = filmed[0].avatar, source_rows(filmed[1], SMALL.sources)
    for pair in made[1]:
        truth = draw_frame(person, pair.motion, 0)
        counted = pair.weights > 0
        assert counted.mean() > 0.1
        found = peak_ratio(float(np.square(pair.picture / 255 - truth)[counted].mean()))
        still = max(peak_ratio(float(np.square(filmed[1].tracked.frame(row) - truth)[counted].mean())) for row in rows)
        assert found > max(28, still + 3)


def test_the_same_seed_gives_the_same_faces_and_another_one_others(filmed, made):
    again, other = (list(EmotionalFaces(dataclasses.replace(SMALL, seed=seed))(*filmed)) for seed in (0, 1))
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(made[1], again, strict=True))
    assert not np.array_equal(again[0].motion.expression, other[0].motion.expression)


def test_all_emotions_come_up_alike_and_as_strong_as_asked():
    points = mood_points(FacesConfig(strength=(0.5, 1.0)), np.random.default_rng(0))
    chosen = np.array([next(points) for _ in range(60)])
    strength = radius(*chosen.T)
    assert strength.min() >= 0.49
    assert strength.max() <= 1.0
    places = np.array([named_emotion(name) for name in EMOTIONS.values()])
    away = [np.degrees(np.arctan2(*v[::-1])) - np.degrees(np.arctan2(places[:, 1], places[:, 0])) for v in chosen]
    nearest = np.abs((np.array(away) + 180) % 360 - 180).argmin(1)
    assert np.bincount(nearest, minlength=len(EMOTIONS)).min() >= 4


def test_a_mood_adds_the_fields_upper_face_to_a_frame():
    speech = HeadMotion.neutral()
    speech.expression[0, ARKIT_NAMES.index("jawOpen")] = 0.3
    felt = in_mood(speech, np.array(named_emotion("sad")), STILL)
    face = expression_field(*named_emotion("sad"))
    assert np.allclose(felt.expression[0, FELT], face[0, FELT])
    assert felt.expression[0, ARKIT_NAMES.index("jawOpen")] == np.float32(0.3)
    assert felt.expression[0, ARKIT_NAMES.index("mouthFrownLeft")] == 0
    assert felt.eyelids.min() > 0
    assert felt.head_pose[0, 0] > 0  # the head hangs


def test_pictures_are_laid_over_each_other_by_turn_size_and_shift():
    points = np.random.default_rng(0).normal(size=(9, 2))
    turn = 1.3 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    to = points @ turn.T + [3, -2]
    assert np.allclose(moved(points, similarity(points, to)), to)


def test_other_lips_another_person_and_no_face_are_told(filmed):
    start, frames = filmed
    video, row = frames.tracked, source_rows(frames, 1)[0]
    motion = video.motion[row : row + 1]
    picture = draw_frame(start.avatar, motion, 0)

    def seen(drawn):
        with FaceLandmarks() as finder:
            found = finder.find(drawn)
        return None if found is None else found[:, :2].astype(np.float64)

    def drawn_in(motion):
        frame = flow.draw(motion, 0)
        return frame, (frame.blended.permute(1, 2, 0).numpy() * 255).astype(np.uint8)

    flow = PhotoFlow(start.avatar, picture, motion, 0)
    source = Source(picture, seen((picture * 255).astype(np.uint8)), video.labels(row) == 3)
    frame, same = drawn_in(motion)
    assert source.fault(frame, same, seen(same)) is None
    spoken = motion.expression.copy()
    spoken[0, ARKIT_NAMES.index("mouthPucker")] += 0.9
    frame, pursed = drawn_in(HeadMotion(**(vars(motion) | {"expression": spoken})))
    assert source.fault(frame, pursed, seen(pursed)) == "lips"
    frame, _ = drawn_in(motion)
    sunburnt = np.clip(same + np.array([40, 0, 0]), 0, 255).astype(np.uint8)
    assert source.fault(frame, sunburnt, source.points) == "person"
    assert source.fault(frame, np.zeros_like(same), None) == "no face"


def test_weights_end_with_the_skin_that_the_frame_shows(filmed, made):
    person = filmed[0].avatar
    for pair in made[1]:
        assert pair.weights.shape == (256, 256)
        assert pair.weights.min() >= 0
        assert pair.weights[:20].max() == 0  # above the hair
        assert pair.weights.max() == 2
        points = person.head.landmarks(person.mesh(pair.motion)[0])[0].double().numpy()
        x, y = project(points[list(INNER_LIPS)], person.camera)[0].round().astype(int).T
        assert pair.weights[y, x].max() == 0
