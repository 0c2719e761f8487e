"""Options in plain words: `--voice TEXT` instead of `--voice {None}|STR`."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro

_WORDS = {str: "TEXT", Path: "FILE", int: "NUMBER", float: "NUMBER"}
"""What stands for a value of a type."""


def plain(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """The same command, its options so described where it does not say itself how; returns it."""
    hints = typing.get_type_hints(command, include_extras=True)
    command.__annotations__ = {name: _described(hint) for name, hint in hints.items()}
    return command


def _described(hint: Any) -> Any:
    if typing.get_origin(hint) is Annotated:  # it describes itself, or is a word without an option's name
        return Annotated[hint, tyro.conf.arg(metavar="NAME")] if typing.get_args(hint)[0] is str else hint
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        choices = "{" + ",".join(map(str, typing.get_args(parts[0]))) + "}"
        word = choices if typing.get_origin(parts[0]) is typing.Literal else _WORDS.get(parts[0])
        if len(parts) == 1 and word:  # what is left out has no value worth telling
            return Annotated[hint, tyro.conf.arg(metavar=word, help_behavior_hint="")]
    return Annotated[hint, tyro.conf.arg(metavar=_WORDS[hint])] if hint in (str, int, float) else hint
