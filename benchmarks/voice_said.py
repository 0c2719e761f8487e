"""Sentences as voices say them, each said once for all tables."""

from __future__ import annotations

import functools

from emotalk.core.speech import Speech
from emotalk.speech import say


@functools.cache
def said(voice: str, text: str, valence: float = 0.0, arousal: float = 0.0) -> Speech:
    """A sentence by a voice ("kokoro:af_heart") in a mood."""
    return say(text, voice, emotion=(valence, arousal))
