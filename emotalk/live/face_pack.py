"""`face_pack`: what a browser needs to move any face, beside the avatar itself: one file for all avatars.

motion network ─► show_arrays ─┐
body, eyes ─────► body_arrays ─┴─► container.write ─► gzip ─► LivePack
"""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.live.body_arrays import body_arrays
from emotalk.live.container import write
from emotalk.live.pack import LivePack
from emotalk.live.show_arrays import show_arrays

if TYPE_CHECKING:
    from emotalk.motion import MotionModel


@lru_cache(maxsize=4)
def face_pack(model: MotionModel) -> LivePack:
    """The pack of a motion model, named by a hash of its bytes before gzip; made once for every model.

    It is the same for all people and styles, a person's adaptation left out: those are in `who`, which a stream begins
    with. Its meta holds `expression` (the 52 names), `show` (`show_arrays`) and `body` (`body_arrays`).
    """
    data = made_face(model)
    return LivePack(hashlib.sha256(data).hexdigest()[:32], gzip.compress(data, 9, mtime=0))


def made_face(model: MotionModel) -> bytes:
    """The bytes of the pack before gzip."""
    show, shown = show_arrays(model.network)
    body, moved = body_arrays(model.body, model.eyes)
    return write(show | body, {"expression": list(ARKIT_NAMES), "show": shown, "body": moved})
