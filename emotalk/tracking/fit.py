"""From landmarks over time to a person and what their head does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import savgol_filter

from emotalk.core.landmarks import EYES, FIRM, MOUTH_CORNERS, apertures, eye_distance
from emotalk.head import HeadModel
from emotalk.tracking.rig import CONTROLS, EXPRESSIONS, FaceRig, axis_angle, rotation_matrix
from emotalk.tracking.solve import Face, Frames, Lens, Weights, fit_frames, offset_step, person_step, plain_price

KEY_FRAMES = 40
TREMBLE = 0.08
"""Change of a coefficient from frame to frame above which it is taken for movement rather than noise."""
FOCAL = 2.2
"""Focal length in picture widths. It trades off against depth and the size of the head: left free it runs to lenses of
5 widths and more, so it is fixed at that of `rendering.portrait_camera`."""


@dataclass(frozen=True)
class Fit:
    """A fitted video."""

    face: Face
    frames: Frames  # [T]
    error: np.ndarray  # [T] px, mean distance of landmarks seen and predicted


def start_frames(rig: FaceRig, lens: Lens, seen: np.ndarray) -> Frames:
    """Poses of landmarks `seen` [m, 478, 3] (pixels) from MediaPipe's own
    depth (Kabsch 1976 on points that hardly move), expressionless."""
    firm = list(FIRM)
    points = seen[:, firm] * (1.0, -1.0, -1.0)
    points = points - points.mean(1, keepdims=True)
    model = rig.neutral[firm]
    u, _, vt = np.linalg.svd(np.einsum("mpi,pj->mij", points, model - model.mean(0)))
    mirror = np.ones((len(seen), 3))
    mirror[:, 2] = np.linalg.det(u @ vt)
    rotation = u @ (mirror[:, :, None] * vt)
    turned = np.einsum("mij,pj->mpi", rotation, model)
    spread = np.linalg.norm(turned[..., :2] - turned[..., :2].mean(1, keepdims=True), axis=-1).mean(1)
    size = np.linalg.norm(points[..., :2], axis=-1).mean(1) / np.maximum(spread, 1e-6)  # pixels a metre
    depth = lens.focal / size
    centre = seen[:, firm, :2].mean(1)
    middle = turned.mean(1)
    place = np.stack([
        (centre[:, 0] - lens.cx) / size - middle[:, 0],
        (lens.cy - centre[:, 1]) / size - middle[:, 1],
        lens.distance - depth - middle[:, 2],
    ], 1)  # fmt: skip
    return Frames(rotation, place, np.zeros((len(seen), CONTROLS)))


def key_frames(
    seen: np.ndarray,  # [T, 478, 2 or more] pixels
    rotation: np.ndarray,  # [T, 3, 3] of the head
    good: np.ndarray,  # [T] bool, which may be chosen
    count: int = KEY_FRAMES,
) -> np.ndarray:
    """Indices [K] of up to `count` frames that show what the person can do: spread over time, and the extremes of head
    turns, mouth and eyes."""
    at = np.flatnonzero(good)
    if len(at) <= count:
        return at
    even = at[np.linspace(0, len(at) - 1, count // 2).astype(int)]
    openings = apertures(seen[at, :, :2])
    width = np.linalg.norm(seen[at, MOUTH_CORNERS[0], :2] - seen[at, MOUTH_CORNERS[1], :2], axis=-1)
    courses = [rotation[at, 0, 2], rotation[at, 1, 2], rotation[at, 1, 0], *openings.T, width]
    chosen = set(even.tolist())
    for rank in range(len(at)):
        for course in courses:
            order = np.argsort(course)
            # Not the very extremes, which may be slips of the detector, and one apart from the other.
            chosen.add(int(at[order[min(len(at) - 1, (2 * rank + 1) * max(1, len(at) // 400))]]))
            chosen.add(int(at[order[max(0, len(at) - 1 - (2 * rank + 1) * max(1, len(at) // 400))]]))
        if len(chosen) >= count:
            break
    return np.array(sorted(chosen))


def lens_for(head: HeadModel, size: float, scale: float, identity: np.ndarray | None = None) -> Lens:
    """The lens of a square crop of `size` pixels in which eyes are `scale` pixels apart; `identity` [I] is whose."""
    rig = FaceRig.of(head, np.zeros(head.components) if identity is None else identity)
    apart = np.linalg.norm(rig.neutral[EYES[0]] - rig.neutral[EYES[1]])
    return Lens(FOCAL * size, size / 2, size / 2, FOCAL * size * apart / scale)


def fit_person(
    head: HeadModel,
    lens: Lens,
    seen: np.ndarray,  # [T, 478, 3] pixels
    keys: np.ndarray,  # [K] numbers of the key frames
    weights: Weights | None = None,
    rounds: int = 10,
    known: np.ndarray | float = 1.0,  # [478] as `Face` has it
    standing: float = 25.0,  # how much dearer a shape gets that is on in nearly every frame
) -> tuple[Face, Frames]:
    """Who it is, from key frames: the face (with offsets and prices) and the key frames' own fit."""
    weights = weights or Weights()
    rig = FaceRig.of(head, np.zeros(head.components))
    points = seen[keys]
    scale = eye_distance(seen)
    face = Face(rig, np.zeros_like(rig.neutral), plain_price(weights), lens, scale, weights, known)
    frames = fit_frames(face, start_frames(rig, lens, points), points[..., :2], rounds=5, controls=False)
    price = face.price.copy()
    for k in range(rounds):
        identity, frames = person_step(face, frames, points[..., :2])
        face = replace(face, rig=FaceRig.of(head, identity))
        frames = fit_frames(face, frames, points[..., :2], rounds=1)
        # A shape that is on in nearly every frame is this person's face, not an expression: it gets dearer.
        price[: len(EXPRESSIONS)] += standing * np.percentile(frames.controls[:, : len(EXPRESSIONS)], 20, axis=0)
        face = replace(face, price=price.copy())
        if k >= 3:
            face = replace(face, offsets=offset_step(face, frames, points[..., :2]))
    return face, frames


def calm_pose(frames: Frames, at: np.ndarray) -> dict[str, np.ndarray]:
    """Head rotation and place without trembling: local parabolas (Savitzky & Golay 1964) over 5 frames, over 9 for the
    depth, which landmarks hardly show. Nods of 4 Hz keep 90 % of their size. `at` [T] are the frames' numbers."""
    vector, place = axis_angle(frames.rotation), frames.place.copy()
    for run in np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) > 1) + 1):
        if len(run) >= 9:
            vector[run] = savgol_filter(vector[run], 5, 2, axis=0, mode="interp")
            place[run, :2] = savgol_filter(place[run, :2], 5, 2, axis=0, mode="interp")
            place[run, 2] = savgol_filter(place[run, 2], 9, 2, mode="interp")
    return {"rotation": rotation_matrix(vector), "place": place}


def calm_controls(controls: np.ndarray, at: np.ndarray, calm: float) -> tuple[np.ndarray, np.ndarray]:
    """(where controls should rest, with what precision), both [T, CONTROLS], from neighbouring frames.

    `at` [T] are the frames' numbers. What moves by more than a tremble is let go: a blink or a closing of the lips
    lasts three frames and must stay.
    """
    resting = controls.copy()
    inner = np.flatnonzero((np.diff(at)[:-1] == 1) & (np.diff(at)[1:] == 1)) + 1
    resting[inner] = 0.5 * (controls[inner - 1] + controls[inner + 1])
    moving = np.abs(resting - controls)
    for shift in (-1, 1):
        moving = np.maximum(moving, np.abs(np.roll(controls, shift, axis=0) - controls))
    return resting, calm / (1 + (moving / TREMBLE) ** 2)


def calmed(face: Face, frames: Frames, seen: np.ndarray, at: np.ndarray) -> Frames:
    """Controls of frames number `at` [m] fitted to landmarks `seen` [m, 478, 2] once more, tied to their neighbours."""
    for _ in range(2):
        resting, calm = calm_controls(frames.controls, at, face.weights.calm)
        frames = fit_frames(face, frames, seen, rounds=1, resting=resting, calm=calm, pose=False)
    return frames


def fit_video(
    face: Face,
    seen: np.ndarray,  # [T, 478, 3] pixels, NaN rows where no face
    keys: np.ndarray,  # [K] numbers of the key frames
    key_fit: Frames,
    blendshapes: np.ndarray | None = None,  # [T, 52] to start from; else the nearest key frame's
    calm: bool = True,  # controls too, not poses alone; for those who fit them again it would be in vain
) -> Fit:
    """All frames of a known person. Frames without a face take over their neighbours' values."""
    there = np.flatnonzero(np.isfinite(seen).all((1, 2)))
    points = seen[there][..., :2]
    frames = start_frames(face.rig, face.lens, seen[there])
    nearest = np.abs(there[:, None] - keys[None]).argmin(1)
    start = key_fit.controls[nearest]
    if blendshapes is not None:
        start[:, : len(EXPRESSIONS)] = blendshapes[there][:, list(EXPRESSIONS)]
    frames = replace(frames, controls=start)
    frames = fit_frames(face, frames, points, rounds=4)
    frames = replace(frames, **calm_pose(frames, there))
    if calm:
        frames = calmed(face, frames, points, there)
    error = np.full(len(seen), np.nan)
    error[there] = np.linalg.norm(face.predict(frames) - points, axis=-1).mean(1)
    rows = np.rint(np.interp(np.arange(len(seen)), there, np.arange(len(there)))).astype(int)
    return Fit(face, frames[rows], error)
