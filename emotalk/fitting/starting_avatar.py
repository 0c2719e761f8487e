"""An avatar straight from a tracked video, before any optimisation: its mesh in the colours of its own frames.

tracked mesh ─► Gaussians on triangles ─► colours of the frames that see them ─┐
outline of the hair ─► scalp triangles lifted to its height ───────────────────┼─► GaussianAvatar
pixels beside the mesh (shoulders, hanging hair) ──────────────────────────────┘
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar import AvatarCard, BoundGaussians, GaussianAvatar
from emotalk.avatar.binding import shift_shoulders
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.mesh_gaussians import spread, triangle_regions
from emotalk.core.camera import project
from emotalk.core.errors import InputError
from emotalk.fitting.background_plate import background_plate
from emotalk.fitting.hair_shell import OutlineView, bald_vertices, hair_thickness
from emotalk.fitting.mouth_prior import with_shipped_mouth
from emotalk.fitting.shoulders import neck_point, outside_gaussians
from emotalk.fitting.surface_colors import View, paint
from emotalk.fitting.video_frames import VideoFrames, pose_features, varied
from emotalk.fitting.visibility import depth_map
from emotalk.head import HeadModel
from emotalk.rendering import resolve_device
from emotalk.tracking.shoulder_alignment import shoulder_shifts

VIEWS = 16
"""Frames from which colours are taken."""
OUTLINES = 5
"""Frames, the most frontal ones, in which the hair's outline is measured."""
PLATE_FRAMES = 40
OUTSIDE_SHARE = 0.22
"""Share of all Gaussians for what lies beside the mesh."""
DENSITY = {
    "shoulders": 0.05, "neck": 1.6, "scalp": 2.2, "face": 3.0, "ears": 2.5, "lids": 8.0, "lips": 7.0,
    "eyes": 5.0, "lashes": 4.0,
}  # fmt: skip
"""Gaussians per area by region, relative to each other, where a frame looks; the inside of the mouth has others."""
INSIDE_SHARE = 0.13
"""Share of all Gaussians for the inside of the mouth (`mouth_prior`): a shipped avatar's, 2,500 to 3,000."""
BLIND_SHARE = 0.3
"""Share that is kept where none looks."""
SIDES = -0.75
"""Least forward part of a normal at rest at which the head is covered in full though no frame looks: a turn of the head
by 20 degrees shows the hair behind the ears, and few large Gaussians leave holes there."""
INNER = ("mouth", "gums", "teeth", "tongue", "eyes", "lids", "lashes", "lips")
"""Regions that are hidden at times only."""
LAYERS = ((0.0, 0.3), (0.6, 0.45), (1.0, 1.0))
"""Layers of hair: height as a share of the hair's, and share of the Gaussians that repeat there."""
THIN = 0.004
"""Metres of hair below which one layer is enough."""
LASHES = -2.5
"""Logit of their opacity at the start: whether a person has dark ones is left to the fit."""
WIDEST = 0.0035
"""Metres: standard deviation up to which Gaussians are made larger where they stand for many."""
SKULL = 0.09
"""Metres: radius of a skull."""


@dataclass(frozen=True)
class Start:
    """Where a fit begins."""

    avatar: GaussianAvatar
    reference: int  # row of the tracked video whose torso hangs on the root as it is
    torso: Tensor  # [T, 3, 4] for every row of the video (torso.shoulder_shifts)


def starting_avatar(
    frames: VideoFrames,
    card: AvatarCard,
    count: int = 22_000,
    seed: int = 0,
    judged: Iterable[int] = (),
    device: str | torch.device = "cpu",
) -> Start:
    """The avatar of a video as its frames show it, of about `count` Gaussians.

    judged: more rows of the video whose shoulders are followed in the pictures, beside those of `frames`. device: where
    the avatar is put ("auto", "cpu", "cuda"); its colours are found in arrays on the CPU.
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
    torso = shoulder_shifts(tracked, int(frames.rows[reference]), [*frames.rows, *judged])
    posed = _posed(head, identity, frames, torso)
    with torch.no_grad():
        rest = head.with_identity(identity)(expression=torch.zeros(1, 52)).vertices[0].numpy().astype(np.float64)
    regions = {name: mask.numpy() for name, mask in head.regions.items()}
    others = (regions["face"] | regions["ears"]) & ~regions["scalp"]
    triangles, kinds = head.triangles.numpy(), triangle_regions(head)
    outlines = [_outline(k, frames, posed(k)) for k in _most_like(frames, reference, OUTLINES)]
    hairy = regions["scalp"] & ~bald_vertices(outlines, triangles, regions["scalp"])
    kinds[(kinds == REGION_INDEX["scalp"]) & (hairy[triangles].sum(1) < 2)] = REGION_INDEX["face"]
    thickness = hair_thickness(rest, hairy, others | (regions["scalp"] & ~hairy), outlines)
    solid = np.flatnonzero(~np.isin(kinds, [REGION_INDEX["shoulders"], REGION_INDEX["lashes"]]))
    views, visible = [], np.isin(kinds, [REGION_INDEX[name] for name in INNER])
    for k in [reference, *[k for k in _well_posed(frames) if k != reference]][:VIEWS]:
        vertices, rotations, translations = posed(k)
        nearest, owner = depth_map(_lifted(vertices, triangles, thickness), triangles[solid], camera)
        visible[solid[np.unique(owner[owner >= 0])]] = True
        views.append(
            View(vertices, rotations, translations, nearest, frames.picture(k), frames.classes(k), frames.unsure(k))
        )

    a, b, c = (rest[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    outer = np.isin(kinds, [REGION_INDEX[name] for name in ("scalp", "face", "ears")])
    visible |= outer & (normal[:, 2] > SIDES * np.linalg.norm(normal, axis=1))
    gaussians = mesh_gaussians(
        head, rest, kinds, thickness, visible, int(count * (1 - OUTSIDE_SHARE - INSIDE_SHARE)), seed
    )
    gaussians = paint(gaussians, head, views, camera)
    bare = np.setdiff1d(np.flatnonzero(kinds == REGION_INDEX["neck"]), gaussians.triangle.numpy())
    vertices, rotations, translations = posed(reference)
    lifted = _lifted(vertices, triangles, thickness)
    covered = np.isfinite(depth_map(lifted, triangles[np.setdiff1d(solid, bare)], camera)[0])
    chin, _ = project(_chin(head, vertices)[None], camera)
    middle_of_ears = 0.5 * (rest[regions["ears"]].min(0) + rest[regions["ears"]].max(0))
    outside = outside_gaussians(
        frames.picture(reference), frames.classes(reference), covered, float(chin[0, 1]),
        camera, rotations, translations, neck_point(tracked), middle_of_ears, int(count * OUTSIDE_SHARE),
    )  # fmt: skip
    plate = background_plate(
        (frames.picture(k), frames.classes(k) > 0)
        for k in np.unique(np.linspace(0, len(frames.rows) - 1, min(PLATE_FRAMES, len(frames.rows))).astype(int))
    )
    both = BoundGaussians.concatenate([gaussians, outside])
    avatar = GaussianAvatar(head, identity, both, card, background=plate, camera=camera)
    avatar = with_shipped_mouth(avatar, int(1.25 * INSIDE_SHARE * count))
    return Start(avatar.to(resolve_device(device)), int(frames.rows[reference]), torso)


def reference_frame(frames: VideoFrames) -> int:
    """The most ordinary frame: near the middle of all expressions and poses, facing the camera."""
    features = pose_features(frames.motion)[: len(frames.rows)]
    turned = np.linalg.norm(frames.motion.head_pose[: len(frames.rows), :3], axis=1)
    away = np.linalg.norm(features - np.median(features, 0), axis=1)
    blinking = frames.motion.eyelids[: len(frames.rows)].max(1)
    return int((away + 2 * turned + 2 * blinking).argmin())


def mesh_gaussians(
    head: HeadModel,
    rest: np.ndarray,  # [V, 3]
    regions: np.ndarray,  # [F] of avatars
    thickness: np.ndarray,  # [V] metres of hair
    visible: np.ndarray,  # [F] bool, triangles that some frame shows or may have to show
    count: int,
    seed: int = 0,
) -> BoundGaussians:
    """About `count` grey Gaussians on everything but the shoulders, scalp raised to the height of its hair; few and
    large ones where no frame looks."""
    wanted = count
    for _ in range(4):
        rng = np.random.default_rng(seed)
        gaussians = spread(rest, head.triangles.numpy(), regions, wanted, rng, DENSITY)
        gaussians = gaussians.select(gaussians.region != REGION_INDEX["shoulders"])
        blind = ~torch.from_numpy(visible)[gaussians.triangle] & (gaussians.region != REGION_INDEX["neck"])
        kept = ~blind | (torch.from_numpy(rng.random(len(blind))) < BLIND_SHARE)
        grow = torch.where(blind, 0.5 * np.log(1 / BLIND_SHARE), 0.0)[:, None]
        lashes = gaussians.region == REGION_INDEX["lashes"]
        gaussians = dataclasses.replace(
            gaussians,
            log_scale=_grown(gaussians.log_scale, grow),
            opacity_logit=torch.where(lashes, LASHES, gaussians.opacity_logit),
        )
        gaussians = lift_hair(gaussians.select(kept), head, thickness, rng)
        if abs(len(gaussians) - count) < 0.03 * count:
            break
        # Every triangle has one at least, so that fewer are wanted than the proportion says.
        wanted = max(1000, int(wanted * (count / len(gaussians)) ** 1.6))
    return gaussians


def lift_hair(
    gaussians: BoundGaussians, head: HeadModel, thickness: np.ndarray, rng: np.random.Generator
) -> BoundGaussians:
    """Scalp Gaussians raised to the height of the hair, `thickness` [V] metres, over thinner layers below them that
    keep it from being hollow; flat hair stays one layer."""
    scalp = gaussians.region == REGION_INDEX["scalp"]
    corners = head.triangles[gaussians.triangle]
    height = (torch.from_numpy(thickness.astype(np.float32))[corners] * gaussians.barycentric).sum(1)
    tall = scalp & (height > THIN)
    parts = [gaussians.select(~scalp)]
    for share, density in LAYERS:
        # A skull that reaches over the outline is pulled in; there is nothing below it.
        layer = tall | (scalp & (share == 1.0))
        if density < 1:
            layer = layer & (torch.from_numpy(rng.random(len(layer))) < density)
        raised = gaussians.select(layer)
        position = raised.position.clone()
        position[:, 2] += share * height[layer]
        hair = torch.where(height[layer] > 0, REGION_INDEX["hair"], REGION_INDEX["scalp"])
        # As many Gaussians cover a larger surface.
        wider = (1 + share * height[layer].clamp_min(0) / SKULL).log() - 0.5 * np.log(density)
        larger = _grown(raised.log_scale, wider[:, None] * torch.tensor([1.0, 1.0, 0.0]))
        parts.append(dataclasses.replace(raised, position=position, region=hair, log_scale=larger))
    return BoundGaussians.concatenate(parts)


def _grown(log_scale: Tensor, by: Tensor) -> Tensor:
    """Larger, but none beyond `WIDEST`: it would show over the outline."""
    return torch.maximum(log_scale, torch.minimum(log_scale + by, torch.tensor(WIDEST).log()))


def _posed(head: HeadModel, identity: Tensor, frames: VideoFrames, torso: Tensor):
    """A function: frame k -> vertices [V, 3], rotations [3, 3, 3], translations [3, 3] as arrays."""
    motion, person = frames.motion, head.with_identity(identity)

    @torch.no_grad()
    def posed(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row = {name: torch.from_numpy(value) for name, value in vars(motion[k : k + 1]).items()}
        mesh = person(**row)
        joints = mesh.transforms[0, :3]
        parts = shift_shoulders(
            mesh.vertices[0], joints[:, :3, :3], joints[:, :3, 3], head.weights[:, 0], torso[frames.rows[k]]
        )
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
