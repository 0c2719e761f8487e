"""Individual teeth on two dental arches, with gums: crowns of textbook size in place of the data's white bands.

Each jaw is a row of 14 crowns along a curve; a crown is a stack of rounded cross-sections from below the
gum to the biting edge. All are bound to the data's own teeth, so that they follow every person and the jaw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.head.assembly import Part, affine_carry
from scripts.head.asset import AnnyAsset


@dataclass(frozen=True)
class Crown:
    """Size of a tooth's crown in millimetres, as in dental anatomy textbooks (Wheeler's averages, rounded)."""

    width: float  # along the arch
    height: float  # gum to edge
    depth: float  # lip side to tongue side, at the gum
    kind: str  # incisor, canine, premolar, molar
    drop: float = 0.0  # how far the edge stands past (+) or short of (-) the central incisor's


UPPER = (
    Crown(8.5, 10.5, 6.6, "incisor"), Crown(6.5, 9.9, 5.8, "incisor", -0.7), Crown(7.5, 11.3, 7.4, "canine", -0.6),
    Crown(7.0, 10.0, 8.6, "premolar", -1.8), Crown(6.8, 9.4, 8.6, "premolar", -2.5),
    Crown(9.8, 8.6, 10.4, "molar", -3.2), Crown(9.0, 7.4, 10.4, "molar", -3.6),
)  # fmt: skip
LOWER = (
    Crown(5.3, 8.8, 5.6, "incisor"), Crown(5.8, 9.0, 5.8, "incisor", -0.1), Crown(6.8, 10.0, 7.0, "canine", 0.4),
    Crown(7.0, 8.4, 7.4, "premolar", 0.5), Crown(7.0, 8.0, 7.8, "premolar", 0.9),
    Crown(10.6, 7.5, 9.8, "molar", 1.4), Crown(10.0, 7.2, 9.6, "molar", 1.8),
)  # fmt: skip
"""The upper row rises towards the back more than in life and its crowns are a millimetre longer there: the data's
smile lifts the lips' corners so high that ordinary rows would show mostly gum."""


@dataclass(frozen=True)
class Arch:
    """A jaw's curve through the lip side of its teeth, in metres relative to the head joint."""

    crowns: tuple[Crown, ...]
    front: float  # z of the incisors' lip side
    edge: float  # y of the central incisors' biting edge
    half_width: float  # |x| of the lip side at the back
    depth: float  # front to back
    down: float  # -1: crowns point down (upper jaw), +1: up
    gum: float  # how far the gum reaches past the crowns

    def place(self, length: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Point, tangent (towards the back) and outward normal [n, 3] at arc lengths from the midline."""
        x = np.linspace(0, self.half_width, 400)
        z = self.front - self.depth * (x / self.half_width) ** 3.0
        run = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
        # Past the end of the curve the arch runs straight back.
        px = np.interp(length, run, x)
        pz = np.interp(length, run, z) - np.maximum(length - run[-1], 0)
        slope = np.column_stack([np.interp(length, run, g) for g in (np.gradient(x, run), np.gradient(z, run))])
        slope /= np.linalg.norm(slope, axis=1, keepdims=True)
        zero = np.zeros(len(length))
        point = np.column_stack([px, np.full(len(length), self.edge), pz])
        tangent = np.column_stack([slope[:, 0], zero, slope[:, 1]])
        return point, tangent, np.column_stack([-slope[:, 1], zero, slope[:, 0]])


# The upper incisors close 1.7 mm over and 2.4 mm in front of the lower ones. The data's bands meet edge to edge
# and lie 8 mm behind the lips; these arches are fuller and stand 3 mm further forward, where lips still clear them.
UPPER_ARCH = Arch(UPPER, front=0.1050, edge=-0.0320, half_width=0.0305, depth=0.0420, down=-1.0, gum=0.0095)
LOWER_ARCH = Arch(LOWER, front=0.1026, edge=-0.0303, half_width=0.0280, depth=0.0405, down=1.0, gum=0.0065)
SLOT = 0.00012  # metres left between neighbours at their widest


def _profile(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cross-sections: height share (0 gum, 1 edge), width share, lip-side inset (mm), thickness share."""
    if kind in ("incisor", "canine"):
        height = np.array([-0.18, 0.08, 0.36, 0.66, 0.88, 0.975, 1.0])
        width = np.array([0.72, 0.80, 0.93, 1.0, 0.985, 0.93, 0.80])
        inset = np.array([0.65, 0.22, 0.0, 0.05, 0.30, 0.55, 0.85])
        thick = np.array([0.95, 1.0, 0.86, 0.58, 0.36, 0.26, 0.15])
    else:
        height = np.array([-0.18, 0.10, 0.45, 0.75, 0.95, 0.98])
        width = np.array([0.80, 0.88, 0.99, 1.0, 0.90, 0.55])
        inset = np.array([0.65, 0.20, 0.0, 0.30, 1.1, 2.6])
        thick = np.array([0.95, 1.0, 1.0, 0.93, 0.75, 0.40])
    return height, width, inset, thick


def crown_mesh(crown: Crown) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Local vertices [n, 3] (along the arch, outward, gum to edge; metres, edge at 0), triangles, uv."""
    segments = 12 if crown.kind in ("incisor", "canine") else 10
    height, width, inset, thick = _profile(crown.kind)
    turn = 2 * np.pi * (np.arange(segments) + 0.5) / segments
    c, s = np.cos(turn), np.sin(turn)
    across, out = np.sign(c) * np.abs(c) ** 0.75, np.sign(s) * np.abs(s) ** 0.75
    rows = []
    for h, w, i, t in zip(height, width, inset, thick, strict=True):
        along = 0.5 * crown.width * w * across
        middle = -i - 0.5 * crown.depth * t
        outward = middle + 0.5 * crown.depth * t * out
        up = np.full(segments, (h - 1) * crown.height)
        share = max(h, 0.0) ** 3
        if crown.kind == "canine":
            up -= share * 1.6 * np.abs(across) * w
        elif crown.kind == "premolar":
            up -= share * 0.9 * (1 - np.abs(out))
        elif crown.kind == "molar":
            up -= share * 0.7 * (1 - np.abs(2 * s * c))
        rows.append(np.column_stack([along, outward, up]))
    cap = rows[-1].mean(0)
    if crown.kind in ("premolar", "molar"):
        cap[2] -= 1.3  # the pit between the cusps
    vertices = np.concatenate([*rows, cap[None]]) * 1e-3
    triangles, last = [], len(vertices) - 1
    for r in range(len(rows) - 1):
        for k in range(segments):
            n, a, b = (k + 1) % segments, r * segments, (r + 1) * segments
            triangles += [(a + k, a + n, b + n), (a + k, b + n, b + k)]
    top = (len(rows) - 1) * segments
    triangles += [(top + k, top + (k + 1) % segments, last) for k in range(segments)]
    ring = np.concatenate([np.tile(np.arange(segments) / segments, len(rows)), [0.5]])
    level = np.concatenate([np.repeat(np.clip(height, 0, 1), segments), [1.0]])
    return vertices, np.array(triangles), np.column_stack([ring, level])


def _half_row(arch: Arch) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray], np.ndarray]:
    """The left half of a row: vertices, triangles, uv of each tooth and the arc length of the middles."""
    vertices, triangles, uvs, middles = [], [], [], []
    start = 0.5 * SLOT
    for k, crown in enumerate(arch.crowns):
        local, faces, uv = crown_mesh(crown)
        middle = start + 0.5e-3 * crown.width
        point, tangent, normal = arch.place(np.array([middle]))
        axis = np.array([0, arch.down, 0])
        edge = point + axis * crown.drop * 1e-3
        # Upper incisors lean forward a little towards the edge, as teeth do.
        lean = 0.10 if crown.kind == "incisor" else 0.04
        outward = local[:, 1:2] + lean * local[:, 2:3]
        vertices.append(edge + local[:, :1] * tangent + outward * normal + local[:, 2:3] * axis)
        # Tangent, normal and axis are left-handed for one jaw: keep the faces looking outward.
        handed = np.linalg.det(np.stack([tangent[0], normal[0], axis]))
        triangles.append(faces if handed > 0 else faces[:, ::-1])
        uvs.append((uv + np.array([k, 0])) / [14, 1])
        middles.append(middle)
        start += 1e-3 * crown.width + SLOT
    return vertices, triangles, uvs, np.array(middles)


def teeth_part(asset: AnnyAsset, posed: np.ndarray, jaw: str) -> Part:
    """The 14 crowns of a jaw ("upper" or "lower"), bound to the data's teeth."""
    arch = UPPER_ARCH if jaw == "upper" else LOWER_ARCH
    vertices, triangles, uvs, _ = _half_row(arch)
    vertices += [v * [-1, 1, 1] for v in vertices]
    triangles += [t[:, ::-1] for t in triangles]
    uvs += [uv + np.array([0.5, 0]) for uv in uvs]
    return _bound(asset, posed, jaw, f"teeth_{jaw}", vertices, triangles, uvs)


def gum_part(asset: AnnyAsset, posed: np.ndarray, jaw: str) -> Part:
    """The gum of a jaw: a band around the arch whose margin dips between the teeth."""
    arch = UPPER_ARCH if jaw == "upper" else LOWER_ARCH
    _, _, _, middles = _half_row(arch)
    columns, share, owner = [], [], []
    for k, (middle, crown) in enumerate(zip(middles, arch.crowns, strict=True)):
        for step in (-0.5, -0.25, 0.0, 0.25):
            columns.append(middle + step * 1e-3 * crown.width)
            share.append(abs(2 * step))
            owner.append(k)
    columns.append(middles[-1] + 0.52e-3 * arch.crowns[-1].width)
    share.append(1.0)
    owner.append(len(middles) - 1)
    columns, share = np.array(columns), np.array(share)
    # The first column lies on the midline exactly, so that the mirrored half can share it.
    columns[0] = 0.0
    point, _, normal = arch.place(columns)
    point[0, 0], normal[0] = 0.0, (0, 0, 1)
    axis = np.array([0, arch.down, 0])
    crowns = [arch.crowns[k] for k in owner]
    smooth = np.convolve(np.pad([c.height - c.drop for c in crowns], 2, mode="edge"), np.ones(5) / 5, "valid")
    depth = np.convolve(np.pad([c.depth for c in crowns], 2, mode="edge"), np.ones(5) / 5, "valid")
    height = np.array([c.height - c.drop for c in crowns])
    height = np.where(share > 0.9, smooth, height)
    front = np.array([c.kind in ("incisor", "canine") for c in crowns])
    papilla = share**2 * np.where(front, 0.42, 0.30) * smooth
    deep = arch.gum * 1e3
    rows = (
        # outward (mm), towards the edge from the gum line (mm)
        (np.full_like(depth, -0.6), np.full_like(depth, -deep)),
        (0.55 - 0.5 * share, np.full_like(depth, -0.55 * deep)),
        (0.65 - 0.7 * share, -1.6 + 0.5 * papilla),
        (0.42 - 0.9 * share, 0.35 + 0.8 * papilla),
        (-0.35 - 0.9 * share, 0.55 + papilla),
        (-0.5 * depth, -0.6 + 0.9 * papilla),
        (-depth + 0.3 + 0.6 * share, 0.4 + 0.8 * papilla),
        (-depth - 0.4 + 0.4 * share, -0.8 + 0.4 * papilla),
        (-depth - 1.8, np.full_like(depth, -0.5 * deep)),
        (-depth - 2.6, np.full_like(depth, -deep)),
    )  # fmt: skip
    grid = []
    lean = 0.07
    for out, up in rows:
        along = (up - height)[:, None] * 1e-3
        grid.append(point + (out[:, None] * 1e-3 + lean * along) * normal + along * axis)
    left = np.stack(grid)  # [rows, columns, 3]
    full = np.concatenate([left[:, :0:-1] * [-1, 1, 1], left], 1)
    count, width = full.shape[:2]
    r, c = np.meshgrid(np.arange(count - 1), np.arange(width - 1), indexing="ij")
    a = (r * width + c).ravel()
    # Mirrored diagonals on the two halves keep the band symmetric.
    mirrored = (c.ravel() < (width - 1) // 2)[:, None]
    one = np.stack([[a, a + width, a + width + 1], [a, a + width + 1, a + 1]], 0)
    two = np.stack([[a, a + width, a + 1], [a + 1, a + width, a + width + 1]], 0)
    triangles = np.where(mirrored, np.concatenate(two.transpose(0, 2, 1)).reshape(2, -1, 3),
                         np.concatenate(one.transpose(0, 2, 1)).reshape(2, -1, 3)).reshape(-1, 3)  # fmt: skip
    if arch.down > 0:
        triangles = triangles[:, ::-1]
    across = np.broadcast_to(np.linspace(0, 1, width), (count, width))
    level = np.broadcast_to(np.linspace(0, 1, count)[:, None], (count, width))
    return _bound(asset, posed, jaw, f"gum_{jaw}", [full.reshape(-1, 3)], [triangles],
                  [np.stack([across, level], -1).reshape(-1, 2)])  # fmt: skip


def _bound(
    asset: AnnyAsset, posed: np.ndarray, jaw: str, name: str,
    vertices: list[np.ndarray], triangles: list[np.ndarray], uvs: list[np.ndarray],
) -> Part:  # fmt: skip
    starts = np.cumsum([0, *(len(v) for v in vertices)])
    faces = np.concatenate([t + s for t, s in zip(triangles, starts[:-1], strict=True)])
    index = np.unique(asset.faces[f"{jaw}-teeth"][..., 0])
    carry = affine_carry(posed[index], np.concatenate(vertices), index, len(posed))
    return Part(name, carry, faces, np.concatenate(uvs), faces)
