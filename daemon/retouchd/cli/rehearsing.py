"""
`retouchd once --dry-run`: what would be sent, where it would go, what it may cost; nothing is touched.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from retouchd.adapters.obstacles import telling_of_the_disk
from retouchd.cli.compose import settings_only
from retouchd.engine.clock import SystemClock
from retouchd.engine.survey import Held, Survey
from retouchd.errors import ConfigurationError
from retouchd.rules.job import Job, Role
from retouchd.rules.metadata import Metadata
from retouchd.rules.naming import path_below, shown
from retouchd.rules.pricing import PriceList, estimate
from retouchd.rules.spending import dollars
from retouchd.rules.waiting import READY

_WORDS = 60
_KEPT = 'Metadata (place, names, serial numbers) would be sent along: images.metadata is "keep".'


def rehearse(config: Path | None) -> int:
    """
    Print what `once` would do; return 0, or 1 if something would go to `error/`.
    """
    _, settings = settings_only(config)
    inbox = settings.folders.inbox
    if not inbox.is_dir():
        raise ConfigurationError([f"folders.inbox: {inbox} is not there. Run `retouchd init`."])
    with telling_of_the_disk():
        survey = Survey(settings, SystemClock())
        jobs, held = [], []
        for candidate, found in survey.framed():
            if isinstance(found, Held):
                held.append((candidate.folder, candidate.bundle.files[0].name, found.reason))
            else:
                jobs.append(found)
    console = Console(highlight=False)
    sent = [job for job in jobs if not job.problems]
    if sent:
        console.print(_table(sent, settings.prices))
    _tell_failures(console, jobs)
    idle = [each[:3] for each in survey.idle() if each.reason != READY]
    for folder, name, reason in [*held, *idle]:
        path = path_below(folder, name)
        console.print(f"waits: {shown(path)}: {shown(reason)}", markup=False, soft_wrap=True)
    if sent and settings.metadata is Metadata.KEEP:
        console.print(_KEPT, soft_wrap=True)
    console.print(_summary(sent, len(jobs) - len(sent), settings.prices))
    return 1 if len(sent) < len(jobs) else 0


def _table(jobs: list[Job], prices: PriceList) -> Table:
    heads = ("picture", "prompt", "model", "parameters", "goes to", "costs at most")
    table = Table(*heads, show_edge=False)
    for job in jobs:
        request, image = job.request, job.member(Role.IMAGE)
        names = [member.name for member in job.members if member.role is Role.MASK]
        path = path_below(job.folder, image.name if image else job.stem)
        prompt = " ".join((request.prompt or "").split())
        parameters = [f"{key}={value}" for key, value in request.parameters.items()]
        cells = (
            path + "".join(f" + {name}" for name in names),
            f"{prompt[:_WORDS]}…" if len(prompt) > _WORDS else prompt,
            request.model,
            ", ".join(parameters) or "none",
            f"outbox/{path_below(job.folder, job.stem)}",
            _price(estimate(prices(request.model), job)),
        )
        table.add_row(*(Text(shown(cell), overflow="fold") for cell in cells))
    return table


def _tell_failures(console: Console, jobs: list[Job]) -> None:
    for job in jobs:
        for problem in job.problems:
            path = shown(path_below(job.folder, job.members[0].name))
            text = f"would go to error/: {path}: {problem.message} {problem.hint}"
            console.print(text, markup=False, soft_wrap=True, style="red")


def _summary(sent: list[Job], failing: int, prices: PriceList) -> Text:
    costs = [estimate(prices(job.request.model), job) for job in sent]
    known = [cost for cost in costs if cost is not None]
    unknown = len(costs) - len(known)
    amounts = [f"at most {_price(sum(known))}"] if known else []
    if unknown:
        amounts.append(f"price unknown of {unknown}")
    would = f"{len(sent)} would be sent ({', '.join(amounts)})" if sent else "0 would be sent"
    return Text(f"{would}, {failing} would go to error/. Nothing was touched.")


def _price(cost: float | None) -> str:
    return "price unknown" if cost is None else dollars(cost)
