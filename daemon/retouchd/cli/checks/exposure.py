"""
What others on this machine may do that they were hardly meant to: read the key, see or drop pictures.
"""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

from retouchd.cli.checks.finding import Finding, Severity
from retouchd.cli.program_faults import secret_files
from retouchd.config import Config, at_home
from retouchd.disk.filesystems import others_who_may
from retouchd.disk.folders import Folders


def key_exposure(file: Path | None, config: Config) -> Iterator[Finding]:
    """
    Say who else may read the key, or lead it elsewhere.
    """
    if file is None:
        return
    section = config.endpoint
    start = file.absolute().parent
    places = [("configuration", file, stat.S_IWOTH)]
    if section.key_source.place.startswith(("endpoint.api_key", "endpoint.headers")):
        places = [("configuration", file, stat.S_IROTH | stat.S_IWOTH)]
    if section.api_key_file is not None:
        key_file = start / at_home(section.api_key_file)
        places.append(("endpoint.api_key_file", key_file, stat.S_IROTH | stat.S_IWOTH))
    for what, own in secret_files(config):
        places.append((what, start / at_home(own), stat.S_IROTH | stat.S_IWOTH))
    for what, path, right in places:
        with contextlib.suppress(OSError):
            if who := others_who_may(path, right):
                does = "read the key in" if right & stat.S_IROTH else "lead the key elsewhere in"
                mode = "600" if right & stat.S_IROTH else "go-w"
                yield Finding(
                    what, Severity.WARNING, f"{who} may {does} {path}: chmod {mode} {path}"
                )


def folder_exposure(folders: Folders) -> Iterator[Finding]:
    """
    Name folders whose pictures everybody on this machine may see, or into which everybody may drop.
    """
    for key, place in folders.items():
        with contextlib.suppress(OSError):
            if others_who_may(place, stat.S_IWOTH) == "everybody":
                text = f"everybody on this machine may put files into {place} and take some away"
            elif others_who_may(place, stat.S_IROTH) == "everybody":
                text = f"everybody on this machine may look into {place}"
            else:
                continue
            yield Finding(key, Severity.WARNING, f"{text}: chmod o= {place}")
