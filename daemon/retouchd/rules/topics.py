"""
What an error can be about, and what follows from each.
"""

from dataclasses import dataclass
from enum import Enum, auto

from retouchd.errors import JobCode
from retouchd.rules.job import Verdict


class Topic(Enum):
    """
    What an error is about, as finely as the person who has to act needs it.
    """

    KEY = auto()
    MONEY = auto()
    MODEL = auto()
    ACCESS = auto()
    ADDRESS = auto()
    FIREWALL = auto()
    POLICY = auto()
    TOO_LARGE = auto()
    UNSUPPORTED = auto()
    UNREADABLE = auto()
    MASK = auto()
    PARAMETER = auto()
    PROMPT_LENGTH = auto()
    REQUEST = auto()
    THROTTLED = auto()
    UNAVAILABLE = auto()
    UNKNOWN = auto()
    """Nobody can tell whether the request was carried out."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """
    What follows from a topic: the verdict, the job's code should it end so, and what a person can do.
    """

    verdict: Verdict
    job_code: JobCode | None
    hint: str


_MEANINGS = {
    Topic.KEY: Meaning(Verdict.ACCOUNT, None, "Set a valid endpoint.api_key."),
    Topic.MONEY: Meaning(
        Verdict.ACCOUNT, None, "Top up the account, or raise the limit of the key at the provider."
    ),
    Topic.MODEL: Meaning(
        Verdict.ACCOUNT, None, "Set edit.model to a model this endpoint offers to this key."
    ),
    Topic.ACCESS: Meaning(
        Verdict.ACCOUNT, None, "Ask the provider what this key may do from this address."
    ),
    Topic.ADDRESS: Meaning(
        Verdict.ACCOUNT, None, "Set endpoint.base_url to an address that serves /images/edits."
    ),
    Topic.FIREWALL: Meaning(
        Verdict.ACCOUNT,
        None,
        "A proxy in front of the endpoint turns this machine away: ask the provider, or use another address.",
    ),
    Topic.POLICY: Meaning(
        Verdict.REFUSED, JobCode.CONTENT_POLICY, "Change the prompt or the picture."
    ),
    Topic.TOO_LARGE: Meaning(Verdict.REFUSED, JobCode.IMAGE_TOO_LARGE, "Make the picture smaller."),
    Topic.UNSUPPORTED: Meaning(
        Verdict.REFUSED,
        JobCode.IMAGE_UNSUPPORTED,
        "Save the picture as PNG, JPEG or WebP.",
    ),
    Topic.UNREADABLE: Meaning(
        Verdict.REFUSED, JobCode.IMAGE_UNREADABLE, "Save the picture anew as 8-bit RGB."
    ),
    Topic.MASK: Meaning(
        Verdict.REFUSED,
        JobCode.MASK_INVALID,
        "Give the mask the picture's size and transparent areas where to edit.",
    ),
    Topic.PARAMETER: Meaning(Verdict.REFUSED, JobCode.PARAMETER_INVALID, "Correct the parameter."),
    Topic.PROMPT_LENGTH: Meaning(Verdict.REFUSED, JobCode.PROMPT_TOO_LONG, "Shorten the prompt."),
    Topic.REQUEST: Meaning(
        Verdict.REFUSED,
        JobCode.REFUSED,
        "Mend what it objects to, or try another prompt or picture.",
    ),
    Topic.THROTTLED: Meaning(Verdict.TRANSIENT, None, ""),
    Topic.UNAVAILABLE: Meaning(Verdict.TRANSIENT, None, ""),
    Topic.UNKNOWN: Meaning(
        Verdict.IN_DOUBT,
        JobCode.IN_DOUBT,
        "The request may have been charged: look at the provider's usage page before trying again.",
    ),
}


def meaning_of(topic: Topic) -> Meaning:
    """
    Return what follows from a topic.
    """
    return _MEANINGS[topic]
