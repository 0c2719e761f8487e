"""Everything that makes a character, free of Blender: parts of the head, groom, garment, spectacles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.preset_scene import facial_hair, grooms, spectacles, zones
from scripts.preset_scene.garment import Cloth, cut, neckline
from scripts.preset_scene.sheet import CharacterSheet
from scripts.preset_scene.strands import Scalp, Strands
from scripts.preset_scene.subject import Subject


@dataclass(frozen=True)
class Part:
    """A piece of the head mesh with one material; attributes are per vertex of the whole head."""

    name: str
    triangles: np.ndarray  # [F, 3]
    attributes: dict[str, np.ndarray]
    subdivide: int = 0


@dataclass(frozen=True)
class Character:
    """A dressed and combed head, ready for the studio."""

    sheet: CharacterSheet
    subject: Subject
    parts: tuple[Part, ...]
    cloth: Cloth
    strands: dict[str, Strands]
    spectacles: tuple[np.ndarray, np.ndarray] | None
    focus: np.ndarray  # [3] what the lights look at


def _inside(triangles: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return triangles[(mask[triangles] > 0.5).all(1)]


def dress(sheet: CharacterSheet, subject: Subject) -> Character:
    """Comb, clothe and paint `subject` as its sheet says. Deterministic for a given sheet."""
    regions, anchors = subject.regions, subject.anchors
    loose = np.clip(sum(regions[name] for name in ("eyes", "teeth", "gums", "tongue", "lashes")), 0, 1)
    skin_triangles = subject.triangles[(loose[subject.triangles] < 0.5).all(1)]
    lash_triangles = np.flatnonzero((regions["lashes"][subject.triangles] > 0.5).all(1))

    # Hair grows on and collides with the outside only: inner mouth and eye sockets would swallow strands.
    outside = skin_triangles[(regions["inner"][skin_triangles] < 0.5).all(1)]
    scalp = Scalp(subject.rest, outside)
    strands = {
        "hair": grooms.comb(scalp, anchors, regions["ears"], sheet.hair, sheet.seed),
        "brows": facial_hair.brows(scalp, anchors, sheet.brows, sheet.seed + 1),
        "lashes": _lashes(subject, lash_triangles, sheet),
    }
    index = subject.triangle_index(outside)
    strands["brows"] = _readdress(strands["brows"], index)
    if sheet.beard:
        beard = facial_hair.beard(scalp, anchors, regions["lips"], regions["ears"], sheet.beard, sheet.seed + 3)
        strands["beard"] = _readdress(beard, index)

    covered = grooms.hairline_density(subject.rest, anchors, regions["ears"], sheet.hair)
    attributes = zones.skin_attributes(subject.rest, anchors, sheet, regions["ears"], covered)
    attributes |= {"lip": regions["lips"], "inner": regions["inner"],
                   "brow": np.clip(facial_hair.brow_density(subject.rest, anchors, sheet.brows), 0, 1)}  # fmt: skip
    cloth = cut(subject.rest, outside[_low(subject.rest, outside, anchors.chin[1])], subject.pit_of_neck, sheet.garment)
    # Skin well under the cloth is left away: it would only poke through.
    bare = neckline(subject.rest, subject.pit_of_neck, sheet.garment.neckline) > -0.02
    parts = [Part("skin", skin_triangles[bare[skin_triangles].any(1)], attributes)]
    polar, around = subject.iris
    parts.append(Part("eyes", _inside(subject.triangles, regions["eyes"]), {"polar": polar, "around": around}))
    parts += [Part(name, _inside(subject.triangles, regions[name]), {}) for name in ("teeth", "gums", "tongue")]
    focus = np.array([0.0, anchors.eye_height - 0.03, 0.0])
    frame = spectacles.build(sheet.glasses, anchors) if sheet.glasses else None
    return Character(sheet, subject, tuple(p for p in parts if len(p.triangles)), cloth, strands, frame, focus)


def _lashes(subject: Subject, lash_triangles: np.ndarray, sheet: CharacterSheet) -> Strands:
    eyes = np.stack([subject.anchors.eye_left, subject.anchors.eye_right])
    found = facial_hair.strips(subject.rest, subject.triangles, subject.corner_uv, lash_triangles, eyes)
    grown = []
    for k, strip in enumerate(found):
        # Upper lids carry about twice the lashes of lower ones, and longer ones.
        centre = subject.rest[subject.triangles[strip.triangles]].reshape(-1, 3).mean(0)
        upper = centre[1] > subject.anchors.eye_height - 0.001
        count, length = (150, sheet.lashes) if upper else (60, 0.7 * sheet.lashes)
        grown.append(facial_hair.lashes(subject.rest, subject.triangles, strip, count, length, sheet.seed + 10 + k))
    return facial_hair.join(grown)


def _low(rest: np.ndarray, triangles: np.ndarray, chin: float) -> np.ndarray:
    return rest[triangles][..., 1].max(1) < chin - 0.01


def _readdress(strands: Strands, index: np.ndarray) -> Strands:
    """Roots counted in a subset of triangles -> counted in the whole head."""
    roots = strands.roots
    roots = type(roots)(index[roots.triangle], roots.barycentric, roots.position, roots.normal)
    return Strands(strands.points, strands.radius, strands.color, strands.joint, roots)
