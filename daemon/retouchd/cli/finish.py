"""
`retouchd finish`: results that were published, finished anew by other settings, without asking anybody.
"""

import datetime as dt
import difflib
import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from retouchd.cli.compose import settings_only
from retouchd.clock import SystemClock
from retouchd.disk.folders import Folders
from retouchd.errors import ConfigurationError, WrongUsage
from retouchd.job.filenames import parse
from retouchd.job.naming import RECORD, escaped, path_below, shown
from retouchd.pipeline.job_in_hand import RefinishError
from retouchd.pipeline.refinish import Refinished, Refinisher
from retouchd.request.edit_reader import read_edit
from retouchd.request.output import own_keys
from retouchd.request.sidecar_tree import settings_in
from retouchd.spool.history import RecordFile, record_in, records_below

_MOST_COMPLETED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    A record in `done/` or `error/`.
    """

    root: Path
    file: RecordFile

    @property
    def label(self) -> str:
        """
        Return its path without what every record's name ends in.
        """
        return self.file.path.removesuffix(RECORD)

    def calls(self) -> set[str]:
        """
        Return every way to name it: `shoes/cat`, `shoes/cat.jpg`, as it is or as it is shown.
        """
        stem = path_below(self.file.folder, parse(self.file.name).stem)
        return {each for own in (self.label, stem) for each in (own, escaped(own), shown(own))}


@dataclass(slots=True, kw_only=True)
class Outcome:
    """
    What became of one job: its results, and why there are no more, "" where all are there.
    """

    place: Place
    results: list[Refinished] = field(default_factory=list)
    fault: str = ""


def finish(
    config: Path | None,
    names: Sequence[str],
    words: Sequence[str],
    day: str | None,
    *,
    as_json: bool,
) -> int:
    """
    Finish the results of the named jobs anew and say where they are; return 0, or 1 where one could not be.

    Raises WrongUsage for a name or setting that cannot be; nothing is done then.
    """
    _, settings = settings_only(config)
    asked = _asked(words)
    refinisher = Refinisher(settings, SystemClock())
    try:
        list(refinisher.end_left())
        chosen = _chosen(settings.folders, names, _day(day))
    except OSError as error:
        msg = f"{shown(str(error.filename))} cannot be used: {error.strerror}."
        raise ConfigurationError([msg]) from error
    console = Console(highlight=False, soft_wrap=True)
    outcomes = []
    for place in chosen:
        outcomes.append(_finished(refinisher, place, asked))
        if not as_json:
            _tell(console, outcomes[-1])
    if as_json:
        click.echo(json.dumps([_body(each) for each in outcomes], indent=2, ensure_ascii=False))
    elif not outcomes:
        console.print("There is nothing to finish of that day.", markup=False)
    return int(any(each.fault for each in outcomes))


def names_of(folders: Folders, begun: str) -> list[str]:
    """
    Return the jobs in `done/` and `error/` whose names begin so. Raises OSError.
    """
    found = []
    for place in _places(folders):
        if place.label.startswith(begun):
            found.append(place.label)
        if len(found) >= _MOST_COMPLETED:
            break
    return sorted(set(found))


def select(places: Sequence[Place], wish: str) -> list[Place]:
    """
    Return the jobs that a person means: by name, by a file or a result of theirs, by folder or pattern.
    """
    folder = wish.rstrip("/")
    if exact := [each for each in places if folder in each.calls()]:
        return exact
    if any(sign in wish for sign in "*?["):
        return [e for e in places if any(fnmatch.fnmatchcase(c, wish) for c in e.calls())]
    within = f"{folder}/" if folder not in ("", ".") else ""
    if found := [e for e in places if escaped(e.file.path).startswith(escaped(within))]:
        return found
    begins = [(len(c), e) for e in places for c in e.calls() if _is_of(wish, c)]
    if begins:
        longest = max(length for length, _ in begins)
        return list({e.file.path: e for length, e in begins if length == longest}.values())
    if "/" in wish:
        return []
    found = [
        each
        for each in places
        if any(_is_of(wish, c.rpartition("/")[2], is_exact=True) for c in each.calls())
    ]
    return found if len({each.file.folder for each in found}) == 1 else []


def _is_of(wish: str, call: str, *, is_exact: bool = False) -> bool:
    rest = wish.removeprefix(call)
    return (is_exact and wish == call) or (rest != wish and rest[:1] in (".", "-", "_"))


def _places(folders: Folders) -> Iterator[Place]:
    for root in (folders.done, folders.error):
        for file in records_below(root, lambda _: None):
            yield Place(root=root, file=file)


def _chosen(folders: Folders, names: Sequence[str], day: dt.date | None) -> list[Place]:
    if not names and day is None:
        raise WrongUsage(
            "Name what is to be finished anew: cat, shoes/, 'shoes/*', or --day today."
        )
    places = list(_places(folders))
    found: dict[tuple[Path, str], Place] = {}
    faults = []
    for name in names:
        meant = select(places, _below(name, folders))
        found |= {(each.root, each.file.path): each for each in meant}
        if not meant:
            faults.append(_unknown(name, places))
    if faults:
        raise WrongUsage("\n".join(faults))
    chosen = list(found.values()) if names else places
    return [each for each in chosen if day is None or _ended_on(each, day)]


def _below(name: str, folders: Folders) -> str:
    """
    Return a name as it stands below the folder that it was given with.
    """
    name = name.removeprefix("./")
    for root in (folders.done, folders.error, folders.outbox, folders.review):
        for front in (f"{root}/", f"{root.name}/"):
            if name.startswith(front):
                return name.removeprefix(front)
    return name


def _unknown(name: str, places: Sequence[Place]) -> str:
    near = difflib.get_close_matches(name, [each.label for each in places], n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(map(shown, near))}?" if near else ""
    return f"{shown(name)} is neither in done/ nor in error/.{meant}"


def _day(text: str | None) -> dt.date | None:
    today = dt.datetime.now().astimezone().date()
    if text in ("today", "yesterday"):
        return today - dt.timedelta(days=text == "yesterday")
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise WrongUsage(
            f"--day {shown(str(text))}: write today, yesterday or 2026-11-30."
        ) from error


def _ended_on(place: Place, day: dt.date) -> bool:
    body = record_in(place.root, place.file.path) or {}
    try:
        ended = dt.datetime.fromisoformat(str(body.get("finished_at")))
    except ValueError:
        return False
    return ended.astimezone().date() == day and bool(body.get("results") or body.get("received"))


def _asked(words: Sequence[str]) -> Mapping[str, Any]:
    """
    Return the keys of `output` that --set names.
    """
    found, problems = settings_in(words)
    output = found.pop("output", {})
    problems += [
        f"--set {key}: it was sent already; only output.… can be changed afterwards, such as "
        "output.format=tiff."
        for key in found
    ]
    read = read_edit({"output": dict(output)}) if output else None
    if isinstance(read, list):
        problems += [f"--set {each}" for each in read]
    if problems:
        raise WrongUsage("\n".join(problems))
    return own_keys(read.values()) if read is not None and not isinstance(read, list) else {}


def _finished(refinisher: Refinisher, place: Place, asked: Mapping[str, Any]) -> Outcome:
    outcome = Outcome(place=place)
    try:
        for each in refinisher.finish(place.root, place.file, asked):
            outcome.results.append(each)
    except RefinishError as fault:
        outcome.fault = str(fault)
    except OSError as error:
        name = error.filename2 or error.filename
        what = f"{shown(str(name))} cannot be used" if name else "its result could not be written"
        outcome.fault = f"{what}: {error.strerror}"
    return outcome


def _tell(console: Console, outcome: Outcome) -> None:
    where = shown(f"{outcome.place.root.name}/{outcome.place.label}")
    for each in outcome.results:
        there = " (it was there already)" if each.was_there else ""
        console.print(f"{where} → {each.place}/{shown(each.path)}{there}", markup=False)
        for warning in each.warnings:
            console.print(f"  {shown(warning)}", markup=False, style="yellow")
    if outcome.fault:
        console.print(f"{where}: {outcome.fault}.".replace("..", "."), markup=False, style="red")


def _body(outcome: Outcome) -> dict[str, Any]:
    place = outcome.place
    return {
        "record": escaped(f"{place.root.name}/{place.file.path}"),
        "results": [
            {
                "place": each.place.value,
                "path": escaped(each.path),
                "was_there": each.was_there,
                "warnings": list(each.warnings),
            }
            for each in outcome.results
        ],
        "error": outcome.fault or None,
    }
