"""
`retouchd submit`: drops jobs whole and the image last, and waits for what becomes of them.

Waiting for jobs that were dropped: what became of each, from the daemon's own history.
"""

import contextlib
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console

from retouchd.cli.compose import settings_only
from retouchd.cli.submit_edits import task_of
from retouchd.config import EditSection
from retouchd.config.settings import Settings
from retouchd.disk import file_stat, moves
from retouchd.errors import Blocked, ConfigurationError, NotRunning, Problem, WrongUsage
from retouchd.inbox.precedence import Task
from retouchd.inbox.safe_drop import Piece, clear_leftovers, drop, inherits_prompt
from retouchd.inbox.scanner import InboxScanner
from retouchd.job.filenames import FOLDER_PROMPT, Kind, parse
from retouchd.job.naming import escaped, path_below, shown
from retouchd.request.fields import read_edit
from retouchd.request.output import output_faults
from retouchd.request.overrides import nearest
from retouchd.request.sidecar_tree import named_by, settings_in, table
from retouchd.request.text_encoding import MAX_PROMPT_BYTES, read_prompt
from retouchd.request.validate import check_request
from retouchd.retry.error_folder import record_at
from retouchd.spool.history import History
from retouchd.spool.spool import Spool
from retouchd.status.collect import holder_of
from retouchd.status.inbox_snapshot import inbox_of
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
            made = ", ".join(f"outbox/{shown(name)}" for name in line.get("outputs", ()))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """
    What was typed: pictures, a prompt (`-` for standard input), a mask, `key=value` words, a sub-folder; a
    structured sidecar that names several edits.
    """

    images: Sequence[Path]
    prompt: str | None
    mask: Path | None
    parameters: Sequence[str]
    folder: str
    edits: Path | None = None


def submit(config: Path | None, wish: Submission, *, is_waiting: bool) -> int:
    """
    Drop a job for each picture; return 0, or 1 if one that was waited for ended in `error/`.

    Raises WrongUsage with every fault of what was typed, ConfigurationError where the inbox cannot take
    it; NotRunning, before anything is dropped, where nobody is there to be waited for.
    """
    _, settings = settings_only(config)
    if not settings.folders.inbox.is_dir():
        msg = f"folders.inbox: {settings.folders.inbox} is not there. Make it, or run `retouchd init`."
        raise ConfigurationError([msg])
    prompt, problems = _prompt(wish, settings)
    values, more = _parameters(wish, settings, prompt)
    problems += more
    task = Task(has_prompt=prompt is not None)
    if wish.edits is not None and wish.parameters:
        problems.append("--set and --edits cannot stand together: write it into that file alone.")
    elif wish.edits is not None and (fault := _unusable(wish.edits)):
        problems.append(fault)
    elif wish.edits is not None:
        found = task_of(wish.edits, settings, has_prompt=prompt is not None)
        if isinstance(found, Task):
            task = task.over(found)
        else:
            problems += found
    problems += _files(wish, inbox_of(settings))
    problems += _place(wish, settings)
    has_default = not settings.edit.task.lacking
    inbox = settings.folders.inbox
    if (
        not problems
        and task.lacking
        and not inherits_prompt(inbox, wish.folder, has_default=has_default)
    ):
        problems.append(
            f"There is no prompt: give one with --prompt, or write a {FOLDER_PROMPT} into the folder."
        )
    if problems:
        raise WrongUsage("\n".join(problems))
    if is_waiting:
        require_daemon(settings)
    follower = Follower(settings)
    console = Console(highlight=False, soft_wrap=True)
    for image in wish.images:
        name = _drop(image, wish, settings, follower, prompt=prompt, values=values)
        path = path_below(wish.folder, name)
        console.print(f"{shown(str(image))} → inbox/{shown(path)}", markup=False)
    return follower.wait(console) if is_waiting else 0


def _prompt(wish: Submission, settings: Settings) -> tuple[str | None, list[str]]:
    """
    Return the text of the prompt, read as that of a sidecar would be, and what is wrong with it.
    """
    if wish.prompt is None:
        return None, []
    try:
        typed = wish.prompt.encode()
    except UnicodeEncodeError:
        return None, ["--prompt is not valid UTF-8."]
    raw = sys.stdin.buffer.read(MAX_PROMPT_BYTES + 1) if wish.prompt == "-" else typed
    text = read_prompt(raw, "--prompt", settings.text_encoding, is_chinese=settings.is_chinese)
    if isinstance(text, Problem):
        return None, [text.message]
    return text, []


def _parameters(
    wish: Submission, settings: Settings, prompt: str | None
) -> tuple[dict[str, Any], list[str]]:
    """
    Return what --set asks for, by the rules of `[edit]` and of the model.
    """
    asked, problems = settings_in(wish.parameters)
    output = asked.pop("output", {})
    problems += _output_problems(output, has_mask=wish.mask is not None)
    try:
        section = EditSection(**asked)
    except ValidationError as error:
        return {}, [*problems, *map(_fault, error.errors())]
    model = section.model if "model" in asked else settings.edit.model
    parameters = {**settings.edit.parameters, **section.parameters()}
    found = check_request(
        model, prompt, parameters, settings.limits(model), has_mask=wish.mask is not None
    )
    problems += [f"{each.message} {each.hint}" for each in found]
    values = section.model_dump(include=set(asked))
    return {**values, **({"output": output} if output else {})}, problems


def _output_problems(output: Mapping[str, Any], *, has_mask: bool) -> list[str]:
    """
    Return what is wrong with the keys of `output` that --set names.
    """
    found = read_edit({"output": dict(output)}) if output else []
    if isinstance(found, list):
        return [f"--set {each}" for each in found]
    return output_faults(output, has_mask=has_mask, has_references=False)


def _fault(fault: ErrorDetails) -> str:
    key = ".".join(map(str, fault["loc"]))
    if fault["type"] != "extra_forbidden":
        return f"--set {shown(key)}: {fault['msg'].rstrip('.')}."
    known = list(EditSection.model_fields)
    near = nearest(key, known, likeness=0.6)
    meant = f"did you mean {near}?" if near else f"known are {', '.join(known)}."
    return (
        f"--set {shown(key)} is not a known parameter; {meant} "
        f"A field of your own relay's is set with extra.{shown(key)}=…"
    )


def _files(wish: Submission, inbox: InboxScanner) -> Iterator[str]:
    for image in wish.images:
        named = parse(image.name)
        if fault := _unusable(image):
            yield fault
        elif left := inbox.ignored(image.name):
            yield f"{shown(str(image))} would not be taken ({left}); give it another name."
        elif named.kind is Kind.MASK:
            yield f"{shown(str(image))} is a mask by its name; give it with --mask, or rename it."
        elif named.kind is not Kind.IMAGE:
            yield f"{shown(str(image))} is no picture that can be sent: save it as PNG, JPEG or WebP."
    if wish.mask is not None:
        if fault := _unusable(wish.mask):
            yield fault
        elif wish.mask.suffix.lower() != ".png":
            yield f"{shown(str(wish.mask))} is no mask: a mask is a PNG with transparent parts."


def _unusable(path: Path) -> str | None:
    name = shown(str(path))
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return f"{name} is a folder; name the pictures in it."
        if not stat.S_ISREG(found.st_mode):
            return f"{name} is not a file."
        path.open("rb").close()
    except FileNotFoundError:
        return f"{name} is not there."
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}."
    return f"{name} is empty: it has 0 bytes." if found.st_size == 0 else None


def _place(wish: Submission, settings: Settings) -> Iterator[str]:
    parts = wish.folder.split("/") if wish.folder else []
    if any(part in ("", ".", "..") for part in parts):
        yield f"--folder {shown(wish.folder)} must be a path inside the inbox, such as shoes/red."
    elif not inbox_of(settings).takes_folder(wish.folder):
        yield f"--folder {shown(wish.folder)}: the daemon takes nothing from there."


def _drop(
    image: Path,
    wish: Submission,
    settings: Settings,
    follower: Follower,
    *,
    prompt: str | None,
    values: Mapping[str, Any],
) -> str:
    named, folder = parse(image.name), settings.folders.inbox / wish.folder
    owner = named_by(named, named.stem)
    pieces = []
    if prompt is not None:
        pieces.append(Piece(suffix=f"{owner}.txt", source=prompt.encode()))
    if wish.mask is not None:
        pieces.append(Piece(suffix=f"{owner}.mask.png", source=wish.mask))
    if values:
        tables = {key: values[key] for key in ("extra", "output") if key in values}
        own = {key: value for key, value in values.items() if key not in tables}
        source = table(own, **tables)
        pieces.append(Piece(suffix=f"{owner}.toml", source=source))
    if wish.edits is not None:
        pieces.append(Piece(suffix=f"{owner}{wish.edits.suffix.lower()}", source=wish.edits))
    pieces.append(Piece(suffix=named.suffix, source=image))
    try:
        with moves.made_folder(settings.folders.inbox, wish.folder) as held:
            clear_leftovers(held)
            names = drop(held, named.stem, pieces, follower.note)
    except OSError as error:
        msg = f"{shown(str(image))} cannot be dropped into {shown(str(folder))}: {error.strerror}."
        raise ConfigurationError([msg]) from error
    follower.follow(wish.folder, names[-1])
    return names[-1]
