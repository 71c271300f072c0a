"""
What the operator is told where the endpoint does not take the key.
"""

from dataclasses import replace

from retouchd.answer.classify import Judgement
from retouchd.answer.error_kinds import Topic
from retouchd.endpoint.key_source import KeySource


def as_told(judgement: Judgement, key: KeySource) -> Judgement:
    """
    Return a judgement that, where it is about the key, says which one, and where another one goes.
    """
    is_about_key = judgement.topic is Topic.KEY or (
        not key.place and judgement.topic is Topic.ACCESS
    )
    if not is_about_key:
        return judgement
    return replace(judgement, complaint=key.complaint, hint=key.remedy)
