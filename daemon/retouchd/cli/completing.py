"""
What a shell needs to complete a command: a script of its own, and the names that `retry` can be given.
"""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from retouchd.errors import RetouchdError

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


def names_of_records(config: Path | None, begun: str) -> list[str]:
    """
    Return the jobs in `done/` and `error/` whose names begin so; none where anything is wrong.
    """
    from retouchd.cli.compose import settings_only  # noqa: PLC0415
    from retouchd.cli.finish import names_of  # noqa: PLC0415 - only who completes pays

    try:
        _, settings = settings_only(config)
        return [each for each in names_of(settings.folders, begun) if _is_typed(each)]
    except (RetouchdError, OSError):
        return []


def _is_typed(name: str) -> bool:
    """
    Return whether a name can be handed to a shell as a word of one line.
    """
    return name.isprintable() and os.fsencode(name).decode("utf-8", "replace") == name
