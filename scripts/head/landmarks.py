"""MediaPipe's 478 face landmarks and the 68 of iBUG as points on our mesh.

Skin landmarks come from MediaPipe's own detector on pictures of the resting head, cast back onto the mesh and
made symmetric. Inner lips and lids are not: on a closed mouth a ray cannot tell which lip it meets. They are put
on the rims that part, at the place along the rim where the detector saw them, so that they follow jawOpen and
eyeBlink; irises are put on the eyeballs.
"""

from __future__ import annotations

import mediapipe
import numpy as np
from scipy.optimize import linear_sum_assignment

from emotalk.core.landmarks import IBUG68
from scripts.head.assembly import Assembly
from scripts.head.contact import Rims
from scripts.head.eyes import IRIS_RING, SEGMENTS
from scripts.head.lids import Lids
from scripts.head.zbuffer import project, shade, visibility

SIZE, SPAN, CENTRE = 640, 0.34, (0.0, 0.01, 0.05)
COUNT = 478
# Rims by MediaPipe index, from the person's right (-x) to the left.
UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
LIP_CORNER = (308, 291)  # inner, outer, on the left
LEFT_UPPER_LID = (398, 384, 385, 386, 387, 388, 466)
LEFT_LOWER_LID = (382, 381, 380, 374, 373, 390, 249)
LEFT_CORNERS = (362, 263)  # inner, outer
LEFT_IRIS = (473, 474, 475, 476, 477)  # centre, then four points around it

NOSE_TIP = 30  # of the 68

VIEWS = ((0.0, 0.0), (0.0, 0.06), (0.0, -0.06), (0.05, 0.0), (-0.05, 0.0))
"""Small turns (yaw, pitch) whose detections are averaged: one picture alone leaves about 1 mm of jitter."""


def painted(assembly: Assembly, regions: dict[str, np.ndarray], template: np.ndarray) -> np.ndarray:
    """Vertex colours [V, 3] that look enough like a face for the detector, brows included."""
    colors = np.full((len(template), 3), (0.86, 0.69, 0.59))
    paint = {
        "lips": (0.74, 0.44, 0.42), "inner_mouth": (0.3, 0.1, 0.1), "eyes": (0.96, 0.96, 0.96),
        "iris": (0.32, 0.25, 0.2), "pupil": (0.03, 0.03, 0.03), "lashes": (0.2, 0.15, 0.12),
        "scalp": (0.25, 0.18, 0.14), "shoulders": (0.3, 0.35, 0.45),
    }  # fmt: skip
    for name, color in paint.items():
        colors[regions[name]] = color
    # An arch above each eye on the brow ridge, where the brow shapes move most.
    x, y = np.abs(template[:, 0]), template[:, 1]
    arch = 0.0545 + 0.004 * np.sin(np.clip((x - 0.012) / 0.042, 0, 1) * np.pi * 0.8)
    brow = (np.abs(y - arch) < 0.003) & (x > 0.013) & (x < 0.052) & (template[:, 2] > 0.07)
    colors[brow & regions["skin"]] = (0.3, 0.22, 0.17)
    return colors


def detect(picture: np.ndarray) -> np.ndarray:
    """[478, 3] landmarks of a picture [H, W, 3] in pixels (z in pixels too); raises where no face is found."""
    image = (picture * 255).astype(np.uint8)
    options = {"static_image_mode": True, "refine_landmarks": True, "max_num_faces": 1, "min_detection_confidence": 0.3}
    with mediapipe.solutions.face_mesh.FaceMesh(**options) as mesh:
        found = mesh.process(image).multi_face_landmarks
    if not found:
        raise ValueError("MediaPipe finds no face in the picture of the resting head")
    height, width = image.shape[:2]
    return np.array([[p.x * width, p.y * height, p.z * width] for p in found[0].landmark])


def cast(pixels: np.ndarray, template: np.ndarray, triangles: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """Points [L, 3] of the mesh behind `pixels` [L, 2] (NaN where a ray misses)."""
    scale = 4
    flat, depth = project(template, SIZE * scale, yaw=yaw, pitch=pitch, centre=CENTRE, span=SPAN)
    owner, bary = visibility(flat, depth, triangles, SIZE * scale)
    column, row = np.clip((pixels * scale).astype(int), 0, SIZE * scale - 1).T
    face = owner[row, column]
    points = (template[triangles[face]] * bary[row, column][:, :, None]).sum(1)
    points[face < 0] = np.nan
    return points


def mirror_landmarks(points: np.ndarray) -> np.ndarray:
    """[478] the landmark on the other side of the face, by matching the points with their mirror image."""
    distance = np.linalg.norm(points[:, None] - points[None] * [-1, 1, 1], axis=2)
    _, partner = linear_sum_assignment(distance**2)
    if (partner[partner] != np.arange(len(points))).any():
        raise ValueError("the landmarks do not pair up symmetrically")
    return partner


def embed(points: np.ndarray, template: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest place on the mesh of each point: triangle corners [L, 3] and barycentric coordinates [L, 3]."""
    corners, weights = [], []
    centres = template[triangles].mean(1)
    for point in points:
        near = np.argsort(((centres - point) ** 2).sum(1))[:40]
        best = (np.inf, None, None)
        for face in near:
            weight = _nearest_in_triangle(point, template[triangles[face]])
            distance = np.linalg.norm(weight @ template[triangles[face]] - point)
            if distance < best[0] - 1e-9:
                best = (distance, triangles[face], weight)
        corners.append(best[1])
        weights.append(best[2])
    return np.array(corners), np.array(weights)


def _nearest_in_triangle(point: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Barycentric coordinates of the triangle's point that is nearest to `point`."""
    u, v = corner[1] - corner[0], corner[2] - corner[0]
    gram = np.array([[u @ u, u @ v], [u @ v, v @ v]])
    s, t = np.linalg.lstsq(gram, np.array([u @ (point - corner[0]), v @ (point - corner[0])]), rcond=None)[0]
    if s >= 0 and t >= 0 and s + t <= 1:
        return np.array([1 - s - t, s, t])
    best, chosen = np.inf, None
    for a, b in ((0, 1), (1, 2), (2, 0)):
        edge = corner[b] - corner[a]
        k = np.clip(edge @ (point - corner[a]) / max(edge @ edge, 1e-18), 0, 1)
        distance = np.linalg.norm(corner[a] + k * edge - point)
        if distance < best:
            chosen = np.zeros(3)
            chosen[a], chosen[b] = 1 - k, k
            best = distance
    return chosen


def landmark_embeddings(
    assembly: Assembly, template: np.ndarray, regions: dict[str, np.ndarray], lips: Rims, lids: Lids, mirror: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{"mediapipe478" | "ibug68": (corners [L, 3], barycentric [L, 3])} on the head's mesh."""
    points = observed(assembly, template, regions)
    partner = mirror_landmarks(points)
    points = 0.5 * (points + points[partner] * [-1, 1, 1])
    solid = assembly.triangles[~regions["lashes"][assembly.triangles[:, 0]] & regions["skin"][assembly.triangles[:, 0]]]
    corners, weights = embed(points, template, solid)

    def put(index: int, place: tuple[np.ndarray, np.ndarray]) -> None:
        corners[index], weights[index] = place
        corners[partner[index]], weights[partner[index]] = mirror[place[0]], place[1]

    for index in np.flatnonzero(points[:, 0] > 1e-4):
        put(index, (corners[index], weights[index]))
    for names, upper in ((UPPER_LIP, True), (LOWER_LIP, False)):
        for index in names[len(names) // 2 :]:
            put(index, lips.place(np.clip(points[index, 0], 0, 0.0215) + 1e-6, upper))
    put(LIP_CORNER[0], lips.place(0.0225, False))
    for names, upper in ((LEFT_UPPER_LID, True), (LEFT_LOWER_LID, False)):
        for index in names:
            put(index, lids.rims.place(np.clip(points[index, 0], 0.0222, 0.0445) + 1e-6, upper))
    for index, vertex in zip(LEFT_CORNERS, lids.corners(), strict=True):
        put(index, (np.full(3, vertex), np.array([1.0, 0.0, 0.0])))
    start = assembly.slices["eye_l"].start
    put(LEFT_IRIS[0], (np.full(3, start), np.array([1.0, 0.0, 0.0])))
    middle = points[LEFT_IRIS[0]]
    for index in LEFT_IRIS[1:]:
        quarter = round(np.arctan2(*(points[index] - middle)[[1, 0]]) / (np.pi / 2)) % 4
        limbus = start + 1 + IRIS_RING * SEGMENTS + quarter * SEGMENTS // 4
        put(index, (np.full(3, limbus), np.array([1.0, 0.0, 0.0])))
    chosen = list(IBUG68)
    sparse_corners, sparse_weights = corners[chosen], weights[chosen]
    # MediaPipe sees one landmark below and one above the tip of the nose; the 68 points name the tip itself.
    tip = embed(nose_tip(template[regions["skin"]])[None], template, solid)
    sparse_corners[NOSE_TIP], sparse_weights[NOSE_TIP] = tip[0][0], tip[1][0]
    return {"mediapipe478": (corners, weights), "ibug68": (sparse_corners, sparse_weights)}


def nose_tip(skin: np.ndarray) -> np.ndarray:
    """The place [3] on the midline that stands out furthest, between the vertices of skin [S, 3]."""
    profile = skin[np.abs(skin[:, 0]) < 1e-3]
    top = profile[profile[:, 2].argmax()]
    near = profile[np.abs(profile[:, 1:] - top[1:]).max(1) < 0.005]
    bend, slope, height = np.polyfit(near[:, 1] - top[1], near[:, 2], 2)
    along = -slope / (2 * bend)
    return np.array([0.0, top[1] + along, height - slope**2 / (4 * bend)])


def observed(assembly: Assembly, template: np.ndarray, regions: dict[str, np.ndarray]) -> np.ndarray:
    """[478, 3] where the detector sees the landmarks on the head, averaged over slightly different views."""
    triangles, colors = assembly.triangles, painted(assembly, regions, template)
    solid = triangles[~regions["lashes"][triangles[:, 0]]]
    seen = []
    for yaw, pitch in VIEWS:
        picture = shade(template, triangles, colors, SIZE, yaw=yaw, pitch=pitch, centre=CENTRE, span=SPAN)
        seen.append(cast(detect(picture)[:, :2], template, solid, yaw, pitch))
    points = np.nanmean(np.stack(seen), 0)
    if np.isnan(points).any():
        raise ValueError(f"{int(np.isnan(points).any(1).sum())} landmarks miss the head in every view")
    return points
