"""What landmarks make of a turning head is learned and taken out; frames that cannot be aligned go with the others."""

from dataclasses import replace

import numpy as np
import pytest

from emotalk.core.landmarks import PAIRS, eye_distance
from emotalk.head import HeadModel
from emotalk.tracking.fit import Fit, fit_person, fit_video, key_frames, lens_for, start_frames
from emotalk.tracking.pose_alignment import Aligned
from emotalk.tracking.pose_refinement import KEY_FRAMES, learn_turn_bias, refine, refit, texture_frames, trusted
from emotalk.tracking.rig import CONTROLS, FaceRig, axis_angle, rotation_matrix
from emotalk.tracking.solve import Frames
from tests.tracking.painted import LENS, SIZE, PaintedHead, swaying
from tests.tracking.test_solve import JAW_OPEN, performance

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def fitted(head) -> tuple[Fit, Frames, np.ndarray]:
    """A fit of perfect landmarks, the truth, and the landmarks."""
    truth, seen = performance(head, 60)
    lens = lens_for(head, 512, eye_distance(seen))
    start = start_frames(FaceRig.of(head, np.zeros(head.components)), lens, seen)
    keys = key_frames(seen, start.rotation, np.ones(len(seen), bool), count=24)
    face, key_fit = fit_person(head, lens, seen, keys)
    return fit_video(face, seen, keys, key_fit), truth, seen[..., :2]


def strayed(seen: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks that move up to 60 pixels a radian too far, smoothly different over the face; and how far."""
    turn = axis_angle(rotation)
    middle = seen.mean((0, 1))
    reach = (seen[0] - middle) / np.abs(seen[0] - middle).max()
    slopes = 60 * np.stack([reach[:, [1, 0]], reach, -reach[:, [1, 0]]])
    upper, lower = np.array(PAIRS).T
    slopes[:, upper] = slopes[:, lower] = 0.5 * (slopes[:, upper] + slopes[:, lower])
    return seen + np.einsum("mk,klc->mlc", turn - turn.mean(0), slopes), slopes


def test_how_landmarks_stray_with_the_turn_is_learned(fitted):
    fit, _, seen = fitted
    wrong, slopes = strayed(seen, fit.frames.rotation)
    found = learn_turn_bias(fit.face, fit.frames, wrong)
    r = np.corrcoef(found.slopes.ravel(), slopes.ravel())[0, 1]
    assert r > 0.97
    assert np.polyfit(slopes.ravel(), found.slopes.ravel(), 1)[0] == pytest.approx(1.0, abs=0.1)


def test_expressions_are_those_of_landmarks_that_do_not_stray(fitted):
    fit, truth, seen = fitted
    wrong, _ = strayed(seen, fit.frames.rotation)
    at = np.arange(len(seen))
    frames, turn_bias = refit(fit.face, fit.frames, wrong, at)
    left = np.linalg.norm(fit.face.predict(frames) + turn_bias.of(frames.rotation) - wrong, axis=-1).mean()
    assert left < 0.006 * fit.face.scale
    assert np.corrcoef(truth.controls[:, JAW_OPEN], frames.controls[:, JAW_OPEN])[0, 1] > 0.95
    np.testing.assert_array_equal(frames.rotation, fit.frames.rotation)


def test_an_opening_is_no_straying(fitted):
    """Lips that open as the head turns stay open."""
    fit, _, seen = fitted
    turn = axis_angle(fit.frames.rotation)[:, 1]
    open_ = seen.copy()
    upper, lower = np.array(PAIRS).T
    open_[:, lower, 1] += 40 * turn[:, None]
    found = learn_turn_bias(fit.face, fit.frames, open_)
    np.testing.assert_allclose(found.slopes[:, upper], found.slopes[:, lower])


def aligned(rotation: np.ndarray, place: np.ndarray, error: float = 3.0) -> Aligned:
    return Aligned(rotation, place, 1.0, 0.0, error)


def test_frames_that_went_astray_follow_their_neighbours(fitted):
    start = fitted[0].frames[np.arange(20)]
    middle = np.array([0.0, 0.05, 0.08])
    turn = rotation_matrix(np.array([0.02, -0.03, 0.01]))
    rotation = turn @ start.rotation
    place = start.place + start.rotation @ middle - rotation @ middle
    found = [aligned(rotation[t], place[t]) for t in range(20)]
    found[7] = aligned(rotation_matrix(np.array([0.0, 0.6, 0.0])) @ start.rotation[7], place[7])
    found[12] = aligned(start.rotation[12], start.place[12] + 0.003, error=30.0)
    frames = trusted(start, found, middle)
    np.testing.assert_allclose(frames.rotation, rotation, atol=1e-6)
    np.testing.assert_allclose(frames.place, place, atol=1e-6)


def test_where_nothing_can_be_trusted_the_landmarks_stay(fitted):
    start = fitted[0].frames[np.arange(4)]
    spun = [rotation_matrix(np.array([0.0, angle, 0.0])) @ start.rotation[t] for t, angle in enumerate((2, 1, -1, -2))]
    frames = trusted(start, [aligned(r, p) for r, p in zip(spun, start.place, strict=True)], np.zeros(3))
    np.testing.assert_array_equal(frames.rotation, start.rotation)


def test_texture_comes_from_varied_frames_among_those_allowed(fitted):
    fit = fitted[0]
    allowed = np.arange(5, 58)
    keys = texture_frames(fit, allowed)
    assert len(keys) == len(set(keys)) <= KEY_FRAMES
    assert np.isin(keys, allowed).all()
    turn = axis_angle(fit.frames.rotation)
    assert np.ptp(turn[keys], 0).min() > 0.9 * np.ptp(turn[allowed], 0).min()
    assert len(texture_frames(fit, allowed[:0])) == 0


def test_a_video_of_a_painted_head_gets_its_poses_from_the_picture(head):
    """Landmarks whose poses are a degree off; texture from the first half only."""
    painted = PaintedHead(head)
    rotation, place = swaying(24)
    rig = FaceRig.of(head, np.zeros(head.components))
    random = np.random.default_rng(3)
    off = rotation_matrix(np.radians(1.0) * random.normal(size=(24, 3)))
    guess = Frames(off @ rotation, place, np.zeros((24, CONTROLS)))
    seen = LENS.project(Frames(rotation, place, guess.controls).world(rig.points(guess.controls)))
    lens = lens_for(head, SIZE, eye_distance(seen))
    face = replace(fit_person(head, lens, np.concatenate([seen, 0 * seen[..., :1]], -1), np.arange(24), rounds=1)[0],
                   rig=rig, offsets=np.zeros_like(rig.neutral), lens=LENS)  # fmt: skip
    fit = Fit(face, guess, np.ones(24))
    looked: list[int] = []

    def picture(t: int) -> np.ndarray:
        looked.append(int(t))
        return painted.picture(rotation[t], place[t])

    better = refine(head, fit, seen, picture, lambda t: painted.labels(rotation[t], place[t]), SIZE, np.arange(12))
    assert max(looked[:12]) < 12

    def errors(found: np.ndarray) -> float:
        apart = axis_angle(found @ rotation.transpose(0, 2, 1))
        return float(np.degrees(np.linalg.norm(apart - apart.mean(0), axis=1)).mean())

    assert errors(guess.rotation) > 1.0
    assert errors(better.frames.rotation) < 0.3
    # Too few frames to learn from: poses stay as they were.
    kept = refine(head, fit, seen, picture, lambda t: None, SIZE, np.arange(3))
    np.testing.assert_array_equal(kept.frames.rotation, guess.rotation)
