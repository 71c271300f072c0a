"""
The way of a whole group, a job's files in `error/`, back into the inbox.
"""

import secrets
from pathlib import Path

from retouchd.disk import moves, nofollow
from retouchd.disk.folders import Folders
from retouchd.inbox.safe_drop import names_in
from retouchd.job import naming
from retouchd.job.filenames import parse
from retouchd.retry.error_folder import put_back, removed_after
from retouchd.retry.error_groups import Group, may_join


def put_back_group(group: Group, folders: Folders) -> list[str]:
    """
    Move a group into the folder of the inbox that it came from; return the names that it has there, in the
    group's order. Raises OSError.
    """
    with (
        moves.made_folder(folders.inbox, group.folder) as inbox,
        nofollow.opened_folder(folders.error, group.folder) as error,
    ):
        stem = _free_stem(group, inbox.path)
        with removed_after(error, group.names, group.leftovers):
            for name in group.names:
                put_back(error / name, inbox / (stem + group.suffix(name)), folders.inbox)
    return [stem + group.suffix(name) for name in group.names]


def _free_stem(group: Group, inbox: Path) -> str:
    """
    Return the stem under which the group fits into the inbox: the one it once had, if it can be.
    """
    families: dict[str, list[str]] = {}
    for name in names_in(inbox):
        families.setdefault(parse(name).family, []).append(name)

    def is_taken(name: str) -> bool:
        named = parse(name)
        return not may_join(group, named.stem, families.get(named.family, ()))

    suffixes = [group.suffix(name) for name in group.names]
    return naming.free_stem(group.wanted, secrets.token_hex(4), suffixes, is_taken)
