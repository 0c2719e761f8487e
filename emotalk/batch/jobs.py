"""The list of jobs: a file with a JSON object a line, all of them checked before anything is made.

{"kind": "talk", "out": "fr/lesson-3", "text": "Bonjour !", "avatar": "elena", "size": 256}
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from emotalk.batch.files import fetch, is_address, local_path, plain_name, state_of
from emotalk.batch.kinds import LONGEST, Desk, Kind, known_kinds
from emotalk.batch.names import Taken, checked_out
from emotalk.core.errors import EmotalkError, InputError

MOST_JOBS = 200_000
"""Lines of a list; more are several lists."""
LONGEST_LINE = 4 << 20
"""Bytes of a line: a text as long as is read aloud at once, in any script."""
_TOLD = 20
"""Bad lines that are told one by one."""
_DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Job:
    """One line that can be done. `options` are as they were written; `inputs` say of those that name a file what
    stands in front of the name, and the absolute path or the address. `folders` are avatars and models that it depends
    on, `voices` the ids of those that will speak. `seconds` is how long one of its kind takes at most."""

    line: int  # of the list, from 1
    kind: str
    out: str  # where its result goes, as `names.checked_out` allows it
    options: dict[str, Any]
    inputs: dict[str, tuple[str, str]] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    voices: tuple[str, ...] = ()
    seconds: float = LONGEST


def read_jobs(source: str | Path, kinds: Mapping[str, Kind] | None = None) -> list[Job]:
    """The jobs of a list (a file on this machine, or an address), each checked as its command would.

    Raises InputError that tells every bad line by its number, and where the list cannot be read.
    """
    jobs: list[Job] = []
    wrong: list[str] = []
    taken = Taken()
    with tempfile.TemporaryDirectory(prefix="emotalk-batch-") as folder:
        lines = _lines(source, Path(folder))
        reader = None
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if len(jobs) + len(wrong) >= MOST_JOBS:
                raise InputError(f"The list has more than {MOST_JOBS:,} jobs; split it.")
            try:
                asked = _parsed(line)
                reader = reader or _Reader(known_kinds() if kinds is None else kinds, Path(folder))
                job = reader.read(number, asked)
                taken.take(job.out, number)
                jobs.append(job)
            except EmotalkError as error:
                wrong.append(f"Line {number}: {error}")
    if wrong:
        more = [f"... and {len(wrong) - _TOLD:,} more."] if len(wrong) > _TOLD else []
        head = f"{len(wrong):,} of {len(jobs) + len(wrong):,} jobs cannot be done, so none was begun."
        raise InputError("\n".join([head, *wrong[:_TOLD], *more]))
    if not jobs:
        raise InputError(f'{source} holds no job; write one a line, such as {{"kind": "talk", "text": "Hello."}}.')
    return jobs


def _lines(source: str | Path, folder: Path) -> list[bytes]:
    path = fetch(str(source), folder / "list") if is_address(str(source)) else local_path(str(source))
    lines = []
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE + 1):
                if len(line) > LONGEST_LINE:
                    raise InputError(f"Line {len(lines) + 1} has more than {LONGEST_LINE >> 20} MB; split its text.")
                if len(lines) >= 2 * MOST_JOBS:
                    raise InputError(f"The list has more than {2 * MOST_JOBS:,} lines; split it.")
                lines.append(line)
    except OSError as error:
        raise InputError(f"The list {source} cannot be read ({error.strerror or error}); check its name.") from error
    return lines


def _parsed(line: bytes) -> dict[str, Any]:
    """The JSON object of a line."""
    try:
        found = json.loads(line.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise InputError("it is no text in UTF-8; save the list as plain text.") from error
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"it is no JSON ({str(error)[:100]}); write one object such as {_EXAMPLE}.") from error
    if not isinstance(found, dict):
        raise InputError(f"it holds no object; write one such as {_EXAMPLE}.")
    return found


_EXAMPLE = '{"kind": "talk", "text": "Hello."}'


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise InputError(f"{twice!r:.60} stands in it twice; keep one of the two.")
    return table


def _no_number(text: str) -> NoReturn:
    raise InputError(f"{text} is no number; write one, or leave the option out.")


class _Reader:
    """Makes jobs of parsed lines; knows the kinds, and has a folder for files from elsewhere that it looks into."""

    def __init__(self, kinds: Mapping[str, Kind], folder: Path) -> None:
        self._kinds, self._folder, self._desk = kinds, folder, Desk()
        self._stand_ins: dict[str, str] = {}  # local names by address

    def read(self, line: int, asked: dict[str, Any]) -> Job:
        """The job of a line; EmotalkError where it cannot be done."""
        options = dict(asked)
        name, out = options.pop("kind", None), options.pop("out", None)
        if not isinstance(name, str) or name not in self._kinds:
            raise InputError(f'"kind" must be one of {", ".join(self._kinds)}, found {name!r:.60}.')
        kind = self._kinds[name]
        if out is not None:
            out = checked_out(out)
        for option, value in options.items():
            if option not in kind.options:
                raise InputError(f"{name!r} has no option {option!r:.60}; it has {', '.join(kind.options)}.")
            kind.options[option].check(option, value)
        if missing := [option for option in kind.needed if option not in options]:
            raise InputError(f"{name!r} needs {missing[0]!r}.")
        if options.get("device", "auto") not in _DEVICES:
            raise InputError(f"'device' must be one of {', '.join(_DEVICES)}, found {options['device']!r:.40}.")
        inputs = {}
        for option, value in options.items():
            if (found := kind.options[option].file(value) if isinstance(value, str) else None) is not None:
                front, file = found
                inputs[option] = front, file if is_address(file) else str(local_path(file))
        local = {
            option: front + self._local(option, file, kind.options[option].large)
            for option, (front, file) in inputs.items()
        }
        checked = kind.check(self._desk, {**options, **local})
        if out is None:
            written = json.dumps([name, options], sort_keys=True).encode("utf-8", "surrogatepass")
            out = checked_out(f"{checked.name}-{hashlib.sha256(written).hexdigest()[:8]}")
        return Job(line, name, out, options, inputs, checked.folders, checked.voices, kind.seconds)

    def _local(self, option: str, file: str, large: bool) -> str:
        """A local file to check instead of one elsewhere; a large one is not fetched for that, but must be there."""
        if not is_address(file):
            try:
                there = Path(file).exists()
            except (OSError, ValueError):
                there = False  # a name that no file can have
            if not there:
                raise InputError(f"there is no file {file!r:.200} ({option}); check the name.")
            return file
        if file not in self._stand_ins:
            own = self._folder / str(len(self._stand_ins))
            if large:
                state_of(file)
                own.mkdir()
                (own / plain_name(file)).touch()
                self._stand_ins[file] = str(own / plain_name(file))
            else:
                self._stand_ins[file] = str(fetch(file, own))
        return self._stand_ins[file]
