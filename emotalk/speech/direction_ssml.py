"""The SSML that is understood inside a text: what the attributes of its tags mean, and how `say-as` is read.

The names are those of the W3C's Speech Synthesis Markup Language 1.1 (2010). It leaves the sizes of "slow" or "strong"
to the speaking machine; those here are ours.
"""

from __future__ import annotations

import html
import re

from emotalk.speech.english import digit_words, number_words, ordinal_words, read_aloud
from emotalk.speech.marked_text import PRIVATE_USE

MAX_PAUSE = 10.0
"""Seconds that a pause lasts at most."""
DEFAULT_PAUSE = 0.5
RATES = (0.4, 2.5)
PITCHES = (0.5, 2.0)
"""What factors on rate and pitch are kept within: what the voices can do."""

EMPHASIS = {"strong": 1.0, "moderate": 0.6, "reduced": -0.5, "none": None}
_BREAKS = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": DEFAULT_PAUSE, "strong": 0.8, "x-strong": 1.2}
_RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.5}
_PITCHES = {"x-low": 0.75, "low": 0.87, "medium": 1.0, "default": 1.0, "high": 1.15, "x-high": 1.33}

_SECONDS = re.compile(r"\+?(\d{0,6}(?:[.,]\d{1,6})?)\s?(ms|milliseconds?|s|secs?|seconds?)?")
_FACTOR = re.compile(r"([+-]?)(\d{1,4}(?:\.\d{1,6})?|\.\d{1,6})\s?(%|st)?")

HTML_NAMES = frozenset({
    "a", "abbr", "address", "area", "article", "aside", "b", "base", "bdi", "bdo", "big", "blockquote", "body", "br",
    "button", "caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl",
    "dt", "em", "embed", "figcaption", "figure", "font", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head",
    "header", "hr", "html", "i", "iframe", "img", "input", "ins", "kbd", "label", "legend", "li", "link", "main",
    "map", "nav", "ol", "option", "p", "picture", "pre", "q", "rp", "rt", "ruby", "s", "samp", "script", "section",
    "select", "small", "span", "strike", "strong", "style", "sub", "summary", "sup", "svg", "table", "tbody", "td",
    "textarea", "tfoot", "th", "thead", "time", "title", "tr", "tt", "u", "ul", "var", "video", "wbr",
})  # fmt: skip
"""Tags that only say how a text looks: the cleaner takes them out without a word."""

_SIGNS = {".": "dot", "-": "dash", "_": "underscore", "/": "slash", ",": "comma", ":": "colon", "!": "exclamation mark",
          "?": "question mark", "*": "star", "(": "bracket", ")": "bracket"}  # fmt: skip
_DATE = re.compile(r"\s*(\d{1,4})\s*[-/.\s]\s*(\d{1,4})(?:\s*[-/.\s]\s*(\d{1,4}))?\s*")
_LONGEST = 200


def seconds(text: str) -> float | None:
    """How long a pause is asked for ("500ms", "0.5s", "0.5"), not yet kept within 0..MAX_PAUSE; None where `text` is no
    such time."""
    match = _SECONDS.fullmatch(text.strip().lower())
    if not match or not match[1]:
        return None
    return float(match[1].replace(",", ".")) * (0.001 if (match[2] or "s").startswith("m") else 1.0)


def break_seconds(attributes: dict[str, str]) -> float | None:
    """The length of a `<break>`: its time, else its strength, else medium; None where that is not understood."""
    if "time" in attributes:
        return seconds(attributes["time"])
    return _BREAKS.get(attributes.get("strength", "medium").strip().lower())


def rate_factor(text: str) -> float | None:
    """The factor that a `<prosody rate>` means: "slow", "80%", "+20%", "1.2"; None where it is not understood."""
    return _factor(text, _RATES, RATES)


def pitch_factor(text: str) -> float | None:
    """The factor that a `<prosody pitch>` means: "high", "+2st", "-10%", "1.2"; None where it is none of these (Hz)."""
    return _factor(text, _PITCHES, PITCHES, semitones=True)


def _factor(text: str, names: dict[str, float], limits: tuple[float, float], semitones: bool = False) -> float | None:
    text = text.strip().lower()
    factor = names.get(text)
    if factor is None:
        match = _FACTOR.fullmatch(text)
        if not match or (match[3] == "st" and not semitones):
            return None
        sign, number, unit = match[1], float(match[2]), match[3]
        relative = -number if sign == "-" else number
        if unit == "st":
            factor = 2 ** (max(-24.0, min(24.0, relative)) / 12)
        elif unit == "%":
            factor = 1 + relative / 100 if sign else number / 100
        elif sign:
            return None  # "+1" could be a factor or a step
        else:
            factor = number
    return within(factor, limits)


def within(value: float, limits: tuple[float, float]) -> float:
    """`value`, or the limit that it is beyond."""
    return max(limits[0], min(limits[1], value))


def say_as(text: str, attributes: dict[str, str], language: str = "en") -> str:
    """The words that `<say-as interpret-as="..." format="...">text</say-as>` asks for; `text` itself where it is not of
    that kind ("ordinal" of a word). Other languages than English get letters and digits one by one, and read the rest
    themselves."""
    kind = attributes.get("interpret-as", "").strip().lower()
    plain = PRIVATE_USE.sub("", html.unescape(text))
    if kind not in _READERS or not plain.strip() or len(plain) > _LONGEST:  # nobody spells a page
        return text
    if language == "en":
        words = _READERS[kind](plain.strip(), attributes.get("format", "").strip().lower())
    elif kind in ("characters", "spell-out", "verbatim", "digits", "telephone"):
        words = " ".join("".join(plain.split()))
    else:
        return text
    lead = plain[: len(plain) - len(plain.lstrip())]
    tail = plain[len(plain.rstrip()) :]
    return f"{lead}{words}{tail}".replace("<", " ")  # what is unescaped here is no tag


def _characters(text: str, form: str) -> str:
    return " ".join(_character(character) for character in text if not character.isspace())


def _character(character: str) -> str:
    if character in "0123456789":
        return digit_words(character)
    return _SIGNS.get(character) or read_aloud(character).strip() if not character.isalpha() else character.upper()


def _cardinal(text: str, form: str) -> str:
    digits = text.replace(",", "").replace(" ", "")
    if not re.fullmatch(r"[+-]?[0-9]+", digits):
        return read_aloud(text)
    words = number_words(abs(int(digits)))
    return f"minus {words}" if digits.startswith("-") else words


def _ordinal(text: str, form: str) -> str:
    match = re.fullmatch(r"([0-9,]{1,21})(?:st|nd|rd|th|\.)?", text, re.I)
    digits = match[1].replace(",", "") if match else ""
    return ordinal_words(int(digits)) if digits else text


def _digits(text: str, form: str) -> str:
    return re.sub(r"[0-9]+", lambda match: digit_words(match[0]), text)


def _date(text: str, form: str) -> str:
    """A date whose parts stand in the order of `form` ("dmy", "mdy", "ymd", "my"...), else as they are usually read."""
    match = _DATE.fullmatch(text)
    parts = [part for part in match.groups() if part] if match else []
    if len(form) != len(parts) or set(form) - set("dmy") or len(set(form)) != len(form):
        return read_aloud(text)
    found = dict(zip(form, (int(part) for part in parts), strict=True))
    year, month, day = found.get("y"), found.get("m"), found.get("d")
    if month is None or not 1 <= month <= 12 or not 1 <= (day or 1) <= 31:
        return read_aloud(text)
    if day is None:
        return read_aloud(f"{_MONTHS[month - 1]} {year}")
    return read_aloud(f"{_MONTHS[month - 1]} {day}" + (f", {year:04}" if year is not None else ""))


def _telephone(text: str, form: str) -> str:
    groups = re.findall(r"\+|[0-9]+|[^\W\d_]+", text)
    words = ["plus" if group == "+" else digit_words(group) if group[0] in "0123456789" else group for group in groups]
    return ", ".join(words).replace("plus, ", "plus ") or text


def _plainly(text: str, form: str) -> str:
    return read_aloud(text)


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_READERS = {
    "characters": _characters, "spell-out": _characters, "verbatim": _characters, "cardinal": _cardinal,
    "number": _cardinal, "ordinal": _ordinal, "digits": _digits, "date": _date, "telephone": _telephone,
    "time": _plainly,
}  # fmt: skip
SAY_AS = tuple(_READERS)
"""The kinds of `<say-as>` that are known."""
