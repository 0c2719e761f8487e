"""The gated residual motion network: speech + emotion + style -> ARKit expression, frame by frame.

After the motion network of EmoTaG (arXiv 2603.21332, section 3.3): motion = base + gate * residual, conditioned on a
person through AdaIN. Here the emotion is an input (valence and arousal), the gate acts on facial regions, and the two
branches meet in the lip rules of `lip_rules.combine`, inside the network, so that training sees them.

    speech rows [2 per frame] ─ window -5..+5 ─┬─ lip branch ──────────────────── lips and jaw, as filmed people do
       phones, articulation, hidden layer      │              style [16] ─┐
    rhythm (speaking, stress, loudness) ───────┴─ 4 x AdaIN causal block ─┴ h ┬─ base branch ── other shapes of speech
                                                                              ├─ contacts (closure, teeth)
    valence, arousal ─ field of faces ─ x (1 + modulation(h, va)) = residual ─┴─ gate by region
                                                                 lip_rules.combine(speech, gate * residual, contacts)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.emotion.expression import expression_tensor
from emotalk.emotion.prototypes import arkit_row
from emotalk.motion.lip_branch import LIP_COURSES, LipBranch, WindowBumps
from emotalk.motion.lip_rules import (
    closure_from_articulation,
    closure_from_network,
    closure_from_phones,
    combine,
    silence_from_phones,
)
from emotalk.motion.person import MotionAdaptation, PersonLayer
from emotalk.motion.style import STYLE_SIZE, MotionStyle
from emotalk.speech.feature_rows import ROW_SIZE

RHYTHM_SIZE = 3
BEFORE, AHEAD = 5, 5
"""Frames of the speech window before and after the frame it is about (200 ms either way): on filmed lips, what lies
further than 160 ms ahead still tells of them (a vowel's lips are there before its sound)."""
_PARTED = (-1.5, -0.5)
"""The lip branch's opening (in spreads from its usual level) from which lips begin to be parted, and are."""
_AT_REST = -0.3  # of a shape before its softplus
_KNEE = 12.0  # steepness of the softplus that shapes of speech come out of
_LIVELINESS = 0.8  # how far speech may strengthen or weaken a shape of the emotion, at most
_NEAR = (2, 4)
"""The part of the window that the causal blocks see frame by frame; what came before, they remember."""

NUMBERS = {"parted": _PARTED, "at_rest": _AT_REST, "knee": _KNEE, "liveliness": _LIVELINESS}
"""What `MotionNetwork.apply_emotion` knows beside its weights: for whoever computes it elsewhere, as a browser does."""

REGIONS: dict[str, tuple[str, ...]] = {
    "brows": ("brow",),
    "eyes": ("eye",),
    "cheeks": ("cheek", "nose"),
    "corners": ("mouthSmile", "mouthFrown", "mouthStretch", "mouthDimple", "mouthLeft", "mouthRight"),
    "parting": ("mouthFunnel", "mouthLower", "mouthPucker", "mouthUpper"),
    "pressing": ("mouthClose", "mouthPress", "mouthRoll", "mouthShrug"),
    "jaw": ("jaw", "tongue"),
}  # fmt: skip
"""Facial regions of the gate and the beginnings of the shape names that belong to them."""

LIP_SHAPES = ("jawOpen", "mouthLowerDown*", "mouthUpperUp*", "mouthStretch*", "mouthDimple*", "mouthPucker",
              "mouthFunnel", "tongueOut")  # fmt: skip
"""What the lip branch moves, both sides alike: the shapes of `visemes.speech_shapes`. Four lip measures of a film say
little of which shapes made them; with all 52 the network would find grimaces that measure the same."""


def region_of_shapes() -> Tensor:
    """[52] index into REGIONS of every ARKit shape."""
    rows = [[i for i, starts in enumerate(REGIONS.values()) if name.startswith(starts)] for name in ARKIT_NAMES]
    return torch.tensor([row[0] for row in rows])


def style_of_lips() -> Tensor:
    """[16, 8] by which the style vector's entries change the logarithm of each of LIP_SHAPES, as in
    `visemes.speech_shapes`: hyperarticulation, jaw, lips, teeth."""
    table = torch.zeros(STYLE_SIZE, len(LIP_SHAPES))
    for i, name in enumerate(LIP_SHAPES):
        jaw = name == "jawOpen"
        table[0, i], table[1, i], table[2, i] = (0.18, 0.22, 0.0) if jaw else (0.15, 0.0, 0.22)
        table[6, i] = 0.25 if name.startswith(("mouthLower", "mouthUpper")) else 0.0
    return table


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network; the shipped weights use the defaults."""

    hidden: int = 160
    inner: int = 256
    style_hidden: int = 48
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    features: int = 192  # of the speech encoder's hidden layer; without it (all zeros) the network works, too
    lips: tuple[int, int] = (128, 64)  # channels of the lip branch

    def __post_init__(self) -> None:
        if min(self.hidden, self.inner, self.style_hidden, self.features, *self.lips, *self.dilations) < 1:
            raise ValueError("Every size of NetworkConfig must be at least 1.")


@dataclass(frozen=True)
class NetworkOutput:
    """Everything the network says about T frames; the losses use all of it, playback only `expression`."""

    expression: Tensor  # [B, T, 52] the finished face; columns eyeBlink*/eyeLook* hold the emotion's lids and gaze
    speech: Tensor  # [B, T, 52] base branch alone
    residual: Tensor  # [B, T, 52] what the emotion would add
    emotion: Tensor  # [B, T, 52] gate * residual: what it may
    gate: Tensor  # [B, T, 7] in (0, 1), order of REGIONS
    contacts: Tensor  # [B, T, 2] logits of closure, labiodental
    held: Tensor  # [B, T, 2] the same in [0, 1], as the lip rules were told


@dataclass(frozen=True)
class SpeechCode:
    """What T frames of speech ask of a face, before any emotion."""

    channels: Tensor  # [B, T, H] after the last block
    lips: Tensor  # [B, T, 5] of the lip branch
    style: Tensor  # [B, 1, S] the style's code, for AdaIN
    sizes: Tensor  # [B, 1, 8] factors of the style on LIP_SHAPES
    closures: Tensor  # [B, T] in [0, 1], those that phones or articulation tell of beyond doubt
    silent: Tensor  # [B, T] in [0, 1], how surely nothing is said around here


class AdaInBlock(nn.Module):
    """A causal residual block: normalise, scale and shift by style, look at three frames, two linear layers.

    Plain AdaIN normalises over time, for which a stream has no end; normalising over the channels of each frame
    keeps its idea (style sets the statistics) and needs no future.
    """

    def __init__(self, config: NetworkConfig, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(config.hidden, elementwise_affine=False)
        self.adain = nn.Linear(config.style_hidden, 2 * config.hidden)
        self.wide = nn.Linear(3 * config.hidden, config.inner)
        self.narrow = nn.Linear(config.inner, config.hidden)

    def forward(self, x: Tensor, style: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """`x` [B, T, H], `style` [B, 1, S], `past` [B, 2 * dilation, H] -> the same [B, T, H] and the new past."""
        scale, shift = self.adain(style).chunk(2, -1)
        normal = torch.cat([past, self.norm(x) * (1 + scale) + shift], 1)
        frames, d = x.shape[1], self.dilation
        three = torch.cat([normal[:, :frames], normal[:, d : d + frames], normal[:, 2 * d :]], -1)
        return x + self.narrow(nn.functional.gelu(self.wide(three))), normal[:, frames:]


class MotionNetwork(nn.Module):
    """See the drawing at the top of this file."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        h = config.hidden
        self.seen = WindowBumps(ROW_SIZE + config.features, BEFORE, AHEAD)
        self.window = nn.Linear((sum(_NEAR) + 1) * 2 * ROW_SIZE, h)
        self.around = nn.Linear(self.seen.size, h)
        self.rhythm = nn.Linear(RHYTHM_SIZE, h)
        self.style = nn.Sequential(nn.Linear(STYLE_SIZE, config.style_hidden), nn.GELU())
        self.blocks = nn.ModuleList(AdaInBlock(config, d) for d in config.dilations)
        self.lips = LipBranch(self.seen.size + RHYTHM_SIZE, config.lips)
        # Until the lip branch has learned (`learning.filmed_lips`) lips are the base branch's, afterwards its own.
        self.register_buffer("learned", torch.zeros(()))
        self.register_buffer("lip_shapes", torch.zeros(LIP_COURSES, len(LIP_SHAPES)))
        self.register_buffer("lip_level", torch.zeros(len(LIP_SHAPES)))
        self.register_buffer("lip_style", style_of_lips(), persistent=False)
        self.base = nn.Linear(h + config.style_hidden, len(ARKIT_NAMES))
        self.contact = nn.Linear(h, 2)
        self.mood = nn.Sequential(nn.Linear(5 + config.style_hidden, 32), nn.GELU())
        self.modulation = nn.Sequential(nn.Linear(h + 32, 64), nn.GELU(), nn.Linear(64, len(ARKIT_NAMES)))
        self.gate = nn.Linear(h + 32, len(REGIONS))
        self.register_buffer("region", region_of_shapes(), persistent=False)
        spoken = torch.tensor([not name.startswith(("eyeBlink", "eyeLook")) for name in ARKIT_NAMES])
        self.register_buffer("spoken", spoken.float(), persistent=False)
        # Brows are raised and lowered around the face (`body`), alike on both sides, whatever the base branch says.
        voiced = spoken & torch.tensor([not name.startswith("brow") for name in ARKIT_NAMES])
        self.register_buffer("voiced", voiced.float(), persistent=False)
        rows = torch.stack([torch.from_numpy(arkit_row({name: 1.0})) for name in LIP_SHAPES])
        self.register_buffer("moves", rows, persistent=False)  # [8, 52]
        self.register_buffer("of_lips", rows.sum(0) > 0, persistent=False)
        self.register_buffer("lively", torch.ones(()))
        nn.init.constant_(self.base.bias, -0.3)
        nn.init.zeros_(self.modulation[-1].weight)
        nn.init.zeros_(self.modulation[-1].bias)
        nn.init.constant_(self.gate.bias, 2.0)

    def start(self, batch: int = 1) -> list[Tensor]:
        """The state before the first frame: for each block, [batch, 2 * dilation, H] of zeros."""
        return [self.window.weight.new_zeros(batch, 2 * d, self.config.hidden) for d in self.config.dilations]

    @property
    def row_size(self) -> int:
        """Numbers of a frame in `rows` with the hidden layer (`feature_rows.frame_rows`)."""
        return 2 * (ROW_SIZE + self.config.features)

    def size_of(self, style: MotionStyle) -> float:
        """The factor on how far speech moves lips and jaw of somebody with this style: `lively`, or 1."""
        return float(self.lively) if style.articulation == "lively" else 1.0

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that name these weights, as half-precision files hold them."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().half().numpy().tobytes())
        return digest.hexdigest()[:12]

    def person(self, adaptation: MotionAdaptation | None = None) -> PersonLayer:
        """A person of this network: one that changes nothing, to be trained, or that of an adaptation.

        Raises InputError for an adaptation to another network: its numbers would mean something else here.
        """
        if adaptation is not None and adaptation.network != self.fingerprint():
            raise InputError(
                f"This motion adaptation belongs to another motion network ({adaptation.network or 'unnamed'}, here is "
                f"{self.fingerprint()}); adapt again from the person's video."
            )
        return PersonLayer(self.config.style_hidden, self.config.hidden, self.config.lips[1], adaptation)

    def forward(
        self,
        rows: Tensor,  # [B, T + BEFORE + AHEAD, row_size or 2 * ROW_SIZE] speech of frames -BEFORE .. T - 1 + AHEAD
        rhythm: Tensor,  # [B, T, RHYTHM_SIZE]
        va: Tensor,  # [B, T, 2] valence and arousal
        style: Tensor,  # [B, 16]
        gains: Tensor,  # [B, 52] the person's idiosyncrasy
        state: list[Tensor] | None = None,
        person: PersonLayer | None = None,
        size: float | Tensor = 1.0,  # [] factor on how far speech moves lips and jaw
    ) -> tuple[NetworkOutput, list[Tensor]]:
        """Motion of T frames, as `person` where one is given, and the state to go on from, [B, 2 dilation, H] for each
        block (`start()` where None)."""
        code, after = self.encode_speech(rows, rhythm, style, state, person)
        return self.apply_emotion(code, va, gains, person, size), after

    def encode_speech(
        self,
        rows: Tensor,  # [B, T + BEFORE + AHEAD, row_size], or 2 * ROW_SIZE without a hidden layer
        rhythm: Tensor,  # [B, T, RHYTHM_SIZE]
        style: Tensor,  # [B, 16]
        state: list[Tensor] | None,
        person: PersonLayer | None = None,
    ) -> tuple[SpeechCode, list[Tensor]]:
        """The half of `forward` that no emotion reaches, and the new state, [B, 2 dilation, H] for each block."""
        batch, frames = rhythm.shape[:2]
        state = state or self.start(batch)
        known = rows[..., : 2 * ROW_SIZE]
        first = BEFORE - _NEAR[0]
        windows = torch.cat([known[:, first + i : first + i + frames] for i in range(sum(_NEAR) + 1)], -1)
        who = self.style(style)[:, None]
        if person is not None:
            who = who + person.code
        inputs = self.lip_inputs(rows, rhythm)
        near_lips = self.lips.channels(inputs)
        lips = self.lips.last(near_lips)
        if person is not None:
            lips = lips + person.say(near_lips)
        x = self.window(windows) + self.around(inputs[..., :-RHYTHM_SIZE]) + self.rhythm(rhythm)
        after = []
        for block, past in zip(self.blocks, state, strict=True):
            x, past = block(x, who, past)
            after.append(past)
        closures = [closed(known, BEFORE, frames) for closed in (closure_from_phones, closure_from_articulation)]
        return SpeechCode(
            x, lips, who, torch.exp(style @ self.lip_style)[:, None], torch.maximum(*closures),
            silence_from_phones(known, BEFORE, frames),
        ), after  # fmt: skip

    def lip_inputs(
        self,
        rows: Tensor,  # [B, T + BEFORE + AHEAD, row_size], or 2 * ROW_SIZE without a hidden layer
        rhythm: Tensor,  # [B, T, RHYTHM_SIZE]
    ) -> Tensor:
        """[B, T, seen + RHYTHM_SIZE] what the lip branch reads of `rows` and `rhythm` (as `forward` takes them)."""
        known, hidden = rows[..., : 2 * ROW_SIZE].unflatten(-1, (2, -1)), rows[..., 2 * ROW_SIZE :]
        if hidden.shape[-1]:
            hidden = hidden.unflatten(-1, (2, -1))
        else:
            hidden = known.new_zeros(*known.shape[:-1], self.config.features)
        return torch.cat([self.seen(torch.cat([known, hidden], -1).flatten(1, 2)), rhythm], -1)

    def shapes_of_lips(self, lips: Tensor) -> Tensor:
        """[..., 8] LIP_SHAPES of an average person for what the lip branch says [..., 5]."""
        return lips @ self.lip_shapes + self.lip_level

    def apply_emotion(
        self,
        code: SpeechCode,
        va: Tensor,  # [B, T, 2] valence and arousal
        gains: Tensor,  # [B, 52] the person's idiosyncrasy
        person: PersonLayer | None,
        size: float | Tensor = 1.0,  # [] factor on how far speech moves lips and jaw
    ) -> NetworkOutput:
        """The other half of `forward`: the face that says this speech under an emotion."""
        x, who = code.channels, code.style
        everyone = who.expand(-1, x.shape[1], -1)
        contacts = self.contact(x)
        closure, labiodental = contacts.sigmoid().unbind(-1)
        parted = ((code.lips[..., 0] - _PARTED[0]) / (_PARTED[1] - _PARTED[0])).clamp(0, 1) * self.learned
        closure = torch.maximum(closure_from_network(closure, parted), code.closures)
        base = self.base(torch.cat([x, everyone], -1))
        lips = self.shapes_of_lips(code.lips) * code.sizes @ self.moves
        # In a pause lips are at rest. Next to speech they are not: they part before its first sound.
        lips = lips.lerp(torch.full_like(lips, _AT_REST), code.silent[..., None].to(lips.dtype))
        # Training may compute in bfloat16, which a mixture of kinds of numbers is refused in.
        base = torch.where(self.of_lips, base.lerp(lips.to(base.dtype), self.learned.to(base.dtype)), base)
        if person is not None:
            base = base + person.shift(x)
        # Softplus with a steep knee: shapes rest at 0 and never go below.
        speech = nn.functional.softplus(base, beta=_KNEE) * self.voiced
        speech = torch.where(self.of_lips, speech * size, speech)
        if person is not None:
            speech = person.speak(speech, va) * self.spoken
        v, a = va.unbind(-1)
        mood = self.mood(torch.cat([torch.stack([v, a, v * a, v * v, a * a], -1), everyone], -1))
        both = torch.cat([x, mood], -1)
        gate = self.gate(both).sigmoid()
        # The residual is the field of faces, brought to life: zero without emotion, and never dead with it.
        lively = 1 + _LIVELINESS * torch.tanh(self.modulation(both))
        residual = lively * expression_tensor(va) * gains[:, None]
        emotion = gate[..., self.region] * residual
        held = torch.stack([closure, labiodental], -1)
        return NetworkOutput(
            combine(speech, emotion, closure, labiodental), speech, residual, emotion, gate, contacts, held
        )
