"""
`retouchd once --dry-run`: what would be sent, where it would go, what it may cost; nothing is touched.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from retouchd.cli.compose import settings_only
from retouchd.engine.backlog import READY
from retouchd.engine.clock import SystemClock
from retouchd.engine.survey import Held, Survey
from retouchd.errors import ConfigurationError
from retouchd.rules.job import Job, Role
from retouchd.rules.naming import path_below, shown

_WORDS = 60


def rehearse(config: Path | None) -> int:
    """
    Print what `once` would do; return 0, or 1 if something would go to `error/`.
    """
    _, settings = settings_only(config)
    inbox = settings.folders.inbox
    if not inbox.is_dir():
        raise ConfigurationError([f"folders.inbox: {inbox} is not there. Run `retouchd init`."])
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
        console.print(_table(sent))
    _tell_failures(console, jobs)
    idle = [each for each in survey.waiting() if each[2] != READY]
    for folder, name, reason in [*held, *idle]:
        path = path_below(folder, name)
        console.print(f"waits: {shown(path)}: {shown(reason)}", markup=False, soft_wrap=True)
    console.print(_summary(sent, len(jobs) - len(sent)))
    return 1 if len(sent) < len(jobs) else 0


def cost_of(job: Job) -> float | None:
    """
    Return what a job may cost in US dollars, None where no price is known.
    """
    del job  # No prices are known yet.
    return None


def _table(jobs: list[Job]) -> Table:
    table = Table("picture", "prompt", "model", "parameters", "goes to", "cost", show_edge=False)
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
            _price(cost_of(job)),
        )
        table.add_row(*(Text(shown(cell), overflow="fold") for cell in cells))
    return table


def _tell_failures(console: Console, jobs: list[Job]) -> None:
    for job in jobs:
        for problem in job.problems:
            path = shown(path_below(job.folder, job.members[0].name))
            text = f"would go to error/: {path}: {problem.message} {problem.hint}"
            console.print(text, markup=False, soft_wrap=True, style="red")


def _summary(sent: list[Job], failing: int) -> Text:
    costs = [cost_of(job) for job in sent]
    known = sum(cost for cost in costs if cost is not None)
    unknown = sum(cost is None for cost in costs)
    money = f"may cost {_price(known)}" if not unknown else "cost unknown"
    if unknown and known:
        money = f"may cost {_price(known)} and the unknown cost of {unknown}"
    would = f"{len(sent)} would be sent ({money})" if sent else "0 would be sent"
    return Text(f"{would}, {failing} would go to error/. Nothing was touched.")


def _price(cost: float | None) -> str:
    return "unknown" if cost is None else f"${cost:.3f}"
