"""Points of the skin lie on the head, move as it does, and its rim lies around it."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.head import HeadModel
from emotalk.tracking.rig import CONTROLS, EXPRESSIONS, rotation_matrix
from emotalk.tracking.skin import RIM_DEPTH, Skin, rim_pixels, rim_points
from tests.tracking.painted import LENS, SIZE, PaintedHead


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def identity(head) -> np.ndarray:
    return np.random.default_rng(2).normal(size=head.components)


def test_points_lie_on_the_skin_and_move_with_it(head, identity):
    skin = Skin.of(head, identity, count=800)
    person = head.with_identity(torch.from_numpy(identity).float())
    shape = ARKIT_INDEX["mouthSmileLeft"]
    expression = torch.zeros(2, 52)
    expression[1, shape] = 0.8
    vertices = (person(expression=expression).vertices - person.joints[2]).numpy()
    near, at = cKDTree(vertices[0]).query(skin.neutral, k=3)
    assert near[:, 0].mean() < 0.005  # metres: triangles are a few millimetres wide, on the scalp centimetres
    controls = np.zeros(CONTROLS)
    controls[EXPRESSIONS.index(shape)] = 0.8
    moved = skin.points(controls) - skin.neutral
    nearby = (vertices[1] - vertices[0])[at].mean(1)
    assert np.linalg.norm(moved, axis=1).max() > 0.004
    assert np.abs(moved - nearby).mean() < 3e-4
    np.testing.assert_allclose(np.linalg.norm(skin.normals, axis=1), 1, atol=1e-5)


def test_no_point_lies_where_eyes_and_lips_move_on_their_own(head, identity):
    skin = Skin.of(head, identity, count=800)
    person = head.with_identity(torch.from_numpy(identity).float())
    vertices = (person.template - person.joints[2]).numpy()
    restless = (head.regions["eyes"] | head.regions["lips"] | head.regions["lids"]).numpy()
    nearest = cKDTree(vertices).query(skin.neutral)[1]
    assert restless[nearest].mean() < 0.01


def test_the_rim_goes_around_head_and_hair_above_the_mouth(head):
    painted = PaintedHead(head)
    still = np.eye(3), np.zeros(3)
    labels = painted.labels(*still)
    landmarks = np.full((478, 2), SIZE / 2.0)
    pixels = rim_pixels(labels, landmarks)
    assert len(pixels) > 100
    assert (pixels[:, 1] < SIZE / 2).all()
    column, row = pixels.astype(int).T
    inside = labels[row, column] > 0
    assert 0.2 < inside.mean() < 0.9  # the background beside the head belongs to it


def test_rim_points_are_seen_at_their_pixels(head):
    painted = PaintedHead(head)
    rotation, place = rotation_matrix(np.array([0.05, -0.1, 0.03])), np.array([0.01, -0.02, 0.03])
    landmarks = np.full((478, 2), SIZE / 2.0)
    pixels = rim_pixels(painted.labels(rotation, place), landmarks)
    points = rim_points(pixels, LENS, rotation, place, depth=-0.01)
    np.testing.assert_allclose(LENS.project(points @ rotation.T + place), pixels, atol=1e-6)
    assert points[:, 2].min() == pytest.approx(-0.01 + RIM_DEPTH[0])
    assert points[:, 2].max() == pytest.approx(-0.01 + RIM_DEPTH[1])
