"""
What happens with a job at each phase, in words: the same in `status` and in `status.txt`.
"""

from retouchd.spool.phase import Phase

_DOING = {
    Phase.EMPTY: "being taken from the inbox",
    Phase.CLAIMING: "being taken from the inbox",
    Phase.CLAIMED: "about to be sent",
    Phase.ASKING: "sent, no answer yet",
    Phase.KEPT: "its answer is being read",
    Phase.CLOSED: "waits for its next try",
    Phase.EDITED: "edited, about to be put into the outbox",
    Phase.PUBLISHING: "being put into the outbox",
    Phase.ARCHIVING: "its original is being put away",
    Phase.OVER: "finished",
}
_LOST = "sent, and retouchd ended before the answer came: it may have been charged"


def doing(phase: Phase, *, is_running: bool = True) -> str:
    """
    Return what happens with a job that says nothing of its own; where no retouchd runs, nobody hears an answer.
    """
    return _LOST if phase is Phase.ASKING and not is_running else _DOING[phase]
