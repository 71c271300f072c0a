"""
The manual pages hold what the commands and the schema say, and come with the package.
"""

import json
import os
import shutil
import subprocess
import tomllib

import click
import pytest

from documents import ROOT
from man_pages import FOLDER, pages, text
from retouchd.cli.init import text_of
from retouchd.cli.main import app


@pytest.mark.parametrize("name", pages())
def test_the_pages_are_those_of_today(name: str) -> None:
    """
    `make man` writes them.
    """
    assert (FOLDER / name).read_text("utf-8") == pages()[name]


def test_every_command_and_option_is_told() -> None:
    page = pages()["retouchd.1"]

    for name, command in app.commands.items():
        assert f".SS retouchd {name}\n" in page
        context = click.Context(command, info_name=name)
        for parameter in command.get_params(context):
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert text(option) in page, (name, option)


def test_every_key_is_told() -> None:
    page = pages()["retouchd.toml.5"]

    for table, section in json.loads(text_of("config"))["properties"].items():
        assert f"[{table}" in page
        for key in section.get("properties", ()):
            assert f".B {text(key)}" in page, key


def test_the_package_brings_them() -> None:
    """
    Below share/man, where pip and pipx put manual pages.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]

    shared = {f"man/{name}": f"share/man/man{name[-1]}/{name}" for name in pages()}
    assert wheel["shared-data"] == shared


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("name", pages())
def test_mandoc_finds_nothing_wrong(name: str) -> None:
    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", os.fspath(FOLDER / name)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line for line in lint.stdout.splitlines() if "missing date" not in line] == []
