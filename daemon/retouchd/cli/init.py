"""
`retouchd init`: the folders and a commented configuration.
"""

import os
import re
from importlib.resources import files as resources
from pathlib import Path

from rich.console import Console

from retouchd.adapters.folders import Folders
from retouchd.errors import ConfigurationError
from retouchd.rules.languages import encoding_of
from retouchd.rules.naming import shown

EXAMPLE = "config.example.toml"


def make(root: Path) -> None:
    """
    Make what is missing below `root` and say what was made; what is there stays as it is. On a machine whose
    language has an encoding of its own, the configuration names that for prompts.

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
            file.write(_speaking(encoding_of(os.environ)))
    except FileExistsError:
        console.print(f"{shown(str(config))} is there already and was left as it is.")
    except OSError as error:
        raise ConfigurationError([f"{config} cannot be written: {error.strerror}."]) from error
    else:
        console.print(f"Made {shown(str(config))}: put your key into it.")
    console.print(f"Drop photos and prompts into {shown(str(folders.inbox))}")
    console.print(f"then start:  retouchd run --config {shown(str(config))}")


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


def example() -> str:
    """
    Return the commented configuration that comes with the package.
    """
    return (resources("retouchd") / EXAMPLE).read_text("utf-8")


def _speaking(encoding: str | None) -> str:
    """
    Return the commented configuration with the encoding that prompts have on this machine.
    """
    if encoding is None:
        return example()
    return re.sub("(?m)^# text_encoding = .*$", f'text_encoding = "{encoding}"', example())
