"""
What a person reads in `*.error.txt`, and why a file in the inbox waits: word for word.

All of it goes through the whole engine. The texts stand in `error_texts.txt`, to be judged by somebody who
does not know the program.
"""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from engine_world import World, open_world, photo, put
from error_cases import CASES, Case, cat, with_sidecar
from retouchd.errors import JobCode
from retouchd.pictures import inspect
from retouchd.service.daemon import Ending
from retouchd.spool.record import BACK
from sample_pictures import encoded, masking

JARGON = re.compile(
    r"\b(claim|spool|attempt|verdict|pointer|exception|traceback|errno|sidecar|job|orphan|bundle|alpha"
    r"|NoneType|\w+Error)\b|Errno|<class"
)


def written() -> dict[str, tuple[list[str], str]]:
    """
    Return for each case its codes and its text as they stand in `error_texts.txt`.
    """
    found = {}
    text = Path(__file__).with_name("error_texts.txt").read_text("utf-8")
    for part in text.split("\n=== ")[1:]:
        head, _, body = part.partition("\n")
        name, _, codes = head.partition(": ")
        found[name] = (codes.split(), body.strip())
    return found


TEXTS = written()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


def arrange(world: World, case: Case) -> None:
    world.tell(**case.settings)
    world.faults(*case.faults)
    for name, content in case.files.items():
        put(world, name, content)


def reasons(world: World) -> list[str]:
    return [name for name in world.tree("error") if name.endswith(".error.txt")]


def said(world: World, name: str) -> str:
    """
    Return a reason without the lines that name its files and its job.
    """
    text = (world.folders.error / name).read_text("utf-8")
    host = world.settings.endpoint.base_url.split("/")[2]
    *_, footer = text.split("\n\n")
    return text.removesuffix(f"\n{footer}").strip().replace(host, "HOST")


def error(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = world.record(f"error/{name}.job.json")["error"]
    return found


async def done(world: World, stem: str, image: bytes) -> None:
    """
    Drop a bundle and wait until it is done, or another one ended in `error/`.
    """
    world.drop(f"{stem}.png", "改成蓝色", image=image)
    await world.until(lambda: reasons(world) or f"{stem}.job.json" in world.tree("done"))


@pytest.mark.parametrize("name", CASES)
async def test_the_reason_says_what_is_wrong_and_what_to_do(world: World, name: str) -> None:
    """
    Each way into `error/` is told word for word, and the record says the same.
    """
    case = CASES[name]
    arrange(world, case)

    async with world.running():
        await world.until(lambda: reasons(world) and not world.jobs(), within=8000)
        pause = world.events("daemon.paused")

    codes, text = TEXTS[name]
    (reason,) = reasons(world)
    assert text == said(world, reason)
    found = error(world, reason.removesuffix(".error.txt"))
    assert codes == [each["code"] for each in found["problems"]]
    assert found["problems"][0].items() <= found.items()
    paragraphs = [f"{each['message']}\n{each['hint']}" for each in found["problems"]]
    assert text.replace("HOST", "") == "\n\n".join(paragraphs).replace(
        world.settings.endpoint.base_url.split("/")[2], ""
    )
    assert pause == []
    assert world.tree("outbox") == []
    assert {Path(each).name for each in case.files if not each.startswith("_")} <= {
        Path(each).name for each in world.tree("error")
    }


def test_every_code_has_its_texts_and_every_text_its_case() -> None:
    """
    No code of the contract is without a text; those that need more have tests below or elsewhere.
    """
    told = {code for codes, _ in TEXTS.values() for code in codes}

    assert list(TEXTS) == list(CASES)
    assert {code.value for code in JobCode} - told == {
        "attempts_exhausted",
        "crashed",
        "finishing_failed",
    }


@pytest.mark.parametrize("name", CASES)
def test_a_reason_is_two_plain_sentences_for_each_fault(name: str) -> None:
    """
    A paragraph for each fault and none twice, each ends with how to try again, none speaks our language.
    """
    codes, text = TEXTS[name]
    paragraphs = text.split("\n\n")

    assert len(codes) == len(paragraphs) == len(set(paragraphs))
    for paragraph in paragraphs:
        message, hint = paragraph.split("\n")
        assert message.endswith((".", "!", "?", "。"))
        assert hint.endswith(BACK)
        assert not JARGON.search(paragraph)


async def test_attempts_exhausted_names_the_picture_and_what_was_answered(world: World) -> None:
    """
    Others go through while one is turned away again and again: its text says so.
    """
    world.rejecting = "改成红色".encode()
    world.tell(max_attempts=3)
    world.drop("猫.png", "改成红色")
    async with world.running():
        for number in range(9):
            if not reasons(world):
                await done(world, f"狗{number}", photo(seed=number))
        await world.until(lambda: reasons(world))

    assert said(world, "猫.error.txt") == (
        "The endpoint turned 猫.png away 3 times while others went through: overloaded.\n"
        "Nothing was charged: wait for a while, then move the files back into the inbox."
    )
    assert error(world, "猫")["code"] == "attempts_exhausted"


async def test_crashed_says_what_to_try(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Three ends in the same step: put aside with a plain word, not with a traceback.
    """

    def die(*_: object, **__: object) -> None:
        raise MemoryError("made up")

    monkeypatch.setattr(inspect, "look", die)
    world.drop("鞋/红.png", "改成蓝色")

    await world.once()

    assert said(world, "鞋/红.error.txt") == (
        "retouchd ended unexpectedly 3 times while working on 红.png.\n"
        "Please report it, open the picture in another program and save it anew, then move the files back "
        "into the inbox."
    )
    assert error(world, "鞋/红")["code"] == "crashed"


async def test_a_model_mistyped_in_a_sidecar_stops_nobody_else(world: World) -> None:
    """
    The endpoint knows no such model: the file that names it goes to `error/`, all others are done.
    """
    put(world, "猫.toml", 'model = "gpt-imgae-2"\nprompt = "改成蓝色"\n')
    put(world, "猫.png", photo(seed=1))
    for number in range(3):
        world.drop(f"狗{number}.png", "改成蓝色", image=photo(seed=number))

    assert Ending.DRAINED is await world.once()

    assert error(world, "猫")["code"] == "parameter_invalid"
    assert "gpt-imgae-2" in error(world, "猫")["message"]
    assert world.tree("outbox") == ["狗0.png", "狗1.png", "狗2.png"]
    assert world.events("daemon.paused") == []


@pytest.mark.parametrize("place", ["_edit.toml", "configuration"])
async def test_a_model_mistyped_for_all_pauses_and_moves_nothing(world: World, place: str) -> None:
    """
    Named by a folder file or the configuration it concerns every file: all stay in the inbox.
    """
    if place == "configuration":
        world.tell(model="gpt-imgae-2")
    else:
        put(world, place, 'model = "gpt-imgae-2"\n')
    world.drop("猫.png", "改成蓝色")

    assert Ending.UNAVAILABLE is await world.once()

    assert world.tree("error") == []
    assert {"猫.png", "猫.txt"} <= set(world.tree("inbox"))
    assert len(world.events("daemon.paused")) == 1


@pytest.mark.parametrize("place", ["_edit.toml", "configuration"])
async def test_a_refused_parameter_is_named_with_its_place(world: World, place: str) -> None:
    """
    Where somebody else than the picture's own files set it, the text leads there.
    """
    if place == "configuration":
        world.tell(parameters={"style": "vivid"})
    else:
        put(world, place, '[extra]\nstyle = "vivid"\n')
    world.drop("猫.png", "改成蓝色")

    await world.once()

    where = "[edit] of the configuration" if place == "configuration" else place
    assert error(world, "猫")["hint"] == f"Correct style in {where}, or leave it out, {BACK}"


@pytest.mark.parametrize("cut", [0, 20], ids=["whole", "torn"])
async def test_a_file_still_written_while_it_is_looked_at_goes_back(
    world: World, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """
    What was judged is not what lies there now: the job is given back, and done once the writer is.
    """
    look: Callable[..., Any] = inspect.look
    whole = photo(120, 80)
    tries = []

    def interrupted(path: Path, **more: Any) -> Any:
        tries.append(path)
        if len(tries) > 1:
            return look(path, **more)
        with path.open("r+b") as file:
            file.write(whole[: len(whole) - cut])
        try:
            return look(path, **more)
        finally:
            path.write_bytes(whole)

    monkeypatch.setattr(inspect, "look", interrupted)
    world.drop("猫.png", "改成蓝色")

    assert Ending.DRAINED is await world.once()

    assert world.tree("error") == []
    assert world.tree("done") == ["猫.job.json", "猫.png", "猫.txt"]
    assert (world.folders.done / "猫.png").read_bytes() == whole
    (returned,) = world.events("job.returned")
    assert returned["reason"] == "猫.png was changed while it was taken"
    assert len(world.requests) == 1


WAITING: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "prompt": ({"猫.png": photo()}, "猫.png", "waits for its prompt, 猫.txt"),
    "image": ({"猫.txt": "改成蓝色"}, "猫.txt", "waits for its image, 猫.png or 猫.jpg"),
    "image-by-name": ({"鞋/红.JPG.txt": "改"}, "鞋/红.JPG.txt", "waits for its image, 红.JPG"),
    "image-of-mask": (
        {"猫.mask.png": encoded(masking(), "PNG")},
        "猫.mask.png",
        "waits for its image, 猫.png or 猫.jpg",
    ),
    "no-image-possible": (
        {"猫.mask.mask.png": encoded(masking(), "PNG")},
        "猫.mask.mask.png",
        "no image can have this name: rename it to 猫.mask.png if it belongs to 猫.png or 猫.jpg",
    ),
    "empty-image": (cat(b""), "猫.png", "猫.png is empty: it has not arrived yet"),
    "empty-prompt": (cat(prompt=""), "猫.png", "猫.txt is empty: it has not arrived yet"),
    "reference": (
        with_sidecar("猫.toml", 'prompt = "蓝"\nimages = ["_底/蓝.png"]\n'),
        "猫.png",
        "waits for its reference picture _底/蓝.png, which is not there",
    ),
    "folder-prompt-empty": (
        {"鞋/_prompt.txt": "", "鞋/红.png": photo()},
        "鞋/红.png",
        "the _prompt.txt of its folder is empty",
    ),
    "folder-edit": (
        {"鞋/_edit.toml": "promt = 1\n", "鞋/红.png": photo(), "鞋/红.txt": "改"},
        "鞋/红.png",
        "鞋/_edit.toml cannot be used: promt is not a known key; did you mean prompt?",
    ),
    "folder-prompt": (
        {"鞋/_prompt.txt": b"\xff\x00\xfe\x81\x8d", "鞋/红.png": photo()},
        "鞋/红.png",
        "_prompt.txt is not plain text that can be read for certain. Correct 鞋/_prompt.txt.",
    ),
    "folder-parameter": (
        {"_edit.toml": "n = 11\n", "猫.png": photo(), "猫.txt": "改"},
        "猫.png",
        '_edit.toml: n is "11", not a whole number from 1 to 10. Set n to a whole number from 1 to 10.',
    ),
    "folder-reference": (
        {"_edit.toml": 'images = ["_底/b.png"]\n', "_底/b.png": b"x", **cat()},
        "猫.png",
        (
            "_edit.toml: The reference _底/b.png is not a picture of any known kind. "
            "Export or copy _底/b.png again."
        ),
    ),
    "other-kind": (
        {"猫.docx": b"PK"},
        "猫.docx",
        "not taken: by its name it is no picture, prompt or mask",
    ),
}


@pytest.mark.parametrize("name", WAITING)
async def test_a_waiting_file_says_what_it_waits_for(world: World, name: str) -> None:
    """
    The reason names the file that is missing or at fault; nothing is moved.
    """
    files, waiting, reason = WAITING[name]
    for each, content in files.items():
        put(world, each, content)

    async with world.running() as daemon:
        await world.noticed(daemon, waiting)
        found = await world.reasons(daemon)

    assert reason == found[waiting]
    assert world.tree("error") == []
    assert [line["reason"] for line in world.events("file.held")] in ([], [reason])


async def test_what_is_left_alone_is_told_with_its_reason(world: World) -> None:
    """
    A link in the inbox: one line of the log and one reason, both with what to do.
    """
    elsewhere = world.root / "猫.png"
    elsewhere.write_bytes(photo())
    (world.folders.inbox / "猫.png").symlink_to(elsewhere)

    async with world.running() as daemon:
        await world.noticed(daemon, "猫.png")
        found = await world.reasons(daemon)

    advice = "a symbolic link: copy the file itself into the inbox"
    assert found["猫.png"] == f"not taken: {advice}"
    assert [(line["name"], line["reason"]) for line in world.events("file.left")] == [
        ("猫.png", advice)
    ]
