"""A growing mp4 for browsers that look at what comes in blocks.

    piece │ piece │ ...   ─►   piece + free box │ piece + free box │ ...       each ends where a block ends

Chromium keeps what it downloads in blocks of 32 kB and shows a player none of which a part is missing. A small face has
17 kB a second: without the boxes, of which players take no notice, it would have what is said two seconds late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotalk.core.clip import Clip

BLOCK = 32 * 1024
_HEADER = 8  # bytes of a box without content: its size and its kind


def filled(piece: bytes) -> bytes:
    """A piece of an mp4 (whole boxes) with an empty box behind it: a multiple of BLOCK bytes."""
    missing = -len(piece) % BLOCK
    if 0 < missing < _HEADER:
        missing += BLOCK
    return piece + (missing.to_bytes(4, "big") + b"free" + bytes(missing - _HEADER) if missing else b"")


def in_whole_blocks(talk: Callable[..., Clip]) -> Callable[..., Clip]:
    """What takes the arguments of `Studio.talk`, and gives `on_piece` pieces that are `filled`."""

    def talk_so(*arguments: Any, on_piece: Callable[[bytes], None] | None = None, **options: Any) -> Clip:
        give = None if on_piece is None else lambda piece: on_piece(filled(piece))
        return talk(*arguments, on_piece=give, **options)

    return talk_so
