"""Names every vertex: face, lips, inner mouth, teeth, tongue, eyes, lids, ears, scalp, neck, shoulders, ..."""

from __future__ import annotations

import numpy as np

from scripts.head.assembly import Assembly


def sample_mask(assembly: Assembly, name: str) -> np.ndarray:
    """[V] value of a UV mask at every skin vertex (the largest of its corners); 0 elsewhere."""
    mask = assembly.asset.mask(name)
    height, width = mask.shape
    skin = assembly.parts[0]
    uv = skin.uvs[skin.uv_triangles.ravel()]
    x = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    y = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    value = np.zeros(len(assembly))
    np.maximum.at(value, skin.triangles.ravel(), mask[y, x])
    return value


def regions(assembly: Assembly, vertices: np.ndarray, weights: np.ndarray, mirror: np.ndarray) -> dict[str, np.ndarray]:
    """Region name -> [V] bool. `face` .. `shoulders` share out the skin; the others are parts of the head."""
    part = np.zeros(len(assembly), int)
    for k, piece in enumerate(assembly.parts):
        part[assembly.slices[piece.name]] = k
    names = [p.name for p in assembly.parts]
    skin = part == 0

    def pieces(prefix: str) -> np.ndarray:
        return np.isin(part, [k for k, n in enumerate(names) if n.startswith(prefix)])

    def masked(name: str, least: float) -> np.ndarray:
        # The painted masks are not quite symmetric.
        value = sample_mask(assembly, name)
        return skin & (0.5 * (value + value[mirror]) > least)

    inner_mouth = masked("inside-mouth", 0.5)
    lips = masked("lips", 0.5) & ~inner_mouth
    lids = masked("eyelids", 0.4)
    ears = masked("ears", 0.5)
    shoulders = skin & (weights[:, 0] > 0.5)
    neck = skin & ~shoulders & (weights[:, 0] + weights[:, 1] > 0.5)
    head = skin & ~shoulders & ~neck & ~inner_mouth & ~lips & ~lids & ~ears
    # The hairline of the average head: a plane that rises from behind the ears to above the forehead.
    scalp = head & (vertices[:, 1] > 0.09 + 0.55 * np.clip(vertices[:, 2] - 0.045, -0.3, 0.0))
    scalp |= head & (vertices[:, 1] > 0.108)
    result = {
        "skin": skin, "face": head & ~scalp, "lips": lips, "inner_mouth": inner_mouth, "lids": lids, "ears": ears,
        "scalp": scalp, "neck": neck, "shoulders": shoulders, "eyes": pieces("eye_"), "lashes": pieces("lashes"),
        "teeth": pieces("teeth"), "gums": pieces("gum"), "tongue": pieces("tongue"),
    }  # fmt: skip
    for piece in assembly.parts:
        for label, mask in piece.labels.items():
            result.setdefault(label, np.zeros(len(assembly), bool))[assembly.slices[piece.name]] = mask
    return result
