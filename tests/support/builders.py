"""
Values and folders that many tests begin with.
"""

import contextlib
import datetime as dt
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retouchd.disk import file_stat
from retouchd.disk.folders import Folders
from retouchd.disk.probes import PROBE
from retouchd.disk.signature import PackedSignature, Signature, pack_signature
from retouchd.disk.threads import all_steps
from retouchd.errors import JobCode, Problem
from retouchd.job.filenames import Kind, Named, parse
from retouchd.job.model import Attempt, Edit, Job, Member, Opened, Request, Role, Snapshot, Verdict
from retouchd.spool import pictures
from retouchd.spool.delivery import Delivery
from retouchd.spool.job_state import JobState
from retouchd.spool.phase import unsealed
from retouchd.spool.spool import Spool

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
NOT_UTF8 = os.fsdecode(b"caf\xe9")
PROBLEM = Problem(
    code=JobCode.REFUSED,
    message="The endpoint refused cat.png: too plain.",
    hint="Take another picture.",
)

_ROLES = {
    Kind.PROMPT: Role.PROMPT,
    Kind.MASK: Role.MASK,
    Kind.RECORD: Role.LEFTOVER,
    Kind.REASON: Role.LEFTOVER,
}
_numbers = itertools.count(1)


def tree_of(folder: Path) -> list[str]:
    """
    Return the files in and below a folder, but for those by which a start tries it out. Quicker than `rglob`:
    who waits for something asks it all the time.
    """
    found, left = [], [""]
    while left:
        below = left.pop()
        with contextlib.suppress(OSError), os.scandir(folder / below) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(f"{below}{entry.name}/")
                elif not entry.is_dir() and not entry.name.startswith(PROBE):
                    found.append(f"{below}{entry.name}")
    return sorted(found)


def named(*names: str) -> list[Named]:
    return [parse(name) for name in names]


def signature(size: int = 100, *, mtime_ns: int = 1, inode: int = 7) -> Signature:
    return Signature(size=size, mtime_ns=mtime_ns, ctime_ns=mtime_ns, inode=inode, device=1)


def mark(size: int = 100, *, mtime_ns: int = 1, inode: int = 7) -> PackedSignature:
    return pack_signature(signature(size, mtime_ns=mtime_ns, inode=inode))


def member(name: str, snapshot: Snapshot | None = None) -> Member:
    return Member(
        role=_ROLES.get(parse(name).kind, Role.IMAGE),
        name=name,
        inbox_name=name,
        snapshot=snapshot or Snapshot(size=100, mtime_ns=1, inode=7, device=1),
    )


def a_job(*members: Member, **changes: Any) -> Job:
    members = members or (member("cat.png"), member("cat.txt"))
    values: dict[str, Any] = {
        "id": f"20261123-120000-{next(_numbers):08x}",
        "folder": "",
        "stem": parse(members[0].name).stem,
        "members": members,
        "edits": (an_edit(),),
        "claimed_at": NOW,
    }
    if "request" in changes:
        changes["edits"] = (Edit(request=changes.pop("request")),)
    return Job(**values | changes)


def an_edit(name: str = "", **changes: Any) -> Edit:
    values: dict[str, Any] = {
        "model": "gpt-image-2",
        "prompt": "make it blue",
        "parameters": {"n": 1, "size": "1024x1024"},
        "origin": {"prompt": "cat.txt", "model": "config"},
    }
    return Edit(name=name, request=Request(**values | changes))


def an_attempt(number: int = 1, verdict: Verdict = Verdict.TRANSIENT, **changes: Any) -> Attempt:
    """
    Build an attempt that took a second, each one a minute after the one before it.
    """
    sent_at = NOW + dt.timedelta(minutes=number)
    values: dict[str, Any] = {
        "number": number,
        "verdict": verdict,
        "sent_at": sent_at,
        "closed_at": sent_at + dt.timedelta(seconds=1),
        "seconds": 1.0,
        "message": "busy",
    }
    return Attempt(**values | changes)


def until(condition: Callable[[], object], seconds: float = 10, beat: float = 0.005) -> bool:
    """
    Wait for a condition, at most so long; return whether it came. What takes long to ask, ask less often.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(beat)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    Five real folders with the spool and the delivery on them.
    """

    folders: Folders
    spool: Spool
    delivery: Delivery

    @classmethod
    def under(cls, root: Path, **elsewhere: Path) -> "Place":
        """
        Make the folders under `root`, but those that are named where they are said to be.
        """
        places = {
            name: root / name for name in ("inbox", "outbox", "review", "done", "error", "work")
        }
        folders = Folders(**places | elsewhere)
        assert folders.make() == []
        spool = Spool(work=folders.work, inbox=folders.inbox)
        spool.prepare()
        delivery = Delivery(spool=spool, folders=folders, known=lambda _: ())
        return cls(folders=folders, spool=spool, delivery=delivery)

    def dropped(self, *names: str, folder: str = "", **changes: Any) -> Job:
        """
        Put files into the inbox; return the job that would be made of them.
        """
        here = self.folders.inbox / folder
        here.mkdir(parents=True, exist_ok=True)
        members = []
        for name in names:
            (here / name).write_bytes(content_of(name))
            members.append(member(name, file_stat.snapshot(here / name)))
        return a_job(*members, folder=folder, **changes)

    def claimed(self, *names: str, folder: str = "", **changes: Any) -> Job:
        job = self.dropped(*names, folder=folder, **changes)
        self.spool.open(job)
        assert self.spool.claim(job)
        return job

    def edited(self, *names: str, outputs: int = 1, folder: str = "") -> Job:
        """
        Bring a job to where its pictures are decoded.
        """
        job = self.claimed(*names or ("cat.png", "cat.txt"), folder=folder)
        self.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
        self.spool.close_attempt(job.id, an_attempt(1, Verdict.DONE, http_status=200))
        self.receive(job, 1, outputs)
        return job

    def receive(self, job: Job, edit: int, outputs: int = 1) -> None:
        """
        Let so many pictures of an edit be decoded.
        """
        folder = self.spool.folder(job.id)
        place = folder / unsealed(edit)
        pictures.begin(place)
        for number in range(1, outputs + 1):
            picture = pictures.unnamed(place, edit, number)
            pictures.add(picture, [b"edit ", b"%d" % number])
            pictures.give_name(picture, "png")
        pictures.seal_received(folder, edit)

    def planned(self, *names: str, outputs: int = 1, folder: str = "") -> Job:
        job = self.edited(*names, outputs=outputs, folder=folder)
        all_steps(self.delivery.plan(self.job_state(job), (), NOW))
        return job

    def failed(self, *names: str, folder: str = "") -> Job:
        """
        Bring a job to where it is planned to end in `error/`.
        """
        job = self.claimed(*names or ("cat.png", "cat.txt"), folder=folder)
        all_steps(self.delivery.plan(self.job_state(job), [[PROBLEM]], NOW))
        return job

    def job_state(self, job: Job) -> JobState:
        return self.spool.load(job.id)


def content_of(name: str) -> bytes:
    return b"content of " + os.fsencode(name)


def tree(folder: Path) -> dict[str, bytes]:
    """
    Return all files below a folder with their bytes.
    """
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
