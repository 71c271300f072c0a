"""
Writes the manual pages in `man/`: retouchd.1 from the commands, retouchd.toml.5 from the schema.

Run by `make man`; a test compares what lies there with what this writes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from retouchd.cli.init import text_of
from retouchd.cli.main import app

FOLDER = Path(__file__).parents[2] / "man"


def pages() -> dict[str, str]:
    """
    Return each page by the name of its file.
    """
    return {
        "retouchd.1": _joined(_of_commands()),
        "retouchd.toml.5": _joined(_of_keys()),
    }


def _joined(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def text(words: str) -> str:
    """
    Return words as roff shows them, whatever signs are in them.
    """
    plain = " ".join(words.split()).replace("\\", "\\e").replace("-", "\\-")
    plain = (
        plain.replace("'", "\\(aq").replace("`", "\\(ga").replace("…", "...").replace("→", "\\(->")
    )
    return f"\\&{plain}" if plain.startswith(".") else plain


def _of_commands() -> Iterator[str]:
    yield ".TH RETOUCHD 1"
    yield ".SH NAME"
    yield f"retouchd \\- {text('a hot folder for AI image edits')}"
    yield ".SH SYNOPSIS"
    yield ".B retouchd"
    yield ".I command"
    yield text("[options]")
    yield ".SH DESCRIPTION"
    yield text(app.help or "")
    yield ".SH OPTIONS"
    yield from _options(app, "retouchd")
    yield ".SH COMMANDS"
    for name, command in app.commands.items():
        yield f".SS retouchd {name}"
        yield "\n.PP\n".join(text(each) for each in re.split(r"\n\s*\n", command.help or ""))
        yield from _options(command, name)
    yield ".SH SEE ALSO"
    yield ".BR retouchd.toml (5)"


def _options(command: click.Command, name: str) -> Iterator[str]:
    above = click.Context(app, info_name="retouchd", **app.context_settings)
    context = above if command is app else click.Context(command, info_name=name, parent=above)
    for parameter in command.get_params(context):
        if (row := parameter.get_help_record(context)) is not None:
            yield ".TP"
            yield f".B {text(row[0])}"
            yield text(row[1]) or "\\&"


def _of_keys() -> Iterator[str]:
    schema: dict[str, Any] = json.loads(text_of("config"))
    yield ".TH RETOUCHD.TOML 5"
    yield ".SH NAME"
    yield f"retouchd.toml \\- {text('the configuration of retouchd, config.toml')}"
    yield ".SH DESCRIPTION"
    yield text(
        "A file in TOML: the one that --config or $RETOUCHD_CONFIG names, else ./config.toml, "
        "./retouch/config.toml, ~/.config/retouchd/config.toml or /etc/retouchd/config.toml. Environment "
        "variables win over it: RETOUCHD_ENDPOINT__API_KEY is endpoint.api_key. Each key can be left out."
    )
    for table, section in schema["properties"].items():
        rows = section.get("additionalProperties") or section.get("items")
        name = (
            f"[[{table}]]" if "items" in section else f"[{table}.MODEL]" if rows else f"[{table}]"
        )
        yield f".SH {text(name)}".replace('"', "")
        yield text(section.get("description", ""))
        for key, each in (rows or section)["properties"].items():
            yield ".TP"
            yield f".B {text(key)}{_default(each)}"
            yield text(each["description"])
    yield ".SH SEE ALSO"
    yield ".BR retouchd (1)"


def _default(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return ""
    return text(f" = {json.dumps(schema['default'])}")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, page in pages().items():
        (FOLDER / name).write_text(page, "utf-8")
