"""HeadModel as a function: batches, identities, gradients, joints, frames, messages."""

import math

import numpy as np
import pytest
import torch

from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel, landmark_points, triangle_frames
from emotalk.head.rotations import axis_angle_matrix, yaw_pitch_matrix


def random_inputs(frames: int, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(width: int, scale: float) -> torch.Tensor:
        return scale * torch.randn(frames, width, generator=generator)

    return {
        "expression": draw(52, 0.3).abs(), "jaw": draw(3, 0.05), "gaze": draw(2, 0.2), "eyelids": draw(2, 0.3).abs(),
        "head_pose": draw(6, 0.1),
    }  # fmt: skip


def test_a_batch_is_its_frames_one_by_one(head):
    inputs = random_inputs(5)
    together = head(**inputs)
    for k in range(5):
        alone = head(**{name: value[k : k + 1] for name, value in inputs.items()})
        torch.testing.assert_close(together.vertices[k], alone.vertices[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(together.transforms[k], alone.transforms[0], atol=1e-6, rtol=0)


def test_inputs_left_out_are_zero_and_single_rows_are_repeated(head):
    pose = random_inputs(4)["head_pose"]
    expression = torch.zeros(1, 52)
    full = head(expression=expression.expand(4, -1), jaw=torch.zeros(4, 3), head_pose=pose)
    torch.testing.assert_close(head(expression=expression, head_pose=pose).vertices, full.vertices)


def test_a_person_worked_in_once_is_the_person_given_each_time(head):
    identity = torch.randn(head.components, generator=torch.Generator().manual_seed(3))
    inputs = random_inputs(3)
    person = head.with_identity(identity)
    torch.testing.assert_close(person(**inputs).vertices, head(identity=identity, **inputs).vertices, atol=2e-6, rtol=0)
    two = torch.stack([identity, -identity, identity])
    mixed = head(identity=two, **inputs).vertices
    torch.testing.assert_close(mixed[2], person(**inputs).vertices[2], atol=2e-6, rtol=0)
    assert (mixed[1] - person(**inputs).vertices[1]).abs().max() > 1e-3
    assert (head.template - person.template).abs().max() > 1e-3, "the original head must stay as it was"


def test_identities_are_people(head):
    """One standard deviation in any direction leaves a head of human size, its eyes apart and above the mouth."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        person = head.with_identity(torch.randn(head.components, generator=generator))
        face = person.template[head.regions["face"]]
        assert 0.11 < face[:, 0].max() - face[:, 0].min() < 0.20
        assert 0.05 < person.joints[4, 0] - person.joints[5, 0] < 0.08
        assert person.template[head.regions["lips"], 1].mean() < person.joints[4, 1] - 0.04
    assert head.components >= 80


def test_gradients_reach_every_input(head):
    inputs = {name: value.requires_grad_() for name, value in random_inputs(2).items()}
    inputs["identity"] = torch.zeros(head.components, requires_grad=True)
    mesh = head(**inputs)
    (mesh.vertices**2).sum().backward()
    for name, value in inputs.items():
        assert value.grad is not None, name
        assert torch.isfinite(value.grad).all(), name
        assert (value.grad != 0).any(), name


def test_gradients_are_finite_at_rest(head):
    inputs = {name: torch.zeros_like(value).requires_grad_() for name, value in random_inputs(1).items()}
    head(**inputs).vertices.sum().backward()
    assert all(torch.isfinite(value.grad).all() for value in inputs.values())


def test_gradients_agree_with_differences(head):
    inputs = random_inputs(1, seed=4)
    probe = torch.randn(1, len(head.template), 3, generator=torch.Generator().manual_seed(1))
    for name in ("expression", "jaw", "gaze", "head_pose"):
        value = inputs[name].clone().requires_grad_()
        (head(**(inputs | {name: value})).vertices * probe).sum().backward()
        direction = torch.randn(value.shape, generator=torch.Generator().manual_seed(2))
        step = 2e-3
        far, near = (
            (head(**(inputs | {name: inputs[name] + s * direction})).vertices.double() * probe).sum()
            for s in (step, -step)
        )
        torch.testing.assert_close(
            (value.grad * direction).sum().double(), (far - near) / (2 * step), rtol=0.03, atol=0.02
        )


def test_root_moves_everything_and_head_pose_spares_the_shoulders(head):
    shift = torch.tensor([0.1, -0.05, 0.2])
    moved = head(head_pose=torch.cat([torch.zeros(3), shift])[None]).vertices[0]
    torch.testing.assert_close(moved, head.template + shift, atol=2e-6, rtol=0)
    turned = head(head_pose=torch.tensor([[0.0, 0.5, 0.0, 0.0, 0.0, 0.0]]))
    bottom = head.template[:, 1] < -0.26
    assert (turned.vertices[0] - head.template)[bottom].norm(dim=1).max() < 1e-4
    # Half of the turn is the neck's, half the head's: together the whole of it.
    torch.testing.assert_close(turned.transforms[0, 2, :3, :3], axis_angle_matrix(torch.tensor([0.0, 0.5, 0.0])))


def test_neck_bends_without_a_seam(head):
    """No edge of the skin stretches to more than twice its length when the head turns by 30 degrees."""
    triangles = head.triangles[head.regions["skin"][head.triangles[:, 0]]]
    below = head.template[triangles].mean(1)[:, 1] < -0.03
    edges = triangles[below][:, [0, 1]]

    def lengths(vertices: torch.Tensor) -> torch.Tensor:
        return (vertices[edges[:, 0]] - vertices[edges[:, 1]]).norm(dim=1)

    for axis in np.eye(3):
        pose = torch.tensor([[*(0.52 * axis), 0.0, 0.0, 0.0]], dtype=torch.float32)
        stretch = lengths(head(head_pose=pose).vertices[0]) / lengths(head.template)
        assert stretch.max() < 2.0


def test_weights_are_shares(head):
    assert (head.weights >= 0).all()
    torch.testing.assert_close(head.weights.sum(1), torch.ones(len(head.weights)), atol=1e-3, rtol=0)
    assert (head.weights[head.regions["eyes"]].max(1).values > 0.999).all()


def test_what_hangs_on_the_head_moves_with_its_transform(head):
    inputs = random_inputs(3)
    mesh = head(jaw=inputs["jaw"], gaze=inputs["gaze"], head_pose=inputs["head_pose"])
    scalp = head.regions["scalp"].nonzero()[0, 0]
    point = torch.cat([head.template[scalp], torch.ones(1)])
    torch.testing.assert_close((mesh.transforms[:, 2] @ point)[:, :3], mesh.vertices[:, scalp], atol=1e-5, rtol=0)


def test_neutral_motion_plays_as_the_template(head):
    motion = HeadMotion.neutral(2)
    channels = {n: torch.from_numpy(getattr(motion, n)) for n in ("expression", "jaw", "gaze", "eyelids", "head_pose")}
    torch.testing.assert_close(head(**channels).vertices[1], head.template, atol=2e-6, rtol=0)


def test_landmarks_are_points_of_their_triangles(head):
    vertices = head(**random_inputs(2)).vertices
    for kind, count in (("mediapipe478", 478), ("ibug68", 68)):
        points = head.landmarks(vertices, kind)
        assert points.shape == (2, count, 3)
        corners = getattr(head, f"{kind}_corners")
        inside = vertices[:, corners]
        assert (points >= inside.amin(2) - 1e-6).all()
        assert (points <= inside.amax(2) + 1e-6).all()
    middle = landmark_points(vertices, torch.tensor([[0, 1, 2]]), torch.tensor([[0.0, 1.0, 0.0]]))
    torch.testing.assert_close(middle[:, 0], vertices[:, 1])


def test_triangle_frames_turn_with_the_mesh(head):
    vertices = head.template[None]
    rotation, centre, scale = head.triangle_frames(vertices)
    eye = torch.eye(3).expand_as(rotation)
    torch.testing.assert_close(rotation @ rotation.transpose(-1, -2), eye, atol=1e-4, rtol=0)
    turn = axis_angle_matrix(torch.tensor([0.3, -0.8, 0.5]))
    turned = triangle_frames(2 * vertices @ turn.T + 0.1, head.triangles)
    torch.testing.assert_close(turned[0], turn @ rotation, atol=1e-3, rtol=0)
    torch.testing.assert_close(turned[1], 2 * centre @ turn.T + 0.1, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned[2], 2 * scale, rtol=1e-3, atol=0)
    corners = head.template[head.triangles]
    area = 0.5 * torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=1)
    torch.testing.assert_close(scale[0] ** 2, area, rtol=1e-3, atol=1e-12)


def test_degenerate_triangles_have_finite_frames_and_gradients():
    vertices = torch.zeros(1, 3, 3, requires_grad=True)
    rotation, centre, scale = triangle_frames(vertices, torch.tensor([[0, 1, 2]]))
    (rotation.sum() + centre.sum() + scale.sum()).backward()
    assert torch.isfinite(vertices.grad).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"expression": torch.zeros(1, 51)}, r"expression must have shape \[B, 52\], found \[1, 51\]"),
        ({"gaze": torch.zeros(2, 2, 2)}, "gaze must have shape"),
        ({"jaw": torch.zeros(2, 3), "gaze": torch.zeros(3, 2)}, "same number of frames"),
        ({"identity": torch.zeros(7)}, "identity must have shape"),
    ],
)
def test_wrong_shapes_give_a_sentence(head, wrong, message):
    with pytest.raises(InputError, match=message):
        head(**wrong)


def test_other_wrong_calls_give_a_sentence(head):
    with pytest.raises(InputError, match="Unknown landmarks 'dlib'"):
        head.landmarks(head.template[None], "dlib")
    with pytest.raises(InputError, match="one identity"):
        head.with_identity(torch.zeros(2, head.components))
    person = head.with_identity(torch.zeros(head.components))
    with pytest.raises(InputError, match="identity must have shape"):
        person(identity=torch.zeros(head.components))


def test_rotations_are_exact(head):
    vector = torch.tensor([[0.0, 0.0, 0.0], [1e-5, 0.0, 0.0], [0.0, math.pi / 2, 0.0], [0.3, -0.4, 1.2]]).double()
    turns = axis_angle_matrix(vector)
    generators = torch.zeros(4, 3, 3).double()
    generators[:, 2, 1], generators[:, 0, 2], generators[:, 1, 0] = vector.unbind(1)
    torch.testing.assert_close(turns, torch.linalg.matrix_exp(generators - generators.transpose(1, 2)))
    assert torch.autograd.gradcheck(axis_angle_matrix, torch.zeros(2, 3).double().requires_grad_())
    gaze = yaw_pitch_matrix(torch.tensor(0.4), torch.tensor(-0.2)) @ torch.tensor([0.0, 0.0, 1.0])
    assert gaze[0] > 0 > gaze[1]
    assert isinstance(head, HeadModel)
