"""
The configuration: where it is found, which source wins, what is refused, and the example that comes with it.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from retouchd.cli.compose import read, settings_of
from retouchd.config import PLACES, Config, find, load
from retouchd.config.schema import example
from retouchd.config.settings import Settings
from retouchd.errors import ConfigurationError
from retouchd.money.budget import Allowance
from retouchd.money.pricing import price_problems, prices_for
from retouchd.request.limits import override_problems
from retouchd.request.overrides import READERS

SECTIONS = (
    *("folders", "endpoint", "edit", "intake", "images", "output", "budget", "status", "logging"),
    *("web", "hooks", "notify", "metrics"),
)
_KEY_LINE = re.compile(r"^# (?=\[|[a-z_]+ = )", re.MULTILINE)


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Stand in an empty folder, with an empty home and no setting in the environment.
    """
    for name in list(os.environ):
        if name.startswith(("RETOUCHD_", "OPENAI_", "CREDENTIALS_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", os.fspath(tmp_path / "home"))
    (tmp_path / "home/.config/retouchd").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def key_of(config: Config) -> str | None:
    key = config.endpoint.api_key
    return key.get_secret_value() if key else None


def problems_of(path: Path | None, text: str | None = None) -> tuple[str, ...]:
    if text is not None:
        assert path is not None
        path.write_text(text, "utf-8")
    try:
        config, start, problems = read(path)
    except ConfigurationError as error:
        return error.problems
    more = settings_of(config, start)[1] if config else []
    assert problems or more, "nothing is wrong"
    return (*problems, *more)


def loaded(path: Path) -> Config:
    config, faults = load(path)
    assert config is not None
    assert not faults
    return config


def settled(path: Path | None) -> Settings:
    config, start, problems = read(path)
    assert config is not None
    settings, more = settings_of(config, start)
    assert settings is not None
    assert not [*problems, *more]
    return settings


def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "api_key").write_text(key)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", os.fspath(folder))


# Where it is found.


def test_the_search_goes_from_near_to_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    --config wins over $RETOUCHD_CONFIG, that over ./config.toml, that over what `init` made here, that over
    the one at home.
    """
    at_home = tmp_path / "home/.config/retouchd/config.toml"
    made = Path("retouch/config.toml")
    found = []
    at_home.touch()
    found.append(find(None))
    made.parent.mkdir()
    made.touch()
    found.append(find(None))
    Path("config.toml").touch()
    found.append(find(None))
    monkeypatch.setenv("RETOUCHD_CONFIG", "/named/by/variable.toml")
    found.append(find(None))
    found.append(find(Path("/named/by/option.toml")))

    assert found == [
        at_home,
        made,
        Path("config.toml"),
        Path("/named/by/variable.toml"),
        Path("/named/by/option.toml"),
    ]


def test_the_machines_configuration_comes_last() -> None:
    """
    What holds for the whole machine is read only where nothing nearer is found.
    """
    assert PLACES[-1] == Path("/etc/retouchd/config.toml")


def test_a_variable_that_names_no_file_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    $RETOUCHD_CONFIG says what is wanted: another file is not taken in its place.
    """
    Path("config.toml").write_text('[folders]\nroot = "."\n')
    monkeypatch.setenv("RETOUCHD_CONFIG", "/nowhere/retouchd.toml")

    (problem,) = problems_of(None)

    assert "/nowhere/retouchd.toml is not there" in problem


def test_no_configuration_at_all() -> None:
    """
    Without a file and without folders in the environment there is nothing to work on: it says where it looked.
    """
    (problem,) = problems_of(None)

    assert "retouchd init" in problem
    assert "--config" in problem
    assert "$RETOUCHD_CONFIG" in problem
    assert all(str(place) in problem for place in PLACES)


def test_the_environment_alone_can_be_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A container needs no file: relative places start where the command does.
    """
    monkeypatch.setenv("RETOUCHD_FOLDERS__ROOT", "photos")
    monkeypatch.setenv("RETOUCHD_INTAKE__SETTLE_SECONDS", "0.5")

    settings = settled(None)

    assert settings.folders.inbox == Path.cwd() / "photos/inbox"
    assert settings.patience.settle_seconds == 0.5


# Which source wins.


def test_the_key_comes_from_the_nearest_source(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Our own variable wins over a file that holds the key, that over systemd's credential, that over the
    configuration, that over OPENAI_API_KEY.
    """
    file.write_text("[endpoint]\n")
    keys = [key_of(loaded(file))]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    keys.append(key_of(loaded(file)))
    file.write_text('[endpoint]\nheaders = {Api-Key = "sk-header"}\n')
    keys.append(key_of(loaded(file)))
    file.write_text('[endpoint]\napi_key = "sk-file"\n')
    keys.append(key_of(loaded(file)))
    credentials(tmp_path, monkeypatch, "sk-credential\n")
    keys.append(key_of(loaded(file)))
    file.with_name("its.key").write_text("sk-of-a-file\n")
    file.write_text('[endpoint]\napi_key = "sk-file"\napi_key_file = "its.key"\n')
    keys.append(key_of(loaded(file)))
    monkeypatch.setenv("RETOUCHD_ENDPOINT__API_KEY", "sk-own")
    keys.append(key_of(loaded(file)))

    expected = [None, "sk-openai", None, "sk-file", "sk-credential", "sk-of-a-file", "sk-own"]
    assert keys == expected


def test_the_address_comes_from_the_nearest_source(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Our own variable wins over the file, that over OPENAI_BASE_URL, that over the default.
    """
    file.write_text("[endpoint]\n")
    addresses = [loaded(file).endpoint.base_url]
    monkeypatch.setenv("OPENAI_BASE_URL", "https://openai.example/v1/")
    addresses.append(loaded(file).endpoint.base_url)
    file.write_text('[endpoint]\nbase_url = "https://file.example/v1"\n')
    addresses.append(loaded(file).endpoint.base_url)
    monkeypatch.setenv("RETOUCHD_ENDPOINT__BASE_URL", "https://own.example/v1/?sig=ab/")
    addresses.append(loaded(file).endpoint.base_url)

    assert addresses == [
        "https://api.openai.com/v1",
        "https://openai.example/v1",
        "https://file.example/v1",
        "https://own.example/v1?sig=ab/",
    ]


def test_sources_are_laid_over_each_other_key_by_key(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A variable for one key of a section leaves the file's other keys of it alone.
    """
    file.write_text('[endpoint]\nconcurrency = 2\nmax_attempts = 9\nheaders = {X-Group = "a"}\n')
    monkeypatch.setenv("RETOUCHD_ENDPOINT__CONCURRENCY", "7")

    endpoint = loaded(file).endpoint

    assert (endpoint.concurrency, endpoint.max_attempts) == (7, 9)
    assert endpoint.headers == {"X-Group": "a"}


def test_every_kind_of_key_can_come_from_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Numbers and flags as they are written, lists and tables as JSON.
    """
    file.write_text('[folders]\nroot = "."\n')
    monkeypatch.setenv("RETOUCHD_INTAKE__RECURSIVE", "false")
    monkeypatch.setenv("RETOUCHD_INTAKE__IGNORE", '["*.bak"]')
    monkeypatch.setenv("RETOUCHD_EDIT__N", "3")
    monkeypatch.setenv("RETOUCHD_LIMITS", '{"my-*": {"max_n": 2}}')

    settings = settled(file)

    assert (settings.recursive, settings.ignore) == (False, ("*.bak",))
    assert settings.edit.parameters == {"n": 3}
    assert settings.limits("my-model").max_n == 2


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[pricing."my*"]\nper_cal = 1\n', ('pricing."my*".per_cal', "per_call")),
        ('[pricing."my*"]\ntext_in = -5\n', ('pricing."my*".text_in', "US dollars")),
        (
            '[edit]\nmodel = "my-model"\n[budget]\nusd_per_day = 5\n',
            ("budget.usd_per_day", "my-model", '[pricing."my-model"]', "per_call"),
        ),
        (
            '[edit]\nmodel = "my-model"\n[budget]\nusd_per_day = 5\n[pricing.my-model]\nimage_out = 5\n',
            ("budget.usd_per_day", "my-model", "per_image"),
        ),
    ],
)
def test_a_fault_of_prices_is_told(file: Path, text: str, parts: tuple[str, ...]) -> None:
    """
    A misspelt key, a price that is none, and a budget that cannot be kept for want of a price.
    """
    (problem,) = problems_of(file, text + '[folders]\nroot = "."\n')

    assert [part for part in parts if part not in problem] == []


def test_prices_and_a_budget_reach_the_engine(file: Path) -> None:
    """
    A relay's model has the price that the configuration says, the others those that are published.
    """
    file.write_text(
        '[folders]\nroot = "."\n[edit]\nmodel = "my-model-2"\n'
        '[pricing."my-*"]\nper_call = 0.03\n'
        "[budget]\nusd_per_day = 2.5\nimages_per_day = 7\n"
    )

    settings = settled(file)

    assert settings.allowance == Allowance(usd_per_day=2.5, images_per_day=7)
    assert settings.prices("my-model-2").per_call == Decimal("0.03")
    assert settings.prices("gpt-image-2") == prices_for("gpt-image-2")


def test_relative_places_start_at_the_file(file: Path) -> None:
    """
    Wherever the command is run, folders and the certificate lie where the file says.
    """
    file.write_text(
        '[folders]\nroot = "hot"\ndone = "../shelf"\nerror = "~/bad"\n'
        '[endpoint]\nca_file = "relay-ca.pem"\n'
    )

    settings = settled(file)

    assert settings.folders.inbox == file.parent / "hot/inbox"
    assert settings.folders.done.resolve() == (file.parent / "../shelf").resolve()
    assert settings.folders.error == file.parent / "home/bad"
    assert settings.endpoint.ca_file == file.parent / "relay-ca.pem"


def test_a_relative_file_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A file named relative to where the command is run leads to absolute folders all the same.
    """
    Path("sub").mkdir()
    Path("sub/own.toml").write_text('[folders]\nroot = "."\n')

    settings = settled(Path("sub/own.toml"))

    assert settings.folders.work == Path.cwd() / "sub/work"


# What is refused.


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("colour = 1\n", ("colour", "not a known key")),
        ('[endpoint]\nbase_ulr = "x"\n', ("endpoint.base_ulr", "endpoint.base_url")),
        (
            '[logging]\nbase_url = "http://127.0.0.1:1/v1"\n',
            (
                "logging.base_url",
                "below [logging]",
                "Put base_url directly below the line [endpoint]",
            ),
        ),
        (
            '[logging]\nendpoint.base_url = "http://127.0.0.1:1/v1"\n',
            ("logging.endpoint", "Put its key directly below the line [endpoint]"),
        ),
        ("[endpoint]\nimages_per_day = 5\n", ("endpoint.images_per_day", "[budget]")),
        ("[endpoint]\nconcurrency = 0\n", ("endpoint.concurrency", "1")),
        ('[endpoint]\nconcurrency = "many"\n', ("endpoint.concurrency", "integer")),
        ('[endpoint]\nbase_url = "relay.example"\n', ("endpoint.base_url", "https://", "sandbox")),
        ('[hooks]\nurl = "https://me:pass@shop.example/"\n', ("hooks.url", "hooks.secret")),
        ("[endpoint]\napi_key = 5\n", ("endpoint.api_key", "string")),
        ('[endpoint]\nauth = "User-Agent"\n', ("endpoint.auth", "bearer, api-key, none")),
        ("[edit.extra]\nseed = nan\n", ("edit.extra", "seed", "no number")),
        ("[intake]\nsettle_seconds = -1\n", ("intake.settle_seconds", "0")),
        ('[intake]\nignore = ["a/b"]\n', ("intake.ignore", "a/b", "*.bak")),
        ('[intake]\ntext_encoding = "klingon"\n', ("intake.text_encoding", "gb18030")),
        ('[intake]\nobserver = "fanotify"\n', ("intake.observer", "polling")),
        ("[intake]\npoll_seconds = 0\n", ("intake.poll_seconds", "0")),
        ("[budget]\nusd_per_day = -1\n", ("budget.usd_per_day", "0")),
        ("[budget]\nusd_per_day = inf\n", ("budget.usd_per_day", "finite")),
        ("[budget]\nimages_per_day = -1\n", ("budget.images_per_day", "0")),
        ("[budget]\nimages_per_day = 1.5\n", ("budget.images_per_day", "integer")),
        ("[budget]\nusd_a_day = 1\n", ("budget.usd_a_day", "budget.usd_per_day")),
        ("[pricing]\nper_call = 1\n", ("pricing.per_call", "[pricing.per_call]")),
        ('[logging]\nlevel = "loud"\n', ("logging.level", "warning")),
        ('[edit]\nseed = 7\n[folders]\nroot="."\n', ("edit.seed", "[edit.extra]")),
        ('[edit]\nimages = ["a.png"]\n', ("edit.images", "_edit.toml", "inbox")),
        ("[edit]\nn = true\n", ("edit.n", "whole number")),
        ('[edit]\nsize = ""\n', ("edit.size", "empty")),
        ('endpoint = "https://relay.example"\n', ("endpoint", "[endpoint]")),
    ],
)
def test_a_fault_names_its_key_and_what_to_do(
    file: Path, text: str, parts: tuple[str, ...]
) -> None:
    """
    One line for a fault: the file, the key, and what it may be.
    """
    if "[folders]" not in text:
        text += '[folders]\nroot = "."\n'

    (problem,) = problems_of(file, text)

    for part in (os.fspath(file), *parts):
        assert part in problem
    assert "\n" not in problem
    assert not problem.endswith("..")
    assert "Section" not in problem


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[edit]\nsize = "7x7"\n', ("[edit]", "7x7", "720x912")),
        ('[edit]\nresponse_format = "url"\n', ("[edit]", "response_format")),
        ("[limits.gpt-image-2]\nmax_imgs = 3\n", ("gpt-image-2", "max_imgs", "max_images")),
        ('[limits."my-*"]\nmax_n = "two"\n', ("my-*", "max_n", "whole number")),
    ],
)
def test_a_fault_between_keys_is_refused_at_start(
    file: Path, text: str, parts: tuple[str, ...]
) -> None:
    """
    What no request could ever pass is said before the first photo, with what can be taken instead.
    """
    (problem,) = problems_of(file, f'[folders]\nroot = "."\n{text}')

    for part in parts:
        assert part in problem


def test_a_missing_root_names_every_folder_without_a_place(file: Path) -> None:
    """
    Of six folders those that have no place are named, with the key that gives them one.
    """
    problems = problems_of(file, '[folders]\ninbox = "in"\nwork = "w"\n')

    assert len(problems) == 3
    for name, problem in zip(("outbox", "done", "error"), problems, strict=True):
        assert f"folders.{name}" in problem
        assert "folders.root" in problem


def test_a_key_never_stands_in_a_fault(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A faulty configuration is shown to others when help is sought: the key is not in it.
    """
    monkeypatch.setenv("RETOUCHD_ENDPOINT__API_KEY", "sk-CANARY-1234567890")

    problems = problems_of(
        file, '[endpoint]\napi_key = ["sk-CANARY-1234567890"]\napi_ky = "sk-CANARY-1234567890"\n'
    )

    assert "sk-CANARY" not in "".join(problems)


def test_a_misspelt_variable_is_a_fault(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An unknown key is an error wherever it stands; the sentence speaks of the variable, not of the file.
    """
    monkeypatch.setenv("RETOUCHD_ENDPOINT__API_KY", "sk-1")

    (problem,) = problems_of(file, '[folders]\nroot = "."\n')

    assert "api_key" in problem.lower()
    assert os.fspath(file) not in problem


def test_a_variable_of_a_misspelt_section_is_a_fault(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A key that was meant for the endpoint must not vanish without a word.
    """
    monkeypatch.setenv("RETOUCHD_ENDPONT__API_KEY", "sk-1")

    (problem,) = problems_of(file, '[folders]\nroot = "."\n')

    assert "endpont" in problem.lower()
    assert "endpoint" in problem.lower()


def test_a_variable_that_is_no_json_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A table in the environment is JSON; one that is none is told by the name it has there.
    """
    monkeypatch.setenv("RETOUCHD_ENDPOINT__HEADERS", "X-Group: photos")

    (problem,) = problems_of(file, '[folders]\nroot = "."\n')

    assert "headers" in problem.lower()
    assert "Source" not in problem


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"[folders\n", "not valid TOML"),
        (b"a = 1\na = 2\n", "not valid TOML"),
        (b"# caf\xe9\n", "UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read(file: Path, content: bytes | None, part: str) -> None:
    """
    Broken TOML, another encoding, a folder in its place: the file is named.
    """
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    (problem,) = problems_of(file)

    assert os.fspath(file) in problem
    assert part.lower() in problem.lower()


def test_a_file_saved_by_notepad_is_read(file: Path) -> None:
    """
    A byte order mark before the first line is no fault.
    """
    file.write_bytes(b'\xef\xbb\xbf[folders]\r\nroot = "."\r\n')

    assert loaded(file).folders.root == Path()


# The example.


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from (f"{name}.{key}" for key in inner.model_fields)
        else:
            yield name


def keys_in(values: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if name in SECTIONS:
            yield from (f"{name}.{key}" for key in value)
        else:
            yield name


def uncommented() -> str:
    return _KEY_LINE.sub("", example())


def test_the_example_holds_every_key() -> None:
    """
    Whatever can be set stands in config.example.toml, commented or not, and nothing else does.
    """
    assert sorted(keys_in(tomllib.loads(uncommented()))) == sorted(keys_of(Config))


def test_the_example_is_the_default_as_it_stands(file: Path) -> None:
    """
    As it comes it sets nothing but the root.
    """
    file.write_text(example(), "utf-8")

    assert loaded(file).model_dump(exclude_defaults=True) == {"folders": {"root": Path()}}


def test_the_example_loads_with_every_key_set(file: Path) -> None:
    """
    Whoever removes the comment mark of a line has a line that is right.
    """
    file.write_text(uncommented(), "utf-8")
    file.with_name("api_key").write_text("sk-of-the-file")

    config = loaded(file)

    assert config.endpoint.api_key == SecretStr("sk-of-the-file")
    assert config.limits["my-model*"].keys() == READERS.keys()
    assert config.limits["my-model*"]["formats"] == ["png", "jpeg"]
    assert config.limits["my-model*"]["max_image_bytes"] == 10_000_000
    assert override_problems(config.limits) == []
    assert config.pricing["my-model*"] == {"per_call": 0.03}
    assert price_problems(config.pricing) == []


def test_the_example_shows_the_defaults(file: Path) -> None:
    """
    "Every key stands here with its default": each that has one shows it.
    """
    file.write_text(uncommented(), "utf-8")
    file.with_name("api_key").write_text("sk-of-the-file")
    shown, default = loaded(file).model_dump(), Config().model_dump()

    for section in SECTIONS:
        for key, value in default[section].items():
            if value not in (None, {}, ()):
                assert shown[section][key] == value, f"{section}.{key}"


def test_every_line_of_the_example_fits_a_screen() -> None:
    """
    It is read in a terminal: no line is longer than 112 signs.
    """
    assert max(map(len, example().splitlines())) <= 112


def test_a_list_of_edits_comes_from_the_environment_as_json(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[folders]\nroot = '.'\n", "utf-8")
    monkeypatch.setenv("RETOUCHD_EDITS", '[{"name": "warm", "prompt": "Warm light."}]')
    assert [each.name for each in loaded(file).edits] == ["warm"]

    monkeypatch.setenv("RETOUCHD_EDITS", "warm")
    _, faults = load(file)
    assert any("RETOUCHD_EDITS must be JSON" in fault for fault in faults)


SAME = '[[edits]]\nname = "a"\nquality = "low"\n[[edits]]\nname = "b"\nquality = "low"\n'


def test_edits_of_the_configuration_have_a_prompt_and_are_all_different(file: Path) -> None:
    """
    Their prompt may be a caption, where such are read.
    """
    folders = "[folders]\nroot = '.'\n"
    missing = "it has no prompt, and edit.prompt does not say one for all"
    (one, other, twin) = problems_of(file, folders + SAME)
    assert f"[[edits]], a: {missing}" in one
    assert f"[[edits]], b: {missing}" in other
    assert "[[edits]], b: it asks for the same as a, which would be paid for twice" in twin

    captions = folders + '[intake]\nembedded_prompt = "caption"\n'
    file.write_text(captions + SAME.replace("low", "high", 1), "utf-8")
    assert settled(file).reads_captions
    (twin,) = problems_of(file, captions + SAME)
    assert "paid for twice" in twin
