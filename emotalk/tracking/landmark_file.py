"""Reading and writing files of face landmarks: .json, .npz and .npy (docs/landmarks.md).

A file may come from anywhere: nothing in it is ever executed (no pickles), and sizes are read from headers and refused
before anything is unpacked.
"""

from __future__ import annotations

import json
import lzma
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from emotalk.core.atomic import replacing, write_text
from emotalk.core.checks import check_number
from emotalk.core.errors import InputError
from emotalk.core.rates import FPS
from emotalk.tracking.landmark_layouts import LAYOUTS, LandmarkTrack

FORMAT = "emotalk-landmarks-1"
LONGEST = 600.0
"""Seconds that are read at most."""
LEAST = 2
"""Frames that are needed."""
RATES = (5.0, 240.0)
"""Frames a second that a file may have."""
LARGEST_SIDE = 16_384
"""Pixels of a picture's side, and as far from its corner may a landmark lie."""
MAX_BYTES, MAX_TEXT = 256 << 20, 48 << 20
"""Of a file of arrays, also unpacked; of a JSON file."""
_NORMALISED = 2.0  # no coordinate beyond: shares of the picture, for no face is two pixels large
_ENDINGS = (".json", ".npz", ".npy")
_POINTS = ("points", "landmarks", "lmks", "lms", "kpts")
_BY_COUNT = {count: name for name, count in LAYOUTS.items()}
_DAMAGED = (
    ValueError, EOFError, KeyError, OverflowError, NotImplementedError, RuntimeError, SyntaxError, zipfile.BadZipFile,
    zlib.error, lzma.LZMAError, tokenize.TokenError,
)  # fmt: skip
"""What zip files and headers of arrays raise that are none."""
_FLAT = {count * width: (count, width) for count in _BY_COUNT for width in (2, 3)}


def read_landmarks(
    path: str | Path,
    *,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
) -> LandmarkTrack:
    """The landmarks of a .json, .npz or .npy file (docs/landmarks.md), in pixels, at the file's own frame rate.

    `fps` (5 to 240) and `size` (width and height of the picture in pixels) are taken where the file does not tell them;
    without both it has 25 frames a second. Coordinates that all lie within a few picture sizes of 0 to 1 are shares of
    the picture and need its size. Frames with NaN, with null or all at 0 have no face. Raises InputError for whatever
    cannot be used: no such file, pickles, other shapes or layouts, infinite numbers, too large, too long.
    """
    path = Path(path)
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"Landmarks are read from .json, .npz or .npy, found {path.name!r:.80}.")
    try:
        held = _read_json(path) if path.suffix.lower() == ".json" else _read_arrays(path)
    except OSError as error:
        raise InputError(f"The landmarks {path.name!r:.80} cannot be read ({error.strerror or error}).") from error
    rate = held.get("fps") if held.get("fps") is not None else fps
    rate = check_number(f"The frame rate of {path.name:.80}", _number(rate if rate is not None else FPS), *RATES)
    picture = _size(held.get("size") if held.get("size") is not None else size, path.name)
    points, layout = _points(held["points"], held.get("layout"), path.name)
    if len(points) < LEAST:
        raise InputError(f"{path.name:.80} holds {len(points)} frame(s); at least {LEAST} are needed.")
    if len(points) > LONGEST * rate:
        raise InputError(
            f"{path.name:.80} lasts {len(points) / rate:.0f} seconds; at most {LONGEST:.0f} are made at once. Cut it."
        )
    neutral = held.get("neutral")
    if isinstance(neutral, int) and not isinstance(neutral, bool):
        if not 0 <= neutral < len(points):
            raise InputError(f"{path.name:.80} calls frame {neutral} neutral and has frames 0 to {len(points) - 1}.")
        rest = points[neutral]
    elif neutral is not None:
        rest = _points(_numbers([neutral], path.name), layout, path.name)[0][0]
    else:
        rest = None
    if rest is not None and not np.isfinite(rest).all():
        raise InputError(f"{path.name:.80} has no face in what it calls neutral; name another frame, or leave it out.")
    scale = _scale(points, held.get("unit"), picture, path.name)
    points = points * scale
    known = points[np.isfinite(points)]
    if known.size and np.abs(known).max() > LARGEST_SIDE:
        raise InputError(
            f"{path.name:.80} has a landmark {np.abs(known).max():.3g} pixels away from the picture's corner; at most "
            f"{LARGEST_SIDE} are taken."
        )
    return LandmarkTrack(points, layout, rate, picture, None if rest is None else rest * scale)


def write_landmarks(track: LandmarkTrack, path: str | Path) -> Path:
    """Writes landmarks as .json or .npz, in pixels to a hundredth, moved into place. Returns the path; InputError for
    another ending, OSError where it cannot be written."""
    path = Path(path)
    check_landmarks_path(path)
    about: dict[str, Any] = {"format": FORMAT, "fps": track.fps, "layout": track.layout, "unit": "pixels"}
    if track.size is not None:
        about["size"] = list(track.size)
    if path.suffix.lower() == ".npz":
        arrays = {"points": track.points.astype(np.float32), **{name: np.array(value) for name, value in about.items()}}
        if track.neutral is not None:
            arrays["neutral"] = track.neutral.astype(np.float32)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        return path

    def rows(points: np.ndarray) -> list | None:
        return points.round(2).tolist() if np.isfinite(points).all() else None

    if track.neutral is not None:
        about["neutral"] = rows(track.neutral)
    write_text(path, json.dumps(about | {"points": [rows(frame) for frame in track.points]}, separators=(",", ":")))
    return path


def check_landmarks_path(path: str | Path) -> None:
    """Raise InputError where landmarks cannot be written under this name."""
    path = Path(path)
    if path.suffix.lower() not in (".json", ".npz") or path.is_dir():
        raise InputError(f"Landmarks are written as .json or .npz, found {path.name!r:.80}.")


def _read_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_TEXT:
        raise InputError(f"{path.name:.80} has more than {MAX_TEXT >> 20} MB; write it as .npz.")
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name:.80} is not JSON ({error!s:.120}).") from error
    if isinstance(held, list):
        held = {"points": held}
    if not isinstance(held, dict) or not isinstance(held.get("points"), list):
        raise InputError(f"{path.name:.80} has no list of frames called points (docs/landmarks.md).")
    held["points"] = _numbers(held["points"], path.name)
    return held


def _numbers(frames: list, name: str) -> np.ndarray:
    """[T, N, 2 or 3] of nested lists in which null stands for a frame without a face."""
    full = next((frame for frame in frames if frame is not None), None)
    if full is None:
        raise InputError(f"No frame of {name:.80} shows a face.")
    try:
        shape = np.asarray(full, np.float64).shape
        return np.array([np.full(shape, np.nan) if frame is None else frame for frame in frames], np.float64)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{name:.80} holds points that are not numbers, or not as many in each frame; write [[[x, y], ...], ...], "
            "and null for a frame without a face."
        ) from error


def _read_arrays(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            if path.suffix.lower() == ".npy":
                return {"points": _array(file, path.name)}
            if path.stat().st_size > MAX_BYTES:
                raise InputError(f"{path.name:.80} is larger than {MAX_BYTES >> 20} MB.")
            with zipfile.ZipFile(file) as packed:
                return _from_zip(packed, path.name)
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(
            f"{path.name:.80} is damaged, or no file of plain arrays (pickled objects are never read). Write points "
            "[T, N, 2] as numbers."
        ) from error


def _from_zip(packed: zipfile.ZipFile, name: str) -> dict[str, Any]:
    members = {entry.filename.removesuffix(".npy"): entry for entry in packed.infolist()}
    if len(members) > 64 or sum(entry.file_size for entry in members.values()) > MAX_BYTES:
        raise InputError(f"{name:.80} unpacks to more than {MAX_BYTES >> 20} MB or 64 arrays.")

    def read(member: str) -> np.ndarray:
        with packed.open(members[member]) as file:
            return _array(file, name)

    points = next((key for key in _POINTS if key in members), None)
    if points is None and len(members) == 1:
        points = next(iter(members))
    if points is None:
        raise InputError(f"{name:.80} has no array called points; it holds {', '.join(sorted(members))!s:.120}.")
    held: dict[str, Any] = {"points": read(points)}
    for key in ("fps", "size", "neutral", "layout", "unit", "width", "height"):
        if key in members:
            value = read(key)
            held[key] = value if value.ndim > 1 else value.tolist()
    if "width" in held and "height" in held:
        held.setdefault("size", [held["width"], held["height"]])
    if isinstance(held.get("neutral"), np.ndarray):
        held["neutral"] = held["neutral"].tolist()
    return held


def _array(file: IO[bytes], name: str) -> np.ndarray:
    """One array of plain numbers or texts; its header is judged before its data are read."""
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in reader:
        raise ValueError(f"version {version}")
    shape, fortran, kind = reader[version](file)
    if kind.hasobject or kind.kind not in "fiuU":
        raise ValueError(f"numbers of kind {kind}")
    count = math.prod(shape)
    if count < 0 or count * kind.itemsize > MAX_BYTES:
        raise InputError(f"{name:.80} says that it holds {count * kind.itemsize / 1e6:.3g} MB of points.")
    data = file.read(count * kind.itemsize)
    if len(data) != count * kind.itemsize:
        raise ValueError("cut off")
    array = np.frombuffer(data, kind)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _points(found: np.ndarray, layout: object, name: str) -> tuple[np.ndarray, str]:
    """Points [T, N, 2], NaN in frames without a face, and their layout."""
    if found.ndim == 2 and found.shape[1] in _FLAT:
        found = found.reshape(len(found), *_FLAT[found.shape[1]])
    if found.dtype.kind not in "fiu" or found.ndim != 3 or found.shape[2] not in (2, 3):
        raise InputError(f"{name:.80} must hold points of shape [T, N, 2 or 3], found {list(found.shape)!s:.80}.")
    if found.shape[1] not in _BY_COUNT:
        wanted = ", ".join(f"{count} ({layout})" for layout, count in LAYOUTS.items())
        raise InputError(f"{name:.80} has {found.shape[1]} points a frame; known are {wanted}.")
    own = _BY_COUNT[found.shape[1]]
    if layout is not None and layout != own:
        raise InputError(f"{name:.80} says that its layout is {layout!r:.40}, but has the {found.shape[1]} of {own}.")
    points = found[..., :2].astype(np.float64)
    if np.isinf(points).any():
        raise InputError(f"{name:.80} holds infinite numbers; write NaN where there is no face.")
    if own == "mediapipe478" and np.isnan(points[:, 468:]).all():
        points, own = points[:, :468], "mediapipe468"
    points[~np.isfinite(points).all((1, 2)) | (points == 0).all((1, 2))] = np.nan
    if not np.isfinite(points).any():
        raise InputError(f"No frame of {name:.80} shows a face.")
    return points, own


def _scale(points: np.ndarray, unit: object, size: tuple[int, int] | None, name: str) -> np.ndarray:
    """[2] what turns coordinates into pixels."""
    if unit not in (None, "pixels", "normalised", "normalized"):
        raise InputError(f"{name:.80} has the unit {unit!r:.40}; known are pixels and normalised.")
    shares = np.nanmax(np.abs(points)) <= _NORMALISED if unit is None else unit != "pixels"
    if not shares:
        return np.ones(2)
    if size is None:
        raise InputError(
            f"{name:.80} holds shares of the picture (0 to 1), so its width and height must be known: write them into "
            "the file as size, or give them beside it (--landmarks-size 1280x720)."
        )
    return np.array(size, np.float64)


def _size(given: object, name: str) -> tuple[int, int] | None:
    if given is None:
        return None
    try:
        width, height = given
    except (TypeError, ValueError) as error:
        raise InputError(f"The size in {name:.80} must be width and height, found {given!r:.60}.") from error
    sides = [check_number(f"The picture's {what}", _number(side), 1, LARGEST_SIDE)
             for what, side in (("width", width), ("height", height))]  # fmt: skip
    return round(sides[0]), round(sides[1])


def _number(value: object) -> object:
    """A number that an array of one holds; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
