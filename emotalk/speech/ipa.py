"""From the International Phonetic Alphabet to the 39 ARPAbet phones: the nearest mouth shapes of any language."""

from __future__ import annotations

import unicodedata

# Longer keys are tried first. Sounds that English lacks go to the phone that looks most alike on the lips.
_PHONES: dict[str, tuple[str, ...]] = {
    "tʃ": ("ch",), "dʒ": ("jh",), "tɕ": ("ch",), "dʑ": ("jh",), "ts": ("t", "s"), "dz": ("d", "z"), "pf": ("p", "f"),
    "tʂ": ("ch",), "dʐ": ("jh",), "t͡ʃ": ("ch",), "d͡ʒ": ("jh",),
    "eɪ": ("ey",), "aɪ": ("ay",), "ɔɪ": ("oy",), "oɪ": ("oy",), "ɔø": ("oy",), "ɔʏ": ("oy",), "aʊ": ("aw",),
    "oʊ": ("ow",), "əʊ": ("ow",), "ɪə": ("ih", "ah"), "eə": ("eh", "ah"), "ʊə": ("uh", "ah"), "aɪɚ": ("ay", "er"),
    "aɪə": ("ay", "ah"), "aʊə": ("aw", "ah"), "ju": ("y", "uw"),
    "p": ("p",), "b": ("b",), "m": ("m",), "f": ("f",), "v": ("v",), "t": ("t",), "d": ("d",), "n": ("n",),
    "s": ("s",), "z": ("z",), "l": ("l",), "r": ("r",), "k": ("k",), "g": ("g",), "ɡ": ("g",), "h": ("hh",),
    "j": ("y",), "w": ("w",), "θ": ("th",), "ð": ("dh",), "ʃ": ("sh",), "ʒ": ("zh",), "ŋ": ("ng",), "ɹ": ("r",),
    "ɾ": ("d",), "ʔ": ("sil",), "ɫ": ("l",), "x": ("hh",), "χ": ("hh",), "ħ": ("hh",), "ɣ": ("g",), "ç": ("hh",),
    "ɕ": ("sh",), "ʑ": ("zh",), "ʂ": ("sh",), "ʐ": ("zh",), "ʁ": ("r",), "ʀ": ("r",), "ɻ": ("r",), "ɽ": ("d",),
    "ɲ": ("n",), "ɳ": ("n",), "ɴ": ("ng",), "ʎ": ("l",), "ɭ": ("l",), "ɬ": ("l",), "ɮ": ("l",), "ɸ": ("f",),
    "β": ("b",), "ʋ": ("v",), "ɱ": ("m",), "c": ("k",), "ɟ": ("g",), "q": ("k",), "ɢ": ("g",), "ʕ": ("hh",),
    "ɦ": ("hh",), "ʈ": ("t",), "ɖ": ("d",), "ʝ": ("y",), "ɰ": ("w",), "ɥ": ("w",), "ʍ": ("w",), "ʙ": ("b",),
    "ɓ": ("b",), "ɗ": ("d",), "ɠ": ("g",), "ʄ": ("jh",), "ɧ": ("sh",), "ʟ": ("l",), "ɺ": ("l",),
    "i": ("iy",), "ɪ": ("ih",), "ᵻ": ("ih",), "e": ("ey",), "ɛ": ("eh",), "æ": ("ae",), "a": ("aa",), "ɑ": ("aa",),
    "ɐ": ("ah",), "ʌ": ("ah",), "ə": ("ah",), "ɚ": ("er",), "ɜ": ("er",), "ɝ": ("er",), "ɔ": ("ao",), "ɒ": ("aa",),
    "o": ("ow",), "ʊ": ("uh",), "u": ("uw",), "y": ("uw",), "ʏ": ("uh",), "ø": ("er",), "œ": ("er",), "ɨ": ("ih",),
    "ʉ": ("uw",), "ɯ": ("uh",), "ɤ": ("ah",), "ɘ": ("ah",), "ɵ": ("uh",), "ä": ("aa",), "ɞ": ("er",), "ɶ": ("ae",),
}  # fmt: skip
_LONGEST = max(map(len, _PHONES))


def arpabet(ipa: str) -> tuple[str, ...]:
    """The ARPAbet phones of one IPA sound as an engine writes it: "ˈoʊ" -> ("ow",), "ɛɹ" -> ("eh", "r").

    Stress, length, tone and marks on letters are left out; ("sil",) where no sound is left.
    """
    ipa = "".join(c for c in unicodedata.normalize("NFC", ipa) if unicodedata.category(c) not in ("Lm", "Mn", "Sk"))
    found: list[str] = []
    i = 0
    while i < len(ipa):
        for length in range(min(_LONGEST, len(ipa) - i), 0, -1):
            if (phones := _PHONES.get(ipa[i : i + length])) is not None:
                found += phones
                i += length
                break
        else:
            base = unicodedata.normalize("NFD", ipa[i])[0]
            found += _PHONES.get(base, ())  # digits of tones, hyphens and the like stand for no sound
            i += 1
    sounds = tuple(phone for phone in found if phone != "sil")
    return sounds or ("sil",)
