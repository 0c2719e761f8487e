"""Speech features + emotion -> everything a head does, whole clips or streams."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from emotalk.core import checkpoint
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.rates import FPS
from emotalk.core.speech import SpeechFeatures
from emotalk.emotion.space import EmotionCurve
from emotalk.head import HeadModel
from emotalk.motion.body import Body
from emotalk.motion.body_network import BodyWeights, load_body
from emotalk.motion.code_stream import CodeStream
from emotalk.motion.eye_network import EyeWeights, load_eyes
from emotalk.motion.habits import FARTHEST, Habits
from emotalk.motion.landmark_corrections import LandmarkCorrections
from emotalk.motion.landmark_graph import load_landmarks
from emotalk.motion.network import MotionNetwork, NetworkConfig
from emotalk.motion.person import MotionAdaptation
from emotalk.motion.speech_front import Block, SpeechFront
from emotalk.motion.style import MotionStyle

FORMAT = "emotalk-motion-3"
BLOCK = 16
"""Frames computed at once (`speech_front`)."""


class MotionModel:
    """`MotionModel.load()(features, curve, style=None, seed=0) -> HeadMotion`."""

    def __init__(
        self,
        network: MotionNetwork,
        eyes: EyeWeights,
        adaptation: MotionAdaptation | None = None,
        body: BodyWeights | None = None,
        landmarks: LandmarkCorrections | None = None,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.eyes = eyes
        self.body = body or load_body()
        self.person = None if adaptation is None else network.person(adaptation).requires_grad_(False)
        self.habits = Habits() if adaptation is None else adaptation.habits
        self.landmarks = landmarks

    @classmethod
    def load(cls, path: str | Path | None = None) -> MotionModel:
        """The shipped model, or one saved by `save_network`; CheckpointError where the file is none."""
        return cls(load_network(Path(path or CHECKPOINTS / "motion.safetensors")), load_eyes())

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, refresh: bool = False) -> MotionModel:
        """The model that `save_pretrained` wrote, in a folder or on the Hub (`hub.models.model_folder`).

        Eyes, head and brows are always moved by the shipped networks. `refresh` looks for something newer than an
        earlier download. Raises CheckpointError or HubError.
        """
        # Imported here: the Hub's client only where an address is given.
        from emotalk.hub.models import model_folder

        config, weights = model_folder(name_or_path, refresh)
        table = checkpoint.read_config(config)
        network = load_network(weights, table)
        return cls(network, load_eyes())

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json (sizes) and model.safetensors (half precision) into `folder`."""
        sizes = dataclasses.asdict(self.network.config)
        target = checkpoint.write_config(folder, {"format": FORMAT, "config": sizes})
        save_network(self.network, target)

    @property
    def digest(self) -> str:
        """A name of the network's weights and of those of the eyes: other ones have another, in hexadecimal. One
        recorded person's adaptation does not count."""
        content = hashlib.sha256()
        for name, array in sorted(vars(self.eyes).items()):
            content.update(name.encode() + array.tobytes())
        for name, tensor in sorted(self.network.state_dict().items()):
            content.update(name.encode() + tensor.contiguous().cpu().numpy().tobytes())
        return content.hexdigest()

    def __call__(
        self, features: SpeechFeatures, curve: EmotionCurve, style: MotionStyle | None = None, seed: int = 0
    ) -> HeadMotion:
        """Motion of ceil(len(features) / 2) frames at 25 fps, the same for the same arguments."""
        stream = self.stream(curve, style, seed)
        parts = [stream.push(features), stream.finish()]
        whole = [part for part in parts if part is not None]
        return HeadMotion.concatenate(whole) if whole else HeadMotion.neutral(0)

    def adapted(self, adaptation: MotionAdaptation | None) -> MotionModel:
        """The same model moving as one recorded person (`learning.adapt_motion`), or as nobody special for None; the
        weights are shared. Raises InputError for an adaptation of another network."""
        return MotionModel(self.network, self.eyes, adaptation, self.body, self.landmarks)

    def holding(self, pose: Sequence[float]) -> MotionModel:
        """The same model with the head at rest turned by `pose` [3] (radians about x, y and z), at most
        `habits.FARTHEST` about each axis."""
        other = copy.copy(self)
        other.habits = dataclasses.replace(self.habits, pose=tuple(np.clip(pose, -FARTHEST, FARTHEST)))
        return other

    def on_face(self, person: HeadModel | None) -> MotionModel:
        """The same model with the corrections that the landmark graph network has for a face: a head with its identity
        worked in (`HeadModel.with_identity`); without any for None. Raises CheckpointError."""
        other = copy.copy(self)
        other.landmarks = None if person is None else LandmarkCorrections(load_landmarks(), person)
        return other

    def stream(self, curve: EmotionCurve, style: MotionStyle | None = None, seed: int = 0) -> MotionStream:
        """The same in pieces, in constant memory; identical to the whole clip however it is cut."""
        return MotionStream(self, curve, style or MotionStyle(), seed)

    def code_stream(self, style: MotionStyle | None = None) -> CodeStream:
        """The speech code of the same speech in pieces, for a face that is shown somewhere else."""
        return CodeStream(self.network, style or MotionStyle(), self.person)


class MotionStream:
    """Motion for features as they come in. Frames leave in blocks of 16, 240 ms of look-ahead behind the sound.

    `curve` may be replaced while the stream runs (a slider being moved): the emotion glides over.
    """

    def __init__(self, model: MotionModel, curve: EmotionCurve, style: MotionStyle, seed: int) -> None:
        self.curve = curve
        self._model = model
        self._style_vector = torch.from_numpy(style.vector)[None]
        self._gains = torch.from_numpy(style.gains)[None]
        self._size = model.network.size_of(style)
        self._state = model.network.start()
        self._corrected = model.landmarks.start() if model.landmarks is not None else []
        self._front = SpeechFront(model.network.config.features, BLOCK)
        self._body = Body(model.eyes, model.body, style, seed, model.habits)
        self._mood = _MoodGlide(np.random.default_rng([seed, 3]))

    def push(self, features: SpeechFeatures) -> HeadMotion | None:
        """Features that follow the last ones, any number of rows; the frames that are ready, or None."""
        return self._played(self._front.push(features))

    def finish(self) -> HeadMotion | None:
        """The frames that remain; the stream is over."""
        return self._played(self._front.finish())

    def _played(self, blocks: list[Block]) -> HeadMotion | None:
        parts = [self._block(block)[: block.frames] for block in blocks]
        return HeadMotion.concatenate(parts) if parts else None

    def _block(self, block: Block) -> HeadMotion:
        va, lively = self._mood.glide(self.curve.at(range(block.first, block.first + BLOCK)))
        rows, beat, felt = (torch.from_numpy(array)[None] for array in (block.rows, block.beat, lively))
        network, landmarks = self._model.network, self._model.landmarks
        with torch.inference_mode():
            output, self._state = network(
                rows, beat, felt, self._style_vector, self._gains, self._state, self._model.person, self._size
            )
            if landmarks is not None:
                heard = network.lip_inputs(rows, beat)
                output, self._corrected = landmarks.correct(heard, felt, output, self._corrected)
        return self._body.play(output.expression[0].numpy(), block.rhythm, va)


class _MoodGlide:
    """The emotion that reaches the face: it follows its curve within about half a second, so that a slider
    thrown across never makes a face jump, and it swells and ebbs by a few percent as living faces do."""

    _HERTZ = 1.0
    _FASTEST = 0.08  # a frame: from one border of the square to the other in a second
    _SWELL = 0.05  # standard deviation of the swell, as a share of the emotion
    _SWELL_HERTZ = 0.15
    _FOLLOW = 0.15  # of the way to its noise that the swell goes in a frame: without corners
    _MOST = 2.0  # standard deviations of the swell
    NUMBERS = {  # noqa: RUF012 - as they are in every frame: for whoever glides elsewhere, as a browser does
        "keep": math.exp(-2 * math.pi * _HERTZ / FPS), "leak": math.exp(-2 * math.pi * _SWELL_HERTZ / FPS),
        "fastest": _FASTEST, "swell": _SWELL, "follow": _FOLLOW, "most": _MOST,
    }  # fmt: skip

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._first: np.ndarray | None = None
        self._second = np.zeros(2)
        self._noise = self._swell = 0.0

    def glide(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """([T, 2] smoothed curve, [T, 2] the same with its swell), float32, for the T frames that come next."""
        keep, leak = self.NUMBERS["keep"], self.NUMBERS["leak"]
        smooth, lively = np.zeros_like(wanted), np.zeros_like(wanted)
        for i, (goal, white) in enumerate(zip(wanted, self._random.standard_normal(len(wanted)), strict=True)):
            if self._first is None:
                self._first, self._second = goal.astype(np.float64), goal.astype(np.float64)
            self._first = goal + (self._first - goal) * keep
            step = (self._first - self._second) * (1 - keep)
            # The field is steepest around (0, 0): crossing it faster than this looks like a cut.
            self._second = self._second + step * min(1.0, self._FASTEST / max(float(np.hypot(*step)), 1e-12))
            self._noise = leak * self._noise + math.sqrt(1 - leak * leak) * white
            self._swell += self._FOLLOW * (self._noise - self._swell)
            smooth[i] = self._second
            lively[i] = self._second * (1 + self._SWELL * max(-self._MOST, min(self._MOST, self._swell)))
        return smooth, np.clip(lively, -1, 1)


GLIDE = _MoodGlide.NUMBERS
"""Numbers of the glide from mood to mood, for whoever computes it elsewhere, as a browser does."""


def save_network(network: MotionNetwork, path: Path, facts: dict | None = None) -> None:
    """Half-precision weights with their sizes (and any `facts`) in the header, moved into place when complete."""
    checkpoint.save_network(path, network, FORMAT, dataclasses.asdict(network.config), facts)


def load_network(path: Path, table: dict | None = None) -> MotionNetwork:
    """The network of a file written by `save_network`, in float32; CheckpointError where it is none.

    `table` is the content of a config.json that speaks for the file: it has to agree with the file's own header.
    """

    def build(config: dict, _weights: dict) -> MotionNetwork:
        tuples = {name: tuple(config[name]) for name in ("dilations", "lips")}
        return MotionNetwork(NetworkConfig(**{**config, **tuples}))

    return checkpoint.load_network(path, build, FORMAT, "motion model", checkpoint.remake("train_motion"), table)
