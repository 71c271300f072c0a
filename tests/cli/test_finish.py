"""
`retouchd finish`: results finished anew by other settings, from what came, beside what is there.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crash_world import vars_of
from crashing import DIED, FailingDisk
from engine_world import open_world
from process import Station
from retouchd.clock import SystemClock
from retouchd.config.settings import Settings
from retouchd.pictures.finishing.apart import Made, finished_apart
from retouchd.pictures.finishing.task import Finishing
from retouchd.pipeline import refinish
from retouchd.pipeline.refinish import Refinisher
from retouchd.spool.history import records_below
from sample_pictures import encoded
from simulated_model import mask_of, photo

SIZE = (150, 100)
PROTECT = 'output = {like = "source", protect = true}\n'
SMALL = 'output_format = "jpeg"\noutput_compression = 30\n'


def drop(station: Station, name: str, sidecar: str = SMALL, *, is_masked: bool = False) -> None:
    path = station.folders.inbox / name
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".toml").write_text(f'prompt = "make it blue"\n{sidecar}')
    if is_masked:
        path.with_suffix(".mask.png").write_bytes(encoded(mask_of(SIZE), "PNG"))
    path.write_bytes(encoded(photo("cat", SIZE), "PNG"))


def once(station: Station) -> None:
    code, running = station.call("once")
    assert code == 0, running.out + running.err


def test_a_result_is_finished_anew_without_asking(station: Station) -> None:
    """
    From the outbox's own file where that is as received; each beside what is there, over nothing. The same
    twice is there already.
    """
    drop(station, "shoes/cat.png")
    once(station)
    before = (station.folders.outbox / "shoes/cat.jpg").read_bytes()

    code, running = station.call("finish", "cat", "--set", "output.like=source")

    assert code == 0, running.err
    assert "done/shoes/cat → outbox/shoes/cat.png" in running.out
    assert station.tree("outbox") == ["shoes/cat.jpg", "shoes/cat.png"]
    assert (station.folders.outbox / "shoes/cat.jpg").read_bytes() == before
    with Image.open(station.folders.outbox / "shoes/cat.png") as image:
        assert image.size == SIZE
    record = station.record("done/shoes/cat.job.json")
    added = record["results"][1]
    assert added["path"] == "shoes/cat.png"
    assert added["output"] == {"size": "source", "format": "source"} | {
        "metadata": "source",
        "profile": "source",
    }
    assert record["outputs"] == ["shoes/cat.jpg", "shoes/cat.png"]
    assert len(record["attempts"]) == 1

    code, running = station.call("finish", "shoes/", "--json", "--set", "output.like=source")
    (told,) = json.loads(running.out)
    assert code == 0
    assert told == {
        "record": "done/shoes/cat.job.json",
        "results": [
            {"place": "outbox", "path": "shoes/cat.png", "was_there": True, "warnings": []}
        ],
        "error": None,
    }

    code, running = station.call("finish", "outbox/shoes/cat.jpg", "--set", "output.size=60")
    assert code == 0, running.err
    assert station.tree("outbox") == ["shoes/cat.jpg", "shoes/cat.png", "shoes/cat_2.jpg"]
    with Image.open(station.folders.outbox / "shoes/cat_2.jpg") as image:
        assert max(image.size) == 60

    (station.folders.inbox / "_prompt.txt").write_text("make it blue")
    shutil.copy(station.folders.outbox / "shoes/cat.png", station.folders.inbox / "back.png")
    code, running = station.call("once")
    assert "it is a result" in running.out
    assert "back.png" in station.tree("inbox")


def test_what_is_to_be_reviewed_is_finished_into_the_folder_for_that(station: Station) -> None:
    """
    As it would be published; approved meanwhile, it is there already.
    """
    drop(station, "shoes/cat.png", f"{SMALL}output.review = true\n")
    once(station)
    command = "finish", "cat", "--set", "output.size=60"

    code, running = station.call(*command)

    assert code == 0, running.err
    assert "done/shoes/cat → review/shoes/cat_2.jpg" in running.out
    assert (station.tree("outbox"), station.tree("review")) == (
        [],
        ["shoes/cat.jpg", "shoes/cat_2.jpg"],
    )
    record = station.record("done/shoes/cat.job.json")
    assert record["review"] == record["outputs"] == ["shoes/cat.jpg", "shoes/cat_2.jpg"]
    (station.folders.outbox / "shoes").mkdir(exist_ok=True)
    os.rename(
        station.folders.review / "shoes/cat_2.jpg", station.folders.outbox / "shoes/cat_2.jpg"
    )
    code, running = station.call(*command)
    assert "outbox/shoes/cat_2.jpg (it was there already)" in running.out
    assert station.tree("review") == ["shoes/cat.jpg"]


def test_what_the_photos_own_files_said_holds_until_it_is_said_otherwise(station: Station) -> None:
    """
    Settings of the configuration are those of now.
    """
    drop(station, "cat.png", f"{SMALL}{PROTECT}", is_masked=True)
    once(station)
    config = station.root / "config.toml"
    config.write_text(f'{config.read_text()}\n[output]\nformat = "tiff"\n')

    code, running = station.call("finish", "cat")

    assert code == 0, running.err
    assert station.tree("outbox") == ["cat.png", "cat.tif"]
    assert station.record("done/cat.job.json")["results"][1]["protected"] == "exact"


def test_of_several_results_those_that_can_be_are_made_under_their_own_numbers(
    station: Station,
) -> None:
    """
    Also where a Python file lies in the folder that the command is called in: it is nobody's library.
    """
    drop(station, "cat.png", f"n = 2\n{SMALL}")
    once(station)
    (station.folders.outbox / "cat-1.jpg").unlink()
    (station.root / "json.py").write_text("raise SystemExit")

    code, running = station.call("finish", "cat", "--set", "output.size=60")

    assert code == 1, running.err
    assert "outbox/cat-1.jpg or review/cat-1.jpg is gone" in running.out
    assert station.tree("outbox") == ["cat-2.jpg", "cat_2-2.jpg"]


def test_what_failed_is_finished_where_it_lies(station: Station) -> None:
    config = station.root / "config.toml"
    text = config.read_text()
    config.write_text(f"{text}\n[output]\nmax_megapixels = 0.001\n")
    drop(station, "cat.png", f"{SMALL}{PROTECT}", is_masked=True)
    assert station.call("once")[0] == 1
    config.write_text(text)

    code, running = station.call("finish", "--day", "today")

    assert code == 0, running.err
    assert "error/cat → outbox/cat.png" in running.out
    assert station.record("error/cat.job.json")["results"][0]["protected"] == "exact"


def test_of_several_edits_all_are_finished(station: Station) -> None:
    edits = '[[edits]]\nname = "warm"\n[[edits]]\nname = "cold"\nprompt = "make it grey"\nn = 2\n'
    drop(station, "cat.png", f"{SMALL}{edits}")
    once(station)

    code, running = station.call("finish", "cat-warm.jpg", "--set", "output.format=png")

    assert code == 0, running.err
    assert [each for each in station.tree("outbox") if each.endswith(".png")] == [
        "cat-cold-1.png",
        "cat-cold-2.png",
        "cat-warm.png",
    ]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "Name what"),
        (("dog",), "neither in done/ nor in error/"),
        (("cat", "--set", "size=1024x1024"), "was sent already"),
        (("cat", "--set", "output.lik=source"), "output.like"),
        (("cat", "--day", "soon"), "today, yesterday"),
    ],
)
def test_what_cannot_be_meant_is_told_and_nothing_is_done(
    station: Station, words: tuple[str, ...], part: str
) -> None:
    (station.folders.done / "cat.job.json").write_text("{}")

    code, running = station.call("finish", *words)

    assert code == 2
    assert part in running.err


@pytest.mark.parametrize("what", ["received", "original"])
def test_what_is_gone_is_told(station: Station, what: str) -> None:
    """
    Neither what came nor the photo is ever asked for, or replaced by something else of that name.
    """
    drop(station, "cat.png")
    once(station)
    folders = station.folders
    path = folders.outbox / "cat.jpg" if what == "received" else folders.done / "cat.png"
    path.write_bytes(encoded(photo("coffee", SIZE), "PNG"))

    code, running = station.call("finish", "cat", "--set", "output.size=source")

    assert code == 1
    assert ("is gone or was changed" if what == "received" else "was changed since") in running.out
    assert station.tree("outbox") == ["cat.jpg"]


def test_a_death_at_any_change_of_the_disk_is_ended_by_the_next_call(tmp_path: Path) -> None:
    """
    No second copy, nothing lost, nothing hidden left behind; also where somebody took the name meanwhile, and
    where a start of the daemon, or a call for another photo, is first.
    """
    start = tmp_path / "start"
    settings = asyncio.run(_done(start))
    made: list[Made] = []
    shutil.copytree(start, tmp_path / "warm")

    def noting(task: Finishing) -> Made:
        made.append(finished_apart(task))
        return made[-1]

    vars_of(refinish, finished_apart=noting)
    try:
        _again(_elsewhere(settings, tmp_path / "warm"))
        vars_of(refinish, finished_apart=lambda _: made[0])
        step, is_alive = 0, False
        while not is_alive:
            step += 1
            for power_cut in (False, True):
                root = tmp_path / f"{step}-{power_cut}"
                shutil.copytree(start, root)
                is_alive = _dies(_elsewhere(settings, root), step, power_cut=power_cut)
                _check(_elsewhere(settings, root), made[0], is_by_other=power_cut)
                shutil.rmtree(root)
        assert step > 8, "the sweep covered a whole run"
    finally:
        vars_of(refinish, finished_apart=finished_apart)


async def _done(root: Path) -> Settings:
    async with open_world(root) as world:
        world.tell(parameters={"output_format": "jpeg", "output_compression": 30})
        world.drop("shoes/cat.png", image=encoded(photo("cat", SIZE), "PNG"))
        await world.once()
        return world.settings


def _elsewhere(settings: Settings, root: Path) -> Settings:
    names = {key.removeprefix("folders."): path.name for key, path in settings.folders.items()}
    return replace(
        settings, folders=type(settings.folders)(**{k: root / v for k, v in names.items()})
    )


def _again(settings: Settings) -> list[Any]:
    (file,) = records_below(settings.folders.done, lambda _: None)
    refinisher = Refinisher(settings, SystemClock())
    return list(refinisher.finish(settings.folders.done, file, {"size": "60"}))


def _hidden(settings: Settings, folder: str) -> Iterator[Path]:
    return (settings.folders.work.parent / folder).rglob(".retouchd-*")


def _dies(settings: Settings, step: int, *, power_cut: bool) -> bool:
    """
    Let a call die at a step; return whether it was over before.
    """
    child = os.fork()
    if not child:
        try:
            shelf = settings.folders.work.parent / "lost"
            FailingDisk(die_at=step, power_cut=power_cut, shelf=shelf).install()
            _again(settings)
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, DIED)
    return code == 0


def _check(settings: Settings, made: Made, *, is_by_other: bool) -> None:
    outbox = settings.folders.outbox / "shoes"
    stranger = outbox / "cat_2.jpg"
    if not stranger.exists():
        stranger.write_bytes(b"somebody else's")
    if is_by_other:
        list(Refinisher(settings, SystemClock()).end_left())
        hidden = (each for folder in ("outbox", "done") for each in _hidden(settings, folder))
        assert not [*hidden], "whoever comes next clears away"
        assert not [*settings.folders.work.joinpath("finishing").glob("*")]
    _again(settings)
    assert [each.was_there for each in _again(settings)] == [True]
    found = {each.name: each.read_bytes() for each in outbox.iterdir()}
    assert list(found.values()).count(made.data or b"") == 1, "there is no second copy"
    assert (outbox / "cat.jpg").is_file()
    assert not [each for each in found if each.startswith(".")], "nothing hidden is left"
    record = json.loads((settings.folders.done / "shoes/cat.job.json").read_bytes())
    assert sorted(Path(each["path"]).name for each in record["results"]) == sorted(
        each for each, data in found.items() if data != b"somebody else's"
    )
