"""
An endpoint that means harm, started and asked what it saw.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process import Station

_SCRIPT = os.fspath(Path(__file__).with_name("hostile_endpoint.py"))


@dataclass(frozen=True, kw_only=True)
class Villain:
    """
    A hostile endpoint that listens.
    """

    url: str
    elsewhere: str
    ledger: Path

    def visits(self, which: int) -> list[dict[str, Any]]:
        """
        Return the requests to the endpoint (0), or to the other host (1).
        """
        text = self.ledger.read_text() if self.ledger.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        return [line for line in lines if line["which"] == which]


def villain(station: Station, *certificate: str) -> Villain:
    ledger = station.home / "ledger"
    running = station.run(sys.executable, _SCRIPT, os.fspath(ledger), *certificate)
    running.until(lambda: running.out.endswith("\n"))
    url, elsewhere = running.out.split()
    return Villain(url=url, elsewhere=elsewhere, ledger=ledger)
