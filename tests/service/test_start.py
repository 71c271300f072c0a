"""
What a daemon loads: nothing for a terminal that nobody looks at, and nothing any more once it is at work.
"""

import os
import sys

from process import Running, Station


def loaded(running: Running) -> list[str]:
    """
    Return the modules it has loaded so far, in that order.
    """
    lines = [line for line in running.err.splitlines() if line.startswith("import time:")]
    return [line.rpartition("|")[2].strip() for line in lines]


def test_a_start_loads_what_it_needs(station: Station) -> None:
    """
    Nothing that draws, for all that its libraries would use it; a first job finds everything loaded.
    """
    endpoint = station.endpoint()
    station.configure(endpoint={"base_url": endpoint.url}, intake={"settle_seconds": 1})
    command = ("-X", "importtime", "-m", "retouchd", "run", "--config", os.fspath(station.config))
    running = station.run(sys.executable, *command)
    # With -X importtime the log's lines stand among others: read as text.
    running.until(lambda: '"watch.mode"' in running.err)

    station.drop("cat.png")
    running.until(lambda: '"job.claimed"' in running.err)
    before = loaded(running)
    running.until(lambda: '"job.done"' in running.err)

    assert loaded(running) == before
    assert "httpx" in before
    unneeded = {
        "httpcore",
        "anyio",
        "rich.console",
        "pygments.lexer",
        "yaml",
        "starlette",
        "uvicorn",
    }
    assert unneeded.intersection(before) == set()
