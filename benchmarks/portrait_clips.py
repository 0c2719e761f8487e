"""One frame of a real clip as the photo, the rest of the clip as the truth: the portrait driven by the person's own
filmed motion, beside the still photo, and a neutral photo driven by the same person's acted emotions.

The clips are research material outside of the repository; EMOTALK_TRACKS names the folder where they stay tracked.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from emotalk.avatar import GaussianAvatar
from emotalk.core.image_metrics import peak_ratio
from emotalk.core.landmarks import OUTER_LIPS, eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.core.ssim import ssim
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.evaluation.faces import landmark_distance, lip_agreement
from emotalk.fitting.video_fit import draw_frame
from emotalk.fitting.video_frames import box_mask, head_box
from emotalk.head import HeadModel
from emotalk.learning.driven_photo import MEASURING, DrivenPhoto, camera_of, driven_photo, neutral_row
from emotalk.portrait.detail import DetailPainter
from emotalk.tracking import TrackedVideo, track_video
from emotalk.tracking.fit import fit_video, lens_for, start_frames
from emotalk.tracking.landmark_bias import without_bias
from emotalk.tracking.reading import Shots
from emotalk.tracking.rig import motion_of
from emotalk.tracking.solve import Face

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips"
TRACKS = "EMOTALK_TRACKS"
SECONDS = 8.0
FRAMES = 30
"""Of each clip are compared."""
OWN = {
    "German": "mimictalk_German20s.mp4",
    "Obama": "edtalk_uncrop_Obama.mp4",
    "W009": "mead/dreamtalk_W009_front_neutral_level1_001.mp4",
    "M030": "mead/dreamtalk_M030_front_neutral_level1_001.mp4",
    "cnn2": "dfrf_cnn2_25fps.mp4",
    "Radio2": "sadtalker_RD_Radio2.mp4",
}
ACTED = tuple((who, mood) for who in ("M030", "W009") for mood in ("happy", "angry", "sad", "surprised"))
CONSENT = MEASURING


@dataclass(frozen=True)
class Clip:
    """A tracked clip and its landmarks."""

    tracked: TrackedVideo
    points: np.ndarray  # [T, 478, 3] px as they were seen


def table() -> Iterator[str]:
    """Markdown."""
    if not CLIPS.is_dir():
        yield "The clips are not on this machine."
        return
    yield (
        "Over the head's box; LMD of the mouth in percent of the eye distance; lip r of its opening; sharpness: mean "
        "gradient around the mouth in that of the recording. Identity, pose and lens come from the one frame.\n"
    )
    yield "| clip | shown | PSNR, dB | SSIM | LMD | lip r | sharpness |\n|---|---|---|---|---|---|---|"
    torch.set_num_threads(1)
    kept = os.environ.get(TRACKS)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(kept or folder)
        photos: dict[str, DrivenPhoto] = {}
        for name, file in OWN.items():
            clip = tracked_clip(CLIPS / file, work)
            row = neutral_row(clip.tracked)
            rows = compared(clip.tracked, row)
            photos[name] = driven = driven_photo(clip.tracked, clip.points, row, rows)
            still, detailed = clip.tracked.frame(row), with_detail(driven.avatar)
            yield line(name, "the photo", clip.tracked, rows, lambda _, still=still: still)
            for shown, draw in (("Gaussians", draw_frame), ("with the photo's detail", detailed)):
                yield line(
                    name, shown, clip.tracked, rows,
                    lambda t, draw=draw, d=driven: draw(d.avatar, d.motion, t, d.torso[t]),
                )  # fmt: skip
        yield "\nThe neutral photo driven by the same person's acted emotions (other clips):\n"
        yield "| clip | mood | shown | LMD | lip r | slope |\n|---|---|---|---|---|---|"
        for who, mood in ACTED:
            photo = photos[who]
            clip = tracked_clip(CLIPS / f"mead/dreamtalk_{who}_front_{mood}_level3_001.mp4", work)
            filmed, motion = driven_by(photo.avatar, photo.face, clip)
            for shown, draw in (("Gaussians", draw_frame), ("with detail", with_detail(photo.avatar))):
                yield acted_line(
                    who, f"{mood} | {shown}", clip.tracked, lambda t, a=filmed, m=motion, draw=draw: draw(a, m, t)
                )


def tracked_clip(video: Path, work: Path) -> Clip:
    """The clip, tracked once."""
    folder = work / video.stem
    tracked = track_video(video, folder, seconds=SECONDS)
    with np.load(folder / "landmarks.npz") as file:
        shots = Shots(**{name: file[name] for name in file.files if name != "version"})
    return Clip(tracked, shots.points)


def compared(tracked: TrackedVideo, row: int) -> np.ndarray:
    """Numbers [R] of the frames that are compared: spread over the clip, not next to the photo."""
    rows = np.flatnonzero(tracked.seen)
    rows = rows[np.abs(rows - row) > 3]
    return rows[np.linspace(0, len(rows) - 1, min(FRAMES, len(rows))).astype(int)]


def driven_by(avatar: GaussianAvatar, face: Face, clip: Clip) -> tuple[GaussianAvatar, HeadMotion]:
    """The avatar as the camera of another clip of the same person sees it, and that clip's motion, which is fitted to
    the face of the photo."""
    points, size = clip.points.astype(np.float64), clip.tracked.size
    scale = eye_distance(points)
    lens = lens_for(HeadModel.load(), size, scale, face.rig.identity)
    face = dataclasses.replace(face, lens=lens, scale=scale)
    points = without_bias(points, scale)
    start = start_frames(face.rig, lens, points[:1])
    every = fit_video(face, points, np.array([0]), start, clip.tracked.blendshapes, calm=False)
    motion = motion_of(face.rig, every.frames.rotation, every.frames.place, every.frames.controls)
    return avatar.replace(camera=camera_of(lens, size)), motion


def with_detail(avatar: GaussianAvatar) -> Callable[..., np.ndarray]:
    """What draws a frame of a photo's avatar with the photo's detail: (avatar as a camera sees it, motion, t, torso) ->
    [H, W, 3] float32."""
    painter = DetailPainter(avatar)

    def drawn(seen: GaussianAvatar, motion: HeadMotion, t: int, torso: torch.Tensor | None = None) -> np.ndarray:
        pixels = (255 * draw_frame(seen, motion, t, torso) + 0.5).astype(np.uint8)
        painter.paint(pixels, painter.move(seen.pose(motion, t, seen.camera, torso), seen.camera, motion, t))
        return pixels.astype(np.float32) / 255

    return drawn


def line(name: str, shown: str, tracked: TrackedVideo, rows: np.ndarray, picture: Callable[[int], np.ndarray]) -> str:
    """One row of the table."""
    mask = box_mask(head_box(tracked), tracked.size)
    found = []
    with ClipDetector() as ours, ClipDetector() as theirs:
        for t in rows:
            image, wanted = picture(int(t)), tracked.frame(int(t))
            ours.detect(image)
            theirs.detect(wanted)
            error = float(np.square(image - wanted)[mask.numpy()].mean())
            alike = float(ssim(torch.from_numpy(image), torch.from_numpy(wanted), mask.float()))
            mouth = _around_mouth(tracked, int(t))
            found.append((peak_ratio(error), alike, _gradient(image, mouth) / _gradient(wanted, mouth)))
        distance, _ = landmark_distance(ours.detections(), theirs.detections())
        lips = lip_agreement(ours.detections(), theirs.detections())
    psnr, alike, sharp = np.mean(found, axis=0)
    r = float("nan") if lips is None else lips.correlation
    return f"| {name} | {shown} | {psnr:.2f} | {alike:.3f} | {np.nanmean(distance):.2f} | {r:.2f} | {sharp:.2f} |"


def acted_line(who: str, mood: str, tracked: TrackedVideo, picture: Callable[[int], np.ndarray]) -> str:
    """One row of the second table."""
    rows = np.flatnonzero(tracked.seen)
    rows = rows[np.linspace(0, len(rows) - 1, min(2 * FRAMES, len(rows))).astype(int)]
    with ClipDetector() as ours, ClipDetector() as theirs:
        for t in rows:
            ours.detect(picture(int(t)))
            theirs.detect(tracked.frame(int(t)))
        distance, _ = landmark_distance(ours.detections(), theirs.detections())
        lips = lip_agreement(ours.detections(), theirs.detections())
    r, slope = (float("nan"),) * 2 if lips is None else (lips.correlation, lips.slope)
    return f"| {who} | {mood} | {np.nanmean(distance):.2f} | {r:.2f} | {slope:.2f} |"


def _around_mouth(tracked: TrackedVideo, t: int) -> np.ndarray:
    lips = tracked.landmarks[t][list(OUTER_LIPS)]
    low, high = lips.min(0), lips.max(0)
    (x, y), half = (low + high) / 2, 0.75 * (high[0] - low[0])
    mask = np.zeros((tracked.size, tracked.size), bool)
    mask[max(0, int(y - 0.8 * half)) : int(y + 0.9 * half), max(0, int(x - half)) : int(x + half)] = True
    return mask


def _gradient(image: np.ndarray, mask: np.ndarray) -> float:
    grey = image.mean(-1)
    across, down = np.abs(np.diff(grey, axis=1))[:-1], np.abs(np.diff(grey, axis=0))[:, :-1]
    return float((across + down)[mask[:-1, :-1]].mean())
