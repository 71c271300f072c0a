"""
Jobs a second beside the yardsticks: round for round, each contender after the other.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.contenders import BARE, OPENAI, OURS, PARALLEL, SINGLE, Contender, Result, compete
from benchmarks.figures import Figure, Skipped
from benchmarks.scale import Scale
from benchmarks.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """
    Pictures of a size, so many at once; `goals` is how many times as fast as each other we are to be.
    """

    row: str
    sizes: tuple[int, int]
    jobs: int
    concurrency: int
    goals: Mapping[str, float] = field(default_factory=dict)
    contenders: tuple[Contender, ...] = ()

    def run(self, scene: Scene, rounds: int) -> Iterator[Figure | Skipped]:
        """
        Hold the contest; the ratios are those within each round.
        """
        present = [each for each in (OURS, *self.contenders) if not each.missing]
        results: defaultdict[str, list[Result]] = defaultdict(list)
        with scene.endpoint(self.sizes[1]) as endpoint:
            for _ in range(rounds):
                for each in present:
                    result = compete(
                        each,
                        scene,
                        endpoint,
                        size=self.sizes[0],
                        jobs=self.jobs,
                        concurrency=self.concurrency,
                    )
                    results[each.name].append(result)
        for each in (OURS, *self.contenders):
            if each.missing:
                yield Skipped(row=self.row, what=each.name, reason=each.missing)
            else:
                yield from self._told(each, results[each.name])
        for each in present[1:]:
            pairs = zip(results[OURS.name], results[each.name], strict=True)
            yield Figure(
                row=self.row,
                what=f"retouchd / {each.name}",
                values=tuple(ours.jobs_per_second / other.jobs_per_second for ours, other in pairs),
                unit="×",
                at_least=self.goals.get(each.name),
            )

    def _told(self, contender: Contender, results: list[Result]) -> Iterator[Figure]:
        rates = tuple(each.jobs_per_second for each in results)
        costs = tuple(each.cpu_ms for each in results)
        yield Figure(row=self.row, what=contender.name, values=rates, unit="jobs/s")
        yield Figure(row=self.row, what=f"{contender.name}, CPU per job", values=costs, unit="ms")


def contests(scale: Scale) -> dict[str, Contest]:
    """
    Return the contests by the names of their rows.
    """
    everybody = (BARE, OPENAI, SINGLE, PARALLEL)
    middle = {BARE.name: 0.85, OPENAI.name: 1.5, SINGLE.name: 6.0, PARALLEL.name: 2.5}
    small = {BARE.name: 0.65, OPENAI.name: 1.0}
    large = {PARALLEL.name: 1.5}
    found = (
        ("2mb", scale.middle, scale.jobs, 8, middle, everybody),
        ("2mb-32", scale.middle, 2 * scale.jobs, 32, middle, (BARE, OPENAI)),
        ("50kb", scale.small, 6 * scale.jobs, 8, small, everybody),
        ("20mb", scale.large, scale.jobs // 2, 8, large, everybody),
    )
    return {
        row: Contest(
            row=row,
            sizes=sizes,
            jobs=jobs,
            concurrency=concurrency,
            goals=goals,
            contenders=contenders,
        )
        for row, sizes, jobs, concurrency, goals, contenders in found
    }
