"""Whatever a person may type, as short phrases that a text-to-speech engine can say.

    text ─► paragraphs ─► clean (unicode, tags, links, emoji) ─► read aloud ─► sentences ─► phrases of one script

A phrase is in the script of the voice, or names the language whose voice must say it (Greek letters within an
English sentence are said by a Greek voice).
"""

from __future__ import annotations

import html
import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from emotalk.core.errors import InputError
from emotalk.speech.english import read_aloud
from emotalk.speech.marked_text import PRIVATE_USE, MarkedText, MarkerPlacer, take_markers
from emotalk.speech.numbers import read_numbers
from emotalk.speech.scripts import LANGUAGE_SCRIPTS, SCRIPTS, script_of

MAX_PHRASE = 300
"""Letters in one phrase at most; longer sentences are cut at a comma or a space."""
MAX_WORD = 40
MAX_CHARACTERS = 500_000

_JAPANESE = ("HIRAGANA", "KATAKANA")
_TELLTALE = (  # letters that only one language of a script uses
    ("іїєґІЇЄҐ", "uk"), ("ўЎ", "be"), ("ђћџЂЋЏ", "sr"), ("ѓќѕЃЌЅ", "mk"), ("پچژگ", "fa"), ("ٹڈڑںے", "ur"),
)  # fmt: skip
_KEPT_MARKS = frozenset(".,!?;:'\"()-。、！？；：，،؛؟।·")
_FULL_STOPS = ".!?…。！？؟।"
_REPLACED = str.maketrans({
    "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "—": ", ", "–": "-", "−": "-",
    "‐": "-", "‑": "-", "…": ".", "\u00a0": " ", "|": ", ", "•": ", ", "*": " ", "_": " ", "`": " ", "\\": " ",
    "[": "(", "]": ")", "{": "(", "}": ")", "^": " ", "™": " ", "®": " ", "©": " ", "⁄": "/",
})  # fmt: skip
BREAKING_TAGS = re.compile(r"</?(?:p|s|break|br|div|li|h[1-6]|tr|audio)\b[^<>]{0,300}>", re.I)
_ATTRIBUTE = r"""\s+[\w:.-]{1,40}\s?=\s?(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+)"""
TAGS = re.compile(
    rf"<(?:/?[a-z][\w:.-]{{0,40}}(?:{_ATTRIBUTE}){{0,20}}\s?/?|!--.{{0,2000}}?--|[!?][^<>]{{0,500}})>", re.I | re.S
)
"""Tags and comments of XML and HTML, which are not said."""
_ENTITY = re.compile(r"&(?:#[0-9]+|#x[\da-f]+|[^\t\n\f <&#;]{1,32});?", re.I)
_LIST_ITEM = re.compile(r"[ \t]*\n[ \t]*(?:[-*•+]|\d{1,3}[.)])[ \t]+")
_LINK = re.compile(
    r"\b(?:https?|ftp)://[^\s<>\"]+|\bwww\.[^\s<>\"]+|\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+", re.I
)
_KEYCAP = re.compile("([0-9#*])\ufe0f?\u20e3")
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TIDIED = (
    (re.compile(r"([^\W\d_])\1{3,}"), r"\1\1\1"),  # "noooooo" is long enough with three
    (re.compile(r"([.,!?;:。！？،؟।'\"()-])(?:\s*\1)+"), r"\1"),
    (re.compile(r"(?<!\s)\s+([.,!?;:])"), r"\1"),
    (re.compile(rf"([^\W_]{{{MAX_WORD}}})(?=\w)"), r"\1 "),  # nobody says a word of 41 letters
)
MAX_MARKS = 6
"""Marks on one letter at most: Hebrew and Vietnamese need four, stacks of a hundred are made for fun."""
_NAMED_EMOJI, _SAME_EMOJI = 20, 3  # how many a text of nothing but emoji says, and of one after itself


@dataclass(frozen=True)
class Phrase:
    """A piece of text that one voice says in one breath."""

    text: str
    language: str | None = None  # an espeak language where the chosen voice cannot read the script
    last: bool = True  # ends a sentence: a pause follows


def phrases(text: str, language: str = "en", *, markers: bool = False) -> Iterator[Phrase]:
    """The phrases of a text, in order, made as they are asked for: 10,000 words cost no more memory than ten.

    `language` is that of the voice ("en", "de", "cmn"...). With `markers`, the private-use characters that
    `direction.parse` puts where its cues stand keep their places, each once and in order, and change nothing else;
    without, they are dropped. Raises InputError where the text is empty, holds nothing that can be said (after tags,
    links' punctuation and unknown signs are gone), or is in a script no voice reads.
    """
    if not isinstance(text, str):
        raise InputError(f"Text must be a string, found {type(text).__name__}.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"The text has {len(text):,} characters; {MAX_CHARACTERS:,} are taken at once. Split it.")
    marked = take_markers(clean_text(text)) if markers else MarkedText(clean_text(text))
    if not (marked.text if markers else text).strip():
        raise InputError("The text is empty. Type a sentence to be said.")
    placer = MarkerPlacer()
    said = _said(marked, text, language, placer)
    yield from _with_rest(said, placer) if marked.marks else said


def _said(marked: MarkedText, text: str, language: str, placer: MarkerPlacer) -> Iterator[Phrase]:
    """The phrases of a text, those of its marks that lie in them put back. `text` is what was typed."""
    base = language.split("-")[0].lower()
    unreadable: set[str] = set()
    found = False
    for paragraph in _paragraphs(marked):
        cleaned = _clean(paragraph, base, unreadable, language)
        placer.take(cleaned)
        for sentence in _sentences(cleaned.text):
            for phrase in _split_by_script(sentence, base):
                found = True
                yield replace(phrase, text=placer.place(phrase.text)) if marked.marks else phrase
    if not found:
        typed = PRIVATE_USE.sub("", text) if marked.marks else text
        for phrase in _last_resort(typed, base, unreadable):
            yield replace(phrase, text=placer.rest() + phrase.text)


def _with_rest(said: Iterator[Phrase], placer: MarkerPlacer) -> Iterator[Phrase]:
    """Phrases, the last of which also gets the marks that stand behind it."""
    before = None
    for phrase in said:
        if before:
            yield before
        before = phrase
    if before:
        yield replace(before, text=before.text + placer.rest())


def clean_text(text: str) -> str:
    """A text without what nobody types: halves of letters, control characters (spaces take their place; lines and tabs
    stay), controls of the writing direction, and marks stacked on one letter beyond MAX_MARKS."""
    text = _BIDI_CONTROLS.sub("", _CONTROLS.sub(" ", _SURROGATES.sub("", text)))
    if text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def emoji_names(text: str) -> Iterator[str]:
    """The names of the emoji and signs in a text ("grinning face"), in order, of one after itself at most three."""
    run, before = 0, ""
    for character in text:
        if unicodedata.category(character) == "So" and (name := unicodedata.name(character, "")):
            run = run + 1 if name == before else 1
            before = name
            if run <= _SAME_EMOJI:
                yield name.lower().replace("-", " ")


def _last_resort(text: str, language: str, unreadable: set[str]) -> Iterator[Phrase]:
    """A text of nothing but emoji is said by their names; anything else is refused."""
    names = list(itertools.islice(emoji_names(text), _NAMED_EMOJI))
    if names and not unreadable:
        for sentence in _sentences(", ".join(names)):
            yield Phrase(sentence, None if language == "en" else "en")
        return
    if unreadable:
        scripts = ", ".join(sorted(script.capitalize() for script in unreadable))
        raise InputError(f"No voice here can read the {scripts} script. Write the text in another alphabet.")
    shown = text.strip()[:40].encode("ascii", "backslashreplace").decode()[:60]
    raise InputError(f"There is nothing to say in the text {shown!r}: it holds no words. Type a sentence.")


def _paragraphs(marked: MarkedText) -> Iterator[MarkedText]:
    """Blocks of lines; tags that span lines stay whole as long as they are shorter than a paragraph."""
    taken = 0
    for match in re.finditer(r"(?:(?!\n[ \t\r]*\n).){1,8000}(?!\S)|(?:(?!\n[ \t\r]*\n).){1,8000}", marked.text, re.S):
        if match[0].strip():
            first, marks = taken, marked.marks
            while taken < len(marks) and marks[taken][0] <= match.end():
                taken += 1
            yield MarkedText(match[0], tuple((max(at - match.start(), 0), mark) for at, mark in marks[first:taken]))
    if taken < len(marked.marks):  # behind the last paragraph
        yield MarkedText("", tuple((0, mark) for _, mark in marked.marks[taken:]))


def _clean(marked: MarkedText, language: str, unreadable: set[str], region: str) -> MarkedText:
    marked = marked.sub(BREAKING_TAGS, ". ").sub(TAGS, " ").sub(_ENTITY, lambda match: _unescape(match[0]))
    marked = marked.sub(_LIST_ITEM, ".\n").sub(_KEYCAP, r"\1")
    marked = marked.map(lambda text: _SURROGATES.sub("", text)).normalise("NFKC")
    marked = marked.map(lambda text: text.translate(_REPLACED)).sub(_LINK, lambda match: _say_link(match[0]))
    marked = marked.map(lambda text: "".join(str(unicodedata.decimal(c, c)) if c.isdecimal() else c for c in text))
    if language == "en":
        marked = read_aloud(marked, _sub)
    else:
        marked = read_numbers(marked, region, _sub)
    marked = marked.map(lambda text: "".join(_kept(character, language, unreadable) for character in text))
    for pattern, replacement in _TIDIED:
        marked = marked.sub(pattern, replacement)
    return marked


def _sub(pattern: re.Pattern, replacement, text: MarkedText) -> MarkedText:
    return text.sub(pattern, replacement)


def _unescape(entity: str) -> str:
    """What an entity stands for, unless that is a marker: those are no part of a text."""
    return PRIVATE_USE.sub("", html.unescape(entity))


def _kept(character: str, language: str, unreadable: set[str]) -> str:
    """The character, or what stands for it."""
    if character < "\x7f":
        if character.isalnum() or character in _KEPT_MARKS or character.isspace():
            return character
        # Other languages' voices know these signs themselves.
        return f" {character} " if language != "en" and character in "&+=%@#$<>/" else " "
    category = unicodedata.category(character)
    if category[0] in "LM":
        name = unicodedata.name(character, "").split(" ")[0].split("-")[0]
        if name in SCRIPTS and "MATHEMATICAL" not in name:
            return character
        if category[0] == "L" and name not in ("MODIFIER", "FEMININE", "MASCULINE", ""):
            unreadable.add(name)
            return " "
        return ""  # marks stacked on letters, letters of no script
    if character in _KEPT_MARKS:
        return character
    return "" if category == "Cf" else " "


def _say_link(link: str) -> str:
    """A web or mail address as people say it; of a long one the site is enough."""
    tail = re.search(r"[.,!?;:)\]'\"]*$", link)[0]
    link = link[: len(link) - len(tail)]
    link = re.sub(r"^\w+://", "", link)
    site, _, rest = link.partition("/")
    rest = re.split(r"[?#]", rest)[0].strip("/")
    said = re.sub(r"^www\.", "", site).split("?")[0]
    if rest and len(rest) <= 30:
        said += "/" + rest
    words = {
        ".": " dot ",
        "/": " slash ",
        "@": " at ",
        "-": " dash ",
        "_": " ",
        ":": " colon ",
        "+": " plus ",
        "~": " ",
    }
    return "".join(words.get(character, character) for character in said) + tail


def _sentences(text: str) -> Iterator[str]:
    """Split after full stops that end a sentence, and at blank lines; long ones at commas, then anywhere."""
    for line in re.split(r"\n\s*\n", text):
        line = re.sub(r"\s+", " ", line).strip()
        pieces = re.split(rf"(?<=[{_FULL_STOPS}])[\"')]*\s+(?=\S)|(?<=[。！？])(?=\S)", line)
        for piece in pieces:
            while len(piece) > MAX_PHRASE:
                cut = _cut_point(piece)
                yield piece[:cut].strip()
                piece = piece[cut:].strip()
            if any(character.isalnum() for character in piece):
                yield piece


def _cut_point(piece: str) -> int:
    """Where to end a phrase of at most MAX_PHRASE letters: after a clause, else a word, else there."""
    window = piece[:MAX_PHRASE]
    for marks in (";:。，、،", ",", " "):
        cut = max(window.rfind(mark) for mark in marks)
        if cut >= MAX_PHRASE // 4:
            return cut + 1
    return MAX_PHRASE


def _split_by_script(sentence: str, language: str) -> Iterator[Phrase]:
    """Runs of letters of one script; digits, marks and spaces stay with what they follow."""
    own = LANGUAGE_SCRIPTS.get(language, "LATIN")
    japanese = language == "ja" or any(script_of(character) in _JAPANESE for character in sentence)
    runs: list[tuple[str, str]] = []
    start, current = 0, None
    for i, character in enumerate(sentence):
        script = script_of(character)
        if script in _JAPANESE or (script == "CJK" and japanese):
            script = "HIRAGANA"
        if script and current and script != current:
            runs.append((current, sentence[start:i]))
            start = i
        current = script or current
    runs.append((current or own, sentence[start:]))
    if japanese and any(script_of(character) == "CJK" for character in sentence):
        raise InputError(
            "Japanese text with kanji cannot be read aloud here: the voice knows kana only. Write it in hiragana."
        )
    runs = [(script, text.strip()) for script, text in runs if any(c.isalnum() for c in text)]
    for i, (script, text) in enumerate(runs):
        yield Phrase(text, None if script == own else _foreign_language(script, text), last=i == len(runs) - 1)


def _foreign_language(script: str, text: str) -> str:
    for letters, language in _TELLTALE:
        if any(letter in text for letter in letters) and LANGUAGE_SCRIPTS[language] == script:
            return language
    return SCRIPTS[script] or "en"
