"""
The documents tell the truth: every key, command, code and file that they name is there, and none is left out.
"""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from retouchd.cli.main import app
from retouchd.config import Config
from retouchd.errors import ConfigurationError, JobCode, NotRunning, WorkFolderHeld, WrongUsage

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
TABLES = ("limits", "pricing")
"""The sections whose tables a person names, by patterns of models."""
EXAMPLE = (ROOT / "config.example.toml").read_text("utf-8")


def keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{name}.")
        else:
            yield prefix + name


def section(title: str) -> str:
    return README.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_readme_names_every_key() -> None:
    """
    The table of the configuration has every key of the model and no other.
    """
    named = set(
        re.findall(r"`((?:folders|endpoint|edit|intake|images|budget|logging)\.[a-z_]+)`", README)
    )

    assert named == {key for key in keys() if key not in TABLES}
    for table in TABLES:
        assert f'`{table}."model*"`' in section("Configuration")


def test_the_example_has_every_key() -> None:
    """
    The commented configuration shows every key, and loads with all of them switched on.
    """
    lines = [re.sub(r"^# (?=(\[?[a-z_]+[\].= ]))", "", line) for line in EXAMPLE.splitlines()]
    values = {f"{table}.{key}" for table, rows in tomllib.loads(EXAMPLE).items() for key in rows}

    shown = {
        f"{table}.{key}"
        for table, body in re.findall(
            r"^\[([a-z]+)\]\n(.*?)(?=^\[|\Z)", "\n".join(lines), re.MULTILINE | re.DOTALL
        )
        for key in re.findall(r"^([a-z_]+) = ", body, re.MULTILINE)
    }

    assert {key for key in keys() if key not in TABLES} <= shown | values
    assert [table for table in TABLES if f"[{table}." not in EXAMPLE] == []


def test_the_readme_names_every_command() -> None:
    """
    The table of commands has every command and no other.
    """
    named = set(re.findall(r"^\| `retouchd ([a-z]+)", section("Commands"), re.MULTILINE))

    assert named == set(app.commands)


def test_the_readme_names_every_error_code() -> None:
    """
    The table of error codes has every code and no other.
    """
    named = re.findall(
        r"^\| `([a-z_]+)` \|", section("When something is in `error/`"), re.MULTILINE
    )

    assert sorted(named) == sorted(JobCode)


def test_the_readme_names_every_exit_code() -> None:
    """
    The table of exit codes has those of the errors that end a command.
    """
    named = {int(code) for code in re.findall(r"^\| (\d+) \|", section("Commands"), re.MULTILINE)}

    assert named == {0, 1, 2, 3, 73, 74, 75, 78}
    ends = (ConfigurationError, WorkFolderHeld, WrongUsage, NotRunning)
    assert {each.exit_code for each in ends} <= named


def test_the_readme_names_files_that_are_there() -> None:
    """
    Every file of the code and every link in the README exists.
    """
    modules = re.findall(r"`((?:rules|adapters|engine|cli|sandbox)/[a-z_]+\.py)`", README)
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert modules
    assert [name for name in modules if not (ROOT / "daemon/retouchd" / name).is_file()] == []
    assert [name for name in links if not (ROOT / name).exists()] == []


def test_the_two_commands_of_the_readme_are_targets() -> None:
    """
    `make demo` and `make test` are what the Makefile offers.
    """
    for target in re.findall(r"^make ([a-z]+)$", README, re.MULTILINE):
        dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert dry.returncode == 0, target


def test_the_unit_starts_a_command_that_is_there() -> None:
    """
    The service file runs a command of ours with an option that it has.
    """
    unit = (ROOT / "systemd/retouchd.service").read_text("utf-8")

    assert "ExecStart=/opt/retouchd/bin/retouchd run --config " in unit
    assert "RestartPreventExitStatus=2 73 78" in unit
