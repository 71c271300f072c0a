"""
The JSON Schemas take what the program takes and refuse what it refuses, key by key.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from documents import PAGES, ROOT
from process import open_station
from retouchd.cli.init import text_of
from retouchd.config import Config
from retouchd.config.schema import example, meanings
from retouchd.money import pricing
from retouchd.money.pricing import price_problems
from retouchd.request import overrides
from retouchd.request.edit_reader import read_edit
from retouchd.request.fields import Sidecar
from retouchd.request.formats import notation_of, parse_tree
from retouchd.request.limits import override_problems

SCHEMAS = {name: json.loads(text_of(name)) for name in ("config", "sidecar")}
CONFIG, SIDECAR = (jsonschema.Draft202012Validator(SCHEMAS[name]) for name in SCHEMAS)
SECTIONS = SCHEMAS["config"]["properties"]
FIELDS = [
    (table, key) for table, section in SECTIONS.items() for key in section.get("properties", ())
]
ROWS = [("limits", key) for key in overrides.READERS] + [
    ("pricing", key) for key in pricing.READERS
]

NUMBERS = st.integers(-3, 300) | st.floats(-2, 2e6, allow_nan=False).filter(
    lambda number: not number.is_integer()
)
WORDS = st.sampled_from(
    [
        *(
            "",
            " ",
            "a",
            "auto",
            "hold",
            "sandbox",
            "http://a/v1",
            "https://b",
            "ftp://c",
            "1024x1024",
        ),
        *(
            "json",
            "debug",
            "strip",
            "gb18030",
            "*.bak",
            "!a",
            "!",
            "/",
            "!/",
            "a/",
            "a/b",
            "??",
            "\ufffd",
        ),
        *("make it blue", "inotify", "high", "0x1"),
    ]
)
PLAIN = NUMBERS | st.booleans() | WORDS
VALUES = (
    PLAIN
    | st.lists(PLAIN, max_size=3)
    | st.dictionaries(
        WORDS | st.sampled_from(["max_edge", "max_ratio", "n", "image"]), PLAIN, max_size=2
    )
    | st.dictionaries(
        WORDS, st.dictionaries(WORDS, PLAIN, max_size=2) | st.lists(NUMBERS), max_size=2
    )
)


class OfFile(Config):
    """
    What a file says alone: asking the environment for each key takes longer than judging a value.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        *_: object,
        **__: object,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def is_taken(values: Mapping[str, Any]) -> bool:
    """
    Say whether the program takes a configuration, key by key.
    """
    try:
        config = OfFile(**values)
    except ValidationError:
        return False
    return not override_problems(config.limits) and not price_problems(config.pricing)


def is_lenient(schema: Mapping[str, Any], value: Any) -> bool:
    """
    Say whether the program reads one kind for another, as the environment needs it: "4", true as numbers,
    1 and "on" as true. The schema wants what is meant.
    """
    match schema.get("type"):
        case "integer" | "number":
            return isinstance(value, str | bool)
        case "boolean":
            return not isinstance(value, bool)
        case "array" if isinstance(value, list):
            return any(is_lenient(schema["items"], each) for each in value)
        case "object" if isinstance(value, dict):
            inner = schema.get("additionalProperties")
            return isinstance(inner, dict) and any(
                is_lenient(inner, each) for each in value.values()
            )
    return False


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_schema_with_a_meaning_for_each_key(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    for key, each in _keys_of(SCHEMAS[name]):
        if key != "$schema":
            assert len(each.get("description", "")) > 10, key


def _keys_of(schema: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for key, each in schema.get("properties", {}).items():
        found.append((key, each))
        rows = each.get("additionalProperties")
        found += _keys_of(each) + _keys_of(rows if isinstance(rows, dict) else {})
    return found


def test_every_key_is_there() -> None:
    """
    Of the models, of the rows of limits and pricing, of a sidecar.
    """
    assert set(SECTIONS) == set(Config.model_fields)
    for table, readers in (
        ("limits", overrides.READERS),
        ("pricing", pricing.READERS),
    ):
        row = SECTIONS[table]["additionalProperties"]
        assert set(row["properties"]) == set(readers)
    assert set(SCHEMAS["sidecar"]["properties"]) == {*Sidecar.model_fields, "$schema"}


@settings(max_examples=100, deadline=None)
@given(value=VALUES)
def test_a_value_is_judged_alike_for_every_key_of_the_configuration(value: Any) -> None:
    for table, key in FIELDS:
        if is_lenient(SECTIONS[table]["properties"][key], value):
            continue
        if (table, key) == ("intake", "text_encoding") and isinstance(value, str):
            continue  # Which encodings there are only Python knows.
        if table == "edit" and key == "n" and isinstance(value, int) and value < 1:
            continue  # Refused once all of [edit] is known.
        judge_configuration({table: {key: value}})


@settings(max_examples=100, deadline=None)
@given(value=VALUES)
def test_a_value_is_judged_alike_for_every_key_of_a_row(value: Any) -> None:
    for table, key in ROWS:
        judge_configuration({table: {"my-model*": {key: value}}})


def judge_configuration(values: Mapping[str, Any]) -> None:
    assert CONFIG.is_valid(values) == is_taken(values), (values, *CONFIG.iter_errors(values))


@settings(max_examples=100, deadline=None)
@given(value=VALUES)
def test_a_value_is_judged_alike_for_every_key_of_a_sidecar(value: Any) -> None:
    for key in Sidecar.model_fields:
        if is_lenient(SCHEMAS["sidecar"]["properties"][key], value):
            continue
        if key == "n" and isinstance(value, int) and value < 1:
            continue  # Refused once all of the request is known.
        tree = {key: value}
        assert SIDECAR.is_valid(tree) == isinstance(read_edit(tree), Sidecar), tree


@pytest.mark.parametrize(
    "values",
    [
        {"endpoint": {"concurency": 3}},
        {"edit": {"extra": {" ": 0}}},
        {"edit": {"extra": {" prompt ": "blue"}}},
        {"retries": {}},
        {"limits": {"my-model": {"max_size": 1}}},
        {"pricing": {"my-model": {"per_picture": 1}}},
        {"endpoint": 3},
        {"edit": {"images": ["a.png"]}},
    ],
)
def test_what_is_no_key_is_refused(values: dict[str, Any]) -> None:
    assert not CONFIG.is_valid(values)
    assert not is_taken(values)


@pytest.mark.parametrize(
    "tree", [{"promt": "x"}, {"edit": {"prompt": "x"}}, {"$schema": 1}, {"n": None}]
)
def test_what_no_sidecar_says_is_refused(tree: dict[str, Any]) -> None:
    assert not SIDECAR.is_valid(tree)
    assert isinstance(read_edit(tree), list)


def test_the_example_is_valid_with_all_keys_switched_on() -> None:
    text = re.sub(r"(?m)^# (?=\[\[?[a-z]+[].]|[a-z_]+ = )", "", example())
    values = tomllib.loads(text)

    assert [each.message for each in CONFIG.iter_errors(values)] == []
    assert is_taken(values)


def test_what_the_pages_show_is_valid() -> None:
    """
    Each block of TOML, JSON or YAML that is a configuration or a sidecar.
    """
    seen = 0
    for text in PAGES.values():
        for notation, block in re.findall(r"```(toml|json|yaml)\n(.*?)```", text, re.DOTALL):
            tree = parse_tree(block.encode(), notation_of(notation))
            is_config = any(key in SECTIONS and isinstance(tree[key], dict) for key in tree)
            assert (CONFIG if is_config else SIDECAR).is_valid(tree), block
            seen += 1
    assert seen


def test_a_comment_belongs_to_the_keys_behind_it() -> None:
    text = "[a]\n# One\n# and two.\n# b = 1\n# c = 2\n# Three.\n# d = 3\n\n# e = 4\n"

    found = meanings(text)

    assert found == {
        "a": "",
        "a.b": "One and two.",
        "a.c": "One and two.",
        "a.d": "Three.",
        "a.e": "",
    }


def test_the_command_prints_a_schema_and_a_sidecar_may_name_it(tmp_path: Path) -> None:
    """
    In the inbox too, as `_retouchd.schema.json`: an editor completes by it, and retouchd passes over both.
    """
    with open_station(tmp_path) as station:
        code, running = station.bare("schema", "sidecar")
        assert code == 0
        assert json.loads(running.out) == SCHEMAS["sidecar"]
        inbox = station.folders.inbox
        (inbox / "_retouchd.schema.json").write_text(running.out, "utf-8")
        tree = {"$schema": "./_retouchd.schema.json", "prompt": "make it blue"}
        (inbox / "cat.json").write_text(json.dumps(tree), "utf-8")
        station.drop("cat.png", prompt=None)

        code, running = station.call("once")

        assert (code, running.out.splitlines()[0]) == (0, "1 done, 0 in error.")
        assert "$schema" not in json.dumps(station.record("done/cat.job.json"))
        assert station.tree("inbox") == ["_retouchd.schema.json"]


@pytest.mark.parametrize("arguments", [("schema",), ("schema", "prompt")])
def test_another_name_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with open_station(tmp_path) as station:
        assert station.bare(*arguments)[0] == 2


def test_the_pages_say_how_editors_find_it() -> None:
    assert "#:schema ./retouchd.schema.json" in PAGES[ROOT / "docs/configuration.md"]
