"""
Counts and durations in words.
"""


def counted(count: int, what: str) -> str:
    """
    Return a number of things: `1 file`, `1,200 files`.
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def exact_length(seconds: float) -> str:
    """
    Return a duration for operators, as short as a table wants it: `2 s`, `6 min`, `3 h`, `5 days`.
    """
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def rough_length(seconds: float) -> str:
    """
    Return an estimate of a duration, rounded as people say it: `a minute`, `12 minutes`, `3 hours`.
    """
    if seconds < 90:
        return "a minute"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} minutes" if minutes < 20 else f"{5 * round(minutes / 5)} minutes"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"
