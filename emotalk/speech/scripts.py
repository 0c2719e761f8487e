"""Scripts, and the languages that are written in them."""

from __future__ import annotations

import unicodedata

SCRIPTS = {
    "LATIN": None, "CYRILLIC": "ru", "GREEK": "el", "ARABIC": "ar", "HEBREW": "he", "DEVANAGARI": "hi",
    "BENGALI": "bn", "GURMUKHI": "pa", "GUJARATI": "gu", "ORIYA": "or", "TAMIL": "ta", "TELUGU": "te",
    "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si", "THAI": "th", "MYANMAR": "my", "GEORGIAN": "ka",
    "ARMENIAN": "hy", "ETHIOPIC": "am", "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "cmn",
    "CHEROKEE": "chr-us-qaaa-x-west",
}  # fmt: skip
"""The script of a letter (the first word of its Unicode name) and the espeak language that reads it; None for Latin."""

LANGUAGE_SCRIPTS = {
    "bg": "CYRILLIC", "uk": "CYRILLIC", "be": "CYRILLIC", "mk": "CYRILLIC", "sr": "CYRILLIC", "kk": "CYRILLIC",
    "ky": "CYRILLIC", "tt": "CYRILLIC", "ba": "CYRILLIC", "cv": "CYRILLIC", "nog": "CYRILLIC", "grc": "GREEK",
    "fa": "ARABIC", "ur": "ARABIC", "sd": "ARABIC", "ug": "ARABIC", "mr": "DEVANAGARI", "ne": "DEVANAGARI",
    "kok": "DEVANAGARI", "bpy": "BENGALI", "as": "BENGALI", "shn": "MYANMAR", "ti": "ETHIOPIC", "yue": "CJK",
    "hak": "CJK", "hyw": "ARMENIAN",
} | {language: script for script, language in SCRIPTS.items() if language and script != "KATAKANA"}  # fmt: skip
"""The script of each language that is not written in Latin letters."""


def script_of(character: str) -> str | None:
    """The script of a letter, None for what belongs to any script (digits, marks, spaces)."""
    if character < "\x7f":
        return "LATIN" if character.isalpha() else None
    if unicodedata.category(character)[0] != "L":
        return None
    name = unicodedata.name(character, "").split(" ")[0].split("-")[0]
    return name if name in SCRIPTS else None
