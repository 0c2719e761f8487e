"""Making an avatar of a person: the request, the job, and the job in a process of its own."""

from emotalk.create.job import discard, personalize
from emotalk.create.request import CONSENT, PersonalizeRequest, PersonalizeResult

__all__ = ["CONSENT", "PersonalizeRequest", "PersonalizeResult", "discard", "personalize"]
