"""What a fit learns of the inside of a mouth: where each row of teeth is, and one colour for each part.

Few frames show teeth, and each shows others of them; Gaussians that learn alone become specks. Here all of a row learn
together: its error's pull is summed, and the row moves and changes its colour as a whole.

    gradients of Gaussians ─► summed over a row ─► Adam on (shift, tint, shade) ─► written back into the Gaussians
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.fitting.shipped_donor import INNER

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.fitting.gaussian_parameters import GaussianParameters

PARTS = ("upper teeth", "lower teeth", "upper gums", "lower gums", "tongue", "cavity")
PLACED = (0, 1, 0, 1, 1, -1)
"""Which row each part moves with: 0 the upper one, on the skull, 1 the lower one, on the jaw; -1: it stays."""
JAW = 3
"""The jaw's column of the head's joint weights."""
SHIFT, TINT, SHADE = "shift", "tint", "shade"
RATES = {SHIFT: 4e-5, TINT: 6e-3, SHADE: 2e-3}
"""Steps: metres, shares, shares per unit of a latent. They end at `END` of that."""
END = 0.2
EPSILONS = {SHIFT: 2e-3, TINT: 1e-5, SHADE: 1e-5}
PULLS = {SHIFT: 4.0, TINT: 1e-4, SHADE: 1e-3}
"""Gradient per unit of distance from what the row began with. What is hardly seen pulls less than this and stays."""
LIMITS = {TINT: 0.45, SHADE: 0.08}
"""How far they may go: shares of red, green and blue; shares per unit of a latent."""
LEAST_SHIFT = ((-0.0008, -0.0015, -0.0005), (-0.0008, -0.001, -0.0005))
MOST_SHIFT = ((0.0008, 0.0008, 0.0005), (0.0008, 0.0005, 0.0005))
"""Metres to the left, up and forward that the upper and the lower row may go. The mesh's upper lip hides more teeth
than those of most people; a lower row that may rise takes the place of the upper one, two clips of two."""
WET = 0.004
"""Metres from the lips within which the lining of the mouth is the inside of the lips: seen in every word, it learns as
lips do."""
OF_TINT = 0.10
"""Of that, how far red, green and blue may leave each other: a row takes no colour from lips."""


class MouthRows:
    """Responsibilities: hold place and colour of the rows, learn them, and write them into the Gaussians."""

    def __init__(self, avatar: GaussianAvatar, latents: int) -> None:
        device = avatar.device
        self.values = {
            SHIFT: torch.zeros(2, 3, device=device),
            TINT: torch.zeros(len(PARTS), 3, device=device),
            SHADE: torch.zeros(latents, len(PARTS), device=device),
        }
        self._first = {name: torch.zeros_like(value) for name, value in self.values.items()}
        self._second = {name: torch.zeros_like(value) for name, value in self.values.items()}
        ends = {name: (-limit, limit) for name, limit in LIMITS.items()} | {SHIFT: (LEAST_SHIFT, MOST_SHIFT)}
        self._ends = {name: [torch.tensor(end, device=device) for end in pair] for name, pair in ends.items()}
        self._steps = torch.zeros((), device=device)
        self._avatar = avatar

    def find(self, parameters: GaussianParameters) -> None:
        """Look where the rows are among the Gaussians; again after these were split or dropped."""
        fixed, head = parameters.fixed, self._avatar.head
        region, device = fixed.region, fixed.region.device
        inner = torch.isin(region, torch.tensor([REGION_INDEX[name] for name in INNER], device=device))
        inner[fixed.mesh_count :] = False
        lining = (inner & (region == REGION_INDEX["mouth"])).nonzero()[:, 0]
        corners = head.template[head.triangles[fixed.triangle[lining]]]
        places = (corners * fixed.barycentric[lining][..., None]).sum(1)
        inner[lining[torch.cdist(places, head.template[head.regions["lips"]]).amin(1) < WET]] = False
        self.rows = inner.nonzero()[:, 0]
        corner = head.triangles[fixed.triangle[self.rows]]
        low = (head.weights[:, JAW][corner] * fixed.barycentric[self.rows]).sum(1) > 0.5
        region = region[self.rows]
        self.part = torch.full_like(region, PARTS.index("cavity"))
        for name in ("teeth", "gums"):
            of = region == REGION_INDEX[name]
            self.part[of & ~low], self.part[of & low] = PARTS.index(f"upper {name}"), PARTS.index(f"lower {name}")
        self.part[region == REGION_INDEX["tongue"]] = PARTS.index("tongue")
        row = torch.tensor(PLACED, device=device)[self.part]
        self._moving, self._row = (row >= 0).nonzero()[:, 0], row[row >= 0]
        slot = torch.full((len(parameters),), -1, dtype=torch.int64, device=device)
        slot[parameters.index] = torch.arange(len(parameters.index), device=device)
        self._slot = slot[self.rows]
        with torch.no_grad():
            vertices = self._avatar.mesh(HeadMotion.neutral())[0][0]
        self._turn = _triangle_frames(vertices, head.triangles[fixed.triangle[self.rows[self._moving]]])
        self._base = parameters.start["color"][self.rows]
        self._place = parameters.start["position"][self.rows]

    @torch.no_grad()
    def take(self, parameters: GaussianParameters) -> None:
        """Sum up the gradients that the Gaussians have, and leave them none."""
        found = {name: torch.zeros_like(value) for name, value in self.values.items()}
        place, color = parameters.values["position"].grad, parameters.values["color"].grad
        if place is not None:
            pull = (self._turn @ place[self.rows[self._moving]][..., None])[..., 0]
            found[SHIFT].index_add_(0, self._row, pull)
        if color is not None:
            found[TINT].index_add_(0, self.part, color[self.rows] * self._base)
        change = parameters.values["correction_color"].grad
        if change is not None and len(change):
            light = (change[:, self._slot] * self._base).sum(2)
            found[SHADE].index_add_(1, self.part, light)
        self.leave(parameters)
        self._found = found

    def leave(self, parameters: GaussianParameters) -> None:
        """Leave the Gaussians of the rows no gradients."""
        for name, value in parameters.values.items():
            if value.grad is not None and name.startswith("correction"):
                value.grad[:, self._slot] = 0
            elif value.grad is not None:
                value.grad[self.rows] = 0

    @torch.no_grad()
    def step(self, progress: float, parameters: GaussianParameters) -> None:
        """One Adam step with what was taken, written into the Gaussians; `progress` in [0, 1] sets the rates."""
        self._steps += 1
        for name, value in self.values.items():
            gradient = self._found[name] + PULLS[name] * value
            self._first[name].lerp_(gradient, 0.1)
            self._second[name].mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            size = (self._second[name] / (1 - 0.999**self._steps)).sqrt() + EPSILONS[name]
            rate = RATES[name] * END ** min(progress, 1.0) / (1 - 0.9**self._steps)
            value -= rate * self._first[name] / size
            least, most = self._ends[name]
            torch.minimum(torch.maximum(value, least), most, out=value)
        tint = self.values[TINT]
        light = tint.mean(1, keepdim=True)
        tint.copy_(light + (tint - light).clamp(-OF_TINT, OF_TINT))
        self.write(parameters)

    @torch.no_grad()
    def write(self, parameters: GaussianParameters) -> None:
        """Put place and colour of the rows into the Gaussians; all else of them is as it began."""
        values, start = parameters.values, parameters.start
        for name in ("rotation", "log_scale", "opacity_logit"):
            values[name].data[self.rows] = start[name][self.rows]
        place = self._place.clone()
        shift = self.values[SHIFT][self._row]
        place[self._moving] += (self._turn.transpose(1, 2) @ shift[..., None])[..., 0]
        values["position"].data[self.rows] = place
        values["color"].data[self.rows] = self._base * (1 + self.values[TINT][self.part])
        if len(self.values[SHADE]):
            values["correction_position"].data[:, self._slot] = 0
            shade = self.values[SHADE][:, self.part]
            values["correction_color"].data[:, self._slot] = shade[..., None] * self._base

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on later: tensors of any shape [...] by name."""
        parts = {"values": self.values, "first": self._first, "second": self._second}
        state = {f"mouth.{part}.{name}": value.clone() for part, own in parts.items() for name, value in own.items()}
        return state | {"mouth.steps": self._steps.clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        for part, own in (("values", self.values), ("first", self._first), ("second", self._second)):
            for name, value in own.items():
                value.copy_(state[f"mouth.{part}.{name}"])
        self._steps.copy_(state["mouth.steps"])


def _triangle_frames(vertices: Tensor, corners: Tensor) -> Tensor:
    """Rotations [N, 3, 3] from the frames of triangles with these corners [N, 3] into that of the mesh [V, 3]."""
    a, b, c = vertices[corners].unbind(1)
    edge = torch.nn.functional.normalize(b - a, dim=1)
    normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=1)
    return torch.stack([edge, torch.linalg.cross(normal, edge), normal], -1)
