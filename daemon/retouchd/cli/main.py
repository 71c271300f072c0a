"""
The commands and what they take. What each does stands in a module of its own, imported when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from retouchd import __version__
from retouchd.cli.click_types import AnyPath, Program
from retouchd.cli.options import (
    complete_finish,
    complete_retry,
    for_a_shell,
    install_completion,
    show_completion,
    with_config,
)
from retouchd.cli.rehearsals import demo, sandbox
from retouchd.job.naming import shown

if TYPE_CHECKING:  # A tenth of the time that --help takes, which names no path.
    from pathlib import Path


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="retouchd %(version)s", help="Show the version.")
@for_a_shell(
    "--install-completion",
    "Teach bash, zsh or fish (yours, if not named) to complete what is typed.",
    install_completion,
)
@for_a_shell("--show-completion", "Print what would be installed.", show_completion)
def app() -> None:
    """
    A hot folder for AI image edits: drop a photo and its prompt, pick up the edited picture.
    """


@app.command(short_help="Make the folders and a commented config.toml.")
@click.argument("folder", metavar="[DIR]", type=AnyPath(), default="retouch")
def init(folder: Path) -> None:
    """
    Make the folders and a commented config.toml in DIR (./retouch); nothing is ever overwritten.
    """
    from retouchd.cli.init import make

    make(folder)


@app.command(short_help="Print every problem of configuration, folders, endpoint and key.")
@click.option(
    "--service",
    metavar="NAME",
    help="Look as that systemd service would: its user, key, folders and configuration.",
)
@with_config
def check(config: Path | None, service: str | None) -> int:
    """
    Look at configuration, folders, endpoint and key, and print every problem at once.

    Exit code: 0 retouchd can start (there may be warnings), 75 the endpoint cannot be reached or turns the
    key away, 78 something here is wrong.
    """
    if service is not None:
        from retouchd.cli.as_service import check_as_service

        if config is not None:
            raise click.UsageError("--service takes the configuration that the service has.")
        return check_as_service(service)
    from retouchd.cli.check import check as look

    return look(config)


@app.command(short_help="Watch the inbox and edit what is dropped, until stopped.")
@with_config
def run(config: Path | None) -> None:
    """
    Watch the inbox and edit what is dropped, until stopped.
    """
    from retouchd.cli.command import lean

    with lean():
        from retouchd.cli.running import run as work

    work(config)


@app.command(short_help="Edit what is in the inbox, then stop.")
@with_config
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only say what would be sent, for how much, and where it would go; touch nothing.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="With --dry-run, for programs; docs/commands.md says what each field means.",
)
def once(config: Path | None, *, dry_run: bool, as_json: bool) -> int:
    """
    Work off what is in the inbox, then stop; what still waits then is told with its reason, and stays.

    Exit code: 0 nothing went wrong (some may wait: see what it says), 1 something went to error/, 73 another
    retouchd holds the work folder, 74 the summary could not be written, 75 the endpoint, the account, the
    day's budget, a disk or something in the way of a result stops it, 78 the configuration or a folder is
    wrong, 130 it was stopped before. A dry run: 0, or 1 where something would go to error/.
    """
    if dry_run:
        from retouchd.cli.dry_run import rehearse

        return rehearse(config, as_json=as_json)
    if as_json:
        raise click.UsageError("--json goes with --dry-run; a run tells programs by its log.")
    from retouchd.cli.once import once as work

    return work(config)


@app.command(short_help="Drop pictures with a prompt into the inbox.")
@click.argument(
    "images",
    metavar="IMAGE…",
    type=AnyPath(),
    nargs=-1,
    required=True,
    help="Pictures; each becomes a job of its own.",
)
@click.option("-p", "--prompt", metavar="TEXT", help="What is to be done; - reads it.")
@click.option("--mask", metavar="PNG", type=AnyPath(), help="Its transparent parts are edited.")
@click.option(
    "--set",
    "parameters",
    metavar="KEY=VALUE",
    multiple=True,
    help="A parameter, such as size=1024x1024. May be repeated.",
)
@click.option(
    "--edits", metavar="FILE", type=AnyPath(), help="A sidecar with [[edits]] for each of them."
)
@click.option("--folder", metavar="SUB", default="", help="A folder inside the inbox.")
@click.option("--wait", is_flag=True, help="Wait for the results and say what they are.")
@with_config
def submit(
    images: Sequence[Path],
    prompt: str | None,
    mask: Path | None,
    parameters: Sequence[str],
    folder: str,
    edits: Path | None,
    config: Path | None,
    *,
    wait: bool,
) -> int:
    """
    Drop pictures with a prompt into the inbox, each whole and the image last; yours stay where they are.

    Exit code: 0 dropped (with --wait: done), 1 one ended in error/, 2 nothing was dropped, 3 not running.
    """
    from retouchd.cli.submit import Submission
    from retouchd.cli.submit import submit as drop

    wish = Submission(
        images=images,
        prompt=prompt,
        mask=mask,
        parameters=parameters,
        folder=folder.strip("/"),
        edits=edits,
    )
    return drop(config, wish, is_waiting=wait)


@app.command(short_help="Say how things stand.")
@with_config
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="For programs; docs/records.md says what each field means.",
)
@click.option("--follow", "is_following", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option(
    "--all",
    "is_whole",
    is_flag=True,
    help="Name every file that waits; a large inbox takes a while.",
)
def status(config: Path | None, *, as_json: bool, is_following: bool, is_whole: bool) -> int:
    """
    Say how things stand: the daemon, what is in work, what waits and why, what was done today.

    Exit code: 0 healthy, 1 needs attention, 3 not running, 78 not to be started with this configuration.
    """
    from retouchd.cli.status import status as look

    return look(config, as_json=as_json, is_following=is_following, is_whole=is_whole)


@app.command(short_help="Say whether a daemon lives, for containers.")
@with_config
def healthcheck(config: Path | None) -> int:
    """
    Say in a line whether a daemon lives; it asks nobody, and a pause is no illness.

    Exit code: 0 it lives, 1 it does not run, gives no sign of life, or makes no progress.
    """
    from retouchd.cli.healthcheck import check as look

    return look(config)


@app.command(short_help="Move originals from error/ back into the inbox.")
@click.argument(
    "names",
    metavar="[NAME…]",
    nargs=-1,
    shell_complete=complete_retry,
    help="As they stand in error/: cat, cat.png, shoes/red, 'shoes/*'.",
)
@click.option("--all", "everything", is_flag=True, help="Everything in error/.")
@with_config
def retry(names: Sequence[str], config: Path | None, *, everything: bool) -> None:
    """
    Move originals from error/ back into the inbox, to be tried again.
    """
    from retouchd.cli.retry import retry as put_back

    put_back(config, list(names), is_all=everything)


@app.command(short_help="Finish results anew by other settings, without paying.")
@click.argument(
    "names",
    metavar="[NAME…]",
    nargs=-1,
    shell_complete=complete_finish,
    help="As they stand in done/, error/ or outbox/: cat, cat-warm.png, shoes/, 'shoes/*'.",
)
@click.option(
    "--set",
    "words",
    metavar="KEY=VALUE",
    multiple=True,
    help="A key of [output], such as output.format=tiff. May be repeated.",
)
@click.option("--day", metavar="DAY", help="Those of one day: today, yesterday or 2026-11-30.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="For programs; docs/outputs.md says what each field means.",
)
@with_config
def finish(
    names: Sequence[str],
    words: Sequence[str],
    day: str | None,
    config: Path | None,
    *,
    as_json: bool,
) -> int:
    """
    Finish the results of jobs that are over anew, by [output] as it is now and by --set: from what the endpoint
    gave, so nobody is asked and nothing is paid. They come to the outbox beside what is there.

    Exit code: 0 all are there, 1 one could not be finished, 2 a name or key is not known and nothing was done,
    78 the configuration or a folder is wrong.
    """
    from retouchd.cli.finish import finish as again

    return again(config, list(names), list(words), day, as_json=as_json)


@app.command(short_help="Send nothing until `retouchd resume`.")
@with_config
def pause(config: Path | None) -> None:
    """
    Send nothing from now on, over restarts too, until `retouchd resume`. What is under way is finished, and
    what is dropped waits in the inbox.
    """
    from retouchd.cli.pausing import pause as hold

    hold(config)


@app.command(short_help="Go on after `retouchd pause`.")
@with_config
def resume(config: Path | None) -> None:
    """
    Go on after `retouchd pause`, or after Pause on the page.
    """
    from retouchd.cli.pausing import resume as go_on

    go_on(config)


@app.command(short_help="Rebuild the history from the records in done/ and error/.")
@with_config
def reindex(config: Path | None) -> None:
    """
    Rebuild work/history.jsonl from the records in done/ and error/, where it was lost or damaged. What it has
    stays; what only records tell of is added.
    """
    from retouchd.cli.reindex import reindex as rebuild

    rebuild(config)


@app.command(short_help="Print a JSON Schema, by which editors complete and check what is typed.")
@click.argument(
    "what",
    metavar="config|sidecar|record|log",
    type=click.Choice(["config", "sidecar", "record", "log"]),
    help="Of config.toml, of sidecars and _edit files, of records, of a line of the log.",
)
def schema(what: str) -> None:
    """
    Print the JSON Schema of config.toml, or of sidecars and _edit files: by it, editors complete and check
    what is typed. docs/configuration.md says how. Programs have those of records, and of the log's lines.
    """
    from retouchd.cli.init import text_of

    click.echo(text_of(what))


app.add_command(demo)
app.add_command(sandbox)


def main() -> None:
    """
    Run a command, whoever listens; a fault that a person can mend is told without a traceback.
    """
    from retouchd.cli.command import end, make_sure_of_streams

    out = make_sure_of_streams()
    sys.exit(end(out, _code_of(lambda: app(prog_name="retouchd"))))


def _code_of(command: Callable[[], None]) -> int:
    """
    Return the exit code of a command, once what is wrong is told.
    """
    from retouchd.cli.command import mendable

    try:
        command()
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 0
    except Exception as error:
        if (told := mendable(error)) is None:
            raise
        for line in str(told).split("\n"):
            sys.stderr.write(f"retouchd: {shown(line)}\n")
        return told.exit_code
    return 0
