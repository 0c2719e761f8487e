"""Shut lids that a video hardly shows are smooth skin, and brows learn little from slight frowns."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX, signals
from emotalk.avatar.latents import GROUPS
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.fitting.gaussian_parameters import GaussianParameters
from emotalk.fitting.lid_prior import ENOUGH, FEW, LidPrior, blinks_filmed
from emotalk.fitting.shipped_donor import Donor
from emotalk.fitting.video_corrections import SEEN_FRAMES, filmed, video_corrections
from tests.fitting.synthetic_video import talking_motion


def still(frames: int = 100) -> HeadMotion:
    return HeadMotion.neutral(frames)


def blinking(shut: int) -> HeadMotion:
    motion = still()
    motion.eyelids[:shut] = 0.9
    return motion


# --- how much was filmed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shut", "share"), [(0, 0), (FEW, 0), ((FEW + ENOUGH) // 2, 0.5), (ENOUGH, 1), (60, 1)])
def test_the_number_of_shut_frames_says_what_is_taken_from_the_video(shut, share):
    assert blinks_filmed(blinking(shut)) == pytest.approx(share)


def test_one_shut_eye_is_no_blink():
    motion = still()
    motion.eyelids[:50, 0] = 1.0
    assert blinks_filmed(motion) == 0


def test_brows_that_hardly_move_learn_nothing():
    motion = talking_motion(100)
    motion.expression[:, ARKIT_INDEX["browDownLeft"]] = 0
    motion.expression[:, ARKIT_INDEX["browDownRight"]] = 0
    frown = list(GROUPS).index("brows down")
    assert filmed(motion)[frown] == 0
    for side in ("Left", "Right"):
        motion.expression[: SEEN_FRAMES + 2, ARKIT_INDEX[f"browDown{side}"]] = 0.8
    assert filmed(motion)[frown] == 1
    # Lips move in every word, and lids have their own prior.
    assert filmed(still())[list(GROUPS).index("jaw")] == 1
    assert filmed(still())[len(GROUPS) :].min() == 1


def test_the_change_by_a_closing_lid_goes_on_until_it_is_shut():
    person = load_avatar("jun")
    corrections = video_corrections(person, talking_motion(100))
    lids = [corrections.latents(torch.from_numpy(signals(blinking(100)))[0])[len(GROUPS)]]
    for closure in (0.3, 0.6):
        motion = still(1)
        motion.eyelids[:] = closure
        lids.append(corrections.latents(torch.from_numpy(signals(motion))[0])[len(GROUPS)])
    assert lids[1] < lids[2] < lids[0]


# --- what shut lids look like -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spotted():
    """Jun, whose lids have spots, and the same avatar without them."""
    person = load_avatar("jun")
    gaussians = person.gaussians
    color = gaussians.color.clone()
    lids = (gaussians.region == REGION_INDEX["lids"]).nonzero()[:, 0]
    lids = lids[person.pose(HeadMotion.neutral(), 0).means[lids, 0] > 0.005]  # the left eye's
    color[lids[::3]] = 0.05
    return person.replace(gaussians=dataclasses.replace(gaussians, color=color)), person, lids


def held(spotted, hold: float):
    avatar, clean, lids = spotted
    corrections = video_corrections(avatar, blinking(5))
    parameters = GaussianParameters(avatar.gaussians, corrections)
    parameters.values["correction_position"].data[len(GROUPS)] = 1e-4
    prior = LidPrior(clean, hold, Donor.of(load_avatar("mira")))
    prior.find(parameters)
    prior.hold(parameters)
    shut = HeadMotion.neutral()
    shut.eyelids[:] = 1.0
    latents = parameters.corrections.latents(torch.from_numpy(signals(shut))[0])
    place, color = (part.detach() for part in parameters.corrections.offsets(latents))
    slot = torch.searchsorted(parameters.index, lids)
    return avatar.gaussians.color[lids] + color[slot], place[slot], parameters


def test_a_shut_lid_has_no_spots(spotted):
    color, place, _ = held(spotted, 1.0)
    skin = spotted[1].gaussians.color[spotted[1].gaussians.region == REGION_INDEX["face"]].median(0).values
    spots = spotted[0].gaussians.color[spotted[2]]
    assert color.mean(1).std() < 0.5 * spots.mean(1).std()
    assert color.min() > 0.15
    assert (color.median(0).values - skin).abs().max() < 0.12
    assert place.abs().max() < 1e-6


def test_the_open_lid_is_as_it_was(spotted):
    _, _, parameters = held(spotted, 1.0)
    opened = parameters.corrections.latents(torch.from_numpy(signals(still(1)))[0])
    assert parameters.corrections.offsets(opened)[1].abs().max() < 1e-6


def test_where_blinks_were_filmed_what_was_learned_stays(spotted):
    color, place, _ = held(spotted, 0.0)
    assert color.min() == pytest.approx(0.05)
    assert place.abs().max() > 1e-5


def test_the_forehead_does_not_blink(spotted):
    _, _, parameters = held(spotted, 1.0)
    places = np.asarray(load_avatar("jun").pose(HeadMotion.neutral(), 0).means)[parameters.index]
    high = torch.from_numpy(places[:, 1] > places[:, 1].max() - 0.04)
    lids = parameters.values["correction_color"].data[len(GROUPS) : len(GROUPS) + 2]
    assert lids[:, high].abs().max() == 0
