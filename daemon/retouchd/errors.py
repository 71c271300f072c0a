"""
What can go wrong, named by its consequence.

RetouchdError              ends a command, with the exit code of its class
├── ConfigurationError     78: the configuration or a folder is wrong; lists every problem
├── WorkFolderHeld         73: another daemon holds the work folder
├── WrongUsage             2: what the command was given cannot be; lists every problem
└── NotRunning             3: no daemon holds the work folder
Blocked                    a step cannot be taken now; the job waits with the reason
├── FolderAway             outbox, done or error is not there any more
├── FolderUnresponsive     a folder does not answer at all
└── ProgramReplaced        what runs in a process of its own is not of this version any more

A job's own faults are not exceptions but `Problem` values: all of them are gathered, and each
says what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class JobCode(StrEnum):
    """
    Why a job ended in `error/`; part of the contract with users and programs.
    """

    PROMPT_MISSING = "prompt_missing"
    IMAGE_MISSING = "image_missing"
    PROMPT_EMPTY = "prompt_empty"
    PROMPT_TOO_LONG = "prompt_too_long"
    SIDECAR_INVALID = "sidecar_invalid"
    SIDECAR_AMBIGUOUS = "sidecar_ambiguous"
    IMAGE_UNREADABLE = "image_unreadable"
    IMAGE_UNSUPPORTED = "image_unsupported"
    IMAGE_TOO_LARGE = "image_too_large"
    IMAGE_NOT_SQUARE = "image_not_square"
    MASK_INVALID = "mask_invalid"
    MASK_SIZE_MISMATCH = "mask_size_mismatch"
    PARAMETER_INVALID = "parameter_invalid"
    REFERENCE_INVALID = "reference_invalid"
    CONTENT_POLICY = "content_policy"
    REFUSED = "refused"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    IN_DOUBT = "in_doubt"
    BAD_RESPONSE = "bad_response"
    CRASHED = "crashed"
    FINISHING_FAILED = "finishing_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """
    One fault of a job: what is wrong with which file, and what to do about it.

    `message` and `hint` are each one plain sentence for the person who dropped the file. The hint does not
    say how to try again: that follows from where the files lie (see `spool.record`).
    """

    code: JobCode
    message: str
    hint: str


class RetouchdError(Exception):
    """
    The command cannot go on.
    """

    exit_code = 1


class ConfigurationError(RetouchdError):
    """
    The configuration, or a folder it names, is wrong; `problems` holds one sentence for each fault.
    """

    exit_code = 78

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class WorkFolderHeld(RetouchdError):
    """
    Another daemon holds the work folder.
    """

    exit_code = 73


class DiskFailed(RetouchdError):
    """
    A folder cannot be read or written at the moment; another start may find it mended.
    """

    exit_code = 75


class WrongUsage(RetouchdError):
    """
    What the command was given cannot be; the text holds one sentence on a line for each fault.
    """

    exit_code = 2


class NotRunning(RetouchdError):
    """
    No daemon holds the work folder.
    """

    exit_code = 3


class Blocked(Exception):
    """
    A step cannot be taken now, most often as a folder takes no file (full, read-only, away); the sentence says
    which and why.
    """


class FolderAway(Blocked):
    """
    Outbox, done or error is not there any more.
    """


class FolderUnresponsive(Blocked):
    """
    A folder does not answer: calls on it block. `folder` is its name in the configuration, where one is meant.
    """

    def __init__(self, sentence: str, folder: str = "") -> None:
        super().__init__(sentence)
        self.folder = folder


class ProgramReplaced(Blocked):
    """
    What runs in a process of its own cannot be loaded, or is of another version than this run.
    """
