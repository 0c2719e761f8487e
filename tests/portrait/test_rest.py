"""A photo's pose becomes the pose at rest."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.camera import project
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.portrait.rest import at_rest
from emotalk.rendering import portrait_camera
from emotalk.tracking import TrackedVideo
from tests.fitting.synthetic_video import quality

angle = st.floats(-0.4, 0.4)
shift = st.floats(-0.05, 0.05)


def tracked(pose: list[float], identity: float = 0.5) -> TrackedVideo:
    head = HeadModel.load()
    motion = HeadMotion.neutral()
    motion.head_pose[0] = pose
    motion.gaze[0] = (0.2, -0.1)
    motion.expression[0, 20] = 0.3
    return TrackedVideo(
        folder=None, size=256, identity=np.full(head.components, identity, np.float32), motion=motion,
        camera=portrait_camera(256), torso=np.zeros((1, 3), np.float32), landmarks=np.zeros((1, 478, 2), np.float32),
        seen=np.ones(1, bool), error=np.zeros(1, np.float32), blendshapes=None, quality=quality(1),
    )  # fmt: skip


def seen(video: TrackedVideo) -> np.ndarray:
    """Where the camera sees the landmarks of the face, pixels [478, 2]."""
    head = HeadModel.load()
    person = head.with_identity(torch.from_numpy(video.identity))
    motion = dataclasses.replace(video.motion, gaze=np.zeros((1, 2), np.float32))  # lids follow the eyes
    with torch.no_grad():
        mesh = person(**{name: torch.from_numpy(value) for name, value in vars(motion).items()})
        points = head.landmarks(mesh.vertices)[0].double().numpy()
    return project(points, video.camera)[0]


@settings(max_examples=5, deadline=None)
@given(st.lists(angle, min_size=3, max_size=3), st.lists(shift, min_size=3, max_size=3))
def test_the_face_stays_where_it_is_in_the_picture(turn, place):
    photo = tracked([*turn, *place])
    assert seen(at_rest(photo)) == pytest.approx(
        seen(photo), abs=0.5
    )  # where jaw and neck meet the skin is bent differently


def test_head_and_gaze_are_at_rest_and_the_expression_is_as_it_was():
    photo = tracked([0.1, -0.2, 0.05, 0.01, 0.02, 0.0])
    rested = at_rest(photo)
    assert not rested.motion.head_pose.any()
    assert not rested.motion.gaze.any()
    assert (rested.motion.expression == photo.motion.expression).all()


def test_a_photo_at_rest_stays_as_it_is():
    photo = tracked([0.0] * 6)
    assert torch.allclose(at_rest(photo).camera.world_to_camera, photo.camera.world_to_camera, atol=1e-6)
