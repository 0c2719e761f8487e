"""Is it the same person whatever the photo shows: identity, pose and expression from one view."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.tracking_truth import identity_error
from emotalk.avatar import load_avatar
from emotalk.core.errors import EmotalkError
from emotalk.head import HeadModel
from emotalk.portrait import track_photo
from emotalk.portrait.one_view import WEIGHTS
from emotalk.rendering import portrait_camera, rasterize
from emotalk.tracking import TrackedVideo
from emotalk.tracking.source import probe, small_frames
from scripts.preset_pictures import motion_of
from scripts.preset_sheet import POSES

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips" / "mead"
PEOPLE = ("elena", "jun", "kofi", "mira")
SHOWN = ("neutral", "aa", "oo", "wide smile", "anger", "sadness", "surprise")
TURN = math.radians(14)
ACTED = ("happy", "angry", "sad", "surprised", "disgusted")
AT = (0.4, 0.65)
"""Shares of a clip at which a frame is taken."""


def table() -> Iterator[str]:
    """Markdown."""
    head = HeadModel.load()
    yield (
        f"Shipped, synthetic people photographed at 640 pixels; their identity, pose and expression are known. "
        "Identity: mm between the true and the found face at rest, best aligned (the mean face: first row). Weights: "
        f"person {WEIGHTS.person:g}, price {WEIGHTS.price:g}, ridge {WEIGHTS.ridge:g}.\n"
    )
    yield "| photo | identity, mm | turn, degrees | expression, mean difference | sum true | sum found |"
    yield "|---|---|---|---|---|---|"
    true = [load_avatar(name).identity.numpy() for name in PEOPLE]
    mean = np.mean([identity_error(head, identity, np.zeros_like(identity)) for identity in true])
    yield f"| (the mean face) | {mean:.2f} | | | | |"
    with tempfile.TemporaryDirectory() as folder:
        for shown in SHOWN:
            for turn in (0.0, TURN):
                rows = [_measured(head, name, shown, turn, Path(folder)) for name in PEOPLE]
                cells = " | ".join(f"{value:.2f}" for value in np.mean(rows, 0))
                yield f"| {shown}{', turned' if turn else ''} | {cells} |"
        if not CLIPS.is_dir():
            yield "\nThe clips of real people are not on this machine."
            return
        yield (
            "\nReal people who act emotions (two of MEAD, 256 pixels): mm between the face at rest found in a frame "
            "and that found in their neutral clip.\n"
        )
        yield "| person | " + " | ".join(("neutral", *ACTED)) + " | between the two people |"
        yield "|" + "---|" * (len(ACTED) + 3)
        calm = {}
        for who in ("M030", "W009"):
            calm[who] = _frames(who, "neutral_level1", (0.15, *AT), Path(folder))
        apart = identity_error(head, calm["M030"][0].identity, calm["W009"][0].identity)
        for who, first in calm.items():
            cells = [_apart(head, first[0], first[1:])]
            cells += [_apart(head, first[0], _frames(who, f"{mood}_level3", AT, Path(folder))) for mood in ACTED]
            yield f"| {who} | " + " | ".join(f"{cell:.2f}" for cell in cells) + f" | {apart:.2f} |"


def _measured(head: HeadModel, name: str, shown: str, turn: float, folder: Path) -> list[float]:
    avatar, camera = load_avatar(name), portrait_camera(640, zoom=1.1)
    channels = {**POSES[shown][0], "head_pose": [0, turn, 0, 0, 0, 0]}
    motion = motion_of(**channels)
    with torch.no_grad():
        image = rasterize(avatar.pose(motion, 0, camera), camera, (0.62, 0.66, 0.7)).image.clamp(0, 1)
    tracked = track_photo(np.ascontiguousarray((image * 255).round().byte().numpy()), folder / "synthetic")
    found = tracked.motion
    return [
        identity_error(head, avatar.identity.numpy(), tracked.identity),
        float(np.degrees(np.abs(found.head_pose[0, :3] - motion.head_pose[0, :3]).mean())),
        float(np.abs(found.expression - motion.expression).mean()),
        float(motion.expression.sum()),
        float(found.expression.sum()),
    ]


def _frames(who: str, what: str, at: tuple[float, ...], folder: Path) -> list[TrackedVideo]:
    path = CLIPS / f"dreamtalk_{who}_front_{what}_001.mp4"
    pictures = list(small_frames(path, probe(path), 256))
    found = []
    for share in at:
        target = folder / f"{who}-{what}-{share}"
        try:
            found.append(track_photo(np.ascontiguousarray(pictures[int(share * len(pictures))]), target))
        except EmotalkError as error:
            print(f"{who} {what} {share}: {error}")
    return found


def _apart(head: HeadModel, first: TrackedVideo, others: list[TrackedVideo]) -> float:
    return float(np.mean([identity_error(head, first.identity, other.identity) for other in others]))
