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
def once(
    config: ConfigFile = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what would be sent, and touch nothing."),
    ] = False,
) -> None:
    """
    Work off what is in the inbox, then stop; what waits for a partner is listed and stays.

    Exit code: 0 all done, 1 something went to error/, 75 the endpoint or the account is unavailable.
    """
    if dry_run:
        from retouchd.cli.rehearsing import rehearse

        raise typer.Exit(rehearse(config))
    from retouchd.cli.running import once as work

    raise typer.Exit(work(config))


@app.command()
def submit(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…")],
    prompt: Annotated[
        str | None,
        typer.Option("-p", "--prompt", metavar="TEXT", help="What is to be done; - reads it."),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option("--mask", metavar="PNG", help="Its transparent parts are edited."),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A parameter, such as size=1024x1024."),
    ] = None,
    folder: Annotated[
        str, typer.Option("--folder", metavar="SUB", help="A folder inside the inbox.")
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the results and say what they are.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """
    Drop pictures with a prompt into the inbox, each whole and the image last; yours stay where they are.

    Exit code: 0 dropped (with --wait: done), 1 one ended in error/, 2 nothing was dropped, 3 not running.
    """
    from retouchd.cli.submit import Wish
    from retouchd.cli.submit import submit as drop

    wish = Wish(
        images=images,
        prompt=prompt,
        mask=mask,
        parameters=parameters or [],
        folder=folder.strip("/"),
    )
    raise typer.Exit(drop(config, wish, is_waiting=wait))


@app.command()
def status(
    config: ConfigFile = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs; the README says what each field means.")
    ] = False,
    is_following: Annotated[
        bool, typer.Option("--follow", help="Again and again, until Ctrl-C.")
    ] = False,
) -> None:
    """
    Say how things stand: the daemon, what is in work, what waits and why, what was done today.

    Exit code: 0 healthy, 1 needs attention, 3 not running.
    """
    from retouchd.cli.status import status as look

    raise typer.Exit(look(config, as_json=as_json, is_following=is_following))


def _complete_retry(context: typer.Context, incomplete: str) -> list[str]:
    from retouchd.cli.completing import names_in_error

    return names_in_error(context.params.get("config"), incomplete)


@app.command()
def retry(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME…]",
            help="As they stand in error/: cat, cat.png, shoes/red, 'shoes/*'.",
            autocompletion=_complete_retry,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything in error/.")] = False,
    config: ConfigFile = None,
) -> None:
    """
    Move originals from error/ back into the inbox, to be tried again.
    """
    from retouchd.cli.retry import retry as put_back

    put_back(config, names or [], is_all=everything)


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
