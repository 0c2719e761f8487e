"""One tracked photo becomes an avatar that talks.

tracked photo ─► at rest ─► matte ─► starting avatar ─► hidden sides, strands ─┐
            lids ◄─ fit to the photo ◄─ mouth, lids, folds of a shipped avatar ◄─┘
                                           └─► first preview

avatar = make_portrait(track_photo(read_photo(path), folder), name="me", consent=consent)
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar import AvatarCard, Consent, GaussianAvatar
from emotalk.avatar.detail import PictureDetail
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.thumbnail import render_thumbnail
from emotalk.core.errors import Cancelled
from emotalk.core.motion import HeadMotion
from emotalk.core.progress import FitCallback, FitProgress
from emotalk.fitting.expressive import expressive
from emotalk.fitting.matte import matte_of
from emotalk.fitting.personalize import LICENCE, one_thread
from emotalk.fitting.starting_avatar import starting_avatar
from emotalk.fitting.video_fit import draw_frame, scores
from emotalk.fitting.video_frames import box_mask, head_box
from emotalk.portrait.brows import with_firm_brows
from emotalk.portrait.donor import Donor, with_donor, with_shut_lids
from emotalk.portrait.evened import with_even_edges
from emotalk.portrait.eyeballs import with_whole_eyes
from emotalk.portrait.flow import detail_of
from emotalk.portrait.fringe import with_fringe
from emotalk.portrait.hidden_sides import completed
from emotalk.portrait.lips import mouth_is_open, soft_gap
from emotalk.portrait.open_lips import with_own_lips
from emotalk.portrait.photo_fit import STEPS, PhotoFit
from emotalk.portrait.photo_frames import PhotoFrames
from emotalk.portrait.plate import photo_plate
from emotalk.portrait.rest import at_rest
from emotalk.portrait.teeth import tooth_color
from emotalk.portrait.telling import telling

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo

GAUSSIANS = 22_000
"""Of the starting avatar; those of the donor's mouth replace some of them."""
REPORT_EVERY = 0.5  # seconds
PREVIEW_EVERY = 3.0
PROVENANCE = (
    "Made from one photo of this person with their consent. Teeth, tongue, eyelids, lashes, the shape of the lips and "
    "the shading of folds are those of the shipped avatar {donor!r} in this person's light."
)
LIMITATIONS = "Made of one photo: what it does not show (teeth, shut eyes, the sides of head and hair) is guessed."


def make_portrait(
    tracked: TrackedVideo,
    *,
    name: str,
    consent: Consent,
    seed: int = 0,
    device: str | torch.device = "cpu",
    report: FitCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
    donor: Donor | None = None,
) -> GaussianAvatar:
    """The avatar of the person on a tracked photo (`tracked_photo.track_photo`), complete and not yet saved.

    name: what the card calls them; consent: goes into the card; donor: whose mouth and lids it gets, else those of the
    shipped avatar whose skin is most alike. `report` is told the stages "look" (with the first
    picture of the avatar), "fit" and "done". Raises Cancelled when `cancelled()` becomes true, and an InputError where
    the photo was tracked with another head.
    """
    cancelled = cancelled or (lambda: False)
    with one_thread():
        work = _Portrait(tracked, name, consent, seed, device, report or (lambda _: None), cancelled, donor)
        return work.run()


class _Portrait:
    """One photo on its way to an avatar."""

    def __init__(
        self, tracked: TrackedVideo, name: str, consent: Consent, seed: int, device: str | torch.device,
        report: FitCallback, cancelled: Callable[[], bool], donor: Donor | None,
    ) -> None:  # fmt: skip
        self.photo = at_rest(tracked)
        self.card = AvatarCard(name, LICENCE, "one photo", synthetic=False, consent=consent)
        self.seed, self.device, self.donor = seed, device, donor
        self._report, self._cancelled = report, cancelled
        self._started = time.perf_counter()

    def run(self) -> GaussianAvatar:
        """All steps, one after the other."""
        self._tell("look", 0, None)
        picture = self.photo.frame_bytes(0)
        matte = matte_of(picture, self.photo.labels(0))
        frames = PhotoFrames(self.photo, matte)
        start = starting_avatar(frames, self.card, GAUSSIANS, self.seed, device=self.device)
        torso = start.torso[torch.from_numpy(frames.rows)]
        plate = photo_plate(picture, matte).to(start.avatar.device)
        donor = self.donor if self.donor is not None else Donor.for_face(start.avatar.to("cpu"))
        begun = with_fringe(completed(start.avatar.to("cpu"), frames), frames, torso[0].cpu()).replace(
            background=plate.cpu()
        )
        open_mouth = mouth_is_open(self.photo.landmarks[0])
        teeth = tooth_color(self.photo.frame(0), self.photo.landmarks[0], _facial_skin(begun))
        rough = with_donor(begun, donor, open_mouth, teeth).to(start.avatar.device)
        self._tell("look", 0, rough)
        fit = PhotoFit(rough, frames, torso, STEPS, self.seed)
        self._improve(fit)
        avatar = fit.result().to("cpu")
        shown = fit.shown_share().cpu()
        avatar = with_whole_eyes(avatar, shown, self.photo.landmarks[0], self.photo.motion, self.photo.camera)
        avatar = with_even_edges(avatar, shown, open_mouth)
        if open_mouth:
            avatar = with_own_lips(avatar, donor, shown, self.photo.landmarks[0], self.photo.motion, self.photo.camera)
        avatar = with_firm_brows(with_shut_lids(avatar, donor, rough.to("cpu")))
        avatar = avatar.replace(corrections=telling(avatar.corrections))
        avatar = self._finished(avatar, donor, torso)
        self._tell("done", STEPS, avatar)
        return avatar

    def _improve(self, fit: PhotoFit) -> None:
        told = shown = time.perf_counter()
        while fit.progress < 1:
            if self._cancelled():
                raise Cancelled("Stopped; no avatar was made.")
            fit.step()
            now = time.perf_counter()
            if now - told > REPORT_EVERY:
                due = now - shown > PREVIEW_EVERY
                self._tell("fit", fit.step_count, fit.result() if due else None)
                told, shown = now, now if due else shown

    def _finished(self, avatar: GaussianAvatar, donor: Donor, torso: torch.Tensor) -> GaussianAvatar:
        mask = box_mask(head_box(self.photo), self.photo.size)
        found = scores(avatar, self.photo.motion, torso.cpu(), self.photo.frame_bytes, np.array([0]), mask)
        metrics = {"steps": STEPS, "gaussians": len(avatar), "seconds": round(time.perf_counter() - self._started, 1)}
        card = dataclasses.replace(
            avatar.card,
            provenance=PROVENANCE.format(donor=donor.avatar.card.name),
            metrics=metrics | {f"photo_{key}": round(value, 4) for key, value in found.items()},
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            limitations=" ".join([LIMITATIONS, *self._findings()])[:4000],
            home=(0.0,) * 6,  # `at_rest` has put the photo's own pose there
        )
        avatar = expressive(avatar.replace(card=card))
        avatar = avatar.replace(detail=self._detail(avatar, torso))
        avatar.thumbnail = render_thumbnail(avatar)
        return avatar

    def _detail(self, avatar: GaussianAvatar, torso: torch.Tensor) -> PictureDetail:
        """What the photo shows finer than the avatar does; nothing of what shows between its lips, which lips would
        take along."""
        photo = self.photo
        image = detail_of(avatar, photo.frame(0), photo.motion, 0, torso[0].cpu())
        if mouth_is_open(photo.landmarks[0]):
            image *= 1 - soft_gap(photo.landmarks[0], image.shape[:2])[..., None]
        return PictureDetail(image, photo.motion)

    def _findings(self) -> tuple[str, ...]:
        quality = self.photo.quality
        return () if quality.verdict == "good" else tuple(quality.sentences)

    def _tell(self, stage: str, done: int, avatar: GaussianAvatar | None) -> None:
        if self._cancelled():
            raise Cancelled("Stopped; no avatar was made.")
        seconds = time.perf_counter() - self._started
        remaining = seconds * (STEPS - done) / done if done else None
        preview = None if avatar is None else self._preview(avatar, last=stage == "done")
        self._report(FitProgress(stage, done, STEPS, seconds, remaining, gaussians=None, preview=preview))

    def _preview(self, avatar: GaussianAvatar, last: bool) -> np.ndarray:
        """The photo and the avatar, its face at rest, side by side, [H, 2 W, 3] uint8; the last one as fine as it is
        kept."""
        shrink = 1 if last else max(1, self.photo.size // 256)
        drawn = draw_frame(avatar, HeadMotion.neutral(), 0, shrink=shrink)
        original = torch.from_numpy(self.photo.frame(0)).permute(2, 0, 1)[None]
        original = torch.nn.functional.interpolate(original, drawn.shape[:2], mode="area")[0].permute(1, 2, 0)
        both = np.concatenate([original.numpy(), drawn], axis=1)
        return (both * 255 + 0.5).clip(0, 255).astype(np.uint8)


def _facial_skin(avatar: GaussianAvatar) -> np.ndarray:
    """Colours [F, 3] of the face."""
    gaussians = avatar.gaussians
    return gaussians.color[gaussians.region == REGION_INDEX["face"]].cpu().numpy()
