"""How one person's face moves beside what the head model does with every face: a graph network over its landmarks.

After the landmark generator of Sinha et al. (arXiv 2205.01155): nodes carry a person's neutral geometry, speech and
emotion are inputs of their own. There the network makes all of the motion; here the motion network's shapes, copied to
this face, make nearly all of it, and the graph network adds the rest (from scratch it is far worse, see
docs/landmark-graph.md).

    neutral [N, 3] ─┬─ linear, in closed form ─┬─ how each shape differs on this face ─ x expression ─┐
                    └─ 3 graph convolutions ───┤                                                      │
                                               ├─ courses [N, R, 3] ─ x amounts [R] ──────────────────┤
    speech window ───┐                         │                       │                              ├─ +
    valence, arousal ┼─ 3 causal convolutions in time ─────────────────┤                              │
    expression [52] ─┤                         │                       │                              │
                     │                         └─ x scale + shift ─ 2 graph convolutions ─ last layer ┤
                     └─ linear, in closed form ───────────────────────────────────────────────────────┘

Both kinds of convolutions learn what the closed forms leave: how shapes differ on a face follows mostly from the whole
face, linearly, and what filmed lips do beside the copied shapes mostly from those shapes. Everything that hangs on the
face alone is computed once a person (`LandmarkGraphNetwork.face`).
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core import checkpoint
from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.core.landmarks import (
    BROWS,
    EYE_CORNERS,
    INNER_LIPS,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    NOSE,
    OUTER_LIPS,
    OUTLINES,
    OVAL,
    PAIRS,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
)
from emotalk.core.paths import CHECKPOINTS
from emotalk.head import HeadModel

FORMAT = "emotalk-landmarks-2"
CHEEKS = (18, 36, 50, 83, 101, 187, 199, 200, 205, 212, 216, 266, 280, 313, 330, 411, 425, 432, 436)
"""Cheeks, the folds beside nose and mouth, and the chin."""
LIDS = (*RIGHT_UPPER_LID, *RIGHT_LOWER_LID, *LEFT_UPPER_LID, *LEFT_LOWER_LID, *EYE_CORNERS)
KEYS: tuple[int, ...] = tuple(sorted({*OUTER_LIPS, *INNER_LIPS, *LIDS, *BROWS, *OVAL, *NOSE[::3], *CHEEKS}))
"""The landmarks (numbers among MediaPipe's 478) that are nodes: lips, lids, brows, outline, nose, cheeks."""
ROW = {landmark: row for row, landmark in enumerate(KEYS)}
"""A landmark's node."""
MOUTH: tuple[int, ...] = tuple(ROW[i] for i in sorted({*OUTER_LIPS, *INNER_LIPS}))
"""Nodes of the lips."""
NEAREST = 5
"""Nodes beside a node that are its neighbours, whatever lines they belong to."""

_MILLIMETRES = 1000.0
_PLACES = 50.0  # mm by which places on the face are divided, to be numbers about 1
_DIFFERENCE = 4.0  # mm by which a face usually differs from the mean one
_SCALE = 1e-3  # metres that an output of 1 stands for


def neutral_landmarks(person: HeadModel) -> np.ndarray:
    """[N, 3] float32 the nodes on a face at rest, metres from the head joint, of a head with its identity worked in
    (`HeadModel.with_identity`) or of the mean one."""
    with torch.no_grad():
        points = person.landmarks(person.template[None])[0] - person.joints[2]
    return points[list(KEYS)].cpu().numpy()


def shape_landmarks(person: HeadModel) -> np.ndarray:
    """[52, N, 3] float32 metres by which each ARKit shape moves the nodes of that head."""
    with torch.no_grad():
        return person.landmarks(person.shapes)[:, list(KEYS)].cpu().numpy()


def graph_edges(mean: np.ndarray) -> list[tuple[int, int]]:
    """The graph's edges (nodes a < b, in order) for nodes at `mean` [N, 3]: the face's lines, what meets when mouth and
    eyes shut, and each node's nearest ones."""
    wanted = {(ROW[a], ROW[b]) for line in OUTLINES for a, b in itertools.pairwise(line) if a in ROW and b in ROW}
    wanted |= {(ROW[a], ROW[b]) for a, b in PAIRS}
    apart = np.linalg.norm(mean[:, None].astype(np.float64) - mean[None], axis=-1)
    for node, row in enumerate(np.argsort(apart, axis=1, kind="stable")):
        wanted |= {(node, int(other)) for other in [n for n in row if n != node][:NEAREST]}
    return sorted({(min(a, b), max(a, b)) for a, b in wanted})


def adjacency(edges: list[tuple[int, int]], nodes: int) -> np.ndarray:
    """[N, N] float32 symmetric: 1 / sqrt(neighbours of a x neighbours of b) where a and b are joined."""
    joined = np.zeros((nodes, nodes))
    a, b = np.array(edges).T
    joined[a, b] = joined[b, a] = 1
    count = np.maximum(joined.sum(1), 1)
    return (joined / np.sqrt(count[:, None] * count[None])).astype(np.float32)


@dataclass(frozen=True)
class GraphConfig:
    """Sizes of the network; the shipped weights use the defaults."""

    nodes: int = len(KEYS)
    speech: int = 2163  # numbers of `MotionNetwork.lip_inputs`
    channels: int = 64  # of a node, once a face
    moving: int = 24  # of a node, in every frame
    hidden: int = 48  # of a frame
    courses: int = 12
    directions: int = 40  # in which faces differ as a whole
    ways: int = 20  # in which shapes differ beside that
    heard: int = 48  # principal components of speech
    dilations: tuple[int, ...] = (1, 2, 4)

    def __post_init__(self) -> None:
        sizes = (
            self.nodes,
            self.speech,
            self.channels,
            self.moving,
            self.hidden,
            self.courses,
            self.directions,
            self.ways,
            self.heard,
            *self.dilations,
        )
        if not self.dilations or min(sizes) < 1:
            raise ValueError("Every size of GraphConfig must be at least 1.")


class GraphConvolution(nn.Module):
    """A residual Chebyshev filter (Defferrard et al. 2016) over nodes and those within two edges of them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.linear = nn.Linear(3 * channels, 2 * channels)

    def forward(self, x: Tensor, joined: Tensor) -> Tensor:
        """`x` [..., N, C] and the graph `joined` [N, N] -> [..., N, C]."""
        own = self.norm(x)
        near = joined @ own
        far = 2 * (joined @ near) - own
        # Products of what neighbours say: how a triangle bends is one of edges and what they do.
        gate, value = self.linear(torch.cat([own, near, far], -1)).chunk(2, -1)
        return x + nn.functional.silu(gate) * value


class PastConvolution(nn.Module):
    """A residual convolution over a frame and those `dilation` and twice that before it."""

    def __init__(self, hidden: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(hidden)
        self.linear = nn.Linear(3 * hidden, hidden)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """`x` [B, T, H] and what came before, `past` [B, 2 dilation, H] -> the same of the next frames."""
        whole, d, frames = torch.cat([past, self.norm(x)], 1), self.dilation, x.shape[1]
        three = torch.cat([whole[:, :frames], whole[:, d : d + frames], whole[:, 2 * d :]], -1)
        return x + nn.functional.silu(self.linear(three)), whole[:, frames:]


@dataclass(frozen=True)
class Face:
    """What the network knows of B faces before anything is said (`LandmarkGraphNetwork.face`)."""

    nodes: Tensor  # [B, N, M]
    shapes: Tensor  # [B, 52, N, 3] by which the face makes each shape differ from the copied one, in units of 1 mm
    courses: Tensor  # [B, R, N, 3]


class LandmarkGraphNetwork(nn.Module):
    """See the drawing at the top of this file. Speech is heard as the lip branch hears it, 200 ms ahead; beside that
    window nothing of the future is seen."""

    def __init__(self, config: GraphConfig, mean: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        nodes, c, m, h = config.nodes, config.channels, config.moving, config.hidden
        # The mean face [N, 3] in metres, and the graph on it.
        self.register_buffer("mean", torch.zeros(nodes, 3) if mean is None else mean.float().clone())
        self.register_buffer("joined", torch.zeros(nodes, nodes))
        # What of a face's shapes follows from the whole face (`learning.landmark_training.learn_faces`): from nodes at
        # rest to sizes of the directions, and what the shapes do along each.
        self.register_buffer("directions", torch.zeros(config.directions, nodes, 3))
        self.register_buffer("bends", torch.zeros(config.directions, len(ARKIT_NAMES), nodes, 3))
        # What is left of it, in principal components: the graph convolutions say how much of each at each node.
        self.register_buffer("ways", torch.zeros(config.ways, len(ARKIT_NAMES), nodes, 3))
        # What filmed people do beside each shape, whoever they are (`learn_common`), in units of 1 mm.
        self.register_buffer("common", torch.zeros(len(ARKIT_NAMES), nodes, 3))
        # Where films tell how faces move (1) and where the convolutions on motion are silent (0).
        self.register_buffer("moving", torch.ones(nodes))
        # Speech in its principal components (`learn_hearing`).
        self.register_buffer("usual", torch.zeros(config.speech))
        self.register_buffer("ear", torch.zeros(config.speech, config.heard))
        self.place = nn.Parameter(0.1 * torch.randn(nodes, c))
        self.geometry = nn.Linear(6, c)
        self.sizes = nn.Linear(config.directions, c, bias=False)
        self.on_face = nn.ModuleList(GraphConvolution(c) for _ in range(3))
        self.whole = nn.Linear(c, c)
        self.movable = nn.Linear(c, m)
        self.shapes = nn.Linear(c, config.ways)
        self.courses = nn.Linear(c, config.courses * 3)
        self.drop = nn.Dropout(0.4)
        self.hear = nn.Linear(config.heard, h)
        self.feel = nn.Linear(5, h)
        self.see = nn.Linear(len(ARKIT_NAMES), h)
        self.in_time = nn.ModuleList(PastConvolution(h, d) for d in config.dilations)
        self.amounts = nn.Linear(h, config.courses)
        self.scale = nn.Linear(h, m)
        self.shift = nn.Linear(h, m)
        self.on_frame = nn.ModuleList(GraphConvolution(m) for _ in range(2))
        self.last = nn.Linear(m, 3)
        # A new network adds nothing to what is copied.
        for layer in (self.shapes, self.amounts, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @classmethod
    def on_head(cls, head: HeadModel, config: GraphConfig | None = None) -> LandmarkGraphNetwork:
        """A new network whose mean face is that of `head`."""
        mean = neutral_landmarks(head)
        network = cls(config or GraphConfig(), torch.from_numpy(mean))
        network.joined.copy_(torch.from_numpy(adjacency(graph_edges(mean), len(mean))))
        return network

    @property
    def weights(self) -> int:
        """How many numbers were learned."""
        others = self.ways, self.common, self.usual, self.ear
        return sum(tensor.numel() for tensor in (*self.parameters(), self.directions, self.bends, *others))

    def start(self, batch: int = 1) -> list[Tensor]:
        """The state before the first frame: for each convolution in time, [batch, 2 dilation, H] of zeros."""
        return [self.last.weight.new_zeros(batch, 2 * d, self.config.hidden) for d in self.config.dilations]

    def _sizes(self, neutral: Tensor) -> Tensor:
        return torch.einsum("bnc,dnc->bd", _MILLIMETRES * (neutral - self.mean), self.directions)

    def _nodes(self, neutral: Tensor) -> Tensor:
        mean = self.mean.expand_as(neutral)
        geometry = torch.cat([
            (neutral - mean) * (_MILLIMETRES / _DIFFERENCE), mean * (_MILLIMETRES / _PLACES)
        ], -1)  # fmt: skip
        # What a face is like as a whole, no neighbour knows.
        x = self.geometry(geometry) + self.place + self.sizes(self._sizes(neutral))[..., None, :]
        for layer in self.on_face:
            x = layer(x, self.joined)
            x = x + self.whole(x.mean(-2, keepdim=True))
        return x

    def face(self, neutral: Tensor) -> Face:
        """What hangs on faces at rest alone, `neutral` [B, N, 3] (`neutral_landmarks`)."""
        if neutral.ndim != 3 or neutral.shape[1:] != self.mean.shape:
            raise InputError(
                f"Faces at rest must have shape [B, {len(self.mean)}, 3], found {list(neutral.shape)}; "
                "neutral_landmarks reads them off a head."
            )
        nodes = self._nodes(neutral)
        # The mean face does what is copied: shapes differ by what the face differs.
        amounts = self.shapes(nodes) - self.shapes(self._nodes(self.mean[None]))
        shapes = torch.einsum("bnw,wknc->bknc", amounts, self.ways)
        whole = torch.einsum("bd,dknc->bknc", self._sizes(neutral), self.bends)
        return Face(
            self.movable(nodes),
            shapes + whole,
            self.courses(nodes).unflatten(-1, (self.config.courses, 3)).transpose(1, 2),
        )

    def forward(
        self,
        speech: Tensor,  # [B, T, S] `MotionNetwork.lip_inputs`
        va: Tensor,  # [B, T, 2] valence and arousal
        expression: Tensor,  # [B, T, 52] what the motion network does with the face
        face: Face,
        state: list[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """[B, T, N, 3] metres by which the nodes move beside the copied shapes, and the state to go on from (`start()`
        where None)."""
        v, a = va.unbind(-1)
        felt = torch.stack([v, a, v * a, v * v, a * a], -1)
        x = self.hear(self.drop((speech - self.usual) @ self.ear)) + self.feel(felt) + self.see(expression)
        after = []
        for layer, past in zip(self.in_time, state or self.start(len(speech)), strict=True):
            x, past = layer(x, past)
            after.append(past)
        moved = torch.einsum("btk,bknc->btnc", expression, face.shapes + self.common)
        beside = torch.einsum("btr,brnc->btnc", self.amounts(x), face.courses)
        z = face.nodes[:, None] * (1 + self.scale(x)[:, :, None]) + self.shift(x)[:, :, None]
        for layer in self.on_frame:
            z = layer(z, self.joined)
        return _SCALE * (moved + (beside + self.last(z)) * self.moving[:, None]), after


def save_landmarks(network: LandmarkGraphNetwork, path: Path, facts: dict | None = None) -> None:
    """Half-precision weights (mean face and graph in full) with sizes and `facts` in the header."""
    config = dataclasses.asdict(network.config)
    checkpoint.save_network(path, network, FORMAT, config, facts, full=("mean", "joined"))


def load_landmarks(path: Path | None = None) -> LandmarkGraphNetwork:
    """The shipped network, or the one of a file by `save_landmarks`, ready to play; CheckpointError where none."""

    def build(config: dict, _weights: dict) -> LandmarkGraphNetwork:
        return LandmarkGraphNetwork(GraphConfig(**{**config, "dilations": tuple(config["dilations"])}))

    source = path or CHECKPOINTS / "landmarks.safetensors"
    network = checkpoint.load_network(source, build, FORMAT, "landmark network", checkpoint.remake("train_landmarks"))
    return network.eval().requires_grad_(False)
