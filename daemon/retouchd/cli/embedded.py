"""
`retouchd sandbox`: the embedded endpoint on a port of its own.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from retouchd.disk import durable
from retouchd.errors import RetouchdError
from retouchd.job.naming import shown
from retouchd.process import allow_open_files
from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.catalogue import CATALOGUE, usage_of
from retouchd.sandbox.models import Manner
from retouchd.sandbox.painting.lettering import can_write_chinese
from retouchd.sandbox.relays import CASES
from retouchd.sandbox.seen import Seen
from retouchd.sandbox.server import run
from retouchd.sandbox.spelling import SEQUENCE, WELL, parse_faults
from retouchd.sandbox.styles import DIALECTS

_PROMPT_CHARACTERS = 40
_AT_ONCE = 4
"""As many requests as `run` sends unless told otherwise; the files of more are allowed where they can be."""


def serve(
    *,
    port: int,
    key: str | None,
    faults: Sequence[str],
    manner: Manner,
    style: str,
    pictures: Path | None,
) -> None:
    """
    Serve until interrupted.

    Raises ValueError for a fault that cannot be read, RetouchdError if the folder cannot be made or the
    port is taken.
    """
    allow_open_files(_AT_ONCE)
    console = Console(highlight=False, soft_wrap=True)
    rules = Rules(
        api_key=key,
        faults=tuple(fault for word in faults for fault in parse_faults(word)),
        manner=manner,
        style=style,
        pictures=None if pictures is None else _made(pictures),
        # A program that started it reads its own log; a person watches.
        tell=(lambda seen: console.print(_line(seen))) if console.is_terminal else _nothing,
    )

    def ready(url: str) -> None:
        console.print(
            f"The embedded endpoint listens on [bold]{url}[/]. It is no AI. Ctrl-C stops it."
        )
        console.print(_places(pictures), markup=False)
        for word in faults:
            console.print(f"fault: {word}", style="yellow", markup=False)
        if not can_write_chinese():
            console.print(
                "No font with Chinese letters was found: captions show their code points. "
                "Install one, such as fonts-noto-cjk."
            )
        _say_how(console, url, style)
        console.print(
            "What it edits counts as edited, and towards the day's budget: rehearse in folders of their own "
            "(`retouchd init rehearsal`)."
        )
        console.print(f"The key is {'the one given here' if key else 'any, or none'}.")

    run(build_app(rules), host="127.0.0.1", port=port, root=DIALECTS[style].root, ready=ready)


def _say_how(console: Console, url: str, style: str) -> None:
    """
    Print what a configuration, or the environment, has to say to use the endpoint.
    """
    model = DIALECTS[style].model
    endpoint = {"base_url": url} | ({} if style == "openai" else {"style": style})
    sections = {"endpoint": endpoint} | ({} if model is None else {"edit": {"model": model}})
    console.print("To use it, write into config.toml:")
    for section, values in sections.items():
        console.print(f"  below the line [{section}]:", markup=False)
        for key, value in values.items():
            console.print(f'    {key} = "{value}"', markup=False)
    variables = [
        f"RETOUCHD_{section}__{key}".upper() + f"={value}"
        for section, values in sections.items()
        for key, value in values.items()
    ]
    console.print("or start the daemon with:")
    console.print(f"  {' '.join(variables)} retouchd run", markup=False)


def list_of_faults() -> str:
    """
    Return what may stand behind `--fault`, in the width of the terminal.
    """
    console = Console(highlight=False)
    with console.capture() as captured:
        _print_faults(console)
    return captured.get().rstrip()


def _print_faults(console: Console) -> None:
    console.print("[bold]Faults[/] (what stands in round brackets holds without a value)\n")
    for group, entries in CATALOGUE.items():
        rows = {
            usage_of(kind): f"{entry.text}: {', '.join(CASES[kind])}"
            if entry.field == "case"
            else entry.text
            for kind, entry in entries.items()
        }
        _print_group(console, group, rows)
    rows = {f"{SEQUENCE}=A,B,…": f"A first, then B, …; {WELL} is a good answer"}
    _print_group(console, "one for each request", rows)
    console.print(_WHEN, markup=False)


def _print_group(console: Console, title: str, rows: Mapping[str, str]) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=21)
    table.add_column()
    for name, text in rows.items():
        table.add_row(Text(f"  {name}"), Text(text))
    console.print(Text(title, style="bold"))
    console.print(table)


_WHEN = """
Behind each may stand, with colons between, when it is due:
  after=N    lets N edits through first      times=N       hits N times
  every=N    then hits each N-th             for=SECONDS   from its first hit on
and how: charged (the edit is made and billed first), status=, code=, type=,
  message=, retry_after=, retry_after_ms=, content_type=

Of several --fault the first that is due hits; latency and limit come besides.
  --fault 429:after=3:times=2      --fault latency=20 --fault 502:charged
  --fault sequence=rate,drop,ok    --fault new_api=channel:for=120"""


def _made(folder: Path) -> Path:
    folder = folder.absolute()
    try:
        durable.make_folder(folder)
    except OSError as error:
        raise RetouchdError(
            f"{folder} cannot be made: {error.strerror}. Name a folder that can be written."
        ) from error
    return folder


def _places(pictures: Path | None) -> str:
    if pictures is None:
        return "Pictures go into its answers only; --pictures DIR keeps a copy of each."
    return f"A copy of each picture it makes goes into {shown(str(pictures.absolute()))}."


def _nothing(_seen: Seen) -> None:
    pass


def _line(seen: Seen) -> Text:
    """
    Return what a person sees of one request: no headers, so no key.
    """
    fields = dict(seen.fields)
    prompt = fields.get("prompt", "")
    if len(prompt) > _PROMPT_CHARACTERS:
        prompt = prompt[:_PROMPT_CHARACTERS] + "…"
    seconds = (seen.ended_at or seen.arrived_at) - seen.arrived_at
    facts = (
        f"{seen.method} {shown(seen.path)}",
        f"{seconds:.1f} s",
        shown(fields.get("model", "")),
        f"“{shown(prompt)}”" if prompt else "",
        f"{len(seen.files)} files" if len(seen.files) > 1 else "",
        f"→ {seen.done}" if seen.done else "",
        shown(seen.refused),
        f"fault: {seen.fault}" if seen.fault else "",
        ", ".join(seen.kept),
    )
    is_good = seen.status is not None and seen.status < 400
    return Text.assemble(
        (time.strftime("%H:%M:%S  "), "dim"),
        (f"{seen.status or 'cut'}", "green" if is_good else "red"),
        "  ",
        "  ".join(fact for fact in facts if fact),
    )
