"""
The commands and what they take. What each does stands in a module of its own, imported when it runs.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from retouchd.errors import RetouchdError

app = typer.Typer(
    name="retouchd",
    help="A hot folder for AI image edits: drop a photo and its prompt, pick up the edited picture.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        help="The configuration; else $RETOUCHD_CONFIG, ./config.toml, "
        "~/.config/retouchd/config.toml, /etc/retouchd/config.toml.",
    ),
]


def _show_version(is_wanted: bool) -> None:  # noqa: FBT001 - typer's own signature
    if is_wanted:
        from retouchd import __version__

        typer.echo(f"retouchd {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]")] = Path("retouch"),
) -> None:
    """
    Make the folders and a commented config.toml in DIR; nothing is ever overwritten.
    """
    from retouchd.cli.init import make

    make(folder)


@app.command()
def check(config: ConfigFile = None) -> None:
    """
    Look at configuration, folders, endpoint and key, and print every problem at once.
    """
    from retouchd.cli.check import check as look

    raise typer.Exit(look(config))


@app.command()
def run(config: ConfigFile = None) -> None:
    """
    Run the daemon until it is stopped.
    """
    from retouchd.cli.running import run as work

    work(config)


@app.command()
def once(config: ConfigFile = None) -> None:
    """
    Work off what is in the inbox, then stop; what waits for a partner is listed and stays.

    Exit code: 0 all done, 1 something went to error/, 75 the endpoint or the account is unavailable.
    """
    from retouchd.cli.running import once as work

    raise typer.Exit(work(config))


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]")] = Path("retouchd-demo"),
) -> None:
    """
    Show the main job on real photos against the embedded endpoint; no key is needed.
    """
    from retouchd.cli.demo import show

    raise typer.Exit(show(folder))


class _WithFaults(TyperCommand):
    """
    A command whose help ends with the list of faults.
    """

    # typer brings its types along under another name with each release.
    def format_help(self, ctx: Any, formatter: Any) -> None:
        """
        Print the help, then the list.
        """
        super().format_help(ctx, formatter)
        from retouchd.cli.embedded import print_faults

        print_faults()


@app.command(cls=_WithFaults)
def sandbox(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = 8765,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="KEY", help="The only key to accept; without it any will do."
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="FAULT", help="What goes wrong, as listed below. May be repeated."
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="DIR", help="Keep a copy of each picture it makes."),
    ] = None,
    relay: Annotated[
        bool,
        typer.Option(
            "--relay",
            help="Be as lenient as relays are: any model, unknown parameters ignored.",
        ),
    ] = False,
) -> None:
    """
    Run the embedded endpoint alone, for rehearsals: real HTTP, real pictures, no AI, no cost.
    """
    from retouchd.cli.embedded import serve
    from retouchd.sandbox.models import Manner

    manner = Manner.RELAY if relay else Manner.PROVIDER
    try:
        serve(port=port, key=key, faults=fault or (), manner=manner, pictures=pictures)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--fault") from error


def main() -> None:
    """
    Run a command; a fault that a person can mend is told without a traceback.
    """
    try:
        app()
    except RetouchdError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"retouchd: {line}\n")
        sys.exit(error.exit_code)
