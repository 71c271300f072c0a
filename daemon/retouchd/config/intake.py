"""
The table [intake]: how files are taken from the inbox.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from retouchd.config.section import Section
from retouchd.inbox.ignore import NAME_PATTERN, ignore_table
from retouchd.inbox.watch_mode import Choice
from retouchd.job.companions import COMPANIONS, EXTENSION_PATTERN, companion_extensions
from retouchd.spool.fingerprint import Policy


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
    embedded_prompt: Literal["caption"] | None = None
    companions: tuple[
        Annotated[str, Field(json_schema_extra={"pattern": EXTENSION_PATTERN})], ...
    ] = COMPANIONS

    @field_validator("companions")
    @classmethod
    def _are_companions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return companion_extensions(value)

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
