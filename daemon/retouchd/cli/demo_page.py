"""
`retouchd demo --page`: the page on what the demo has made, until Ctrl-C; what is dropped on it is edited too.
"""

import asyncio
import socket
from pathlib import Path

from rich.console import Console

from retouchd.cli.beside import beside
from retouchd.cli.compose import settings_of
from retouchd.cli.running import listen, logged, served, telling
from retouchd.clock import SystemClock
from retouchd.config import SANDBOX, Config, EndpointSection, FoldersSection, IntakeSection
from retouchd.config.programs import WebSection
from retouchd.errors import ConfigurationError
from retouchd.service.daemon import Daemon
from retouchd.spool.fingerprint import Policy
from retouchd.status.status_file import StatusFiles

_PORT = 8484


def serve(root: Path, console: Console) -> None:
    """
    Run the daemon and its listener below a demo's root until told to stop. Raises ConfigurationError.
    """
    with logged():
        asyncio.run(_serve(root, console))


async def _serve(root: Path, console: Console) -> None:
    address = f"127.0.0.1:{_free_port()}"
    # As in the demo: past environment and files, which may name an endpoint that costs money.
    config = Config.model_construct(
        folders=FoldersSection(root=root),
        endpoint=EndpointSection(base_url=SANDBOX),
        intake=IntakeSection(settle_seconds=1, duplicates=Policy.RUN),
        web=WebSection(listen=address),
    )
    settings, problems = settings_of(config, root)
    if settings is None:
        raise ConfigurationError(problems)
    async with served(settings) as ready:
        daemon = Daemon(ready, SystemClock())
        listen(daemon, on_hangup=daemon.look_again)
        status_files = StatusFiles(ready.folders.work)
        async with telling(daemon, status_files, ready), beside(config, ready, daemon, root):
            console.print(f"\nThe page: http://{address}/   (Ctrl-C ends it)", style="bold")
            await daemon.run()


def _free_port() -> int:
    for port in (_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise ConfigurationError(["No port of this machine is free for the page."])
