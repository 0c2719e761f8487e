"""What a shipped avatar lends to the avatar of a photo."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX, signals
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.portrait.donor import (
    INNER,
    LIDS,
    MOVED,
    SHUT,
    Donor,
    eye_ratio,
    light_ratio,
    template_places,
    white_ratio,
    with_donor,
    with_shut_lids,
)


@pytest.fixture(scope="module")
def donor() -> Donor:
    return Donor.of(load_avatar("mira"))


@pytest.fixture(scope="module")
def person():
    return load_avatar("jun")


def dimmed(avatar, by: float):
    gaussians = avatar.gaussians
    return avatar.replace(gaussians=dataclasses.replace(gaussians, color=gaussians.color * by))


def of(region, *names):
    return torch.isin(region, torch.tensor([REGION_INDEX[name] for name in names]))


def test_the_same_feature_of_two_faces_has_the_same_place(donor, person):
    own = template_places(person)
    lips = of(person.gaussians.region[: len(own)], "lips").numpy()
    given = of(donor.avatar.gaussians.region[: len(donor.places)], "lips").numpy()
    assert own[lips].mean(0) == pytest.approx(donor.places[given].mean(0), abs=0.001)


def test_the_donor_has_the_skin_that_is_most_alike():
    for name in ("mira", "kofi"):
        avatar = load_avatar(name)
        assert Donor.for_face(avatar).avatar.card.name == avatar.card.name


@pytest.mark.parametrize("by", [0.4, 1.0, 1.6])
def test_light_is_compared_around_every_place(donor, by):
    ratio = light_ratio(dimmed(donor.avatar, by), donor.places, donor, donor.places[:200])
    assert ratio.numpy() == pytest.approx(np.full((200, 3), by), rel=0.15)
    lids = of(donor.avatar.gaussians.region[: len(donor.places)], "lids").numpy()
    assert eye_ratio(dimmed(donor.avatar, by), donor.places, donor, donor.places[lids]).mean() == pytest.approx(
        by, rel=0.1
    )


def test_the_white_of_the_eyes_tells_the_light_on_teeth(donor):
    assert white_ratio(donor.avatar, donor.avatar) == pytest.approx(1)
    assert white_ratio(dimmed(donor.avatar, 0.9), donor.avatar) == pytest.approx(0.9)
    assert white_ratio(dimmed(donor.avatar, 0.1), donor.avatar) > 0.5  # eyes in a shadow make no black teeth


def test_a_photo_without_colour_has_a_mouth_without_colour(donor, person):
    grey = person.gaussians.color.mean(1, keepdim=True).expand(-1, 3).contiguous()
    avatar = with_donor(person.replace(gaussians=dataclasses.replace(person.gaussians, color=grey)), donor)
    inner = of(avatar.gaussians.region, *INNER)
    wide = HeadMotion.neutral()
    wide.expression[0, ARKIT_INDEX["jawOpen"]] = 0.6
    for motion in (HeadMotion.neutral(), wide):
        color = avatar.pose(motion, 0).colors[inner]
        assert float((color - color.mean(1, keepdim=True)).abs().max()) < 1e-4
    vivid = with_donor(person, donor).pose(wide, 0).colors[inner]
    assert float((vivid - vivid.mean(1, keepdim=True)).abs().max()) > 0.05


def test_mouth_lips_and_lids_are_the_donors_and_all_else_the_persons(donor, person):
    both = with_donor(person, donor)
    for names, source in ((MOVED, donor.avatar), (("face", "ears", "eyes", "hair", "clothes"), person)):
        wanted = source.gaussians.position[: source.gaussians.mesh_count]
        wanted = wanted[of(source.gaussians.region[: source.gaussians.mesh_count], *names)]
        found = both.gaussians.position[: both.gaussians.mesh_count]
        found = found[of(both.gaussians.region[: both.gaussians.mesh_count], *names)]
        assert torch.equal(found, wanted)


def test_lips_have_the_colour_of_the_persons_lips(donor, person):
    red = person.gaussians.color.clone()
    red[of(person.gaussians.region, "lips")] = torch.tensor([0.7, 0.1, 0.2])
    made_up = person.replace(gaussians=dataclasses.replace(person.gaussians, color=red))
    lips = with_donor(made_up, donor).gaussians
    assert (lips.color[of(lips.region, "lips")] - torch.tensor([0.7, 0.1, 0.2])).abs().max() < 1e-5


def test_the_skin_changes_with_the_expression_as_the_donors_does(donor, person):
    avatar = with_donor(person.replace(corrections=None), donor)
    corrections = avatar.corrections
    assert bool((corrections.index[1:] > corrections.index[:-1]).all())
    given = donor.avatar.corrections
    face = of(avatar.gaussians.region[corrections.index], "face")
    theirs = of(donor.avatar.gaussians.region[given.index], "face")
    assert float(corrections.color[:, face].std()) == pytest.approx(float(given.color[:, theirs].std()), rel=0.5)
    avatar.pose(HeadMotion.neutral(), 0)


def test_shut_lids_are_the_donors_in_the_light_of_the_face(donor):
    """Also where a fit has learned lashes and creases on open ones."""
    dim = dimmed(donor.avatar, 0.5)
    color = dim.gaussians.color.clone()
    lids = of(dim.gaussians.region, "lids")
    color[lids] = 0.02
    spoiled = dim.replace(gaussians=dataclasses.replace(dim.gaussians, color=color))
    mended = with_shut_lids(spoiled, donor, dim)
    shut = HeadMotion.neutral()
    shut.eyelids[:] = 1
    latents = mended.corrections.latents(torch.from_numpy(signals(shut)[0]))
    assert latents[list(LIDS)].tolist() == [SHUT, SHUT]
    found = mended.pose(shut, 0).colors[lids]
    wanted = 0.5 * donor.avatar.pose(shut, 0).colors[lids]
    assert float((found - wanted).abs().mean()) < 0.05  # without its single lashes and spots
    assert float((spoiled.pose(shut, 0).colors[lids] - wanted).abs().mean()) > 0.1
    open_eyes = mended.pose(HeadMotion.neutral(), 0).colors
    assert torch.equal(open_eyes, spoiled.pose(HeadMotion.neutral(), 0).colors)


def test_teeth_are_where_the_donor_has_them_whatever_the_mouth_of_the_photo(donor, person):
    avatar = with_donor(person, donor)
    inner = of(avatar.gaussians.region, *INNER)
    assert int(inner.sum()) == int(of(donor.avatar.gaussians.region[: donor.avatar.gaussians.mesh_count], *INNER).sum())
