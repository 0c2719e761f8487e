"""Kokoro's symbols: which there are, which espeak's IPA becomes, and which mouth shape each stands for.

The vocabulary and the letters for diphthongs and affricates (`A` as in day, `I` as in my, `ʧ` as in church) are those
that the model was trained with (hexgrad/Kokoro-82M, config.json; hexgrad/misaki, EN_PHONES.md).
"""

from __future__ import annotations

import unicodedata

from emotalk.speech.ipa import arpabet

VOCABULARY: dict[str, int] = {
    ";": 1, ":": 2, ",": 3, ".": 4, "!": 5, "?": 6, "—": 9, "…": 10, '"': 11, "(": 12, ")": 13, "“": 14, "”": 15,
    " ": 16, "\u0303": 17, "ʣ": 18, "ʥ": 19, "ʦ": 20, "ʨ": 21, "ᵝ": 22, "ꭧ": 23, "A": 24, "I": 25, "O": 31, "Q": 33,
    "S": 35, "T": 36, "W": 39, "Y": 41, "ᵊ": 42, "a": 43, "b": 44, "c": 45, "d": 46, "e": 47, "f": 48, "h": 50,
    "i": 51, "j": 52, "k": 53, "l": 54, "m": 55, "n": 56, "o": 57, "p": 58, "q": 59, "r": 60, "s": 61, "t": 62,
    "u": 63, "v": 64, "w": 65, "x": 66, "y": 67, "z": 68, "ɑ": 69, "ɐ": 70, "ɒ": 71, "æ": 72, "β": 75, "ɔ": 76,
    "ɕ": 77, "ç": 78, "ɖ": 80, "ð": 81, "ʤ": 82, "ə": 83, "ɚ": 85, "ɛ": 86, "ɜ": 87, "ɟ": 90, "ɡ": 92, "ɥ": 99,
    "ɨ": 101, "ɪ": 102, "ʝ": 103, "ɯ": 110, "ɰ": 111, "ŋ": 112, "ɳ": 113, "ɲ": 114, "ɴ": 115, "ø": 116, "ɸ": 118,
    "θ": 119, "œ": 120, "ɹ": 123, "ɾ": 125, "ɻ": 126, "ʁ": 128, "ɽ": 129, "ʂ": 130, "ʃ": 131, "ʈ": 132, "ʧ": 133,
    "ʊ": 135, "ʋ": 136, "ʌ": 138, "ɣ": 139, "ɤ": 140, "χ": 142, "ʎ": 143, "ʒ": 147, "ʔ": 148, "ˈ": 156, "ˌ": 157,
    "ː": 158, "ʰ": 162, "ʲ": 164, "↓": 169, "→": 171, "↗": 172, "↘": 173, "ᵻ": 177,
}  # fmt: skip
"""The number of every symbol; 0 stands at the beginning and at the end of an utterance."""

STRESS = "ˈˌ"
PAUSING = ";:,.!?—…"
"""Marks after which a voice may pause."""

# Longest first. What several letters of IPA, tied by "^", are in Kokoro's alphabet.
_ANY = {
    "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q", "ɔ^ɪ": "Y", "d^ʒ": "ʤ", "t^ʃ": "ʧ", "t^s": "ʦ",
    "d^z": "ʣ", "d^ʑ": "ʥ", "t^ɕ": "ʨ", "g": "ɡ",
}  # fmt: skip
_ENGLISH = _ANY | {
    "ə^l": "ᵊl", "e": "A", "o": "ɔ", "r": "ɹ", "x": "k", "ç": "k", "ɐ": "ə", "ɚ": "əɹ", "ɚɹ": "əɹ", "ɬ": "l",
    "ʔ": "t", "ʲ": "", "\u0303": "",
}  # fmt: skip
_TABLES = {
    "en-us": _ENGLISH | {"ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪ^ə": "iə", "ɪə": "iə", "ɾ": "T", "ː": ""},
    "en-gb": _ENGLISH | {"e^ə": "ɛː", "i^ə": "ɪə", "iə": "ɪə"},
}
_ARPABET = {
    "A": ("ey",), "I": ("ay",), "O": ("ow",), "Q": ("ow",), "W": ("aw",), "Y": ("oy",), "T": ("d",), "ᵊ": ("ah",),
    "ʤ": ("jh",), "ʧ": ("ch",), "ʦ": ("t", "s"), "ʣ": ("d", "z"), "ʥ": ("jh",), "ʨ": ("ch",), "ꭧ": ("ch",),
    "S": ("s",),
}  # fmt: skip


def symbols_of(ipa: str, language: str) -> str:
    """Kokoro's symbols for a word in espeak's IPA (with "^" between the letters of one sound); what the model does not
    know is left out. `language` is that of the voice: American and British have alphabets of their own."""
    table = _TABLES.get(language, _ANY)
    longest = max(map(len, table))
    text, found, i = unicodedata.normalize("NFD", ipa).replace("c\u0327", "ç"), [], 0
    while i < len(text):
        for length in range(min(longest, len(text) - i), 0, -1):
            if (symbols := table.get(text[i : i + length])) is not None:
                found.append(symbols)
                i += length
                break
        else:
            if text[i] == "\u0329" and found and language.startswith("en"):  # a consonant that is a syllable
                found.insert(-1, "ᵊ")
            found.append(text[i])
            i += 1
    return "".join(symbol for symbol in "".join(found) if symbol in VOCABULARY)


def phone_of(symbol: str, before: str = "") -> str:
    """The ARPAbet phone that the mouth makes for a symbol which follows `before`; "sil" for marks and stress."""
    if symbol == "ɹ" and before in ("ə", "ɜ"):
        return "er"
    if symbol in _ARPABET:
        return _ARPABET[symbol][-1]
    return arpabet(symbol)[0] if symbol.isalpha() and symbol not in STRESS else "sil"
