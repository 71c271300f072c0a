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
from benchmarks.slow_disk import AS_IT_IS, Flush


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """
    Pictures of a size, so many at once; `goals` is how many times as fast as each other we are to be, `rate`
    and `cpu_ms` what our jobs a second and our CPU for one are to be.
    """

    row: str
    sizes: tuple[int, int]
    jobs: int
    concurrency: int
    goals: Mapping[str, float] = field(default_factory=dict)
    contenders: tuple[Contender, ...] = (BARE,)
    rate: float | None = None
    cpu_ms: float | None = None
    flush: Flush = AS_IT_IS
    is_secure: bool = False

    def run(self, scene: Scene, rounds: int) -> Iterator[Figure | Skipped]:
        """
        Hold the contest; the ratios are those within each round.
        """
        certificate = scene.certificate() if self.is_secure else None
        missing = self.flush.missing
        if self.is_secure and certificate is None:
            missing = "openssl not installed"
        if missing:
            yield Skipped(row=self.row, what=OURS.name, reason=missing)
            return
        present = [each for each in (OURS, *self.contenders) if not each.missing]
        results: defaultdict[str, list[Result]] = defaultdict(list)
        with scene.endpoint(self.sizes[1], certificate=certificate) as endpoint:
            for _ in range(rounds):
                for each in present:
                    result = compete(
                        each,
                        scene,
                        endpoint,
                        size=self.sizes[0],
                        jobs=self.jobs,
                        concurrency=self.concurrency,
                        flush=self.flush,
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
        rate, cpu_ms = (self.rate, self.cpu_ms) if contender is OURS else (None, None)
        row, cpu = self.row, f"{contender.name}, CPU per job"
        yield Figure(row=row, what=contender.name, values=rates, unit="jobs/s", at_least=rate)
        yield Figure(row=row, what=cpu, values=costs, unit="ms", at_most=cpu_ms)


def contests(scale: Scale) -> dict[str, Contest]:
    """
    Return the contests by the names of their rows.
    """
    everybody = (BARE, OPENAI, SINGLE, PARALLEL)
    small, middle, jobs = scale.small, scale.middle, scale.jobs
    tenth, eighth = Flush(milliseconds=10), Flush(milliseconds=8, is_one_by_one=True)
    found = (
        Contest(
            row="2mb",
            sizes=middle,
            jobs=jobs,
            concurrency=8,
            goals={BARE.name: 1.0, OPENAI.name: 1.0, SINGLE.name: 6.0, PARALLEL.name: 1.5},
            contenders=everybody,
            cpu_ms=20,
        ),
        Contest(
            row="2mb-32",
            sizes=middle,
            jobs=2 * jobs,
            concurrency=32,
            goals={BARE.name: 1.0, OPENAI.name: 1.0},
            contenders=(BARE, OPENAI),
        ),
        Contest(row="2mb-tls", sizes=middle, jobs=jobs, concurrency=8, is_secure=True),
        Contest(
            row="50kb",
            sizes=small,
            jobs=6 * jobs,
            concurrency=8,
            goals={BARE.name: 0.75, OPENAI.name: 1.0, PARALLEL.name: 2.0},
            contenders=everybody,
            cpu_ms=9,
        ),
        Contest(
            row="20mb",
            sizes=scale.large,
            jobs=jobs // 2,
            concurrency=8,
            goals={BARE.name: 0.9, PARALLEL.name: 1.0},
            contenders=everybody,
        ),
        Contest(row="10ms-8", sizes=small, jobs=2 * jobs, concurrency=8, rate=45, flush=tenth),
        Contest(row="10ms-32", sizes=small, jobs=5 * jobs, concurrency=32, rate=80, flush=tenth),
        Contest(row="8ms-one-8", sizes=small, jobs=jobs, concurrency=8, rate=10, flush=eighth),
        Contest(
            row="8ms-one-32", sizes=small, jobs=2 * jobs, concurrency=32, rate=15, flush=eighth
        ),
    )
    return {each.row: each for each in found}
