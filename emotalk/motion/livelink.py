"""Head motion to and from Live Link Face CSV, the file that Unreal, Blender and MetaHuman tools read.

One row per frame: timecode, number of channels, the 52 ARKit coefficients, then head and eye angles in radians.
Signs were read off six recordings of the app: eye yaw falls as the eyes turn to the person's left, and pitch grows
as they turn down (slopes -0.60 and -0.50 on eyeLookOutLeft - eyeLookInLeft and eyeLookUp - eyeLookDown). The head
angles of those recordings are all zero, so head yaw and pitch follow the eyes' signs and roll is a turn about +z.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.atomic import replacing
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.emotion.expression import split_eyes

_EYE = ("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide")
SHAPE_COLUMNS: tuple[str, ...] = (
    *(f"{name}{side}" for side in ("Left", "Right") for name in _EYE),
    "jawForward", "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight",
    "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft",
    "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft",
    "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp",
    "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft",
    "noseSneerRight", "tongueOut",
)  # fmt: skip
ANGLE_COLUMNS = (
    "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch",
    "RightEyeRoll",
)  # fmt: skip
CHANNELS = len(SHAPE_COLUMNS) + len(ANGLE_COLUMNS)


def timecode(frame: int, fps: int = FPS) -> str:
    """`HH:MM:SS:FF.000` of a frame that counts from midnight."""
    seconds, rest = divmod(frame, fps)
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}.000"


def head_angles(head_pose: np.ndarray) -> np.ndarray:
    """[T, 3] Live Link yaw, pitch, roll in radians of the rotation part of `HeadMotion.head_pose` [T, 6]."""
    yaw, pitch, roll = Rotation.from_rotvec(head_pose[:, :3]).as_euler("YXZ").T
    return np.stack([-yaw, pitch, roll], -1)


def rotation_of(angles: np.ndarray) -> np.ndarray:
    """[T, 3] axis-angle of Live Link yaw, pitch, roll [T, 3]; the inverse of `head_angles`."""
    yaw, pitch, roll = np.asarray(angles, np.float64).T
    return Rotation.from_euler("YXZ", np.stack([-yaw, pitch, roll], -1)).as_rotvec()


def livelink_rows(motion: HeadMotion) -> np.ndarray:
    """[T, 61] what Live Link says of each frame: coefficients in the order of `SHAPE_COLUMNS`, then `ANGLE_COLUMNS`."""
    arkit = motion.to_arkit()[:, [ARKIT_INDEX[name] for name in SHAPE_COLUMNS]]
    yaw, pitch = motion.gaze.T
    eye = np.stack([-yaw, -pitch, np.zeros_like(yaw)], -1)
    return np.concatenate([arkit, head_angles(motion.head_pose), eye, eye], 1)


def write_livelink(motion: HeadMotion, path: str | Path, start_frame: int = 0) -> Path:
    """Writes the motion as Live Link Face CSV at 25 fps; head metres are not part of the format. Returns the path."""
    path = Path(path)
    rows = livelink_rows(motion)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [name[0].upper() + name[1:] for name in SHAPE_COLUMNS]
        writer.writerow(["Timecode", "BlendShapeCount", *names, *ANGLE_COLUMNS])
        for index, row in enumerate(rows):
            writer.writerow([timecode(start_frame + index), CHANNELS, *(f"{value:.10f}" for value in row)])
    return path


def read_livelink(path: str | Path) -> HeadMotion:
    """A Live Link Face CSV (also gzipped, any frame rate) as HeadMotion at 25 fps.

    Rows in which the phone lost the face (BlendShapeCount 0) are bridged by interpolation. Raises InputError where
    the file is not such a recording.
    """
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The Live Link recording {path.name} cannot be read ({error}).") from error
    header = {name.lower(): i for i, name in enumerate(rows[0])} if rows else {}
    missing = [name for name in ("Timecode", *SHAPE_COLUMNS) if name.lower() not in header]
    if missing:
        raise InputError(f"{path.name} is not a Live Link Face CSV: it has no column {missing[0]}.")
    whole = [row for row in rows[1:] if len(row) == len(rows[0])]
    if len(whole) < 2:
        raise InputError(f"{path.name} holds {len(whole)} rows with a face in them; at least two are needed.")

    def column(name: str) -> np.ndarray:
        if name.lower() not in header:
            return np.zeros(len(whole))
        return np.array([row[header[name.lower()]] for row in whole], np.float64)

    try:
        seconds = _seconds([row[header["timecode"]] for row in whole])
        arkit = np.stack([column(name) for name in ARKIT_NAMES], -1)
        angles = np.stack([column(name) for name in ("HeadYaw", "HeadPitch", "HeadRoll")], -1)
    except ValueError as error:
        raise InputError(f"{path.name} holds something that is not a number or a timecode ({error}).") from error
    frames = max(1, round((seconds[-1] - seconds[0]) * FPS) + 1)
    wanted = seconds[0] + np.arange(frames) / FPS

    def resample(values: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(wanted, seconds, column) for column in values.T], -1)

    expression, eyelids, gaze = split_eyes(resample(arkit))
    pose = np.concatenate([rotation_of(resample(angles)), np.zeros((frames, 3))], -1)
    return HeadMotion(expression, np.zeros((frames, 3)), gaze, eyelids, pose)


def _seconds(codes: list[str]) -> np.ndarray:
    """Increasing seconds of timecodes `HH:MM:SS:FF.fff`, whose frame rate is the smallest common one that fits."""
    parts = np.array([[float(x) for x in code.split(":")] for code in codes])
    if parts.ndim != 2 or parts.shape[1] != 4:
        raise ValueError(f"timecode {codes[0]!r}")
    largest = parts[:, 3].max()
    rate = next((rate for rate in (25, 30, 60, 120) if largest < rate), 240)
    seconds = parts[:, :3] @ [3600.0, 60.0, 1.0] + parts[:, 3] / rate
    seconds += 86400.0 * np.cumsum(np.diff(seconds, prepend=seconds[0]) < -43200)
    # Two rows may share a timecode where the clock was set: keep time moving for the interpolation.
    return np.maximum.accumulate(seconds) + np.arange(len(seconds)) * 1e-9
