"""Poses follow the pull of the picture: the gradient is right, and a wrong track is put right."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import binding
from emotalk.fitting.frame_poses import CHANNELS, FramePoses
from emotalk.fitting.pose_gradient import follow
from tests.avatar.doubles import make_avatar, make_motion


def means_of(avatar, mesh, position, exact: bool):
    """Places of the Gaussians [N, 3] by plain torch (exact in everything) or by the compiled frames and `follow`."""
    g = dataclasses.replace(avatar.gaussians, position=position)
    nothing = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3), torch.zeros(0, 3)
    if exact:
        frames = binding.binding_frames_torch(g, mesh[0], avatar.head.triangles, avatar.neutral_sizes, *mesh[1:])
        return binding.apply_frames_torch(frames, position, g.rotation, g.log_scale.exp(), g.color, *nothing)[0]
    still = [part.detach() for part in mesh]
    frames = binding.binding_frames(g, still[0], avatar.head.triangles, avatar.neutral_sizes, *still[1:])
    means = binding.apply_frames(frames, position, g.rotation, g.log_scale.exp(), g.color, *nothing)[0]
    return follow(means, g, position, avatar.head.triangles, *mesh)


def test_the_pull_on_mesh_and_joints_is_that_of_plain_torch():
    avatar = make_avatar()
    motion = make_motion()
    pull = torch.randn(240, 3, generator=torch.Generator().manual_seed(0))
    # On their triangles, where turning the triangle moves nothing.
    position = avatar.gaussians.position.clone()
    position[:200] = 0
    gradients = []
    for exact in (True, False):
        mesh = tuple(part[0].clone().requires_grad_() for part in avatar.mesh(motion[1:2]))
        (means_of(avatar, mesh, position, exact) * pull).sum().backward()
        gradients.append([part.grad for part in mesh])
    for wanted, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_following_changes_no_place():
    avatar = make_avatar()
    mesh = tuple(part[0] for part in avatar.mesh(make_motion()[2:3]))
    position = avatar.gaussians.position
    torch.testing.assert_close(
        means_of(avatar, mesh, position, False), means_of(avatar, mesh, position, True), atol=1e-5, rtol=1e-4
    )


def test_a_shifted_track_is_put_right_and_stays_within_its_limits():
    motion = make_motion(3)
    poses = FramePoses(motion, torch.zeros(3, 3), ("place", "expression"))
    wanted = torch.tensor([0.004, -0.003, 0.002])
    for _ in range(250):
        leaves = poses.begin(1)
        row, _ = poses.posed(1, leaves)
        place = row["head_pose"][0, 3:] - torch.from_numpy(motion.head_pose[1, 3:])
        (place - wanted).square().sum().mul(1e4).backward()
        poses.step(1, leaves)
    assert torch.allclose(poses.values["place"][1], wanted, atol=6e-4)
    assert poses.values["place"][0].abs().max() == 0
    for _ in range(400):
        leaves = poses.begin(2)
        row, _ = poses.posed(2, leaves)
        (-1e3 * row["expression"][0, 5]).backward()
        poses.step(2, leaves)
    assert poses.values["expression"][2, 5] == pytest.approx(CHANNELS["expression"].limit)


def test_moving_the_head_leaves_the_shoulders_where_they_are():
    poses = FramePoses(make_motion(2), torch.zeros(2, 3))
    poses.values["place"][1] = torch.tensor([0.004, 0.0, 0.001])
    poses.values["turn"][1] = torch.tensor([0.01, 0.02, 0.0])
    row, torso = poses.posed(1, poses.begin(1))
    root = row["head_pose"][0, 3:] - torch.from_numpy(poses.motion.head_pose[1, 3:])
    assert torch.allclose(root + torso, torch.zeros(3), atol=1e-6)


def test_with_a_bending_torso_as_well():
    poses = FramePoses(make_motion(2), torch.zeros(2, 3, 4))
    poses.values["place"][1] = torch.tensor([0.004, 0.0, 0.001])
    _, torso = poses.posed(1, poses.begin(1))
    assert torch.allclose(torso[:, 3], -torch.tensor([0.004, 0.0, 0.001]))
    assert torso[:, :3].abs().max() == 0


def test_what_a_frame_learns_its_neighbours_in_time_learn_too():
    poses = FramePoses(make_motion(5), torch.zeros(5, 3), times=np.array([0, 1, 2, 9, 10]))
    leaves = poses.begin(2)
    leaves["place"].sum().mul(1e3).backward()
    poses.step(2, leaves)
    moved = poses.values["place"][:, 0].abs()
    assert moved[2] > moved[1] > moved[0] > 0
    assert moved[3] < 1e-10


def test_state_survives_a_round_trip_and_other_frames_are_refused():
    poses = FramePoses(make_motion(4), torch.zeros(4, 3))
    leaves = poses.begin(3)
    sum(leaf.sum() for leaf in leaves.values()).backward()
    poses.step(3, leaves)
    again = FramePoses(make_motion(4), torch.zeros(4, 3))
    again.load(poses.state())
    for name, value in poses.state().items():
        assert torch.equal(again.state()[name], value), name
    refined, _ = again.refined()
    assert not np.array_equal(refined.expression[3], poses.motion.expression[3])
    with pytest.raises(ValueError, match="4 frames"):
        FramePoses(make_motion(5), torch.zeros(5, 3)).load(poses.state())
