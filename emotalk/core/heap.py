"""Memory that is given back: what a long job has freed does not stay with the process.

glibc keeps freed blocks of up to 32 MB for itself (its threshold grows with what is freed), in heaps of several
threads. Making an avatar of 20 s of video, whose pictures and gradients are of just these sizes, held 1.67 GB by that
at its peak, and 1.44 GB without, in the same time.
"""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger(__name__)

_TRIM, _MMAP, _ARENAS = -1, -3, -8  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_ARENA_MAX of <malloc.h>
LARGE = 2**20
"""Bytes from which a block is the system's own, and goes back to it when it is freed."""


def give_memory_back() -> bool:
    """Let this process keep no large blocks that it has freed, from now on. Whether it could be told so: other systems
    than Linux with glibc cannot."""
    try:
        option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError) as error:
        log.debug("memory is given back as the system likes: %s", error)
        return False
    told = [option(name, value) for name, value in ((_MMAP, LARGE), (_TRIM, LARGE), (_ARENAS, 2))]
    return all(told)
