"""The gated residual motion network: speech + emotion + style -> ARKit expression, frame by frame.

After the motion network of EmoTaG (arXiv 2603.21332, section 3.3): motion = base + gate * residual, conditioned on a
person through AdaIN. Here the emotion is an input (valence and arousal), the gate acts on facial regions, and the two
branches meet in the lip rules of `lip_rules.combine`, inside the network, so that training sees them.

    speech rows [2 per frame] ─ window -2..+4 ─┐
    rhythm (speaking, stress, loudness) ───────┴─ 4 x AdaIN causal block ─ h ─┬─ base branch ─ shapes of speech
                                                  style [16] ─┘               ├─ contacts (closure, teeth, rest)
    valence, arousal ─ field of faces ─ x (1 + modulation(h, va)) ────────────┴─ gate by region ─ emotion
                                                                  lip_rules.combine(speech, gate * emotion, contacts)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.emotion.expression import expression_tensor
from emotalk.motion.lip_rules import closure_from_network, closure_from_phones, combine
from emotalk.motion.person import MotionAdaptation, PersonLayer
from emotalk.motion.style import STYLE_SIZE
from emotalk.speech.feature_rows import ROW_SIZE

RHYTHM_SIZE = 3
BEFORE, AHEAD = 2, 4
"""Frames of the speech window before and after the frame it is about (80 and 160 ms)."""

REGIONS: dict[str, tuple[str, ...]] = {
    "brows": ("brow",),
    "eyes": ("eye",),
    "cheeks": ("cheek", "nose"),
    "corners": ("mouthSmile", "mouthFrown", "mouthStretch", "mouthDimple", "mouthLeft", "mouthRight"),
    "lips": ("mouthClose", "mouthFunnel", "mouthLower", "mouthPress", "mouthPucker", "mouthRoll", "mouthShrug",
             "mouthUpper"),
    "jaw": ("jaw", "tongue"),
}  # fmt: skip
"""Facial regions of the gate and the beginnings of the shape names that belong to them."""


def region_of_shapes() -> Tensor:
    """[52] index into REGIONS of every ARKit shape."""
    rows = [[i for i, starts in enumerate(REGIONS.values()) if name.startswith(starts)] for name in ARKIT_NAMES]
    return torch.tensor([row[0] for row in rows])


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network; the shipped weights use the defaults."""

    hidden: int = 160
    inner: int = 256
    style_hidden: int = 48
    dilations: tuple[int, ...] = (1, 2, 4, 8)

    def __post_init__(self) -> None:
        if min(self.hidden, self.inner, self.style_hidden, *self.dilations) < 1:
            raise ValueError("Every size of NetworkConfig must be at least 1.")


@dataclass(frozen=True)
class NetworkOutput:
    """Everything the network says about T frames; the losses use all of it, playback only `expression`."""

    expression: Tensor  # [B, T, 52] the finished face; columns eyeBlink*/eyeLook* hold the emotion's lids and gaze
    speech: Tensor  # [B, T, 52] base branch alone
    emotion: Tensor  # [B, T, 52] gate * residual
    gate: Tensor  # [B, T, 6] in (0, 1), order of REGIONS
    contacts: Tensor  # [B, T, 3] logits of closure, labiodental, rest


@dataclass(frozen=True)
class SpeechCode:
    """What T frames of speech ask of a face, before any emotion."""

    channels: Tensor  # [B, T, H] after the last block
    style: Tensor  # [B, 1, S] the style's code, for AdaIN
    closures: Tensor  # [B, T] in [0, 1], those that only the phones tell of


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
        self.window = nn.Linear((BEFORE + 1 + AHEAD) * 2 * ROW_SIZE, h)
        self.rhythm = nn.Linear(RHYTHM_SIZE, h)
        self.style = nn.Sequential(nn.Linear(STYLE_SIZE, config.style_hidden), nn.GELU())
        self.blocks = nn.ModuleList(AdaInBlock(config, d) for d in config.dilations)
        self.base = nn.Linear(h + config.style_hidden, len(ARKIT_NAMES))
        self.contact = nn.Linear(h, 3)
        self.mood = nn.Sequential(nn.Linear(5 + config.style_hidden, 32), nn.GELU())
        self.modulation = nn.Sequential(nn.Linear(h + 32, 64), nn.GELU(), nn.Linear(64, len(ARKIT_NAMES)))
        self.gate = nn.Linear(h + 32, len(REGIONS))
        self.register_buffer("region", region_of_shapes(), persistent=False)
        spoken = torch.tensor([not name.startswith(("eyeBlink", "eyeLook")) for name in ARKIT_NAMES])
        self.register_buffer("spoken", spoken.float(), persistent=False)
        nn.init.constant_(self.base.bias, -0.3)
        nn.init.zeros_(self.modulation[-1].weight)
        nn.init.zeros_(self.modulation[-1].bias)
        nn.init.constant_(self.gate.bias, 2.0)

    def start(self, batch: int = 1) -> list[Tensor]:
        """The state before the first frame: for each block, [batch, 2 * dilation, H] of zeros."""
        return [self.window.weight.new_zeros(batch, 2 * d, self.config.hidden) for d in self.config.dilations]

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
        return PersonLayer(self.config.style_hidden, self.config.hidden, adaptation)

    def forward(
        self,
        rows: Tensor,  # [B, T + BEFORE + AHEAD, 2 * ROW_SIZE] speech of frames -BEFORE .. T - 1 + AHEAD
        rhythm: Tensor,  # [B, T, RHYTHM_SIZE]
        va: Tensor,  # [B, T, 2] valence and arousal
        style: Tensor,  # [B, 16]
        gains: Tensor,  # [B, 52] the person's idiosyncrasy
        state: list[Tensor] | None = None,
        person: PersonLayer | None = None,
    ) -> tuple[NetworkOutput, list[Tensor]]:
        """Motion of T frames, as `person` where one is given, and the state to go on from, [B, 2 dilation, H] for each
        block (`start()` where None)."""
        code, after = self.encode_speech(rows, rhythm, style, state, person)
        return self.apply_emotion(code, va, gains, person), after

    def encode_speech(
        self,
        rows: Tensor,  # [B, T + BEFORE + AHEAD, 2 * ROW_SIZE]
        rhythm: Tensor,  # [B, T, RHYTHM_SIZE]
        style: Tensor,  # [B, 16]
        state: list[Tensor] | None,
        person: PersonLayer | None = None,
    ) -> tuple[SpeechCode, list[Tensor]]:
        """The half of `forward` that no emotion reaches, and the new state, [B, 2 dilation, H] for each block."""
        batch, frames = rhythm.shape[:2]
        state = state or self.start(batch)
        windows = torch.cat([rows[:, i : i + frames] for i in range(BEFORE + 1 + AHEAD)], -1)
        who = self.style(style)[:, None]
        if person is not None:
            who = who + person.code
        x = self.window(windows) + self.rhythm(rhythm)
        after = []
        for block, past in zip(self.blocks, state, strict=True):
            x, past = block(x, who, past)
            after.append(past)
        return SpeechCode(x, who, closure_from_phones(rows, BEFORE, frames)), after

    def apply_emotion(
        self,
        code: SpeechCode,
        va: Tensor,  # [B, T, 2] valence and arousal
        gains: Tensor,  # [B, 52] the person's idiosyncrasy
        person: PersonLayer | None,
    ) -> NetworkOutput:
        """The other half of `forward`: the face that says this speech under an emotion."""
        x, who = code.channels, code.style
        everyone = who.expand(-1, x.shape[1], -1)
        base = self.base(torch.cat([x, everyone], -1))
        if person is not None:
            base = base + person.shift(x)
        # Softplus with a steep knee: shapes rest at 0 and never go below.
        speech = nn.functional.softplus(base, beta=12.0) * self.spoken
        if person is not None:
            speech = person.speak(speech, va) * self.spoken
        contacts = self.contact(x)
        closure, labiodental, rest = contacts.sigmoid().unbind(-1)
        closure = torch.maximum(closure_from_network(closure), code.closures)
        v, a = va.unbind(-1)
        mood = self.mood(torch.cat([torch.stack([v, a, v * a, v * v, a * a], -1), everyone], -1))
        both = torch.cat([x, mood], -1)
        gate = self.gate(both).sigmoid()
        # The residual is the field of faces, brought to life: zero without emotion, and never dead with it.
        lively = 1 + 0.8 * torch.tanh(self.modulation(both))
        emotion = gate[..., self.region] * lively * expression_tensor(va) * gains[:, None]
        face = combine(speech, emotion, closure, labiodental, rest)
        return NetworkOutput(face, speech, emotion, gate, contacts)
