"""
A finishing in a process of its own.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from imports import loaded_by
from sample_pictures import encoded
from simulated_model import mask_of, photo

_PARENT = """
import sys
from pathlib import Path
from retouchd.pictures.finishing.apart import finished_apart
from retouchd.pictures.finishing.task import Finishing
from retouchd.request.output import Output
one, mask = map(Path, sys.argv[1:])
finished_apart(Finishing(received=one, original=one, mask=mask, output=Output(protect=True)))
"""


def test_it_ends_with_whoever_started_it_even_while_it_is_stopped(tmp_path: Path) -> None:
    """
    A daemon that was killed leaves nobody behind who holds memory that the next one needs.
    """
    size = (300, 200)
    one, mask = tmp_path / "cat.png", tmp_path / "cat.mask.png"
    one.write_bytes(encoded(photo("cat", size), "PNG"))
    mask.write_bytes(encoded(mask_of(size), "PNG"))

    with subprocess.Popen([sys.executable, "-c", _PARENT, one, mask]) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        _until(lambda: children.read_text().split())
        child = int(children.read_text())
        _until(lambda: "numpy" in Path(f"/proc/{child}/maps").read_text())
        os.kill(child, signal.SIGSTOP)
        parent.kill()

    _until(lambda: _is_over(child))


def test_it_loads_nothing_that_pictures_do_not_need() -> None:
    """
    What checks settings and what waits for several things at once would be a third of its start.
    """
    modules = "retouchd.process, retouchd.pictures.finishing.worker"
    assert loaded_by(modules, ("pydantic", "asyncio", "httpx", "structlog")) == []


def _is_over(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_task_of_another_version_is_no_fault_of_its_pictures() -> None:
    """
    Who asked is told so, and has it done once both are of one version.
    """
    program = "from retouchd.pictures.finishing.worker import main; main()"
    for task in (b"", b"{}", b'{"received": "cat.png", "another": 1}', b"[]"):
        run = subprocess.run(
            [sys.executable, "-c", program], input=task, capture_output=True, check=True, timeout=60
        )
        assert list(json.loads(run.stdout)) == ["unfit"]


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
