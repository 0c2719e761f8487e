"""Who it is and what the face does, from one view of landmarks that are known."""

from __future__ import annotations

import numpy as np
import pytest

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.head import HeadModel
from emotalk.portrait.one_view import fit_one_view
from emotalk.tracking.rig import CONTROLS, EXPRESSIONS, FaceRig, axis_angle, rotation_matrix
from emotalk.tracking.solve import Frames, Lens

LENS = Lens(2.2 * 512, 256, 256, 1.15)
SMILE = [EXPRESSIONS.index(ARKIT_INDEX[f"mouthSmile{side}"]) for side in ("Left", "Right")]


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


def seen(head: HeadModel, identity: np.ndarray, controls: np.ndarray, turn: tuple[float, float, float]) -> np.ndarray:
    """Landmarks [478, 3] of a known face, px, as a detector without any error gives them."""
    rig = FaceRig.of(head, identity)
    place = np.array([[0.0, 0.0, 0.0]])
    world = Frames(rotation_matrix(np.array([turn])), place, controls).world(rig.points(controls))[0]
    scale = LENS.focal / LENS.distance
    return np.concatenate([LENS.project(world), -scale * (world[:, 2:] - world[:, 2].mean())], 1)


def resting_error(head: HeadModel, a: np.ndarray, b: np.ndarray) -> float:
    """mm between two faces at rest, best aligned by a similarity."""
    first, second = (FaceRig.of(head, identity).neutral[:468] for identity in (a, b))
    first, second = first - first.mean(0), second - second.mean(0)
    u, s, vt = np.linalg.svd(first.T @ second)
    return 1000 * float(np.linalg.norm(s.sum() / (first**2).sum() * first @ u @ vt - second, axis=1).mean())


def person(head: HeadModel, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.5, head.components)


def test_pose_and_person_are_found(head: HeadModel) -> None:
    identity, turn = person(head), (0.08, -0.2, 0.05)
    fit = fit_one_view(head, 512, seen(head, identity, np.zeros((1, CONTROLS)), turn))
    found = fit.face.rig.identity
    assert np.abs(axis_angle(fit.frames.rotation)[0] - turn).max() < 0.04
    assert resting_error(head, identity, found) < 0.75 * resting_error(head, identity, np.zeros(head.components))
    assert fit.error[0] < 0.01 * fit.face.scale


def test_a_smile_is_an_expression_and_no_face(head: HeadModel) -> None:
    identity, controls = person(head, 1), np.zeros((1, CONTROLS))
    calm = fit_one_view(head, 512, seen(head, identity, controls, (0, 0, 0)))
    controls[0, SMILE] = 0.8
    smiling = fit_one_view(head, 512, seen(head, identity, controls, (0, 0, 0)))
    assert smiling.frames.controls[0, SMILE].min() > 0.4
    assert calm.frames.controls[0, SMILE].max() < 0.15
    assert resting_error(head, calm.face.rig.identity, smiling.face.rig.identity) < 1.0
