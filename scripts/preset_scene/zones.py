"""Soft skin zones as per-vertex weights: where a face flushes, darkens, grows stubble or wrinkles."""

from __future__ import annotations

import numpy as np

from scripts.preset_scene.sheet import CharacterSheet
from scripts.preset_scene.subject import Anchors


def _spot(points: np.ndarray, centre: np.ndarray, radius: float, power: float = 2.0) -> np.ndarray:
    return np.exp(-((np.linalg.norm(points - centre, axis=1) / radius) ** power))


def flush(points: np.ndarray, anchors: Anchors, ears: np.ndarray) -> np.ndarray:
    """Where blood shows: cheeks, nose tip, ears, a little on chin; [V] in [0, 1]."""
    weight = 0.6 * ears
    for eye, mouth in ((anchors.eye_left, anchors.mouth_left), (anchors.eye_right, anchors.mouth_right)):
        outward = np.sign(eye[0]) * 0.018
        cheek = 0.48 * eye + 0.52 * mouth + np.array([outward, 0.002, -0.004])
        weight = weight + 0.85 * _spot(points, cheek, 0.021)
    weight = weight + 0.55 * _spot(points, anchors.nose_tip, 0.012) + 0.25 * _spot(points, anchors.chin, 0.016)
    return np.clip(weight, 0, 1)


def shade(points: np.ndarray, anchors: Anchors) -> np.ndarray:
    """The thin, darker skin around the eyes, strongest under the inner corner; [V] in [0, 1]."""
    weight = np.zeros(len(points))
    for eye in (anchors.eye_left, anchors.eye_right):
        inward = -np.sign(eye[0])
        weight += 0.9 * _spot(points, eye + np.array([inward * 0.006, -0.014, 0.010]), 0.011)
        weight += 0.6 * _spot(points, eye + np.array([inward * 0.014, 0.004, 0.004]), 0.010)
        weight += 0.5 * _spot(points, eye + np.array([0.0, 0.010, 0.012]), 0.010)
    return np.clip(weight, 0, 1)


def stubble(points: np.ndarray, anchors: Anchors) -> np.ndarray:
    """The shaved-beard area: jaw, chin and upper lip; [V] in [0, 1]."""
    mouth = (anchors.mouth_left + anchors.mouth_right) / 2
    y, z = points[:, 1] - mouth[1], points[:, 2] - mouth[2]
    half_mouth = float(anchors.mouth_left[0] - anchors.mouth_right[0]) / 2
    x = np.abs(points[:, 0])
    upper = np.interp(x, (0, half_mouth + 0.006, half_mouth + 0.035), (0.016, 0.008, 0.028))
    lower = float(mouth[1] - anchors.chin[1]) + 0.018
    return np.clip((upper - y) / 0.010, 0, 1) * np.clip((y + lower) / 0.012, 0, 1) * np.clip((z + 0.10) / 0.02, 0, 1)


def lines(points: np.ndarray, anchors: Anchors) -> np.ndarray:
    """Height of ageing lines [V] (negative: grooves): laugh lines from the nose wings past the mouth corners."""
    depth = np.zeros(len(points))
    for sign, mouth in ((1, anchors.mouth_left), (-1, anchors.mouth_right)):
        start = anchors.nose_base + np.array([sign * 0.019, 0.006, -0.010])
        end = mouth + np.array([sign * 0.008, -0.004, 0.0])
        along = np.clip((points - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
        bowed = start + along[:, None] * (end - start) + np.outer(np.sin(np.pi * along), [sign * 0.004, 0.0, 0.0])
        depth -= np.exp(-((np.linalg.norm(points - bowed, axis=1) / 0.0035) ** 2)) * np.sin(
            np.pi * (0.1 + 0.85 * along)
        )
    return depth


def forehead(points: np.ndarray, anchors: Anchors) -> np.ndarray:
    """The forehead between brows and hairline; [V] in [0, 1]."""
    brow = float(anchors.brow_left[:, 1].max())
    y = points[:, 1] - brow
    inside = np.clip((y - 0.006) / 0.010, 0, 1) * np.clip((0.050 - y) / 0.014, 0, 1)
    return inside * np.clip((0.050 - np.abs(points[:, 0])) / 0.022, 0, 1) * (points[:, 2] > anchors.skull[2])


def skin_attributes(points: np.ndarray, anchors: Anchors, sheet: CharacterSheet, ears: np.ndarray,
                    scalp: np.ndarray) -> dict[str, np.ndarray]:  # fmt: skip
    """Every zone the skin material reads, scaled by the sheet's strengths: name -> [V].

    `ears` and `scalp` [V] in [0, 1] come from the region masks and the hairline.
    """
    skin = sheet.skin
    return {
        "flush": flush(points, anchors, ears) * skin.blush,
        "shade": shade(points, anchors) * skin.under_eyes,
        "stubble": stubble(points, anchors) * skin.stubble,
        "lines": lines(points, anchors) * skin.lines,
        "forehead": forehead(points, anchors) * skin.furrows,
        "scalp": scalp,
    }
