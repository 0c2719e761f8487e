"""Few-shot adaptation: the shared motion network learns how one recorded person moves while speaking.

The idea of EmoTaG's second stage (arXiv 2603.21332): the network stays frozen, a few thousand numbers beside it
(`motion.person`) are fitted to a person's own sound and tracked motion, 5 s to 2 min of it. Contacts, gate and
emotion are held to what the unadapted network says of the same sound under random emotions, so that lips still close
and the emotional field still works.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import AudioError, InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.progress import Progress, ProgressCallback
from emotalk.core.rates import FPS
from emotalk.core.speech import SpeechFeatures
from emotalk.learning.motion_data import rhythm_of
from emotalk.learning.person_habits import habits_of
from emotalk.motion.model import MotionModel
from emotalk.motion.network import AHEAD, BEFORE, RHYTHM_SIZE, MotionNetwork, NetworkOutput
from emotalk.motion.person import MotionAdaptation, PersonLayer
from emotalk.motion.rhythm import Rhythm
from emotalk.motion.style import STYLE_SIZE
from emotalk.motion.visemes import SILENCE
from emotalk.speech import SpeechEncoder
from emotalk.speech.feature_rows import ROW_SIZE, frame_rows, quiet
from emotalk.sync.lip_measures import LipBasis
from emotalk.sync.network import SyncModel, SyncNetwork

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo

log = logging.getLogger(__name__)

SHORTEST = 2 * FPS
"""Frames with a face and sound that an adaptation needs at least."""
_LAGS = range(-8, 9)
_FEW = 10 * FPS
"""Frames below which only gains and the resting face are fitted and no lag is looked for: of 5 s the rest learns the
words."""
_LAG_GAIN = (0.04, 1.5)  # a lag is trusted where it correlates better than none by a + b / sqrt(frames)
_OWN_VOICE = (0.33, 0.2)
"""Sync score and confidence below which a voice is somebody else's. Of filmed clips, 5 s at a time, 16 pairs of lips
and their own voice had at least (0.37, 0.27), 60 pairs of lips and another voice at most (0.29, 0.23)."""
_WARM = 20  # frames of a window that its first frames' memory needs; they do not count
_INNER, _OUTER, _WIDTH, _JAW = range(4)  # lip_measures.MEASURES
_MEASURE_WEIGHTS = torch.tensor([1.0, 0.5, 0.5, 0.4])
_NOISE = 0.004  # of a lip measure, in eye distances: below that tracked lips tremble
_PARTING = [i for i, name in enumerate(ARKIT_NAMES) if name in ("jawOpen", "mouthFunnel") or
            name.startswith(("mouthUpperUp", "mouthLowerDown"))]  # fmt: skip
_PARTED_AT_REST = 0.06
"""How far a resting face may part the lips by each shape: more is a face that was never at rest while recorded."""
_LARGEST_REST = 0.25
_MOUTH = torch.tensor([1.0 if name.startswith(("mouth", "jaw")) else 0.3 for name in ARKIT_NAMES])


@dataclass(frozen=True)
class AdaptConfig:
    """How a person is fitted; the defaults were chosen on filmed clips that are not part of the project."""

    steps: int = 120
    batch: int = 5  # windows a step
    frames: int = 100  # frames a window
    learning_rate: float = 0.01  # at its highest; falls to nothing along a half cosine
    coefficients: float = 0.3  # weight of the ARKit shapes beside the lip measures
    velocity: float = 0.5  # of how the measures change from frame to frame
    sync: float = 1.0  # of the sync score, with and without emotion
    closures: float = 20.0  # of lips that stay open where they must be shut
    faithful: float = 1.0  # of contacts, gate and emotion against the unadapted network's
    small: float = 15.0  # of the size of the adaptation, for 10 s of material; less for more of it
    lips: float = 0.1  # of the size of the lip branch's part of it: chosen on speakers of GRID left out
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.frames <= _WARM:
            raise InputError(
                f"Adapting needs steps >= 1, batch >= 1 and frames > {_WARM}; found "
                f"{self.steps}, {self.batch}, {self.frames}."
            )


def adapt_motion(
    features: SpeechFeatures,
    motion: HeadMotion,
    seen: np.ndarray,
    model: MotionModel,
    config: AdaptConfig | None = None,
    progress: ProgressCallback | None = None,
) -> MotionAdaptation:
    """What makes `model` move as the person of a video: pass it to `MotionModel.adapted`. The mouth is fitted; head,
    eyes and brows get the person's habits (`person_habits`).

    `features` are those of the video's own sound, `motion` is what was tracked in its picture, `seen` [T] the frames
    whose tracking is good. Sound and picture may be up to 8 frames apart; that is found and allowed for. The same
    arguments give the same numbers; about 10 s on one core, whatever the length. `progress` is called after
    every step. Raises InputError where less than 2 s can be used.
    """
    config = config or AdaptConfig()
    seen = np.asarray(seen, bool)
    if seen.shape != (len(motion),):
        raise InputError(f"`seen` must have shape [{len(motion)}], one for each frame of motion; found {seen.shape}.")
    network = MotionModel(model.network, model.eyes).network
    person_data = _recorded(features, motion, seen, network)
    if person_data.usable < SHORTEST:
        raise InputError(
            f"Adapting the motion needs {SHORTEST / FPS:.0f} s of speech with a well-tracked face, found "
            f"{person_data.usable / FPS:.1f} s; record a longer video."
        )
    started = time.process_time()
    fit = _Fit(network, person_data, config)
    for step in range(config.steps):
        fit.step(step)
        if progress is not None:
            progress(Progress("adapt", step + 1, config.steps))
    before, after = fit.agreement(None), fit.agreement(fit.person)
    facts = {
        "seconds": person_data.usable / FPS,
        "lag": float(person_data.lag),
        "opening_r_before": before,
        "opening_r_after": after,
        "cpu_seconds": round(time.process_time() - started, 1),
    }
    log.info("motion adapted to %.1f s: opening r %.2f to %.2f", facts["seconds"], before, after)
    habits = habits_of(motion, seen, [Rhythm.of(row) for row in rhythm_of(features)], model)
    return fit.person.adaptation(network.fingerprint(), facts, habits)


def motion_of_video(tracked: TrackedVideo, progress: ProgressCallback | None = None) -> MotionAdaptation | None:
    """`adapt_motion` for a tracked video and the shipped models; None where its sound tells nothing of its person.

    That is: no sound, less than 2 s of speech beside a well-tracked face, or a voice that is somebody else's, as the
    sync network finds.
    """

    try:
        sound = tracked.audio()
    except AudioError as error:  # a silent track, say
        log.info("no motion adaptation: %s", error)
        return None
    if sound is None:
        return None
    features = SpeechEncoder.load().encode(sound)
    said = features.at_video_rate().phones[:, SILENCE] < 0.5
    frames = min(len(said), len(tracked))
    if int((said[:frames] & tracked.seen[:frames]).sum()) < SHORTEST:
        log.info("no motion adaptation: less than %.0f s of speech", SHORTEST / FPS)
        return None
    sync = SyncModel.load()
    fit = sync.offset(features, sync.lips(tracked.motion), reach=max(_LAGS))
    if fit.score < _OWN_VOICE[0] or fit.confidence < _OWN_VOICE[1]:
        log.info("no motion adaptation: the voice does not fit the lips (%.2f, %.2f)", fit.score, fit.confidence)
        return None
    return adapt_motion(features, tracked.motion, tracked.seen, MotionModel.load(), progress=progress)


@dataclass(frozen=True)
class _Recorded:
    """A recording, picture in step with the sound, as tensors."""

    rows: Tensor  # [BEFORE + T + AHEAD, W]
    rhythm: Tensor  # [T, RHYTHM_SIZE]
    expression: Tensor  # [T, 52] tracked
    measures: Tensor  # [T, 4] of it
    good: Tensor  # [T] bool
    sync: SyncNetwork
    lag: int  # frames that the picture was late

    @property
    def basis(self) -> LipBasis:
        """As the sync network's file holds it: no head model has to be loaded."""
        return self.sync.basis

    @property
    def usable(self) -> int:
        return int(self.good.sum())


def _recorded(features: SpeechFeatures, motion: HeadMotion, seen: np.ndarray, network: MotionNetwork) -> _Recorded:
    features = features[: len(features) // 2 * 2]
    hidden = network.config.features
    rows = np.concatenate([quiet(BEFORE, hidden), frame_rows(features, hidden), quiet(AHEAD, hidden)])
    rhythm = rhythm_of(features)[:, :RHYTHM_SIZE]
    sync = SyncModel.load().network
    basis = sync.basis
    expression = torch.from_numpy(motion.expression).clamp(0, 1)
    whole = _Recorded(
        torch.from_numpy(rows), torch.from_numpy(rhythm), expression, basis.measures(expression),
        torch.from_numpy(seen), sync, 0,
    )  # fmt: skip
    if not len(rhythm):
        return dataclasses.replace(whole, good=whole.good[:0])
    heard = basis.measures(_play(network, whole, None).expression[0])[:, _INNER]
    return _in_step(whole, _lag(heard.numpy(), whole.measures[:, _INNER].numpy(), seen))


def _lag(heard: np.ndarray, filmed: np.ndarray, seen: np.ndarray) -> int:
    """Frames that the picture is behind the sound, 0 where no other lag is clearly better."""
    length = min(len(heard), len(filmed))

    def r(lag: int) -> float:
        a, b = max(0, -lag), max(0, lag)
        one, other, there = heard[a : length - b], filmed[b : length - a], seen[b : length - a]
        if there.sum() < SHORTEST or one[there].std() < 1e-5 or other[there].std() < 1e-5:
            return -1.0
        return float(np.corrcoef(np.diff(one[there]), np.diff(other[there]))[0, 1])

    scores = {lag: r(lag) for lag in _LAGS}
    best = max(scores, key=lambda lag: scores[lag])
    if seen.sum() < _FEW:
        return 0
    doubt = _LAG_GAIN[0] + _LAG_GAIN[1] / max(int(seen.sum()), 1) ** 0.5
    return best if scores[best] > scores[0] + doubt else 0


def _in_step(whole: _Recorded, lag: int) -> _Recorded:
    """Sound frame k beside picture frame k + lag, cut to what both have."""
    first, length = max(0, -lag), min(len(whole.rhythm), len(whole.expression) - lag)
    picture = slice(first + lag, length + lag)
    return _Recorded(
        whole.rows[first : length + BEFORE + AHEAD], whole.rhythm[first:length], whole.expression[picture],
        whole.measures[picture], whole.good[picture], whole.sync, lag,
    )  # fmt: skip


def _play(network: MotionNetwork, recorded: _Recorded, person: PersonLayer | None) -> NetworkOutput:
    """The network on the whole recording, without emotion."""
    with torch.no_grad():
        frames = len(recorded.rhythm)
        calm, average = torch.zeros(1, frames, 2), torch.zeros(1, STYLE_SIZE)
        gains = torch.ones(1, len(ARKIT_NAMES))
        return network(recorded.rows[None], recorded.rhythm[None], calm, average, gains, None, person)[0]


class _Fit:
    """The person's layer and what it is fitted to."""

    def __init__(self, network: MotionNetwork, recorded: _Recorded, config: AdaptConfig) -> None:
        self._network, self._recorded, self._config = network, recorded, config
        self._frames = min(config.frames, len(recorded.rhythm))
        self._warm = _WARM if self._frames > 2 * _WARM else 0
        self._spread = recorded.measures[recorded.good].std(0) + _NOISE
        self._small = config.small * 10.0 / (recorded.usable / FPS)
        self.person = network.person()
        self._rest_at_start(_play(network, recorded, None).expression[0])
        groups = [
            {"params": [self.person.gain, self.person.rest, self.person.lips], "lr": config.learning_rate},
            {"params": [self.person.code, self.person.up, self.person.down], "lr": config.learning_rate},
        ][: 1 if recorded.usable < _FEW else 2]
        self._optimizer = torch.optim.Adam(groups)
        self._rates = [group["lr"] for group in groups]

    def _rest_at_start(self, shared: Tensor) -> None:
        """The resting face, first guess: what the recorded face shows in the median beyond the shared network's."""
        good = self._recorded.good
        rest = (self._recorded.expression[good] - shared[good]).median(0).values
        with torch.no_grad():
            self.person.rest.copy_(rest * self._network.spoken)
            self._limit()

    @torch.no_grad()
    def _limit(self) -> None:
        rest = self.person.rest
        rest.clamp_(-_LARGEST_REST, _LARGEST_REST)
        rest[_PARTING] = rest[_PARTING].clamp(max=_PARTED_AT_REST)
        self.person.gain.clamp_(-1.0, 1.0)

    def step(self, step: int) -> None:
        """One step of gradient descent on a few windows of the recording."""
        config, recorded = self._config, self._recorded
        random = np.random.default_rng([config.seed, step])
        starts = random.integers(0, len(recorded.rhythm) - self._frames + 1, config.batch)
        windows = torch.from_numpy(starts[:, None] + np.arange(self._frames))
        reach = torch.from_numpy(starts[:, None] + np.arange(self._frames + BEFORE + AHEAD))
        batch = (recorded.rows[reach], recorded.rhythm[windows])
        va = torch.from_numpy(random.uniform(-1, 1, (config.batch, 1, 2)).astype(np.float32))
        va = va.expand(-1, self._frames, -1)
        loss = self._loss(batch, windows, va)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * 0.5 * (1 + np.cos(np.pi * step / config.steps))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self._limit()

    def _loss(self, batch: tuple[Tensor, Tensor], windows: Tensor, va: Tensor) -> Tensor:
        network, person, recorded, config = self._network, self.person, self._recorded, self._config
        rows, rhythm = batch
        style = torch.zeros(len(rows), STYLE_SIZE)
        gains = torch.ones(len(rows), len(ARKIT_NAMES))
        code, _ = network.encode_speech(rows, rhythm, style, None, person)
        calm = network.apply_emotion(code, torch.zeros_like(va), gains, person)
        moved = network.apply_emotion(code, va, gains, person)
        with torch.no_grad():
            shared = network(rows, rhythm, va, style, gains)[0]
        count = recorded.good[windows].float()
        count[:, : self._warm] = 0
        made = recorded.basis.measures(calm.expression)
        wanted = recorded.measures[windows]
        agree = (1 - _concordance(made, wanted, count)) * _MEASURE_WEIGHTS
        both = count[:, 1:] * count[:, :-1]
        agree = agree + config.velocity * (1 - _concordance(made.diff(dim=1), wanted.diff(dim=1), both)) * (
            _MEASURE_WEIGHTS
        )
        off = nn.functional.smooth_l1_loss(calm.expression, recorded.expression[windows], reduction="none", beta=0.05)
        shapes = ((off * _MOUTH).sum(-1) * count).sum() / count.sum().clamp(min=1)
        return (
            agree.sum()
            + config.coefficients * shapes
            + config.sync * self._out_of_sync(rows, calm, moved)
            + config.closures * self._open_closures(calm, moved, shared)
            + config.faithful * _unfaithful(calm, moved, shared)
            + self._small * self._size()
        )

    def _out_of_sync(self, rows: Tensor, *outputs: NetworkOutput) -> Tensor:
        """What the sync network finds missing in lips that say the recorded sound."""
        heard = rows[:, BEFORE : BEFORE + self._frames, : 2 * ROW_SIZE]
        return sum(self._recorded.sync.loss(heard, output.expression) for output in outputs) / len(outputs)

    def _open_closures(self, calm: NetworkOutput, moved: NetworkOutput, shared: NetworkOutput) -> Tensor:
        """How far lips are open, beyond those of the shared network, where it says that they must be shut."""
        basis = self._recorded.basis
        shut = (2 * shared.contacts[..., 0].sigmoid() - 1).clamp(min=0)
        allowed = basis.measures(shared.expression)[..., _INNER]
        gaps = [basis.measures(output.expression)[..., _INNER] for output in (calm, moved)]
        return sum(((gap - allowed).clamp(min=0) * shut).sum() / shut.sum().clamp(min=1) for gap in gaps)

    def _size(self) -> Tensor:
        p = self.person
        return (
            0.02 * p.code.square().sum()
            + 0.02 * p.gain.square().sum()
            + 0.2 * p.rest.square().sum()
            + self._config.lips * p.lips.square().sum()
            + 0.02 * (p.down @ p.up).square().sum()
        )

    def agreement(self, person: PersonLayer | None) -> float:
        """Correlation of the lips' opening with the recorded one over the whole recording."""
        recorded = self._recorded
        made = recorded.basis.measures(_play(self._network, recorded, person).expression[0])[recorded.good, _INNER]
        pair = torch.stack([made, recorded.measures[recorded.good, _INNER]])
        r = float(torch.corrcoef(pair)[0, 1])
        return r if np.isfinite(r) else 0.0


def _concordance(made: Tensor, wanted: Tensor, count: Tensor) -> Tensor:
    """Lin's concordance correlation [C] of courses [B, T, C] over the frames that `count` [B, T].

    A squared error would make a mouth that is hard to predict mumble (its best guess is the mean); this asks for the
    person's own range of movement, too.
    """
    weight = (count / count.sum().clamp(min=1))[..., None]
    mean_made, mean_wanted = (made * weight).sum((0, 1)), (wanted * weight).sum((0, 1))
    a, b = made - mean_made, wanted - mean_wanted
    covariance = (a * b * weight).sum((0, 1))
    spread = (a * a * weight).sum((0, 1)) + (b * b * weight).sum((0, 1))
    return 2 * covariance / (spread + (mean_made - mean_wanted).square() + 1e-6)


def _unfaithful(calm: NetworkOutput, moved: NetworkOutput, shared: NetworkOutput) -> Tensor:
    """How far contacts, gate and emotion have gone from the shared network's."""
    contacts = (moved.contacts.sigmoid() - shared.contacts.sigmoid()).square().sum(-1).mean()
    gate = (moved.gate - shared.gate).square().sum(-1).mean()
    emotion = (moved.emotion - shared.emotion).square().sum(-1).mean()
    return 10 * contacts + gate + 5 * emotion
