"""
Where crashes from outside are tried: a world, its configuration, the restart after it, what came of it.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import tracing
from checker import check_at_the_end
from crash_world import Plot, World, make_world

ENDS = {0, 1}
"""How `once` ends: with nothing in `error/`, or with the one bundle that is refused."""


@dataclass(kw_only=True)
class Outcome:
    """
    What came of a plot: how many points there were, how many were tried, and what went wrong.

    `obstacle` says why it cannot be played here.
    """

    points: int = 0
    tried: int = 0
    seconds: float = 0.0
    obstacle: str = ""
    failures: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def trial(self, what: str) -> Iterator[None]:
        """
        Note a broken promise, and what was tried, instead of ending here.
        """
        self.tried += 1
        try:
            yield
        except (AssertionError, OSError) as broken:  # A picture that is none is an OSError.
            self.failures.append(f"{what}: {broken}")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """
    A place to try things in, an endpoint, and how many of the points are left out.
    """

    tmp: Path
    url: str
    ledger: Path
    stride: int

    @property
    def log(self) -> Path:
        return self.tmp / "log"

    def torn_requests(self) -> int:
        """
        Return how many requests ended before their last byte: nobody makes or charges anything for those.
        """
        seen = Path(f"{self.ledger}.seen")
        lines = seen.read_text("utf-8").splitlines() if seen.exists() else []
        return sum(not json.loads(line)["pictures"] for line in lines)

    @contextlib.contextmanager
    def world(self, name: str, plot: Plot) -> Iterator[tuple[World, Path]]:
        """
        Yield a world to drain and its configuration; both are gone afterwards.
        """
        world = make_world(self.tmp / name, plot, self.url, self.ledger)
        yield world, configure(world, self.tmp / f"{name}.toml")
        shutil.rmtree(self.tmp / name)
        if plot.far:
            shutil.rmtree(world.folders.outbox.parent)


def configure(world: World, path: Path) -> Path:
    """
    Write the configuration of a world: small waits, and no events, as a stopping watcher takes its time.
    """
    sections: dict[str, dict[str, str | int]] = {
        "folders": {
            f.name: os.fspath(getattr(world.folders, f.name)) for f in fields(world.folders)
        },
        "endpoint": {
            "base_url": world.url,
            "api_key": "sk-test",
            "concurrency": 1,
            "max_in_doubt": 3,
        },
        "intake": {"settle_seconds": 0, "orphan_seconds": 0, "observer": "polling"},
        "edit": {"n": world.n},
    }
    lines = []
    for section, values in sections.items():
        lines += [
            f"[{section}]",
            *(f"{key} = {json.dumps(value)}" for key, value in values.items()),
        ]
    path.write_text("\n".join(lines), "utf-8")
    return path


def finish(scene: Scene, world: World, config: Path, asked_again: int, asked: list[str]) -> None:
    """
    Start again, and once more, which must change nothing; `asked` are requests the ledger does not hold.
    """
    for _ in range(2):
        code = tracing.run(config, scene.log)
        assert code in ENDS, f"no restart finished: {code}\n{scene.log.read_text()[-2000:]}"
        check_at_the_end(world.folders, world.originals, asked + world.requests(), asked_again)
