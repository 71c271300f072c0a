"""
`retouchd status`: how things stand, from what lies on this machine's disks alone.

The jobs, the history and the inbox are looked at where they are; the daemon's own notice adds only what
nobody else can know. So it works beside a daemon, and without one.
"""

import json
import sys
from pathlib import Path

from retouchd.cli.compose import settings_only
from retouchd.cli.inventory import overview
from retouchd.cli.overview_table import show


def status(config: Path | None, *, as_json: bool) -> int:
    """
    Print how things stand; return 0 healthy, 1 needs attention, 3 not running.
    """
    _, settings = settings_only(config)
    found = overview(settings)
    if as_json:
        text = json.dumps(found.document(), ensure_ascii=False, indent=2) + "\n"
        sys.stdout.buffer.write(text.encode())
    else:
        show(found)
    return found.exit_code
