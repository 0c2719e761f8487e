"""Random people from the phenotype and local targets, and the linear basis that spans them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np

from scripts.head.asset import AnnyAsset, phenotype_targets, phenotype_weights

FOLDERS = ("eyes", "eyebrows", "mouth", "nose", "chin", "cheek", "forehead", "head", "ears", "neck")
OPPOSITES = (
    ("incr", "decr"), ("up", "down"), ("out", "in"), ("forward", "backward"), ("convex", "concave"),
    ("uncompress", "compress"),
)  # fmt: skip
SKIPPED = ("head-scale-", "head-trans-", "head-angle", "neck-trans", "neck-scale-vert", "neck-height")
"""Targets that only move or scale the whole head (the pose and the camera do that) or stretch the neck."""


def local_controls(asset: AnnyAsset) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Symmetric controls as (targets of the positive side, targets of the negative side), sorted by name."""
    controls = []
    for folder in FOLDERS:
        names = asset.names(f"mpfb2/targets/{folder}", ".target.gz")
        done = set()
        for name in names:
            if name in done or any(s in name for s in SKIPPED) or name.startswith("r-"):
                continue
            partner = None
            stem, _, last = name.rpartition("-")
            for plus, minus in OPPOSITES:
                if last in (plus, minus):
                    partner = f"{stem}-{minus if last == plus else plus}"
            partner = partner if partner in names else None
            sides = [[name], [partner] if partner else []]
            done |= {name, partner}
            if name.startswith("l-"):
                sides = [s + ["r-" + n[2:] for n in s] for s in sides]
            controls.append(tuple(tuple(f"mpfb2/targets/{folder}/{n}.target.gz" for n in s) for s in sides))
    return controls


class People:
    """Draws people by mixing targets; every vertex list here is linear in the targets."""

    def __init__(self, asset: AnnyAsset) -> None:
        controls = local_controls(asset)
        bodies = phenotype_targets(asset)
        self.tokens = list(bodies.values())
        self.base = asset.vertices
        self.bodies = [asset.target(path) for path in bodies]
        self.local = [
            tuple(sum((asset.target(p) for p in side), np.zeros_like(self.base)) for side in sides)
            for sides in controls
        ]

    def mapped(self, linear: Callable[[np.ndarray], np.ndarray]) -> People:
        """The same people as seen through a linear map of base vertices (a crop, a change of pose)."""
        other = copy.copy(self)
        other.base = linear(self.base)
        other.bodies = [linear(body) for body in self.bodies]
        other.local = [tuple(linear(side) for side in sides) for sides in self.local]
        return other

    def person(self, body: dict[str, float], local: np.ndarray | None = None) -> np.ndarray:
        """Vertices [N, 3] for token weights `body` and local amounts [controls] in [-1, 1]."""
        vertices = self.base.copy()
        for tokens, target in zip(self.tokens, self.bodies, strict=True):
            weight = np.prod([body.get(t, 0.0) for t in tokens])
            if weight > 1e-7:
                vertices += weight * target
        if local is not None:
            for amount, (plus, minus) in zip(local, self.local, strict=True):
                vertices += abs(amount) * (plus if amount > 0 else minus)
        return vertices

    def average(self) -> np.ndarray:
        """A young adult midway between all phenotypes."""
        return self.person(phenotype_weights(0.5, 0.64, 0.5, 0.48, 0.5, 0.25, np.ones(3)))

    def sample(self, count: int, seed: int) -> Iterator[np.ndarray]:
        """Random adults: wide in age, sex, weight and ancestry, moderate in every local control."""
        rng = np.random.default_rng(seed)
        for _ in range(count):
            body = phenotype_weights(
                gender=rng.beta(0.6, 0.6), age=rng.uniform(0.56, 1.0), muscle=rng.uniform(0.3, 0.7),
                weight=rng.uniform(0.25, 0.8), height=0.5, proportions=rng.uniform(0, 1), race=rng.dirichlet([0.5] * 3),
            )  # fmt: skip
            yield self.person(body, np.clip(rng.normal(0, 0.2, len(self.local)), -0.6, 0.6))


def principal_components(people: np.ndarray, weight: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Identity basis [K, V, 3] (unit = one standard deviation) and the share of variance it explains.

    `people` [n, V, 3]; `weight` [V] says how much a vertex matters.
    """
    n, v, _ = people.shape
    mean = people.mean(0)
    centred = (people - mean).reshape(n, -1)
    scaled = centred * np.sqrt(np.repeat(weight, 3))[None].astype(centred.dtype)
    # n << 3 V: the eigenvectors of the n x n Gram matrix give the scores directly.
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    order = np.argsort(values)[::-1][:count]
    scores = vectors[:, order] * np.sqrt(n - 1)
    basis = (scores.T @ centred) / (n - 1)
    # eigh leaves the signs open: fix them so that a rebuild gives the same file.
    signs = np.sign(basis[np.arange(count), np.abs(basis).argmax(1)])
    return (basis * signs[:, None]).reshape(count, v, 3), float(values[order].sum() / values.sum())
