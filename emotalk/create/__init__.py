"""Making an avatar of a person: the requests, the jobs, and the jobs in a process of their own."""

from emotalk.create.improve_job import improve
from emotalk.create.job import personalize
from emotalk.create.kept import can_improve, forget
from emotalk.create.portrait_job import portrait
from emotalk.create.request import (
    CONSENT,
    CONSENT_VIDEO_ONLY,
    ImproveRequest,
    PersonalizeRequest,
    PersonalizeResult,
    PortraitRequest,
    consent_to,
)
from emotalk.create.workplace import discard

__all__ = [
    "CONSENT",
    "CONSENT_VIDEO_ONLY",
    "ImproveRequest",
    "PersonalizeRequest",
    "PersonalizeResult",
    "PortraitRequest",
    "can_improve",
    "consent_to",
    "discard",
    "forget",
    "improve",
    "personalize",
    "portrait",
]
