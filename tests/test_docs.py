"""
The documents tell the truth: every key, command, code and file that they name is there, and none is left out.
"""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator

from pydantic import BaseModel

from documents import PAGES, ROOT, page, section
from retouchd.cli.main import app
from retouchd.config import Config
from retouchd.errors import ConfigurationError, JobCode, NotRunning, WorkFolderHeld, WrongUsage

TABLES = ("limits", "pricing", "edits")
"""The sections of which there are as many tables as a person writes."""
EXAMPLE = (ROOT / "config.example.toml").read_text("utf-8")


def keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{name}.")
        else:
            yield prefix + name


def events_told() -> set[str]:
    table = section("docs/records.md", "Events of the log")
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([a-z_]+\.[a-z]+)`", row)}


def test_every_key_is_told() -> None:
    """
    The table of the configuration has every key of the model and no other.
    """
    sections = "|".join(name for name in Config.model_fields if name not in TABLES)
    named = set(re.findall(rf"`((?:{sections})\.[a-z_]+)`", page("docs/configuration.md")))

    assert named == {key for key in keys() if key not in TABLES}
    for table in ("limits", "pricing"):
        assert f'`{table}."model*"`' in page("docs/configuration.md")


def test_no_page_names_a_key_that_is_not_there() -> None:
    """
    A key that a page names by its table is one of the model.
    """
    sections = "|".join(name for name in Config.model_fields if name not in TABLES)
    known = set(keys())
    for path, text in PAGES.items():
        named = set(re.findall(rf"`((?:{sections})\.[a-z_]+)`", text)) - {"status.txt"}
        assert named - events_told() <= known, path


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
    assert [table for table in TABLES if not re.search(rf"\[{table}[.\]]", EXAMPLE)] == []


def test_every_command_is_told() -> None:
    """
    The table of commands has every command and no other.
    """
    named = set(re.findall(r"^\| `retouchd ([a-z]+)", page("docs/commands.md"), re.MULTILINE))

    assert named == set(app.commands)


def test_every_error_code_is_told() -> None:
    """
    The table of error codes has every code and no other.
    """
    named = re.findall(r"^\| `([a-z_]+)` \|", page("docs/errors.md"), re.MULTILINE)

    assert sorted(named) == sorted(JobCode)


def test_every_exit_code_is_told() -> None:
    """
    The table of exit codes has those of the errors that end a command.
    """
    named = {
        int(code) for code in re.findall(r"^\| (\d+) \|", page("docs/commands.md"), re.MULTILINE)
    }

    assert named == {0, 1, 2, 3, 73, 74, 75, 78, 130}
    ends = (ConfigurationError, WorkFolderHeld, WrongUsage, NotRunning)
    assert {each.exit_code for each in ends} <= named


def test_every_file_and_link_is_there() -> None:
    """
    Each module that is named, each link between pages, and each heading that a link leads to.
    """
    for path, text in PAGES.items():
        modules = re.findall(r"`([a-z]+/[a-z_0-9]+\.py)`", text)
        assert [name for name in modules if not (ROOT / "daemon/retouchd" / name).is_file()] == []
        tests = re.findall(r"`(tests/[a-z_/0-9]+\.py)`", text)
        assert [name for name in tests if not (ROOT / name).is_file()] == []
        for target, _, anchor in re.findall(r"\]\(([^)#:]+)(#([^)]+))?\)", text):
            there = (path.parent / target).resolve()
            assert there.exists(), (path, target)
            if anchor:
                titles = re.findall(r"^#+ (.+)$", PAGES[there], re.MULTILINE)
                assert anchor in [
                    re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles
                ]


def test_the_path_of_a_photo_is_the_code_s() -> None:
    """
    Each step stands in the module and under the name that are told.
    """
    rows = re.findall(
        r"\| `([a-z]+/[a-z_]+\.py)` \| `(?:(\w+)\.)?(\w+)` \|", page("ARCHITECTURE.md")
    )
    assert len(rows) > 10
    for module, owner, function in rows:
        tree = ast.parse((ROOT / "daemon/retouchd" / module).read_bytes())
        bodies = {each.name: each.body for each in tree.body if isinstance(each, ast.ClassDef)}
        body = bodies[owner] if owner else tree.body
        named = [
            each.name for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        assert function in named, (module, owner, function)


def test_every_page_is_found_from_the_readme() -> None:
    """
    No page lies about that nobody is led to.
    """
    for path in PAGES:
        if path.name != "README.md":
            assert f"({path.relative_to(ROOT)}" in page("README.md"), path


def test_the_two_commands_of_the_readme_are_targets() -> None:
    """
    `make demo` and `make test` are what the Makefile offers.
    """
    for target in re.findall(r"^make ([a-z]+)$", page("README.md"), re.MULTILINE):
        dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert dry.returncode == 0, target


def test_the_unit_starts_a_command_that_is_there() -> None:
    """
    The service file runs a command of ours with an option that it has.
    """
    unit = (ROOT / "systemd/retouchd.service").read_text("utf-8")

    assert "ExecStart=/opt/retouchd/bin/retouchd run --config " in unit
    assert "RestartPreventExitStatus=2 73 78" in unit
