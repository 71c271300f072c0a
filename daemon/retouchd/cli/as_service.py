"""
`retouchd check --service NAME`: the look of `check` with the service's user, key, folders and restrictions.

The unit's own `[Service]` settings are put into a unit of the moment that runs `check` instead of `run`: what
systemd makes of them (credentials, ReadWritePaths=, ProtectHome=, an EnvironmentFile=) is not done again here.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from retouchd.disk.filesystems import UNIT_VARIABLE
from retouchd.errors import ConfigurationError, WrongUsage
from retouchd.job.naming import shown

_NAME = re.compile(r"(?!-)[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?")
_RUNS = re.compile(r"(?<=\s)run(?=\s|$)")
_SECONDS = 300
_BOOTED = Path("/run/systemd/system")
"""It is there while systemd runs the machine: sd_booted(3)."""
_EXIT_BY_SYSTEMD = 200
"""From here on systemd tells in its own words why it could not even begin."""
_REASONS = {
    203: "systemd cannot run the program that ExecStart= names.",
    216: "the group that Group= names does not exist.",
    217: "the user that User= names does not exist: see `systemd-sysusers` in docs/service.md.",
    226: "a folder of ReadWritePaths= (or of another such setting) is not there.",
    243: "a file that LoadCredential= names cannot be read.",
}
# What belongs to a daemon, or would touch the one that runs.
_INSTEAD = """\
Type=oneshot
Restart=no
RestartForceExitStatus=
WatchdogSec=0
TimeoutStartSec={seconds}
RemainAfterExit=no
RuntimeDirectoryPreserve=yes
ExecCondition=
ExecStartPre=
ExecStartPost=
ExecReload=
ExecStop=
ExecStopPost=
StandardInput=null
StandardOutput=file:{output}
StandardError=file:{output}
Environment={variable}={unit} COLUMNS={columns}
ExecStart=
ExecStart={command}
"""


def check_as_service(name: str) -> int:
    """
    Print what `check` finds as the service of that name; return its exit code.

    Raises WrongUsage where there is no such service, or nobody here who may look as it.
    """
    unit = _unit_of(name)
    if not _BOOTED.is_dir():
        raise WrongUsage(
            "--service: systemd does not run here; `retouchd check` looks as this user."
        )
    scope = [] if os.geteuid() == 0 else ["--user"]
    settings = _settings(_text_of(unit, scope))
    command = _command_of(unit, settings)
    token = secrets.token_hex(4)
    stem, at, instance = unit.removesuffix(".service").partition("@")
    ours = f"{stem}-check-{token}{at}"
    place = _runtime(scope) / f"{ours}.service"
    output = place.with_suffix(".txt")
    columns = shutil.get_terminal_size((100, 25)).columns
    instead = _INSTEAD.format(
        seconds=_SECONDS,
        output=str(output).replace("%", "%%"),
        variable=UNIT_VARIABLE,
        unit=unit.replace("%", "%%"),
        columns=columns,
        command=command,
    )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"[Service]\n{settings}\n{instead}", "utf-8")
        _systemctl([*scope, "daemon-reload"])
        return _run(f"{ours}{instance}.service", scope, output)
    finally:
        place.unlink(missing_ok=True)
        output.unlink(missing_ok=True)
        _systemctl([*scope, "daemon-reload"], is_needed=False)


def _unit_of(name: str) -> str:
    stem = name.removesuffix(".service")
    if not _NAME.fullmatch(stem):
        raise WrongUsage(
            f"--service {shown(name)}: name a unit, such as retouchd or retouchd@shop."
        )
    return f"{stem}.service"


def _runtime(scope: Sequence[str]) -> Path:
    if not scope:
        return _BOOTED
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if not folder:
        raise WrongUsage("XDG_RUNTIME_DIR is not set: log in as the user whose service it is.")
    return Path(folder) / "systemd/user"


def _text_of(unit: str, scope: Sequence[str]) -> str:
    """
    Return a unit as it stands in its file and all drop-ins, in their order.
    """
    _systemctl([*scope, "daemon-reload"], is_needed=False)  # A drop-in of just now counts, too.
    told = _systemctl([*scope, "cat", unit], is_needed=False)
    if told.returncode == 0:
        return told.stdout
    why = shown((told.stderr.strip().splitlines() or ["systemctl says nothing"])[-1])
    other = " As root it is a unit of the machine that is looked for, else one of your own."
    raise WrongUsage(f"--service: {unit} cannot be looked at: {why}.{other}")


def _settings(text: str) -> str:
    """
    Return what stands under `[Service]`: dependencies on other units would start and stop them.
    """
    lines, is_service = [], False
    for line in text.replace("\\\n", " ").splitlines():
        bare = line.strip()
        if bare.startswith("[") and bare.endswith("]"):
            is_service = bare == "[Service]"
        elif is_service and bare and bare[0] not in "#;":
            lines.append(bare)
    return "\n".join(lines)


def _command_of(unit: str, settings: str) -> str:
    """
    Return the command of the service with `check` in place of `run`.
    """
    commands: list[str] = []
    for key, _, value in (line.partition("=") for line in settings.splitlines()):
        if key.strip() == "ExecStart":
            commands = [*commands, value.strip()] if value.strip() else []
    if len(commands) != 1 or not _RUNS.search(commands[0]):
        raise WrongUsage(f"--service: ExecStart= of {unit} is no `retouchd run`.")
    return _RUNS.sub("check", commands[0], count=1)


def _run(unit: str, scope: Sequence[str], output: Path) -> int:
    _systemctl([*scope, "start", unit], is_needed=False)
    told = _systemctl([*scope, "show", unit, "--property=ExecMainStatus,Result"])
    found = dict(line.partition("=")[::2] for line in told.stdout.splitlines())
    _systemctl([*scope, "reset-failed", unit], is_needed=False)
    code = int(found.get("ExecMainStatus") or 0)
    text = output.read_text("utf-8", "replace") if output.exists() else ""
    sys.stdout.write(text)
    if (result := found.get("Result")) not in ("success", "exit-code", "", None):
        ended = f"systemd could not run the check to its end: {result}."
        raise ConfigurationError([ended, _words(scope)])
    if code >= _EXIT_BY_SYSTEMD:
        raise ConfigurationError(list(_why(code, scope)))
    return code


def _why(code: int, scope: Sequence[str]) -> Iterator[str]:
    reason = _REASONS.get(code, "see systemd.exec(5), under exit codes.")
    yield f"The service cannot even be started (exit code {code}): {reason}"
    yield _words(scope)


def _words(scope: Sequence[str]) -> str:
    journal = "journalctl --user" if scope else "journalctl"
    return f"`{journal} --since -1min` has systemd's own words."


def _systemctl(
    arguments: Sequence[str], *, is_needed: bool = True
) -> "subprocess.CompletedProcess[str]":
    command = ["systemctl", "--no-pager", "--no-ask-password", *arguments]
    try:
        told = subprocess.run(  # noqa: S603 - a name of a unit, looked at before
            command, capture_output=True, text=True, check=False, timeout=2 * _SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise WrongUsage(f"--service: `{' '.join(command)}` does not come back.") from error
    except FileNotFoundError as error:
        raise WrongUsage("--service: there is no systemd here (no systemctl).") from error
    if is_needed and told.returncode:
        why = shown(told.stderr.strip().replace("\n", " "))
        raise WrongUsage(f"--service: `{' '.join(command)}` failed: {why}")
    return told
