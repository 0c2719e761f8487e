"""Speech and emotion share one mouth: the rules that keep closures closed and teeth on the lip under any emotion.

Contacts only. Measured on the head model over eleven emotional faces: plain adding closes the lips at m/b/p in 6 of 11
(worst gap 12 mm); scaling the emotion's opening shapes by one minus closure closes them in 11 of 11 (0.1 mm). How much
of an emotion shows between contacts is the network's gate to say. Everything is differentiable, so that training sees
the rules.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.speech import PHONES
from emotalk.emotion.prototypes import arkit_row
from emotalk.motion.visemes import CLOSURE

_JAW = ARKIT_INDEX["jawOpen"]
_CLOSE = ARKIT_INDEX["mouthClose"]


def _mask(names: dict[str, float]) -> Tensor:
    return torch.from_numpy(arkit_row(names))


_PARTING = _mask({"mouthUpperUp*": 1, "mouthLowerDown*": 1, "mouthFunnel": 1})
_PULLING = _mask({
    "mouthStretch*": 0.6, "noseSneer*": 0.6, "mouthShrugUpper": 0.6, "mouthSmile*": 0.3, "mouthFrown*": 0.3,
    # Closed lips that an emotion presses as well sink into each other.
    "mouthPress*": 0.6, "mouthRollLower": 0.6, "mouthRollUpper": 0.6, "mouthShrugLower": 0.6,
})  # fmt: skip
_SEAL = _mask({"mouthPress*": 0.1, "mouthRollLower": 0.17, "mouthRollUpper": 0.11})
_TEETH_ON_LIP = _mask({"mouthRollLower": 0.95, "mouthUpperUp*": 0.48, "jawOpen": 0.08})
_OFF_TEETH = _mask({"jawForward": 0.8, "mouthShrugLower": 0.8})
_JAW_HELD = 0.9
"""Share of speech's jaw that a lip on the teeth keeps away."""
_JAW_SHUT = 0.5
"""Share of the jaw's opening that a closure undoes at the jaw itself."""


def combine(speech: Tensor, emotion: Tensor, closure: Tensor, labiodental: Tensor) -> Tensor:
    """One face [..., 52] from speech and emotion, both [..., 52] ARKit weights.

    `closure` (p b m) and `labiodental` (f v) [...] in [0, 1] say what the lips must do now: at closure 1 nothing opens
    them, at labiodental 1 the lower lip is on the teeth. Without contacts the two add up.
    """
    parting, pulling, seal, teeth, off_teeth = (mask.to(speech) for mask in MASKS.values())
    c, l = closure[..., None], labiodental[..., None]
    jaw_only = torch.zeros_like(parting)
    jaw_only[_JAW] = 1

    opening = parting + jaw_only
    felt = emotion * (1 - c * (opening + pulling)) * (1 - l * (opening + off_teeth))
    said = speech * (1 - c * parting) * (1 - l * (parting + _JAW_HELD * jaw_only))
    # Lips that an emotion presses or rolls are pressed by a contact no further than it needs.
    face = said + felt + c * (1 - l) * (seal - felt).clamp(min=0) + l * (1 - c) * (teeth - felt).clamp(min=0)
    # What is left of the jaw's opening during a closure is undone at the lips, one to one.
    jaw = face[..., _JAW] * (1 - _JAW_SHUT * closure)
    close = torch.maximum(face[..., _CLOSE], closure * jaw)
    face = face.clone()
    face[..., _JAW] = jaw
    face[..., _CLOSE] = close
    return face


_SILENCE = PHONES.index("sil")
_BILABIALS = [PHONES.index(phone) for phone in ("p", "b", "m")]

# What these three pairs do on three voices is in docs/motion.md.
_NETWORK_EDGES = (0.1, 0.3)
"""Probability of a closure at which lips begin to shut, and at which they are shut."""

_PARTED_EDGES = (0.15, 0.35)
"""The same where the lip branch sees the lips parted. On speakers of GRID left out, openings are followed worse by .004
in r with the edges above everywhere, and no better with (.5, .9), with which of p b m heard in synthetic speech .92
close instead of .95."""

_PHONE_EDGES = (0.06, 0.12)
"""The same for the probability that p, b or m is being said."""

_ENCODER_EDGES = (0.6, 0.9)
"""The same for the encoder's own closure, beside which a probability of p, b or m says nothing more. With (.3, .6) what
is heard by half stays open: .931 to .963 of the p b m heard in synthetic speech close, instead of .958 to .974."""

_CERTAIN_EDGES = (0.8, 0.9)
"""The same for an articulation that is closed in the very frame, whatever the network makes of it: it averages a b of
20 ms after an s, of which synthetic voices say many, to lips that stay 2 mm apart."""

_SILENT_EDGES = (0.7, 0.95)
"""The same for the share of silence around a frame, at rest. Chosen on speakers of GRID left out (opening r .65; .63
where any silent row brings lips to rest, as they part before a first sound) and on silences of three voices."""

MASKS = {"parting": _PARTING, "pulling": _PULLING, "seal": _SEAL, "teeth": _TEETH_ON_LIP, "off_teeth": _OFF_TEETH}
"""What `combine` knows of every shape, [52] each: for whoever computes it elsewhere, as a browser does."""
NUMBERS = {
    "jaw": _JAW, "close": _CLOSE, "jaw_held": _JAW_HELD, "jaw_shut": _JAW_SHUT,
    "network_edges": _NETWORK_EDGES, "parted_edges": _PARTED_EDGES,
}  # fmt: skip
"""The same of `combine` and `closure_from_network` beside the masks."""

_NEAR = 3  # rows (60 ms) to either side
_PAUSE = 6
"""Rows (120 ms) before and after a frame whose silence brings lips to rest."""


def _ramp(x: Tensor, edges: tuple[float, float]) -> Tensor:
    """0 below the first edge, 1 above the second, for `x` of any shape."""
    return ((x - edges[0]) / (edges[1] - edges[0])).clamp(0, 1)


def closure_from_network(probability: Tensor, parted: Tensor | None = None) -> Tensor:
    """Closures [...] in [0, 1] for the probabilities [...] that the motion network gives them.

    Where its lip branch says that the lips are `parted` [...] in [0, 1], a closure must be likelier to be believed.
    """
    if parted is None:
        return _ramp(probability, _NETWORK_EDGES)
    low, high = (near + parted * (far - near) for near, far in zip(_NETWORK_EDGES, _PARTED_EDGES, strict=True))
    return ((probability - low) / (high - low)).clamp(0, 1)


def closure_from_phones(rows: Tensor, before: int, frames: int) -> Tensor:
    """Closures [B, frames] in [0, 1] that only the phones tell of, from paired speech rows [B, before + frames + n, 96]
    whose first `before` frames, and last n >= 2, are context."""
    single = rows.unflatten(-1, (2, -1)).flatten(1, 2)  # [B, 2 rows a frame, 48]
    said = single[..., _BILABIALS].sum(-1)
    said = nn.functional.avg_pool1d(nn.functional.pad(said[:, None], (1, 1)), 2, 1)
    said = nn.functional.avg_pool1d(said, 2, 1)[:, 0]  # weights 1 2 1: one row alone may be a slip
    sure = nn.functional.max_pool1d(single[:, None, :, len(PHONES) + CLOSURE], 2 * _NEAR + 1, 1, _NEAR)[:, 0]
    closures = _ramp(said, _PHONE_EDGES) * (1 - _ramp(sure, _ENCODER_EDGES))
    return torch.maximum(closures[:, 0::2], closures[:, 1::2])[:, before : before + frames]


def closure_from_articulation(rows: Tensor, before: int, frames: int) -> Tensor:
    """Closures [B, frames] in [0, 1] of frames in which the articulation itself is closed beyond doubt, from paired
    speech rows [B, before + frames + n, 96] whose first `before` frames, and last n, are context."""
    closed = rows.unflatten(-1, (2, -1))[:, before : before + frames, :, len(PHONES) + CLOSURE]
    return _ramp(closed.amax(-1), _CERTAIN_EDGES)


def silence_from_phones(rows: Tensor, before: int, frames: int) -> Tensor:
    """How surely nothing is said from 120 ms before to 120 ms after each frame, [B, frames] in [0, 1], from paired
    speech rows [B, before + frames + n, 96] whose first `before` frames, and last n, are context."""
    silence = rows.unflatten(-1, (2, -1)).flatten(1, 2)[..., _SILENCE]
    share = nn.functional.avg_pool1d(silence[:, None], 2 * _PAUSE + 2, 2, _PAUSE, count_include_pad=False)[:, 0]
    return _ramp(share, _SILENT_EDGES)[:, before : before + frames]
