"""A talk begins where the video usually shows the head: as large, as high, and held as the person holds it."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from emotalk.avatar import AvatarCard, load_avatar
from emotalk.avatar.home import held, usual_pose
from emotalk.avatar.view import own_view
from emotalk.core.camera import Camera, project
from emotalk.core.errors import AvatarError
from emotalk.core.motion import HeadMotion
from emotalk.live.pack import fingerprint
from emotalk.live.scene_arrays import scene_arrays
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.habits import FARTHEST
from emotalk.talk.request import Look
from emotalk.talk.scene import Scene, camera_of, still_motion
from tests.avatar.doubles import EggHead, make_avatar

HOME = (0.05, -0.12, 0.02, 0.03, -0.04, -0.35)
ASIDE = (0.05, -0.5, 0.02, 0.03, -0.04, -0.35)


@pytest.fixture(scope="module")
def camera():
    pose = torch.tensor([[1.0, 0, 0, 0.01], [0, -1, 0, 0.02], [0, 0, -1, 0.9], [0, 0, 0, 1.0]])
    return Camera(pose, 1100.0, 1100.0, 250.0, 262.0, 512, 512)


def person(camera, home):
    avatar = make_avatar().replace(camera=camera, background=torch.rand(64, 64, 3))
    return avatar.replace(card=dataclasses.replace(avatar.card, home=home))


def seen(avatar, pose, camera):
    """Pixels [N, 2] of the avatar's mesh in a head pose [6]."""
    motion = dataclasses.replace(HeadMotion.neutral(), head_pose=np.float32([pose]))
    return project(avatar.mesh(motion)[0][0].double(), camera)[0]


@pytest.mark.parametrize("home", [HOME, ASIDE], ids=["a little aside", "far aside"])
def test_a_head_at_rest_is_seen_where_the_video_usually_shows_it(camera, home):
    avatar = person(camera, home)
    filmed = seen(avatar, home, camera)
    at_rest = seen(avatar, (*avatar.held, 0, 0, 0), camera_of(avatar, Look(size=512)))
    assert np.abs(filmed - at_rest).max() < 0.02
    assert np.abs(filmed - seen(avatar, (*avatar.held, 0, 0, 0), camera)).max() > 20  # it was not there before


def test_what_turns_the_head_is_how_it_is_held_and_the_camera_only_moves(camera):
    avatar = person(camera, HOME)
    assert avatar.held == HOME[:3]
    moved = avatar.home_camera.world_to_camera
    assert torch.allclose(moved[:3, :3], camera.world_to_camera[:3, :3], atol=1e-5)
    assert (avatar.home_camera.fx, avatar.home_camera.cx) == (camera.fx, camera.cx)
    assert avatar.camera is camera  # the video's own, in which its frames are compared


def test_of_somebody_filmed_from_far_aside_the_camera_goes_around_them(camera):
    avatar = person(camera, ASIDE)
    assert avatar.held == pytest.approx((0.05, -FARTHEST, 0.02))
    turn = avatar.home_camera.world_to_camera[:3, :3].double() @ camera.world_to_camera[:3, :3].double().T
    assert math.acos((float(turn.trace()) - 1) / 2) == pytest.approx(0.5 - FARTHEST, abs=0.01)


def test_avatars_without_a_home_pose_are_seen_as_before(camera):
    avatar = person(camera, ())
    assert avatar.home_camera is camera
    assert avatar.held == (0.0, 0.0, 0.0)
    assert torch.equal(own_view(avatar, 512)[0].world_to_camera, camera.world_to_camera)
    assert make_avatar().home_camera is None


def test_a_still_holds_the_head_so_and_looks_ahead(camera):
    plain, own = still_motion(0.5, -0.5), still_motion(0.5, -0.5, HOME[:3])
    assert own.head_pose - plain.head_pose == pytest.approx(np.float32([[*HOME[:3], 0, 0, 0]]))
    # Where the eyes look in the world: yaw to the person's left, pitch up.
    for motion in (plain, own):
        motion.gaze[0] += motion.head_pose[0, [1, 0]] * [1, -1]
    assert own.gaze == pytest.approx(plain.gaze, abs=1e-6)


def test_a_talk_moves_about_it(camera):
    own = MotionModel.load().holding(HOME[:3])
    assert own.habits.pose == pytest.approx(HOME[:3])
    assert MotionModel.load().holding((1.0, 0, 0)).habits.pose[0] == pytest.approx(FARTHEST)
    from emotalk.emotion import EmotionCurve
    from emotalk.speech import SpeechEncoder, say

    features = SpeechEncoder.load().encode(say("One two three four five."))
    style = MotionStyle(head_energy=0.0)
    poses = [
        model(features, EmotionCurve.constant(0, 0), style).head_pose[:, :3].mean(0)
        for model in (MotionModel.load(), own)
    ]
    assert poses[1] - poses[0] == pytest.approx(np.array(HOME[:3]), abs=0.01)


def test_a_live_face_is_seen_from_there_too(camera):
    mira = load_avatar("mira").replace(camera=camera)
    avatar, before = (mira.replace(card=dataclasses.replace(mira.card, home=home)) for home in (HOME, ()))
    numbers = scene_arrays(avatar)[1]["camera"]
    assert numbers[:16] == pytest.approx(avatar.home_camera.world_to_camera.ravel().tolist())
    assert fingerprint(avatar) != fingerprint(before)


def test_the_shot_that_comes_nearer_looks_at_the_head_as_it_is_held(camera):
    scene = Scene(person(camera, HOME), Look(size=256, shot="push-in"))
    assert scene.camera_at(200).fx > scene.camera_at(0).fx


def test_it_is_the_median_of_the_well_tracked_frames():
    poses = np.tile(np.float32(HOME), (101, 1))
    poses[:20] += 1.0  # lost frames
    poses[20:40, 1] += 0.6  # glances aside
    poses[-20:, 1] -= 0.6
    assert usual_pose(poses, np.arange(101) >= 20) == pytest.approx(HOME, abs=1e-4)
    assert usual_pose(poses, np.zeros(101, bool)) == ()
    assert usual_pose(np.full((5, 6), np.nan), np.ones(5, bool)) == ()
    assert held(()) == (0.0, 0.0, 0.0)


def test_it_is_kept_in_the_card(tmp_path, camera):
    avatar = person(camera, HOME)
    loaded = load_avatar(avatar.save(tmp_path / "egg"), EggHead())
    assert loaded.card.home == HOME
    assert torch.allclose(loaded.home_camera.world_to_camera, avatar.home_camera.world_to_camera, atol=1e-6)


@pytest.mark.parametrize(
    "home",
    [(0.0,) * 5, (0.0,) * 7, (2.0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 6.0), (math.nan, 0, 0, 0, 0, 0), ("0",) * 6,
     (True, 0, 0, 0, 0, 0), (10**400, 0, 0, 0, 0, 0), "000000", {"yaw": 1}, None, 1.0],
)  # fmt: skip
def test_a_card_with_a_home_pose_that_is_none_is_refused(home):
    with pytest.raises(AvatarError, match="home"):
        AvatarCard("egg", "none", "a test", synthetic=True, home=home)


def test_cards_of_before_have_none_and_lists_come_back_as_numbers():
    card = AvatarCard("egg", "none", "a test", synthetic=True, home=HOME)
    text = card.to_json()
    assert AvatarCard.from_json(text).home == HOME
    assert AvatarCard.from_json(text.replace('"home"', '"house"')).home == ()
