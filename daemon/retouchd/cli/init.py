"""
`retouchd init`: the folders and a commented configuration; `retouchd schema`: what a file of ours may say.
"""

import json
import os
import re
from pathlib import Path

from rich.console import Console

from retouchd.config import find
from retouchd.config.schema import SCHEMAS, example
from retouchd.disk.folders import Folders
from retouchd.errors import ConfigurationError
from retouchd.job.naming import shown
from retouchd.logs.event_schema import log_schema
from retouchd.request.matching import MATCH
from retouchd.request.text_encoding import encoding_of
from retouchd.spool.record_schema import record_schema

_SCHEMAS = {**SCHEMAS, "record": record_schema, "log": log_schema}


def text_of(name: str) -> str:
    """
    Return a schema as a file of JSON.
    """
    return json.dumps(_SCHEMAS[name](), indent=2, ensure_ascii=False)


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
        console.print(f"Made {shown(str(config))} and six folders beside it.")
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
    Return the six folders by their own names.
    """
    return Folders(
        inbox=root / "inbox",
        outbox=root / "outbox",
        review=root / "review",
        done=root / "done",
        error=root / "error",
        work=root / "work",
    )


def _first(encoding: str | None) -> str:
    """
    Return the commented configuration with what a first one has in force: an archive of thousands of photos
    that was dropped by mistake costs a day's budget only, results have the shape of their photos, and prompts
    have the encoding of this machine.
    """
    text = _set(example(), "images_per_day", str(IMAGES_PER_DAY))
    text = _set(text, "size", f'"{MATCH}"')
    return _set(text, "text_encoding", f'"{encoding}"') if encoding else text


def _set(text: str, key: str, value: str) -> str:
    return re.sub(rf"(?m)^# {key} = .*$", f"{key} = {value}", text, count=1)
