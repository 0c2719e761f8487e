"""What a job can be: the kinds, the options of each, how they are checked and how they are made.

Options are called as those of the command of the same name, with underscores. Each kind hands them to the function
behind that command; what is left out is what that function takes by default.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotalk.core.errors import InputError

Options = Mapping[str, Any]
"""Options by name; those that name files name local ones."""


@dataclass(frozen=True)
class Option:
    """One option: the types that JSON may give it, in words, and the file that its value names, if it does."""

    types: tuple[type, ...]
    words: str
    file: Callable[[str], tuple[str, str] | None] = lambda value: None  # (what stands in front of the name, the name)
    large: bool = False  # a file that is not looked into before its job begins

    def check(self, name: str, value: Any) -> None:
        """Raise InputError for a value of another type."""
        right = isinstance(value, self.types) and not (isinstance(value, bool) and bool not in self.types)
        if not right:
            raise InputError(f"{name!r} must be {self.words}, found {value!r:.60}.")


def _always(value: str) -> tuple[str, str]:
    return "", value


def _with_ending(*endings: str) -> Callable[[str], tuple[str, str] | None]:
    return lambda value: ("", value) if value.lower().endswith(endings) else None


def _picture(value: str) -> tuple[str, str] | None:
    """The picture in what somebody wrote as the background (`talk.typed.typed_background`)."""
    if value in ("transparent", "blur", "blur:") or value.startswith("#"):
        return None
    front = "blur:" if value.startswith("blur:") else ""
    return front, value.removeprefix(front)


def _folder(value: str) -> tuple[str, str] | None:
    """The folder that somebody wrote as a model, where it is one and no address on the Hub; `speech.encoders` knows the
    shipped encoder by that word, and is not loaded for it."""
    return ("", value) if value != "embedded" and os.path.isdir(value) else None


TEXT = Option((str,), "a text")
NUMBER = Option((int, float), "a number")
WHOLE = Option((int,), "a whole number")
TRUTH = Option((bool,), "true or false")
MEDIA = Option((str,), "the name of a file", _always, large=True)
SCRIPT = Option((str,), "the name of a file", _always)
WORDS = Option((str,), "a text, or the name of a .txt file", _with_ending(".txt"))
MOOD = Option((str,), "a mood, or the name of a .json or .csv file", _with_ending(".json", ".csv"))
MODEL = Option((str,), "a folder or an address on the Hub", _folder)
BACKGROUND = Option((str,), "a colour, a picture, blur or transparent", _picture)


KEPT_STUDIOS = 2
"""Sets of models, with the avatars that they were used for, in one worker; others are loaded anew."""


@dataclass
class Desk:
    """What a checker or a worker has at hand between jobs: models that were loaded once."""

    kept: dict[str, Any] = field(default_factory=dict)
    studios: dict[tuple, Any] = field(default_factory=dict)  # the one used last at the end

    def keep(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` made for that name, now or earlier."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def studio(
        self, device: str, named: tuple[str | None, ...] = (), models: Callable[[], dict[str, Any]] = dict
    ) -> Any:
        """The `talk.Studio` for a device, with the `models` of these names as it takes them; the shipped ones by
        default. `KEPT_STUDIOS` stay."""
        # Imported here: torch with the first job that needs it.
        from emotalk.talk.studio import Studio

        key = device, *named
        studio = self.studios.pop(key, None) or Studio(folders=True, device=device, **models())
        self.studios[key] = studio
        while len(self.studios) > KEPT_STUDIOS:
            self.studios.pop(next(iter(self.studios)))
        return studio


@dataclass(frozen=True)
class Checked:
    """What a check found: a name for the result where nobody gives one, folders that it depends on (avatars, models),
    and the ids of the voices that will speak, also where the job names none."""

    name: str
    folders: tuple[Path, ...] = ()
    voices: tuple[str, ...] = ()


LONGEST = 12 * 3600.0
"""Seconds of a job at most: a recording of an hour takes one or two, a fit of the longest kind some three."""


@dataclass(frozen=True)
class Kind:
    """One kind of job. `check(desk, options)` raises EmotalkError for what cannot be made, without long work.
    `make(desk, options, result, work)` fills the empty folder `result` and returns what there is to tell, as JSON
    knows it; `work` is where a kind that `resumes` finds what an earlier run left. What takes longer than `seconds` is
    taken for hung, unless the user says how long a job may take."""

    options: Mapping[str, Option]
    check: Callable[[Desk, Options], Checked]
    make: Callable[[Desk, Options, Path, Path], dict[str, Any]]
    needed: tuple[str, ...] = ()
    resumes: bool = False
    seconds: float = LONGEST


TABLE = "emotalk.batch.kinds:known_kinds"
"""The function that gives the kinds, as workers are told it."""


def known_kinds() -> dict[str, Kind]:
    """The kinds by name."""
    # Imported here: a list with a mistake in its JSON is refused before any of these is loaded.
    from emotalk.batch import faces, talks

    return {**talks.KINDS, **faces.KINDS}


def kinds_of(table: str) -> dict[str, Kind]:
    """The kinds that a function "module:name" gives."""
    module, _, name = table.partition(":")
    return getattr(importlib.import_module(module), name)()
