"""The photo's detail on the frames of a talk."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.avatar import load_avatar
from emotalk.avatar.detail import LIMIT, PictureDetail
from emotalk.core.motion import HeadMotion
from emotalk.portrait.detail import DetailPainter, MovedDetail
from emotalk.portrait.detail_kernel import add_detail
from emotalk.portrait.flow import PhotoFlow, sampling_grid
from emotalk.rendering import portrait_camera, rasterize
from emotalk.talk import Look, Transparent
from emotalk.talk.scene import Scene
from scripts.preset_pictures import motion_of

SIZE = 192
REST = HeadMotion.neutral()


@pytest.fixture(scope="module")
def person():
    """A preset that keeps the detail of a picture: soft spots all over."""
    avatar = load_avatar("mira").replace(camera=portrait_camera(SIZE, zoom=1.2))
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    spots = 0.05 * np.sin(x / 2.3) * np.sin(y / 2.9)
    image = np.repeat(spots[..., None], 3, 2).astype(np.float32)
    return avatar.replace(detail=PictureDetail(image, REST))


def drawn(avatar, camera, motion, t=0) -> np.ndarray:
    image = rasterize(avatar.pose(motion, t, camera), camera, avatar.background).image.clamp(0, 1)
    return (255 * image + 0.5).byte().contiguous().numpy()


TURNED = motion_of({"jawOpen": 0.3, "mouthSmileLeft": 0.5}, head_pose=[0.04, 0.12, 0.03, 0.004, 0, 0])


def test_painted_frames_are_those_of_the_motion_branch(person):
    """Bytes and a flow of half the resolution against floats and the full one."""
    picture = drawn(person, person.camera, REST).astype(np.float32) / 255
    plain = rasterize(person.pose(REST, 0, person.camera), person.camera, person.background)
    flow = PhotoFlow(person, picture, REST)
    flow.detail = torch.from_numpy(person.detail.image).permute(2, 0, 1) * (plain.alpha > 0)
    wanted = 255 * flow.draw(TURNED, 0).blended.permute(1, 2, 0).numpy()
    painter = DetailPainter(person)
    pixels = drawn(person, person.camera, TURNED)
    before = np.abs(pixels - wanted)
    painter.paint(pixels, painter.move(person.pose(TURNED, 0, person.camera), person.camera, TURNED, 0))
    after = np.abs(pixels - wanted)
    assert before.mean() > 0.8
    assert after.mean() < 0.4  # rounding to bytes alone makes .25


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), coarse=st.integers(2, 9), step=st.sampled_from([0.5, 1.0, 1.7]))
def test_the_kernel_samples_as_torch_does(seed, coarse, step):
    random = np.random.default_rng(seed)
    height, width = random.integers(12, 40, 2)
    pixels = random.integers(60, 180, (height, width, 3)).astype(np.uint8)
    size = max(2, round(height * step)), max(2, round(width * step))
    detail = random.uniform(-40, 40, (*size, 3)).astype(np.float32)
    flow = random.uniform(-4, 4, (2, coarse, coarse + 1)).astype(np.float32)
    shown = random.uniform(0.02, 1, (coarse, coarse + 1)).astype(np.float32)

    def finer(planes):
        both = torch.from_numpy(planes)[None]
        return torch.nn.functional.interpolate(both, (int(height), int(width)), mode="bilinear")[0]

    steps = size[1] / width, size[0] / height
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    at = finer(flow) + torch.stack([x * steps[0], y * steps[1]])
    zero = sampling_grid(torch.zeros(2, int(height), int(width)), size)
    grid = (2 * at.permute(1, 2, 0) / torch.tensor([size[1], size[0]]) - 1)[None].to(zero)
    moved = torch.nn.functional.grid_sample(
        torch.from_numpy(detail).permute(2, 0, 1)[None], grid, align_corners=False, padding_mode="border"
    )[0]
    wanted = pixels + (finer(shown[None])[0] * moved).permute(1, 2, 0).numpy()
    add_detail(
        flow, shown, detail, np.float32(steps[0]), np.float32(steps[1]), 0, 0, int(width), int(height),
        np.zeros(1, np.int64), pixels, 0,
    )  # fmt: skip
    assert np.abs(pixels - wanted.clip(0, 255)).max() <= 0.51


def test_nothing_outside_of_the_box_and_no_alpha_is_touched():
    pixels = np.full((20, 20, 4), 100, np.uint8)
    ones = np.ones((10, 10), np.float32)
    add_detail(
        np.zeros((2, 10, 10), np.float32), ones, np.full((20, 20, 3), 9, np.float32), np.float32(1), np.float32(1),
        4, 6, 10, 12, np.zeros(1, np.int64), pixels, 0,
    )  # fmt: skip
    assert (pixels[6:12, 4:10, :3] == 109).all()
    assert (pixels[..., 3] == 100).all()
    pixels[6:12, 4:10] = 100
    assert (pixels == 100).all()


def test_where_the_photo_shows_nothing_the_frame_stays_as_it_is(person):
    pixels = drawn(person, person.camera, REST)
    before = pixels.copy()
    nothing = np.zeros((96, 96), np.float32)
    DetailPainter(person).paint(pixels, MovedDetail(np.zeros((2, 96, 96), np.float32), nothing, 1.0))
    assert np.array_equal(pixels, before)


def test_a_smaller_frame_has_the_detail_that_fits_it(person):
    """Seen at a third of the size, dots of a pixel are no noise but nearly gone."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    dots = (0.05 * (2 * ((x + y) % 2) - 1))[..., None].repeat(3, 2).astype(np.float32)
    person = person.replace(detail=PictureDetail(dots, REST))
    camera = portrait_camera(SIZE // 3, zoom=1.2)
    painter = DetailPainter(person)
    pixels = drawn(person, camera, REST)
    before = pixels.astype(int)
    moved = painter.move(person.pose(REST, 0, camera), camera, REST, 0)
    assert moved.gathered == pytest.approx(3, rel=0.01)
    painter.paint(pixels, moved)
    large = drawn(person, person.camera, REST)
    flat = large.astype(int)
    painter.paint(large, painter.move(person.pose(REST, 0, person.camera), person.camera, REST, 0))
    assert np.abs(pixels - before).mean() < 0.5 * np.abs(large - flat).mean()


def test_every_frame_of_a_talk_has_its_own_detail(person):
    parts = [REST, TURNED, motion_of({"jawOpen": 0.5}, head_pose=[0, -0.1, 0, 0, 0, 0])]
    motion = HeadMotion.concatenate(parts)
    scene = Scene(person, Look(size=SIZE, mark="off"))
    frames = [frame.copy() for frame in scene.frames(scene.clouds(motion))]
    plain = Scene(person.replace(detail=None), Look(size=SIZE, mark="off"))
    for frame, part in zip(frames, parts, strict=True):
        alone = scene.draw(part).copy()
        assert np.array_equal(frame, alone)
        assert np.abs(frame.astype(int) - plain.draw(part)).mean() > 0.3


def test_a_talk_that_was_stopped_leaves_nothing_to_the_next(person):
    motion = HeadMotion.concatenate([REST, TURNED, TURNED])
    scene = Scene(person, Look(size=SIZE, mark="off"))
    frames = scene.frames(scene.clouds(motion))
    next(frames)
    frames.close()
    again = next(scene.frames(scene.clouds(TURNED))).copy()
    assert np.array_equal(again, scene.draw(TURNED))


def test_detail_does_not_make_nothing_visible(person):
    scene = Scene(person, Look(size=SIZE, mark="off", background=Transparent()))
    still = scene.draw(REST)
    assert (still[..., :3].max(2) <= still[..., 3].astype(int) + 30).all()
    assert not still[:4, :4].any()


def test_kept_detail_is_bounded():
    image = np.full((8, 8, 3), 3.0, np.float32)
    data, pose = PictureDetail(image, REST).packed()
    kept = PictureDetail.unpacked(data, pose, (8, 8), "It")
    assert np.abs(kept.image).max() <= LIMIT + 0.01
    assert dataclasses.asdict(kept.pose).keys() == dataclasses.asdict(REST).keys()
