"""What `python -m emotalk evaluate` does: track, measure, write."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.avatar.hub_avatars import load_avatar
from emotalk.core.errors import InputError
from emotalk.core.progress import ProgressCallback
from emotalk.evaluation.evaluate import evaluate, shoulders, sound_of
from emotalk.evaluation.protocols import cross_audio, held_out
from emotalk.evaluation.report import EvaluationReport, write_reports
from emotalk.rendering.device import resolve_device
from emotalk.speech import load_audio
from emotalk.tracking import load_tracked, track_video

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo


def check(video: Path, avatar: str | None, protocol: str | None, share: float = 1.0) -> None:
    """Raise InputError for what `run` could not begin with."""
    if (avatar is None) == (protocol is None):
        raise InputError("Name either an avatar (--avatar) or a protocol (--protocol) that makes one.")
    if not 0 < share <= 1:
        raise InputError(f"--share must lie between 0 and 1, found {share:g}.")
    if not video.exists():
        raise InputError(f"There is no video {video}; check the name.")


def run(
    video: Path,
    avatar: str | None,
    protocol: str | None,
    audio: Path | None,
    output: Path,
    share: float,
    minutes: float,
    seconds: float | None,
    device: str,
    progress: ProgressCallback,
) -> list[EvaluationReport]:
    """See the command's own help for the arguments; returns the reports that were written to `output`."""
    check(video, avatar, protocol, share)
    where = resolve_device(device)  # a GPU that is not there is known before the work begins
    with tempfile.TemporaryDirectory(prefix="emotalk-evaluate-") as work:
        tracked = _tracked(video, Path(work) / "track", seconds, progress)
        name, reports = video.name, []
        if protocol is not None:
            person, reports = held_out(
                tracked, Path(work) / "fit", protocol, minutes=minutes, device=device, video=name,
                progress=progress, fitting=progress,
            )  # fmt: skip
        else:
            person = load_avatar(avatar).to(where)
            first = round((1 - share) * len(tracked))
            tail = tracked.part(first, len(tracked))
            shared = {"name": avatar, "video": name, "torso": shoulders(tracked)[first:], "progress": progress}
            reports.append(evaluate(person, tail, "motion", **shared))
            if sound_of(tail) is not None:
                reports.append(evaluate(person, tail, "audio", moods=True, **shared))
        if audio is not None:
            title = f"{avatar or protocol} with {audio.name}"
            reports.append(cross_audio(person, tracked, load_audio(audio), name=title, video=name, progress=progress))
        write_reports(reports, output)
    return reports


def _tracked(video: Path, folder: Path, seconds: float | None, progress: ProgressCallback) -> TrackedVideo:

    if video.is_dir():
        return load_tracked(video)
    return track_video(video, folder, progress, seconds=seconds)
