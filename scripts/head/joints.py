"""Skinning weights and the jaw's axis: a rotation that opens the mouth as the jawOpen shape does."""

from __future__ import annotations

import numpy as np

from scripts.head.assembly import JOINTS, Assembly


def rotation_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def fit_jaw(teeth: np.ndarray, motion: np.ndarray) -> tuple[float, np.ndarray, float]:
    """Angle about +x, pivot [3] on the midplane and RMS error (metres) of the rigid fit of `motion` [n, 3]."""
    before, after = teeth[:, 1:], (teeth + motion)[:, 1:]
    a, b = before - before.mean(0), after - after.mean(0)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    turn = rotation_x(angle)[1:, 1:]
    # Fixed point of x -> R (x - mean) + mean': (I - R) p = mean' - R mean.
    pivot = np.linalg.solve(np.eye(2) - turn, after.mean(0) - turn @ before.mean(0))
    pivot = np.array([0.0, *pivot])
    error = (teeth - pivot) @ rotation_x(angle).T + pivot - teeth - motion
    return float(angle), pivot, float(np.sqrt((error**2).sum(1).mean()))


def jaw_share(vertices: np.ndarray, motion: np.ndarray, angle: float, pivot: np.ndarray) -> np.ndarray:
    """[V] in [0, 1]: how much of the jaw's rotation each vertex makes in `motion` (the jawOpen shape).

    Taken from the shape and not from the data's bone weights, so that turning the jaw looks like jawOpen.
    """
    turned = (vertices - pivot) @ rotation_x(angle).T + pivot - vertices
    return np.clip((turned * motion).sum(1) / np.maximum((turned**2).sum(1), 1e-12), 0, 1)


def skinning_weights(assembly: Assembly, jaw: np.ndarray) -> np.ndarray:
    """Weights [V, 6] over root, neck, head, jaw, eyes; rows sum to 1; eyeballs are rigid."""
    parents = assembly.asset.bone_parents()

    def group(bone: str) -> str:
        while bone:
            if bone == "head" or bone.startswith("neck"):
                return bone[:4]
            bone = parents.get(bone, "")
        return "root"

    by_joint = {name: np.zeros(len(assembly.asset.vertices)) for name in ("root", "neck", "head")}
    for bone, weight in assembly.bone_weights.items():
        by_joint[group(bone)] += weight
    carried = np.column_stack([assembly.carry @ by_joint[n] for n in ("root", "neck", "head")]).clip(0)
    carried /= carried.sum(1, keepdims=True)
    weights = np.zeros((len(assembly), len(JOINTS)))
    weights[:, :3] = carried
    weights[:, 3] = weights[:, 2] * jaw
    weights[:, 2] -= weights[:, 3]
    # Hard parts move in one piece.
    rigid = {"eye_l": 4, "eye_r": 5, "teeth_upper": 2, "gum_upper": 2, "teeth_lower": 3, "gum_lower": 3}
    for name, joint in rigid.items():
        weights[assembly.slices[name]] = np.eye(len(JOINTS))[joint]
    return weights
