"""What the landmark graph network need not learn in steps: linear parts found in closed form, for its convolutions to
learn what they leave.

Three of them. `learn_faces`: how shapes differ on a face, as far as that is linear in the whole face. `learn_common`:
what filmed lips do beside the copied shapes, as far as it is linear in those shapes. `learn_hearing`: the principal
components in which the convolutions hear speech.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.learning.landmark_examples import HeardClip, LandmarkData, copied_motion, node_weights
from emotalk.learning.landmark_transfer import PersonShapes
from emotalk.motion.landmark_graph import LandmarkGraphNetwork

_MILLIMETRES = 1000.0
_COMPONENTS, _RIDGE = 90, 5.0
"""Principal components of faces at rest that shapes are told from, and the ridge (mm²)."""
_LEAST = 0.01
"""ARKit weight that a shape counts as if it was used by, at least."""
_RARE = 100.0
"""Ridge of what shapes do in common (squared weights, summed over frames): of a shape that films hardly show, such as a
wide smile, nothing is concluded."""
_EVERY = 4  # frames of speech from one to the next that its components are found in


@torch.no_grad()
def learn_faces(network: LandmarkGraphNetwork, people: list[PersonShapes], usage: np.ndarray) -> None:
    """How shapes differ on `people`, as far as it is linear in the whole face: reduced-rank regression with a ridge,
    written into `network.directions` and `network.bends`; and the principal components of what is left, into
    `network.ways`. Shapes count by their `usage` [52], lips three times. Raises InputError where there are fewer
    faces than directions or ways."""
    rank, ways = network.config.directions, network.config.ways
    if len(people) < max(rank, ways):
        raise InputError(f"{rank} directions of faces and {ways} ways need as many faces or more, found {len(people)}.")
    mean = network.mean.double().numpy()
    faces = _MILLIMETRES * np.stack([person.neutral - mean for person in people]).reshape(len(people), -1)
    wanted = _MILLIMETRES * np.stack([person.own - person.copied for person in people]).reshape(len(people), -1)
    basis = np.linalg.svd(faces, full_matrices=False)[2][:_COMPONENTS]
    sizes = faces @ basis.T
    slopes = np.linalg.solve(sizes.T @ sizes + _RIDGE * np.eye(len(basis)), sizes.T @ wanted)
    weight = np.maximum(usage, _LEAST)[:, None, None] * node_weights(filmed=False)
    weight = weight.ravel() / weight.mean()
    # A low-rank table's right vectors follow from its left ones, which are few.
    told = sizes @ slopes * weight
    bends = np.linalg.eigh(told @ told.T)[1][:, ::-1][:, :rank].T @ told
    bends = np.linalg.qr(bends.T)[0].T
    directions = (basis.T @ ((slopes * weight) @ bends.T)).T
    # A size of 1 is usual, and so is an amount.
    usual = np.maximum((faces @ directions.T).std(0), 1e-9)[:, None]
    directions, bends = directions / usual, bends * usual / weight
    network.directions.copy_(torch.from_numpy(directions.astype(np.float32)).view_as(network.directions))
    network.bends.copy_(torch.from_numpy(bends.astype(np.float32)).view_as(network.bends))
    left = (wanted - faces @ directions.T @ bends) * weight
    amounts = np.linalg.eigh(left @ left.T)[1]
    parts = amounts[:, ::-1][:, :ways].T @ left / np.sqrt(len(people)) / weight
    network.ways.copy_(torch.from_numpy(parts.astype(np.float32)).view_as(network.ways))


@torch.no_grad()
def learn_common(network: LandmarkGraphNetwork, data: LandmarkData) -> None:
    """What filmed people do beside the shapes of their faces, linearly in these and alike for all, written into
    `network.common`, and where films tell something, into `network.moving`: ridge regression of motion (without a
    film's mean)."""
    network.common.zero_()
    told = node_weights(filmed=True) > 0
    network.moving.copy_(torch.from_numpy(told[:, 0].astype(np.float32)))
    counts = Counter(clip.speaker for clip in data.filmed)
    shapes = {name: data.speakers[name].copied + face_shapes(network, data.speakers[name]) for name in counts}
    normal, right = 0.0, 0.0
    for clip in data.filmed:
        off = _MILLIMETRES * (clip.moved - copied_motion(clip.expression[0], shapes[clip.speaker]))
        there = np.isfinite(off).all((1, 2))
        off = off[there].reshape(there.sum(), -1).astype(np.float64)
        # As in `LandmarkSampler`: a speaker of few films counts more, not everything.
        share = counts[clip.speaker] ** -0.5 / len(clip.expression)
        for version in clip.expression:
            seen = version[there].astype(np.float64)
            seen = seen - seen.mean(0)
            normal = normal + share * seen.T @ seen
            right = right + share * seen.T @ (off - off.mean(0))
    if not counts:
        return
    mean = sum(count**0.5 for count in counts.values()) / len(data.filmed)
    slopes = np.linalg.solve(normal / mean + _RARE * np.eye(len(ARKIT_NAMES)), right / mean)
    slopes = slopes.reshape(network.common.shape) * told
    network.common.copy_(torch.from_numpy(slopes.astype(np.float32)))


@torch.no_grad()
def learn_hearing(network: LandmarkGraphNetwork, clips: list[HeardClip]) -> None:
    """The principal components of speech, the largest of spread 1, written into `network.usual` and `network.ear`."""
    speech = np.concatenate([clip.speech[0][::_EVERY] for clip in clips]).astype(np.float64)
    usual = speech.mean(0)
    spread, components = np.linalg.svd(speech - usual, full_matrices=False)[1:]
    network.ear.zero_()
    found = min(network.config.heard, len(components))
    largest = spread[0] / np.sqrt(len(speech))
    network.usual.copy_(torch.from_numpy(usual.astype(np.float32)))
    network.ear[:, :found].copy_(torch.from_numpy((components[:found].T / largest).astype(np.float32)))


@torch.no_grad()
def face_shapes(network: LandmarkGraphNetwork, person: PersonShapes) -> np.ndarray:
    """[52, N, 3] metres by which a network has each shape differ from the copied one on that face, and on every one."""
    face = network.face(torch.from_numpy(person.neutral)[None])
    return (face.shapes[0] + network.common).numpy() / _MILLIMETRES
