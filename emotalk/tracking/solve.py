"""Gauss-Newton on a face rig: head pose and controls of many frames, and the person they share.

    residual = w · rho(projected landmark - seen landmark),  plus the same for the openings of mouth and eyes
    minimise   sum of squares + ridge · c² + price · c + calm · (c - mean of the neighbouring frames)²,   0 <= c <= 1

Frames are independent given the person, so the shared unknowns come from a Schur complement (Triggs et al. 2000,
"Bundle adjustment", section 6). Bounds by projected Newton steps (Bertsekas 1982): what is at a bound and pushed
against it is left out of the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotalk.core.landmarks import LANDMARKS, PAIRS, landmark_weights
from emotalk.tracking.rig import (
    CONTROL_HIGH,
    CONTROL_LOW,
    CONTROLS,
    EXPRESSIONS,
    JAW,
    LID_LEFT,
    PITCH,
    YAW,
    FaceRig,
    rotation_matrix,
)

POSE = 6  # rotation, then translation: the first unknowns of a frame
UNKNOWNS = POSE + CONTROLS
_PAIRS = np.array(PAIRS)


@dataclass(frozen=True)
class Lens:
    """A camera on the z axis that looks towards -z from `distance` metres; pixels as in `core.camera.Camera`.

    Kept apart from `core.camera.project`: the solver works on arrays and needs the derivatives of just this projection.
    """

    focal: float
    cx: float
    cy: float
    distance: float

    def project(self, world: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of points [..., 3]."""
        scale = self.focal / (self.distance - world[..., 2])
        return np.stack([self.cx + world[..., 0] * scale, self.cy - world[..., 1] * scale], -1)


@dataclass(frozen=True)
class Frames:
    """The unknowns of m frames."""

    rotation: np.ndarray  # [m, 3, 3] of the head
    place: np.ndarray  # [m, 3] of the head joint, world metres
    controls: np.ndarray  # [m, CONTROLS]

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, rows) -> Frames:
        return Frames(self.rotation[rows], self.place[rows], self.controls[rows])

    def world(self, points: np.ndarray) -> np.ndarray:
        """Head-fixed `points` [m, L, 3] in the world."""
        return points @ self.rotation.transpose(0, 2, 1) + self.place[:, None]


@dataclass(frozen=True)
class Weights:
    """How residuals and priors are weighed against each other."""

    noise: float = 0.014  # of the eye distance: standard deviation of a landmark of weight 1
    outlier: float = 3.0  # noise units beyond which a landmark counts less and less (Cauchy)
    pairs: float = 6.0  # how much an opening of lips or lids counts against a landmark
    ridge: float = 12.0  # prior precision of a shape's coefficient
    price: float = 12.0  # cost of a coefficient, so that few shapes explain a face
    gaze: float = 2.0  # prior precision of gaze (1/rad²)
    swing: float = 400.0  # of the jaw's sideways swing (1/rad²)
    calm: float = 60.0  # precision that ties a frame to the mean of its neighbours
    slack: tuple[float, float, float] = (0.003, 0.003, 0.015)  # metres that a landmark may lie beside the rig's point
    person: float = 250.0  # prior precision of an identity component, for the whole video


@dataclass(frozen=True)
class Face:
    """What is fixed while frames are fitted: a person before a lens."""

    rig: FaceRig
    offsets: np.ndarray  # [478, 3] metres: where the detector sees a landmark beside the rig's point
    price: np.ndarray  # [CONTROLS] cost of each control
    lens: Lens
    scale: float  # eye distance in pixels
    weights: Weights
    known: np.ndarray | float = 1.0  # [478] 1 where a landmark was seen, 0 where another layout of landmarks has none

    def predict(self, frames: Frames) -> np.ndarray:
        """Landmarks [m, 478, 2] as the detector would see them, pixels."""
        return self.lens.project(frames.world(self.rig.points(frames.controls) + self.offsets))


@dataclass(frozen=True)
class Linear:
    """Residuals and derivatives of m frames, whitened: rows are landmarks (x, y), then openings (x, y)."""

    residual: np.ndarray  # [m, R]
    slopes: np.ndarray  # [m, R, UNKNOWNS]
    person: np.ndarray | None  # [m, R, I]
    pixels: np.ndarray  # [m, 478, 2] plain difference


_WEIGHT = np.sqrt(landmark_weights())


def linearise(face: Face, frames: Frames, seen: np.ndarray, person: bool = False) -> Linear:
    """First-order model of the residuals around `frames` against landmarks `seen` [m, 478, 2]."""
    rig, lens, m = face.rig, face.lens, len(frames)
    head = rig.points(frames.controls) + face.offsets
    turned = head @ frames.rotation.transpose(0, 2, 1)
    world = turned + frames.place[:, None]
    inverse = 1 / (lens.distance - world[..., 2])
    flat = np.stack([world[..., 0], -world[..., 1]], -1) * (lens.focal * inverse)[..., None]
    pixels = flat + np.array([lens.cx, lens.cy]) - seen
    camera = np.zeros((m, LANDMARKS, 2, 3))
    camera[..., 0, 0] = lens.focal * inverse
    camera[..., 1, 1] = -lens.focal * inverse
    camera[..., 2] = flat * inverse[..., None]

    noise = face.weights.noise * face.scale
    robust = 1 / (1 + (pixels**2).sum(-1) / (face.weights.outlier * noise) ** 2)
    weight = face.known * _WEIGHT * np.sqrt(robust) / noise  # [m, 478]
    upper, lower = _PAIRS.T
    opening = np.sqrt(face.weights.pairs) * np.minimum(weight[:, upper], weight[:, lower])

    def rows(values: np.ndarray) -> np.ndarray:
        """[m, 478, 2, ...] -> whitened rows [m, R, ...]."""
        tail = (1,) * (values.ndim - 2)
        both = np.concatenate([
            values * weight.reshape(m, LANDMARKS, *tail),
            (values[:, upper] - values[:, lower]) * opening.reshape(m, len(_PAIRS), *tail),
        ], 1)  # fmt: skip
        return both.reshape(m, -1, *values.shape[3:])

    in_head = (camera @ frames.rotation[:, None]).astype(np.float32)  # [m, 478, 2, 3]
    slopes = np.empty((m, LANDMARKS, 2, UNKNOWNS), np.float32)
    x, y, z = (turned[..., None, k] for k in range(3))
    slopes[..., 0] = camera[..., 2] * y - camera[..., 1] * z
    slopes[..., 1] = camera[..., 0] * z - camera[..., 2] * x
    slopes[..., 2] = camera[..., 1] * x - camera[..., 0] * y
    slopes[..., 3:6] = camera
    slopes[..., POSE:] = _contract(in_head, rig.linear)
    gaze = rig.gaze_slopes(frames.controls).astype(np.float32)
    slopes[..., POSE + YAW :] = np.einsum("mlac,mklc->mlak", in_head, gaze)
    shared = rows(_contract(in_head, rig.people)) if person else None
    return Linear(rows(pixels).astype(np.float32), rows(slopes), shared, pixels)


def _contract(in_head: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """[m, 478, 2, K] of camera derivatives [m, 478, 2, 3] and displacements [K, 478, 3]."""
    columns = np.ascontiguousarray(basis.transpose(2, 1, 0), np.float32)  # [3, 478, K]
    out = in_head[..., 0, None] * columns[0][:, None]
    for axis in (1, 2):
        out += in_head[..., axis, None] * columns[axis][:, None]
    return out


def _priors(face: Face, controls: np.ndarray, resting: np.ndarray | None, calm: np.ndarray | None):
    """Diagonal [CONTROLS] or [m, CONTROLS] and gradient [m, CONTROLS] of everything that is not a residual."""
    w = face.weights
    diagonal = np.full(CONTROLS, w.ridge)
    diagonal[JAW], diagonal[YAW], diagonal[PITCH] = w.swing, w.gaze, w.gaze
    gradient = diagonal * controls + face.price
    if resting is not None:
        gradient = gradient + calm * (controls - resting)
        diagonal = diagonal + calm
    return np.broadcast_to(diagonal, controls.shape), gradient


def plain_price(weights: Weights) -> np.ndarray:
    """[CONTROLS] the price every shape starts with; lids are cheap, as blinks are common."""
    price = np.zeros(CONTROLS)
    price[: len(EXPRESSIONS)] = weights.price
    price[LID_LEFT : LID_LEFT + 2] = 0.1 * weights.price
    return price


def bounded_step(
    matrix: np.ndarray,  # [m, n, n] positive definite
    gradient: np.ndarray,  # [m, n]
    low: np.ndarray,  # [m, n] <= 0: how far down a step may go
    high: np.ndarray,  # [m, n] >= 0
    rounds: int = 4,
    sweeps: int = 2,
) -> np.ndarray:
    """Steps [m, n] near the minimum of g·d + d·H·d / 2 with low <= d <= high; never worse than no step.

    Projected Newton finds what is at a bound, quickly but not surely; coordinate descent, which can only go down, mends
    the rest.
    """
    step = np.zeros_like(gradient)
    slope = gradient.copy()
    value = np.zeros(len(gradient))
    free_matrix = np.empty_like(matrix)
    diagonal = np.arange(matrix.shape[1])
    for _ in range(rounds):
        held = ((step <= low + 1e-9) & (slope > 0)) | ((step >= high - 1e-9) & (slope < 0))
        free = ~held
        np.multiply(matrix, free[:, :, None] & free[:, None, :], out=free_matrix)
        free_matrix[:, diagonal, diagonal] += held
        move = -np.linalg.solve(free_matrix, np.where(held, 0, slope)[..., None])[..., 0]
        # Cutting a Newton step off at the bounds can lead uphill: then go a shorter way.
        for share in (1.0, 0.4, 0.1):
            tried = np.clip(step + share * move, low, high)
            pushed = (matrix @ tried[..., None])[..., 0]
            worth = ((gradient + 0.5 * pushed) * tried).sum(1)
            better = worth < value
            step[better], slope[better], value[better] = tried[better], (gradient + pushed)[better], worth[better]
            move[better] = 0
            if better.all():
                break
    size = np.diagonal(matrix, axis1=1, axis2=2)
    for _ in range(sweeps):
        for k in range(matrix.shape[1]):
            change = np.clip(step[:, k] - slope[:, k] / size[:, k], low[:, k], high[:, k]) - step[:, k]
            step[:, k] += change
            slope += matrix[:, k] * change[:, None]
    return step


def _bounds(controls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low = np.full((len(controls), UNKNOWNS), -np.inf)
    high = np.full((len(controls), UNKNOWNS), np.inf)
    low[:, POSE:], high[:, POSE:] = CONTROL_LOW - controls, CONTROL_HIGH - controls
    return low, high


def _moved(frames: Frames, step: np.ndarray) -> Frames:
    turn = rotation_matrix(np.clip(step[:, :3], -0.5, 0.5))
    return Frames(turn @ frames.rotation, frames.place + step[:, 3:6], frames.controls + step[:, POSE:])


def _normal_equations(
    face: Face, linear: Linear, controls: np.ndarray, resting: np.ndarray | None, calm: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    slopes = linear.slopes
    matrix = (slopes.transpose(0, 2, 1) @ slopes).astype(np.float64)
    gradient = np.einsum("mrk,mr->mk", slopes, linear.residual).astype(np.float64)
    diagonal, prior = _priors(face, controls, resting, calm)
    index = np.arange(POSE, UNKNOWNS)
    matrix[:, index, index] += diagonal
    matrix[:, np.arange(POSE), np.arange(POSE)] += 1e-6
    gradient[:, POSE:] += prior
    return matrix, gradient


def fit_frames(
    face: Face,
    frames: Frames,
    seen: np.ndarray,  # [m, 478, 2]
    rounds: int,
    resting: np.ndarray | None = None,  # [m, CONTROLS] towards which `calm` pulls
    calm: np.ndarray | None = None,  # [m, CONTROLS] precision of that pull
    pose: bool = True,  # whether the pose may change
    controls: bool = True,  # whether the controls may
    chunk: int = 64,
) -> Frames:
    """Pose and controls of frames seen, from a start near enough (within about 0.5 rad)."""
    done = []
    for start in range(0, len(frames), chunk):
        rows = slice(start, start + chunk)
        part, points = frames[rows], seen[rows]
        pull = (None, None) if resting is None else (resting[rows], calm[rows])
        for _ in range(rounds):
            matrix, gradient = _normal_equations(face, linearise(face, part, points), part.controls, *pull)
            if controls and pose:
                step = bounded_step(matrix, gradient, *_bounds(part.controls))
            else:
                step = np.zeros_like(gradient)
                if pose:
                    step[:, :POSE] = -np.linalg.solve(matrix[:, :POSE, :POSE], gradient[:, :POSE, None])[..., 0]
                else:
                    low, high = (limit[:, POSE:] for limit in _bounds(part.controls))
                    step[:, POSE:] = bounded_step(matrix[:, POSE:, POSE:], gradient[:, POSE:], low, high)
            part = _moved(part, step)
        done.append(part)
    return joined(done)


def joined(parts: list[Frames]) -> Frames:
    """Frames one after the other."""
    return Frames(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("rotation", "place", "controls")))


def person_step(face: Face, frames: Frames, seen: np.ndarray) -> tuple[np.ndarray, Frames]:
    """One joint step of identity [I] and all `frames` (a few dozen that show what the person can do) against landmarks
    `seen` [m, 478, 2]."""
    linear = linearise(face, frames, seen, person=True)
    matrix, gradient = _normal_equations(face, linear, frames.controls, None, None)
    low, high = _bounds(frames.controls)
    held = ((low > -1e-9) & (gradient > 0)) | ((high < 1e-9) & (gradient < 0))
    index = np.arange(UNKNOWNS)
    matrix *= ~held[:, :, None] & ~held[:, None, :]
    matrix[:, index, index] += held
    gradient = np.where(held, 0, gradient)
    cross = (linear.slopes.transpose(0, 2, 1) @ linear.person).astype(np.float64)
    cross[held] = 0
    inner = np.linalg.solve(matrix, np.concatenate([cross, gradient[..., None]], 2))
    count = linear.person.shape[2]
    flat = linear.person.reshape(-1, count).astype(np.float64)
    shared = flat.T @ flat - np.einsum("mki,mkj->ij", cross, inner[..., :-1])
    slope = flat.T @ linear.residual.reshape(-1) - np.einsum("mki,mk->i", cross, inner[..., -1])
    shared[np.arange(count), np.arange(count)] += face.weights.person
    slope += face.weights.person * face.rig.identity
    change = -np.linalg.solve(shared, slope)
    step = np.clip(-(inner[..., -1] + inner[..., :-1] @ change), low, high)
    return face.rig.identity + change, _moved(frames, step)


def offset_step(face: Face, frames: Frames, seen: np.ndarray) -> np.ndarray:
    """Offsets [478, 3] (metres) that explain what stays of the residuals against landmarks `seen` [m, 478, 2] in all
    frames alike."""
    lens = face.lens
    world = frames.world(face.rig.points(frames.controls) + face.offsets)
    inverse = 1 / (lens.distance - world[..., 2])
    flat = np.stack([world[..., 0], -world[..., 1]], -1) * (lens.focal * inverse)[..., None]
    pixels = flat + np.array([lens.cx, lens.cy]) - seen
    camera = np.zeros((*pixels.shape, 3))
    camera[..., 0, 0], camera[..., 1, 1] = lens.focal * inverse, -lens.focal * inverse
    camera[..., 2] = flat * inverse[..., None]
    slopes = camera @ frames.rotation[:, None]
    noise = face.weights.noise * face.scale
    robust = 1 / (1 + (pixels**2).sum(-1) / (face.weights.outlier * noise) ** 2)
    weight = face.known * landmark_weights() * robust / noise**2
    prior = 0.3 * len(frames) / np.array(face.weights.slack) ** 2
    matrix = np.einsum("ml,mlac,mlad->lcd", weight, slopes, slopes) + np.diag(prior)
    gradient = np.einsum("ml,mlac,mla->lc", weight, slopes, pixels) + prior * face.offsets
    offsets = face.offsets - np.linalg.solve(matrix, gradient[..., None])[..., 0]
    # Offsets must not stand in for an opening, neither straight nor, on a head that nods, by different depths: else the
    # rig's lips would cross when the seen ones touch.
    upper, lower = _PAIRS.T
    offsets[upper, 1:] = offsets[lower, 1:] = 0.5 * (offsets[upper, 1:] + offsets[lower, 1:])
    return offsets
