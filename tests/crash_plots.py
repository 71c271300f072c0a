"""
What the crash tests try, each plot in a process of its own.

    python crash_plots.py NAME FOLDER FAR

Sweeps the plot of that name; prints how many steps there were, or the promise that was broken.
"""

import sys
from collections.abc import Collection
from pathlib import Path

from crash_world import Plot, sweep, vars_of
from retouchd.adapters import files
from retouchd.adapters.spool import Spool
from retouchd.rules import phase
from retouchd.rules.phase import Phase


def drop_kept_answers() -> None:
    """
    Break the spool: at a start, answers that nobody has judged yet are thrown away.
    """
    prepare = Spool.prepare

    def forgetful(self: Spool) -> None:
        prepare(self)
        for job_id in self.ids():
            for answer in self.folder(job_id).glob("*.response"):
                if not answer.with_suffix(".json").exists():
                    answer.unlink()

    vars_of(Spool, prepare=forgetful)


def skip_a_folders_fsync() -> None:
    """
    Break the disk: the folder that a file was renamed into is not synced.
    """
    vars_of(files, _fsync_both=lambda source, _: files.fsync_folder(source.parent))


def archive_before_publishing() -> None:
    """
    Break the order: the originals leave before the pictures are in the outbox.
    """
    right = phase._delivery

    def wrong(names: Collection[str], claimed: Collection[str]) -> Phase:
        return Phase.ARCHIVING if claimed else right(names, claimed)

    vars_of(phase, _delivery=wrong)


def plots(far: Path) -> dict[str, Plot]:
    """
    Return every plot by its name; `far` is a folder on another filesystem.
    """
    return {
        "kill": Plot(),
        "power cut": Plot(power_cut=True),
        "kill on the way": Plot(far=far),
        "power cut on the way": Plot(far=far, power_cut=True),
        "answers dropped": Plot(mutant=drop_kept_answers, stride=4),
        "fsync skipped": Plot(mutant=skip_a_folders_fsync, power_cut=True, stride=4),
        "order changed": Plot(mutant=archive_before_publishing, stride=4),
    }


def main(name: str, folder: str, far: str) -> None:
    """
    Sweep one plot and print its outcome.
    """
    try:
        outcome = str(sweep(plots(Path(far))[name], Path(folder)))
    except AssertionError as broken:
        outcome = str(broken)
    sys.stdout.write(outcome)


if __name__ == "__main__":
    main(*sys.argv[1:])
