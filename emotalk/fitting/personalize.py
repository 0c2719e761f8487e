"""A few seconds of tracked video become an avatar of the person in it.

TrackedVideo ─► varied frames ─► starting avatar ─► VideoFit (coarse, fine; poses refined) ─► GaussianAvatar + card

    fit = PersonalizeFit(load_tracked(folder), work, PersonalizeConfig(minutes=2), name="me", consent=consent)
    avatar = fit.run(report)
    avatar.save(cache_dir("avatars") / "me")
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar import AvatarCard, Consent, GaussianAvatar
from emotalk.avatar.home import usual_pose
from emotalk.avatar.thumbnail import render_thumbnail
from emotalk.core.atomic import write_json
from emotalk.core.errors import Cancelled, CheckpointError, InputError
from emotalk.core.progress import FitCallback, FitProgress
from emotalk.fitting.expressive import expressive, shown_folds
from emotalk.fitting.fit_start import load_start, save_start
from emotalk.fitting.frame_poses import CHANNELS
from emotalk.fitting.gaussian_fit import FitConfig
from emotalk.fitting.starting_avatar import Start, starting_avatar
from emotalk.fitting.video_fit import VideoFit, draw_frame, scores
from emotalk.fitting.video_frames import ExtraPair, VideoFrames, box_mask, head_box, held_out, usable_rows, varied
from emotalk.rendering import resolve_device

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo

ExtraPairs = Callable[[Start, VideoFrames], Iterable[ExtraPair]]
"""From the start of a fit and the frames it learns from to more training pairs: pictures [H, W, 3] uint8 through the
avatar's own camera, with one frame of motion each. A generator of expressions that the video lacks plugs in here."""

LICENCE = "Personal likeness: to be used with the consent of the person shown, and only for what they agreed to"
START, STATE, CURVE = "start.safetensors", "fit.safetensors", "curve.json"
START_FORMAT = 3
"""Counts up where a start of before no longer fits what a fit does with it."""
FEWEST_FRAMES = 25
MOST_STEPS = 20_000
LEAST_STEPS = 600
"""However busy the machine is and however few minutes there are: with fewer a face is still a sketch."""
LEAST_FURTHER = 200
"""The same for a finished fit that is given more time."""
RATE_OVER = 25
"""Steps over which it is measured how long one takes, and after which what is left is planned anew."""
USUAL_STEP = 0.1
"""Seconds, on two idle cores."""
SAVE_EVERY = 20.0  # seconds
REPORT_EVERY = 0.5
PREVIEW_EVERY = 3.0
JUDGE_EVERY = 0.05  # share of the fit
LEVEL = 0.04
"""dB that the held-out frames must gain over `LEVEL_SPAN` of the fit, or its end begins."""
LEVEL_SPAN = 0.2
FURTHER = 0.6
"""Progress from which a finished fit goes on when it is given more time."""
GONE = (
    "The state of this fit is damaged, or another version of the program left it: it cannot be gone on with. Make the "
    "avatar again from its video."
)
END = 0.8
"""Progress at which the end of a fit begins; the coarse part and densification lie before."""


@dataclass(frozen=True)
class PersonalizeConfig:
    """How long and how to fit."""

    minutes: float = 2.0  # of wall clock, all in, over all resumed parts; more where `LEAST_STEPS` take longer
    steps: int | None = None  # exactly so many, whatever time they take: the same result on every machine
    size: int = 512  # pixels of the finest pictures that are compared
    gaussians: int = 22_000  # at the start
    budget: int = 30_000  # at the end
    frames: int = 400  # at most so many frames are learned from: the most varied ones
    hold_out: int = 8  # frames that are only judged by
    refine: tuple[str, ...] = ("expression", "eyelids", "gaze")
    """Parts of the tracked pose that are refined. Head and shoulders are not: tracking has aligned both with the
    picture, and refined again they followed noise (-0.2 dB in the heads of frames never seen, -0.4 in all)."""
    seed: int = 0
    device: str = "auto"  # "cpu", "cuda" or "auto": CUDA where gsplat can draw, else the CPU

    def __post_init__(self) -> None:
        if not self.minutes > 0 or not math.isfinite(self.minutes):
            raise InputError(f"A fit needs a number of minutes greater than 0, found {self.minutes}.")
        if self.steps is not None and not 1 <= self.steps <= MOST_STEPS:
            raise InputError(f"A fit takes 1 to {MOST_STEPS} steps, found {self.steps}.")
        if not 3000 <= self.gaussians <= self.budget <= 200_000:
            raise InputError(
                f"A fit takes 3000 to 200000 Gaussians and a budget that is no smaller, found {self.gaussians} and "
                f"{self.budget}."
            )
        if not 64 <= self.size <= 1024 or self.frames < 1 or self.hold_out < 0:
            raise InputError("A fit takes pictures of 64 to 1024 pixels, at least 1 frame, and hold_out >= 0.")
        unknown = set(self.refine) - set(CHANNELS)
        if unknown:
            raise InputError(f"Unknown part of a pose {sorted(unknown)[0]!r}; choose from {', '.join(CHANNELS)}.")


class PersonalizeFit:
    """Responsibilities: turn one tracked video into an avatar within a budget, resumably, on the device of the config.

    Everything needed to go on after a kill lies in `folder`, each file moved into place when complete. A folder of
    another video or other settings is begun afresh.
    """

    def __init__(
        self,
        tracked: TrackedVideo,
        folder: Path,
        config: PersonalizeConfig | None = None,
        *,
        name: str,
        consent: Consent,
        extra_pairs: ExtraPairs | None = None,
    ) -> None:
        self.tracked, self.folder = tracked, Path(folder)
        self.config = config if config is not None else PersonalizeConfig()
        self.name, self.consent, self.extra_pairs = name, consent, extra_pairs
        rows = usable_rows(tracked)
        if len(rows) < FEWEST_FRAMES:
            raise InputError(
                f"Only {len(rows)} of {len(tracked)} frames show a well tracked face, at least {FEWEST_FRAMES} (one "
                "second) are needed; record again facing the camera, in even light."
            )
        train, self.judged = held_out(rows, self.config.hold_out)
        self.device = resolve_device(self.config.device)
        self.frames = VideoFrames(tracked, varied(tracked, train, self.config.frames))
        self.mask = box_mask(head_box(tracked), tracked.size)
        self.curve: list[tuple[float, int, float]] = []  # progress, step, dB over the head
        self.fit: VideoFit | None = None
        self._loop = 0.0, 0.0  # when the steps of this run began, and the seconds of steps before

    def run(
        self,
        report: FitCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
        further: bool = False,
    ) -> GaussianAvatar:
        """Fit, and return the finished avatar (not saved yet). With `further`, a fit that was finished goes on for as
        many minutes or steps as the config has; InputError where its folder holds none, or one of another program.

        `report` is called about twice a second; it counts steps (how many there will be is estimated where the fit is
        bounded by time), and its stages are "look" (colours and plate from the frames), "fit" and "done". Where
        `cancelled()` becomes true the state is saved and Cancelled raised; calling `run` again, also in another
        process, goes on from there.
        """
        with one_thread():
            begun = time.perf_counter()
            self._tell(report, "look", None)
            fit = self.fit = self._begin(further)
            outside = time.perf_counter() - begun
            saved = shown = told = time.perf_counter()
            minutes = math.inf if self.config.steps else max(self.config.minutes - outside / 60, 0.05)
            floor = self._planned(minutes, further)
            next_judgement = fit.progress
            self._loop = time.perf_counter(), fit.seconds
            if report is not None:
                self._tell(report, "fit", self.preview())
            while fit.progress < 1:
                if cancelled is not None and cancelled():
                    self._save()
                    raise Cancelled("The fit was stopped; it can go on from here.")
                if fit.progress >= next_judgement:
                    self._judge()
                    next_judgement = fit.progress + JUDGE_EVERY
                fit.step()
                floor.heed()
                now = time.perf_counter()
                if now - saved > SAVE_EVERY:
                    self._save()
                    saved = time.perf_counter()
                if report is not None and now - told > REPORT_EVERY:
                    preview = self.preview() if now - shown > PREVIEW_EVERY else None
                    shown = now if preview is not None else shown
                    self._tell(report, "fit", preview)
                    told = time.perf_counter()
            self._judge()
            self._save()
            avatar = self._finished()
            self._tell(report, "done", self.preview())
        return avatar

    def preview(self) -> np.ndarray:
        """A judged frame and the avatar as it is now in its tracked pose, side by side, [H, 2 W, 3] uint8."""
        row = int(self.judged[len(self.judged) // 2] if len(self.judged) else self.frames.rows[0])
        shrink = max(1, self.tracked.size // 256)
        avatar = self.fit.result()
        drawn = draw_frame(avatar, self.tracked.motion, row, self.start.torso[row], shrink)
        original = torch.from_numpy(self.tracked.frame(row)).permute(2, 0, 1)[None]
        original = torch.nn.functional.interpolate(original, drawn.shape[:2], mode="area")[0].permute(1, 2, 0)
        both = np.concatenate([original.numpy(), drawn], axis=1)
        return (both * 255 + 0.5).clip(0, 255).astype(np.uint8)

    @property
    def rows(self) -> np.ndarray:
        """The frames [R] of the video that are learned from or judged by, in order."""
        return np.unique(np.concatenate([self.frames.rows, np.asarray(self.judged, int)]))

    def _planned(self, minutes: float, further: bool) -> _Floor:
        """Give the fit so many minutes. A finished one that goes further takes its last part again: what comes before
        would undo what was learned."""
        fit = self.fit
        if not further:

            def plan(minutes: float) -> None:
                fit.config = dataclasses.replace(fit.config, minutes=minutes)

            plan(minutes)
            return _Floor(fit, minutes, LEAST_STEPS, 0.0, plan)
        share, done, spent = 1 - FURTHER, fit.step_count, fit.seconds
        steps = round((self.config.steps or MOST_STEPS) / share)
        self.curve = []

        def last_part(minutes: float) -> None:
            fit.config = dataclasses.replace(fit.config, minutes=minutes / share, steps=steps)
            fit.skipped = FURTHER - max(done / steps, spent / (60 * fit.config.minutes))

        minutes = max(minutes, self.config.minutes) if math.isfinite(minutes) else minutes
        last_part(minutes)
        return _Floor(fit, minutes, done + LEAST_FURTHER, spent, last_part)

    def _begin(self, further: bool = False) -> VideoFit:
        """The fit as it was left in the folder, or a new one; with `further`, an InputError in place of that."""
        config, stamp = self.config, self._fingerprint()
        self.folder.mkdir(parents=True, exist_ok=True)
        card = AvatarCard(self.name, LICENCE, self._provenance(), synthetic=False, consent=self.consent)
        self.start = load_start(self.folder / START, stamp, card, self.tracked)
        if further and (self.start is None or not (self.folder / STATE).exists()):
            raise InputError(GONE)
        if self.start is None:
            (self.folder / STATE).unlink(missing_ok=True)
            self.start = starting_avatar(self.frames, card, config.gaussians, config.seed, self.judged)
            save_start(self.folder / START, self.start, stamp)
        start = self.start.avatar.replace(card=card).to(self.device)
        if self.extra_pairs is not None and not self.frames.extra:
            self.frames.add(self.extra_pairs(self.start, self.frames))
        torso = self.start.torso[torch.from_numpy(self.frames.rows)]
        still = torch.zeros(torso.shape[1:])
        extra = [still if pair.torso is None else pair.torso for pair in self.frames.extra]
        torso = torch.cat([torso, torch.stack(extra)]) if extra else torso
        fit_config = FitConfig(
            steps=config.steps or MOST_STEPS, budget=config.budget, seed=config.seed, minutes=config.minutes,
            frozen=("view_color",),
        )  # fmt: skip
        shrink = max(1, round(self.tracked.size / config.size))
        fit = VideoFit(start, self.frames, torso, fit_config, config.refine, shrink)
        self.curve = []
        if (self.folder / STATE).exists():
            try:
                fit.load_state(self.folder / STATE)
                self.curve = [tuple(point) for point in json.loads((self.folder / CURVE).read_text())]
            except (CheckpointError, OSError, ValueError) as error:
                if further:
                    raise InputError(GONE) from error
                fit = VideoFit(start, self.frames, torso, fit_config, config.refine, shrink)
        return fit

    def _judge(self) -> None:
        """Score the held-out frames; where they have levelled off, go to the end of the fit."""
        fit = self.fit
        if not len(self.judged):
            return
        found = self._scores(self.judged)
        self.curve.append((fit.progress, fit.step_count, found["psnr_head"]))
        if self.config.steps or not fit.config.densify_until <= fit.progress < END or fit.step_count < LEAST_STEPS:
            return
        before = [dB for progress, _, dB in self.curve if progress <= fit.progress - LEVEL_SPAN]
        if before and found["psnr_head"] < max(before) + LEVEL:
            fit.skip_to(END)

    def _scores(self, rows: np.ndarray) -> dict[str, float]:
        tracked, torso = self.tracked, self.start.torso
        return scores(self.fit.result(), tracked.motion, torso, tracked.frame_bytes, rows, self.mask)

    def _finished(self) -> GaussianAvatar:
        fit = self.fit
        avatar = fit.result()
        metrics = {"steps": fit.step_count, "gaussians": len(avatar), "frames": len(self.frames),
                   "seconds": round(fit.seconds, 1)}  # fmt: skip
        if len(self.judged):
            metrics |= {name: round(value, 4) for name, value in self._scores(self.judged).items()}
        card = dataclasses.replace(
            avatar.card,
            metrics=metrics,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            home=usual_pose(self.tracked.motion.head_pose, self.tracked.seen),
            limitations="Made of one short video: sides, expressions and teeth that it never shows are guessed.",
        )
        avatar = expressive(avatar.replace(card=card), shown=shown_folds(self.tracked.motion))
        avatar.thumbnail = render_thumbnail(avatar)
        return avatar

    def _save(self) -> None:
        write_json(self.folder / CURVE, self.curve, indent=None)
        self.fit.save_state(self.folder / STATE)

    def _tell(self, report, stage: str, preview: np.ndarray | None) -> None:
        if report is None:
            return
        fit = self.fit
        if fit is None:
            return report(FitProgress(stage, remaining=60 * self.config.minutes, preview=preview))
        done = max(fit.progress, 1e-3)
        steps = self.config.steps or max(fit.step_count, round(fit.step_count / done))
        psnr = self.curve[-1][2] if self.curve else None
        remaining = 0.0 if stage == "done" else self._left(done)
        return report(FitProgress(stage, fit.step_count, steps, fit.seconds, remaining, psnr=psnr, preview=preview))

    def _left(self, done: float) -> float:
        """Seconds that the fit still takes when so much of it is done: as planned, and what judging and showing it
        takes beside its steps."""
        fit = self.fit
        if math.isinf(fit.config.minutes):
            left = fit.seconds * (1 - done) / done
        else:
            left = (1 - done) * 60 * fit.config.minutes
        (since, before), now = self._loop, time.perf_counter()
        stepped = fit.seconds - before
        return left * (min(max((now - since) / stepped, 1.0), 3.0) if stepped > 1 else 1.0)

    def _provenance(self) -> str:
        seconds = len(self.tracked) / 25
        return f"Fitted to {seconds:.1f} seconds of video of this person with their consent."

    def _fingerprint(self) -> str:
        """Of everything a start depends on: video, frames and settings, but not the budget of time nor the device."""
        digest = hashlib.sha256()
        settings = dataclasses.asdict(self.config) | {"minutes": 0, "steps": 0, "start": START_FORMAT}
        del settings["device"]  # what was begun on one goes on on another
        digest.update(json.dumps(settings, sort_keys=True, default=list).encode())
        digest.update(np.ascontiguousarray(self.tracked.identity).tobytes())
        for channel in vars(self.tracked.motion).values():
            digest.update(np.ascontiguousarray(channel).tobytes())
        digest.update(self.frames.rows.tobytes())
        return digest.hexdigest()


class _Floor:
    """Lengthens a fit that is bounded by time as far as it takes to the step `least`, at the pace of the last ones.
    `since` are the seconds of steps from which its minutes count; `plan` gives it other ones."""

    def __init__(self, fit: VideoFit, minutes: float, least: int, since: float, plan: Callable[[float], None]) -> None:
        self._fit, self._minutes, self._least = fit, minutes, least
        self._since, self._plan = since, plan
        self._before: list[float] = [fit.seconds]

    def heed(self) -> None:
        """Called after every step."""
        fit = self._fit
        self._before.append(fit.seconds)
        if math.isinf(self._minutes) or fit.step_count >= self._least:
            return
        # The first one may compile. The median: a machine that was asleep for a minute is not slow.
        took = np.diff(self._before[1:][-RATE_OVER - 1 :])
        if len(took) == RATE_OVER and fit.step_count % RATE_OVER and fit.progress < 1:
            return
        pace = float(np.median(took)) if len(took) else USUAL_STEP
        needed = (fit.seconds - self._since + (self._least - fit.step_count) * pace) / 60
        self._plan(max(self._minutes, needed))


@contextmanager
def one_thread():
    """One torch thread: at this size sharing a tensor costs more than computing it; kernels have their own workers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
