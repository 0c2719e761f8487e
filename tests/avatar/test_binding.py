"""Gaussians follow their triangles and joints, the same way in the plain and in the compiled form."""

import math

import pytest
import torch

from emotalk.avatar import binding
from emotalk.avatar.binding import quat_from_matrix, quat_multiply
from tests.avatar.doubles import EggHead, make_avatar, make_gaussians, make_motion, rotation_matrix


@pytest.fixture(scope="module")
def avatar():
    return make_avatar()


def both(avatar, motion, t):
    """The posed Gaussians of frame t by the plain and by the compiled functions."""
    vertices, rotations, translations = (part[t] for part in avatar.mesh(motion))
    g, c = avatar.gaussians, avatar.corrections
    latents = torch.linspace(-1, 1, len(c.matrix))
    results = []
    plain = binding.binding_frames_torch, binding.apply_frames_torch
    for make, apply in (plain, (binding.binding_frames, binding.apply_frames)):
        frames = make(g, vertices, avatar.head.triangles, avatar.neutral_sizes, rotations, translations)
        scale = g.log_scale.exp()
        posed = apply(frames, g.position, g.rotation, scale, g.color, c.index, *c.offsets(latents))
        results.append((frames, posed))
    return results


def as_rotations(quats):
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    return torch.stack([w * w + x * x - y * y - z * z, x * y - w * z, x * z + w * y, y * z - w * x], -1)


@pytest.mark.parametrize("t", range(5))
def test_compiled_placing_equals_the_plain_one(avatar, t):
    (plain_frames, plain), (fast_frames, fast) = both(avatar, make_motion(), t)
    torch.testing.assert_close(fast_frames.base, plain_frames.base, atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(fast_frames.matrix, plain_frames.matrix, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(fast_frames.stretch, plain_frames.stretch, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(fast[0], plain[0], atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(as_rotations(fast[1]), as_rotations(plain[1]), atol=5e-6, rtol=1e-5)
    torch.testing.assert_close(fast[2], plain[2], atol=1e-8, rtol=1e-5)
    torch.testing.assert_close(fast[3], plain[3], atol=1e-6, rtol=1e-5)


def test_compiled_gradients_equal_autograd(avatar):
    vertices, rotations, translations = (part[2] for part in avatar.mesh(make_motion()))
    g, c = avatar.gaussians, avatar.corrections
    latents = torch.linspace(-1, 1, len(c.matrix))
    mesh = vertices, avatar.head.triangles, avatar.neutral_sizes, rotations, translations
    frames = binding.binding_frames_torch(g, *mesh)
    generator = torch.Generator().manual_seed(3)
    weights = [torch.randn(len(g), width, generator=generator) for width in (3, 4, 3, 3)]
    gradients = []
    for apply in (binding.apply_frames_torch, binding.apply_frames):
        leaves = [
            part.clone().requires_grad_()
            for part in (g.position, g.rotation, g.log_scale.exp(), g.color, *c.offsets(latents))
        ]
        posed = apply(frames, *leaves[:4], c.index, *leaves[4:])
        sum((out * weight).sum() for out, weight in zip(posed, weights, strict=True)).backward()
        gradients.append([leaf.grad for leaf in leaves])
    for plain, fast in zip(*gradients, strict=True):
        assert plain.abs().max() > 0
        torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-4)


def test_plain_form_passes_gradients_to_the_mesh_and_the_joints(avatar):
    vertices, rotations, translations = (part[1].clone().requires_grad_() for part in avatar.mesh(make_motion()))
    frames = binding.binding_frames_torch(
        avatar.gaussians, vertices, avatar.head.triangles, avatar.neutral_sizes, rotations, translations
    )
    frames.base.sum().backward()
    used = avatar.head.triangles[avatar.gaussians.triangle].unique()
    assert (vertices.grad[used].abs().sum(1) > 0).all()
    assert translations.grad.abs().sum() > 0


def test_a_rigid_move_of_the_head_moves_everything_on_it_rigidly():
    head = EggHead()
    g = make_gaussians(head, joint=0)
    sizes = binding.triangle_sizes(head.template, head.triangles)
    turn, shift = rotation_matrix(torch.tensor([0.3, -0.8, 0.2])), torch.tensor([0.01, 0.02, -0.03])
    still = torch.eye(3).expand(3, 3, 3), torch.zeros(3, 3)
    before = binding.binding_frames(g, head.template, head.triangles, sizes, *still)
    after = binding.binding_frames(g, head.template @ turn.T + shift, head.triangles, sizes, *still)
    torch.testing.assert_close(after.base, before.base @ turn.T + shift, atol=1e-6, rtol=0)
    torch.testing.assert_close(after.matrix, turn @ before.matrix, atol=1e-5, rtol=0)
    turned = quat_multiply(quat_from_matrix(turn).expand(len(g), 4), before.quat)
    torch.testing.assert_close(as_rotations(after.quat), as_rotations(turned), atol=1e-5, rtol=0)


def test_gaussians_grow_with_their_triangle_within_limits():
    head = EggHead()
    g = make_gaussians(head, joint=0)
    sizes = binding.triangle_sizes(head.template, head.triangles)
    still = torch.eye(3).expand(3, 3, 3), torch.zeros(3, 3)
    for growth, expected in ((1.0, 1.0), (1.5, 1.5), (10.0, 2.5), (0.01, 0.6)):
        frames = binding.binding_frames(g, head.template * growth, head.triangles, sizes, *still)
        torch.testing.assert_close(frames.stretch, torch.full((len(g),), expected), atol=1e-4, rtol=0)


def test_a_collapsed_triangle_gives_finite_gaussians(avatar):
    g = avatar.gaussians
    still = torch.eye(3).expand(3, 3, 3), torch.zeros(3, 3)
    flat = torch.zeros_like(avatar.head.template)
    for make in (binding.binding_frames_torch, binding.binding_frames):
        frames = make(g, flat, avatar.head.triangles, avatar.neutral_sizes, *still)
        # A zero triangle has no direction: any finite frame will do.
        assert all(part.isfinite().all() for part in (frames.base, frames.matrix, frames.quat, frames.stretch))


def test_hair_follows_the_joints_it_hangs_on():
    head = EggHead()
    g = make_gaussians(head, mesh=0, joint=3)
    g = type(g)(**{**vars(g), "joint_weights": torch.eye(3)})
    turn = rotation_matrix(torch.tensor([[0.0, 0, 0], [0, 0.3, 0], [0, 0.6, 0]]))
    shift = torch.tensor([[0.0, 0, 0], [0, 0.01, 0], [0, 0.02, 0]])
    sizes = binding.triangle_sizes(head.template, head.triangles)
    frames = binding.binding_frames(g, head.template, head.triangles, sizes, turn, shift)
    world = frames.base + (frames.matrix @ g.position[..., None])[..., 0]
    torch.testing.assert_close(world, (turn @ g.position[..., None])[..., 0] + shift, atol=1e-7, rtol=1e-5)


def test_blended_joints_turn_by_the_blended_angle():
    half = torch.tensor([[0.5, 0.0, 0.5]])
    head = EggHead()
    g = make_gaussians(head, mesh=0, joint=1)
    g = type(g)(**{**vars(g), "joint_weights": half})
    turn = rotation_matrix(torch.tensor([[0.0, 0, 0], [0, 0.4, 0], [0, 0.8, 0]]))
    sizes = binding.triangle_sizes(head.template, head.triangles)
    for make in (binding.binding_frames_torch, binding.binding_frames):
        frames = make(g, head.template, head.triangles, sizes, turn, torch.zeros(3, 3))
        expected = torch.tensor([[math.cos(0.2), 0, math.sin(0.2), 0]])
        torch.testing.assert_close(frames.quat, expected, atol=1e-6, rtol=0)


def test_quaternions_of_rotations_in_every_branch():
    axis = torch.nn.functional.normalize(torch.randn(400, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    matrices = rotation_matrix(axis * torch.linspace(0, math.pi, 400)[:, None])
    quats = quat_from_matrix(matrices)
    torch.testing.assert_close(quats.norm(dim=-1), torch.ones(400))
    vector = torch.tensor([0.3, -0.5, 0.8])
    pure = torch.cat([torch.zeros(400, 1), vector.expand(400, 3)], 1)
    conjugate = quats * torch.tensor([1.0, -1, -1, -1])
    turned = quat_multiply(quat_multiply(quats, pure), conjugate)[:, 1:]
    torch.testing.assert_close(turned, matrices @ vector, atol=2e-5, rtol=0)


def test_quaternions_of_a_gpu_are_those_of_the_cpu(monkeypatch):
    g = torch.Generator().manual_seed(0)
    turns = torch.nn.functional.normalize(torch.randn(200, 4, generator=g, dtype=torch.float64), dim=-1)
    others = torch.randn(200, 4, generator=g, dtype=torch.float64)
    w, x, y, z = turns.unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrices = torch.stack([torch.stack(row, -1) for row in rows], -2)
    here = binding.quat_from_matrix(matrices), binding.quat_multiply(turns, others)
    monkeypatch.setattr(binding, "compiled", lambda tensor: False)
    there = binding.quat_from_matrix(matrices), binding.quat_multiply(turns, others)
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)
    assert (here[0] * turns).sum(-1).abs().min() > 1 - 1e-9
