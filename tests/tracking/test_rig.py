"""The small rig says of landmarks what the whole head model says, and turns into motion and back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.head import HeadModel
from emotalk.tracking.rig import (
    CONTROL_HIGH,
    CONTROL_LOW,
    CONTROLS,
    JAW,
    YAW,
    FaceRig,
    motion_of,
    pose_of,
    rotation_matrix,
)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def rig(head) -> FaceRig:
    return FaceRig.of(head, 0.7 * np.random.default_rng(0).normal(size=head.components))


def some_frames(seed: int, count: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    controls = np.clip(random.uniform(-0.3, 0.4, (count, CONTROLS)), CONTROL_LOW, CONTROL_HIGH)
    controls[:, JAW] *= 0.4  # as far as speech swings it
    return (
        rotation_matrix(0.3 * random.normal(size=(count, 3))),
        0.05 * random.normal(size=(count, 3)),
        controls,
    )


def test_landmarks_are_those_of_the_head_model(head, rig):
    rotation, place, controls = some_frames(1)
    motion = motion_of(rig, rotation, place, controls)
    mesh = head(
        identity=torch.from_numpy(rig.identity).float(),
        expression=torch.from_numpy(motion.expression),
        jaw=torch.from_numpy(motion.jaw),
        gaze=torch.from_numpy(motion.gaze),
        eyelids=torch.from_numpy(motion.eyelids),
        head_pose=torch.from_numpy(motion.head_pose),
    )
    whole = head.landmarks(mesh.vertices).numpy()
    small = rig.points(controls) @ rotation.transpose(0, 2, 1) + place[:, None]
    apart = np.linalg.norm(whole - small, axis=-1)
    assert apart.max() < 1e-3  # lids kept outside the eyeballs, and the swing of the jaw taken as straight
    assert apart.mean() < 1e-4


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_motion_and_pose_are_inverse(rig, seed):
    rotation, place, controls = some_frames(seed)
    back = pose_of(rig, motion_of(rig, rotation, place, controls))
    for was, now in zip((rotation, place, controls), back, strict=True):
        np.testing.assert_allclose(now, was, atol=1e-6)


def test_gaze_slopes_are_derivatives(rig):
    *_, controls = some_frames(3)
    controls[:, YAW:] = [[0.2, 0.1], [-0.2, 0.2], [0.3, -0.2], [-0.1, -0.3]]
    slopes = rig.gaze_slopes(controls)
    for k in range(2):
        more, less = controls.copy(), controls.copy()
        more[:, YAW + k] += 1e-5
        less[:, YAW + k] -= 1e-5
        np.testing.assert_allclose((rig.points(more) - rig.points(less)) / 2e-5, slopes[:, k], atol=1e-7)
