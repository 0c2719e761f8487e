"""The motion branch: where in a picture each pixel of another pose is."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.portrait.flow import PhotoFlow, projected
from emotalk.rendering import portrait_camera, rasterize
from scripts.preset_pictures import motion_of

SIZE = 192
REST = HeadMotion.neutral()


@pytest.fixture(scope="module")
def person():
    """A preset with a camera of its own."""
    return load_avatar("mira").replace(camera=portrait_camera(SIZE, zoom=1.2))


@pytest.fixture(scope="module")
def drawn(person):
    """The preset at rest [H, W, 3]."""
    return rasterize(person.pose(REST, 0, person.camera), person.camera, person.background).image.contiguous().numpy()


@pytest.fixture(scope="module")
def picture(drawn):
    """A picture of them with more in it than the Gaussians have: checks of five pixels."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] // 5
    return (drawn + 0.06 * ((x + y) % 2 * 2 - 1)[..., None]).clip(0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def flow(person, picture):
    return PhotoFlow(person, picture, REST)


def test_in_its_own_pose_the_frame_is_the_picture(person, picture, drawn, flow):
    frame = flow.draw(REST, 0)
    solid = (frame.shown > 0.99).numpy()
    assert solid.mean() > 0.1
    assert frame.flow[:, solid].abs().max() < 0.05
    there = np.abs(frame.blended.permute(1, 2, 0).numpy() - picture)[solid]
    before = np.abs(drawn - picture)[solid]
    assert there.mean() < 0.1 * before.mean()


def test_a_head_that_moves_sideways_has_the_same_way_to_go_everywhere_at_one_depth(person, flow):
    aside = motion_of({}, head_pose=[0, 0, 0, 0.01, 0, 0])
    frame = flow.draw(aside, 0)
    cloud = person.pose(aside, 0, person.camera)
    face = cloud.opacities[: person.gaussians.mesh_count] > 0.5
    _, depth = projected(cloud.means[: person.gaussians.mesh_count][face], person.camera)
    wanted = -0.01 * person.camera.fx / depth.median()
    solid = frame.shown > 0.99
    assert abs(frame.flow[0, solid].median() - wanted) < 0.1 * abs(wanted)
    assert frame.flow[1, solid].abs().median() < 0.05


def test_the_flow_leads_each_visible_gaussian_of_a_turned_head_to_its_place_in_the_picture(person, flow):
    turned = motion_of({"jawOpen": 0.3}, head_pose=[0.05, 0.15, 0, 0, 0, 0])
    frame = flow.draw(turned, 0)
    here, _ = projected(person.pose(turned, 0, person.camera).means, person.camera)
    there, _ = projected(person.pose(REST, 0, person.camera).means, person.camera)
    region = person.gaussians.region
    x, y = here.long().unbind(1)
    inside = (x > 0) & (x < SIZE) & (y > 0) & (y < SIZE) & (region == REGION_INDEX["face"])
    x, y = x[inside], y[inside]
    seen = frame.shown[y, x] > 0.95
    led = torch.stack([x, y], 1) + 0.5 + frame.flow[:, y, x].T
    away = (led - there[inside]).norm(dim=1)[seen]
    assert seen.float().mean() > 0.3
    assert away.median() < 0.8  # of which .4 are of rounding to pixels


def test_what_was_painted_on_the_picture_goes_with_the_skin(person, drawn):
    """A dot on the cheek."""
    face = (person.gaussians.region == REGION_INDEX["face"]).nonzero()[:, 0]
    rest, _ = projected(person.pose(REST, 0, person.camera).means, person.camera)
    cheek = face[(rest[face] - torch.tensor([SIZE * 0.6, SIZE * 0.55])).norm(dim=1).argmin()]
    x, y = rest[cheek].int().tolist()
    painted = drawn.copy()
    painted[y - 2 : y + 3, x - 2 : x + 3] = [0.0, 0.9, 0.1]
    turned = motion_of({"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}, head_pose=[0, -0.1, 0, 0, 0, 0])
    frame = PhotoFlow(person, painted, REST).draw(turned, 0)
    green = (frame.blended[1] - frame.blended[0]).clamp(0, 1)
    rows, columns = (green > 0.3).nonzero().float().mean(0) + 0.5
    now, _ = projected(person.pose(turned, 0, person.camera).means[cheek][None], person.camera)
    assert (torch.stack([columns, rows]) - now[0]).norm() < 2


def test_between_open_lips_the_picture_shows_nothing(person, flow):
    wide = motion_of({"jawOpen": 0.7})
    frame = flow.draw(wide, 0)
    inner = torch.isin(
        person.gaussians.region, torch.tensor([REGION_INDEX[name] for name in ("mouth", "tongue", "teeth")])
    )
    cloud = person.pose(wide, 0, person.camera)
    only = dataclasses.replace(cloud, colors=inner.float()[:, None].expand(-1, 3).contiguous())
    share = rasterize(only, person.camera, (0.0, 0.0, 0.0)).image[..., 0]
    assert (share > 0.9).sum() > 20
    assert frame.shown[share > 0.9].max() < 0.15


def test_shut_lids_are_not_those_of_the_picture(person, flow):
    shut = motion_of({}, eyelids=[1, 1])
    frame, lids = flow.draw(shut, 0), person.gaussians.region == REGION_INDEX["lids"]
    cloud = person.pose(shut, 0, person.camera)
    only = dataclasses.replace(cloud, colors=lids.float()[:, None].expand(-1, 3).contiguous())
    share = rasterize(only, person.camera, (0.0, 0.0, 0.0)).image[..., 0]
    covered = share > 0.7  # folds of skin lie among the lids
    assert covered.sum() > 10
    assert (frame.shown[covered] < 1 - share[covered] + 0.05).all()
