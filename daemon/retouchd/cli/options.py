"""
Options that several commands share, and the completion of what is typed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from retouchd.cli.click_types import AnyPath

_SHELLS = click.Choice(["bash", "zsh", "fish"])


def install_completion(context: click.Context, _: click.Parameter, shell: str | None) -> None:
    """
    Teach a shell, and end.
    """
    if shell is not None:
        from retouchd.cli.completing import install

        click.echo(install(context.command, shell))
        context.exit()


def show_completion(context: click.Context, _: click.Parameter, shell: str | None) -> None:
    """
    Print what a shell would be taught, and end.
    """
    if shell is not None:
        from retouchd.cli.completing import script_of

        click.echo(script_of(context.command, shell), nl=False)
        context.exit()


def complete_retry(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """
    Return the names in `error/` that begin so.
    """
    from retouchd.cli.completing import names_in_error

    return names_in_error(context.params.get("config"), begun)


def complete_finish(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """
    Return the names in `done/` and `error/` that begin so.
    """
    from retouchd.cli.completing import names_of_records

    return names_of_records(context.params.get("config"), begun)


def for_a_shell(name: str, text: str, act: Callable[..., None]) -> Callable[..., Any]:
    """
    Return an option that takes the name of a shell, that of the reader unless named.
    """
    return click.option(
        name,
        metavar="[SHELL]",
        type=_SHELLS,
        is_flag=False,
        flag_value=(os.environ.get("SHELL") or "bash").rpartition("/")[2],
        is_eager=True,
        expose_value=False,
        callback=act,
        help=text,
    )


with_config = click.option(
    "-c",
    "--config",
    metavar="FILE",
    type=AnyPath(),
    help="The configuration; else $RETOUCHD_CONFIG, ./config.toml, ./retouch/config.toml, "
    "~/.config/retouchd/config.toml, /etc/retouchd/config.toml.",
)
