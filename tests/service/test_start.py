"""
What a daemon loads: nothing for a terminal that nobody looks at, at first nothing that few photos need, and
nothing any more once it is at work.
"""

from installed import loaded, run_verbosely
from process import Station


def test_a_start_loads_what_it_needs(station: Station) -> None:
    """
    Nothing that draws, for all that its libraries would use it; a first job finds everything loaded.
    """
    endpoint = station.endpoint()
    station.configure(endpoint={"base_url": endpoint.url}, intake={"settle_seconds": 1})
    running = run_verbosely(station)
    running.until(lambda: '"watch.mode"' in running.err)
    running.until(lambda: "PIL.PpmImagePlugin" in loaded(running))

    station.drop("cat.png")
    running.until(lambda: '"job.claimed"' in running.err)
    before = loaded(running)
    running.until(lambda: '"job.done"' in running.err)

    assert loaded(running) == before
    assert "httpx" in before
    assert before.index("retouchd.cli.running") < before.index("yaml")
    unneeded = {
        "httpcore",
        "anyio",
        "rich.console",
        "pygments.lexer",
        "starlette",
        "uvicorn",
    }
    assert unneeded.intersection(before) == set()
