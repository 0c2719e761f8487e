"""What a person reads when something did not work."""

from __future__ import annotations

import errno
import html
import logging
import re

import gradio as gr

from emotalk.core.errors import EmotalkError
from emotalk.server.answers import REFUSED
from emotalk.server.limits import is_public

log = logging.getLogger(__name__)

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_FOLDERS = re.compile(r"""(?<![\w:/.~])/(?:[^\s/'"]+/)+(?=[^\s/'"])""")
"""The folders of a path; addresses (https://, org/name) are none."""


def friendly(error: Exception, shown: bool = True) -> gr.Error:
    """A toast for any failure; where it is `shown` on the page the words are escaped, since they may quote what
    somebody typed (programs read them as they are). What is no error meant for people is logged here with its
    traceback."""
    title = REFUSED
    if isinstance(error, EmotalkError):
        words = str(error)
    elif isinstance(error, MemoryError):
        log.error("out of memory: %s", error)
        title = "Sorry"
        words = "The server has too little memory for this now; try again in a few minutes, or ask for less."
    elif isinstance(error, OSError) and error.errno in FULL_DISK:
        log.error("the disk is full: %s", error)
        title = "Sorry"
        words = "The server's disk is full; try again later."
    else:
        log.error("something unexpected went wrong", exc_info=error)
        title, words = "Sorry", "Something unexpected went wrong; the server's log has the details."
    if is_public():
        words = _FOLDERS.sub("", words)  # where things lie on the server is nobody's business
    # A text may hold halves of letters, which no answer can carry.
    words = words.encode("utf-8", "replace").decode()
    return gr.Error(html.escape(words) if shown else words, title=title, print_exception=False)
