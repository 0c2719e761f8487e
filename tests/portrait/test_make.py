"""One photo of a synthetic person becomes their avatar; the frames it was not made of are the truth."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import Consent, load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import Cancelled
from emotalk.core.landmarks import INNER_LIPS
from emotalk.core.motion import HeadMotion
from emotalk.fitting.matte import matte_of
from emotalk.fitting.starting_avatar import starting_avatar
from emotalk.fitting.video_fit import draw_frame
from emotalk.fitting.video_frames import box_mask, head_box
from emotalk.portrait.donor import INNER, Donor, with_donor
from emotalk.portrait.fringe import MOST, TURNS, with_fringe
from emotalk.portrait.hidden_sides import SKIN, how_well_seen
from emotalk.portrait.make import make_portrait
from emotalk.portrait.photo_fit import EDGE, PhotoFit
from emotalk.portrait.photo_frames import PhotoFrames
from emotalk.portrait.rest import at_rest
from tests.portrait.one_frame import FRAMES, head_error, photo_of

pytestmark = pytest.mark.slow  # an avatar is begun and fitted

CONSENT = Consent("I agree.", "2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    return photo_of(tmp_path_factory.mktemp("photo"))


@pytest.fixture(scope="module")
def made(synthetic):
    """(avatar, what was reported)."""
    news = []
    return make_portrait(synthetic[0], name="Someone", consent=CONSENT, report=news.append), news


def test_the_avatar_driven_by_the_true_motion_is_nearer_to_the_truth_than_the_photo(synthetic, made):
    photo, video, _ = synthetic
    mask = box_mask(head_box(video), video.size).numpy()
    still = photo.frame(0)
    # The avatar rests as the person of the photo sat: what it does is told from there.
    base = video.motion.head_pose[0]
    drawn, kept = [], []
    for t in range(3, FRAMES):
        motion = video.motion[t : t + 1]
        motion = HeadMotion(**(vars(motion) | {"head_pose": motion.head_pose - base}))
        drawn.append(head_error(draw_frame(made[0], motion, 0), video.frame(t), mask))
        kept.append(head_error(still, video.frame(t), mask))
    assert np.mean(drawn) < 0.6 * np.mean(kept)


def test_at_rest_it_looks_like_the_photo(synthetic, made):
    photo = at_rest(synthetic[0])
    mask = box_mask(head_box(photo), photo.size).numpy()
    drawn = draw_frame(made[0], photo.motion, 0)
    assert head_error(drawn, photo.frame(0), mask) < 10**-2.6  # 26 dB


def test_a_photo_that_speaks_makes_an_avatar_that_is_silent_at_rest(tmp_path_factory):
    """The mouth of the photo is open, that of the avatar is shut, as the person's own is at rest."""
    photo, video, person = photo_of(tmp_path_factory.mktemp("open"), size=256, frame=0)
    widest = int(video.motion.expression[:, ARKIT_INDEX["jawOpen"]].argmax())
    photo = video.part(widest, widest + 1)
    avatar = make_portrait(photo, name="Someone", consent=CONSENT)
    rested = at_rest(photo)
    calm = HeadMotion.neutral()
    truth = draw_frame(person.replace(camera=rested.camera), calm, 0)
    x, y = photo.landmarks[0][list(INNER_LIPS)].mean(0).astype(int)
    mouth = np.zeros(truth.shape[:2], bool)
    mouth[y - 18 : y + 18, x - 18 : x + 18] = True
    drawn = head_error(draw_frame(avatar, calm, 0), truth, mouth)
    assert drawn < 0.5 * head_error(photo.frame(0), truth, mouth)


def test_the_card_tells_whose_it_is_of_what_and_how_it_was_made(made):
    card = made[0].card
    assert (card.name, card.synthetic, card.consent) == ("Someone", False, CONSENT)
    assert "one photo" in card.provenance
    assert "one photo" in card.limitations
    assert card.metrics["photo_psnr_head"] > 26


def test_what_checks_found_wanting_stands_among_the_limitations(synthetic):
    photo = synthetic[0]
    wanting = dataclasses.replace(photo.quality, verdict="usable", sentences=("The mouth is open.",))
    avatar = make_portrait(dataclasses.replace(photo, quality=wanting), name="Someone", consent=CONSENT)
    assert "The mouth is open." in avatar.card.limitations


def test_the_first_picture_comes_before_the_fit(made):
    news = made[1]
    stages = [one.stage for one in news]
    first = next(k for k, one in enumerate(news) if one.preview is not None)
    assert news[first].stage == "look"
    assert stages == sorted(stages, key=("look", "fit", "done").index)
    assert stages[-1] == "done"
    height, width, _ = news[first].preview.shape
    assert width == 2 * height


def test_it_can_be_saved_and_loaded_and_is_small(made, tmp_path):
    made[0].save(tmp_path / "someone")
    loaded = load_avatar(tmp_path / "someone")
    assert len(loaded) == len(made[0])
    assert sum(path.stat().st_size for path in (tmp_path / "someone").iterdir()) < 4e6


def test_the_same_photo_and_seed_give_the_same_avatar(synthetic, made):
    again = make_portrait(synthetic[0], name="Someone", consent=CONSENT)
    assert torch.equal(again.gaussians.color, made[0].gaussians.color)
    assert torch.equal(again.corrections.color, made[0].corrections.color)


def test_who_thinks_again_gets_no_avatar(synthetic):
    news = []
    with pytest.raises(Cancelled):
        make_portrait(
            synthetic[0], name="Someone", consent=CONSENT, report=news.append, cancelled=lambda: len(news) > 2
        )
    assert news[-1].stage != "done"


@pytest.fixture
def fit(synthetic) -> PhotoFit:
    photo = at_rest(synthetic[0])
    frames = PhotoFrames(photo, matte_of(photo.frame_bytes(0), photo.labels(0)))
    start = starting_avatar(frames, load_avatar("mira").card, 6000)
    rough = with_donor(start.avatar, Donor.of(load_avatar("mira")))
    return PhotoFit(rough, frames, start.torso[torch.from_numpy(frames.rows)], steps=6)


def test_what_the_photo_hardly_shows_keeps_what_it_began_with(fit):
    before, hidden = fit.result().gaussians, fit.shown_share() < 1e-4
    fit.run(until=0.3)  # before it is looked at anew
    after = fit.result().gaussians
    assert 0.1 < float(hidden.float().mean()) < 0.9
    for name in ("position", "rotation", "log_scale"):
        change = (getattr(after, name) - getattr(before, name)).abs().amax(1)
        assert float(change[hidden].max()) < 1e-6
        assert float((change[~hidden] > 1e-6).float().mean()) > 0.3


def test_the_inside_of_the_mouth_learns_nothing(fit):
    inner = torch.isin(fit.parameters.fixed.region, torch.tensor([REGION_INDEX[name] for name in INNER]))
    before = fit.result().gaussians
    fit.run()
    after = fit.result().gaussians
    for name in ("position", "color", "log_scale", "opacity_logit"):
        assert float((getattr(after, name) - getattr(before, name))[inner].abs().max()) < 1e-5


def test_changes_by_expression_stay_as_they_came(fit):
    before = fit.result().corrections.color
    fit.run()
    assert torch.equal(fit.result().corrections.color, before)


def test_the_avatar_covers_what_the_person_does_and_nothing_else(synthetic, made):
    photo = at_rest(synthetic[0])
    matte = matte_of(photo.frame_bytes(0), photo.labels(0))
    box = box_mask(head_box(photo), photo.size).numpy()
    assert np.abs(_coverage(made[0], photo) - matte.alpha)[box].mean() < 0.03


def test_skin_that_is_seen_from_the_side_keeps_its_colour(fit):
    before = fit.result()
    seen = torch.from_numpy(how_well_seen(before, fit.frames.motion, fit.frames.camera))
    rows = (seen < EDGE).nonzero()[:, 0]
    skin = torch.tensor([REGION_INDEX[name] for name in SKIN])
    rows = rows[torch.isin(before.gaussians.region[rows], skin)]
    fit.run()
    assert len(rows) > 50
    # The colours of a region stay within what it shows as a whole: that may still move them.
    moved = (fit.result().gaussians.color - before.gaussians.color).abs().amax(1)
    assert float((moved[rows] > 1e-4).float().mean()) < 0.2 < float((moved > 1e-4).float().mean())


def test_strands_lie_around_the_hair_and_belong_to_it(synthetic):
    photo = at_rest(synthetic[0])
    matte = matte_of(photo.frame_bytes(0), photo.labels(0))
    frames = PhotoFrames(photo, matte)
    start = starting_avatar(frames, load_avatar("mira").card, 6000)
    with_strands = with_fringe(start.avatar, frames, start.torso[0])
    strands = len(with_strands) - len(start.avatar)
    assert 0 < strands <= MOST * len(TURNS)
    assert (with_strands.gaussians.region[-strands:] == REGION_INDEX["hair"]).all()
    assert with_strands.gaussians.mesh_count == start.avatar.gaussians.mesh_count
    missing = [(matte.alpha - _coverage(avatar, photo)).clip(0).mean() for avatar in (start.avatar, with_strands)]
    assert missing[1] < missing[0]


def _coverage(avatar, photo) -> np.ndarray:
    over = [draw_frame(avatar.replace(background=torch.full((3,), grey)), photo.motion, 0) for grey in (1.0, 0.0)]
    return 1 - (over[0] - over[1])[..., 0]
