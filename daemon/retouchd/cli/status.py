"""
`retouchd status`: how things stand, from what lies on this machine's disks alone.

The jobs and the history are looked at where they are; the daemon's own notices add what it alone knows, and
what waits in the inbox. Without a daemon the inbox is looked through.
"""

import json
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live

from retouchd.cli.compose import settings_to_look
from retouchd.cli.overview_table import table_of
from retouchd.cli.streams import is_heard
from retouchd.errors import RetouchdError
from retouchd.job.json_text import json_text
from retouchd.status.collect import Inventory
from retouchd.status.document import Overview, unknown

_PAUSE_SECONDS = 1.0
_SHARE = 10
"""A look at a large inbox takes a while: the time between two is so many times as long."""


def status(config: Path | None, *, as_json: bool, is_following: bool, is_whole: bool) -> int:
    """
    Print how things stand; return 0 healthy, 1 needs attention, 3 not running.

    Where it is to be whole, each file that waits is named. Following, it is printed again and again until it
    is interrupted or nobody reads it any more. Raises what keeps it from looking at all; a program gets a
    document that says so, too.
    """
    inventory = Inventory(is_whole=is_whole)
    try:
        found = _look(inventory, config)
    except RetouchdError as error:
        if as_json:
            _show(unknown(error), as_json=True)
        raise
    if is_following:
        return _follow(inventory, config, found, as_json=as_json)
    _show(found, as_json=as_json)
    return found.exit_code


def _look(inventory: Inventory, config: Path | None) -> Overview:
    settings, faults = settings_to_look(config)
    return inventory.overview(settings, faults)


def _follow(inventory: Inventory, config: Path | None, first: Overview, *, as_json: bool) -> int:
    """
    Redraw a terminal; for a program that reads along, print what is new, as JSON one document on a line.
    """
    code = first.exit_code
    looks = _looks(inventory, config, first)
    try:
        if sys.stdout.isatty() and not as_json:
            with Live(console=_console(), screen=True, auto_refresh=False) as live:
                for found in looks:
                    code = found.exit_code
                    live.update(table_of(found), refresh=True)
        else:
            last = None
            for found in looks:
                code = found.exit_code
                if (news := _news(found)) != last:
                    _show(found, as_json=as_json, indent=None)
                    last = news
    except KeyboardInterrupt:
        pass
    return code


def _looks(inventory: Inventory, config: Path | None, found: Overview) -> Iterator[Overview]:
    """
    Yield one look after the other for as long as somebody reads; what fails in between is told like the rest.
    """
    took = 0.0
    while is_heard():
        yield found
        if _is_unread_after(max(_PAUSE_SECONDS, _SHARE * took)):
            return
        began = time.monotonic()
        try:
            found = _look(inventory, config)
        except RetouchdError as error:
            found = unknown(error)
        took = time.monotonic() - began


def _is_unread_after(seconds: float) -> bool:
    """
    Wait for so long, or until the reader of our output is gone; return whether it is.
    """
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # What is wrong with it is told unasked.
    return bool(poll.poll(seconds * 1000))


def _news(found: Overview) -> str:
    """
    Return what is worth being told anew: not that time has passed.
    """
    document = found.document()
    for passing in ("at", "reported_at", "scanned_at", "free_bytes"):
        del document[passing]
    return json.dumps(document)


def _show(found: Overview, *, as_json: bool, indent: int | None = 2) -> None:
    if as_json:
        text = json_text(found.document(), indent=indent) + "\n"
        sys.stdout.buffer.write(text.encode())
    else:
        _console().print(table_of(found))
    sys.stdout.flush()


def _console() -> Console:
    return Console(highlight=False)
