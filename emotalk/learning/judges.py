"""Both judges of motion, twice: a pair that serves as training losses, and a pair that only measures.

Whoever is trained to please a judge is not to be marked by it. So the measuring pair begins from other weights and
learns from other voices, other filmed people and other training people than the pair that trains.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from emotalk.core.motion import HeadMotion
from emotalk.learning.critics import CriticConfig, train_recogniser, train_sync
from emotalk.learning.felt_motions import FeltConfig, felt_motions
from emotalk.learning.filmed_lips import FilmedClip
from emotalk.learning.motion_data import SpokenClip
from emotalk.motion.emotion_recogniser import save_recogniser
from emotalk.motion.eye_network import EyeWeights
from emotalk.sync.lip_measures import LipBasis
from emotalk.sync.network import save_sync

log = logging.getLogger(__name__)

SYNC, CONSISTENCY = ("sync", "sync_judge"), ("consistency", "consistency_judge")
"""Names of the checkpoints: the training loss, and the one that only measures."""
_MANY = 9  # films: of a person with so many, both halves have some

T = TypeVar("T")


@dataclass(frozen=True)
class JudgeData:
    """What judges learn from."""

    voices: Mapping[str, Sequence[SpokenClip]]  # by voice
    filmed: Sequence[FilmedClip] = ()  # lips beside sound
    people: Mapping[str, Sequence[HeadMotion]] = field(default_factory=dict)  # by speaker, whole and neutral
    captured: Sequence[HeadMotion] = ()  # of unknown mood

    def half(self, which: int) -> JudgeData:
        """Number `which`, 0 or 1, of two halves without a clip or film in common. Captures are in both: there are four.
        Where there is one voice only, both have it."""
        filmed: dict[str, list[FilmedClip]] = {}
        for clip in self.filmed:
            filmed.setdefault(clip.speaker, []).append(clip)
        return JudgeData(
            {name: self.voices[name] for name in sorted(self.voices)[which::2] or self.voices},
            [clip for clips in _dealt(filmed, which).values() for clip in clips],
            _dealt(self.people, which),
            self.captured,
        )

    @property
    def clips(self) -> list[SpokenClip]:
        """Those of all voices."""
        return [clip for clips in self.voices.values() for clip in clips]

    @property
    def motions(self) -> list[HeadMotion]:
        """Those of all people."""
        return [motion for motions in self.people.values() for motion in motions]


def _dealt(of: Mapping[str, Sequence[T]], which: int) -> dict[str, Sequence[T]]:
    """Every second of those who have few films; every second film of those who have many."""
    few = [name for name in sorted(of) if len(of[name]) < _MANY]
    mine = {name: of[name] for name in few[which::2]}
    return mine | {name: of[name][which::2] for name in sorted(of) if len(of[name]) >= _MANY}


def train_judges(
    folder: Path,
    data: JudgeData,
    basis: LipBasis,
    eyes: EyeWeights,
    sync_steps: int = 900,
    consistency_steps: int = 1200,
    seed: int = 0,
) -> None:
    """Writes SYNC and CONSISTENCY as `<folder>/<name>.safetensors`; those that are there are kept. Raises InputError
    without clips."""
    for which in (0, 1):
        half = data.half(which)
        own = seed + 1000 * which
        heard = {"voices": ", ".join(half.voices)}
        path = folder / f"{SYNC[which]}.safetensors"
        if not path.exists():
            filmed = sorted({clip.speaker for clip in half.filmed})
            log.info("%s: %d voices, %d filmed speakers", SYNC[which], len(half.voices), len(filmed))
            network = train_sync(half.clips, basis, CriticConfig(sync_steps, seed=own), filmed=half.filmed)
            save_sync(network, path, {"steps": sync_steps, **heard, "filmed": ", ".join(filmed)})
        path = folder / f"{CONSISTENCY[which]}.safetensors"
        if not path.exists():
            felt = felt_motions(half.clips, eyes, FeltConfig(seed=own), half.motions, half.captured)
            log.info("%s: %d motions", CONSISTENCY[which], len(felt.motion))
            config = CriticConfig(consistency_steps, batch=24, frames=felt.motion.shape[1], seed=own)
            facts = {"steps": consistency_steps, **heard, "people": ", ".join(half.people)}
            save_recogniser(train_recogniser(felt, config), path, facts)
