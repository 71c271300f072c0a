"""
`retouchd submit`: drops jobs whole and the image last.
"""

import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console

from retouchd.cli.compose import settings_only
from retouchd.cli.follow_jobs import Follower, require_daemon
from retouchd.cli.submit_edits import task_of
from retouchd.config import EditSection
from retouchd.config.settings import Settings
from retouchd.disk import moves
from retouchd.errors import ConfigurationError, Problem, WrongUsage
from retouchd.inbox.precedence import Task
from retouchd.inbox.safe_drop import Piece, clear_leftovers, drop, inherits_prompt
from retouchd.inbox.scanner import InboxScanner
from retouchd.job.filenames import FOLDER_PROMPT, Kind, parse
from retouchd.job.naming import path_below, shown
from retouchd.request.edit_reader import read_edit
from retouchd.request.output import output_faults
from retouchd.request.overrides import nearest
from retouchd.request.sidecar_tree import named_by, settings_in, table
from retouchd.request.text_encoding import MAX_PROMPT_BYTES, read_prompt
from retouchd.request.validate import check_request
from retouchd.status.inbox_snapshot import inbox_of


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
