"""Which speech encoder hears: the shipped one, or one that is named.

"embedded" ─► the shipped network
a folder or an address on the Hub, by its config.json ─┬─ taps ────────► another embedded network
                                                       ├─ transformer ─► wav2vec 2.0 or HuBERT with its adapter
                                                       └─ model_type ──► the bare transformer, for research
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.core.checkpoint import CONFIG
from emotalk.core.errors import CheckpointError

if TYPE_CHECKING:
    from emotalk.speech.encoder import SpeechEncoder
    from emotalk.speech.hub_encoder import HubSpeechEncoder

EMBEDDED = "embedded"
"""The name of the shipped encoder."""


def load_encoder(name: str = EMBEDDED, refresh: bool = False, device: str = "cpu") -> SpeechEncoder | HubSpeechEncoder:
    """The encoder of that name: "embedded", a folder, or an address on the Hub (org/name). `device` is where a
    transformer computes.

    `refresh` looks for something newer than an earlier download. Raises CheckpointError or HubError.
    """
    from emotalk.speech.encoder import SpeechEncoder

    if name == EMBEDDED:
        return SpeechEncoder.load()
    # Imported here: the Hub's client only where an address is given.
    from emotalk.hub.models import transformer_folder

    folder = transformer_folder(name, refresh=refresh)
    kind = _kind(folder)
    if kind == "taps":
        return SpeechEncoder.from_pretrained(folder)
    # Imported here: transformers only for its own models.
    from emotalk.speech.hub_encoder import HubSpeechEncoder

    if kind == "transformer":
        return HubSpeechEncoder.from_pretrained(folder, device, refresh, own=Path(name).is_dir())
    return HubSpeechEncoder.load(name, device=device)


def _kind(folder: Path) -> str:
    """Which of the tables a folder's config.json is. Those of `transformers` hold what others do not."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        config = None
    for kind in ("taps", "transformer", "model_type"):
        if isinstance(config, dict) and kind in config:
            return kind
    raise CheckpointError(
        f"{folder} could not be loaded: its {CONFIG} is that of no speech model; name a folder or an address with "
        "emotalk's speech encoder, an adapter, or a wav2vec 2.0 or HuBERT model."
    )
