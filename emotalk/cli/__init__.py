"""`python -m emotalk COMMAND`: the command line, generated from typed functions.

Each command is a function in one of this package's files that imports what it needs when it runs, so that `--help` is
instant.
"""

from __future__ import annotations

import sys

import tyro

from emotalk.cli.batching import batch
from emotalk.cli.exporting import export, livelink
from emotalk.cli.machine import app, doctor, encode, evaluate, voices, warmup
from emotalk.cli.people import avatars, personalize, portrait, push, rm
from emotalk.cli.plain import plain
from emotalk.cli.talking import sheet, talk
from emotalk.core.errors import EmotalkError
from emotalk.core.machine_faults import fault_of_the_machine

COMMANDS = {
    command.__name__: plain(command)
    for command in (
        talk, app, portrait, personalize, avatars, voices, sheet, export, livelink, batch, rm, encode, push, evaluate,
        doctor, warmup,
    )
}  # fmt: skip
"""By name, the most wanted first."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for an error meant for people, 1 where some of a batch failed)."""
    try:
        status = tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="python -m emotalk", description="Emotional talking heads.", args=arguments
        )
    except EmotalkError as error:
        print(f"emotalk: {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError, ImportError) as error:
        words = fault_of_the_machine(error)
        if words is None:
            raise
        print(f"emotalk: {words}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status or 0
