"""The language of a text, where it can be told: by its script, and by py3langid where languages share a script.

Tuned on the first and checked once on the second table of tests/speech/everyday_sentences.py, short everyday sentences
in the six languages that count and in others, close relatives among them:

                                          tuned on     checked on
    named languages that are right        236 of 236   71 of 71
    en, es, fr, it, pt, de recognised     168 of 180   50 of 60

What is missed is short ("Que surpresa!") or the same in two languages ("Este lugar está ocupado?").
"""

from __future__ import annotations

import functools
import re
from collections import Counter

from emotalk.speech.scripts import LANGUAGE_SCRIPTS, SCRIPTS, script_of

_SHARED_SCRIPTS = {
    # Neighbours belong here although few write them: without Dutch, Dutch would be taken for German.
    "LATIN": "en es fr it pt de nl sv da no fi pl cs sk hu ro hr sl tr id ms vi ca gl et lv lt sq sw eu is af cy",
    "CYRILLIC": "ru uk bg be mk sr kk ky tt ba",
    "ARABIC": "ar fa ur ug",
    "DEVANAGARI": "hi mr ne",
    "BENGALI": "bn as",
}
_LIKELY = 0.6  # of 1, among all languages above; at 0.5 three of the 264 sentences tuned on were wrong
_MAIN_SCRIPT = 0.75  # of the letters: less is a mixed text
_FOREIGN_CLAUSES = 0.2  # of the letters: clauses clearly in another language make a text mixed
_FEWEST_WORDS = 2
_ENGLISH = frozenset({
    "the", "and", "you", "your", "are", "that", "this", "what", "with", "have", "has", "my", "they", "she", "don't",
    "i'm", "it's", "can't", "you're", "for", "would", "could", "there", "then", "when", "who", "how", "here", "to",
    "it", "from", "about", "been", "his", "their", "our", "all",
})  # fmt: skip
"""Common words that other languages in Latin letters do not have, or seldom: two of them, a quarter of a text, are
enough to know English without the library (21 of the 40 English sentences of both tables, none in another language)."""
_VOICES = {"no": "nb", "gl": None}  # where espeak's name is another, or it has none
_READ = 5_000  # characters of a text: enough for every decision
_NO_WORDS = re.compile(r"<[^<>]{0,300}>|\[[^\[\]]{0,100}\]")  # tags and directions, which are in English
_CLAUSE_ENDS = re.compile(r"[.,;:!?…¡¿()\"«»“”\n]+")


def detect(text: str) -> str | None:
    """The language of a text as espeak's voices call it: "en", "es", "fr", "it", "pt", "de", "ru", "ja", "cmn"...

    None where it cannot be told: numbers, single words, most names, two languages in one text, languages much alike,
    and for a language without a voice. Takes every string; its first 5,000 characters count. The first text of a
    process in a script that languages share takes 1.5 s and 75 MB for the model, then a sentence takes 0.2 ms.
    """
    text = _NO_WORDS.sub(" ", text[:_READ])
    text = re.sub(r"\S+", lambda word: "" if re.search(r"://|@|^www\.", word[0]) else word[0], text)
    scripts = Counter(script for script in map(script_of, text) if script)
    if not scripts:
        return None
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana:  # kanji beside kana are Japanese
        scripts["HIRAGANA"] = kana + scripts.pop("CJK", 0)
        scripts.pop("KATAKANA", None)
    script, letters = scripts.most_common(1)[0]
    if letters < _MAIN_SCRIPT * scripts.total():
        return None
    if script not in _SHARED_SCRIPTS:
        return SCRIPTS[script]
    if _is_plainly_english(text):
        return "en"
    found = _guess(text, script)
    if not found:
        return None
    foreign = sum(len(clause) for clause in _CLAUSE_ENDS.split(text) if _guess(clause, script) not in (found, None))
    return None if foreign > _FOREIGN_CLAUSES * letters else found


def _is_plainly_english(text: str) -> bool:
    """Whether there is no need to load the model."""
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text.lower().replace("’", "'"))
    known = [word for word in words if word in _ENGLISH]
    return text.isascii() and len(set(known)) >= 2 and len(known) >= 0.25 * len(words)


def _guess(text: str, script: str) -> str | None:
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text)
    if len(words) < _FEWEST_WORDS:
        return None
    language, likely = _identifier().classify(" ".join(words))
    if likely < _LIKELY or LANGUAGE_SCRIPTS.get(language, "LATIN") != script:
        return None
    return _VOICES.get(language, language)


@functools.cache
def _identifier():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(" ".join(_SHARED_SCRIPTS.values()).split())
    return identifier
