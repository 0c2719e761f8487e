"""A tracked video: a folder of frames and masks, and what the head in them does."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from emotalk.core.atomic import replacing, write_json
from emotalk.core.camera import Camera
from emotalk.core.errors import TrackingError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS, SAMPLE_RATE

if TYPE_CHECKING:
    from emotalk.core.camera import Camera
    from emotalk.core.speech import Speech

FORMAT_VERSION = 1
TRACK, QUALITY, SOUND, FINISHED = "track.npz", "quality.json", "audio.wav", "finished.json"


@dataclass(frozen=True)
class TrackQuality:
    """How well a video can be used, in numbers and in words."""

    verdict: Literal["good", "usable", "poor"]
    sentences: tuple[str, ...]  # what was found and what to do better
    seconds: float  # of the tracked stretch
    seen: float  # share of its frames with a face that fits
    error: float  # median distance of landmarks seen and predicted, px of the crop
    relative_error: float  # the same in eye distances
    yaw: tuple[float, float]  # degrees of head turn, 2nd and 98th percentile
    pitch: tuple[float, float]
    mouth: tuple[float, float]  # opening in eye distances, 2nd and 98th percentile
    blinks: int
    sharpness: float  # 1: every detail a picture of this size can hold; below 0.3 blurred
    face_height: float  # pixels of the source
    cuts: int = 0
    sound: bool = False
    sound_offset: int = 0  # frames by which the picture was late against the sound, already put right


@dataclass(frozen=True)
class TrackedVideo:
    """A stretch of video of one person at 25 fps with head motion. Frames are read from disk one by one.

    `camera` is one for all frames of the square crop (pixels of the crop); its focal length is fixed, so depth and
    head size are what fits it. `torso` [T, 3] is the similarity (dx px, dy px, log scale) that takes a pixel p of the
    shoulders in the first good frame to c + exp(log scale) (p - c) + (dx, dy), where c is the crop's centre.
    """

    folder: Path
    size: int
    identity: np.ndarray  # [I] float32
    motion: HeadMotion  # [T]
    camera: Camera
    torso: np.ndarray  # [T, 3] float32, 0 where unknown
    landmarks: np.ndarray  # [T, 478, 2] float32 px, NaN where no face
    seen: np.ndarray  # [T] bool: face found and fit good; use only these for training
    error: np.ndarray  # [T] float32 px, NaN where no face
    blendshapes: np.ndarray | None  # [T, 52] float32 as the face landmarker saw them
    quality: TrackQuality
    fps: int = FPS
    first: int = field(default=0, repr=False)  # number of the first frame's file

    def __len__(self) -> int:
        return len(self.seen)

    def frame(self, t: int) -> np.ndarray:
        """Picture [size, size, 3] float32 in [0, 1] of frame `t`."""
        return self.frame_bytes(t).astype(np.float32) / 255

    def frame_bytes(self, t: int) -> np.ndarray:
        """The same [size, size, 3] as uint8."""
        return _picture(self.folder / "frames" / f"{self._number(t):06d}.jpg", "RGB")

    def labels(self, t: int) -> np.ndarray:
        """[size, size] uint8: 0 background, 1 person (torso, neck, clothes), 2 hair, 3 facial skin."""
        return _picture(self.folder / "masks" / f"{self._number(t):06d}.png", "L")

    def audio(self) -> Speech | None:
        """The sound of these frames at 16 kHz, in step with them; None where the video has none."""
        # Imported here: sound libraries only where it is heard.
        from emotalk.speech import load_audio

        path = self.folder / SOUND
        if not path.is_file():
            return None
        speech = load_audio(path)
        step = SAMPLE_RATE // FPS
        return dataclasses.replace(
            speech, samples=speech.samples[self.first * step : (self.first + len(self)) * step], phones=(), words=()
        )

    def part(self, start: int, stop: int) -> TrackedVideo:
        """Frames [start, stop) as a video of their own in the same folder."""
        start, stop, _ = slice(start, stop).indices(len(self))
        rows = slice(start, max(start, stop))
        cut = {name: getattr(self, name)[rows] for name in ("motion", "torso", "landmarks", "seen", "error")}
        shapes = None if self.blendshapes is None else self.blendshapes[rows]
        return dataclasses.replace(self, **cut, blendshapes=shapes, first=self.first + start)

    def _number(self, t: int) -> int:
        if not 0 <= t < len(self):
            raise TrackingError(f"Frame {t} was asked for; this video has frames 0 to {len(self) - 1}.")
        return self.first + int(t)


def _picture(path: Path, mode: str) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.array(image.convert(mode))  # writable, as torch wants arrays
    except OSError as error:
        raise TrackingError(f"{path.name} of a tracked video cannot be read ({error}). Track the video again.") from (
            error
        )


def save_track(tracked: TrackedVideo) -> None:
    """Write everything but frames, masks and sound into the folder, each file moved into place."""
    import torch

    camera = tracked.camera
    arrays = {f"motion_{f.name}": getattr(tracked.motion, f.name) for f in dataclasses.fields(HeadMotion)}
    arrays |= {name: getattr(tracked, name) for name in ("identity", "torso", "landmarks", "seen", "error")}
    if tracked.blendshapes is not None:
        arrays["blendshapes"] = tracked.blendshapes
    arrays["world_to_camera"] = torch.as_tensor(camera.world_to_camera).cpu().numpy()
    arrays["lens"] = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    arrays["size"], arrays["version"] = np.array(tracked.size), np.array(FORMAT_VERSION)
    with replacing(tracked.folder / TRACK) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    write_json(tracked.folder / QUALITY, dataclasses.asdict(tracked.quality))


def load_tracked(folder: str | Path) -> TrackedVideo:
    """A finished tracked video; TrackingError where the folder holds none, or a damaged or unfinished one."""
    import torch

    folder = Path(folder)
    if not (folder / FINISHED).is_file():
        raise TrackingError(f"{folder} holds no finished tracked video. Track the video (again).")
    try:
        with np.load(folder / TRACK, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if int(arrays["version"]) != FORMAT_VERSION:
            raise TrackingError(f"{folder} was tracked by another version of emotalk. Track the video again.")
        quality = json.loads((folder / QUALITY).read_text())
        for name in ("sentences", "yaw", "pitch", "mouth"):
            quality[name] = tuple(quality[name])
        fx, fy, cx, cy = arrays["lens"].tolist()
        size = int(arrays["size"])
        return TrackedVideo(
            folder=folder,
            size=size,
            identity=arrays["identity"],
            motion=HeadMotion(**{f.name: arrays[f"motion_{f.name}"] for f in dataclasses.fields(HeadMotion)}),
            camera=Camera(torch.from_numpy(arrays["world_to_camera"]), fx, fy, cx, cy, size, size),
            torso=arrays["torso"],
            landmarks=arrays["landmarks"],
            seen=arrays["seen"],
            error=arrays["error"],
            blendshapes=arrays.get("blendshapes"),
            quality=TrackQuality(**quality),
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise TrackingError(f"The tracked video in {folder} is damaged ({error}). Track the video again.") from error
