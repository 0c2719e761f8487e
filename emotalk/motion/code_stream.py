"""Speech code: what speech asks of a face, frame by frame, before any emotion: the hearing half of a live face.

The half of the motion network that hears (`MotionNetwork.encode_speech`) runs where the sound is made; the half that
shows (`apply_emotion`, body, drawing) runs in the browser, so that a mood reaches the face in the next frame. Between
the two goes one row of numbers a frame.

    features ─► SpeechFront ─► encode_speech ─► rows: channels | lips | closures | silent | rhythm
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from emotalk.core.speech import SpeechFeatures
from emotalk.motion.lip_branch import LIP_COURSES
from emotalk.motion.network import AHEAD, BEFORE, RHYTHM_SIZE, MotionNetwork, NetworkConfig, SpeechCode
from emotalk.motion.person import PersonLayer
from emotalk.motion.speech_front import Block, SpeechFront
from emotalk.motion.style import MotionStyle
from emotalk.speech.feature_rows import quiet

BLOCKS = (4, 4, 8, 16)
"""Frames computed at once, the last number from there on. The first ones must come soon: they wait for 0.4 s of sound
(and the encoder's look-ahead) instead of the 0.9 of a MotionStream. Blocks of 4 throughout would take three times the
work."""
_RHYTHM_ROW = 6  # numbers of `Rhythm.row`


@dataclass(frozen=True)
class RowLayout:
    """Where the parts of a frame's speech code lie in its row [size]."""

    channels: slice  # `SpeechCode.channels`
    lips: slice
    closures: int
    silent: int
    rhythm: slice  # `Rhythm.row`: speaking, stress, loudness, nod, phrase_start, phrase_end
    size: int

    @classmethod
    def of(cls, config: NetworkConfig) -> RowLayout:
        """The layout for a network of these sizes."""
        lips = config.hidden + LIP_COURSES
        size = lips + 2 + _RHYTHM_ROW
        return cls(slice(0, config.hidden), slice(config.hidden, lips), lips, lips + 1, slice(lips + 2, size), size)


class CodeStream:
    """Rows of speech code for features as they come in, in blocks, 240 ms of look-ahead behind the sound.

    The same rows bit for bit however the features are cut. Made by `MotionModel.code_stream`.
    """

    def __init__(self, network: MotionNetwork, style: MotionStyle, person: PersonLayer | None = None) -> None:
        self.layout = RowLayout.of(network.config)
        self._network, self._person = network, person
        self._style = torch.from_numpy(style.vector)[None]
        self._state = network.start()
        self._front = SpeechFront(network.config.features, *BLOCKS)

    def push(self, features: SpeechFeatures) -> np.ndarray:
        """Features that follow the last ones, any number of rows; the rows of code [T, size] float32 that they
        complete, T maybe 0. Raises InputError where the stream is finished."""
        self._state, rows = self._heard(self._front.push(features), self._state)
        return rows

    def finish(self) -> np.ndarray:
        """The rows [T, size] that remain; the stream is over."""
        self._state, rows = self._heard(self._front.finish(), self._state)
        return rows

    def peek(self, features: SpeechFeatures | None = None) -> np.ndarray:
        """The rows [T, size] from the first one that has not come out, as if silence followed what was pushed, or what
        was pushed and then `features`. The stream goes on as if nobody had asked."""
        front = self._front.fork()
        blocks = [] if features is None else front.push(features)
        return self._heard([*blocks, *front.finish()], self._state)[1]

    def _heard(self, blocks: list[Block], state: list[torch.Tensor]) -> tuple[list[torch.Tensor], np.ndarray]:
        rows = [np.zeros((0, self.layout.size), np.float32)]
        for block in blocks:
            code, state = self._encode(block.rows, block.beat, state)
            row = self._row(code, np.float32([now.row() for now in block.rhythm]))
            rows.append(row[: block.frames])
        return state, np.concatenate(rows)

    def _encode(
        self, rows: np.ndarray, beat: np.ndarray, state: list[torch.Tensor] | None
    ) -> tuple[SpeechCode, list[torch.Tensor]]:
        with torch.inference_mode():
            return self._network.encode_speech(
                torch.from_numpy(rows)[None], torch.from_numpy(beat)[None], self._style, state, self._person
            )

    def _row(self, code: SpeechCode, rhythm: np.ndarray) -> np.ndarray:
        row = np.zeros((len(rhythm), self.layout.size), np.float32)
        row[:, self.layout.channels] = code.channels[0].numpy()
        row[:, self.layout.lips] = code.lips[0].numpy()
        row[:, self.layout.closures] = code.closures[0].numpy()
        row[:, self.layout.silent] = code.silent[0].numpy()
        row[:, self.layout.rhythm] = rhythm
        return row

    def silence(self) -> np.ndarray:
        """[size] the row of lasting silence, what the stream gives long after the last sound."""
        frames = 1 + 2 * sum(self._network.config.dilations)  # as far as the causal blocks remember
        code, _ = self._encode(quiet(BEFORE + frames + AHEAD, self._network.config.features),
                               np.zeros((frames, RHYTHM_SIZE), np.float32), None)  # fmt: skip
        return self._row(code, np.zeros((frames, _RHYTHM_ROW), np.float32))[-1]
