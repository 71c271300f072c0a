"""
What is done once on a machine: `retouchd init`, `retouchd schema` and completion in a shell.

`retouchd schema`: what a file of ours may say, for editors. `retouchd init`: the folders and a commented
configuration. What a shell needs to complete a command: a script of its own, and the names that `retry` can be
given.
"""

import json
import os
import re
from pathlib import Path

import click
from click.shell_completion import get_completion_class
from rich.console import Console

from retouchd.config import find
from retouchd.config.schema import SCHEMAS, example
from retouchd.disk.folders import Folders
from retouchd.errors import ConfigurationError, RetouchdError
from retouchd.job.naming import shown
from retouchd.request.text_encoding import encoding_of


def text_of(name: str) -> str:
    """
    Return a schema as a file of JSON.
    """
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False)


IMAGES_PER_DAY = 200
_NEXT = """
Next:
  1. Your key: below [endpoint] in {config}, or export RETOUCHD_ENDPOINT__API_KEY=sk-…
  2. retouchd check{option}
  3. retouchd run{option}
  4. Drop a photo and its prompt, photo.jpg and photo.txt, into {inbox}"""


def make(root: Path) -> None:
    """
    Make what is missing below `root` and say what was made and what to do next; what is there stays as it is.

    Raises ConfigurationError with every folder that cannot be made.
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    folders = folders_below(root.absolute())
    os.umask(os.umask(0) | 0o007)  # Who shares pictures with everybody opens their folder.
    if problems := folders.make():
        raise ConfigurationError(problems)
    config = root / "config.toml"
    try:
        with os.fdopen(_new_private(config), "w", encoding="utf-8") as file:
            file.write(_first(encoding_of(os.environ)))
    except FileExistsError:
        console.print(f"{shown(str(config))} is there already and was left as it is.")
    except OSError as error:
        raise ConfigurationError([f"{config} cannot be written: {error.strerror}."]) from error
    else:
        console.print(f"Made {shown(str(config))} and five folders beside it.")
        console.print(
            f"At most {IMAGES_PER_DAY} pictures a day are sent: budget.images_per_day in that file."
        )
    name = shown(str(config))
    option = "" if _is_found(config) else f" --config {name}"
    console.print(_NEXT.format(config=name, option=option, inbox=shown(str(folders.inbox))))


def _is_found(config: Path) -> bool:
    """
    Return whether the commands find a configuration from here without being told.
    """
    try:
        found = find(None)
        return found is not None and found.samefile(config)
    except (ConfigurationError, OSError):
        return False


def _new_private(path: Path) -> int:
    """
    Make a file that is to hold a key; raises FileExistsError.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def folders_below(root: Path) -> Folders:
    """
    Return the five folders by their own names.
    """
    return Folders(
        inbox=root / "inbox",
        outbox=root / "outbox",
        done=root / "done",
        error=root / "error",
        work=root / "work",
    )


def _first(encoding: str | None) -> str:
    """
    Return the commented configuration with what a first one has in force: an archive of thousands of photos
    that was dropped by mistake costs a day's budget only, and prompts have the encoding of this machine.
    """
    text = _set(example(), "images_per_day", str(IMAGES_PER_DAY))
    return _set(text, "text_encoding", f'"{encoding}"') if encoding else text


def _set(text: str, key: str, value: str) -> str:
    return re.sub(rf"(?m)^# {key} = .*$", f"{key} = {value}", text)


_PLACES = {
    "bash": (".bash_completions/retouchd.sh", ".bashrc", "source ~/.bash_completions/retouchd.sh"),
    "zsh": (".zfunc/_retouchd", ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
    "fish": (".config/fish/completions/retouchd.fish", None, ""),
}
"""For each shell where its script goes, and the line of which file lets the shell find it."""


def script_of(program: click.Command, shell: str) -> str:
    """
    Return what teaches a shell to complete the program.
    """
    completer = get_completion_class(shell)
    assert completer is not None, "only shells that click knows can be named"
    return completer(program, {}, "retouchd", "_RETOUCHD_COMPLETE").source()


def install(program: click.Command, shell: str) -> str:
    """
    Put the script where the shell finds it; return what was done. Nothing of the person's is written over.

    Raises RetouchdError where it cannot be written.
    """
    place, settings, line = _PLACES[shell]
    path = Path.home() / place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script_of(program, shell), "utf-8")
        if settings is not None:
            _mention(Path.home() / settings, line)
    except (OSError, UnicodeDecodeError) as error:
        raise RetouchdError(f"Completion cannot be installed: {error}.") from error
    return f"Completion for {shell} is in {path}; it works in shells that are started from now on."


def _mention(path: Path, line: str) -> None:
    text = path.read_text("utf-8") if path.exists() else ""
    if line not in text.splitlines():
        own = line if text.endswith("\n") or not text else f"\n{line}"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{own}\n")


def names_in_error(config: Path | None, begun: str) -> list[str]:
    """
    Return the jobs in `error/` whose names begin so; none where anything is wrong.
    """
    from retouchd.cli.compose import settings_only  # noqa: PLC0415
    from retouchd.retry.error_folder import groups_below  # noqa: PLC0415 - only who completes pays

    try:
        _, settings = settings_only(config)
        groups = list(groups_below(settings.folders.error))
    except (RetouchdError, OSError):
        return []
    names = {group.path(each) for group in groups for each in (group.stem, group.names[-1])}
    return sorted(name for name in names if name.startswith(begun) and _is_typed(name))


def _is_typed(name: str) -> bool:
    """
    Return whether a name can be handed to a shell as a word of one line.
    """
    return name.isprintable() and os.fsencode(name).decode("utf-8", "replace") == name
