"""
Names as the world writes them, from the drop to what lies in outbox, done, error, the record and the log:
other cases and forms, other scripts, no text at all, as long as they may be, taken a thousand times.
"""

import asyncio
import json
import os
import signal
import subprocess
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import Place, a_job, member
from engine_world import World, open_world, photo
from process import Station, open_station
from retouchd.disk import durable, file_stat
from retouchd.disk.threads import all_steps
from retouchd.job.model import Job
from retouchd.job.naming import NAME_MAX, REASON, RECORD, shorten
from retouchd.service.daemon import Daemon
from retouchd.spool.phase import Phase
from retouchd.spool.plan import plan_originals, plan_outputs

RAW = os.fsdecode(b"caf\xff")
GBK = os.fsdecode("猫咪".encode("gbk"))
CHINESE = "猫" * 83 + "ab"
LETTERS = "a" * 251


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """
    An image and its prompt: one stem with two endings, or the prompt's own stem where it is written otherwise.
    """

    stem: str
    image: str = ".png"
    prompt: str = ".txt"
    prompt_stem: str | None = None

    @property
    def dropped(self) -> list[str]:
        """
        Return the names in the order in which they are to be written: the image last.
        """
        return [(self.prompt_stem or self.stem) + self.prompt, self.stem + self.image]

    def archived(self, stem: str | None = None) -> set[str]:
        stem = stem or self.stem
        return {stem + self.image, stem + self.prompt, stem + RECORD}


def put(inbox: Path, *pairs: Pair, prompt: str = "make it 蓝", seed: int = 0) -> None:
    """
    Drop pairs whose images all differ, from a seed on.
    """
    for number, pair in enumerate(pairs, seed):
        text, image = pair.dropped
        (inbox / text).write_text(prompt, "utf-8")
        (inbox / image).write_bytes(photo(seed=number))


def names_in(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def size(name: str) -> int:
    return len(os.fsencode(name))


def check_whole(world: World) -> None:
    """
    Check that nothing is left on the way.
    """
    assert world.tree("inbox") == []
    assert world.jobs() == []


STRANGE = [
    # Case and form.
    Pair(stem="case", image=".JPG", prompt=".Txt"),
    Pair(stem="long", image=".png", prompt=".PNG.TXT"),
    Pair(stem="prompt", image=".PnG", prompt=".PROMPT"),
    Pair(stem="Case", image=".jpeg", prompt=".txt"),
    Pair(stem=composed("Größe"), prompt_stem=decomposed("Größe")),
    Pair(stem=decomposed("Öl"), prompt_stem=composed("Öl")),
    Pair(stem=decomposed("한국어"), prompt_stem=composed("한국어"), prompt=".png.txt"),
    # Scripts and signs.
    Pair(stem="猫咪 改成蓝色"),
    Pair(stem="👨‍👩‍👧‍👦🏳️‍🌈"),
    Pair(stem="قطة"),
    Pair(stem="\u202egnp.tac"),
    Pair(stem="e\u0301\u0323\u0308\u20dd"),
    Pair(stem="\u0301"),
    Pair(stem="ze\u200bro\u2060 wi\u00addth\ufeff"),
    Pair(stem="\u3000\u2028\x85"),
    # What shells, formats and terminals read something into.
    Pair(stem="-rf"),
    Pair(stem="--help", image=".jpg"),
    Pair(stem="new\nline"),
    Pair(stem='\n{"event": "job.done"}\n'),
    Pair(stem="t\tab\rreturn\x1b[31m\x7f\x01"),
    Pair(stem="'single' \"double\" `back` $(date) \\n"),
    Pair(stem="%s%d%n"),
    Pair(stem="{}{0}{name!r}"),
    Pair(stem="[red]x[bold][y]"),
    Pair(stem=":cat: ? * <a> | b"),
    Pair(stem="CON"),
    # Dots and blanks.
    Pair(stem="dots.."),
    Pair(stem=" blanks "),
    Pair(stem="twice.png", prompt=".png.txt"),
    Pair(stem="cat.tar"),
    Pair(stem="mask"),
    Pair(stem="cat.job"),
    Pair(stem="cat.error", prompt=".png.txt"),
    # No text.
    Pair(stem=RAW),
    Pair(stem=GBK, image=".JPG", prompt=".JPG.TXT"),
    Pair(stem=RAW + composed("é"), prompt_stem=RAW + decomposed("é")),
    # As long as can be.
    Pair(stem=LETTERS),
    Pair(stem=CHINESE[:-2] + "ab"),
    Pair(stem=os.fsdecode("啊".encode("gbk")) * 125),
]


def text_of(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def test_each_strange_name_is_done_under_its_own(station: Station) -> None:
    """
    Dropped before a daemon that hears of them by the kernel's events: each picture, each original and each
    record lies where its name says, and each line of the log is one object of JSON.
    """
    station.configure(intake={"settle_seconds": 0.1, "rescan_seconds": 3600})
    running = station.start("run").ready()
    put(station.folders.inbox, *STRANGE)

    running.until(lambda: len(running.events("job.done", "job.failed")) == len(STRANGE))
    assert running.end(signal.SIGTERM) == 0

    assert names_in(station.folders.inbox) == names_in(station.folders.error) == set()
    done, outbox = names_in(station.folders.done), names_in(station.folders.outbox)
    for number, pair in enumerate(STRANGE):
        record = next(n for n in done if n.endswith(RECORD) and is_of(station, n, pair))
        stem = record.removesuffix(RECORD)
        group = pair.archived(stem)
        assert group <= done, pair
        assert stem == pair.stem or (size(pair.stem) > 240 and pair.stem.startswith(stem))
        assert (station.folders.done / (stem + pair.image)).read_bytes() == photo(seed=number)
        assert (station.folders.done / (stem + pair.prompt)).read_text("utf-8") == "make it 蓝"
        done -= group
        (output,) = json.loads((station.folders.done / record).read_bytes())["outputs"]
        (mine,) = (name for name in outbox if text_of(os.fsencode(name)) == output)
        assert pair.stem.startswith(mine.rpartition(".")[0])
        outbox.remove(mine)
    assert done == outbox == set()
    check_lines(running.err)


def is_of(station: Station, record: str, pair: Pair) -> bool:
    """
    Check a record's names: escaped where they are no text, and then given in hexadecimal besides.
    """
    body = json.loads((station.folders.done / record).read_bytes())
    raw = os.fsencode(pair.stem + pair.image)
    if body["image"] != text_of(raw):
        return False
    assert body["name"] == text_of(os.fsencode(pair.stem))
    is_text = text_of(raw).encode() == raw
    assert body.get("name_hex") == (None if is_text else raw.hex())
    assert body["request"]["prompt"] == "make it 蓝"
    return True


def check_lines(log: str) -> None:
    for line in log.removesuffix("\n").split("\n"):
        assert {"timestamp", "level", "event"} <= json.loads(line).keys()
        assert line.isprintable() or {
            unicodedata.category(c) for c in line if not c.isprintable()
        } == {"Zs"}


# Case and form.


@pytest.mark.parametrize("name", ["_PROMPT.TXT", "_Prompt.txt"])
async def test_a_folders_prompt_is_known_in_any_case(world: World, name: str) -> None:
    """
    It serves the images beside it and stays where it is.
    """
    (world.folders.inbox / name).write_text("变成蓝色", "utf-8")
    (world.folders.inbox / "猫.JPG").write_bytes(photo(kind="JPEG"))

    await world.once()

    assert world.tree("done") == ["猫.JPG", "猫.job.json"]
    assert world.record("done/猫.job.json")["request"]["from"]["prompt"] == name
    assert world.tree("inbox") == [name]


async def test_a_mask_is_known_in_any_case(world: World) -> None:
    """
    It is sent with its image and archived beside it, its ending as it was written.
    """
    (world.folders.inbox / "猫.Mask.PNG").write_bytes(photo(mode="RGBA"))
    put(world.folders.inbox, Pair(stem="猫", image=".Png"))

    await world.once()

    assert [sent.field for sent in world.requests[0].files] == ["image", "mask"]
    assert world.tree("done") == ["猫.Mask.PNG", "猫.Png", "猫.job.json", "猫.txt"]
    assert world.record("done/猫.job.json")["request"]["mask"] == "猫.Mask.PNG"
    check_whole(world)


async def test_names_that_differ_in_case_alone_are_different(world: World) -> None:
    """
    Each of two stems, each of two folders has its own picture, its own original and its own prompt.
    """
    inbox = world.folders.inbox
    put(inbox, Pair(stem="X", image=".JPG"), prompt="sepia")
    put(inbox, Pair(stem="x", image=".jpg"), prompt="make it blue")
    for folder, prompt in (("Shoes", "sepia"), ("shoes", "make it blue")):
        (inbox / folder).mkdir()
        put(inbox / folder, Pair(stem="red"), prompt=prompt, seed=1)

    await world.once()

    check_whole(world)
    assert world.tree("outbox") == ["Shoes/red.png", "X.png", "shoes/red.png", "x.png"]
    for name, prompt in (("X", "sepia"), ("x", "make it blue")):
        assert world.record(f"done/{name}.job.json")["request"]["prompt"] == prompt
        assert (world.folders.done / f"{name}.txt").read_text("utf-8") == prompt
    assert world.record("done/Shoes/red.job.json")["folder"] == "Shoes"
    assert world.record("done/shoes/red.job.json")["request"]["prompt"] == "make it blue"


async def test_twins_of_two_forms_never_overwrite_each_other(world: World) -> None:
    """
    A name composed and the same one decomposed look alike; where each has its prompt both are done.
    """
    one, other = composed("Größe"), decomposed("Größe")
    pairs = [Pair(stem=one, prompt=".png.txt"), Pair(stem=other, image=".jpg", prompt=".jpg.txt")]
    put(world.folders.inbox, *pairs)
    for seed, twin in enumerate((one, other), 2):
        (world.folders.inbox / twin).mkdir()
        put(world.folders.inbox / twin, Pair(stem="red"), seed=seed)

    await world.once()

    check_whole(world)
    assert world.tree("error") == []
    expected = sorted([f"{one}.png", f"{other}.png", f"{one}/red.png", f"{other}/red.png"])
    assert world.tree("outbox") == expected
    assert pairs[0].archived() | pairs[1].archived() <= names_in(world.folders.done)
    assert (world.folders.done / f"{other}.jpg").read_bytes() == photo(seed=1)


# Length.


async def test_both_names_of_a_bundle_may_be_as_long_as_can_be(world: World) -> None:
    """
    Nobody is told of names that cannot be: only what lies in the inbox is looked at.
    """
    put(world.folders.inbox, Pair(stem=LETTERS), Pair(stem=CHINESE))

    await world.once()

    check_whole(world)
    assert len(world.tree("outbox")) == 2
    assert len(world.tree("done")) == 6
    assert world.events("file.left") == []


LONGEST = {
    "letters": LETTERS,
    "chinese": CHINESE,
    "emoji": "🐈" * 62 + "abc",
    "combining": "e\u0301" * 83 + "ab",
    "gbk": os.fsdecode("啊".encode("gbk") * 125 + b"a"),
}


@pytest.mark.parametrize("stem", LONGEST.values(), ids=LONGEST)
async def test_the_longest_names_leave_room_for_ours(world: World, stem: str) -> None:
    """
    Several pictures, the record and the reason: each name fits, is one of its kind, and ends no character
    half-way; a second job of that name finds names too.
    """
    world.tell(parameters={"n": 10})
    for round_number in range(2):
        put(world.folders.inbox, Pair(stem=stem), seed=round_number)
        await world.once()
        assert len(names_in(world.folders.outbox)) == 10 * (round_number + 1)
    put(world.folders.inbox, Pair(stem=stem), prompt=" ")
    await world.once()

    check_whole(world)
    outbox, done = names_in(world.folders.outbox), names_in(world.folders.done)
    error = names_in(world.folders.error)
    assert (len(done), len(error)) == (6, 4)
    for name in outbox | done | error:
        assert size(name) <= NAME_MAX
        stump = name.partition(".")[0].partition("-")[0].removesuffix("_2")
        assert stem.startswith(stump)
        assert size(stump) > NAME_MAX - len("_2") - len(REASON) - 4
    for number in range(1, 11):
        assert len([name for name in outbox if name.endswith(f"-{number}.png")]) == 2
    for name in done | error:
        assert len({each for each in done | error if each.startswith(name.partition(".")[0])}) >= 3


FOLDERS = {
    "letters": "f" * 255,
    "chinese": "鞋" * 85,
    "bytes": os.fsdecode(b"sho\xff/" + "鞋".encode("gbk")),
    "newline": 'a\nb/"c"/[red]',
    "dashes": "-rf/--help",
    "blanks": " / x /y.../z ",
    "image": "cat.png/cat.txt",
}


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
async def test_strange_folders_are_mirrored(world: World, folder: str) -> None:
    """
    A job of any folder lies in one of that name everywhere, and the record says which.
    """
    for place in ("good", "bad"):
        (world.folders.inbox / folder / place).mkdir(parents=True)
    put(world.folders.inbox / folder / "good", Pair(stem="猫"))
    put(world.folders.inbox / folder / "bad", Pair(stem="猫"), prompt=" ")

    await world.once()

    check_whole(world)
    assert world.tree("outbox") == [f"{folder}/good/猫.png"]
    assert len(world.tree("done")) == 3
    assert len(world.tree("error")) == 4
    record = world.record(f"done/{folder}/good/猫.job.json")
    assert record["folder"] == text_of(os.fsencode(f"{folder}/good"))
    assert [text_of(os.fsencode(name)) for name in world.tree("outbox")] == record["outputs"]


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """
    Return where folders may be nested deeper than Python can clear them away.
    """
    yield tmp_path / "inbox"
    subprocess.run(["rm", "-rf", "--", tmp_path], check=True)


def nested(top: Path, parts: list[str], *pairs: Pair) -> None:
    """
    Make folders one inside the other, however long their path, and drop pairs into the last one.
    """
    place = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for part in parts:
        os.mkdir(part, dir_fd=place)
        below = os.open(part, os.O_RDONLY | os.O_DIRECTORY, dir_fd=place)
        os.close(place)
        place = below
    put(Path(f"/proc/self/fd/{place}"), *pairs)
    os.close(place)


def found_below(top: Path, pattern: str) -> list[bytes]:
    found = subprocess.run(["find", top, "-name", pattern], check=True, capture_output=True)
    return found.stdout.splitlines()


async def test_deep_folders_are_mirrored(world: World, deep: Path) -> None:
    """
    Three thousand bytes of folders, and names as long as can be in them, are no obstacle.
    """
    nested(deep, ["鞋" * 83] * 12, Pair(stem=LETTERS))

    await world.once()

    assert world.jobs() == []
    assert len(world.events("job.done")) == 1
    assert world.events("job.waiting") == world.events("file.left") == []
    assert len(found_below(deep.with_name("outbox"), "aaa*.png")) == 1
    assert len(found_below(deep.with_name("done"), "aaa*")) == 3


@pytest.mark.parametrize("bytes_deep", [3600, 3960, 4500])
async def test_what_lies_too_deep_to_be_delivered_is_never_asked_for(
    world: World, deep: Path, bytes_deep: int
) -> None:
    """
    Where the path to the outbox would be longer than the system takes, nothing is claimed or paid for; it
    is told once, and what lies less deep is done.
    """
    nested(deep, ["d" * 99] * (bytes_deep // 100), Pair(stem="cat"))
    put(world.folders.inbox, Pair(stem="top"))

    async with world.running() as daemon:
        await world.until(lambda: world.events("job.done"))
        await asyncio.sleep(200)
        assert daemon.status.jobs == 0

    assert len(world.requests) == 1
    assert world.tree("outbox") == ["top.png"]
    (told,) = world.events("file.left")
    assert "deep" in told["reason"]
    assert len(found_below(deep, "cat.*")) == 2


# What a person reads.


LISTED = [
    "[red]alarm[bold].png",
    ":cat:.png",
    "a\n9 done, 0 in error.\nb.png",
    "t\tab\r\x1b[2J.png",
    "%s {}.png",
    RAW + ".png",
    "-rf.png",
    "cat.png.",
    "long" * 60 + ".png",
    "\u202egnp.tac.png",
]


def test_what_waits_is_listed_name_by_name(station: Station) -> None:
    """
    One line each, as it is written: no markup, no emoji made of it, no line forged, nothing cut.
    """
    for name in LISTED:
        (station.folders.inbox / name).write_bytes(photo())
    (station.folders.inbox / ".png").write_bytes(photo())

    code, running = station.call("once")

    assert code == 0
    first, count, *lines = running.out.removesuffix("\n").split("\n")
    assert first == "0 done, 0 in error."
    assert count.startswith("9 files wait in the inbox, 9 photos among them; 1 other file")
    lines = [line for line in lines if not line.startswith("What is to be done")]
    assert len(lines) == len(LISTED)
    for name in LISTED:
        escaped = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\x1b": r"\x1b", "\u202e": r"\u202e"}
        shown = "".join(escaped.get(sign, sign) for sign in text_of(os.fsencode(name)))
        starts = (f"waits: {shown}: ", f"not taken: {shown}: ")
        assert len([line for line in lines if line.startswith(starts)]) == 1, name
    check_lines(running.err)


def test_it_all_works_below_a_strange_root(tmp_path: Path) -> None:
    """
    Nothing of the folders' own names is swallowed, broken or made a picture of, whatever their bytes.
    """
    above = tmp_path / os.fsdecode(b"r\xff [red] :cat: " + b"x" * 200)
    above.mkdir()
    with open_station(above) as station:
        put(station.folders.inbox, Pair(stem="cat"))
        put(station.folders.inbox, Pair(stem="bad"), prompt=" ")

        code, running = station.call("once")
        _, made = station.bare("init", os.fspath(above / "new"))

        assert code == 1
        error = text_of(os.fsencode(station.folders.error))
        assert f"Each file in {error} has" in running.out
        assert text_of(os.fsencode(above / "new" / "inbox")) in made.out
        assert names_in(station.folders.outbox) == {"cat.png"}
        check_lines(running.err)


FORGED = ["a.\nCall 555.\n\n(retouchd, job x)", "[red]x", "%s", RAW, "\u2028\u202e", "\x1b[31m"]


@pytest.mark.parametrize("stem", FORGED, ids=range(len(FORGED)))
async def test_no_name_forges_a_reason(world: World, stem: str) -> None:
    """
    Two sentences of ours, the files and the job's id, whatever the name is.
    """
    put(world.folders.inbox, Pair(stem=stem), prompt=" ")

    await world.once()

    (record,) = world.folders.error.glob("*.job.json")
    told = json.loads(record.read_bytes())
    (reason,) = world.folders.error.glob("*.error.txt")
    *said, together, footer, end = reason.read_text("utf-8").split("\n")
    assert said == [told["error"]["message"], told["error"]["hint"], ""]
    assert together.endswith(" belong together.")
    assert (footer, end) == (f"(retouchd, job {told['id']})", "")
    assert all(line.isprintable() for line in reason.read_text("utf-8").split("\n"))


# One stem for several.


async def test_images_of_one_stem_with_whole_names_are_two_groups(world: World) -> None:
    """
    Each result has a stem of its own; the originals keep their names, and the record tells which is which.
    """
    one = Pair(stem="x", image=".jpg", prompt=".jpg.txt")
    other = Pair(stem="x", image=".png", prompt=".png.txt")
    put(world.folders.inbox, one, other)

    await world.once()

    check_whole(world)
    assert world.tree("outbox") == ["x.png", "x_2.png"]
    second = {"x.jpg": "x.png", "x.png": "x.jpg"}[world.record("done/x.job.json")["image"]]
    assert world.record(f"done/{second}.job.json")["image"] == second
    expected = one.archived() | other.archived() | {f"{second}.job.json"}
    assert names_in(world.folders.done) == expected
    assert (world.folders.done / "x.png").read_bytes() == photo(seed=1)


def crowd(folder: Path, *endings: str, count: int = 1000) -> None:
    """
    Take the names `cat`, `cat_2` … `cat_<count>` with these endings.
    """
    for number in range(1, count + 1):
        for ending in endings:
            (folder / f"{f'cat_{number}' if number > 1 else 'cat'}{ending}").touch()


async def test_a_thousand_taken_names_leave_one_for_the_next(world: World) -> None:
    """
    In outbox, done and error the stem takes the job's id, one for the whole group.
    """
    crowd(world.folders.outbox, ".png")
    crowd(world.folders.done, ".png")
    crowd(world.folders.error, REASON)
    for prompt in ("make it 蓝", " "):
        put(world.folders.inbox, Pair(stem="cat"), prompt=prompt)
        await world.once()

    check_whole(world)
    done, failed = (line["id"] for line in world.history())
    assert (world.folders.outbox / f"cat_{done}.png").exists()
    assert Pair(stem=f"cat_{done}").archived() <= names_in(world.folders.done)
    assert Pair(stem=f"cat_{failed}").archived() <= names_in(world.folders.error)
    assert (world.folders.done / "cat.png").read_bytes() == b""
    assert world.record(f"done/cat_{done}.job.json")["name"] == "cat"


class Counted:
    """
    Stands for a module and counts the calls of its functions, those of its sub-modules included.
    """

    def __init__(self, module: ModuleType, calls: Counter[str]) -> None:
        self._module = module
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, ModuleType):
            return Counted(found, self._calls)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._calls[name] += 1
            return found(*arguments, **named)

        return call


def test_a_crowd_costs_twenty_looks_for_each_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    However many names are taken, a free one is found without a list and without a search.
    """
    calls = Counter[str]()
    for module in (durable, file_stat):
        monkeypatch.setattr(module, "os", Counted(os, calls))
    spent = []
    for count in (0, 30, 1000):
        place = Place.under(tmp_path / str(count))
        crowd(place.folders.outbox, ".png", count=count)
        crowd(place.folders.done, RECORD, count=count)
        calls.clear()

        deliver(place, place.planned())

        spent.append(calls.copy())
        assert len(names_in(place.folders.outbox)) == count + 1
        assert len(names_in(place.folders.done)) == count + 3
    empty, some, many = spent
    assert many == some
    assert (many - empty).total() <= 2 * 20
    assert not {"listdir", "scandir"} & (many - empty).keys()


def deliver(place: Place, job: Job) -> None:
    all_steps(place.delivery.publish(place.job_state(job)))
    all_steps(place.delivery.archive(place.job_state(job)))
    assert place.job_state(job).phase is Phase.OVER


async def test_daemons_that_share_done_never_mix_groups(world: World) -> None:
    """
    The same names at the same time from two inboxes: beside each record lie its own image and prompt.
    """
    here = world.folders
    there = replace(here, inbox=world.root / "inbox 2", work=world.root / "work 2")
    assert there.make() == []
    stems = ["cat", "猫", RAW, LETTERS]
    for folders, prompt in ((here, "sepia"), (there, "make it blue")):
        put(folders.inbox, *(Pair(stem=stem) for stem in stems), prompt=prompt)
        put(folders.inbox, Pair(stem="bad", prompt=".png.txt"), prompt=f" {prompt}"[:1])
    second = Daemon(replace(world.settings, folders=there), world.clock)

    await world.once(world.daemon(), second)

    assert names_in(here.inbox) == names_in(there.inbox) == set()
    assert len(names_in(here.outbox)) == 2 * len(stems)
    groups = [name.removesuffix(RECORD) for name in names_in(here.done) if name.endswith(RECORD)]
    assert len(groups) == 2 * len(stems)
    for stem in groups:
        prompt = json.loads((here.done / (stem + RECORD)).read_bytes())["request"]["prompt"]
        assert (here.done / f"{stem}.txt").read_text("utf-8") == prompt
        assert (here.done / f"{stem}.png").exists()
    assert len(names_in(here.done)) == 3 * len(groups)
    assert {"bad.png", "bad.error.txt", "bad_2.png", "bad_2.error.txt"} < names_in(here.error)


# In the way.


OBSTACLES = {
    "outbox": "outbox/shoes",
    "outbox-above": "outbox/shoes/红",
    "done": "done/shoes",
    "done-above": "done/shoes/红",
}


@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES)
async def test_a_file_in_the_place_of_a_folder_makes_the_job_wait(
    world: World, obstacle: str
) -> None:
    """
    The reason names the file and says what to do; moved away, the job goes on, and nothing is asked twice.
    """
    path = world.root / obstacle
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    (world.folders.inbox / "shoes/红").mkdir(parents=True)
    put(world.folders.inbox / "shoes/红", Pair(stem="cat"))

    async with world.running() as daemon:
        await world.until(lambda: world.events("job.waiting"))
        await asyncio.sleep(600)
        (told,) = world.events("job.waiting")
        assert told["reason"].startswith(f"{path} is in the way. Move it elsewhere")
        assert daemon.status.jobs == 1
        assert path.read_bytes() == b"mine"
        path.unlink()
        await world.until(lambda: world.events("job.done"))

    assert len(world.requests) == 1
    assert world.tree("outbox") == ["shoes/红/cat.png"]
    assert len(world.tree("done")) == 3


async def test_a_folder_named_like_an_image_is_a_folder(world: World) -> None:
    """
    A picture whose name a folder has gets another one, and nothing of the folder is taken for a picture.
    """
    (world.folders.inbox / "cat.png").mkdir()
    put(world.folders.inbox / "cat.png", Pair(stem="dog"))
    await world.once()
    put(world.folders.inbox, Pair(stem="cat", image=".jpg"), seed=1)
    await world.once()

    check_whole(world)
    assert world.tree("outbox") == ["cat.png/dog.png", "cat_2.png"]


async def test_a_name_in_a_reason_is_one_line(world: World) -> None:
    """
    What is in the way is named without its line breaks.
    """
    (world.folders.outbox / "a\nb").write_bytes(b"mine")
    (world.folders.inbox / "a\nb").mkdir()
    put(world.folders.inbox / "a\nb", Pair(stem="cat"))

    async with world.running():
        await world.until(lambda: world.events("job.waiting"))

    (told,) = world.events("job.waiting")
    assert r"a\nb is in the way" in told["reason"]


# All of it at once.

ENDS = [
    *([image, prompt] for image in (".png", ".JPEG") for prompt in (".txt", ".PROMPT")),
    [".webp", ".webp.prompt", ".webp.Mask.JPEG"],
    [".png", ".jpg", ".txt", ".mask.png"],
]
STEMS = st.one_of(
    st.binary(max_size=300).map(lambda raw: os.fsdecode(raw.translate(None, b"\0/"))),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), max_size=90),
    st.sampled_from(sorted(LONGEST.values())),
).filter(bool)


@given(
    stem=STEMS,
    ends=st.sampled_from(ENDS),
    extensions=st.lists(st.sampled_from(["png", "webp", "jpeg"]), min_size=1, max_size=12),
    taken=st.sets(st.integers(1, 22)) | st.just(set(range(1, 23))),
)
def test_every_plan_has_names_that_can_be(
    stem: str, ends: list[str], extensions: list[str], taken: set[int]
) -> None:
    """
    Whatever the bytes of a stem and whatever is taken: each name fits, is free and the only one of its
    kind, keeps its ending, and holds what the stem held.
    """
    job = a_job(*(member(stem + end) for end in ends), stem=stem)
    numbered = {1: "", **{number: f"_{number}" for number in range(2, 23)}}
    stumps = {shorten(stem, room) for room in range(225, 253)} | {stem}
    occupied = {stump + numbered[number] for stump in stumps for number in taken}

    def is_taken(name: str) -> bool:
        return any(name.startswith(each + sign) for each in occupied for sign in ".-")

    outputs = [f"{number}.{extension}" for number, extension in enumerate(extensions, 1)]
    items = plan_outputs(job, outputs, is_taken)
    group, originals = plan_originals(job, [f"originals/{m.name}" for m in job.members], is_taken)

    for names in (
        [item.target for item in items],
        [*(item.target for item in originals), group + RECORD, group + REASON],
    ):
        assert len(set(names)) == len(names)
        for name in names:
            assert size(name) <= NAME_MAX
            assert "/" not in name
            assert "\0" not in name
            assert not is_taken(name) or job.id in name
    for item, extension in zip(items, extensions, strict=True):
        assert item.target.endswith(f".{extension}")
    for item, end in zip(originals, ends, strict=True):
        assert item.target == group + end
    added = ["", f"_{job.id}", *(f"_{number}" for number in range(2, 21))]
    assert any(stem.startswith(group.removesuffix(end)) for end in added)
    if text_of(os.fsencode(stem)).encode() == os.fsencode(stem):
        assert "".join([group, *(item.target for item in items)]).encode("utf-8")


TWINS = {
    "forms": [Pair(stem=composed("é")), Pair(stem=decomposed("é"))],
    "forms-whole": [
        Pair(stem=composed("é"), prompt=".png.txt"),
        Pair(stem=decomposed("é"), prompt=".png.txt"),
    ],
    "forms-mixed": [Pair(stem=composed("é"), prompt=".png.txt"), Pair(stem=decomposed("é"))],
    "case": [
        Pair(stem="x", image=".PNG", prompt=".PNG.txt"),
        Pair(stem="x", prompt=".png.txt"),
    ],
}


@pytest.mark.parametrize("pairs", TWINS.values(), ids=TWINS)
async def test_twins_each_with_a_prompt_are_both_done(world: World, pairs: list[Pair]) -> None:
    """
    Names that differ in form or in an ending's case alone keep their own prompts.
    """
    put(world.folders.inbox, *pairs)

    await world.once()

    check_whole(world)
    assert world.tree("error") == []
    assert (len(world.tree("outbox")), len(world.tree("done"))) == (2, 6)
    images = [name for name in world.tree("done") if name.lower().endswith(".png")]
    kept = {(world.folders.done / name).read_bytes() for name in images}
    assert kept == {photo(seed=0), photo(seed=1)}
