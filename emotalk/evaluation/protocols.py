"""The settings in which the papers measure: self-reconstruction, few seconds of training, somebody else's voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.avatar import Consent
from emotalk.core.errors import InputError
from emotalk.core.progress import FitCallback, ProgressCallback
from emotalk.core.rates import FPS
from emotalk.evaluation.evaluate import evaluate, sound_of
from emotalk.evaluation.report import EvaluationReport
from emotalk.fitting.personalize import PersonalizeConfig, PersonalizeFit
from emotalk.learning.adapt_motion import motion_of_video
from emotalk.rendering.device import resolve_device
from emotalk.tracking.shoulder_alignment import shoulder_shifts

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.core.speech import Speech
    from emotalk.tracking import TrackedVideo

TEST_SHARE = 0.2
"""Share of a video, at its end, that nothing is fitted to."""
FEW_SECONDS = 5.0
"""What a few-shot fit gets (EmoTaG, InsTaG)."""
PROTOCOLS = ("self-reconstruction", "few-shot")


@dataclass(frozen=True)
class Split:
    """A tracked video cut in two: `train` from its beginning, `test` its last fifth."""

    train: TrackedVideo
    test: TrackedVideo


def split(tracked: TrackedVideo, seconds: float | None = None) -> Split:
    """Hold the last fifth back and train on the first `seconds`, or on all before it.

    Raises InputError where the video is too short for that.
    """
    border = len(tracked) - round(TEST_SHARE * len(tracked))
    stop = border if seconds is None else round(seconds * FPS)
    if stop > border or border == len(tracked) or stop < FPS:
        raise InputError(
            f"The video has {len(tracked) / FPS:.1f} s, of which the last fifth is held back; that is too short to "
            f"train on {seconds or 1:g} s."
        )
    return Split(tracked.part(0, stop), tracked.part(border, len(tracked)))


def held_out(
    tracked: TrackedVideo,
    folder: Path,
    protocol: str = "self-reconstruction",
    *,
    minutes: float = 2.0,
    seed: int = 0,
    device: str = "auto",
    video: str = "",
    fitting: FitCallback | None = None,
    progress: ProgressCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[GaussianAvatar, list[EvaluationReport]]:
    """Fit an avatar to the beginning of a video and judge it on the last fifth, by its motion and by its sound.

    protocol: "self-reconstruction" trains on the first four fifths, "few-shot" on the first five seconds. `folder`
    holds the state of the fit, `device` ("auto", "cpu" or "cuda") is where it is computed and drawn. Returns the avatar
    and one report for each way of driving it.
    """

    if protocol not in PROTOCOLS:
        raise InputError(f"There is no protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}.")
    where = resolve_device(device)
    parts = split(tracked, FEW_SECONDS if protocol == "few-shot" else None)
    cancelled = cancelled or (lambda: False)
    config = PersonalizeConfig(minutes=minutes, size=tracked.size, seed=seed, device=device)
    consent = Consent("For measuring only: this avatar is not kept.", datetime.now(UTC).isoformat(timespec="seconds"))
    fit = PersonalizeFit(parts.train, folder, config, name=protocol, consent=consent)
    avatar = fit.run(fitting, cancelled)
    avatar = avatar.to(where).replace(motion=motion_of_video(parts.train))
    # Shoulders of the held-out frames, hung as the fit hung them.
    torso = shoulder_shifts(tracked, fit.start.reference)[len(tracked) - len(parts.test) :]
    name = f"{protocol}, {len(parts.train) / FPS:.0f} s of training"
    shared = {"name": name, "video": video, "torso": torso, "progress": progress, "cancelled": cancelled}
    reports = [evaluate(avatar, parts.test, "motion", **shared)]
    if sound_of(parts.test) is not None:
        reports.append(evaluate(avatar, parts.test, "audio", **shared))
    return avatar, reports


def cross_audio(
    avatar: GaussianAvatar, tracked: TrackedVideo, sound: Speech, *, name: str = "", video: str = "",
    progress: ProgressCallback | None = None, cancelled: Callable[[], bool] | None = None,
) -> EvaluationReport:  # fmt: skip
    """The avatar speaks somebody else's sound while its head moves as in the video: lip sync against that sound, and
    whether the face still is one. There is no picture to compare with."""
    frames = min(len(tracked), sound.frames)
    return evaluate(
        avatar, tracked.part(0, frames), "audio", name=name, video=video, sound=sound, progress=progress,
        cancelled=cancelled,
    )  # fmt: skip
