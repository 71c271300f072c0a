"""
Every key of the configuration, with its type, default and bounds; and where values come from besides the file.

Where values of the configuration come from besides its file and our own variables: key files, systemd, other
programs.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from retouchd.config.intake import IntakeSection
from retouchd.config.programs import HooksSection, MetricsSection, NotifySection, WebSection
from retouchd.config.section import PREFIX, Section
from retouchd.disk.file_stat import read_small
from retouchd.disk.filesystems import Unit, own_unit
from retouchd.endpoint.addresses import origin_of
from retouchd.endpoint.api_key import APPLY, NO_KEY, KeySource, key_in
from retouchd.errors import ConfigurationError
from retouchd.job.naming import shown
from retouchd.pictures.metadata import Metadata
from retouchd.request.fields import EditFields, NamedEdits, Text
from retouchd.request.headers import HEADER_NAME, is_framing, is_header_name, names_a_key
from retouchd.request.output_fields import OutputFields

KEY_VARIABLE = f"{PREFIX}ENDPOINT__API_KEY"
_MOST_BYTES = 1 << 16
_MISSING = b"missing:"
"""How our units' SetCredential= begins, which stands in for a key file that is not there; its name follows."""


def at_home(path: Path) -> Path:
    """
    Return a path with the home folder in place of `~`. Raises ConfigurationError where there is none.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        msg = f"{shown(str(path))}: that home folder is not known: write the whole path."
        raise ConfigurationError([msg]) from error


def wellknown() -> dict[str, Any]:
    """
    Return the address that other programs for the same endpoint read; their key has rules of its own.
    """
    address = os.environ.get("OPENAI_BASE_URL")
    return {"endpoint": {"base_url": address}} if address else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """
    What the configuration says of the endpoint and its key; `file` is where, None for the environment alone.

    `default` is the usual address of the programs that share OPENAI_API_KEY.
    """

    file: Path | None
    base_url: str
    api_key: str | None
    is_own_variable: bool
    """`api_key` is the environment's, not the file's."""
    api_key_file: Path | None
    headers: Mapping[str, str]
    default: str


def find_key(asked: KeySettings) -> tuple[str | None, KeySource]:
    """
    Return the key with where it stands: our own variable, the file that holds it, systemd's credential, the
    configuration, or what other programs use, whichever comes first; None where no key is set or needed.

    Raises ValueError with a sentence for a key that cannot be one, and what to do.
    """
    where = f" in {shown(str(asked.file))}" if asked.file else ""
    if names_a_key(asked.headers):
        place = f"endpoint.headers{where}"
        return asked.api_key, KeySource(place=place, remedy=f"Set a valid one there, {APPLY}.")
    if asked.api_key is not None and asked.is_own_variable:
        return _of_variable(KEY_VARIABLE, asked.api_key)
    if asked.api_key_file is not None:
        start = asked.file.absolute().parent if asked.file else Path()
        return _of_file(start / at_home(asked.api_key_file))
    nothing = KeySource()
    if (folder := os.environ.get("CREDENTIALS_DIRECTORY")) is not None:
        key, nothing = _of_credential(Path(folder) / "api_key")
        if key is not None:
            return key, nothing
    if asked.api_key is not None:
        remedy = f"Set a valid endpoint.api_key{where}, {APPLY}."
        return _valid(asked.api_key, f"endpoint.api_key{where}", remedy)
    other = _of_other_programs(asked.base_url, asked.default)
    return other or (None, nothing)


def _of_variable(name: str, text: str) -> tuple[str, KeySource]:
    place = f"the environment variable {name}"
    return _valid(text, place, f"Set {name} to a valid key, then restart retouchd.")


def _of_file(path: Path) -> tuple[str, KeySource]:
    name = shown(str(path))
    try:
        raw = read_small(path, _MOST_BYTES)
    except OSError as error:
        why = (error.strerror or "").lower()
        mend = "Put your key there, in a file that this user may read, or name another one."
        raise ValueError(f"endpoint.api_key_file: {name} cannot be read: {why}. {mend}") from error
    return _valid(raw, name, f"Put a valid key into {name}, {APPLY}.")


def _of_credential(path: Path) -> tuple[str | None, KeySource]:
    """
    Return the key that systemd hands over in a file that only the service can read.

    Our units have a text instead where the file is missing from which systemd would take it: an endpoint may
    need no key, and if it does, that name is what a person has to know.
    """
    unit = own_unit() or Unit(name=path.parent.name)
    restart = f"`{unit.command('restart')}`: systemd hands credentials over at a start only."
    try:
        raw = read_small(path, _MOST_BYTES)
    except FileNotFoundError:
        return None, KeySource()
    except OSError as error:
        raise ValueError(f"The credential {path} cannot be read: {error.strerror}.") from error
    if raw.startswith(_MISSING):
        file = raw.removeprefix(_MISSING).decode("utf-8", "replace").replace("%i", unit.instance)
        return None, KeySource(remedy=f"Write your key into {shown(file.strip())}, then {restart}")
    place = f"the credential api_key of {unit.name}"
    remedy = "Put a valid key into the file that LoadCredential= names in the unit, then "
    return _valid(raw, place, remedy + restart)


def _valid(text: bytes | str, place: str, remedy: str) -> tuple[str, KeySource]:
    try:
        return key_in(text), KeySource(place=place, remedy=remedy)
    except ValueError as error:
        raise ValueError(f"No key can be read: {place} {error}. {remedy}") from None


def _of_other_programs(base_url: str, default: str) -> tuple[str, KeySource] | None:
    """
    Return the key that other programs use, None if there is none; `default` is their usual address.

    It is set for the address those programs use, and goes to no other: raises ValueError where `base_url` is
    at another one.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        return None
    meant = origin_of(os.environ.get("OPENAI_BASE_URL") or default)
    used = origin_of(base_url)
    if meant is None or meant != used:
        msg = (
            f"OPENAI_API_KEY is a key for {meant}, and endpoint.base_url is at {used}: it is not sent there. "
            f"Set {KEY_VARIABLE} (or endpoint.api_key) to the key of that endpoint, or "
            "OPENAI_BASE_URL to its address if it is the same one; one that wants no key is told so with "
            'endpoint.auth = "none".'
        )
        raise ValueError(msg)
    return _of_variable("OPENAI_API_KEY", key)


SANDBOX = "sandbox"
"""The address that stands for the embedded endpoint."""

_NO_KEYS = {"accept", "accept-encoding", "idempotency-key", "user-agent"}
"""Headers that say something else in each request; some of them go to other hosts, too."""
_ADDRESS = rf"^\s*(https?://.*|{SANDBOX}\s*)$"


class FoldersSection(Section):
    """
    Where the six folders are; each defaults to its own name below the root, that for reviews else to one beside
    the outbox.
    """

    root: Path | None = None
    inbox: Path | None = None
    outbox: Path | None = None
    review: Path | None = None
    done: Path | None = None
    error: Path | None = None
    work: Path | None = None


class EndpointSection(Section):
    """
    The paid endpoint and how it is asked.
    """

    base_url: Annotated[str, Field(json_schema_extra={"pattern": _ADDRESS})] = (
        "https://api.openai.com/v1"
    )
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    timeout_seconds: float = Field(600, gt=0)
    connect_timeout_seconds: float = Field(10, gt=0)
    concurrency: int = Field(4, ge=1, le=256)
    requests_per_minute: int = Field(0, ge=0)
    images_per_minute: int = Field(0, ge=0)
    max_attempts: int = Field(5, ge=1)
    max_in_doubt: int = Field(1, ge=0)
    headers: dict[str, str] = Field({})
    ca_file: Path | None = None
    allow_private_urls: bool = False
    style: Literal["auto", "openai", "openai-json", "xai", "openrouter", "azure"] = "auto"
    auth: (
        Annotated[Text, Field(json_schema_extra={"pattern": rf"^\s*{HEADER_NAME}\s*$"})] | None
    ) = None
    models: dict[str, Text] = Field({})
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
        root, mark, query = value.partition("?")
        return f"{root.rstrip('/')}{mark}{query}"

    @field_validator("auth")
    @classmethod
    def _is_header(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if is_framing(value) or value.lower() in _NO_KEYS or not is_header_name(value):
            raise ValueError("must be bearer, api-key, none, or the name of a header for the key")
        return value.lower()


class EditSection(EditFields):
    """
    What is asked where nobody said otherwise: model, prompt, and any parameter of an edit.
    """

    model: Text = "gpt-image-2"


def _auto_or_false(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError('must be "auto" or false')  # noqa: TRY004 - pydantic's
    return False if value == "false" else value  # As it comes from the environment.


class ImagesSection(Section):
    """
    What a picture may be.
    """

    fit: bool = True
    max_megapixels: float = Field(100, gt=0)
    metadata: Metadata = Metadata.STRIP
    pad: Annotated[Literal["auto", False], BeforeValidator(_auto_or_false)] = "auto"


class OutputSection(OutputFields):
    """
    What results are to be made where nobody said otherwise.
    """

    max_megapixels: float = Field(120, gt=0)


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
    edits: NamedEdits = ()
    limits: dict[str, dict[str, Any]] = {}
    pricing: dict[str, dict[str, Any]] = {}
    budget: BudgetSection = BudgetSection()
    intake: IntakeSection = IntakeSection()
    images: ImagesSection = ImagesSection()
    output: OutputSection = OutputSection()
    status: StatusSection = StatusSection()
    web: WebSection = WebSection()
    hooks: HooksSection = HooksSection()
    notify: NotifySection = NotifySection()
    metrics: MetricsSection = MetricsSection()
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
