"""The shipped head, poses by name, and a look at it from the front that knows what each pixel shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.head import HeadModel
from scripts.head.zbuffer import project, visibility

SIDES = ("Left", "Right")


@pytest.fixture(scope="session")
def head() -> HeadModel:
    return HeadModel.load()


def coefficients(**amounts: float) -> torch.Tensor:
    """Expression [1, 52]; a name without its side (mouthSmile) sets both."""
    expression = torch.zeros(1, len(ARKIT_NAMES))
    for name, amount in amounts.items():
        for full in [name] if name in ARKIT_INDEX else [name + side for side in SIDES]:
            expression[0, ARKIT_INDEX[full]] = amount
    return expression


@pytest.fixture(scope="session")
def posed(head: HeadModel) -> Callable[..., torch.Tensor]:
    """posed(jawOpen=1, gaze=[.1, 0]) -> vertices [V, 3]."""

    def pose(person: HeadModel = head, **amounts) -> torch.Tensor:
        channels = {
            name: torch.tensor([amounts.pop(name)], dtype=torch.float32)
            for name in ("jaw", "gaze", "eyelids", "head_pose")
            if name in amounts
        }
        with torch.no_grad():
            return person(expression=coefficients(**amounts), **channels).vertices[0]

    return pose


@dataclass(frozen=True)
class FrontView:
    """What is seen from the front: triangle per pixel (-1: nothing) of a box `size` metres wide."""

    owner: np.ndarray
    pixel: float  # metres

    def shows(self, faces: np.ndarray) -> np.ndarray:
        """[H, W] True where a pixel shows one of `faces` [F] bool."""
        return (self.owner >= 0) & faces[self.owner]


@pytest.fixture(scope="session")
def front(head: HeadModel) -> Callable[..., FrontView]:
    triangles = head.triangles.numpy()
    lash = head.regions["lashes"].numpy()[triangles].any(1)

    def view(vertices: torch.Tensor, centre: tuple[float, float], size: float, pixels: int = 600) -> FrontView:
        """Lashes are left out: they would hide what the lids should."""
        where = {"centre": (*centre, 0.0), "span": size}
        flat, depth = project(vertices.numpy().astype(float), pixels, **where)
        owner, _ = visibility(flat, np.ascontiguousarray(depth), triangles[~lash], pixels)
        return FrontView(np.where(owner >= 0, np.flatnonzero(~lash)[owner], -1), size / pixels)

    return view


@pytest.fixture(scope="session")
def faces_of(head: HeadModel) -> Callable[..., np.ndarray]:
    """faces_of("teeth", "tongue") -> [F] True for triangles that lie in one of the regions."""
    triangles = head.triangles.numpy()

    def select(*names: str) -> np.ndarray:
        return np.any([head.regions[name].numpy()[triangles].all(1) for name in names], axis=0)

    return select
