"""Kokoro-82M, a neural voice that runs on two cores without a network: text to symbols to prosody to sound.

    text ─► transcript (espeak's IPA, Kokoro's symbols) ─► prosody graph ─► shaping ─► waveform graph ─► Speech
                                                           durations, F0,   mood,
                                                           energy           pauses

Kokoro (hexgrad, 2025; Apache-2.0) is StyleTTS 2 (Li et al., NeurIPS 2023) with an iSTFTNet decoder. Its prosody is
known before it is spoken, phone by phone: nothing has to be heard to know when the lips close.
"""

from emotalk.speech.kokoro.engine import KokoroEngine

__all__ = ["KokoroEngine"]
