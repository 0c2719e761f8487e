"""English sentences to be spoken: Debian's `fortunes` and templates filled from `wamerican`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

FORTUNES = Path("/usr/share/games/fortunes")
WORDS = Path("/usr/share/dict/words")
_NOT_ENGLISH = ("ascii-art", "brasil")

# Fortunes hold few clusters of p, b, m, f, v: these frames put them next to random words.
TEMPLATES = (
    "The {} {} was near the {}.",
    "Please put the {} on the {} before {}.",
    "Why would {} need a {} or a {}?",
    "She said {} and {}, then {}.",
    "My {} may be more {} than {}.",
    "We bought both {} and {} from Bob.",
    "Pick up five {} {} for him.",
    "Maybe the {} will {} tomorrow.",
    "People move {} above the {} very often.",
    "Oh, you {} who view the {} too!",
    "If {} have {}, leave a {} behind.",
    "Come home, {}; bring {} and some {}.",
)


def sentences(seed: int = 0) -> list[str]:
    """All usable sentences in a shuffled, reproducible order (~16,000 fortunes and 5,000 templates).

    Raises FileNotFoundError where the Debian packages `fortunes` and `wamerican` are not installed.
    """
    found: set[str] = set()
    for path in sorted(FORTUNES.iterdir()):
        linked = path.resolve().parent != FORTUNES.resolve()  # from the folder of another language
        if linked or not path.is_file() or path.suffix in (".dat", ".u8") or path.name in _NOT_ENGLISH:
            continue
        for fortune in path.read_text(encoding="utf-8", errors="ignore").split("\n%"):
            found.update(filter(_speakable, _split(fortune)))
    if not found:
        raise FileNotFoundError(f"{FORTUNES} holds no fortunes; install the Debian packages fortunes and wamerican.")
    words = [word for word in WORDS.read_text(encoding="utf-8").split() if re.fullmatch(r"[a-z]{3,11}", word)]
    rng = np.random.default_rng(seed)
    for _ in range(5000):
        template = TEMPLATES[rng.integers(len(TEMPLATES))]
        found.add(template.format(*(words[i] for i in rng.integers(len(words), size=template.count("{}")))))
    ordered = sorted(found)
    return [ordered[i] for i in rng.permutation(len(ordered))]


def _split(fortune: str) -> list[str]:
    flat = re.sub(r"\s+", " ", fortune)
    return [sentence.strip(' -"') for sentence in re.split(r"(?<=[.!?])\s+", flat)]


def _speakable(sentence: str) -> bool:
    """True for 3 to 20 plain words: engines read abbreviations, digits and dashes each in their own way."""
    return (
        3 <= len(sentence.split()) <= 20
        and sentence[0].isupper()
        and re.fullmatch(r"[A-Za-z ,.'!?;:-]+", sentence) is not None
        and re.search(r"\b[A-Z]{2,}\b|--", sentence) is None
    )
