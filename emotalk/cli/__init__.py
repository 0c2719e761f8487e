"""`python -m emotalk COMMAND`: the command line, generated from typed functions.

Each command is a function in one of this package's files that imports what it needs when it runs, so that `--help` is
instant.
"""

from __future__ import annotations

import errno
import sys

import tyro

from emotalk.cli.exporting import export, livelink
from emotalk.cli.machine import app, doctor, encode, evaluate, voices, warmup
from emotalk.cli.people import avatars, personalize, portrait, push, rm
from emotalk.cli.plain import plain
from emotalk.cli.talking import sheet, talk
from emotalk.core.errors import EmotalkError

COMMANDS = {
    command.__name__: plain(command)
    for command in (
        talk, app, portrait, personalize, avatars, voices, sheet, export, livelink, rm, encode, push, evaluate, doctor,
        warmup,
    )
}  # fmt: skip
"""By name, the most wanted first."""


def _fault_of_the_machine(error: OSError | MemoryError | ImportError) -> str | None:
    """A sentence where the machine lacks what a command needs, else None: then it is a mistake in the program."""
    if isinstance(error, ImportError):
        short = "failed to map segment" in str(error) or "annot allocate memory" in str(error)
    else:
        short = isinstance(error, MemoryError) or error.errno == errno.ENOMEM
    if short:
        return "There is too little memory for this; close other programs, or ask for less."
    if isinstance(error, ImportError):
        return None
    if "No usable temporary directory" in str(error):
        return "No temporary file can be written anywhere; make room, or name a folder in TMPDIR."
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    lacks = {
        errno.ENOSPC: "The disk is full; make room",
        errno.EDQUOT: "Your share of the disk is full; make room",
        errno.EFBIG: "A file would grow larger than is allowed here (ulimit -f)",
        errno.EROFS: "This place cannot be written; name another one",
        errno.EMFILE: "Too many files are open for this program (ulimit -n)",
        errno.ENFILE: "Too many files are open on this machine; close other programs",
        errno.EIO: "The disk fails; look for another place",
    }
    return f"{lacks[error.errno]}{where}." if error.errno in lacks else None


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for an error meant for people)."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="python -m emotalk", description="Emotional talking heads.", args=arguments
        )
    except EmotalkError as error:
        print(f"emotalk: {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError, ImportError) as error:
        words = _fault_of_the_machine(error)
        if words is None:
            raise
        print(f"emotalk: {words}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
