"""The solver finds what made the landmarks, keeps to bounds and never makes things worse."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.landmarks import eye_distance
from emotalk.head import HeadModel
from emotalk.tracking.fit import calm_controls, fit_person, fit_video, key_frames, lens_for, start_frames
from emotalk.tracking.rig import CONTROL_HIGH, CONTROL_LOW, CONTROLS, EXPRESSIONS, LID_LEFT, FaceRig, rotation_matrix
from emotalk.tracking.solve import Frames, Lens, bounded_step

LENS = Lens(1200.0, 256.0, 256.0, 1.0)
JAW_OPEN = EXPRESSIONS.index(ARKIT_INDEX["jawOpen"])


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


def performance(head: HeadModel, frames: int) -> tuple[Frames, np.ndarray]:
    """What a person does, and landmarks [T, 478, 3] of it: pixels, and depth as MediaPipe gives it."""
    random = np.random.default_rng(5)
    rig = FaceRig.of(head, 0.8 * random.normal(size=head.components))
    time = np.arange(frames)[:, None] / frames
    turns = 0.3 * np.sin(2 * np.pi * (time * [2.0, 1.5, 1.0] + [0.1, 0.3, 0.6]))
    controls = np.zeros((frames, CONTROLS))
    controls[:, JAW_OPEN] = 0.3 * (1 + np.sin(2 * np.pi * 5 * time[:, 0]))
    controls[:, LID_LEFT : LID_LEFT + 2] = (np.arange(frames)[:, None] % 20 < 2) * 0.9
    controls[:, -2:] = 0.2 * np.sin(2 * np.pi * (3 * time + [0.0, 0.2]))
    truth = Frames(rotation_matrix(turns), np.tile([0.01, -0.02, 0.0], (frames, 1)), controls)
    world = truth.world(rig.points(controls))
    depth = -LENS.focal / LENS.distance * world[..., 2:]
    return truth, np.concatenate([LENS.project(world), depth], -1)


def test_the_person_and_their_motion_are_found_from_perfect_landmarks(head):
    truth, seen = performance(head, 60)
    lens = lens_for(head, 512, eye_distance(seen))
    start = start_frames(FaceRig.of(head, np.zeros(head.components)), lens, seen)
    keys = key_frames(seen, start.rotation, np.ones(len(seen), bool), count=24)
    face, key_fit = fit_person(head, lens, seen, keys)
    fit = fit_video(face, seen, keys, key_fit)
    assert np.nanmean(fit.error) < 0.004 * eye_distance(seen)
    turned = truth.rotation.transpose(0, 2, 1) @ fit.frames.rotation
    angle = np.degrees(np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert angle.mean() < 1.5
    for column in (JAW_OPEN, LID_LEFT):
        assert np.corrcoef(truth.controls[:, column], fit.frames.controls[:, column])[0, 1] > 0.97
    assert (fit.frames.controls >= CONTROL_LOW - 1e-9).all()
    assert (fit.frames.controls <= CONTROL_HIGH + 1e-9).all()


def test_frames_without_a_face_do_not_stop_the_fit(head):
    _, seen = performance(head, 40)
    seen[10:14] = np.nan
    lens = replace(LENS)
    good = np.isfinite(seen).all((1, 2))
    keys = np.flatnonzero(good)[::3]
    face, key_fit = fit_person(head, lens, seen, keys, rounds=3)
    fit = fit_video(face, seen, keys, key_fit)
    assert len(fit.frames) == 40
    np.testing.assert_array_equal(np.isnan(fit.error), ~good)
    assert np.isfinite(fit.frames.controls).all()


@given(seed=st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_a_bounded_step_keeps_to_its_bounds_and_goes_down(seed):
    random = np.random.default_rng(seed)
    root = random.normal(size=(3, 12, 8))
    matrix = root.transpose(0, 2, 1) @ root + 1e-3 * np.eye(8)
    gradient = 5 * random.normal(size=(3, 8))
    low, high = -random.uniform(0, 1, (3, 8)), random.uniform(0, 1, (3, 8))
    step = bounded_step(matrix, gradient, low, high)
    assert (step >= low).all()
    assert (step <= high).all()
    assert ((gradient * step).sum(1) + 0.5 * np.einsum("mi,mij,mj->m", step, matrix, step) <= 1e-12).all()


def test_a_bounded_step_is_nearly_the_best_one():
    random = np.random.default_rng(0)
    root = random.normal(size=(1, 30, 10))
    gradient = 20 * random.normal(size=(1, 10))
    low, high = np.full((1, 10), -0.3), np.full((1, 10), 0.6)
    matrix = root.transpose(0, 2, 1) @ root
    step = bounded_step(matrix, gradient, low, high)[0]
    # min |A x - b|^2 / 2 with A^T b = -g is the same problem.
    target = np.linalg.lstsq(root[0].T, -gradient[0], rcond=None)[0]
    best = lsq_linear(root[0], target, (low[0], high[0])).x

    def value(x: np.ndarray) -> float:
        return float(gradient[0] @ x + 0.5 * x @ matrix[0] @ x)

    assert value(step) <= 0.98 * value(best)  # both are negative


def test_blinks_are_not_calmed_away_but_trembling_is():
    controls = np.zeros((30, CONTROLS))
    controls[:, 0] = 0.3 + 0.01 * (np.arange(30) % 2)
    controls[14:16, LID_LEFT] = 1.0
    _, precision = calm_controls(controls, np.arange(30), 60.0)
    assert precision[14, LID_LEFT] < 1.0
    assert precision[10, 0] > 50.0
