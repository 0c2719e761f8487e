"""The folder a fit reads: pictures, cameras, poses, identity, strands, garment and starting colours.

images/NNNN.png   RGBA, straight alpha, 8 bit, display colours
views.json        [{image, split, world_to_camera, fx, fy, cx, cy, width, height, expression, jaw, gaze,
                    eyelids, head_pose, label}], pictures that exist so far
identity.npy      [K] coefficients of the head model
hair.npz          per groom G: G_points [S, K, 3], G_radius [S, K], G_color [S, K, 3] (display colours); either
                  G_joint (name) or G_triangle [S] and G_barycentric [S, 3] of the roots. Grooms: hair, brows,
                  lashes, beard, glasses. Points are metres in this person's resting head. A strand on the
                  skin turns with its root's triangle and keeps its size.
garment.npz       vertices [G, 3], triangles [F, 3], weights [G, 6] over the head's joints
look.json         display colours of regions to start from
DONE              written when every picture is there
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emotalk.core.atomic import replacing, write_json
from emotalk.rendering import portrait_camera
from scripts.preset_scene.character import Character
from scripts.preset_scene.film import srgb
from scripts.preset_scene.shots import Shot, as_json
from scripts.preset_scene.spectacles import centrelines


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _grooms(character: Character) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for name, strands in character.strands.items():
        arrays[f"{name}_points"] = strands.points.astype(np.float32)
        arrays[f"{name}_radius"] = strands.radius.astype(np.float32)
        arrays[f"{name}_color"] = srgb(strands.color).astype(np.float32)
        if strands.roots is None:
            arrays[f"{name}_joint"] = np.array(strands.joint)
        else:
            arrays[f"{name}_triangle"] = strands.roots.triangle.astype(np.int32)
            arrays[f"{name}_barycentric"] = strands.roots.barycentric.astype(np.float32)
    if character.sheet.glasses:
        lines = [_resampled(line, closed) for line, closed in
                 centrelines(character.sheet.glasses, character.subject.anchors)]  # fmt: skip
        points = np.stack(lines)
        arrays["glasses_points"] = points.astype(np.float32)
        arrays["glasses_radius"] = np.full(points.shape[:2], character.sheet.glasses.thickness, np.float32)
        color = srgb(np.array(character.sheet.glasses.color))
        arrays["glasses_color"] = np.broadcast_to(color, points.shape).astype(np.float32)
        arrays["glasses_joint"] = np.array("head")
    return arrays


def _resampled(line: np.ndarray, closed: bool, count: int = 40) -> np.ndarray:
    if closed:
        line = np.concatenate([line, line[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, line[:, k]) for k in range(3)], 1)


def describe(folder: Path, character: Character, identity: np.ndarray, skinning: np.ndarray) -> None:
    """Everything but the pictures. `skinning` [V, 6] are the head's joint weights."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with replacing(folder / "identity.npy") as temporary, temporary.open("wb") as file:
        np.save(file, identity)
    _write_arrays(folder / "hair.npz", _grooms(character))
    cloth = character.cloth
    _write_arrays(folder / "garment.npz", {
        "vertices": cloth.vertices(character.subject.rest).astype(np.float32),
        "triangles": cloth.triangles.astype(np.int32),
        "weights": (cloth.operator @ skinning).astype(np.float32),
    })  # fmt: skip
    sheet = character.sheet
    colors = {
        "face": sheet.skin.base, "neck": sheet.skin.base, "ears": sheet.skin.flush, "lips": sheet.skin.lips,
        "scalp": sheet.hair.color, "hair": sheet.hair.color, "brows": sheet.brows.color, "iris": sheet.iris,
        "eyes": (0.58, 0.555, 0.54), "mouth": (0.06, 0.012, 0.01), "teeth": (0.7, 0.64, 0.54),
        "gums": (0.42, 0.12, 0.11), "tongue": (0.44, 0.14, 0.13), "lashes": (0.01, 0.01, 0.01),
        "clothes": sheet.garment.color, "shoulders": sheet.garment.color,
    }  # fmt: skip
    if sheet.beard:
        colors["beard"] = sheet.beard.color
    write_json(folder / "look.json", {k: srgb(np.array(c)).round(4).tolist() for k, c in colors.items()})


def view(shot: Shot, index: int, size: int) -> dict:
    """The entry of views.json for a shot."""
    camera = portrait_camera(size, yaw=shot.yaw, pitch=shot.pitch, zoom=shot.zoom)
    return {
        "image": f"images/{index:04d}.png", "split": shot.split, "label": shot.label,
        "world_to_camera": camera.world_to_camera.tolist(), "fx": camera.fx, "fy": camera.fy, "cx": camera.cx,
        "cy": camera.cy, "width": camera.width, "height": camera.height, **as_json(shot.pose),
    }  # fmt: skip


def refresh(folder: Path, views: list[dict]) -> int:
    """Rewrite views.json with the pictures that exist; returns how many do."""
    present = [v for v in views if (folder / v["image"]).is_file()]
    write_json(folder / "views.json", present)
    return len(present)
