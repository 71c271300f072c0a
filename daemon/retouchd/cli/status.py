"""
`retouchd status`: how things stand, from what lies on this machine's disks alone.

The jobs, the history and the inbox are looked at where they are; the daemon's own notice adds only what
nobody else can know. So it works beside a daemon, and without one.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live

from retouchd.cli.compose import settings_only
from retouchd.cli.inventory import Inventory
from retouchd.cli.overview import Overview
from retouchd.cli.overview_table import table_of
from retouchd.engine.settings import Settings
from retouchd.rules.json_text import json_text

_PAUSE_SECONDS = 1.0
_SHARE = 10
"""A look at a large inbox takes a while: the time between two is so many times as long."""


def status(config: Path | None, *, as_json: bool, is_following: bool) -> int:
    """
    Print how things stand; return 0 healthy, 1 needs attention, 3 not running.

    Following, it is printed again and again until it is interrupted.
    """
    _, settings = settings_only(config)
    if is_following:
        return _follow(settings, as_json=as_json)
    found = Inventory(settings).overview()
    _show(found, as_json=as_json)
    return found.exit_code


def _follow(settings: Settings, *, as_json: bool) -> int:
    """
    Redraw a terminal; for a program that reads along, print what is new.
    """
    code = 0
    try:
        if sys.stdout.isatty() and not as_json:
            with Live(console=_console(), screen=True, auto_refresh=False) as live:
                for found in _looks(settings):
                    code = found.exit_code
                    live.update(table_of(found), refresh=True)
        else:
            last = None
            for found in _looks(settings):
                code = found.exit_code
                if (news := _news(found)) != last:
                    _show(found, as_json=as_json)
                    last = news
    except KeyboardInterrupt:
        pass
    return code


def _looks(settings: Settings) -> Iterator[Overview]:
    inventory = Inventory(settings)
    while True:
        began = time.monotonic()
        yield inventory.overview()
        time.sleep(max(_PAUSE_SECONDS, _SHARE * (time.monotonic() - began)))


def _news(found: Overview) -> str:
    """
    Return what is worth being told anew: not that time has passed.
    """
    document = found.document()
    for passing in ("at", "reported_at", "scanned_at", "free_bytes"):
        del document[passing]
    return json.dumps(document)


def _show(found: Overview, *, as_json: bool) -> None:
    if as_json:
        text = json_text(found.document(), indent=2) + "\n"
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    else:
        _console().print(table_of(found))


def _console() -> Console:
    return Console(highlight=False)
