"""
A package that is replaced under a running daemon: it has loaded all that it will ever need of it.
"""

import ast
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pillow_heif
from PIL import Image

from documents import ROOT
from installed import installed, loaded, run_verbosely
from process import Station
from receiver import receiver
from retouchd.cli.late_modules import late_modules
from retouchd.config import Config
from web_station import free_port, picture, post

PACKAGE = ROOT / "daemon/retouchd"
IN_A_RUN = [
    path
    for path in PACKAGE.rglob("*.py")
    if path.parts[-2] not in ("cli", "checks") and "sandbox" not in path.parts
]
"""The modules of a daemon: what other commands import is new in each of their runs."""
BY_THE_START = {"apprise", "retouchd.status.inbox_snapshot"}
"""Apprise, where it is wanted, as its urls are looked at; and by the assembly."""


def everything() -> Config:
    """
    Return a configuration with all that lets a daemon need more modules.
    """
    return Config.model_validate(
        {
            "folders": {"root": "."},
            "endpoint": {"base_url": "sandbox"},
            "intake": {"embedded_prompt": "caption"},
            "web": {"listen": "127.0.0.1:1"},
        }
    )


def imported_late() -> Iterator[tuple[str, str]]:
    """
    Yield the imports within functions of what a daemon is made of, each with its place.
    """
    for path in IN_A_RUN:
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom):
                    whole = {f"{node.module}.{each.name}" for each in node.names}
                    is_package = (PACKAGE.parent / str(node.module).replace(".", "/")).is_dir()
                    names = whole if is_package else {str(node.module)}
                elif isinstance(node, ast.Import):
                    names = {each.name for each in node.names}
                else:
                    continue
                yield from ((name, f"{path}:{node.lineno}") for name in names)


def test_a_daemon_loads_whatever_it_imports_late() -> None:
    """
    An import within a function is one that a replaced package would break: `late_modules` has it, or it goes to
    the top of its module.
    """
    known = BY_THE_START | set(late_modules(everything()))
    known |= {name.rpartition(".")[0] for name in known}

    assert [(name, place) for name, place in imported_late() if name not in known] == []


def drop(
    station: Station, name: str, sidecar: str = "", says: bytes = b"make it blue", caption: str = ""
) -> None:
    """
    Drop a picture of its own colour, with what is to be done in a file of that extension, or as its caption.
    """
    path, exif = station.folders.inbox / name, Image.Exif()
    path.parent.mkdir(exist_ok=True)
    if sidecar:
        path.with_suffix(f".{sidecar}").write_bytes(says)
    if caption:
        exif[270] = caption
    image = Image.new("RGB", (48, 32), (len(name) * 7 % 256, sum(name.encode()) % 256, 90))
    if path.suffix == ".heic":
        pillow_heif.from_pillow(image).save(path)
    else:
        image.save(path, exif=exif)


def drop_all(station: Station) -> list[str]:
    """
    Drop photos of every kind that takes a way of its own; return their stems.
    """
    drop(station, "toml.png", "toml", b'prompt = "make it blue"')
    drop(station, "json.jpg", "json", b'{"prompt": "make it blue"}')
    drop(station, "yaml.webp", "yaml", b"prompt: make it blue")
    drop(station, "heic.heic", "txt")
    drop(station, "tiff.tiff", "txt", "make it blue".encode("utf-16"))
    drop(station, "avif.avif", "txt")
    drop(station, "bmp.bmp", "txt")
    drop(station, "caption.jpg", caption="Make the sky a clear evening sky")
    drop(station, "refs/pattern.jpg")
    drop(station, "reference.png", "toml", b'prompt = "as there"\nimages = ["refs/pattern.jpg"]')
    mask = Image.new("RGBA", (48, 32), "black")
    mask.paste((0, 0, 0, 0), (8, 8, 24, 24))
    mask.save(station.folders.inbox / "masked.mask.png")
    drop(station, "masked.png", "txt")
    return ["toml", "json", "yaml", "heic", "tiff", "avif", "bmp", "caption", "reference", "masked"]


def test_a_daemon_outlives_its_package(station: Station, tmp_path: Path) -> None:
    """
    It is gone once the daemon is ready: photos of all kinds are edited, hooks told, pages shown and reloads
    done as before; and nothing is loaded any more, of the libraries neither.
    """
    package, port = installed(station, tmp_path), free_port()
    url = f"http://127.0.0.1:{port}"
    endpoint = station.endpoint()
    with receiver() as hook:
        sections: dict[str, dict[str, Any]] = {
            "endpoint": {"base_url": endpoint.url},
            "intake": {"settle_seconds": 0.1, "embedded_prompt": "caption"},
            "web": {"listen": f"127.0.0.1:{port}"},
            "hooks": {"done": ["true"], "url": hook.url},
            "logging": {"format": "json", "level": "debug"},
        }
        station.configure(**sections)
        running = run_verbosely(station)
        needed = set(late_modules(everything()))
        running.until(lambda: needed <= set(loaded(running)) and '"web.listening"' in running.err)
        before = loaded(running)
        shutil.rmtree(package)

        stems = drop_all(station)
        records = [station.folders.done / f"{stem}.job.json" for stem in stems]
        running.until(lambda: all(each.exists() for each in records))
        answer = post(url, picture("red"), prompt="make it green")
        with httpx.stream("GET", f"{url}/events") as feed:
            told = next(feed.iter_lines())
        pages = {
            path: httpx.get(f"{url}{path}").status_code for path in ("/jobs", "/metrics", "/no")
        }
        station.configure(**sections, notify={"urls": ["json://127.0.0.1"]})
        running.tell(signal.SIGHUP)
        running.until(lambda: '"configuration.late"' in running.err)
        running.until(lambda: len(hook.posts) == len(stems) + 1)

    assert answer.status_code == 200
    assert told.startswith("retry:")
    assert pages == {"/jobs": 200, "/metrics": 200, "/no": 404}
    assert loaded(running) == before
    assert "crashed" not in running.err


def test_a_result_waits_for_a_restart_where_what_finishes_it_is_gone(
    station: Station, tmp_path: Path
) -> None:
    """
    That is a process of its own, of whatever is installed then: what was paid for is neither lost, nor
    published otherwise than it was asked for, nor asked for again.
    """
    package = installed(station, tmp_path)
    endpoint = station.endpoint()
    station.configure(
        endpoint={"base_url": endpoint.url},
        output={"size": "source", "format": "jpeg"},
        logging={"format": "json"},
    )
    running = station.start("run").ready()
    before = package.rename(package.with_name("before"))
    package.mkdir()
    (package / "__init__.py").touch()  # One that has no finishing, or none yet.
    station.drop("cat.png")
    running.until(lambda: running.events("job.waiting"))
    (waiting,) = running.events("job.waiting")
    assert "retouchd was upgraded or removed while it runs. Restart it" in waiting["reason"]
    assert "No module named" in waiting["reason"]
    assert running.end(signal.SIGTERM) == 0
    assert station.tree("outbox") == station.tree("error") == []

    shutil.rmtree(package)
    before.rename(package)
    code, _ = station.call("once")

    assert code == 0
    assert station.tree("outbox") == ["cat.jpg"]
    assert station.record("done/cat.job.json").get("warnings", []) == []
    assert len(endpoint.requests) == 1
