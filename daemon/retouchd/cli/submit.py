"""
`retouchd submit`: drops jobs the way a good program does, whole and the image last.
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
from retouchd.cli.following import Follower, require_daemon
from retouchd.config import EditSection
from retouchd.config.settings import Settings
from retouchd.disk import trees
from retouchd.errors import ConfigurationError, Problem, WrongUsage
from retouchd.inbox.safe_drop import Piece, clear_leftovers, drop, names_in
from retouchd.inbox.scanner import Inbox
from retouchd.job.filenames import FOLDER_PROMPT, Kind, parse
from retouchd.job.naming import path_below, shown
from retouchd.request.nearest import nearest
from retouchd.request.submit_format import named_by, settings_in, table
from retouchd.request.text_encoding import MAX_PROMPT_BYTES, read_prompt
from retouchd.request.validate import check_request
from retouchd.status.inbox_snapshot import inbox_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """
    What was typed: pictures, a prompt (`-` for standard input), a mask, `key=value` words, a sub-folder.
    """

    images: Sequence[Path]
    prompt: str | None
    mask: Path | None
    parameters: Sequence[str]
    folder: str


def submit(config: Path | None, wish: Wish, *, is_waiting: bool) -> int:
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
    problems += _files(wish, inbox_of(settings))
    problems += _place(wish, settings)
    if prompt is None and not problems and not _inherits(wish, settings):
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


def _prompt(wish: Wish, settings: Settings) -> tuple[str | None, list[str]]:
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
    wish: Wish, settings: Settings, prompt: str | None
) -> tuple[dict[str, Any], list[str]]:
    """
    Return what --set asks for, by the rules of `[edit]` and of the model.
    """
    asked, problems = settings_in(wish.parameters)
    try:
        section = EditSection(**asked)
    except ValidationError as error:
        return {}, [*problems, *map(_fault, error.errors())]
    model = section.model if "model" in asked else settings.edit.model
    parameters = {**settings.edit.parameters, **section.parameters()}
    found = check_request(model, prompt, parameters, settings.limits(model))
    problems += [f"{each.message} {each.hint}" for each in found]
    return section.model_dump(include=set(asked)), problems


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


def _files(wish: Wish, inbox: Inbox) -> Iterator[str]:
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


def _place(wish: Wish, settings: Settings) -> Iterator[str]:
    parts = wish.folder.split("/") if wish.folder else []
    if any(part in ("", ".", "..") for part in parts):
        yield f"--folder {shown(wish.folder)} must be a path inside the inbox, such as shoes/red."
    elif not inbox_of(settings).takes_folder(wish.folder):
        yield f"--folder {shown(wish.folder)}: the daemon takes nothing from there."


def _inherits(wish: Wish, settings: Settings) -> bool:
    """
    Return whether a picture without a prompt finds one: in its folder, above, or in the configuration.
    """
    place = settings.folders.inbox / wish.folder
    above = [place, *place.parents]
    within = above[: above.index(settings.folders.inbox) + 1]
    return settings.edit.prompt is not None or any(
        parse(name).kind is Kind.FOLDER_PROMPT for each in within for name in names_in(each)
    )


def _drop(
    image: Path,
    wish: Wish,
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
        own = {key: value for key, value in values.items() if key != "extra"}
        source = table(own, values.get("extra", {}))
        pieces.append(Piece(suffix=f"{owner}.toml", source=source))
    pieces.append(Piece(suffix=named.suffix, source=image))
    try:
        with trees.made_folder(settings.folders.inbox, wish.folder) as held:
            clear_leftovers(held)
            names = drop(held, named.stem, pieces, follower.note)
    except OSError as error:
        msg = f"{shown(str(image))} cannot be dropped into {shown(str(folder))}: {error.strerror}."
        raise ConfigurationError([msg]) from error
    follower.follow(wish.folder, names[-1])
    return names[-1]
