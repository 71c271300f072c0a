"""
`retouchd check`: everything that can be known before the first photo, each with a word on how to mend it.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from retouchd.cli.checks.endpoint import ask_endpoint
from retouchd.cli.checks.exposure import key_exposure
from retouchd.cli.checks.finding import Finding, Severity
from retouchd.cli.checks.folders import look_at_folders
from retouchd.cli.checks.requests import request_lines
from retouchd.cli.compose import read, settings_of
from retouchd.cli.program_faults import faults_of, warnings_of
from retouchd.cli.running import served
from retouchd.config import Config, ConfigFault, find
from retouchd.config.settings import Settings
from retouchd.disk.threads import PATIENCE_SECONDS, answered
from retouchd.endpoint.styles import AUTO
from retouchd.errors import ConfigurationError, FolderUnresponsive
from retouchd.job.naming import shown

_NOBODY_ASKED = Finding(
    "endpoint",
    Severity.WARNING,
    "nobody was asked: with these faults it is not certain where the endpoint is, and whose key goes there",
)


def check(path: Path | None) -> int:
    """
    Print a table of findings; return 0, 78 for a fault here, 75 for one of the endpoint's.
    """
    findings, lines = asyncio.run(_look(path))
    table = Table("what", "", "finding", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    colours = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.FAULT: "bold red"}
    for each in findings:
        mark = Text(each.mark, style=colours[each.mark])
        table.add_row(each.what, mark, Text(shown(each.text)))
    console = Console(highlight=False)
    console.print(table)
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    faults = [each.exit_code for each in findings if each.mark is Severity.FAULT]
    return max(faults, default=0)


async def _look(path: Path | None) -> tuple[list[Finding], list[str]]:
    """
    Return all that is found, and what would be asked for.
    """
    try:
        config, start, problems = read(path)
        settings, more = settings_of(config, start) if config else (None, [])
        more += faults_of(config, start) if config else ()
        findings = [*_configuration(find(path), [*problems, *more])]
        if config is not None and settings is not None:
            findings += [*key_exposure(find(path), config), *look_at_folders(settings)]
            findings += [
                Finding(what, Severity.WARNING, text) for what, text in warnings_of(config)
            ]
            findings += _style(config, settings)
        if settings is None or any(
            isinstance(p, ConfigFault) and p.hides_endpoint for p in problems
        ):
            return [*findings, _NOBODY_ASKED], []
        async with served(settings) as ready:
            findings += await ask_endpoint(ready)
            if any(each.mark is Severity.FAULT for each in findings):
                return findings, []
            return findings, ["", *await asyncio.to_thread(_requests, ready)]
    except ConfigurationError as error:
        faults = [Finding("configuration", Severity.FAULT, each) for each in error.problems]
        return faults, []


def _requests(settings: Settings) -> list[str]:
    try:
        places = settings.folders.by_name()
        return answered(lambda: list(request_lines(settings)), places, PATIENCE_SECONDS)
    except (FolderUnresponsive, OSError) as error:
        return [str(error)]


def _style(config: Config, settings: Settings) -> Iterator[Finding]:
    """
    Say how the endpoint is asked, and what was put right in its address.
    """
    style = settings.endpoint.style
    why = ", by its address" if config.endpoint.style == AUTO else ""
    yield Finding("style", Severity.OK, f"{style.name}{why}: {style.title}")
    for remark in settings.endpoint.remarks:
        yield Finding("address", Severity.WARNING, remark)


def _configuration(file: Path | None, problems: list[str]) -> Iterator[Finding]:
    for problem in problems:
        yield Finding("configuration", Severity.FAULT, problem)
    if not problems:
        where = str(file.absolute()) if file else "the environment alone"
        yield Finding("configuration", Severity.OK, f"{where}: every key is known and valid")
