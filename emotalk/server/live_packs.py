"""Packs of live faces in the server's memory, found by the hash of what is in them.

    made ─► PackShelf.put ─┬─ nobody's likeness ─► whoever asks for its name
                           └─ a real person ─────► the pages it was shown to, and gone with the last of them

No name that came over the web is ever made a path: what is not here any more is made again from the avatar that the
server itself put down under that hash.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotalk.live.pack import LivePack

KEPT = 24
"""Packs in memory, of a megabyte each; those used last stay."""
KNOWN = 500
"""Hashes whose avatar is remembered."""


@dataclass
class Entry:
    """What is known under one hash. `pack` is None where it made room."""

    avatar: str
    private: bool
    pack: LivePack | None
    holders: set[str] = field(default_factory=set)  # tokens of pages that were shown a private one


class PackShelf:
    """The packs of this server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def put(self, pack: LivePack, avatar: str, private_to: str | None) -> None:
        """Keep a pack; a real person's for the page with the token `private_to` and for those that have it already."""
        with self._lock:
            entry = self._entries.pop(pack.name, None)
            if entry is None or entry.private != (private_to is not None):
                entry = Entry(avatar, private_to is not None, pack)
            entry.avatar, entry.pack = avatar, pack
            if private_to is not None:
                entry.holders.add(private_to)
            self._entries[pack.name] = entry
            self._make_room()

    def find(self, name: str, token: str) -> Entry | None:
        """What is known under a hash, for the page with that token; None where there is nothing, or nothing for it."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or (entry.private and token not in entry.holders):
                return None
            self._entries.move_to_end(name)
            return entry

    def drop(self, token: str) -> None:
        """The page with that token was closed: a real person's pack that no other page was shown is gone."""
        with self._lock:
            for name, entry in list(self._entries.items()):
                entry.holders.discard(token)
                if entry.private and not entry.holders:
                    del self._entries[name]

    def forget(self, avatar: str) -> None:
        """That avatar is no more, or another one by now."""
        with self._lock:
            for name in [name for name, entry in self._entries.items() if entry.avatar == avatar]:
                del self._entries[name]

    def clear(self) -> None:
        """Nothing is kept."""
        with self._lock:
            self._entries.clear()

    @property
    def count(self) -> int:
        """Packs in memory."""
        return sum(entry.pack is not None for entry in list(self._entries.values()))

    @property
    def private_count(self) -> int:
        """Real people's packs that are known, in memory or not."""
        return sum(entry.private for entry in list(self._entries.values()))

    def _make_room(self) -> None:
        held = [entry for entry in self._entries.values() if entry.pack is not None]
        for entry in held[: max(0, len(held) - KEPT)]:
            entry.pack = None
        while len(self._entries) > KNOWN:
            self._entries.popitem(last=False)
