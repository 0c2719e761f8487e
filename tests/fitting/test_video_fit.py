"""What keeps an avatar of a video sound when it is driven beyond the video."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar.gaussians import LATENT_LIMIT, REGION_INDEX, signals
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.camera import Camera, project, unproject
from emotalk.core.motion import HeadMotion
from emotalk.fitting.gaussian_fit import FitConfig
from emotalk.fitting.hair_shell import OutlineView, bald_vertices, hair_thickness
from emotalk.fitting.starting_avatar import starting_avatar
from emotalk.fitting.video_corrections import LEAST_SPREAD, allowed, video_corrections
from emotalk.fitting.video_fit import BOX_MARGIN, VideoFit, color_box, lightness_and_tint, rare_frames, within
from emotalk.fitting.video_frames import CLASS_WEIGHTS, MOVING_WEIGHT, VideoFrames, usable_rows
from emotalk.fitting.visibility import colors_at, depth_map, seen
from emotalk.tracking.masks import BACKGROUND, HAIR, SKIN
from tests.fitting.synthetic_video import camera_of, make_video, talking_motion
from tests.fitting.test_personalize import make_card


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("video"), "mira", frames=30, size=128)[0]


@pytest.fixture(scope="module")
def start(video):
    return starting_avatar(VideoFrames(video, usable_rows(video)), make_card(), 9000)


# --- corrections --------------------------------------------------------------------------------------------------


def test_latents_are_zero_at_the_usual_pose_and_one_at_its_usual_spread(start):
    motion = talking_motion(200)
    corrections = video_corrections(start.avatar, motion)
    latents = (torch.from_numpy(signals(motion)) - corrections.mean) @ corrections.matrix.T
    assert latents.median(0).values.abs().max() < 0.6
    spread = latents.std(0)
    assert spread.max() < 1.3
    assert (spread > 0.8).sum() >= 8
    assert corrections.position.abs().max() == 0


def test_what_the_video_does_not_show_is_not_blown_up(start):
    still = HeadMotion.neutral(50)
    still.expression[:, ARKIT_INDEX["jawOpen"]] = 1e-4 * np.arange(50)
    corrections = video_corrections(start.avatar, still)
    wide = torch.zeros_like(corrections.mean)
    wide[ARKIT_INDEX["jawOpen"]] = 0.03
    assert corrections.latents(wide).abs().max() <= 0.03 / 0.5 / LEAST_SPREAD + 1e-4
    wide[ARKIT_INDEX["jawOpen"]] = 1.0
    assert corrections.latents(wide).abs().max() <= LATENT_LIMIT


def test_a_smile_corrects_the_mouth_and_not_the_forehead(start):
    corrections = video_corrections(start.avatar, talking_motion(100))
    where = allowed(start.avatar, corrections)
    assert where.shape == (len(corrections.matrix), len(corrections.index))
    assert set(where.unique().tolist()) == {0.0, 1.0}
    rest = start.avatar.replace(corrections=None).pose(HeadMotion.neutral(), 0).means[corrections.index]
    smile = where[2] > 0
    mouth = rest[start.avatar.gaussians.region[corrections.index] == REGION_INDEX["lips"]].mean(0)
    assert (rest[smile] - mouth).norm(dim=1).median() < 0.06
    assert 0.02 < smile.float().mean() < 0.8


# --- colours ------------------------------------------------------------------------------------------------------


def test_hair_follows_turns_of_the_head_and_cloth_those_of_the_shoulders(start):
    motion = talking_motion(250)
    torso = torch.zeros(250, 3, 4)
    torso[:, 0, 1] = torch.linspace(-0.05, 0.05, 250)
    few = video_corrections(start.avatar, motion[:100], torso[:100])
    assert len(few.matrix) == len(video_corrections(start.avatar, motion[:100]).matrix)
    corrections = video_corrections(start.avatar, motion, torso)
    bends = len(corrections.matrix) - len(video_corrections(start.avatar, motion).matrix)
    assert bends == 1  # one way of bending, one latent
    assert corrections.latents(torch.from_numpy(signals(motion, torso))[-1])[-1].abs() == pytest.approx(1.7, abs=0.2)
    # In a talk shoulders are as in the reference frame.
    assert corrections.latents(torch.from_numpy(signals(motion))[0])[-1].abs() < 0.05
    where, region = allowed(start.avatar, corrections), start.avatar.gaussians.region[corrections.index]
    hair, cloth = region == REGION_INDEX["hair"], region == REGION_INDEX["clothes"]
    assert bool((where[-4:-1][:, hair] == 1).all())
    assert bool((where[-4:-1][:, cloth] == 0).all())
    assert bool((where[-1][cloth] == 1).all())
    assert bool((where[-1][hair] == 0).all())
    assert bool((where[:-4][:, cloth] == 0).all())


def test_mouth_and_eyes_count_more_than_other_skin(video):
    frames = VideoFrames(video, [0])
    weights = frames.target(0).weights
    points = video.landmarks[0]
    for landmark in (13, 14, 159, 386):  # lips and upper lids
        x, y = points[landmark].astype(int)
        assert weights[y, x] == MOVING_WEIGHT
    x, y = points[151].astype(int)  # forehead
    assert weights[y, x] == CLASS_WEIGHTS[3]
    assert (weights == MOVING_WEIGHT).float().mean() < 0.06
    lost = dataclasses.replace(video, landmarks=np.full_like(video.landmarks, np.nan))
    assert VideoFrames(lost, [0]).target(0).weights.max() < MOVING_WEIGHT


def test_hair_cannot_take_the_colour_of_the_background(start):
    low, high = color_box(start.avatar.gaussians)
    hair = REGION_INDEX["hair"]
    window = torch.tensor([0.85, 0.92, 0.98])
    own = lightness_and_tint(start.avatar.gaussians.color[start.avatar.gaussians.region == hair])
    kept = within(window[None], low[hair][None], high[hair][None])
    assert (lightness_and_tint(kept) <= own.quantile(0.95, dim=0) + torch.tensor(BOX_MARGIN) + 0.02).all()
    dark_blue = within(torch.tensor([[0.1, 0.2, 0.45]]), low[hair][None], high[hair][None])[0]
    assert dark_blue[2] - dark_blue[0] < 0.1  # brown hair stays brown however dark
    allowed_colors = start.avatar.gaussians.color[start.avatar.gaussians.region == hair]
    assert (within(allowed_colors, low[hair][None], high[hair][None]) - allowed_colors).abs().median() < 1e-6
    assert not low[REGION_INDEX["clothes"]].isfinite().any()


def test_hair_on_the_rim_of_the_head_keeps_near_its_usual_colours(video, start):
    frames = VideoFrames(video, usable_rows(video))
    fit = VideoFit(start.avatar, frames, start.torso, FitConfig(steps=10))
    fit.parameters.values["color"].data[:] = 1.0
    fit.step()
    avatar = fit.result()
    g = avatar.gaussians
    hair = (g.region == REGION_INDEX["hair"])[: g.mesh_count]
    normal = avatar.pose(HeadMotion.neutral(), 0).means[: g.mesh_count][:, 2]  # far from the camera: behind the ears
    behind = hair & (normal < normal[hair].quantile(0.3))
    light = g.color[: g.mesh_count].mean(1)
    usual = start.avatar.gaussians.color[start.avatar.gaussians.region == REGION_INDEX["hair"]].mean(1)
    assert light[behind].max() < usual.quantile(0.75) + 0.05
    assert light[hair & ~behind].max() > light[behind].max()


def test_rare_frames_are_those_with_shut_eyes_or_an_open_mouth():
    motion = HeadMotion.neutral(60)
    motion.eyelids[[7, 8]] = 0.9
    motion.expression[:, ARKIT_INDEX["jawOpen"]] = 0.05
    motion.expression[20, ARKIT_INDEX["jawOpen"]] = 0.6
    assert rare_frames(motion).tolist() == [7, 8, 20]
    motion.eyelids[:] = 0.9
    assert not len(rare_frames(motion))


# --- hair ---------------------------------------------------------------------------------------------------------


def ball(radius: float = 0.09, rings: int = 24, around: int = 36):
    """A skull: a sphere with its scalp above the equator."""
    latitude, longitude = np.linspace(0.02, np.pi - 0.02, rings), np.arange(around) * 2 * np.pi / around
    ring = np.stack([np.sin(latitude)[:, None] * np.sin(longitude),
                     np.broadcast_to(np.cos(latitude)[:, None], (rings, around)),
                     np.sin(latitude)[:, None] * np.cos(longitude)], -1)  # fmt: skip
    points = radius * ring.reshape(-1, 3)
    first = np.arange((rings - 1) * around).reshape(rings - 1, around)
    right = np.roll(first, -1, 1)
    below, corner = first + around, right + around
    triangles = np.concatenate([np.stack([first, below, right], -1).reshape(-1, 3),
                                np.stack([right, below, corner], -1).reshape(-1, 3)])  # fmt: skip
    return points, triangles, points[:, 1] > 0.02


def disc(camera: Camera, radius: float, hair_above: float) -> np.ndarray:
    """Classes of a picture of a ball of that radius, hair from a height (metres) upwards and skin below."""
    (centre,), (depth,) = project(np.zeros((1, 3)), camera)
    y, x = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    metres = depth / camera.fx
    inside = np.hypot(x - centre[0], y - centre[1]) * metres < radius
    up = (centre[1] - y) * metres
    return np.where(inside, np.where(up > hair_above, HAIR, SKIN), BACKGROUND).astype(np.uint8)


@pytest.mark.parametrize("height", [0.0, 0.015, 0.03])
def test_hair_is_as_high_as_the_outline_says(height):
    points, _, scalp = ball()
    camera = camera_of(512)
    view = OutlineView(points, np.eye(3), disc(camera, 0.09 + height, 0.0), camera)
    thickness = hair_thickness(points, scalp, ~scalp, [view])
    top = points[:, 1] > 0.08
    assert thickness[top].mean() == pytest.approx(height, abs=0.005)
    assert np.abs(thickness[~scalp]).max() == 0
    hairline = scalp & (points[:, 1] < 0.035)
    assert thickness[hairline].mean() < 0.75 * max(thickness[top].mean(), 0.004)


def test_the_forehead_goes_up_to_the_hairline():
    points, triangles, scalp = ball()
    camera = camera_of(256)
    view = OutlineView(points, np.eye(3), disc(camera, 0.1, 0.06), camera)
    bald = bald_vertices([view], triangles, scalp)
    front = scalp & (points[:, 2] > 0.03)
    assert bald[front & (points[:, 1] < 0.05)].mean() > 0.9
    assert not bald[points[:, 1] > 0.07].any()
    assert not bald[points[:, 2] < -0.02].any()  # nobody sees the back of it


# --- seeing -------------------------------------------------------------------------------------------------------


def test_points_come_back_from_their_pixels():
    camera = camera_of(128)
    points = np.random.default_rng(0).normal(0, 0.05, (40, 3))
    pixels, depth = project(points, camera)
    assert np.allclose(unproject(pixels, depth, camera), points, atol=1e-6)


def test_only_the_near_side_is_seen():
    points, triangles, _ = ball()
    camera = camera_of(256)
    nearest, owner = depth_map(points, triangles, camera)
    cosine, _ = seen(points, points / np.linalg.norm(points, axis=1, keepdims=True), nearest, camera)
    assert (cosine[points[:, 2] > 0.04] > 0).all()
    assert (cosine[points[:, 2] < 0] == 0).all()
    assert ((owner >= 0) == np.isfinite(nearest)).all()
    drawn = np.isfinite(nearest).sum() * (project(np.zeros((1, 3)), camera)[1][0] / camera.fx) ** 2
    assert drawn == pytest.approx(np.pi * 0.09**2, rel=0.05)


def test_colours_are_read_between_pixels():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:, 2:] = 200
    assert colors_at(picture, np.array([[2.0, 1.5]]))[0] == pytest.approx([100 / 255] * 3)
    assert colors_at(picture, np.array([[99.0, -5.0]]))[0] == pytest.approx([200 / 255] * 3, abs=0.01)


def test_a_head_too_turned_to_one_side_still_starts(video):
    motion = HeadMotion(**{name: value.copy() for name, value in vars(video.motion).items()})
    turned = dataclasses.replace(video, motion=motion, torso=np.zeros_like(video.torso))
    frames = VideoFrames(turned, [3])
    made = starting_avatar(frames, make_card(), 5000)
    assert made.reference == 3
    assert all(
        getattr(made.avatar.gaussians, f.name).isfinite().all() for f in dataclasses.fields(made.avatar.gaussians)
    )
