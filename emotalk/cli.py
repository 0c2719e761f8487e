"""`python -m emotalk COMMAND`: the command line, generated from typed functions.

Each command is a function in this file that imports what it needs when it runs, so that `--help` is instant.
"""

from __future__ import annotations

import sys

from emotalk.errors import EmotalkError


def warmup() -> None:
    """Compile the CPU renderer ahead of time, so that the first picture comes at once."""
    from emotalk.rendering import warmup as compile_kernels

    seconds = compile_kernels(progress=lambda line: print(line, file=sys.stderr))
    print(f"renderer ready after {seconds:.1f} s")


COMMANDS = {"warmup": warmup}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for an error meant for people)."""
    import tyro

    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="python -m emotalk", description="Emotional talking heads.", args=arguments
        )
    except EmotalkError as error:
        print(f"emotalk: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
