"""
The commands that need no endpoint: the demo, and the embedded endpoint alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from retouchd.cli.click_types import AnyPath, WithFaults

if TYPE_CHECKING:  # As for the other commands: --help names no path.
    from pathlib import Path

F = TypeVar("F", bound="Callable[..., Any]")
_STYLES = ("openai", "openai-json", "xai", "openrouter", "azure")


def _style_option(to_do: str) -> Callable[[F], F]:
    return click.option(
        "--style",
        metavar="STYLE",
        type=click.Choice(_STYLES),
        default="openai",
        show_default=True,
        help=f"What kind of endpoint to {to_do}, as endpoint.style has it.",
    )


@click.command(short_help="Show the main job on real photos; no key is needed.")
@click.argument("folder", metavar="[DIR]", type=AnyPath(), default="retouchd-demo")
@_style_option("ask")
@click.option("--page", "is_page", is_flag=True, help="Serve the page then, until Ctrl-C.")
def demo(folder: Path, style: str, *, is_page: bool) -> int:
    """
    Show the main job on real photos against the embedded endpoint, below DIR (./retouchd-demo); no key
    is needed.
    """
    from retouchd.cli.demo import show
    from retouchd.endpoint.styles import StyleName

    return show(folder, StyleName(style), is_page=is_page)


@click.command(cls=WithFaults, short_help="Run the embedded endpoint alone, for rehearsals.")
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--key", metavar="KEY", help="The only key to accept; without it any will do.")
@click.option(
    "--fault",
    "faults",
    metavar="FAULT",
    multiple=True,
    help="What goes wrong, as listed below. May be repeated.",
)
@click.option(
    "--pictures", metavar="DIR", type=AnyPath(), help="Keep a copy of each picture it makes."
)
@_style_option("be")
@click.option(
    "--relay",
    is_flag=True,
    help="Be as lenient as relays are: any model, unknown parameters ignored.",
)
def sandbox(
    port: int,
    key: str | None,
    faults: Sequence[str],
    pictures: Path | None,
    style: str,
    *,
    relay: bool,
) -> None:
    """
    Run the embedded endpoint alone, for rehearsals: real HTTP, real pictures, no AI, no cost.
    """
    from retouchd.cli.embedded import serve
    from retouchd.sandbox.models import Manner

    manner = Manner.RELAY if relay else Manner.PROVIDER
    try:
        serve(port=port, key=key, faults=faults, manner=manner, style=style, pictures=pictures)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from error
