"""English text as it is read aloud: numbers, dates, times, money, units, abbreviations and signs become words.

num2words makes the words of numbers; they are said the American way, without "and".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from num2words import num2words

LONGEST = 21
"""Digits of a number that is said as one; longer ones are said digit by digit."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}
_UNITS = {
    "km/h": "kilometers per hour", "mph": "miles per hour", "m/s": "meters per second", "km": "kilometers",
    "cm": "centimeters", "mm": "millimeters", "kg": "kilograms", "mg": "milligrams", "ml": "milliliters",
    "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "Hz": "hertz", "GB": "gigabytes", "MB": "megabytes",
    "kB": "kilobytes", "TB": "terabytes", "fps": "frames per second", "ms": "milliseconds", "min": "minutes",
    "°C": "degrees Celsius", "°F": "degrees Fahrenheit", "°": "degrees", "ft": "feet", "lbs": "pounds", "oz": "ounces",
}  # fmt: skip
_ABBREVIATIONS = {
    "dr": "Doctor", "mr": "Mister", "mrs": "Missis", "ms": "Miz", "prof": "Professor", "st": "Saint", "vs": "versus",
    "etc": "et cetera", "approx": "approximately", "dept": "department", "jr": "Junior", "sr": "Senior",
    "fig": "figure", "gen": "General", "gov": "Governor",
}  # fmt: skip
_SIGNS = {
    "&": "and", "+": "plus", "=": "equals", "%": "percent", "@": "at", "#": "hash", "×": "times", "÷": "divided by",
    "±": "plus or minus", "≈": "about", "≤": "at most", "≥": "at least", "≠": "is not", "→": "to", "§": "section",
    "<": "less than", ">": "greater than", "~": "about",
}  # fmt: skip


def number_words(number: int) -> str:
    """A whole number in words ("minus forty-two", "one thousand two hundred"); from 10^21 on digit by digit."""
    if number < 0:
        return f"minus {number_words(-number)}"
    return digit_words(str(number)) if number >= 10**LONGEST else _american(number)


def ordinal_words(number: int) -> str:
    """first, second, twenty-first, ... for numbers from 0 on."""
    return _american(number, "ordinal")


def year_words(year: int) -> str:
    """A year from 1000 to 2999 as it is said: nineteen eighty-four, two thousand five, twenty twenty-six."""
    return _american(year, "year")


def digit_words(digits: str) -> str:
    """Digits one by one, the rest left out."""
    return " ".join(_american(int(digit)) for digit in digits if digit in "0123456789")


def read_aloud(text: str, sub: Callable = re.Pattern.sub) -> str:
    """English `text` with everything that is not a word written out; letters and sentence marks stay as they are.

    `sub(pattern, replacement, text)` is how a rule is applied: texts that are more than a string bring their own.
    """
    for pattern, replacement in _RULES:
        text = sub(pattern, replacement, text)
    return sub(_SPACES, " ", text)


@functools.lru_cache(4096)
def _american(number: int, form: str = "cardinal") -> str:
    words = num2words(number, lang="en", to=form)
    return words.replace(",", "").replace(" and ", " ").replace("oh-", "oh ")


def _whole(digits: str) -> str:
    """A whole number that may have more digits than Python takes for one."""
    return number_words(int(digits or 0)) if len(digits) <= LONGEST else digit_words(digits)


def _decimal(text: str) -> str:
    """ "-1,234.50" in words."""
    whole, _, fraction = text.replace(",", "").lstrip("-").partition(".")
    words = _whole(whole)
    if fraction:
        words += f" point {digit_words(fraction)}"
    return f"minus {words}" if text.startswith("-") else words


def _money(match: re.Match) -> str:
    one, many, cent, cents = _CURRENCIES[match[1]]
    whole, _, fraction = match[2].replace(",", "").partition(".")
    if match[3]:  # $2.5 million
        return f"{_decimal(match[2])} {match[3]} {many}"
    amount = whole.lstrip("0")
    parts = [f"{_whole(amount)} {one if amount == '1' else many}"] if amount or not fraction else []
    if fraction and len(fraction) <= 2 and (small := int(fraction.ljust(2, "0"))):
        parts.append(f"{number_words(small)} {cent if small == 1 else cents}")
    elif fraction and len(fraction) > 2:
        return f"{_decimal(match[2])} {many}"
    return " and ".join(parts) or f"zero {many}"


def _date(year: str, month: str, day: str, written: str) -> str:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return written
    return f"{_MONTHS[int(month) - 1]} {ordinal_words(int(day))}, {_year(year)}"


def _year(digits: str) -> str:
    return year_words(int(digits)) if 1000 <= int(digits) <= 2999 else number_words(int(digits))


def _slash_date(match: re.Match) -> str:
    first, second, year = match.groups()
    if int(first) > 12:  # only the day can be that large; otherwise the month stands first, as in the US
        first, second = second, first
    return _date(year, first, second, match[0])


def _time(match: re.Match) -> str:
    hour, minute, half = int(match[1]), int(match[2]), (match[4] or "").lower().replace(".", "")
    if hour > 24 or minute > 59:
        return match[0]
    words = number_words(hour)
    if minute:
        words += f" {'oh ' if minute < 10 else ''}{number_words(minute)}"
    elif not half:
        words += " o'clock" if 0 < hour <= 12 else " hundred"
    return words + (f" {half[0].upper()} M" if half else "")


def _fraction(match: re.Match) -> str:
    top, bottom = int(match[1]), int(match[2])
    if bottom == 2:
        return "one half" if top == 1 else f"{number_words(top)} halves"
    if bottom == 4:
        return "one quarter" if top == 1 else f"{number_words(top)} quarters"
    if 3 <= bottom <= 20 and top < 20:
        return f"{number_words(top)} {ordinal_words(bottom)}{'s' if top > 1 else ''}"
    return f"{number_words(top)} over {number_words(bottom)}"


def _telephone(match: re.Match) -> str:
    return ", ".join(digit_words(group) for group in re.findall(r"\d+", match[0]))


def _ends_text(match: re.Match) -> bool:
    return not match.string[match.end() :].strip()


def _integer(match: re.Match) -> str:
    digits = match[0].lstrip("-")
    minus = "minus " if match[0].startswith("-") else ""
    if len(digits) > 1 and (digits[0] == "0" or len(digits) > LONGEST):
        return minus + digit_words(digits)
    if not minus and len(digits) == 4 and ("1100" <= digits <= "1999" or "2010" <= digits <= "2099"):
        return year_words(int(digits))
    return minus + number_words(int(digits))


_SPACES = re.compile(r"[ \t]+")
_NUMBER = r"\d{1,3}(?:,\d{3})++(?:\.\d++)?|\d++(?:\.\d++)?"
_SIGNED = rf"(?<![\w.])-?(?:{_NUMBER})"


def _rule(pattern: str, replacement: str | Callable[[re.Match], str], flags: int = 0) -> tuple[re.Pattern, object]:
    return re.compile(pattern, flags), replacement


_month_names = "|".join(_MONTHS)
_unit_names = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_sign_names = "".join(re.escape(sign) for sign in _SIGNS)

# The order matters: what holds several numbers comes before what holds one.
_RULES = (
    _rule(r"\be\.\s?g\.,?", "for example", re.I),
    _rule(r"\bi\.\s?e\.,?", "that is", re.I),
    _rule(r"\bNo\.\s?(?=\d)", "number "),
    _rule(
        rf"\b({'|'.join(_ABBREVIATIONS)})\.(?=\s|$)",
        lambda m: _ABBREVIATIONS[m[1].lower()] + ("." if _ends_text(m) else ""),
        re.I,
    ),
    _rule(r"\b(\d{4})-(\d{1,2})-(\d{1,2})(?:T(?=\d))?", lambda m: _date(m[1], m[2], m[3], m[0]) + " "),
    _rule(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b", _slash_date),
    _rule(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b", lambda m: _date(m[3], m[2], m[1], m[0])),
    _rule(
        rf"\b({_month_names})\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}})\b)?",
        lambda m: f"{m[1]} {ordinal_words(int(m[2]))}" + (f", {_year(m[3])}" if m[3] else ""),
    ),
    _rule(
        rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_month_names})\b(?:,?\s+(\d{{4}})\b)?",
        lambda m: f"the {ordinal_words(int(m[1]))} of {m[2]}" + (f", {_year(m[3])}" if m[3] else ""),
    ),
    _rule(r"\b(\d{1,2}):(\d{2})(:\d{2})?(?:\s?([ap]\.?m\b\.?))?", _time, re.I),
    _rule(r"\b(\d{1,2})\s?([ap])\.?m\b\.?", lambda m: f"{number_words(int(m[1]))} {m[2].upper()} M", re.I),
    _rule(r"\b(1\d|20)(\d)0s\b", lambda m: f"{year_words(int(m[1] + m[2] + '0'))[:-1]}ies" if m[2] != "0" else m[0]),
    _rule(rf"([$€£¥₹])\s?({_NUMBER})(?:\s(thousand|million|billion|trillion)\b)?", _money),
    _rule(rf"\b({_NUMBER})\s?([$€£¥₹])(\s\b\B)?", lambda m: _money(re.match(r"(.)(.*)()", m[2] + m[1]))),
    _rule(r"\b(\d{1,12})(?:st|nd|rd|th)\b", lambda m: ordinal_words(int(m[1]))),
    _rule(r"\b(\d{1,3})[/⁄](\d{1,3})\b", _fraction),
    _rule(rf"({_SIGNED})\s?({_unit_names})(?![\w/])", lambda m: f"{_decimal(m[1])} {_UNITS[m[2]]}"),
    _rule(r"(?<!\w)\+?\d{1,4}(?:[ -]\d{2,4}){2,5}\b", _telephone),
    _rule(r"(?<![\w.])\d+(?:\.\d+){2,}", lambda m: " point ".join(_whole(g) for g in m[0].split("."))),
    _rule(rf"\b({_NUMBER})\s?[–-]\s?(?=\d)", lambda m: f"{m[1]} to "),
    _rule(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+)", lambda m: _decimal(m[0])),
    _rule(r"(?<![\w.])-?\d+", _integer),
    _rule(r"\d+", lambda m: f" {digit_words(m[0])} " if len(m[0]) > 3 else f" {number_words(int(m[0]))} "),
    _rule(r"&&+", "&"),
    _rule(rf"[{_sign_names}]", lambda m: f" {_SIGNS[m[0]]} "),
)  # fmt: skip
