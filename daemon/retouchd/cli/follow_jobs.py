"""
Waiting for jobs that were dropped: what became of each, from the daemon's own history.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from retouchd.config.settings import Settings
from retouchd.disk import file_stat
from retouchd.errors import Blocked, NotRunning
from retouchd.job.naming import escaped, path_below, shown
from retouchd.retry.error_folder import record_at
from retouchd.spool.fingerprint import results_told
from retouchd.spool.history import History
from retouchd.spool.spool import Spool
from retouchd.status.collect import holder_of
from retouchd.status.report import StatusReport, unit_of
from retouchd.status.status_file import StatusFiles

_BEAT_SECONDS = 0.2
_BEATS_UNSEEN = 25


def require_daemon(settings: Settings) -> None:
    """
    Raise NotRunning where nobody would take what is dropped.
    """
    if holder_of(settings) is None:
        found = StatusFiles(settings.folders.work).read()
        unit = unit_of(found[0] if found else None)
        raise NotRunning(
            "retouchd is not running, so nothing was dropped. Start it with `retouchd run` "
            f"(as a service: {unit.command('start')}), or leave out --wait."
        )


class Follower:
    """
    Follows files from the moment they are dropped until the history tells of them.

    A job is ours if it has our image's name and folder and did not exist when the image was dropped: no
    clock is asked.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folders = settings.folders
        self._history = History(self._folders.work)
        self._spool = Spool(work=self._folders.work, inbox=self._folders.inbox)
        self._start = 0
        self._before: set[str] = set()
        self._open: dict[tuple[str, str], tuple[int, set[str]]] = {}
        self._unseen: dict[tuple[str, str], int] = {}

    def note(self) -> None:
        """
        Remember what there is: none of it can be the job of the image that is dropped next.
        """
        with contextlib.suppress(OSError):
            # In this order: a job that ends between the two is in the history before its end.
            self._before = set(self._spool.ids())
            self._start = self._history.end()

    def follow(self, folder: str, name: str) -> None:
        """
        Follow the image that was dropped after the last note.
        """
        self._open[folder, name] = (self._start, self._before)

    def wait(self, console: Console) -> int:
        """
        Wait for all of them and say what became of each; return 0, or 1 if one was not done.

        Raises NotRunning when the daemon ends meanwhile.
        """
        is_well, paused = True, ""
        while self._open:
            for line in self._news():
                is_well &= self._tell(line, console)
            for path in self._gone():
                console.print(f"{shown(path)}: somebody took it out of the inbox", markup=False)
                is_well = False
            if self._open and holder_of(self._settings) is None and not list(self._news()):
                raise NotRunning(
                    f"retouchd was stopped meanwhile; {len(self._open)} of the pictures are not "
                    "finished. They are safe; start retouchd again."
                )
            report = self._report()
            for path, reason in self._duplicates(report):
                console.print(f"{shown(path)} waits: {shown(reason)}", markup=False, style="yellow")
                is_well = False
            paused = _tell_pause(report, paused, console)
            if self._open:
                time.sleep(_BEAT_SECONDS)
        return 0 if is_well else 1

    def _news(self) -> list[dict[str, Any]]:
        first = min((start for start, _ in self._open.values()), default=0)
        return [line for line in self._history.after(first) if self._key(line)]

    def _key(self, line: dict[str, Any]) -> tuple[str, str] | None:
        for (folder, name), (_, before) in self._open.items():
            is_named = (escaped(folder), escaped(name)) == (line.get("folder"), line.get("image"))
            if is_named and line.get("id") not in before:
                return folder, name
        return None

    def _tell(self, line: dict[str, Any], console: Console) -> bool:
        key = self._key(line)
        if key is None:  # The same job again: a crash may write its line twice.
            return True
        del self._open[key]
        path = shown(path_below(*key))
        if line.get("status") == "done":
            made = ", ".join(map(shown, results_told(line)))
            console.print(f"{path} → {made}", markup=False)
            return True
        why = _reason(self._folders.error / key[0] / str(line.get("record"))) or line.get("code")
        console.print(f"{path}: {shown(str(why))}", markup=False, style="red")
        return False

    def _gone(self) -> list[str]:
        """
        Stop following what lies nowhere any more: neither in the inbox nor in work nor in the history.
        """
        gone = []
        for folder, name in list(self._open):
            is_there = (self._folders.inbox / folder / name).exists() or self._in_work(folder, name)
            unseen = 0 if is_there else self._unseen.get((folder, name), 0) + 1
            self._unseen[folder, name] = unseen
            if unseen > _BEATS_UNSEEN:
                del self._open[folder, name]
                gone.append(path_below(folder, name))
        return gone

    def _in_work(self, folder: str, name: str) -> bool:
        for job_id in self._spool.ids():
            with contextlib.suppress(Blocked, OSError):
                job = self._spool.load(job_id).job
                if job and job.folder == folder and any(m.inbox_name == name for m in job.members):
                    return True
        return False

    def _report(self) -> StatusReport | None:
        found = StatusFiles(self._folders.work).read()
        return found[0] if found else None

    def _duplicates(self, report: StatusReport | None) -> Iterator[tuple[str, str]]:
        """
        Stop following what was done before: it is not edited again before somebody acts.
        """
        for each in report.duplicates if report else ():
            for folder, name in list(self._open):
                is_named = (escaped(folder), escaped(name)) == (each.folder, each.name)
                if not is_named or not each.is_done:
                    continue
                there = file_stat.snapshot(self._folders.inbox / folder / name)
                if there and (there.inode, there.mtime_ns) == (each.inode, each.mtime_ns):
                    del self._open[folder, name]
                    yield path_below(folder, name), each.reason


def _tell_pause(report: StatusReport | None, told: str, console: Console) -> str:
    reason = report.pause.reason if report and report.pause else ""
    if reason and reason != told:
        console.print(f"retouchd has paused: {shown(reason)}", markup=False, style="yellow")
    return reason


def _reason(path: Path) -> str | None:
    error = (record_at(path) or {}).get("error")
    return f"{error['message']} {error['hint']}" if error else None
