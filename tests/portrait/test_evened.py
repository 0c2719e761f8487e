"""Lips and lids of which a photo hardly shows anything."""

import dataclasses

import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.portrait.evened import EVENED, with_even_edges


@pytest.fixture(scope="module")
def person():
    return load_avatar("mira")


@pytest.mark.parametrize("region", EVENED)
def test_specks_that_hardly_show_take_the_colour_of_what_shows_beside_them(person, region):
    gaussians = person.gaussians
    rows = (gaussians.region[: gaussians.mesh_count] == REGION_INDEX[region]).nonzero()[:, 0]
    shown, color = torch.ones(len(gaussians)), gaussians.color.clone()
    specks = rows[::7]
    shown[specks], color[specks] = 0.0, torch.tensor([1.0, 0.0, 1.0])
    speckled = person.replace(gaussians=dataclasses.replace(gaussians, color=color))
    found = with_even_edges(speckled, shown).gaussians.color
    before, after = (float((c[specks] - gaussians.color[specks]).abs().mean()) for c in (color, found))
    assert after < 0.2 * before
    kept = torch.ones(len(gaussians), dtype=torch.bool)
    kept[specks] = False
    assert torch.equal(found[kept], gaussians.color[kept])


def test_one_lip_does_not_colour_the_other(person):
    """They touch where the face rests."""
    gaussians = person.gaussians
    rows = (gaussians.region[: gaussians.mesh_count] == REGION_INDEX["lips"]).nonzero()[:, 0]
    corners = person.head.triangles[gaussians.triangle[rows]]
    jaw = (person.head.shapes[:, :, 1].abs().amax(0)[corners] * gaussians.barycentric[rows]).sum(1)
    lower = jaw > jaw.median()
    color, shown = gaussians.color.clone(), torch.ones(len(gaussians))
    color[rows[lower]], color[rows[~lower]] = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])
    shown[rows[::3]] = 0
    painted = person.replace(gaussians=dataclasses.replace(gaussians, color=color))
    found = with_even_edges(painted, shown).gaussians.color[rows]
    assert float((found - color[rows]).abs().mean()) < 0.1


def test_where_nothing_shows_nothing_changes(person):
    nothing = torch.zeros(len(person.gaussians))
    assert torch.equal(with_even_edges(person, nothing).gaussians.color, person.gaussians.color)


def test_lips_of_an_open_mouth_stay_as_they_are(person):
    gaussians = person.gaussians
    lips = gaussians.region == REGION_INDEX["lips"]
    shown = torch.ones(len(gaussians))
    shown[lips.nonzero()[::3, 0]] = 0
    found = with_even_edges(person, shown, open_mouth=True).gaussians.color
    assert torch.equal(found[lips], gaussians.color[lips])
