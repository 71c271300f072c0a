"""
The configuration: one model of every key, read from environment, systemd credentials and a TOML file.

Every fault is reported at once, by its key, with the nearest known key for one that is misspelt. Read by
the commands only; the engine gets plain values (`settings_of`).
"""

import codecs
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from retouchd.adapters.notation import toml_fault
from retouchd.adapters.small_files import read_small
from retouchd.adapters.unit import UNIT_VARIABLE
from retouchd.errors import ConfigurationError
from retouchd.rules.duplicates import Policy
from retouchd.rules.edit import EditFields, Text
from retouchd.rules.ignore import ignore_table
from retouchd.rules.key_source import NO_KEY, KeySource
from retouchd.rules.metadata import Metadata
from retouchd.rules.naming import shown
from retouchd.rules.nearest import nearest
from retouchd.rules.watching import Choice
from retouchd.salvage import MOST_BYTES, salvaged
from retouchd.sources import KEY_VARIABLE, PREFIX, Asked, find_key, wellknown

SANDBOX = "sandbox"
_OTHER_VARIABLES = {"RETOUCHD_CONFIG", UNIT_VARIABLE}
_JSON_KEYS = {
    "endpoint": {"headers": '{"X-Group": "photos"}'},
    "edit": {"extra": '{"seed": 7}'},
    "intake": {"ignore": '["*.bak"]'},
}
_ALIKE = 0.75
PLACES = (
    Path("config.toml"),
    Path("~/.config/retouchd/config.toml"),
    Path("/etc/retouchd/config.toml"),
)
"""Where the configuration is looked for, after `--config` and `$RETOUCHD_CONFIG`."""


class Section(BaseModel):
    """
    A table of the configuration file: unknown keys are faults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class FoldersSection(Section):
    """
    Where the five folders are; each defaults to its own name below the root.
    """

    root: Path | None = None
    inbox: Path | None = None
    outbox: Path | None = None
    done: Path | None = None
    error: Path | None = None
    work: Path | None = None


class EndpointSection(Section):
    """
    The paid endpoint and how it is asked.
    """

    base_url: str = "https://api.openai.com/v1"
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    timeout_seconds: float = Field(600, gt=0)
    connect_timeout_seconds: float = Field(10, gt=0)
    concurrency: int = Field(4, ge=1, le=256)
    requests_per_minute: int = Field(0, ge=0)
    images_per_minute: int = Field(0, ge=0)
    max_attempts: int = Field(5, ge=1)
    max_in_doubt: int = Field(1, ge=0)
    headers: dict[str, str] = {}
    ca_file: Path | None = None
    allow_private_urls: bool = False
    _key_source: KeySource = PrivateAttr(default=NO_KEY)

    @property
    def key_source(self) -> KeySource:
        """
        Return where the key stands.
        """
        return self._key_source

    def with_key(self, key: str | None, source: KeySource) -> Self:
        """
        Return the same with another key.
        """
        copy = self.model_copy(update={"api_key": SecretStr(key) if key is not None else None})
        copy._key_source = source  # noqa: SLF001 - its own
        return copy

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value != SANDBOX and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://, or be the word sandbox")
        return value.rstrip("/")


class EditSection(EditFields):
    """
    What is asked where nobody said otherwise: model, prompt, and any parameter of an edit.
    """

    model: Text = "gpt-image-2"


class IntakeSection(Section):
    """
    How files are taken from the inbox.
    """

    settle_seconds: float = Field(2, ge=0)
    incomplete_seconds: float = Field(10, ge=0)
    orphan_seconds: float = Field(3600, ge=0)
    rescan_seconds: float = Field(60, gt=0)
    observer: Choice = Choice.AUTO
    poll_seconds: float = Field(5, gt=0)
    recursive: bool = True
    ignore: tuple[str, ...] = ()
    text_encoding: str | None = None
    duplicates: Policy = Policy.HOLD

    @field_validator("ignore")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        ignore_table(value)
        return value

    @field_validator("text_encoding")
    @classmethod
    def _is_encoding(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                "".encode(value)
            except LookupError as error:
                raise ValueError("names no encoding; examples are gb18030, big5, cp1252") from error
        return value


class ImagesSection(Section):
    """
    What a picture may be.
    """

    fit: bool = True
    max_megapixels: float = Field(100, gt=0)
    metadata: Metadata = Metadata.STRIP


class BudgetSection(Section):
    """
    What a day may cost, from midnight to midnight; 0 is no limit.
    """

    usd_per_day: float = Field(0, ge=0, allow_inf_nan=False)
    images_per_day: int = Field(0, ge=0)


class StatusSection(Section):
    """
    How people who see folders only hear how things stand.
    """

    text_file: bool = True


class LoggingSection(Section):
    """
    How the log is written.
    """

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(BaseSettings):
    """
    The whole configuration.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    folders: FoldersSection = FoldersSection()
    endpoint: EndpointSection = EndpointSection()
    edit: EditSection = EditSection()
    limits: dict[str, dict[str, Any]] = {}
    pricing: dict[str, dict[str, Any]] = {}
    budget: BudgetSection = BudgetSection()
    intake: IntakeSection = IntakeSection()
    images: ImagesSection = ImagesSection()
    status: StatusSection = StatusSection()
    logging: LoggingSection = LoggingSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """
        Let the environment win over the file, that over what other programs share.
        """
        others = InitSettingsSource(settings_cls, init_kwargs=wellknown())
        return env_settings, init_settings, others


class Fault(str):
    """
    A fault of the configuration in words.

    `hides_endpoint` says that with it nobody can tell where the endpoint is, and so whom the key is for.
    """

    __slots__ = ("hides_endpoint",)

    hides_endpoint: bool

    def __new__(cls, text: str, *, hides_endpoint: bool) -> Self:
        """
        Return the words with what they mean for the endpoint.
        """
        fault = super().__new__(cls, text)
        fault.hides_endpoint = hides_endpoint
        return fault


class KeyFault(Fault):
    """
    A fault of the key: in the way of those alone who would send something.
    """

    __slots__ = ()


def find(path: Path | None) -> Path | None:
    """
    Return the configuration file to read, None if there is none anywhere.
    """
    named = path or (
        Path(os.environ["RETOUCHD_CONFIG"]) if "RETOUCHD_CONFIG" in os.environ else None
    )
    if named is not None:
        return named
    return next((place for place in map(_place, PLACES) if place is not None), None)


def _place(path: Path) -> Path | None:
    """
    Return where a configuration lies that nobody named, None if there is none for this user.
    """
    try:
        place = path.expanduser()
    except RuntimeError:
        return None  # There is no home.
    try:
        return place if place.is_file() else None
    except PermissionError as error:
        msg = (
            f"{place.parent} may not be looked into by this user: name another configuration with --config, "
            f"or be added to the group of {place.parent}."
        )
        raise ConfigurationError([msg]) from error


def load(path: Path | None) -> tuple[Config | None, list[str]]:
    """
    Return the configuration of a file (None: of the environment alone), and every fault of it.

    Where there are faults, the rest is the configuration as far as it can be read without them, so that
    other faults can be looked for in it. A fault that is one of `Fault` may hide where the endpoint is: then
    nobody may be asked. Raises ConfigurationError for a file that cannot be read.
    """
    values = _read(path) if path is not None else {}
    config, faults = _validated(values, path)
    if config is None:
        return None, faults
    config, more = _with_key(config, values, path)
    return config, [*faults, *more]


def readable(path: Path | None) -> tuple[Config | None, list[str]]:
    """
    Return the configuration as far as anything of its file can be read, and every fault, for those who only
    look: no key is asked for, and of a file that is no TOML the tables and lines that are count.
    """
    try:
        values = _read(path) if path is not None else {}
    except ConfigurationError as error:
        assert path is not None, "only a file cannot be read"
        config, _ = _validated(salvaged(path), path)
        return config, list(error.problems)
    return _validated(values, path)


def _validated(values: dict[str, Any], path: Path | None) -> tuple[Config | None, list[str]]:
    faults = list(environment_faults(os.environ))
    if faults:
        return None, faults
    try:
        return Config(**values), []
    except ValidationError as error:
        found = error.errors()
    faults = [
        Fault(_told(fault, values, path), hides_endpoint=_hides_endpoint(fault)) for fault in found
    ]
    for fault in found:
        _cut_out(values, fault["loc"])
    try:
        return Config(**values), faults
    except ValidationError:
        return None, faults


def _hides_endpoint(fault: ErrorDetails) -> bool:
    """
    Tell whether a fault is in [endpoint], or may be a key of it in the wrong place or under a wrong name.
    """
    *above, wrong = map(str, fault["loc"])
    if "endpoint" in (wrong, *above[:1]):
        return True
    is_unknown = fault["type"] == "extra_forbidden"
    return is_unknown and (
        not above or nearest(wrong, _known_keys(["endpoint"]), _ALIKE) is not None
    )


def _with_key(
    config: Config, values: Mapping[str, Any], path: Path | None
) -> tuple[Config, list[str]]:
    """
    Return the configuration with its key, wherever that stands, or without one and why so.
    """
    section = config.endpoint
    if section.base_url == SANDBOX:
        return config, []
    is_in_file = _holds(values, ("endpoint", "api_key"))
    asked = Asked(
        file=path,
        base_url=section.base_url,
        api_key=section.api_key.get_secret_value() if section.api_key is not None else None,
        is_own_variable=not is_in_file or KEY_VARIABLE in map(str.upper, os.environ),
        api_key_file=section.api_key_file,
        headers=section.headers,
        default=EndpointSection().base_url,
    )
    try:
        key, source = find_key(asked)
    except ValueError as error:
        fault = KeyFault(str(error), hides_endpoint=True)
        return config.model_copy(update={"endpoint": section.with_key(None, NO_KEY)}), [fault]
    return config.model_copy(update={"endpoint": section.with_key(key, source)}), []


def _read(path: Path) -> dict[str, Any]:
    name = shown(str(path))
    try:
        text = _text(read_small(path, MOST_BYTES))
        return tomllib.loads(text)
    except FileNotFoundError as error:
        msg = f"{name} is not there. Run `retouchd init`, or name another file with --config."
        raise ConfigurationError([msg]) from error
    except OSError as error:
        who = " Ask as root, or as the user that retouchd runs as."
        why = f"{error.strerror}.{who if isinstance(error, PermissionError) else ''}"
        raise ConfigurationError([f"{name} cannot be read: {why}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            [f"{name} is not valid TOML: {toml_fault(error, text)}"]
        ) from error
    except RecursionError as error:
        raise ConfigurationError([f"{name} is not valid TOML: it is nested too deeply."]) from error
    except ValueError as error:
        raise ConfigurationError([f"{name} cannot be read: it {error}."]) from error


def _text(raw: bytes) -> str:
    """
    Return the text of a file; raises ValueError with what it is instead.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("is UTF-16: save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"is not text in UTF-8 (byte {error.start + 1}): save it as UTF-8"
        ) from None


def _told(fault: ErrorDetails, values: Mapping[str, Any], path: Path | None) -> str:
    """
    Return one fault in words, by where it stands: the key in the file, or the variable.
    """
    keys = [str(part) for part in fault["loc"]]
    is_in_file = path is not None and _holds(values, fault["loc"])
    variable = f"{PREFIX}{'__'.join(keys).upper()}"
    if keys == ["endpoint", "base_url"] and variable not in os.environ:
        variable = "OPENAI_BASE_URL"
    where = f"{path}: " if is_in_file else f"environment variable {variable}: "
    key = ".".join(keys)
    if fault["type"] == "extra_forbidden":
        return where + _unknown(keys)
    if fault["type"] in ("model_type", "dict_type"):
        return f"{where}{key} must be a table: write [{key}] on a line of its own."
    return f"{where}{key}: {fault['msg'].removeprefix('Value error, ').rstrip('.')}."


def _unknown(keys: Sequence[str]) -> str:
    *above, wrong = keys
    if keys == ["edit", "images"]:
        return "edit.images is not a known key; references are named in an _edit.toml in the inbox."
    if above and (home := _home_of(wrong)):
        line = wrong if home != wrong else "its key"
        return (
            f"{'.'.join(keys)} is not a known key: the line stands below [{above[0]}]. Put {line} directly "
            f"below the line [{home}]."
        )
    near = nearest(wrong, _known_keys(above))
    meant = f"; did you mean {'.'.join([*above, near])}?" if near else "."
    extra = " A field of your own relay's goes into [edit.extra]." if above == ["edit"] else ""
    return f"{'.'.join(keys)} is not a known key{meant}{extra}"


def _home_of(key: str) -> str | None:
    """
    Return the one table that a key belongs to, or that it names.
    """
    if key in Config.model_fields:
        return key
    homes = [table for table in Config.model_fields if key in _known_keys([table])]
    return homes[0] if len(homes) == 1 else None


def _known_keys(above: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Config
    for part in above:
        inner = model.model_fields[part].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _holds(values: Mapping[str, Any], place: Sequence[str | int]) -> bool:
    found: Any = values
    for part in place:
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _cut_out(values: dict[str, Any], place: Sequence[str | int]) -> None:
    found: Any = values
    for part in place[:-1]:
        if not isinstance(found, dict) or part not in found:
            return
        found = found[part]
    if isinstance(found, dict):
        found.pop(place[-1], None)


def environment_faults(environment: Mapping[str, str]) -> Iterator[str]:
    """
    Return what is wrong with variables of ours: an unknown section, or a table that is no JSON.
    """
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name in _OTHER_VARIABLES:
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if section not in Config.model_fields:
            yield f"environment variable {name}: {_unknown([section])}"
        elif key in _JSON_KEYS.get(section, ()) and not _is_json(text):
            yield f"environment variable {name} must be JSON, such as {_JSON_KEYS[section][key]}."


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
