"""
`retouchd demo`: the main job, with real photos, the real daemon and the embedded endpoint over HTTP.

A page that shows originals beside their results, as one file that a browser opens without a server.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape as escape_html
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from retouchd.cli.compose import settings_of
from retouchd.cli.init import folders_below
from retouchd.cli.once import drain
from retouchd.cli.running import logged, open_log, served, telling
from retouchd.clock import SystemClock
from retouchd.config import (
    SANDBOX,
    Config,
    EditSection,
    EndpointSection,
    FoldersSection,
    IntakeSection,
)
from retouchd.disk.folders import Folders
from retouchd.endpoint.styles import STYLES, StyleName
from retouchd.errors import ConfigurationError
from retouchd.job.naming import free_stem, path_below, shown
from retouchd.process import allow_open_files
from retouchd.request.limits import EVERYTHING, Interface
from retouchd.sandbox.styles import DIALECTS
from retouchd.service.daemon import Daemon
from retouchd.spool.fingerprint import Policy, picture_path
from retouchd.spool.finished_job import beside
from retouchd.spool.history import History
from retouchd.status.status_file import StatusFiles

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; font-weight: 600; }
article { border-top: 1px solid var(--line); padding: 1.5rem 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
.pair > * { align-self: start; }
figure { margin: 0; }
img { width: 100%; height: auto; display: block; border-radius: 6px; }
.note, figcaption { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
blockquote, .note { margin: 0 0 1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
blockquote { font-size: 1.15rem; margin-bottom: 0; }
.missing { border: 1px dashed var(--line); border-radius: 6px; padding: 1rem; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """
    An original and what became of it: its results, or the sentences that say why there is none.

    `note` says in a reader's words what was asked for, and where. Paths are relative to the page.
    """

    prompt: str
    note: str
    original: str
    results: tuple[str, ...] = ()
    reason: str = ""


def page(title: str, pairs: Iterable[Pair], remark: str) -> str:
    """
    Return the page as HTML; whatever the texts and names hold stays text.
    """
    body = "\n".join(map(_article, pairs))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape_html(title)}</title>\n<style>{_STYLE}</style>\n"
        f"<h1>{escape_html(title)}</h1>\n"
        f'<p class="note">{escape_html(remark)}</p>\n{body}\n</html>\n'
    )


def _article(pair: Pair) -> str:
    after = [_figure(path) for path in pair.results]
    if pair.reason:
        after.append(f'<p class="missing">{escape_html(pair.reason)}</p>')
    prompt = f"<blockquote>{escape_html(pair.prompt)}</blockquote>\n" if pair.prompt else ""
    note = f'<p class="note">{escape_html(pair.note)}</p>\n'
    pictures = "\n".join([_figure(pair.original), *after])
    return f'<article>\n{prompt}{note}<div class="pair">\n{pictures}\n</div>\n</article>'


def _figure(path: str) -> str:
    name = escape_html(path)
    picture = f'<img src="{quote(path)}" alt="{name}" loading="lazy">'
    return f"<figure>{picture}<figcaption>{name}</figcaption></figure>"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoBundle:
    """
    What is dropped together: the photo under its name in the inbox, and its sidecars by what follows the stem.

    A sidecar is text, or the bytes of a picture. `words` is what is printed of it.
    """

    photo: str
    sidecars: Mapping[str, str | bytes]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """
    What became of a photo, by its record; paths are relative to the demo's folder.
    """

    words: str
    original: str
    results: tuple[str, ...]
    record: Mapping[str, Any]

    @property
    def error(self) -> Mapping[str, str] | None:
        return cast("Mapping[str, str] | None", self.record["error"])


_NO_AI = "Edited by the endpoint that comes with retouchd. It is no AI and shows only the way of a photo."
_STUDIO = "studio"
_BACKDROP = "_refs/backdrop.jpg"


def bundles(interface: Interface = EVERYTHING) -> list[DemoBundle]:
    """
    Return what the demo drops, in the order in which it is shown: a bundle for each way to say what is
    wanted of such an endpoint, and last one that says nothing.
    """
    mask: dict[str, str | bytes] = {}
    masked = ""
    if interface.takes_mask:
        mask = {
            ".mask.png": _photo("coffee.mask.png"),
            ".toml": '[output]\nlike = "source"\nprotect = true\n',
        }
        masked = "; a mask, all but the cup protected by coffee.toml"
    shape, told = 'size = "1536x1024"', "size 1536x1024"
    if "size" in interface.lacks:
        shape, told = 'extra = { aspect_ratio = "3:2" }', "aspect_ratio 3:2"
    return [
        DemoBundle(
            photo="coffee.jpg",
            sidecars={".txt": "改成蓝色", **mask},
            words=f"coffee.txt: 改成蓝色 (make it blue){masked}",
        ),
        DemoBundle(
            photo="cat.jpg",
            sidecars={".toml": f"prompt = \"Make it blue, with a caption 'Chelsea'.\"\n{shape}\n"},
            words=f"cat.toml: make it blue, with a caption; {told}",
        ),
        DemoBundle(
            photo=f"{_STUDIO}/rocket.jpg",
            sidecars={},
            words="_prompt.txt: put it on the backdrop; _edit.toml: which one",
        ),
        DemoBundle(
            photo="rocket.jpg",
            sidecars={".txt": "   \n"},
            words="rocket.txt: empty, to show what becomes of a mistake",
        ),
    ]


def show(root: Path, style: StyleName = StyleName.OPENAI, *, is_page: bool = False) -> int:
    """
    Run the demo below `root` against an endpoint of that style; return the exit code, 0 if everything ended as
    it should. `is_page`, the page is served then, until it is stopped.
    """
    allow_open_files(EndpointSection().concurrency)
    folders = folders_below(root.absolute())
    if problems := folders.make():
        raise ConfigurationError(problems)
    console = Console(highlight=False, emoji=False)
    console.print("Four photos are dropped into the inbox, each with what is to be done:")
    dropping = bundles(STYLES[style].interface)
    for bundle in dropping:
        console.print(f"  {bundle.photo:<17} {bundle.words}", markup=False)
    history = History(folders.work)
    start = history.end()
    dropped = _drop(folders, dropping)
    open_log(level="error")
    with logged():
        asyncio.run(_work(root, style))
    lines = {picture_path(line): line for line in history.after(start)}
    ends = [_end(folders, lines[path], words) for path, words in dropped.items() if path in lines]
    console.print(_table(ends))
    _say_more(console, folders, _show_in_a_page(root.absolute(), ends))
    if is_page:
        from retouchd.cli.demo_page import serve  # noqa: PLC0415 - nobody else pays for a web server's imports

        serve(root.absolute(), console)
    else:
        console.print("\nThe live page, with Retry and a wall for a second screen:", style="bold")
        console.print(f"  {_program()} demo --page", markup=False)
    return 0 if [bool(end.error) for end in ends] == [False, False, False, True] else 1


def _drop(folders: Folders, dropping: Iterable[DemoBundle]) -> dict[str, str]:
    """
    Drop the way a good program does: folder files and sidecars first, the image last. Return the images' paths
    below the inbox, each with its words.
    """
    studio = _free(folders.inbox, _STUDIO, [""])
    (folders.inbox / studio / "_refs").mkdir(parents=True)
    (folders.inbox / studio / _BACKDROP).write_bytes(_photo("backdrop.jpg"))
    (folders.inbox / studio / "_edit.toml").write_text(f'images = ["{_BACKDROP}"]\n', "utf-8")
    (folders.inbox / studio / "_prompt.txt").write_text("Put it on the backdrop.\n", "utf-8")
    dropped = {}
    for bundle in dropping:
        folder, _, name = bundle.photo.rpartition("/")
        folder = studio if folder else ""
        dropped_as = _drop_bundle(folders.inbox / folder, name, bundle)
        dropped[path_below(folder, dropped_as)] = bundle.words
    return dropped


def _drop_bundle(folder: Path, name: str, bundle: DemoBundle) -> str:
    image = Path(name)
    stem = _free(folder, image.stem, [*bundle.sidecars, image.suffix])
    for suffix, content in bundle.sidecars.items():
        raw = content.encode() if isinstance(content, str) else content
        (folder / f"{stem}{suffix}").write_bytes(raw)
    (folder / f"{stem}{image.suffix}").write_bytes(_photo(name))
    return f"{stem}{image.suffix}"


def _free(folder: Path, stem: str, suffixes: list[str]) -> str:
    return free_stem(stem, "demo", suffixes, lambda each: (folder / each).exists())


def _photo(name: str) -> bytes:
    return (resources("retouchd.cli") / "photos" / name).read_bytes()


async def _work(root: Path, style: StyleName) -> None:
    # Built as it is, past environment and files: those may name an endpoint that costs money.
    config = Config.model_construct(
        folders=FoldersSection(root=root.absolute()),
        endpoint=EndpointSection(base_url=SANDBOX, style=style.value),
        edit=EditSection(model=DIALECTS[style].model or EditSection().model),
        intake=IntakeSection(settle_seconds=1, duplicates=Policy.RUN),
    )
    settings, problems = settings_of(config, root)
    if settings is None:
        raise ConfigurationError(problems)
    async with served(settings) as ready:
        daemon = Daemon(ready, SystemClock())
        async with telling(daemon, StatusFiles(ready.folders.work), ready):
            await drain(daemon, ready.folders, is_watched=_is_watched())


def _is_watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _end(folders: Folders, line: Mapping[str, Any], words: str) -> _End:
    archive = folders.done if line["status"] == "done" else folders.error
    record = json.loads((archive / line["folder"] / line["record"]).read_bytes())
    name = beside(path_below(line["folder"], line["record"]), line["name"], line["image"])
    return _End(
        words=words,
        original=f"{archive.name}/{name}",
        results=tuple(f"{folders.outbox.name}/{each}" for each in line["outputs"]),
        record=record,
    )


def _table(ends: list[_End]) -> Table:
    table = Table("original", "result", "seconds", show_edge=False)
    for end in ends:
        seconds = sum(attempt["seconds"] for attempt in end.record["attempts"])
        message = f"[red]{escape(end.error['message'])}[/]" if end.error else ""
        took = f"{seconds:.2f}" if end.results else ""
        table.add_row(end.original, ", ".join(end.results) or message, took)
    return table


def _show_in_a_page(root: Path, ends: list[_End]) -> Path:
    """
    Write the page of before and after beside the folders; an earlier one stays.
    """
    pairs = [
        Pair(
            prompt=end.record["request"]["prompt"],
            note=end.words,
            original=end.original,
            results=end.results,
            reason=f"{end.error['message']} {end.error['hint']}" if end.error else "",
        )
        for end in ends
    ]
    path = root / f"{_free(root, 'before-after', ['.html'])}.html"
    path.write_text(page("Before and after", pairs, _NO_AI), "utf-8")
    return path


def _say_more(console: Console, folders: Folders, shown_in: Path) -> None:
    root, program = folders.inbox.parent, _program()
    console.print("\nBefore and after, for your browser:", style="bold")
    console.print(f"  {shown_in.as_uri()}", markup=False, soft_wrap=True)
    console.print(f"\nLook around in {shown(str(root))}:", markup=False, soft_wrap=True)
    console.print("  outbox/  the edited pictures (made by the embedded endpoint, which is no AI)")
    console.print("  done/    the originals with their prompts and the record of each job")
    console.print("  error/   what could not be done, with an .error.txt that says why")
    console.print("\nWith your own photos and key:", style="bold")
    console.print(f"  {program} init")
    console.print("  export RETOUCHD_ENDPOINT__API_KEY=…    (or put it into ./retouch/config.toml)")
    console.print(f"  {program} run")
    console.print("and drop a photo and its prompt (photo.jpg and photo.txt) into ./retouch/inbox.")


def _program() -> str:
    """
    Return how the reader can call this program: by its name, or by the path it was called by.
    """
    return "retouchd" if shutil.which("retouchd") else sys.argv[0]
