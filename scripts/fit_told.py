"""Builds checkpoints/told.safetensors, the hidden layer that goes with told phones (`emotalk.speech.told_hidden`).

    python -m scripts.fit_told [--out checkpoints/told.safetensors]

A minute of work: the sentences below, said by four voices of flite and espeak-ng, heard by the shipped speech encoder.
To be run again after the encoder was trained.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro

from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.speech import SpeechEncoder, say
from emotalk.speech.known_phones import known_phones
from emotalk.speech.told_hidden import ToldHidden

VOICES = ("flite:slt", "flite:rms", "flite:awb", "espeak:en-us")
SENTENCES = (
    "Where did you put my keys this morning?",
    "The train to the city leaves in ten minutes.",
    "I would like a cup of tea and a piece of cake, please.",
    "It has been raining all day, and the garden is full of water.",
    "What a surprise! Nobody told me that you were coming.",
    "My brother lives in a small village behind the hills.",
    "Thank you very much for your help with the heavy boxes.",
    "The children are playing with a yellow ball in the yard.",
    "Call me when you get home, even if it is late.",
    "He is taller than his father, but not as strong.",
    "That was the best joke I have heard in years.",
    "We usually measure the treasure with a wooden ruler.",
    "Oil and vinegar belong on every good salad.",
    "The boy enjoyed the noise of the machine in the factory.",
    "Should you go out, put on a warm coat and gloves.",
    "A thin feather was lying on the smooth path through the woods.",
    "Both of them thought that the weather would be worth the trip.",
    "She chose a cheap watch and a beige jacket at the market.",
    "Look how the full moon shines upon the pool tonight.",
    "Quick, the fox has gone over the fence again!",
    "Our mouse found a loud owl in the tower of the old house.",
    "I work with nurses who serve the whole world.",
    "Five hungry dogs began to bark at the huge black bull.",
    "Young people use the new music to express their views.",
)


def main(out: Path = CHECKPOINTS / "told.safetensors") -> None:
    """Say, hear, fit and write."""
    encoder = SpeechEncoder.load()
    examples: list[SpeechFeatures] = []
    for voice in VOICES:
        for sentence in SENTENCES:
            said = say(sentence, voice)
            speech = Speech(np.concatenate([said.samples, np.zeros(8000, np.float32)]), phones=said.phones)
            examples.append(known_phones(encoder.encode(speech), speech))
    ToldHidden.fit(examples, encoder.digest).save(out)
    print(f"{sum(map(len, examples)) / 50:.0f} seconds of speech, {out}: {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    tyro.cli(main)
