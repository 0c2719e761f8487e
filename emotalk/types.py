"""The small frozen dataclasses that cross module borders, with their checks.

Conventions (docs/conventions.md): motion runs at 25 fps, audio is mono float32 at 16 kHz, images are
float32 RGB in [0, 1] of shape [H, W, 3], world units are metres, angles are radians, quaternions are wxyz.
The head looks along +z with y up, so +x is the person's own left. Cameras follow OpenCV (x right, y down,
z forward); pixel centres lie at +0.5. Arrays that describe a clip are numpy; values that gradients flow
through are torch tensors.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from emotalk.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

FPS = 25
"""Frames per second of all motion and video."""
SAMPLE_RATE = 16_000
"""Samples per second of all audio inside the package."""
PORTRAIT_ZOOM = 1.25
"""How near the camera is unless somebody says otherwise: the face is what people came to see."""
FEATURE_RATE = 50
"""Speech features per second (wav2vec2's rate): two for every video frame."""

ARKIT_NAMES: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The 52 ARKit blendshapes in alphabetical order: the order of every [..., 52] array in the package."""
ARKIT_INDEX: dict[str, int] = {name: i for i, name in enumerate(ARKIT_NAMES)}

PHONES: tuple[str, ...] = (
    "sil", "aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g", "hh", "ih", "iy",
    "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z", "zh",
)  # fmt: skip
"""Silence and the 39 ARPAbet phones, the order of `SpeechFeatures.phones`."""

ARTICULATION_NAMES: tuple[str, ...] = ("jaw", "width", "pucker", "closure", "labiodental", "tongue")
"""What the mouth must do: jaw opening, lip spread (negative: narrow), lip protrusion, lips shut (p b m),
lower lip on upper teeth (f v), tongue tip raised or shown (th l n t d). In [0, 1] but width in [-1, 1]."""


LOOK_RADIANS = (0.60, 0.50)
"""Radians of eye yaw and pitch that a full eyeLook* coefficient stands for: the slope of eye angle on coefficient in
six Live Link Face captures (yaw .59-.62, pitch .47-.56, r > .99)."""
JAW_RADIANS = (0.35, 0.12)
"""Radians of jaw pitch for a full jawOpen and of jaw yaw for a full jawLeft."""


def _finite(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinite values; pass finite numbers only.")


def _array(name: str, value: np.ndarray, *tail: int, rows: int | None = None) -> np.ndarray:
    """`value` as a finite float32 array [T, *tail] with `rows` rows, or an InputError that names it."""
    array = np.ascontiguousarray(value, dtype=np.float32)
    if array.ndim != 1 + len(tail) or array.shape[1:] != tail or (rows is not None and len(array) != rows):
        wanted = ", ".join(["T" if rows is None else str(rows), *map(str, tail)])
        raise InputError(f"{name} must have shape [{wanted}], found {list(array.shape)}.")
    _finite(name, array)
    return array


@dataclass(frozen=True)
class Speech:
    """A stretch of sound: mono float32 samples [N] at 16 kHz in [-1, 1].

    `phones` holds (start second, end second, ARPAbet name) where the source knew them (text-to-speech),
    `words` the same for words; `text` is what was said, `source` says where the sound came from.
    """

    samples: np.ndarray  # [N]
    source: str = ""
    text: str = ""
    phones: tuple[tuple[float, float, str], ...] = ()
    words: tuple[tuple[float, float, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", _array("Speech.samples", self.samples))

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    @property
    def frames(self) -> int:
        """Video frames that cover the sound (the last one may be partly silent)."""
        return -(-len(self.samples) * FPS // SAMPLE_RATE)


@dataclass(frozen=True)
class SpeechFeatures:
    """What a speech encoder heard, at 50 Hz: row i covers seconds [i/50, (i+1)/50)."""

    features: np.ndarray  # [T, C]
    phones: np.ndarray  # [T, 40] probabilities over PHONES
    articulation: np.ndarray  # [T, 6] in the order of ARTICULATION_NAMES
    voicing: np.ndarray  # [T] probability of voice in [0, 1]
    energy: np.ndarray  # [T] loudness in dB relative to full scale
    f0: np.ndarray  # [T] Hz, 0 where unvoiced

    def __post_init__(self) -> None:
        features = np.asarray(self.features)
        object.__setattr__(self, "features", _array("features", features, *features.shape[1:2]))
        rows = len(self.features)
        object.__setattr__(self, "phones", _array("phones", self.phones, len(PHONES), rows=rows))
        object.__setattr__(
            self, "articulation", _array("articulation", self.articulation, len(ARTICULATION_NAMES), rows=rows)
        )
        for name in ("voicing", "energy", "f0"):
            object.__setattr__(self, name, _array(name, getattr(self, name), rows=rows))

    def __len__(self) -> int:
        return len(self.features)

    def at_video_rate(self) -> SpeechFeatures:
        """The same at 25 fps: the centre of video frame k is the border of rows 2k and 2k+1, so the mean
        of the two is exact (an odd last row is kept)."""

        def halve(array: np.ndarray) -> np.ndarray:
            if len(array) % 2:
                array = np.concatenate([array, array[-1:]])
            return array.reshape(len(array) // 2, 2, *array.shape[1:]).mean(1)

        halved = {f.name: halve(getattr(self, f.name)) for f in dataclasses.fields(self)}
        # A mean of a voiced and an unvoiced pitch is no pitch: take the voiced one.
        halved["f0"] = np.where(halved["voicing"] > 0, _pairwise_max(self.f0), 0.0)
        return SpeechFeatures(**halved)


def _pairwise_max(array: np.ndarray) -> np.ndarray:
    if len(array) % 2:
        array = np.concatenate([array, array[-1:]])
    return array.reshape(-1, 2).max(1)


@dataclass(frozen=True)
class HeadMotion:
    """What a head does over time, at 25 fps. It holds no identity: any avatar can play it.

    The channels add up and do not repeat each other: jaw opening lives in `expression` (jawOpen), blinks in
    `eyelids`, looking around in `gaze`; `jaw` is rotation on top of the jaw shapes (sideways swing).
    `to_arkit()` folds all of them into plain ARKit coefficients.
    """

    expression: np.ndarray  # [T, 52] in [0, 1] mostly, order of ARKIT_NAMES; eyeBlink*/eyeLook* stay ~0
    jaw: np.ndarray  # [T, 3] axis-angle at the jaw joint, on top of jawOpen/jawLeft/jawRight
    gaze: np.ndarray  # [T, 2] yaw, pitch of both eyes in the head; yaw > 0 to the person's left (+x), pitch > 0 up
    eyelids: np.ndarray  # [T, 2] closure of left, right lid in [0, 1]
    head_pose: np.ndarray  # [T, 6] axis-angle of head against torso (shared by neck and head joint), then root metres

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", _array("expression", self.expression, len(ARKIT_NAMES)))
        rows = len(self.expression)
        for name, width in (("jaw", 3), ("gaze", 2), ("eyelids", 2), ("head_pose", 6)):
            object.__setattr__(self, name, _array(name, getattr(self, name), width, rows=rows))

    def __len__(self) -> int:
        return len(self.expression)

    def __getitem__(self, rows: slice) -> HeadMotion:
        return HeadMotion(**{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})

    @staticmethod
    def neutral(frames: int = 1) -> HeadMotion:
        """A motionless, expressionless head looking straight ahead."""
        return HeadMotion(*(np.zeros((frames, width), np.float32) for width in (len(ARKIT_NAMES), 3, 2, 2, 6)))

    def to_arkit(self) -> np.ndarray:
        """[T, 52] plain ARKit coefficients in [0, 1]: gaze as eyeLook*, eyelids as eyeBlink*, the jaw joint as
        jawOpen/jawLeft/jawRight on top of `expression`. Head pose is not part of them (see motion.livelink)."""
        arkit = self.expression.astype(np.float32, copy=True)

        def add(name: str, amount: np.ndarray) -> None:
            arkit[:, ARKIT_INDEX[name]] += np.maximum(amount, 0)

        yaw, pitch = self.gaze[:, 0] / LOOK_RADIANS[0], self.gaze[:, 1] / LOOK_RADIANS[1]
        for name, amount in (("OutLeft", yaw), ("InRight", yaw), ("InLeft", -yaw), ("OutRight", -yaw)):
            add(f"eyeLook{name}", amount)
        for column, side in enumerate(("Left", "Right")):
            add(f"eyeLookUp{side}", pitch)
            add(f"eyeLookDown{side}", -pitch)
            add(f"eyeBlink{side}", self.eyelids[:, column])
        add("jawOpen", self.jaw[:, 0] / JAW_RADIANS[0])
        add("jawLeft", self.jaw[:, 1] / JAW_RADIANS[1])
        add("jawRight", -self.jaw[:, 1] / JAW_RADIANS[1])
        return np.clip(arkit, 0.0, 1.0)

    @staticmethod
    def concatenate(parts: list[HeadMotion]) -> HeadMotion:
        return HeadMotion(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(HeadMotion)}
        )


def _check_tensor(name: str, value: Tensor, *shape: int | None) -> None:
    """Raise InputError unless `value` is a float tensor of `shape` (None: any length)."""
    import torch

    if not isinstance(value, torch.Tensor):
        raise InputError(
            f"{name} must be a torch tensor, found {type(value).__name__}; use torch.from_numpy or as_tensor."
        )
    if value.ndim != len(shape) or any(w is not None and w != n for w, n in zip(shape, value.shape, strict=True)):
        wanted = ", ".join("N" if n is None else str(n) for n in shape)
        raise InputError(f"{name} must have shape [{wanted}], found {list(value.shape)}.")
    if not value.dtype.is_floating_point:
        raise InputError(f"{name} must hold floating-point numbers, found {value.dtype}; convert with .float().")


@dataclass(frozen=True)
class GaussianCloud:
    """3D Gaussians ready to draw: float tensors on one device, any of them may require gradients.

    Raises InputError where shapes disagree, a value is not finite or out of its range.
    """

    means: Tensor  # [N, 3] metres
    scales: Tensor  # [N, 3] standard deviations in metres, >= 0
    quats: Tensor  # [N, 4] wxyz, any length > 0
    opacities: Tensor  # [N] in [0, 1]
    colors: Tensor  # [N, 3] linear in what is drawn, usually [0, 1]

    def __post_init__(self) -> None:
        import torch

        _check_tensor("GaussianCloud.means", self.means, None, 3)
        count = len(self.means)
        for name, tail in (("scales", (3,)), ("quats", (4,)), ("opacities", ()), ("colors", (3,))):
            tensor = getattr(self, name)
            _check_tensor(f"GaussianCloud.{name}", tensor, count, *tail)
            if tensor.device != self.means.device:
                raise InputError(
                    f"GaussianCloud.{name} is on {tensor.device} but means are on {self.means.device}; "
                    "move all of them to one device."
                )
        if count == 0:
            return
        tensors = [getattr(self, f.name).detach() for f in dataclasses.fields(self)]
        # NaN spreads through minimum and maximum, so that these say everything but quaternions of length 0. Looking at
        # all four components of those costs as much as all the rest: done only where a first one is 0.
        if self.means.device.type == "cpu":
            # numpy, not torch: at this size torch would wait for its other threads longer than it computes.
            arrays = [(t if t.dtype.itemsize > 2 else t.float()).numpy() for t in tensors]
            numbers = [float(bound) for array in arrays for bound in (array.min(), array.max())]
            numbers.append(float(np.abs(arrays[2][:, 0]).min()))
        else:  # one transfer for all of them
            ranges = [torch.stack(torch.aminmax(t)).double() for t in tensors]
            numbers = torch.cat([*ranges, tensors[2][:, 0].abs().amin().double()[None]]).tolist()
        for f, low, high in zip(dataclasses.fields(self), numbers[0::2], numbers[1::2], strict=False):
            if not (np.isfinite(low) and np.isfinite(high)):
                raise InputError(f"GaussianCloud.{f.name} holds NaN or infinite values; pass finite numbers only.")
        if numbers[2] < 0:
            raise InputError(
                f"GaussianCloud.scales must be >= 0, found {numbers[2]:g}; pass standard deviations, not logarithms."
            )
        if numbers[6] < 0 or numbers[7] > 1:
            raise InputError(
                f"GaussianCloud.opacities must lie in [0, 1], found {numbers[6]:g} to {numbers[7]:g}; "
                "apply the sigmoid first."
            )
        if numbers[10] == 0 and bool((self.quats.detach() == 0).all(1).any()):
            raise InputError(
                "GaussianCloud.quats holds a quaternion of length 0, which is no rotation; use (1, 0, 0, 0)."
            )


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in OpenCV's convention (x right, y down, z forward; pixel centres at +0.5).

    Raises InputError where `world_to_camera` is no rigid motion or a number is out of its range.
    """

    world_to_camera: Tensor  # [4, 4]
    fx: float  # pixels, > 0
    fy: float
    cx: float  # pixels from the left edge
    cy: float  # pixels from the top edge
    width: int  # pixels, 1 to 16384
    height: int
    near: float = 0.01  # metres; Gaussians nearer than this are not drawn

    def __post_init__(self) -> None:
        _check_tensor("Camera.world_to_camera", self.world_to_camera, 4, 4)
        pose = self.world_to_camera.detach().cpu().double().numpy()
        _finite("Camera.world_to_camera", pose)
        if (
            np.abs(pose[3] - (0, 0, 0, 1)).max() > 1e-6
            or np.abs(pose[:3, :3] @ pose[:3, :3].T - np.eye(3)).max() > 1e-3
        ):
            raise InputError(
                "Camera.world_to_camera must be a rotation and a translation with the last row 0 0 0 1, "
                f"found {pose.round(3).tolist()}; take scale out and do not transpose it."
            )
        for name in ("fx", "fy", "cx", "cy", "near"):
            value = getattr(self, name)
            if not np.isfinite(value) or (value <= 0 and name in ("fx", "fy", "near")):
                wanted = "a finite number" if name in ("cx", "cy") else "a finite number greater than 0"
                raise InputError(f"Camera.{name} must be {wanted}, found {value!r}.")
        for name in ("width", "height"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or not 1 <= value <= 16_384:
                raise InputError(f"Camera.{name} must be a whole number of pixels from 1 to 16384, found {value!r}.")


@dataclass(frozen=True)
class Render:
    """A picture of a GaussianCloud."""

    image: Tensor  # [H, W, 3] RGB, background composited
    alpha: Tensor  # [H, W] in [0, 1], how much of each pixel the Gaussians cover

    def __post_init__(self) -> None:
        _check_tensor("Render.image", self.image, None, None, 3)
        _check_tensor("Render.alpha", self.alpha, *self.image.shape[:2])


@dataclass(frozen=True)
class Clip:
    """A finished video file and what went into it."""

    path: str
    seconds: float
    frames: int
    width: int
    height: int
    timings: dict[str, float] = field(default_factory=dict)  # seconds by stage
    motion_path: str | None = None
