"""The texture branch on the frames of a talk."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.detail import PictureDetail
from emotalk.core.motion import HeadMotion
from emotalk.portrait.detail import DetailPainter
from emotalk.portrait.mended_mouth import MouthMender, shipped_texture
from emotalk.portrait.texture import HEIGHT, WIDTH, TextureNetwork, moved_away, network_input
from emotalk.rendering import portrait_camera, rasterize
from scripts.preset_pictures import motion_of

SIZE = 256
REST = HeadMotion.neutral()
TALKING = motion_of({"jawOpen": 0.3, "mouthSmileLeft": 0.4}, head_pose=[0.04, 0.12, 0.05, 0.004, 0, 0])


@pytest.fixture(scope="module")
def person():
    """A preset that keeps the detail of a picture: a soft gradient."""
    avatar = load_avatar("mira").replace(camera=portrait_camera(SIZE, zoom=1.2))
    image = np.linspace(-0.05, 0.05, SIZE, dtype=np.float32)[:, None, None] * np.ones((1, SIZE, 3), np.float32)
    return avatar.replace(detail=PictureDetail(image, REST))


@pytest.fixture(scope="module")
def network() -> TextureNetwork:
    """One that adds something here and there."""
    torch.manual_seed(0)
    network = TextureNetwork().eval()
    with torch.no_grad():
        network.leave.weight.normal_(0, 0.03)
    return network


def drawn(avatar, camera, motion) -> np.ndarray:
    image = rasterize(avatar.pose(motion, 0, camera), camera, avatar.background).image.clamp(0, 1)
    return (255 * image + 0.5).byte().contiguous().numpy()


@pytest.mark.parametrize("size", [192, 256, 512])
def test_a_frame_gets_what_the_network_adds_to_its_mouth(person, network, size):
    """Against the same crop cut out and put together by torch, from the flow of full resolution."""
    camera = portrait_camera(size, zoom=1.2)
    painter = DetailPainter(person, network)
    cloud = person.pose(TALKING, 0, camera)
    moved = painter.move(cloud, camera, TALKING, 0)
    plain = drawn(person, camera, TALKING)
    DetailPainter(person, texture=False).paint(plain, moved)
    pixels = drawn(person, camera, TALKING)
    painter.paint(pixels, moved)

    crop = moved.mouth
    flow, shown = painter._flow.draw(cloud, camera, TALKING, 0)
    before = crop.of(torch.from_numpy(plain).permute(2, 0, 1) / 255)
    seen = crop.of(shown[None])
    mender = MouthMender(person, network)
    with torch.no_grad():
        wanted = network(network_input(before, mender._photo, seen, moved_away(crop.of(flow), seen, crop))[None])[0]
    found = crop.of(torch.from_numpy(pixels).permute(2, 0, 1) / 255) - before
    assert wanted.abs().mean() > 0.01
    assert (found - wanted).abs().mean() < (0.15 if size < 256 else 0.08) * wanted.abs().mean()


def test_nothing_beyond_the_mouth_is_touched(person, network):
    camera = portrait_camera(SIZE, zoom=1.2)
    painter = DetailPainter(person, network)
    moved = painter.move(person.pose(TALKING, 0, camera), camera, TALKING, 0)
    pixels = drawn(person, camera, TALKING)
    before = pixels.copy()
    painter._mender.mend(pixels, moved.mouth, moved.flow, moved.shown)
    y, x = np.nonzero((pixels != before).any(-1))
    assert len(x) > 500
    turn = moved.mouth.matrix
    places = np.linalg.solve(turn[:, :2], np.stack([x + 0.5, y + 0.5]) - turn[:, 2:])
    assert places.min() > -1
    assert places[0].max() < WIDTH + 1
    assert places[1].max() < HEIGHT + 1


def test_colours_that_alpha_multiplies_are_mended_by_as_much_less(person, network):
    camera = portrait_camera(SIZE, zoom=1.2)
    painter = DetailPainter(person, network)
    moved = painter.move(person.pose(TALKING, 0, camera), camera, TALKING, 0)
    full = np.dstack([drawn(person, camera, TALKING), np.full((SIZE, SIZE), 255, np.uint8)])
    none = full.copy()
    none[..., 3] = 0
    opaque, clear = full.copy(), none.copy()
    painter._mender.mend(opaque, moved.mouth, moved.flow, moved.shown)
    painter._mender.mend(clear, moved.mouth, moved.flow, moved.shown)
    plain = np.ascontiguousarray(full[..., :3])
    painter._mender.mend(plain, moved.mouth, moved.flow, moved.shown)
    assert np.array_equal(opaque[..., :3], plain)
    assert (opaque[..., 3] == 255).all()
    assert np.array_equal(clear, none)


def test_a_mouth_at_the_border_of_a_frame_is_mended_as_far_as_it_is_seen(person, network):
    camera = portrait_camera(SIZE, zoom=1.2)
    moved_up = dataclasses.replace(camera, cy=camera.cy - 0.62 * SIZE)
    painter = DetailPainter(person, network)
    for seen in (moved_up, dataclasses.replace(camera, cx=camera.cx + 3 * SIZE)):
        pixels = drawn(person, seen, TALKING)
        painter.paint(pixels, painter.move(person.pose(TALKING, 0, seen), seen, TALKING, 0))


def test_a_mouth_of_a_few_pixels_is_left_as_it_is(person, network):
    mender = MouthMender(person, network)
    assert mender.mouth(portrait_camera(48, zoom=1.0), TALKING, 0) is None
    assert mender.mouth(portrait_camera(256, zoom=1.0), TALKING, 0) is not None


def test_the_shipped_network_is_the_default(person):
    assert MouthMender(person)._network is shipped_texture()
    assert sum(part.numel() for part in shipped_texture().parameters()) > 50_000
