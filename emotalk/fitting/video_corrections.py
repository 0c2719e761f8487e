"""Expression-dependent corrections in the units of one video: what varies much in it is learned, nothing beyond it."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar import Corrections, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX, SHOULDER_WIDTH, SIGNAL_WIDTH, signals
from emotalk.avatar.latents import GROUPS, default_latents
from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.motion import HeadMotion
from emotalk.emotion import expression_field, named_emotion
from emotalk.fitting.gaussian_fit import CORRECTED_REGIONS, blank_corrections
from emotalk.fitting.locality import locality

HEAD_TURN = slice(SIGNAL_WIDTH - 3, SIGNAL_WIDTH)
"""Where a signal holds the head's rotation."""
TURNING = ("hair", "scalp", "ears", "clothes")
"""Regions that no muscle moves, but that look different when the head turns: sheen, shadows, and depth that the
outline of the hair does not tell."""
LEAST_SPREAD = 0.15
"""Of a muscle group's latent: one that moves less in the video is not blown up to full size."""
SPARING = {"brows down": 0.6, "brows in": 0.6, "brows out": 0.6, "wide": 0.6}
"""The same for brows and wide eyes, which move by jerks: what brows learned of slight frowns became dashes in anger."""
LID_SPREAD = 0.8
"""The same for lids: their latent reaches to where they are shut (2 in its own units)."""
SEEN_FROM, SEEN_FRAMES = 0.8, 12
"""Units beyond the usual (0.4 of a coefficient), and frames that must show as much, for such a group to be learned."""
BENDS = 4
"""Ways in which shoulders bend that are told apart. As cloth is a flat sheet that moves by an affine map, what stands
out of the sheet, lapels before a shirt, moves against it as they bend."""
BENDS_FROM = 200
"""Frames of which ways to bend are learned at least. Five seconds show so few of them that what is learned from them
makes the shoulders of later frames worse (-0.6 dB in the box, -0.9 in all of the picture on one clip; after 16 s on
another +0.3 and +0.6)."""
LEAST_BEND = 3e-4
"""Metres that a way must move the chest to count (standard deviation)."""
LEAST_TURN = 0.02
"""Radians that count as one unit of head rotation at least."""
EMOTIONS: dict[str, str] = {
    "joy": "happy", "surprise": "surprised", "fear": "afraid", "anger": "angry", "disgust": "disgusted",
    "sadness": "sad",
}  # fmt: skip
"""Families of emotions with a latent each -> the face of `emotion.prototypes` that is one of them at its full."""
FULL = 2.0
"""Units of its latent at that face: latents are clipped at 2.5."""
FELT = [
    i for i, name in enumerate(ARKIT_NAMES)
    if name.startswith(("brow", "eyeSquint", "eyeWide", "cheekSquint", "noseSneer"))
]  # fmt: skip
"""Shapes of the upper face and the cheeks: what an emotion does that speech does not."""
FELT_REGIONS = ("face", "lids", "lashes", "brows", "beard")
"""Regions that the emotions' latents may change."""


SPOKEN = ("jaw", "close", "smile", "pucker", "frown", "stretch", "upper lip", "lower lip", "roll", "chin")
"""Groups of muscles around the mouth. Pictures that keep the lips of a frame say nothing of them that the frame does
not, and where these learned from such pictures all the same, lips got specks in a smile (by eye)."""


def spoken_latents() -> Tensor:
    """Numbers [10] of the latents that move the mouth."""
    return torch.tensor([list(GROUPS).index(name) for name in SPOKEN])


def emotion_latents() -> Tensor:
    """The latents of the emotion branch, [E, SIGNAL_WIDTH]: for each of `EMOTIONS` the projection of a face on its
    upper half and cheeks, `FULL` at the emotion's own face."""
    rows = torch.zeros(len(EMOTIONS), SIGNAL_WIDTH)
    faces = torch.from_numpy(expression_field(*np.transpose([named_emotion(name) for name in EMOTIONS.values()])))
    rows[:, FELT] = faces[:, FELT] * (FULL / faces[:, FELT].square().sum(1, keepdim=True))
    return rows


def video_corrections(
    avatar: GaussianAvatar, motion: HeadMotion, torso: Tensor | None = None, emotions: bool = False
) -> Corrections:
    """Corrections that change nothing yet; `torso` [T, 3, 4] is how the shoulders move (`torso.shoulder_shifts`).

    Latents are muscle groups, lids, gaze and the head's rotation, counted from the video's usual pose in standard
    deviations of the video. As latents are clipped at 2.5, corrections stop growing where the video stops: a smile
    twice as wide as any that was seen gets the shading of the widest one. The rotation takes the place of colours
    that depend on the view, which are not clipped and run away at turns that the video never shows. The last ones are
    the main ways in which the shoulders bend, and after them with `emotions` those of the emotion branch, which only
    pictures of emotions that the video does not show can teach.
    """
    blank = blank_corrections(avatar, (*CORRECTED_REGIONS, *TURNING))
    groups = blank.matrix.cpu()  # a small matrix is quicker made on the CPU
    signal = torch.from_numpy(signals(motion, torso))
    usual = signal.median(0).values
    fitting = groups.shape[1]
    spread = ((signal - usual)[:, :fitting] @ groups.T).std(0, correction=0)
    spread = torch.maximum(spread, least_spreads())
    turn = torch.zeros(3, fitting)
    unit = signal[:, HEAD_TURN].std(0, correction=0).clamp_min(LEAST_TURN)
    turn[:, HEAD_TURN] = torch.diag(1 / unit)
    matrix = torch.cat([groups / spread[:, None], turn])
    if signal.shape[1] > fitting:
        bends = _bends(signal[:, fitting:] - usual[fitting:], avatar)
        matrix = torch.block_diag(matrix, bends) if len(bends) else torch.nn.functional.pad(matrix, (0, SHOULDER_WIDTH))
    if emotions:
        branch = emotion_latents()
        matrix = torch.cat([matrix, torch.nn.functional.pad(branch, (0, matrix.shape[1] - fitting))])
    nothing = torch.zeros(len(matrix), len(blank.index), 3, device=avatar.device)
    mean, matrix = usual.to(avatar.device), matrix.to(avatar.device)
    return dataclasses.replace(blank, mean=mean, matrix=matrix, position=nothing, color=nothing.clone())


def least_spreads() -> Tensor:
    """The least standard deviation [K] that each latent of muscles, lids and gaze counts with."""
    least = torch.full((len(GROUPS) + 4,), LEAST_SPREAD)
    for name, spread in SPARING.items():
        least[list(GROUPS).index(name)] = spread
    least[len(GROUPS) : len(GROUPS) + 2] = LID_SPREAD
    return least


def filmed(motion: HeadMotion) -> Tensor:
    """Which latents of muscles, lids and gaze a motion shows enough of to learn from, [K] in {0, 1}: muscles around the
    eyes that hardly move are left out, as what they would learn is how other things chanced to be in those frames."""
    _, groups = default_latents()
    signal = torch.from_numpy(signals(motion))
    latents = (signal - signal.median(0).values) @ groups.T
    shown = (latents.abs() > SEEN_FROM).sum(0) >= SEEN_FRAMES
    sparing = torch.zeros(len(groups), dtype=torch.bool)
    sparing[[list(GROUPS).index(name) for name in SPARING]] = True
    return (shown | ~sparing).float()


def _bends(linear: Tensor, avatar: GaussianAvatar) -> Tensor:
    """The main ways [K, SHOULDER_WIDTH] in which shoulders bend, from how they do in every frame
    [T, SHOULDER_WIDTH]: the principal components of where that takes three points of the chest, in standard deviations.
    None of few frames."""
    if len(linear) < BENDS_FROM:
        return torch.zeros(0, SHOULDER_WIDTH)
    points = avatar.person.joints[1].cpu() + torch.tensor([[-0.12, -0.05, 0.0], [0.12, -0.05, 0.0], [0.0, -0.03, 0.0]])
    # Seen from the camera: what is linear in a place from the eye is linear in the place itself beside a shift.
    eye = torch.zeros(3)
    if avatar.camera is not None:
        matrix = avatar.camera.world_to_camera.cpu()
        eye = -matrix[:3, :3].T @ matrix[:3, 3]
    reach = torch.cat(
        [torch.einsum("ij,k->ijk", torch.eye(3), point - eye).reshape(3, SHOULDER_WIDTH) for point in points]
    )
    moved = linear @ reach.T
    _, size, components = torch.linalg.svd(moved - moved.mean(0), full_matrices=False)
    size = size / max(len(moved), 1) ** 0.5
    kept = (size > LEAST_BEND).nonzero()[:BENDS, 0]
    return components[kept] @ reach / size[kept, None]


def allowed(avatar: GaussianAvatar, corrections: Corrections, emotions: int = 0) -> Tensor:
    """Where each correction of `video_corrections` may act, [K, C] in {0, 1}, for Gaussians `corrections.index`: near
    skin that its muscles move (measured at full strength, whatever the video shows); head rotation acts on everything
    but cloth and lids (shut ones look the same wherever the head turns), bent shoulders on cloth and neck, the last
    `emotions` of them on skin that these move."""
    groups = blank_corrections(avatar).matrix
    branch = emotion_latents()[:emotions].to(groups.device)
    muscles = len(groups)
    groups = torch.cat([groups, branch])
    blank = torch.zeros(len(groups), len(corrections.index), 3, device=groups.device)
    full = Corrections(torch.zeros(SIGNAL_WIDTH, device=groups.device), groups, corrections.index, blank, blank)
    region = avatar.gaussians.region[corrections.index]
    cloth, neck = region == REGION_INDEX["clothes"], region == REGION_INDEX["neck"]
    lids = (region == REGION_INDEX["lids"]) | (region == REGION_INDEX["lashes"])
    rows = [(~cloth & ~lids).float()] * 3 + [(cloth | neck).float()] * (len(corrections.matrix) - len(groups) - 3)
    felt = torch.tensor([REGION_INDEX[name] for name in FELT_REGIONS], device=region.device)
    near = locality(avatar, full)
    return torch.cat([near[:muscles], torch.stack(rows), near[muscles:] * torch.isin(region, felt)])
