"""What a folder of films says of itself: `corpus.json`, and `clips.csv` where single films differ.

corpus.json    {"name": ..., "source": ..., "licence": ..., "attribution": ..., "consent": ..., "weights": "any",
                "speaker": "^([^/]+)/", "mood": "_([A-Z]{3})_", "moods": {"HAP": "happy"}, "include": ["*/front/*"]}
clips.csv      file,speaker,mood,valence,arousal,licence,consent,weights,use     (file and any of the others)
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from emotalk.core.checks import check_number
from emotalk.core.errors import EmotalkError, InputError
from emotalk.emotion import named_emotion
from emotalk.learning.corpus import USES, Terms, narrowest

DESCRIPTION, CLIPS = "corpus.json", "clips.csv"
VIDEOS = frozenset({".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".flv", ".mpg", ".mpeg"})
COLUMNS = ("file", "speaker", "mood", "valence", "arousal", "licence", "consent", "weights", "use")
_TERMS = ("name", "source", "licence", "attribution", "consent", "weights")
_RULES = ("speaker", "mood", "moods", "include")
_TOLD = 20


@dataclass(frozen=True)
class Film:
    """A film that may be learned from."""

    name: str  # its path below the folder
    path: Path
    speaker: str
    emotion: tuple[float, float]  # valence and arousal of all of it, (0, 0) where unknown
    licence: str
    consent: str
    weights: str  # one of USES


def read_corpus(folder: Path) -> tuple[Terms, list[Film]]:
    """The terms of a corpus and its films by name, without those whose people have not agreed (`use` is "no").

    Raises InputError that tells everything wrong with the descriptions, and where there is no film.
    """
    table = _description(folder / DESCRIPTION)
    terms = Terms(**{name: table.get(name) for name in _TERMS})
    rules = _Rules(table)
    single = _clips(folder / CLIPS)
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _is_film(path, folder)}
    films, wrong = [], [f"{CLIPS} names {name}, which is not there" for name in single if name not in paths]
    for name, path in sorted(paths.items()):
        own = single.get(name, {})
        if own.get("use") == "no" or not rules.include(name):
            continue
        try:
            films.append(_film(name, path, terms, rules, own))
        except EmotalkError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        more = [f"... and {len(wrong) - _TOLD:,} more."] if len(wrong) > _TOLD else []
        raise InputError("\n".join([f"{folder} is not described as it must be.", *wrong[:_TOLD], *more]))
    if not films:
        raise InputError(f"{folder} holds no film that may be learned from ({', '.join(sorted(VIDEOS))}).")
    return terms, films


def _is_film(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in VIDEOS and not hidden and path.is_file()


def _description(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is missing: whose films these are, under which licence, and what the people in them agreed to. "
            "docs/corpus.md shows one."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); write it as docs/corpus.md shows.") from error
    if not isinstance(table, dict):
        raise InputError(f"{path} must hold one object with {', '.join(_TERMS)}.")
    if foreign := sorted(table.keys() - {*_TERMS, *_RULES}):
        raise InputError(f"{path} has {foreign[0]!r:.60}, which nothing is known of; it may have {', '.join(_RULES)}.")
    return table


class _Rules:
    """How names of films tell who speaks in which mood."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._speaker = _pattern("speaker", table.get("speaker", r"^([^/]+)/"))
        self._mood = _pattern("mood", table["mood"]) if "mood" in table else None
        self._moods, self._include = table.get("moods", {}), table.get("include", ["*"])
        if not isinstance(self._moods, dict) or not isinstance(self._include, list):
            raise InputError("'moods' must be a table of names and 'include' a list of patterns.")

    def include(self, name: str) -> bool:
        """Whether a film is one of those that are wanted."""
        return any(fnmatchcase(name, str(pattern)) for pattern in self._include)

    def speaker(self, name: str) -> str:
        """Who speaks in a film; InputError where its name does not say."""
        found = self._speaker.search(name)
        if found is None:
            raise InputError("its name does not say who speaks; mend 'speaker', or name them in clips.csv")
        return found[1]

    def emotion(self, name: str) -> tuple[float, float]:
        """Valence and arousal of a film, (0, 0) where its name says none."""
        found = self._mood.search(name) if self._mood is not None else None
        return named_emotion(str(self._moods.get(found[1], found[1]))) if found is not None else (0.0, 0.0)


def _pattern(name: str, text: Any) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except (re.error, TypeError) as error:
        raise InputError(f"{name!r} must be a regular expression, found {text!r:.60} ({error}).") from error
    if pattern.groups != 1:
        raise InputError(f"{name!r} must have one group, which is the {name}, found {text!r:.60}.")
    return pattern


def _clips(path: Path) -> dict[str, dict[str, str]]:
    """The rows of clips.csv by file, without what they leave empty."""
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns: Sequence[str] = reader.fieldnames or ()
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}); save it as CSV in UTF-8.") from error
    if "file" not in columns or set(columns) - set(COLUMNS):
        raise InputError(
            f"{path} must have the column file and may have {', '.join(COLUMNS[1:])}; found {', '.join(columns)[:200]}."
        )
    if any(None in row or None in row.values() for row in rows):
        raise InputError(f"{path} has a row with more or fewer cells than its head.")
    return {row["file"]: {name: value.strip() for name, value in row.items() if value.strip()} for row in rows}


def _film(name: str, path: Path, terms: Terms, rules: _Rules, own: Mapping[str, str]) -> Film:
    if own.get("use", "yes") not in ("yes", "no"):
        raise InputError(f"use must be yes or no, found {own['use']!r:.40}")
    uses = own.get("weights", terms.weights)
    if uses not in USES:
        raise InputError(f"weights must be one of {', '.join(USES)}, found {uses!r:.40}")
    emotion = named_emotion(own["mood"]) if "mood" in own else rules.emotion(name)
    if "valence" in own or "arousal" in own:
        emotion = tuple(_number(column, own.get(column, "0")) for column in ("valence", "arousal"))
    speaker = own["speaker"] if "speaker" in own else rules.speaker(name)
    # A single film may be freer or narrower in words, but no freer in use than the whole.
    return Film(
        name, path, speaker, emotion, own.get("licence", terms.licence), own.get("consent", terms.consent),
        narrowest([uses, terms.weights]),
    )  # fmt: skip


def _number(column: str, text: str) -> float:
    try:
        return check_number(column, float(text), -1, 1)
    except ValueError as error:
        raise InputError(f"{column} must be a number from -1 to 1, found {text!r:.40}") from error
