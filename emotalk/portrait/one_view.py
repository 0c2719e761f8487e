"""Who it is, and what their face does, from the landmarks of one view.

One view cannot tell a broad mouth from a smile by itself. Two things can: faces are near the mean face (a prior on the
identity), and expressions are few (a price on each). Both are solved for together, an expression first, so that what an
expression explains does not become the person's face.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emotalk.core.landmarks import eye_distance
from emotalk.head import HeadModel
from emotalk.tracking.fit import Fit, lens_for, start_frames
from emotalk.tracking.rig import EXPRESSIONS, FaceRig
from emotalk.tracking.solve import Face, Weights, fit_frames, offset_step, person_step, plain_price

WEIGHTS = Weights(person=6.0)
"""Of the fit to one view."""
ROUNDS = 8


def fit_one_view(
    head: HeadModel,
    size: int,
    points: np.ndarray,  # [478, 3] px
    blendshapes: np.ndarray | None = None,  # [52] to start from
    weights: Weights = WEIGHTS,
) -> Fit:
    """Person, pose and expression of the landmarks in a square of `size` pixels."""
    seen = points[None].astype(np.float64)
    scale = eye_distance(seen)
    rig = FaceRig.of(head, np.zeros(head.components))
    lens = lens_for(head, size, scale)
    face = Face(rig, np.zeros_like(rig.neutral), plain_price(weights), lens, scale, weights)
    flat = seen[..., :2]
    frames = fit_frames(face, start_frames(rig, lens, seen), flat, rounds=5, controls=False)
    if blendshapes is not None:
        controls = frames.controls.copy()
        controls[0, : len(EXPRESSIONS)] = blendshapes[list(EXPRESSIONS)]
        frames = replace(frames, controls=controls)
    frames = fit_frames(face, frames, flat, rounds=4)
    for k in range(ROUNDS):
        identity, frames = person_step(face, frames, flat)
        # The face at rest is linear in the identity; how its shapes change with it matters little from round to round.
        exact = k in (0, 3) or k == ROUNDS - 1
        face = replace(face, rig=FaceRig.of(head, identity) if exact else _nearly(face.rig, identity))
        frames = fit_frames(face, frames, flat, rounds=1)
        if k >= 3:
            face = replace(face, offsets=offset_step(face, frames, flat))
    error = np.linalg.norm(face.predict(frames) - flat, axis=-1).mean(1)
    return Fit(face, frames, error)


def _nearly(rig: FaceRig, identity: np.ndarray) -> FaceRig:
    """The rig of another identity [I] with the shapes of the one before."""
    moved = rig.neutral + np.tensordot(identity - rig.identity, rig.people, 1)
    return replace(rig, identity=identity, neutral=moved)
