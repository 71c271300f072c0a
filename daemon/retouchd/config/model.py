"""
Every key of the configuration, with its type, default and bounds.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from retouchd.config.sources import PREFIX, wellknown
from retouchd.endpoint.key_source import NO_KEY, KeySource
from retouchd.inbox.ignore import NAME_PATTERN, ignore_table
from retouchd.inbox.watch_mode import Choice
from retouchd.pictures.metadata import Metadata
from retouchd.request.fields import EditFields, Text
from retouchd.spool.fingerprint import Policy

SANDBOX = "sandbox"
"""The address that stands for the embedded endpoint."""

_ADDRESS = rf"^\s*(https?://.*|{SANDBOX}\s*)$"


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
    ignore: tuple[Annotated[str, Field(json_schema_extra={"pattern": NAME_PATTERN})], ...] = ()
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
