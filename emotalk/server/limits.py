"""What a page open to strangers allows: one that others can reach (`server.serving`), or EMOTALK_PUBLIC=1.

The machine then belongs to everybody who finds the address: nobody may fill its disk or keep it busy, and what
somebody makes of their own face must not stay for the next visitor.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from emotalk.server.serving import says_public, settled

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one visitor may use. Make it with `limits()`."""

    max_seconds: float  # longest clip
    waiting_people: int  # talks that may wait in line; the next person is told to come back
    kept_clips: int  # finished clips that a page keeps until it is closed
    upload_megabytes: int  # largest file that may be sent
    personalise_seconds: float  # of a video that an avatar is made from
    personalise_minutes: float  # of fitting
    keep_avatars: bool  # whether an avatar that was made stays when its page is closed
    hub_avatars: int  # avatars from the Hub that stay downloaded; the one not used for longest makes room
    places: int  # in line or at work, of a page session and of an address; counts talks, sheets, downloads and fits
    stills: int  # pictures of the stage that may be on their way at once, all pages together
    stills_of_address: int  # of them, those of one address
    uploads_of_address: int  # files that one address may be sending at once
    kept_seconds: float  # since its last use that a temporary file stays: clips, uploads, avatars of strangers
    temporary_gigabytes: float  # of all temporary files together; what was not used for longest makes room
    live_pages: int  # that may have a live face; the one not used for longest makes room
    live_pages_of_address: int  # of them, those of one address
    live_talks: int  # talks of live faces at once, all pages together
    live_talks_of_address: int  # of them, those of one address
    puppets: int  # live faces that follow a microphone at once, all pages together
    puppets_of_address: int  # of them, those of one address


OWN_MACHINE = Limits(
    600.0, 20, 6, 4000, 600.0, 30.0, True, 200, 20, 64, 64, 16, 24 * 3600.0, 20.0, 2000, 2000, 64, 64, 32, 32
)
PUBLIC = Limits(60.0, 8, 2, 50, 30.0, 3.0, False, 20, 2, 48, 8, 3, 45 * 60.0, 4.0, 1000, 100, 32, 20, 12, 4)


def is_public() -> bool:
    """Whether strangers use this page: EMOTALK_PUBLIC where it says so or not, else where it is served decides."""
    said = says_public()
    return settled().public if said is None else said


def limits() -> Limits:
    """The limits that hold now."""
    return PUBLIC if is_public() else OWN_MACHINE


def max_seconds() -> float:
    """The longest clip the page makes: EMOTALK_MAX_SECONDS, or what `limits` says."""
    wish = os.environ.get("EMOTALK_MAX_SECONDS", "").strip()
    usual = limits().max_seconds
    if not wish:
        return usual
    try:
        return max(1.0, float(wish))
    except ValueError:
        log.warning("EMOTALK_MAX_SECONDS is not a number; using %g", usual)
        return usual
