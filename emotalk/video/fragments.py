"""Cut a fragmented mp4 stream into pieces that a player can take one after the other.

ffmpeg writes `ftyp moov (moof mdat)*` (ISO/IEC 14496-12). The first piece holds the header boxes and the first
fragment; every further piece is one fragment. Joined, the pieces are the file.
"""

from __future__ import annotations

import struct

from emotalk.core.errors import VideoError


class FragmentSplitter:
    """Feed bytes as they come; get whole pieces back."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._piece = bytearray()

    def push(self, data: bytes) -> list[bytes]:
        """The pieces that `data` completes, oldest first. Raises VideoError where the bytes are no mp4."""
        self._pending += data
        pieces = []
        while (length := self._box_length()) is not None and len(self._pending) >= length:
            kind = bytes(self._pending[4:8])
            self._piece += self._pending[:length]
            del self._pending[:length]
            if kind == b"mdat":
                pieces.append(bytes(self._piece))
                self._piece.clear()
        return pieces

    def finish(self) -> bytes:
        """What is left at the end (the index box `mfra`, or nothing)."""
        rest = bytes(self._piece + self._pending)
        self._piece.clear()
        self._pending.clear()
        return rest

    def _box_length(self) -> int | None:
        if len(self._pending) < 8:
            return None
        length, kind = struct.unpack_from(">I4s", self._pending)
        if length == 1:
            if len(self._pending) < 16:
                return None
            (length,) = struct.unpack_from(">Q", self._pending, 8)
        if length < 8 or not kind.isalnum():
            raise VideoError(f"The encoder's output is not an mp4 stream (found a box {kind!r} of {length} bytes).")
        return length
