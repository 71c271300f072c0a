"""
Completion: what is put where for each shell, and that bash really completes with it.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from process import RETOUCHD, Running, Station

PLACES = {
    "bash": (".bash_completions/retouchd.sh", ".bashrc"),
    "zsh": (".zfunc/_retouchd", ".zshrc"),
    "fish": (".config/fish/completions/retouchd.fish", None),
}


def installed(station: Station, *words: str, **environment: str) -> Running:
    return station.run(
        RETOUCHD,
        "--install-completion",
        *words,
        environment={"HOME": os.fspath(station.home), **environment},
    )


@pytest.mark.parametrize("shell", PLACES)
def test_completion_is_installed_once(station: Station, shell: str) -> None:
    """
    The script lies where the shell finds it; what the person's settings say stays, and no line comes twice.
    """
    place, settings = PLACES[shell]
    mine = "# mine, without an end"
    if settings is not None:
        (station.home / settings).write_text(mine, "utf-8")

    for _ in range(2):
        running = installed(station, shell)
        assert running.end() == 0
        assert place in running.out

    assert "_RETOUCHD_COMPLETE" in (station.home / place).read_text("utf-8")
    if settings is not None:
        lines = (station.home / settings).read_text("utf-8").splitlines()
        assert lines[0] == mine
        assert len(lines) == 2


def test_the_shell_at_hand_is_meant(station: Station) -> None:
    """
    Without a name it is the shell that the environment names; one that cannot be taught is named in the fault.
    """
    taught, untaught = (installed(station, SHELL=f"/usr/bin/{each}") for each in ("fish", "tcsh"))

    assert taught.end() == 0
    assert (station.home / PLACES["fish"][0]).is_file()
    assert untaught.end() == 2
    assert "tcsh" in untaught.err


def test_a_home_that_cannot_be_written(station: Station) -> None:
    """
    A file in the way is told in a sentence.
    """
    (station.home / ".zfunc").write_text("mine", "utf-8")

    running = installed(station, "zsh")

    assert running.end() != 0
    assert ".zfunc" in running.err
    assert "Traceback" not in running.err
    assert (station.home / ".zfunc").read_text("utf-8") == "mine"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(station: Station) -> None:
    """
    Bash, with what was installed, completes a command.
    """
    assert installed(station, "bash").end() == 0
    script = (
        "source .bashrc; COMP_WORDS=(retouchd sta); COMP_CWORD=1; "
        f"PATH={Path(RETOUCHD).parent}:$PATH; _retouchd_completion retouchd; echo ${{COMPREPLY[@]}}"
    )

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=station.home,
        env={**station.environment, "HOME": os.fspath(station.home)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "status\n"
