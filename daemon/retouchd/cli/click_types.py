"""
What the commands are made of beyond click: paths, a group that ends with exit codes, a help that lists faults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # A tenth of the time that --help takes, which names no path.
    pass

INTERRUPTED = 130


class AnyPath(click.Path):
    """
    A path, there or not, readable or not: what it should be says who uses it.
    """

    def __init__(self) -> None:
        super().__init__(readable=False)

    def coerce_path_result(self, value: Any) -> Any:
        """
        Return it as the commands take it.
        """
        from pathlib import Path

        return Path(value)


class Program(click.Group):
    """
    A group whose commands return their exit codes, and are listed as they stand here.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """
        Return the names in the order in which a newcomer needs them.
        """
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> None:
        """
        Run a command and end with its exit code; Ctrl-C is no fault that has to be told.
        """
        try:
            code = super().invoke(ctx)
        except KeyboardInterrupt:
            code = INTERRUPTED
        ctx.exit(code or 0)


class WithFaults(click.Command):
    """
    A command whose help ends with the list of faults.
    """

    def get_help(self, ctx: click.Context) -> str:
        """
        Return the help, then the list.
        """
        from retouchd.cli.embedded import list_of_faults

        return f"{super().get_help(ctx)}\n\n{list_of_faults()}"
