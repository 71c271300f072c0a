"""
Modules that a daemon needs for some photos or pages alone, loaded once it is ready: from then on its
package may be replaced under it, and modules of two versions do not fit together.

Whoever needs one imports it there, so that neither a start nor a short command waits for it.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from importlib import import_module

from retouchd.config import Config
from retouchd.events import emit
from retouchd.events.run import ModuleNotLoaded
from retouchd.service.daemon import Daemon
from retouchd.tasks import in_own_thread, running


def late_modules(config: Config) -> Iterator[str]:
    """
    Yield what a daemon may come to need that its start does not load.
    """
    yield "retouchd.request.yaml_text"
    yield "PIL.PpmImagePlugin"  # Pillow looks at it before it writes its first picture, of whatever kind.
    if config.intake.embedded_prompt:
        yield "retouchd.pictures.captions"
        yield "defusedxml.ElementTree"
    if config.web.listen:
        yield "anyio._backends._asyncio"  # starlette streams by it.


@contextlib.asynccontextmanager
async def loading_late_modules(config: Config, daemon: Daemon) -> AsyncIterator[None]:
    """
    Load them meanwhile, once the daemon is ready.
    """
    async with running(_load(config, daemon)):
        yield


async def _load(config: Config, daemon: Daemon) -> None:
    await daemon.ready()
    for name in late_modules(config):
        try:
            await in_own_thread(partial(import_module, name))
        except Exception as error:  # noqa: BLE001 - whoever needs it fails over it, and is told of; nobody else
            emit(ModuleNotLoaded(module=name, exception=error))
