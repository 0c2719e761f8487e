"""Numbers, dates, times and money of Spanish, French, Italian, Portuguese and German texts in words of the language.

num2words makes the words; what stands around them (marks of ordinals, decimal commas, months) is here. English has
more rules of its own (`english`); other languages' voices read their digits themselves.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from num2words import CONVERTER_CLASSES, num2words

LONGEST = 18
"""Digits of a number that is said as one; longer ones are said digit by digit."""

_REGIONS = {"pt-br": "pt_BR", "fr-be": "fr_BE", "fr-ch": "fr_CH"}  # num2words has their words; espeak their voices
_CURRENCIES = {"€": "EUR", "$": "USD", "US$": "USD", "£": "GBP", "R$": "BRL"}
_FEMININE_CURRENCIES = ("GBP",)
_REAL = ("real", "reais", "centavo", "centavos")
_LARGE = 10**6  # from here on Romance languages say "of" before what is counted, where nothing follows the millions


@dataclass(frozen=True)
class _Manner:
    """How a language says what stands around its numbers."""

    months: str
    date: str
    comma: str
    point: str
    minus: str
    percent: str
    to: str  # in "10-20"
    of: str  # "un millón *de* euros"
    cents: str  # "cinco euros *con* veinte céntimos"
    ordinal: str  # a pattern: the mark behind an ordinal number
    hour: tuple[str, str]  # what "1 h" and "2 h" are called
    time: str
    full_hour: str
    masculine: dict[str, str] = field(default_factory=dict)  # patterns: the end of a number before a noun
    feminine: dict[str, str] = field(default_factory=dict)
    first: tuple[str, str] | None = None  # patterns: a mark, and what stands between it and the month: "the first of"


_MANNERS = {
    "es": _Manner(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "{day} de {month} de {year}", "coma", "punto", "menos", "por ciento", "a", "de", "con",
        r"\.?(?:er|[oaºª]s?)", ("hora", "horas"), "{hour} y {minute}", "{hour}",
        {r"veintiuno$": "veintiún", r"\buno$": "un"}, {r"uno$": "una"},
    ),
    "fr": _Manner(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "{day} {month} {year}", "virgule", "point", "moins", "pour cent", "à", "de", "et",
        r"(?:ers?|i?[eè]res?|res?|[eè]mes?|es?|nde?s?)", ("heure", "heures"), "{hour} {hours} {minute}",
        "{hour} {hours}", {}, {r"\bun$": "une"}, (r"(?:er)?", r"\s"),
    ),
    "it": _Manner(
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "{day} {month} {year}", "virgola", "punto", "meno", "per cento", "a", "di", "e",
        r"\.?[oaºª]", ("ora", "ore"), "{hour} e {minute}", "{hour}",
        {r"^uno$": "un"}, {r"^uno$": "una"}, (r"[oº°]?", r"\s"),
    ),
    "pt": _Manner(
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "{day} de {month} de {year}", "vírgula", "ponto", "menos", "por cento", "a", "de", "e",
        r"\.?[oaºª]s?", ("hora", "horas"), "{hour} e {minute}", "{hour} {hours}",
        {}, {r"\bum$": "uma", r"\bdois$": "duas"}, (r"[oº°]?", r"\sde\s"),
    ),
    "de": _Manner(
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "{day} {month} {year}", "Komma", "Punkt", "minus", "Prozent", "bis", "", "und",
        r"(?!)", ("Uhr", "Uhr"), "{hour} {hours} {minute}", "{hour} {hours}", {r"eins$": "ein"}, {r"eins$": "ein"},
    ),
}  # fmt: skip

_REPAIRS = {  # of what num2words says
    "es": ((r"veintiuno (?=mil)", "veintiún "), (r"\buno (?=mil)", "un "), (r"décimo(?=[ps])", "decimo")),
    "fr": ((r"(?<=t)sième", "ième"),),
    "fr_BE": ((r"quatre-vingt et un", "quatre-vingt-un"), (r"(?<=t)sième", "ième")),
    # Said the same, and not cut as a word of more than 40 letters.
    "it": ((r"(?<=\w{12}mila)(?=\w)", " "),),
    "de": ((r"(?<=\w{8}tausend)(?=\w{9})", " "),),
}

_GERMAN_WEAK = "am|ab|bis|seit|vom|zum|beim|im|dem|den|des|einem|einen|jedem|jeden"  # the ordinal behind it ends in -en
_GERMAN_ARTICLES = "der|die|das"  # in -e

# One pass over the text, the first that fits at a place. Each alternative looks ahead over a bounded stretch or takes
# what it has read, so that the time is linear.
_PATTERN = r"""
  (?P<iso>    (?<!\w) \d{{4}}-\d\d?-\d\d? (?:T(?=\d))? (?![\d-]) )
| (?P<date>   (?<!\w) \d\d?(?P<mark>[./-])\d\d?(?P=mark)\d{{4}} (?![\d-]) | (?<!\w) \d\d?/\d\d?/\d\d (?![\d/]) )
| (?P<german> {german} )
| (?P<first>  (?<!\w) 1 {first} )
| (?P<time>   (?<!\w) \d\d? (?: :\d\d (?:\s?(?:h|hs|horas?|Uhr)\b)? | \s?h\s?\d\d | {points} | \s?(?:{hours})\b )
              (?![\w:]) )
| (?P<rank>   (?<!\w) [1-9]\d{{0,2}} {ordinal} (?!\w) )
| (?P<phone>  (?<!\w) (?:\+\d{{1,4}}|0\d{{1,4}}) (?:[ -]\d{{2,4}}){{2,5}} (?!\d) )
| (?P<range>  (?<![\w.,:/-]) [1-9]\d{{0,3}} - (?=(?P<upper>[1-9]\d{{0,3}})(?![\w-])) )
| (?P<number> (?P<minus>(?<![\w)-])-)? (?:(?P<before>(?:R|US)?\$|[€£])\s?)?
              (?P<value> \d{{1,3}}(?:\.\d{{3}}){{1,6}}+(?:,\d++)?(?![.,]?\d)
                       | \d{{1,3}}(?:,\d{{3}}){{1,6}}+\.\d++(?![.,]?\d) | \d{{1,3}}(?:,\d{{3}}){{2,6}}+(?![.,]?\d)
                       | \d{{1,3}}(?:[ ']\d{{3}}){{1,6}}+(?:,\d++)?(?!\d)
                       | \d++(?:\.\d++){{2,}}+ | \d++(?:[.,]\d++)? )
              (?:\s?(?P<after>%|(?:R|US)?\$|[€£]))? )
| (?P<sign>   [€£] )
"""


def read_numbers(text: str, language: str, sub: Callable = re.Pattern.sub) -> str:
    """`text` with its numbers in words, where the language ("es", "fr-ch", "pt-br"...) is es, fr, it, pt or de.

    Known are whole numbers, decimals, percent, ordinals by their marks (1º, 1.ª, 1er, "am 3. Mai"), ranges, dates
    (3/4/2024 is the third of April, 2024-04-03), times (14:30, 14h30), telephone numbers and sums of money. All else,
    and any other language, stays as it is. Takes every string, in linear time. `sub(pattern, replacement, text)` is how
    the one rule is applied, as in `english.read_aloud`.
    """
    tag = language.lower()
    base = tag.split("-")[0]
    if base not in _MANNERS:
        return text
    return sub(_pattern(base), _Reader(base, _REGIONS.get(tag, base)).say, text)


@functools.cache
def _pattern(base: str) -> re.Pattern:
    manner = _MANNERS[base]
    months = f"(?:{'|'.join(manner.months.split())})(?!\\w)"
    nothing = "(?!)"
    mark, between = manner.first or ("", nothing)
    before = f"(?:{_GERMAN_WEAK}|{_GERMAN_ARTICLES})\\s"
    german = rf"(?<!\w)(?:{before})?[1-9]\d?\.(?=\s?{months}) | (?<!\w){before}[1-9]\d?\.(?=\s(?-i:[A-ZÄÖÜ]))"
    italian = r"(?:(?<=\bore\ \d)|(?<=\bore\ \d\d)|(?<=\balle\ \d)|(?<=\balle\ \d\d))\.\d\d"
    pattern = _PATTERN.format(
        german=german if base == "de" else nothing,
        first=f"{mark}(?={between}{months})",
        points={"de": r"\.\d\d\s?Uhr", "it": italian}.get(base, nothing),
        hours={"de": "Uhr", "it": nothing}.get(base, "h"),
        ordinal=manner.ordinal,
    )
    return re.compile(pattern, re.X | re.I)


@functools.lru_cache(4096)
def _library_words(number: int, library: str, form: str = "cardinal") -> str:
    words = num2words(number, lang=library, to=form).replace(",", "")
    for wrong, right in _REPAIRS.get(library, ()):
        words = re.sub(wrong, right, words)
    return words


class _Reader:
    """Reads in one language; `library` is num2words' name of it. The methods are named after the pattern's groups."""

    def __init__(self, base: str, library: str) -> None:
        self.base, self.library, self.manner = base, library, _MANNERS[base]

    def say(self, match: re.Match) -> str:
        words = getattr(self, f"_{match.lastgroup}")(match)
        start, end = match.span()  # R2D2: words stand apart from letters
        before = " " if match.string[max(0, start - 1) : start].isalnum() else ""
        after = " " if words[-1].isalnum() and match.string[end : end + 1].isalnum() else ""
        return f"{before}{words}{after}"

    # Words

    def _digits(self, digits: str) -> str:
        return " ".join(_library_words(int(digit), self.library) for digit in digits)

    def _cardinal(self, digits: str, endings: dict[str, str] | None = None) -> str:
        if len(digits) > LONGEST or (len(digits) > 1 and int(digits[0]) == 0):
            return self._digits(digits)
        words = _library_words(int(digits), self.library)
        for end, instead in (endings or {}).items():
            words = re.sub(end, instead, words)
        return words

    def _whole(self, digits: str) -> str:
        """A number without marks: in German "neunzehnhundert" for what may be a year."""
        if self.base == "de" and len(digits) == 4 and 1100 <= int(digits) <= 1999:
            return _library_words(int(digits), self.library, "year")
        return self._cardinal(digits)

    def _pieces(self, text: str) -> str:
        """What looked like a date or a time and is none."""
        text = re.sub(r"(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])", " ", text)
        return re.sub(r"\d+", lambda match: self._whole(match[0]), text)

    # Dates and times

    def _iso(self, match: re.Match) -> str:
        year, month, day = re.findall(r"\d+", match[0])
        return self._day(match, day, month, year) + (" " if match[0][-1] in "Tt" else "")

    def _date(self, match: re.Match) -> str:
        return self._day(match, *re.findall(r"\d+", match[0]))

    def _day(self, match: re.Match, day: str, month: str, year: str) -> str:
        if not (1 <= int(day) <= 31 and 1 <= int(month) <= 12):
            return self._pieces(match[0])
        words = _library_words(int(day), self.library)
        if self.base == "de":
            words = self._german_ordinal(int(day), match.string[max(0, match.start() - 20) : match.start()])
        elif int(day) == 1 and self.manner.first:
            words = _library_words(1, self.library, "ordinal")
        month = self.manner.months.split()[int(month) - 1]
        return self.manner.date.format(day=words, month=month, year=self._whole(year.lstrip("0") or "0"))

    def _first(self, match: re.Match) -> str:
        return _library_words(1, self.library, "ordinal")

    def _german(self, match: re.Match) -> str:
        before, day = re.fullmatch(r"(\D*)(\d+)\.", match[0]).groups()
        return before + self._german_ordinal(int(day), before)

    def _german_ordinal(self, number: int, before: str) -> str:
        ending = "r"
        if re.search(rf"\b(?:{_GERMAN_WEAK})\s$", before, re.I):
            ending = "n"
        elif re.search(rf"\b(?:{_GERMAN_ARTICLES})\s$", before, re.I):
            ending = ""
        return _library_words(number, self.library, "ordinal") + ending

    def _time(self, match: re.Match) -> str:
        hour, minute = [*(int(part) for part in re.findall(r"\d+", match[0])), None][:2]
        if hour > 24 or (minute or 0) > 59:
            return self._pieces(match[0])
        one, many = self.manner.hour
        said = {
            "hour": self._cardinal(str(hour), self.manner.feminine),
            "hours": one if hour == 1 else many,
            "minute": _library_words(minute or 0, self.library),
        }
        if minute is None:  # "2 h"
            return "{hour} {hours}".format(**said)
        return (self.manner.time if minute else self.manner.full_hour).format(**said)

    # Numbers

    def _rank(self, match: re.Match) -> str:
        digits, mark = re.fullmatch(r"(\d+)\.?(\w+)", match[0].lower()).groups()
        words = _library_words(int(digits), self.library, "ordinal")
        if self.base == "fr":
            if mark.startswith("nd"):
                return "seconde" if "e" in mark else "second"
            return "première" if digits == "1" and "r" in mark and not mark.startswith("er") else words
        if mark == "er":
            return re.sub(r"(primer|tercer)o$", r"\1", words)
        if mark[0] in "aª":
            words = re.sub(r"o\b", "a", words)
        return words + ("s" if mark.endswith("s") else "")

    def _phone(self, match: re.Match) -> str:
        groups = re.findall(r"\d+", match[0])
        return ", ".join(self._cardinal(group) if len(group) == 2 else self._digits(group) for group in groups)

    def _range(self, match: re.Match) -> str:
        lower = match[0].rstrip("-")
        link = f" {self.manner.to} " if int(lower) < int(match["upper"]) else "-"  # not for results: "3-1"
        return self._whole(lower) + link

    def _number(self, match: re.Match) -> str:
        whole, fraction, mark = _parts(match["value"])
        before, after = match["before"] or "", match["after"] or ""
        currency = _CURRENCIES.get((before or after).upper())
        if currency:
            words = self._money(whole, fraction, mark, currency)
        elif "." in whole:  # 3.11.7
            words = f" {self.manner.point} ".join(self._cardinal(part) for part in whole.split("."))
        else:
            words = self._decimal(whole, fraction, mark) if whole != match["value"] else self._whole(whole)
        if match["minus"]:
            words = f"{self.manner.minus} {words}"
        if after == "%":
            words += f" {self.manner.percent}"
        return f"{words} {after}" if before and after and after != "%" else words

    def _decimal(self, whole: str, fraction: str, mark: str) -> str:
        words = self._cardinal(whole)
        if not fraction:
            return words
        if self.base != "de" and len(fraction) == 2 and int(fraction[0]):
            said = self._cardinal(fraction)
        else:
            said = self._digits(fraction)
        return f"{words} {self.manner.comma if mark == ',' else self.manner.point} {said}"

    def _money(self, whole: str, fraction: str, mark: str, currency: str) -> str:
        names = self._names(currency)
        whole = whole.replace(".", "").lstrip("0") or "0"
        if fraction and len(fraction) != 2:
            return f"{self._decimal(whole, fraction, mark)} {names[1]}"
        endings = self.manner.feminine if currency in _FEMININE_CURRENCIES else self.manner.masculine
        cents = int(fraction or 0)
        said = []
        if int(whole[:1]) or not cents:
            of = ""
            if self.manner.of and len(whole) <= LONGEST and int(whole) >= _LARGE and int(whole) % _LARGE == 0:
                of = "d'" if self.base == "fr" and names[1][0] in "aeiou" else f"{self.manner.of} "
            said.append(f"{self._cardinal(whole, endings)} {of}{names[whole != '1']}")
        if cents:
            said.append(f"{self._cardinal(str(cents), self.manner.masculine)} {names[2 + (cents != 1)]}")
        return f" {self.manner.cents} ".join(said)

    def _sign(self, match: re.Match) -> str:
        return self._names(_CURRENCIES[match[0]])[1]

    def _names(self, currency: str) -> tuple[str, str, str, str]:
        """One and many of a currency, one and many of its hundredth part."""
        if currency == "BRL":
            return _REAL
        units, cents = CONVERTER_CLASSES[self.library].CURRENCY_FORMS[currency]
        return (*units[:2], *(_REAL[2:] if self.library == "pt_BR" and currency == "USD" else cents[:2]))


def _parts(value: str) -> tuple[str, str, str]:
    """Whole part, decimals and decimal mark of a number with marks: of three digits each, or one before decimals."""
    marks = re.findall(r"\D", value)
    if not marks:
        return value, "", ""
    mark = marks[-1]
    head, _, tail = value.rpartition(mark)
    thousands = mark == "." and len(tail) == 3 and "," not in head and not head.startswith("0")
    if marks.count(mark) == 1 and mark in ",." and not thousands:
        return re.sub(r"\D", "", head), tail, mark
    if mark == "." and not re.fullmatch(r"\d{1,3}(?:\.\d{3})+", value):
        return value, "", ""  # a version: 3.11.7
    return re.sub(r"\D", "", value), "", ""
