"""Clips for the landmark graph network: what is heard, what a motion network makes of it, what a film shows; and files
of them (npz, never pickled)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.atomic import replacing
from emotalk.learning.landmark_examples import HeardClip
from emotalk.learning.landmark_films import SeenFace
from emotalk.learning.landmark_transfer import PersonShapes
from emotalk.learning.motion_data import random_emotion
from emotalk.motion.network import AHEAD, BEFORE, RHYTHM_SIZE, MotionNetwork
from emotalk.motion.style import STYLE_SIZE, MotionStyle
from emotalk.speech.feature_rows import ROW_SIZE, quiet


@torch.inference_mode()
def heard_clip(
    network: MotionNetwork,
    rows: np.ndarray,  # [V, T, W] `feature_rows.frame_rows`
    rhythm: np.ndarray,  # [V, T, 6]
    va: np.ndarray,  # [T, 2]
    style: MotionStyle | None = None,
    size: float = 1.0,  # on how far speech moves lips and jaw; 1 is nearest to films
) -> HeardClip:
    """A clip of speech, silence around it, and the faces that `network` makes of it; an average one's without
    `style`."""
    hidden = (rows.shape[-1] - 2 * ROW_SIZE) // 2
    before, after = (np.broadcast_to(quiet(n, hidden), (len(rows), n, rows.shape[-1])) for n in (BEFORE, AHEAD))
    whole = torch.from_numpy(np.concatenate([before, rows.astype(np.float32), after], 1))
    beat = torch.from_numpy(rhythm[..., :RHYTHM_SIZE].astype(np.float32))
    versions = len(rows)
    vector = torch.zeros(STYLE_SIZE) if style is None else torch.from_numpy(style.vector)
    gains = torch.ones(len(ARKIT_NAMES)) if style is None else torch.from_numpy(style.gains)
    output, _ = network(
        whole, beat, torch.from_numpy(va.astype(np.float32)).expand(versions, -1, -1), vector.expand(versions, -1),
        gains.expand(versions, -1), size=size,
    )  # fmt: skip
    return HeardClip(network.lip_inputs(whole, beat).half().numpy(), va.astype(np.float32), output.expression.numpy())


def felt_clip(network: MotionNetwork, rows: np.ndarray, rhythm: np.ndarray, random: np.random.Generator) -> HeardClip:
    """A clip of synthetic speech, `rows` [V, T, W] and `rhythm` [V, T, 6], in a mood and by a speaker drawn at
    random."""
    style = MotionStyle.random(int(random.integers(2**31)))
    return heard_clip(network, rows, rhythm, random_emotion(random, rows.shape[1]), style)


def filmed_clip(clip: HeardClip, speaker: str, seen: SeenFace) -> HeardClip:
    """The clip with what a film of the same sound shows, picture in step with it; cut to the shorter one."""
    frames = min(len(clip), len(seen))
    return HeardClip(
        clip.speech[:, :frames], clip.va[:frames], clip.expression[:, :frames], speaker,
        seen.moved[:frames], seen.expression[:frames],
    )  # fmt: skip


def save_heard(path: Path, clips: list[HeardClip]) -> None:
    """Clips of equally many versions in one file, moved into place when complete; all filmed or none."""
    arrays = {
        "lengths": np.array([len(clip) for clip in clips]),
        "speakers": np.array([clip.speaker for clip in clips]),
        "speech": np.concatenate([clip.speech for clip in clips], 1),
        "va": np.concatenate([clip.va for clip in clips]),
        "expression": np.concatenate([clip.expression for clip in clips], 1),
    }
    if all(clip.moved is not None for clip in clips):
        arrays["moved"] = np.concatenate([clip.moved for clip in clips])
        arrays["tracked"] = np.concatenate([clip.tracked for clip in clips])
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def load_heard(path: Path) -> list[HeardClip]:
    """What `save_heard` wrote."""
    with np.load(path) as file:
        ends = np.cumsum(file["lengths"])[:-1]
        split = {name: np.split(file[name], ends, int(name in ("speech", "expression")))
                 for name in file.files if name not in ("lengths", "speakers")}  # fmt: skip
        speakers = [str(name) for name in file["speakers"]]
    return [
        HeardClip(speaker=speaker, **{name: parts[i] for name, parts in split.items()})
        for i, speaker in enumerate(speakers)
    ]


def save_people(path: Path, people: dict[str, PersonShapes]) -> None:
    """Faces by name in one file, moved into place when complete."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        stacked = {part: np.stack([getattr(one, part) for one in people.values()])
                   for part in ("neutral", "copied", "own")}  # fmt: skip
        np.savez(file, names=np.array(list(people)), **stacked)


def load_people(path: Path) -> dict[str, PersonShapes]:
    """What `save_people` wrote."""
    with np.load(path) as file:
        names = [str(name) for name in file["names"]]
        parts = [file[part] for part in ("neutral", "copied", "own")]
    return {name: PersonShapes(*arrays) for name, *arrays in zip(names, *parts, strict=True)}
