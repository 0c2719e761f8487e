"""A failure in words for whoever asked: on the page, in the answer of an address, at the end of a stream."""

from __future__ import annotations

import errno
import logging
import re
import traceback

from emotalk.core.errors import EmotalkError
from emotalk.server.answers import REFUSED
from emotalk.server.limits import is_public

log = logging.getLogger(__name__)

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
SORRY = "Sorry"
"""The title of an error that is the server's."""
_FOLDERS = re.compile(r"""(?<![\w:/.~])/(?:[^\s/'"]+/)+(?=[^\s/'"])""")
"""The folders of a path; addresses (https://, org/name) are none."""


def sentence_of(error: Exception, discreet: bool = False) -> tuple[str, str]:
    """A title and a sentence for any failure; in public without the server's folders.

    What is no error meant for people is logged here with its traceback; where `discreet`, without the error's own
    words, which may repeat what somebody said.
    """
    title = REFUSED
    if isinstance(error, EmotalkError):
        words = str(error)
    elif isinstance(error, MemoryError):
        log.error("out of memory: %s", "" if discreet else error)
        title = SORRY
        words = "The server has too little memory for this now; try again in a few minutes, or ask for less."
    elif isinstance(error, OSError) and error.errno in FULL_DISK:
        log.error("the disk is full: %s", error)
        title = SORRY
        words = "The server's disk is full; try again later."
    else:
        if discreet:
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("something unexpected went wrong: %s\n%s", type(error).__name__, where)
        else:
            log.error("something unexpected went wrong", exc_info=error)
        title, words = SORRY, "Something unexpected went wrong; the server's log has the details."
    if is_public():
        words = _FOLDERS.sub("", words)  # where things lie on the server is nobody's business
    # A text may hold halves of letters, which no answer can carry.
    return title, words.encode("utf-8", "replace").decode()
