"""What the landmark graph network knows of a face, as corrections of the expression that a motion network gives it.

    speech, mood, expression ─► graph network ─► nodes [N, 3] ─► least squares on this face's shapes ─► corrections [52]
    speech + corrections, emotion, contacts ─► lip rules ─► expression

Contacts come after: lips that must close still do. Everything that hangs on the face alone is computed once.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.head import HeadModel
from emotalk.motion.landmark_graph import (
    BROWS,
    LIDS,
    MOUTH,
    ROW,
    LandmarkGraphNetwork,
    neutral_landmarks,
    shape_landmarks,
)
from emotalk.motion.lip_rules import combine
from emotalk.motion.network import NetworkOutput

LARGEST = 0.25
"""Of a correction, in ARKit weights."""
_MILLIMETRES = 1000.0
_RIDGE = {"jaw": 1.0, "mouth": 1.0, "cheek": 20.0, "nose": 20.0, "brow": 50.0, "eye": np.inf, "tongue": np.inf}
"""mm² that a shape's full weight costs for each node: what is small in a face stays so, and lids and gaze, which blinks
and looks move, are left alone."""
_LIPS, _LITTLE = 4.0, 0.2
"""How much the nodes of lips count, and those of lids and brows."""


def solver(shapes: np.ndarray) -> np.ndarray:
    """[52, N, 3] weights of shapes per metre of each node's displacement: regularised least squares on `shapes`
    [52, N, 3] in metres (`shape_landmarks`). A correction is the sum of it times the displacement."""
    nodes = shapes.shape[1]
    ridge = np.array([next(v for starts, v in _RIDGE.items() if name.startswith(starts)) for name in ARKIT_NAMES])
    free = np.flatnonzero(np.isfinite(ridge) & (np.abs(shapes).max((1, 2)) > 1e-6))
    weights = np.ones(nodes)
    weights[list(MOUTH)] = _LIPS
    weights[[ROW[i] for i in (*LIDS, *BROWS)]] = _LITTLE
    slopes = _MILLIMETRES * shapes[free].reshape(len(free), -1).astype(np.float64)
    weighted = slopes * np.repeat(weights, 3)
    normal = weighted @ slopes.T + nodes * np.diag(ridge[free])
    out = np.zeros((len(ARKIT_NAMES), nodes * 3))
    out[free] = _MILLIMETRES * np.linalg.solve(normal, weighted)
    return out.reshape(-1, nodes, 3).astype(np.float32)


class LandmarkCorrections:
    """One face's corrections, shared by all talks of it."""

    def __init__(self, network: LandmarkGraphNetwork, person: HeadModel) -> None:
        """`person` is a head with its identity worked in (`HeadModel.with_identity`)."""
        self.network = network
        with torch.inference_mode():
            self.face = network.face(torch.from_numpy(neutral_landmarks(person))[None])
        self._solve = torch.from_numpy(solver(shape_landmarks(person))).flatten(1).T.contiguous()

    def start(self) -> list[Tensor]:
        """The state before the first frame (`LandmarkGraphNetwork.start`: [1, 2 dilation, H] each)."""
        return self.network.start()

    def correct(
        self,
        heard: Tensor,  # [1, T, S] `MotionNetwork.lip_inputs`
        va: Tensor,  # [1, T, 2]
        output: NetworkOutput,
        state: list[Tensor],
    ) -> tuple[NetworkOutput, list[Tensor]]:
        """The same output with its speech and expression [1, T, 52] corrected, and the new state."""
        residual, state = self.network(heard, va, output.expression, self.face, state)
        change = (residual.flatten(2) @ self._solve).clamp(-LARGEST, LARGEST)
        # A shape is taken away at most as far as it is there.
        speech = torch.maximum(output.speech + change, -output.emotion.clamp(min=0))
        speech = torch.where(change == 0, output.speech, speech)
        expression = combine(speech, output.emotion, *output.held.unbind(-1))
        expression = torch.maximum(expression, output.expression.clamp(max=0))
        return dataclasses.replace(output, speech=speech, expression=expression), state
