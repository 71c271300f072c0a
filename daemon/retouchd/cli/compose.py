"""
From the configuration to the engine's plain values, with every fault that can be known at start.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from retouchd.cli.program_faults import faults_of
from retouchd.config import PLACES, SANDBOX, Config, KeyFault, at_home, find, load, readable
from retouchd.config.settings import EditDefaults, Settings
from retouchd.disk.calls import Folder
from retouchd.disk.folders import Folders, make_missing
from retouchd.disk.probes import telling_of_the_disk
from retouchd.disk.threads import PATIENCE_SECONDS, answered
from retouchd.endpoint.addresses import without_password
from retouchd.endpoint.client import Endpoint
from retouchd.endpoint.styles import OPENAI, Style, style_for
from retouchd.errors import ConfigurationError
from retouchd.inbox.precedence import EditPart
from retouchd.inbox.readiness import Patience
from retouchd.job.naming import shown
from retouchd.money.budget import Allowance, unpriced
from retouchd.money.pricing import is_priced, price_problems, prices_for
from retouchd.request.limits import Limits, limits_for, override_problems
from retouchd.request.output import PREFIX as OUTPUT
from retouchd.request.prompt_text import joined
from retouchd.request.text_encoding import is_chinese
from retouchd.request.validate import check_request
from retouchd.throttle.concurrency import Rates
from retouchd.throttle.retry import RetryBudget

T = TypeVar("T")

FOR_PROGRAMS = {"web", "hooks", "notify", "metrics"}
"""The tables that say nothing of how a picture is edited."""


def settings_from(path: Path | None) -> tuple[Config, Settings, list[Path]]:
    """
    Return the configuration, the engine's settings, and which folders were missing and have been made.

    Raises ConfigurationError with every fault at once: of keys, between keys, of the folders; DiskFailed where
    a folder does not answer.
    """
    config, start, problems = read(path)
    settings = None
    if config is not None:
        settings, more = settings_of(config, start)
        problems += more
    if config is not None:
        problems += faults_of(config, start)
    made: list[Path] = []
    if settings is not None:
        if not problems:
            made = asked(settings.folders, partial(make_missing, settings.folders))
        problems += asked(settings.folders, settings.folders.problems)
    if problems or config is None or settings is None:
        made_too = [f"{shown(str(each))} was missing and has been made." for each in made]
        raise ConfigurationError([*problems, *made_too])
    return config, settings, made


def asked(folders: Folders, look: Callable[[], T]) -> T:
    """
    Return what a look at the folders finds. Raises DiskFailed where one of them does not answer.
    """
    with telling_of_the_disk():
        return answered(look, folders.by_name(), PATIENCE_SECONDS)


def settings_only(path: Path | None) -> tuple[Config, Settings]:
    """
    Return the configuration and the engine's settings without a look at the folders, let alone a probe.

    Raises ConfigurationError with every fault of keys and between keys, but not for the endpoint's key: who
    looks on or drops a picture need not be allowed to read that.
    """
    config, start, found = read(path)
    problems = [problem for problem in found if not isinstance(problem, KeyFault)]
    settings, more = settings_of(config, start) if config is not None else (None, [])
    if config is None or settings is None or problems or more:
        raise ConfigurationError([*problems, *more])
    return config, settings


def settings_to_look(path: Path | None) -> tuple[Settings, list[str]]:
    """
    Return the settings as far as they can be read, for those who only look, and the faults for which no
    daemon would take them.

    Raises ConfigurationError where not even the folders are known.
    """
    config, start, problems = _read(path, readable)
    settings, more = settings_of(config, start) if config is not None else (None, [])
    problems = problems or more  # What the first leave out is no fault of its own.
    if settings is None:
        raise ConfigurationError(problems)
    return settings, problems


def read(path: Path | None) -> tuple[Config | None, Path, list[str]]:
    """
    Return the configuration as far as it can be read, the folder its relative paths start from, its faults.

    Raises ConfigurationError where there is none, or none that can be read.
    """
    return _read(path, load)


def _read(
    path: Path | None, load: Callable[[Path | None], tuple[Config | None, list[str]]]
) -> tuple[Config | None, Path, list[str]]:
    found = find(path)
    config, problems = load(found)
    if found is None and config is not None and config.folders == type(config.folders)():
        places = ", ".join(str(place) for place in PLACES)
        problem = (
            f"No configuration was found: none of {places} is there, seen from {shown(str(Path.cwd()))}, and "
            "$RETOUCHD_CONFIG is not set. Run `retouchd init` to make one in ./retouch, or name one with "
            "--config."
        )
        raise ConfigurationError([problem])
    return config, start_of(path), problems


def start_of(path: Path | None) -> Path:
    """
    Return where relative paths of the configuration begin.
    """
    found = find(path)
    return found.absolute().parent if found else Path.cwd()


def settings_of(config: Config, start: Path) -> tuple[Settings | None, list[str]]:
    """
    Return the engine's settings, None if a folder has no place, and every fault between keys.
    """
    folders, problems = _folders(config, start)
    endpoint = _endpoint(config, start)
    limits = partial(limits_for, overrides=config.limits, interface=endpoint.style.interface)
    problems += override_problems(config.limits)
    edit = config.edit
    problems += _edit_problems(config, limits)
    prices = partial(prices_for, rows=config.pricing)
    problems += price_problems(config.pricing)
    models = dict.fromkeys([edit.model, *(each.model or edit.model for each in config.edits)])
    if config.budget.usd_per_day:
        problems += [unpriced(model) for model in models if not is_priced(prices(model))]
    if folders is None:
        return None, problems
    settings = Settings(
        folders=folders,
        endpoint=endpoint,
        budget=RetryBudget(
            max_attempts=config.endpoint.max_attempts, max_in_doubt=config.endpoint.max_in_doubt
        ),
        edit=EditDefaults(
            model=edit.model,
            prompt=edit.prompt,
            parameters=edit.parameters(),
            output=config.output.among_others(),
            before=edit.prompt_before,
            after=edit.prompt_after,
            edits=tuple(EditPart(name=e.name, values=e.values()) for e in config.edits),
        ),
        limits=limits,
        prices=prices,
        allowance=Allowance(
            usd_per_day=config.budget.usd_per_day, images_per_day=config.budget.images_per_day
        ),
        patience=Patience(
            settle_seconds=config.intake.settle_seconds,
            incomplete_seconds=config.intake.incomplete_seconds,
            orphan_seconds=config.intake.orphan_seconds,
        ),
        rates=Rates(
            requests_per_minute=config.endpoint.requests_per_minute,
            images_per_minute=config.endpoint.images_per_minute,
        ),
        rescan_seconds=config.intake.rescan_seconds,
        observer=config.intake.observer,
        poll_seconds=config.intake.poll_seconds,
        recursive=config.intake.recursive,
        ignore=config.intake.ignore,
        text_encoding=config.intake.text_encoding,
        is_chinese=is_chinese(os.environ),
        duplicates=config.intake.duplicates,
        companions=config.intake.companions,
        reads_captions=config.intake.embedded_prompt is not None,
        max_megapixels=config.images.max_megapixels,
        fit=config.images.fit,
        metadata=config.images.metadata,
        pads=config.images.pad == "auto",
        output_megapixels=config.output.max_megapixels,
        status_text=config.status.text_file,
        fingerprint=cache(partial(_fingerprint, config)),
        shown=_shown(config, folders),
    )
    return settings, problems


def _edit_problems(config: Config, limits: Callable[[str], Limits]) -> Iterator[str]:
    """
    Yield what is wrong with what is asked where no file says otherwise.
    """
    common, asked = config.edit, dict[tuple[object, ...], str]()
    for part in config.edits or (None,):
        where = "[edit]" if part is None else f"[[edits]], {part.name}"
        said = common.values() | (part.values() if part else {})
        values = {key: each for key, each in said.items() if not key.startswith(OUTPUT)}
        model = str(values.pop("model"))
        before, prompt, after = (
            None if (text := values.pop(key, None)) is None else str(text)
            for key in ("prompt_before", "prompt", "prompt_after")
        )
        takes_captions = config.intake.embedded_prompt is not None
        if prompt is None and part is not None and not takes_captions:
            yield (
                f"{where}: it has no prompt, and edit.prompt does not say one for all edits. Write what is "
                "to be done as its prompt."
            )
        request = model, before, prompt, after, frozenset(values.items())
        if part is not None and (twin := asked.setdefault(request, part.name)) != part.name:
            yield f"{where}: it asks for the same as {twin}, which would be paid for twice. Change one of them."
        whole = joined(before, prompt or "any", after)
        for fault in check_request(model, whole, values, limits(model)):
            yield f"{where}: {fault.message} {fault.hint}"


def _folders(config: Config, start: Path) -> tuple[Folders | None, list[str]]:
    """
    Return the folders as absolute paths, or which of them have no place.
    """
    section = config.folders
    places: dict[str, Path] = {}
    missing = []
    for name in (each.name for each in fields(Folders)):
        own: Path | None = getattr(section, name)
        place = own or (section.root / name if section.root is not None else None)
        if place is None and name == Folder.REVIEW:
            place = section.outbox.parent / name if section.outbox is not None else Path()
        if place is None:
            missing.append(
                f"folders.{name} has no place. Set folders.root, or folders.{name} itself."
            )
        else:
            places[name] = (start / at_home(place)).absolute()
    return (None, missing) if missing else (Folders(**places), [])


def _endpoint(config: Config, start: Path) -> Endpoint:
    section = config.endpoint
    style, base_url, remarks = _asked(section.style, section.base_url)
    return Endpoint(
        base_url=base_url,
        style=style,
        auth=section.auth,
        models=section.models,
        remarks=remarks,
        api_key=section.api_key.get_secret_value() if section.api_key else None,
        key_source=section.key_source,
        timeout_seconds=section.timeout_seconds,
        connect_timeout_seconds=section.connect_timeout_seconds,
        headers=section.headers,
        ca_file=start / at_home(section.ca_file) if section.ca_file else None,
        allow_private_urls=section.allow_private_urls,
        concurrency=section.concurrency,
    )


def _asked(name: str, base_url: str) -> tuple[Style, str, tuple[str, ...]]:
    """
    Return the style of the endpoint, its address as that wants it, and what was put right for that.
    """
    try:
        style = style_for(name, base_url)
        righted, remarks = style.righted(base_url) if base_url != SANDBOX else (base_url, [])
    except ValueError:  # No address at all, as is said once it is to be asked.
        return OPENAI, base_url, ()
    return style, righted, tuple(remarks)


def _fingerprint(config: Config) -> str:
    """
    Return what tells this configuration from others, and lets no secret be guessed.

    The key goes in through a slow hash: a short one of a local server's must not be found by trying.
    """
    secret = config.endpoint.api_key.get_secret_value() if config.endpoint.api_key else ""
    text = config.model_dump_json(exclude=FOR_PROGRAMS) + json.dumps(config.endpoint.headers)
    digest = hashlib.scrypt(
        secret.encode(), salt=hashlib.sha256(text.encode()).digest(), n=2**12, r=8, p=1
    )
    return digest[:16].hex()


def _shown(config: Config, folders: Folders) -> dict[str, Any]:
    """
    Return the effective configuration for the log; secrets show only that they are there.
    """
    body = config.model_dump(mode="json", exclude={"folders", "hooks"}, exclude_none=True)
    section = body["endpoint"]
    section["headers"] = dict.fromkeys(config.endpoint.headers, "**********")
    section["base_url"] = without_password(config.endpoint.base_url)
    places = {key.partition(".")[2]: str(path) for key, path in folders.items()}
    for table in (FOR_PROGRAMS | {"output"}) - {"hooks"}:
        if getattr(config, table) == type(getattr(config, table))():
            del body[table]
    if not config.edits:
        del body["edits"]
    if hooks := _shown_hooks(config):
        body["hooks"] = hooks
    return {"folders": places, **body}


def _shown_hooks(config: Config) -> dict[str, Any]:
    """
    Return the table of the hooks; of a command its program alone, as a key may stand among its words.
    """
    section = config.hooks
    body = section.model_dump(mode="json", exclude_defaults=True)
    for key, value in body.items():
        if isinstance(value, list):
            body[key] = value[0] if len(value) == 1 else f"{value[0]} …"
    if section.url:
        body["url"] = without_password(section.url)
    return body
