"""The parser of directions inside a text: tokens in, pieces of text and cues out, in one pass with one stack."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass

from emotalk.emotion.space import NAMED_EMOTIONS, named_emotion
from emotalk.speech import direction_ssml as ssml
from emotalk.speech.direction_cues import Cue, Emphasis, Mood, MoodEnd, Pause, Prosody, check_count
from emotalk.speech.direction_emoji import EMOJI, feeling
from emotalk.speech.direction_sentences import Emoji, Markup
from emotalk.speech.text import BREAKING_TAGS, TAGS

MAX_REMARKS = 5
MAX_STRESS = 80
"""Characters that one pair of stars stresses at most."""

_STARS_LEVEL = ssml.EMPHASIS["strong"]
_TOKEN = re.compile(
    rf"(?P<escape>\\[\[\]*<>])|(?P<tag>{TAGS.pattern}|{BREAKING_TAGS.pattern})|(?P<bracket>\[[^\[\]\n]{{0,80}}\])"
    rf"|(?P<star>\*+)|(?P<emoji>{EMOJI})",
    re.I | re.S,
)
_ESCAPED = {"<": "&lt;", ">": "&gt;"}  # as the cleaner reads them; the rest as it is
_NAME = re.compile(r"<(/?)([a-z][\w:.-]*)", re.I)
_ATTRIBUTE = re.compile(r"""\s([\w:.-]{1,40})\s?=\s?(?:"([^"<>]*)"|'([^'<>]*)'|([^\s"'<>]+))""")
_NUMBER = r"[+-]?(?:\d{1,3}(?:\.\d{1,9})?|\.\d{1,9})"
_POINT = re.compile(rf"({_NUMBER})\s*[,;]\s*({_NUMBER})")
_STRENGTH = re.compile(rf"([a-z]+)\s+({_NUMBER})(\s?%)?")
_LIKE_A_DIRECTION = re.compile(r"/?\s?[^\W\d_]{2,}(?:[\s.-][^\W_]+){0,2}")
_HOW_TO = "Directions look like this: [happy], [0.5,-0.2], [/], [pause 0.5], *stress*."


@dataclass(frozen=True)
class _Open:
    """What is open: stress, a tag of SSML."""

    name: str
    first: int  # the piece that it begins with
    alias: str = ""  # what `sub` is said as


class Parser:
    """Tokens of one text to its pieces, in a single pass; what is open lies on a stack."""

    def __init__(self, text: str, language: str) -> None:
        self.remarks: list[str] = []
        self._text, self._language = text, language
        self._pieces: list[str | Markup | Emoji | Cue] = []
        self._plain: list[str] = []  # text since the last piece
        self._open: list[_Open] = []
        self._open_names: Counter[str] = Counter()
        self._levels: list[float | None] = [None]
        self._prosody = [Prosody(1.0, 1.0)]
        self._say_as: list[dict[str, str] | None] = [None]
        self._in_mood = False
        self._cues = 0

    def pieces(self) -> list[str | Markup | Emoji | Cue]:
        """The whole text in order."""
        tokens = list(_TOKEN.finditer(self._text))
        stars = _paired_stars(self._text, [token for token in tokens if token.lastgroup == "star"])
        read = 0
        for token in tokens:
            self._plain.append(self._text[read : token.start()])
            read = token.end()
            match token.lastgroup:
                case "escape":
                    self._plain.append(_ESCAPED.get(token[0][1], token[0][1]))
                case "tag":
                    self._tag(token[0])
                case "bracket":
                    self._bracket(token[0], self._text[read : read + 1])
                case "star":
                    self._star(token[0], stars.get(token.start()))
                case "emoji":
                    self._emoji(token[0])
        self._plain.append(self._text[read:])
        while self._open:
            self._close_last(at_end=True)
        self._flush()
        return self._pieces

    # Pieces

    def _flush(self) -> None:
        text = "".join(self._plain)
        self._plain.clear()
        if text and (attributes := self._say_as[-1]):
            text = ssml.say_as(text, attributes, self._language)
        if text:
            self._pieces.append(text)

    def _put(self, piece: Markup | Emoji | Cue) -> None:
        self._flush()
        self._pieces.append(piece)
        if isinstance(piece, Cue):
            self._cues += 1
            check_count(self._cues)

    def _remark(self, tag: str, sentence: str) -> None:
        shown = "".join(c if c.isprintable() else " " for c in tag)
        shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
        remark = f"{shown} {sentence}"
        if len(self.remarks) < MAX_REMARKS and remark not in self.remarks:
            self.remarks.append(remark)

    # Stars, emoji, brackets

    def _star(self, stars: str, opens: bool | None) -> None:
        if opens is None:
            self._plain.append(stars)
        elif opens:
            self._push("*")
            self._levels.append(_STARS_LEVEL)
            self._put(Emphasis(_STARS_LEVEL))
        else:
            self._close("*")

    def _emoji(self, emoji: str) -> None:
        point = feeling(emoji)
        if point is None:
            self._plain.append(emoji)
        else:
            self._put(Emoji(emoji, point))

    def _bracket(self, written: str, after: str) -> None:
        inner = " ".join(written[1:-1].lower().split())
        if inner.startswith("/"):
            name = inner[1:].strip()
            if name in NAMED_EMOTIONS or name in ("", "pause", "mood") or _POINT.fullmatch(name):
                if self._in_mood and name != "pause":
                    self._in_mood = False
                    self._put(MoodEnd())
                return
        elif inner == "pause" or inner.startswith("pause "):
            seconds = ssml.seconds(inner[5:]) if inner != "pause" else ssml.DEFAULT_PAUSE
            if seconds is not None:
                self._pause(written, seconds)
                return
        elif (mood := _mood(inner)) is not None:
            self._in_mood = True
            self._put(mood)
            return
        self._plain.append(written)
        if after != "(":  # [words](link) is no direction
            self._remark_bracket(written, inner)

    def _remark_bracket(self, written: str, inner: str) -> None:
        if point := _POINT.fullmatch(inner):
            if not (point[1].strip("0").isdigit() and point[2].strip("0").isdigit()):  # [12, 14] is a footnote
                self._remark(written, "is read aloud as text: valence and arousal lie between -1 and 1.")
        elif _STRENGTH.fullmatch(inner) and inner.split()[0] in NAMED_EMOTIONS:
            self._remark(written, "is read aloud as text: how strong a mood is lies between 0 and 1.")
        elif inner.startswith("pause "):
            self._remark(written, "is read aloud as text: a pause is [pause], [pause 0.5] or [pause 500ms].")
        elif len(inner) <= 30 and _LIKE_A_DIRECTION.fullmatch(inner):
            near = difflib.get_close_matches(inner.lstrip("/ "), [*NAMED_EMOTIONS, "pause"], 1, 0.7)
            hint = f"Did you mean [{near[0]}]?" if near else _HOW_TO
            self._remark(written, f"is read aloud as text. {hint}")

    def _pause(self, written: str, seconds: float) -> None:
        if seconds > ssml.MAX_PAUSE:
            self._remark(written, f"is taken as {ssml.MAX_PAUSE:.0f} seconds, the longest pause there is.")
        self._put(Pause(min(seconds, ssml.MAX_PAUSE)))

    # Tags

    def _tag(self, written: str) -> None:
        found = _NAME.match(written)
        name = found[2].lower() if found else ""
        if found and found[1]:
            self._end_tag(written, name)
            return
        attributes = {key.lower(): a or b or c for key, a, b, c in _ATTRIBUTE.findall(written)}
        empty = written.endswith("/>")
        match name:
            case "speak":
                self._plain.append(" ")
            case "break":
                seconds = ssml.break_seconds(attributes)
                if seconds is None:
                    self._remark(written, 'is taken as half a second. Times are written as "500ms" or "0.5s".')
                self._pause(written, ssml.DEFAULT_PAUSE if seconds is None else seconds)
            case "emphasis" if not empty:
                self._begin_emphasis(written, attributes)
            case "prosody" if not empty:
                self._begin_prosody(written, attributes)
            case "say-as" if not empty:
                self._begin_say_as(written, attributes)
            case "sub" if not empty:
                self._flush()
                self._push("sub", "" if self._open_names["sub"] else attributes.get("alias", ""))
            case "sub":
                self._plain.append(attributes.get("alias", ""))
            case "emphasis" | "prosody" | "say-as":
                pass  # nothing is inside
            case _:
                self._put(Markup(written, name))
                if name and name not in ssml.HTML_NAMES:
                    self._remark(
                        written,
                        "is not known here and left out; what stands inside is said. Of SSML these are: break, "
                        "emphasis, prosody, say-as, sub, p, s.",
                    )

    def _end_tag(self, written: str, name: str) -> None:
        if name == "speak":
            self._plain.append(" ")
        elif name == "sub" and not self._open_names["sub"]:
            self._put(Markup(written, name))
        elif name in ("emphasis", "prosody", "say-as", "sub"):
            self._close(name)
        elif name != "break":
            self._put(Markup(written, name))

    def _begin_emphasis(self, written: str, attributes: dict[str, str]) -> None:
        asked = attributes.get("level", "moderate").strip().lower()
        if asked not in ssml.EMPHASIS:
            self._remark(written, f"is taken as moderate. Levels are {', '.join(ssml.EMPHASIS)}.")
        level = ssml.EMPHASIS.get(asked, ssml.EMPHASIS["moderate"])
        self._push("emphasis")
        self._levels.append(level)
        self._put(Emphasis(level))

    def _begin_prosody(self, written: str, attributes: dict[str, str]) -> None:
        outer = self._prosody[-1]
        rate = ssml.rate_factor(attributes.get("rate", "medium"))
        pitch = ssml.pitch_factor(attributes.get("pitch", "medium"))
        if rate is None:
            self._remark(written, 'keeps its rate: one is written as "slow", "80%", "+20%" or "1.2".')
        if pitch is None:
            self._remark(written, 'keeps its pitch: one is written as "high", "+10%", "+2st" or "1.2", not in Hz.')
        if others := sorted(set(attributes) - {"rate", "pitch"}):
            self._remark(written, f"changes rate and pitch only, not {', '.join(others)[:60]}.")
        self._push("prosody")
        self._prosody.append(
            Prosody(
                ssml.within(outer.rate * (rate or 1.0), ssml.RATES),
                ssml.within(outer.pitch * (pitch or 1.0), ssml.PITCHES),
            )
        )
        self._put(self._prosody[-1])

    def _begin_say_as(self, written: str, attributes: dict[str, str]) -> None:
        self._flush()
        known = attributes.get("interpret-as", "").strip().lower() in ssml.SAY_AS
        if not known:
            self._remark(written, f"is said as it is written. Kinds are {', '.join(ssml.SAY_AS)}.")
        self._push("say-as")
        self._say_as.append(attributes if known else None)

    # The stack

    def _push(self, name: str, alias: str = "") -> None:
        self._open.append(_Open(name, len(self._pieces), alias))
        self._open_names[name] += 1

    def _close(self, name: str) -> None:
        """End what is open under a name, and with it all that was opened since; nothing where it is not open."""
        if self._open_names[name]:
            while self._close_last() != name:
                pass

    def _close_last(self, at_end: bool = False) -> str:
        self._flush()
        last = self._open.pop()
        self._open_names[last.name] -= 1
        match last.name:
            case "*" | "emphasis":
                self._levels.pop()
                self._put(Emphasis(self._levels[-1]))
            case "prosody":
                self._prosody.pop()
                self._put(self._prosody[-1])
            case "say-as":
                self._say_as.pop()
            case "sub" if last.alias and not at_end:  # a tag that is never closed must not take the rest of the text
                cues = [piece for piece in self._pieces[last.first :] if isinstance(piece, Cue)]
                self._pieces[last.first :] = [last.alias, *cues]
        return last.name


def _mood(inner: str) -> Mood | None:
    """The mood that the inside of a bracket names, by name, by name and strength, or by two numbers."""
    if inner in NAMED_EMOTIONS:
        return Mood(*NAMED_EMOTIONS[inner])
    if point := _POINT.fullmatch(inner):
        valence, arousal = float(point[1]), float(point[2])
        return Mood(valence, arousal) if abs(valence) <= 1 and abs(arousal) <= 1 else None
    if (named := _STRENGTH.fullmatch(inner)) and named[1] in NAMED_EMOTIONS:
        strength = float(named[2]) / (100 if named[3] else 1)
        return Mood(*named_emotion(named[1], strength)) if 0 <= strength <= 1 else None
    return None


def _paired_stars(text: str, stars: list[re.Match]) -> dict[int, bool]:
    """Offset -> whether it opens (else closes), of the single stars that stand around a word or a short phrase."""
    paired: dict[int, bool] = {}
    opening: int | None = None
    for star in stars:
        if len(star[0]) != 1:
            continue
        before, after = text[star.start() - 1 : star.start()] or " ", text[star.end() : star.end() + 1] or " "
        if (
            opening is not None
            and not before.isspace()
            and not _in_word(after)
            and star.start() - opening <= MAX_STRESS
        ):
            inside = text[opening + 1 : star.start()]
            if "\n" not in inside and any(character.isalnum() for character in inside):
                paired[opening], paired[star.start()] = True, False
                opening = None
                continue
        if not after.isspace() and not _in_word(before):
            opening = star.start()
    return paired


def _in_word(character: str) -> bool:
    """A letter or digit of a script that puts spaces between words: 2*3 stresses nothing."""
    return character.isalnum() and character < "\u2e80"
