"""A talk whose head does what it is told: a capture or landmarks in place of the motion that a sound would make.

audio file ─► sound ┐ (or silence)
motion ─────────────┴─► + upper face of the mood ─► pose ─► draw, as any other talk (`job`)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import AudioError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.emotion import expression_field, split_eyes
from emotalk.talk.job import Talk
from emotalk.talk.mood import reach_of
from emotalk.talk.sound import SAMPLES_PER_FRAME

APART = 0.5
"""Seconds by which a sound may be longer or shorter than the motion it belongs to."""
_UPPER = np.array([name.startswith(("brow", "eye", "cheekSquint")) for name in ARKIT_NAMES])
"""[52] shapes that a mood may add to: lips, jaw and what lifts them are the motion's."""


class DrivenTalk(Talk):
    """One run with the request's `motion`."""

    def sound(self) -> Iterator[np.ndarray]:
        """Blocks of samples [N] at 16 kHz, as long as the motion: the recording's, or silence. Raises AudioError where
        the recording has another length."""
        motion = self.request.motion
        wanted = len(motion) * SAMPLES_PER_FRAME
        if self.request.audio is None:
            whole = np.zeros(wanted, np.float32)
        else:
            # Whole, so that a sound that does not belong to this motion is known before anything is written.
            heard = np.concatenate(list(super().sound()))
            apart = abs(len(heard) - wanted) / SAMPLE_RATE
            if apart > APART:
                raise AudioError(
                    f"The sound lasts {len(heard) / SAMPLE_RATE:.1f} s and the motion {wanted / SAMPLE_RATE:.1f} s; at "
                    f"most {APART} s may lie between them. Cut the longer one, or check the frame rate of the motion."
                )
            whole = np.pad(heard[:wanted], (0, max(0, wanted - len(heard))))
        self.total = len(motion)
        step = FPS * SAMPLES_PER_FRAME
        for start in range(0, wanted, step):
            yield whole[start : start + step]

    def _motion(self, first: np.ndarray, blocks: Iterator[np.ndarray]) -> Iterator[tuple[HeadMotion, np.ndarray]]:
        """Stretches of the motion with their samples."""
        person = self.studio.avatar(self.request.avatar)
        reach = reach_of(person.card, self.request.expressiveness)
        held = np.array(person.held, np.float32)
        done = 0
        block: np.ndarray | None = first
        while block is not None:
            curve = self._timed("speech", self.mood.update, block)
            rows = slice(done, done + len(block) // SAMPLES_PER_FRAME)
            part = _held(self.request.motion[rows], self.request.head_motion, held)
            yield with_mood(part, curve.at(np.arange(rows.start, rows.stop)), reach), block
            done = rows.stop
            block = next(blocks, None)


def with_mood(motion: HeadMotion, mood: np.ndarray, reach: float = 1.0) -> HeadMotion:
    """A motion with the upper face of a mood [T, 2] (valence and arousal) added: brows, lids and what narrows the eyes.
    `reach` is a factor on it."""
    va = np.clip(mood, -1, 1)
    expression, drooping, _ = split_eyes(reach * expression_field(va[:, 0], va[:, 1]))
    both = motion.expression + expression
    # A brow that is raised already goes no further than a brow can.
    both = np.minimum(both, np.maximum(1.0, np.maximum(motion.expression, expression)))
    shapes = np.where(_UPPER, both, motion.expression)
    lids = 1 - (1 - motion.eyelids) * (1 - np.clip(drooping, 0, 1))
    return replace(motion, expression=shapes, eyelids=lids)


def _held(motion: HeadMotion, amount: float, held: np.ndarray) -> HeadMotion:
    """A motion with `amount` times its poses around how the person holds the head at rest [3]."""
    pose = motion.head_pose * np.float32(amount)
    pose[:, :3] += held
    # Eyes keep their direction, not the head's.
    gaze = motion.gaze + (motion.head_pose - pose)[:, [1, 0]] * np.float32([1, -1])
    return replace(motion, head_pose=pose, gaze=gaze)
