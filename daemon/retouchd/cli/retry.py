"""
`retouchd retry`: from `error/` back into the inbox, to be tried again.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from retouchd.cli.compose import settings_only
from retouchd.disk.folders import Folders
from retouchd.errors import ConfigurationError, WrongUsage
from retouchd.job import naming
from retouchd.job.naming import shown
from retouchd.retry.error_folder import finish, groups_below
from retouchd.retry.error_groups import Group, select
from retouchd.retry.put_back import put_back_group

_MOST_NAMED = 10
_DOUBTS = {
    "in_doubt": "it may have been charged already; sent again, it may be charged again",
    "bad_response": "it was answered, and may have been charged, already; sent again, it may be charged again",
    "content_policy": "the endpoint's rules forbade it; unchanged it will be refused again, "
    "and may be charged again",
}


def retry(config: Path | None, names: Sequence[str], *, is_all: bool) -> None:
    """
    Move the named jobs, or all, back into the inbox and say what went where.

    Raises WrongUsage where a name fits nothing in `error/`: nothing is moved then.
    """
    _, settings = settings_only(config)
    folders = settings.folders
    try:
        finished = finish(folders)
        groups = list(groups_below(folders.error))
    except OSError as error:
        msg = f"folders.error: {shown(str(error.filename))} cannot be used: {error.strerror}."
        raise ConfigurationError([msg]) from error
    console = Console(highlight=False, soft_wrap=True)
    for path in finished:
        console.print(
            f"error/{shown(path)} → inbox/{shown(path)} (an earlier retry had been cut short)",
            markup=False,
        )
    meant = [name for name in names if not _is_finished(name, finished, folders)]
    if finished and names and not meant:
        return
    chosen = groups if is_all else _chosen(groups, meant, folders)
    if not chosen and not finished:
        console.print(f"There is nothing to retry in {shown(str(folders.error))}.", markup=False)
    for group in chosen:
        _put_back(group, folders, console)


def _is_finished(name: str, finished: Sequence[str], folders: Folders) -> bool:
    wish = name.removeprefix(f"{folders.error}/").removeprefix("error/")
    return any(wish in (shown(path), shown(path).rpartition(".")[0]) for path in finished)


def _chosen(groups: Sequence[Group], names: Sequence[str], folders: Folders) -> list[Group]:
    if not names:
        there = (
            _listed(list(dict.fromkeys(group.path(group.stem) for group in groups))) or "nothing"
        )
        raise WrongUsage(f"Name what is to be tried again, or say --all. In error/: {there}.")
    found: dict[str, Group] = {}
    faults = []
    for name in names:
        wish = name.removeprefix(f"{folders.error}/")
        meant = select(groups, wish)
        found |= {group.path(group.names[-1]): group for group in meant}
        if not meant:
            faults.append(_unknown(name, wish, groups))
    if faults:
        raise WrongUsage("\n".join(faults))
    return list(found.values())


def _unknown(name: str, wish: str, groups: Sequence[Group]) -> str:
    same = [g.path(g.stem) for g in groups if any(c.endswith(f"/{wish}") for c in g.calls())]
    calls = [call for group in groups for call in group.calls()]
    near = same or difflib.get_close_matches(wish, calls, n=3, cutoff=0.5)
    meant = f" Did you mean {_listed(near, ' or ')}?" if near else ""
    return f"{shown(name)} is not in error/.{meant}"


def _put_back(group: Group, folders: Folders, console: Console) -> None:
    try:
        names = dict(zip(group.names, put_back_group(group, folders), strict=True))
    except OSError as fault:
        name = fault.filename2 or fault.filename or group.path(group.stem)
        msg = (
            f"{shown(group.path(group.stem))} cannot be moved back: {shown(str(name))}: "
            f"{fault.strerror}. Nothing is lost; put that right, then retry again."
        )
        raise ConfigurationError([msg]) from fault
    *others, last = [each for each in group.names if not each.endswith(naming.RECORD)]
    went = f"{group.path(last)} → inbox/{group.path(names[last])}"
    more = f" (with {len(others)} more)" if others else ""
    console.print(f"error/{shown(went)}{more}", markup=False)
    if group.is_doubtful and group.code:
        console.print(f"  take care: {_DOUBTS[group.code]}", markup=False, style="yellow")


def _listed(names: Sequence[str], between: str = ", ") -> str:
    more = f"{between}… ({len(names)} in all)" if len(names) > _MOST_NAMED else ""
    return between.join(shown(name) for name in names[:_MOST_NAMED]) + more
