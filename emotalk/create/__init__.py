"""Making an avatar of a person: the requests, the jobs, and the jobs in a process of their own."""

from emotalk.create.job import personalize
from emotalk.create.portrait_job import portrait
from emotalk.create.request import CONSENT, PersonalizeRequest, PersonalizeResult, PortraitRequest
from emotalk.create.workplace import discard

__all__ = [
    "CONSENT",
    "PersonalizeRequest",
    "PersonalizeResult",
    "PortraitRequest",
    "discard",
    "personalize",
    "portrait",
]
