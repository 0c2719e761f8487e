"""An avatar of a video keeps the video's camera, and is looked at as it was filmed unless somebody asks otherwise."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from emotalk.avatar import files, load_avatar
from emotalk.avatar.tensors import decode, encode
from emotalk.avatar.view import own_view, side_shares, zoomed_plate
from emotalk.core.camera import PORTRAIT_ZOOM, Camera
from emotalk.core.errors import AvatarError, InputError
from emotalk.talk.request import Look
from emotalk.talk.scene import background_of, camera_of
from tests.avatar.doubles import EggHead, make_avatar, make_motion


@pytest.fixture(scope="module")
def camera():
    turn = 0.1
    c, s = math.cos(turn), math.sin(turn)
    pose = torch.tensor([[c, 0, s, 0.01], [0, -1, 0, 0.02], [s, 0, -c, 0.9], [0, 0, 0, 1.0]])
    return Camera(pose, 1100.0, 1090.0, 260.0, 250.0, 512, 512)


@pytest.fixture(scope="module")
def avatar(camera):
    return make_avatar().replace(camera=camera, background=torch.rand(512, 512, 3))


def project(point, camera):
    local = camera.world_to_camera[:3, :3] @ torch.tensor(point) + camera.world_to_camera[:3, 3]
    return camera.fx * float(local[0] / local[2]) + camera.cx, camera.fy * float(local[1] / local[2]) + camera.cy


def test_the_camera_is_saved_and_comes_back(tmp_path, avatar, camera):
    loaded = load_avatar(avatar.save(tmp_path / "egg"), EggHead()).camera
    assert torch.equal(loaded.world_to_camera, camera.world_to_camera)
    for field in dataclasses.fields(Camera)[1:]:
        assert getattr(loaded, field.name) == pytest.approx(getattr(camera, field.name)), field.name
    assert isinstance(loaded.width, int)


def test_an_avatar_without_a_camera_has_none_after_loading(tmp_path):
    assert load_avatar(make_avatar().save(tmp_path / "egg"), EggHead()).camera is None


@pytest.mark.parametrize(("place", "value"), [(0, 3.0), (16, -1.0), (20, 12.5), (20, 0.0), (21, 1e9), (19, math.nan)])
def test_a_camera_that_is_none_is_refused(tmp_path, avatar, place, value):
    folder = avatar.save(tmp_path / "egg")
    data = (folder / files.TENSORS).read_bytes()
    arrays = {n: a.copy() for n, a in decode(data, files.SPEC, files.LIMITS, "x", files.OPTIONAL).items()}
    arrays["camera"][place] = value
    (folder / files.TENSORS).write_bytes(encode(arrays))
    with pytest.raises(AvatarError):
        load_avatar(folder, EggHead())


def test_the_default_look_is_the_videos_own_view(avatar, camera):
    seen = camera_of(avatar, Look(size=256))
    point = [0.03, 0.05, 0.02]
    assert np.allclose(np.array(project(point, seen)) * 2, project(point, camera), atol=1e-3)
    plate = background_of(avatar, Look(size=512))
    assert torch.allclose(plate, avatar.background, atol=1e-6)


def test_zoom_magnifies_person_and_background_about_the_centre(avatar, camera):
    near = camera_of(avatar, Look(size=512, zoom=1.5 * PORTRAIT_ZOOM))
    x, y = project([0.03, 0.05, 0.02], camera)
    assert project([0.03, 0.05, 0.02], near) == pytest.approx((256 + 1.5 * (x - 256), 256 + 1.5 * (y - 256)), abs=0.01)
    ramp = torch.linspace(0, 1, 64)[None, :, None].expand(64, 64, 3)
    assert zoomed_plate(ramp, 64, 2.0)[0, :, 0].diff().mean() == pytest.approx(
        0.5 * float(ramp[0, :, 0].diff().mean()), rel=0.05
    )
    assert zoomed_plate(ramp, 32, 0.5).isfinite().all()


def test_beyond_the_video_its_mirror_image_goes_on_without_detail():
    plate = torch.rand(64, 64, 3, generator=torch.Generator().manual_seed(0))
    tall = zoomed_plate(plate, (64, 114))
    assert torch.allclose(tall[-50:], plate[-50:], atol=1e-4)  # the video's own rows, at the bottom
    inside, beyond = tall[-50:], tall[:40]
    assert beyond.diff(dim=0).abs().mean() < 0.2 * inside.diff(dim=0).abs().mean()
    assert beyond.mean() == pytest.approx(float(plate.mean()), abs=0.05)
    assert tall.diff(dim=0).abs().amax((1, 2))[44:53].max() < 0.4  # no edge where it ends
    assert zoomed_plate(plate, (114, 64)).shape == (64, 114, 3)


@pytest.mark.parametrize("shape", ["9:16", "16:9", "1:1"])
@pytest.mark.parametrize("zoom", [0.6, 1.0, 1.25, 1.8])
def test_no_picture_ends_below_the_video(avatar, camera, shape, zoom):
    look = Look(size=256, shape=shape, zoom=zoom)
    seen = camera_of(avatar, look)
    assert (seen.width, seen.height) == (look.width, look.height)
    ray = [(255.5 - camera.cx) / camera.fx, (511.5 - camera.cy) / camera.fy, 1.0]  # the middle of the video's last row
    point = np.linalg.inv(camera.world_to_camera.double().numpy()) @ [*ray, 1.0]
    column, row = project(point[:3].tolist(), seen)
    assert row >= look.height - 2
    assert column == pytest.approx(look.width / 2, abs=1)


def test_shoulders_fade_where_a_wide_picture_shows_more_than_the_video():
    shares = side_shares((456, 256), 1.0)
    assert shares[:100].max() == 0
    assert (shares[150:300] == 1).all()
    assert (shares.diff()[:200] >= 0).all()
    assert torch.allclose(shares, shares.flip(0), atol=0.02)
    assert (side_shares((256, 256), 1.0) == 1).all()
    assert (side_shares((456, 256), 2.0) == 1).all()


def test_the_camera_walks_around_the_head(avatar, camera):
    def eye(c):
        return -(c.world_to_camera[:3, :3].T @ c.world_to_camera[:3, 3])

    start = eye(camera)
    assert eye(own_view(avatar, 512, yaw=0.3)[0])[0] > start[0] + 0.1
    assert eye(own_view(avatar, 512, pitch=0.3)[0])[1] > start[1] + 0.1
    centre = [0.0, 0.02, 0.03]
    turned = own_view(avatar, 512, yaw=0.3, pitch=-0.2)[0]
    assert project(centre, turned) == pytest.approx(project(centre, camera), abs=0.05)


def test_views_that_make_no_sense_are_refused(avatar):
    with pytest.raises(InputError):
        own_view(avatar, 64, zoom=0.0)
    with pytest.raises(AvatarError, match="no camera"):
        own_view(make_avatar(), 64)


def test_shoulders_can_be_moved_on_their_own():
    avatar = make_avatar()
    avatar.head.weights = torch.zeros(len(avatar.head.template), 6)
    avatar.head.weights[:10, 0] = 1.0
    motion = make_motion()
    before = avatar.pose(motion, 1).means
    after = avatar.pose(motion, 1, torso=torch.tensor([0.0, 0.01, 0.0])).means
    g = avatar.gaussians
    joint = slice(g.mesh_count, None)
    moved = (after - before)[joint]
    torch.testing.assert_close(moved[:, 1], 0.01 * g.joint_weights[:, 0], atol=1e-6, rtol=1e-4)
    on_head = (avatar.head.weights[avatar.head.triangles[g.triangle], 0] == 0).all(1)
    assert on_head.any()
    assert (after - before)[: g.mesh_count][on_head].abs().max() < 1e-6
