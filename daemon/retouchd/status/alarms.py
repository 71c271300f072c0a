"""
Which ends of jobs are worth an alarm, and what it says, pure.

What is wrong with a file, its prompt or its sidecar, and what a provider refuses to draw, is said beside the
file to whoever dropped it. An alarm is only for what may have cost money for nothing, or will happen again.
"""

from collections.abc import Mapping

from retouchd.errors import JobCode

OWNERS = frozenset(
    {
        JobCode.PROMPT_MISSING,
        JobCode.IMAGE_MISSING,
        JobCode.PROMPT_EMPTY,
        JobCode.PROMPT_TOO_LONG,
        JobCode.SIDECAR_INVALID,
        JobCode.SIDECAR_AMBIGUOUS,
        JobCode.IMAGE_UNREADABLE,
        JobCode.IMAGE_UNSUPPORTED,
        JobCode.IMAGE_TOO_LARGE,
        JobCode.IMAGE_NOT_SQUARE,
        JobCode.MASK_INVALID,
        JobCode.MASK_SIZE_MISMATCH,
        JobCode.PARAMETER_INVALID,
        JobCode.REFERENCE_INVALID,
        JobCode.CONTENT_POLICY,
        JobCode.REFUSED,
    }
)
"""A matter of whoever dropped the file."""

OPERATORS: Mapping[str, tuple[str, str]] = {
    JobCode.IN_DOUBT: (
        "may have been charged, and no picture came",
        "Look at the provider's usage page first: what `retouchd retry` sends again may be charged again",
    ),
    JobCode.BAD_RESPONSE: (
        "answered, and perhaps charged, without a usable picture",
        "Each answer is kept there as .response; check edit.model and endpoint.base_url, or ask the provider",
    ),
    JobCode.ATTEMPTS_EXHAUSTED: (
        "turned away at each attempt while others went through",
        "Nothing was charged: `retouchd retry` tries again",
    ),
    JobCode.FINISHING_FAILED: (
        "edited and paid for, but the result could not be made what [output] asks for",
        "What was received is kept there as .received; `retouchd retry` finishes it without asking again",
    ),
    JobCode.CRASHED: (
        "retouchd ended unexpectedly again and again while it worked on it",
        "Please report it; the log says more",
    ),
}
"""A matter of the operator's: what became of it, and what to do."""

_OTHERS = ("ended there", "The .error.txt beside it says why and what to do")


def is_for_the_operator(code: str) -> bool:
    """
    Return whether a code is worth an alarm: one that nobody here knows is.
    """
    return code not in OWNERS


def alarm(code: str, paths: list[str]) -> str:
    """
    Return what an operator is to know of pictures in `error/`, and what to do; there is at least one.
    """
    what, remedy = OPERATORS.get(code, _OTHERS)
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return f"In error/ since midnight, {what} ({code}): {paths[0]}{more}. {remedy}."
