"""Posing an avatar gives the Gaussians of that frame, whatever the order frames are asked in."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import binding
from emotalk.avatar.gaussians import LATENT_LIMIT, SIGNAL_WIDTH, BoundGaussians, signals, view_direction
from emotalk.core.camera import Camera
from emotalk.core.errors import AvatarError, InputError
from emotalk.core.motion import HeadMotion
from tests.avatar.doubles import make_avatar, make_corrections, make_motion, rotation_matrix


@pytest.fixture(scope="module")
def avatar():
    return make_avatar()


def camera_at(z: float) -> Camera:
    matrix = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    matrix[2, 3] = z
    return Camera(matrix, 500.0, 500.0, 128.0, 128.0, 256, 256)


def test_a_pose_has_every_gaussian_with_sound_numbers(avatar):
    cloud = avatar.pose(make_motion(), 3)
    assert cloud.means.shape == (240, 3)
    assert cloud.quats.shape == (240, 4)
    assert (cloud.scales > 0).all()
    assert ((cloud.opacities > 0) & (cloud.opacities < 1)).all()
    assert all(getattr(cloud, f.name).isfinite().all() for f in dataclasses.fields(cloud))


def test_frames_do_not_depend_on_the_order_they_are_asked_in(avatar):
    motion = make_motion(40)
    forward = [avatar.pose(motion, t).means for t in range(40)]
    other = make_motion(40, seed=1)
    for t in (39, 0, 17, 16, 15, 31):
        avatar.pose(other, t)
        torch.testing.assert_close(avatar.pose(motion, t).means, forward[t], atol=1e-6, rtol=0)


def test_gaussians_without_offset_lie_on_the_posed_mesh(avatar):
    g = avatar.gaussians
    bare = avatar.replace(
        gaussians=BoundGaussians(**{**vars(g), "position": torch.zeros_like(g.position)}), corrections=None
    )
    motion = make_motion()
    vertices = bare.mesh(motion)[0][2]
    corners = vertices[bare.head.triangles[g.triangle]]
    expected = (corners * g.barycentric[..., None]).sum(1)
    torch.testing.assert_close(bare.pose(motion, 2).means[: g.mesh_count], expected, atol=1e-6, rtol=0)


def test_corrections_change_only_the_gaussians_they_name(avatar):
    motion = make_motion()
    plain = avatar.replace(corrections=None).pose(motion, 1)
    corrected = avatar.pose(motion, 1)
    changed = ((plain.colors - corrected.colors).abs().sum(1) > 0).nonzero()[:, 0]
    assert changed.tolist() == avatar.corrections.index.tolist()


def test_latents_are_clipped():
    corrections = make_corrections(100)
    wild = torch.full((SIGNAL_WIDTH,), 1e4)
    assert corrections.latents(wild).abs().max() == LATENT_LIMIT


def test_corrections_see_everything_but_where_the_head_is():
    motion = make_motion(2)
    moved = dataclasses.replace(motion, head_pose=motion.head_pose + np.float32([0, 0, 0, 1, 1, 1]))
    assert (signals(motion) == signals(moved)).all()
    for name in ("expression", "jaw", "gaze", "eyelids"):
        assert (signals(motion) != signals(dataclasses.replace(motion, **{name: getattr(motion, name) + 1}))).any()


def test_only_the_far_side_of_solid_parts_is_culled(avatar):
    motion = HeadMotion.neutral()
    everything, front = avatar.pose(motion, 0), avatar.pose(motion, 0, camera_at(0.6))
    hidden = front.opacities == 0
    assert 0.2 < hidden[:200].float().mean() < 0.6
    assert not hidden[200:].any()  # hair
    assert (everything.means[hidden, 2] < 0.02).all()
    assert torch.equal(front.opacities[~hidden], everything.opacities[~hidden])


@pytest.mark.parametrize("t", [-1, 5, 1000])
def test_a_frame_that_is_not_there_is_named(avatar, t):
    with pytest.raises(InputError, match=f"Frame {t} .* 5 frames"):
        avatar.pose(make_motion(5), t)


def test_gaussians_of_another_head_are_refused(avatar):
    g = avatar.gaussians
    with pytest.raises(AvatarError, match="another head"):
        avatar.replace(gaussians=BoundGaussians(**{**vars(g), "triangle": g.triangle + 1000}))


def test_shapes_that_do_not_fit_are_named(avatar):
    g = avatar.gaussians
    with pytest.raises(InputError, match=r"color must have shape \[240, 3\], found \[239, 3\]"):
        BoundGaussians(**{**vars(g), "color": g.color[:-1]})


def test_selecting_and_joining_keep_the_two_kinds_apart(avatar):
    g = avatar.gaussians
    keep = torch.arange(len(g)) % 3 != 0
    joined = BoundGaussians.concatenate([g.select(keep), g.select(~keep)])
    assert (joined.mesh_count, len(joined)) == (g.mesh_count, len(g))
    assert sorted(joined.color[:, 0].tolist()) == sorted(g.color[:, 0].tolist())
    hair = set(g.color[g.mesh_count :, 0].tolist())
    assert set(joined.color[joined.mesh_count :, 0].tolist()) == hair


@pytest.mark.parametrize("t", range(4))
@pytest.mark.parametrize("culled", [False, True])
def test_the_compiled_pose_equals_the_plain_functions(avatar, t, culled):
    motion, camera = make_motion(), camera_at(0.5) if culled else None
    cloud = avatar.pose(motion, t, camera)
    g, c = avatar.gaussians, avatar.corrections
    vertices, rotations, translations = (part[t] for part in avatar.mesh(motion))
    mesh = vertices, avatar.head.triangles, avatar.neutral_sizes, rotations, translations
    frames = binding.binding_frames_torch(g, *mesh)
    latents = c.latents(torch.from_numpy(signals(motion)[t]))
    view = view_direction(rotations[2], translations[2], camera)
    color = g.color + view[0] * g.view_color[:, 0] + view[1] * g.view_color[:, 1]
    means, quats, scales, colors = binding.apply_frames_torch(
        frames, g.position, g.rotation, g.log_scale.exp(), color, c.index, *c.offsets(latents)
    )
    opacities = g.opacity_logit.sigmoid()
    if culled:
        opacities = opacities * binding.facing(frames, means, camera, avatar.one_sided)
    torch.testing.assert_close(cloud.means, means, atol=2e-7, rtol=1e-5)
    torch.testing.assert_close(cloud.scales, scales, atol=1e-8, rtol=1e-5)
    torch.testing.assert_close(cloud.colors, colors, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(cloud.opacities, opacities, atol=1e-6, rtol=1e-5)
    same_way = (cloud.quats * quats).sum(1).abs() / (cloud.quats.norm(dim=1) * quats.norm(dim=1))
    torch.testing.assert_close(same_way, torch.ones(len(g)), atol=1e-5, rtol=0)


def test_a_cloud_may_be_changed_without_changing_the_avatar(avatar):
    motion = HeadMotion.neutral()
    bare = avatar.replace(corrections=None)
    bare.pose(motion, 0).colors.zero_()
    assert bare.pose(motion, 0).colors.sum() > 0


def test_the_view_direction_is_where_the_camera_stands_seen_from_the_head():
    still, centre = torch.eye(3), torch.zeros(3)
    assert view_direction(still, centre, None).tolist() == [0, 0]
    torch.testing.assert_close(view_direction(still, centre, camera_at(0.7)), torch.zeros(2))
    turned = rotation_matrix(torch.tensor([0.0, 0.5, 0.0]))  # to the person's left: the viewer is now on the right
    torch.testing.assert_close(
        view_direction(turned, centre, None), torch.tensor([-np.sin(0.5), 0.0], dtype=torch.float32), atol=1e-4, rtol=0
    )
    raised = rotation_matrix(torch.tensor([-0.3, 0.0, 0.0]))  # chin up: the viewer is below
    assert view_direction(raised, centre, None)[1] < -0.2


def test_seen_from_the_front_the_view_changes_no_colour(avatar):
    cloud = avatar.replace(corrections=None).pose(HeadMotion.neutral(), 0)
    torch.testing.assert_close(cloud.colors, avatar.gaussians.color)


def test_frames_that_are_posed_together_are_those_that_are_posed_alone(avatar, monkeypatch):
    motion, cameras = make_motion(9), [camera_at(0.4 + 0.01 * k) for k in range(5)]
    alone = [avatar.pose(motion, 2 + k, camera) for k, camera in enumerate(cameras)]
    here = avatar.pose_batch(motion, 2, cameras)
    monkeypatch.setattr(binding, "compiled", lambda tensor: False)
    shiny = avatar.gaussians.view_color + 0.1
    plain = avatar.replace(gaussians=dataclasses.replace(avatar.gaussians, view_color=shiny))
    elsewhere = plain.pose_batch(motion, 2, cameras)
    singly = [plain.pose(motion, 2 + k, camera) for k, camera in enumerate(cameras)]
    for k, cloud in enumerate(alone):
        for f in dataclasses.fields(cloud):
            assert torch.equal(getattr(here[k], f.name), getattr(cloud, f.name))
            together, single = getattr(elsewhere[k], f.name), getattr(singly[k], f.name)
            torch.testing.assert_close(together, single, atol=1e-6, rtol=1e-5)
        for name in ("means", "scales", "opacities"):
            torch.testing.assert_close(getattr(elsewhere[k], name), getattr(cloud, name), atol=1e-6, rtol=1e-4)


def test_frames_beyond_the_end_of_a_motion_are_refused_together_as_well(avatar):
    with pytest.raises(InputError, match="Frames 3 to 5 were asked of a motion of 5 frames"):
        avatar.pose_batch(make_motion(5), 3, [camera_at(0.4)] * 3)
