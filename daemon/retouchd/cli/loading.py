"""
How a daemon's modules are loaded: without what only looks good on a terminal, and without pauses to tidy up.
"""

import contextlib
import gc
import os
import sys
from collections.abc import Iterator

_UNSEEN = ("rich", "pygments")


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """
    Let what is imported meanwhile do without drawing libraries, plugins and garbage collections.

    httpx (for a command of its own) and structlog (for tracebacks that we write ourselves) load `_UNSEEN`
    wherever it is installed, which takes a sixth of a start and of the memory of an idle daemon. pydantic
    reads the metadata of every installed package to look for plugins; none could mean anything to us.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    hidden = [name for name in _UNSEEN if name not in sys.modules]
    # An entry of None is Python's own way to say that a module cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        # What is loaded stays: a collection that looks through it in vain would hold up the loop.
        gc.freeze()
        gc.enable()
