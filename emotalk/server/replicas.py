"""One page behind several processes: who was served by one of them comes back to it.

    browser ─► proxy ─┬─ cookie emotalk_replica=a, or ?ticket=a.… ─► the process with EMOTALK_REPLICA=a
                      └─ neither ─► by the visitor's address

What a page has (its session, its clips, its live face) lies in the memory of one process. So each has a name, tells it
to whoever opens its page, and puts it in front of the tickets of live faces, which pages of other sites use without
cookies. The name is the process's, the same for everybody: it says nothing of who has it.
scripts/deploy/nginx.conf reads both.
"""

from __future__ import annotations

import logging
import os
import re

log = logging.getLogger(__name__)

COOKIE = "emotalk_replica"
_NAME = re.compile(r"[a-z0-9]{1,20}")


def replica() -> str:
    """This process's name among several: EMOTALK_REPLICA, up to 20 small letters and digits; empty where it is alone.
    What is no such name is logged and counts as none."""
    wish = os.environ.get("EMOTALK_REPLICA", "").strip()
    if wish and not _NAME.fullmatch(wish):
        log.warning("EMOTALK_REPLICA has to be 1 to 20 small letters or digits; %.40r is left out", wish)
        return ""
    return wish


def ticket_prefix() -> str:
    """What tickets begin with: "a." for the process a; empty where it is alone."""
    name = replica()
    return f"{name}." if name else ""


def cookie(secure: bool) -> str | None:
    """The Set-Cookie of the page, for the browser's session; None where the process is alone. `secure`: HTTPS only."""
    name = replica()
    if not name:
        return None
    return f"{COOKIE}={name}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
