"""An avatar straight from a tracked video, before any optimisation: its mesh in the colours of its own frames.

tracked mesh ─► Gaussians on triangles ─► colours of the frames that see them ─┐
outline of the hair ─► scalp triangles lifted to its height ───────────────────┼─► GaussianAvatar
pixels beside the mesh (shoulders, hanging hair) ──────────────────────────────┘
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar import AvatarCard, BoundGaussians, Corrections, GaussianAvatar
from emotalk.avatar.binding import shift_torso
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.plain import spread, triangle_regions
from emotalk.errors import InputError
from emotalk.head import HeadModel
from emotalk.training.background_plate import background_plate
from emotalk.training.hair_shell import OutlineView, hair_thickness
from emotalk.training.surface_colors import View, paint
from emotalk.training.torso import neck_point, outside_gaussians, torso_shifts
from emotalk.training.video_frames import VideoFrames, pose_features, varied
from emotalk.training.visibility import depth_map, project
from emotalk.types import HeadMotion

VIEWS = 16
"""Frames from which colours are taken."""
OUTLINES = 5
"""Frames, the most frontal ones, in which the hair's outline is measured."""
PLATE_FRAMES = 40
OUTSIDE_SHARE = 0.22
"""Share of all Gaussians for what lies beside the mesh."""
LAYERS = (0.45, 1.0)
"""Heights, as a share of the hair's, at which scalp Gaussians are repeated."""
THIN = 0.004
"""Metres of hair below which one layer is enough."""


@dataclass(frozen=True)
class Start:
    """Where a fit begins."""

    avatar: GaussianAvatar
    reference: int  # row of the tracked video whose torso hangs on the root as it is
    torso: Tensor  # [T, 3] metres for every row of the video (torso.torso_shifts)


def starting_avatar(frames: VideoFrames, card: AvatarCard, count: int = 22_000, seed: int = 0) -> Start:
    """The avatar of a video as its frames show it, of about `count` Gaussians.

    Raises an InputError where the identity does not fit the shipped head.
    """
    tracked, camera = frames.tracked, frames.camera
    head = HeadModel.load()
    identity = torch.from_numpy(np.asarray(tracked.identity, np.float32))
    if len(identity) != head.components:
        raise InputError(
            f"The video was tracked with {len(identity)} identity numbers, this head has {head.components}; "
            "track again."
        )
    reference = reference_frame(frames)
    torso = torso_shifts(tracked, int(frames.rows[reference]))
    rng = np.random.default_rng(seed)
    mesh_count = int(count * (1 - OUTSIDE_SHARE))
    with torch.no_grad():
        rest = head.with_identity(identity)(expression=torch.zeros(1, 52)).vertices[0].numpy().astype(np.float64)
    gaussians = _on_mesh(head, rest, mesh_count, rng)
    bare = GaussianAvatar(head, identity, gaussians, card, camera=camera)
    posed = _posed(bare, frames, torso)
    views = [reference, *[k for k in _well_posed(frames) if k != reference]][:VIEWS]

    regions = {name: mask.numpy() for name, mask in head.regions.items()}
    others = (regions["face"] | regions["ears"]) & ~regions["scalp"]
    outlines = [_outline(k, frames, posed(k)) for k in _most_like(frames, reference, OUTLINES)]
    thickness = hair_thickness(rest, regions["scalp"], others, outlines)
    gaussians = lift_hair(gaussians, head, thickness)
    triangles = head.triangles.numpy()
    shown = triangles[~np.isin(triangle_regions(head), [REGION_INDEX["shoulders"], REGION_INDEX["lashes"]])]
    seen_from = []
    for k in views:
        vertices, rotations, translations = posed(k)
        nearest, _ = depth_map(_lifted(vertices, triangles, thickness), shown, camera)
        seen_from.append(View(vertices, rotations, translations, nearest, frames.picture(k), frames.classes(k)))
    gaussians = paint(gaussians, head, seen_from, camera)

    vertices, rotations, translations = posed(reference)
    chin, _ = project(_chin(head, vertices)[None], camera)
    middle_of_ears = 0.5 * (rest[regions["ears"]].min(0) + rest[regions["ears"]].max(0))
    outside = outside_gaussians(
        frames.picture(reference), frames.classes(reference), np.isfinite(seen_from[0].nearest), float(chin[0, 1]),
        camera, rotations, translations, neck_point(tracked), middle_of_ears, int(count * OUTSIDE_SHARE),
    )  # fmt: skip
    plate = background_plate(
        (frames.picture(k), frames.classes(k) > 0)
        for k in np.unique(np.linspace(0, len(frames.rows) - 1, min(PLATE_FRAMES, len(frames.rows))).astype(int))
    )
    avatar = bare.replace(gaussians=BoundGaussians.concatenate([gaussians, outside]), background=plate)
    return Start(avatar, int(frames.rows[reference]), torso)


def reference_frame(frames: VideoFrames) -> int:
    """The most ordinary frame: near the middle of all expressions and poses, facing the camera."""
    features = pose_features(frames.motion)[: len(frames.rows)]
    turned = np.linalg.norm(frames.motion.head_pose[: len(frames.rows), :3], axis=1)
    away = np.linalg.norm(features - np.median(features, 0), axis=1)
    blinking = frames.motion.eyelids[: len(frames.rows)].max(1)
    return int((away + 2 * turned + 2 * blinking).argmin())


def lift_hair(gaussians: BoundGaussians, head: HeadModel, thickness: np.ndarray) -> BoundGaussians:
    """Scalp Gaussians repeated at the height of the hair, `thickness` [V] metres; flat hair stays one layer."""
    scalp = gaussians.region == REGION_INDEX["scalp"]
    corners = head.triangles[gaussians.triangle]
    height = (torch.from_numpy(thickness.astype(np.float32))[corners] * gaussians.barycentric).sum(1)
    base = gaussians.position.clone()
    # A skull that reaches over the outline is pulled in.
    base[:, 2] += torch.where(scalp, height.clamp_max(0), 0.0)
    parts = [dataclasses.replace(gaussians, position=base)]
    for share in LAYERS:
        layer = scalp & (height > (0 if share == LAYERS[-1] else THIN))
        raised = gaussians.select(layer)
        position = raised.position.clone()
        position[:, 2] += share * height[layer]
        hair = torch.full_like(raised.region, REGION_INDEX["hair"])
        # The same number of Gaussians covers a larger surface.
        wider = (1 + share * height[layer] / 0.09).log()[:, None] * torch.tensor([1.0, 1.0, 0.0])
        parts.append(dataclasses.replace(raised, position=position, region=hair, log_scale=raised.log_scale + wider))
    return BoundGaussians.concatenate(parts)


def _on_mesh(head: HeadModel, rest: np.ndarray, count: int, rng: np.random.Generator) -> BoundGaussians:
    """Grey Gaussians on everything but the shoulders, which are taken from the picture."""
    regions = triangle_regions(head)
    for _ in range(3):  # `spread` counts the shoulders in, and the lifted layers of hair come on top
        gaussians = spread(rest, head.triangles.numpy(), regions, count, np.random.default_rng(rng.integers(2**31)))
        gaussians = gaussians.select(gaussians.region != REGION_INDEX["shoulders"])
        total = len(gaussians) + len(LAYERS) * int((gaussians.region == REGION_INDEX["scalp"]).sum())
        if abs(total - count) < 0.03 * count:
            break
        count = int(count * count / total)
    return gaussians


def _posed(avatar: GaussianAvatar, frames: VideoFrames, torso: Tensor):
    """A function: frame k -> vertices [V, 3], rotations [3, 3, 3], translations [3, 3] as arrays."""
    motion = frames.motion

    @torch.no_grad()
    def posed(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        vertices, rotations, translations = (part[0] for part in avatar.mesh(motion[k : k + 1]))
        parts = shift_torso(vertices, rotations, translations, avatar.head.weights[:, 0], torso[frames.rows[k]])
        return tuple(part.double().numpy() for part in parts)

    return posed


def _well_posed(frames: VideoFrames) -> list[int]:
    """Frames that fit well and show the head from different sides."""
    error = np.asarray(frames.tracked.error)[frames.rows]
    good = np.flatnonzero(error <= np.median(error) * 1.25 + 1e-6)
    chosen = varied(frames.tracked, frames.rows[good], VIEWS)
    return np.flatnonzero(np.isin(frames.rows, chosen)).tolist()


def _most_like(frames: VideoFrames, reference: int, count: int) -> list[int]:
    rotation = frames.motion.head_pose[: len(frames.rows), :3]
    return np.linalg.norm(rotation - rotation[reference], axis=1).argsort(kind="stable")[:count].tolist()


def _outline(k: int, frames: VideoFrames, mesh: tuple[np.ndarray, np.ndarray, np.ndarray]) -> OutlineView:
    return OutlineView(mesh[0], mesh[1][2], frames.classes(k), frames.camera)


def _lifted(vertices: np.ndarray, triangles: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """The posed mesh with its hair: vertices moved along their normals."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face_normal = np.cross(b - a, c - a)
    normal = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normal, triangles[:, k], face_normal)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return vertices + normal * thickness[:, None]


def _chin(head: HeadModel, vertices: np.ndarray) -> np.ndarray:
    """The point of the chin [3] on a posed mesh."""
    points = head.landmarks(torch.from_numpy(vertices[None]).float(), "ibug68")[0]
    return points[8].double().numpy()


def neutral_corrections(avatar: GaussianAvatar, motion: HeadMotion) -> Corrections:
    """Corrections that change nothing yet, around the video's usual expression.

    Measured from there, the plain colours are those of the usual face; from an expressionless face that the video
    never shows, they would be an extrapolation.
    """
    from emotalk.avatar.gaussians import signals
    from emotalk.training.photometric import blank_corrections

    usual = torch.from_numpy(np.median(signals(motion), axis=0).astype(np.float32))
    return dataclasses.replace(blank_corrections(avatar), mean=usual)
