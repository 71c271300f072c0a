"""
Structured sidecars, folder files and references: from what a person drops to what the endpoint gets.
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine_world import World, open_world, photo, put
from retouchd.service.daemon import Ending

SIDECARS = [
    (
        "cat.toml",
        'prompt = "改成蓝色"\nn = 2\nsize = "1024x1536"\n[extra]\nframe_count = 7\n',
    ),
    (
        "cat.json",
        '{"prompt": "改成蓝色", "n": 2, "size": "1024x1536", "extra": {"frame_count": 7}}',
    ),
    ("cat.yaml", "prompt: 改成蓝色\nn: 2\nsize: 1024x1536\nextra:\n  frame_count: 7\n"),
    ("cat.png.yml", "prompt: 改成蓝色\nn: 2\nsize: 1024x1536\nextra: {frame_count: 7}\n"),
]


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


def sent(world: World) -> list[dict[str, str]]:
    """
    Return the fields of each request, in order.
    """
    return [dict(seen.fields) for seen in world.requests]


def pictures(world: World) -> list[list[str]]:
    """
    Return the digests of the pictures of each request, in order.
    """
    return [[file.sha256 for file in seen.files] for seen in world.requests]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def reason(world: World, name: str) -> str:
    return (world.folders.error / name).read_text("utf-8")


@pytest.mark.parametrize(("name", "content"), SIDECARS, ids=[name for name, _ in SIDECARS])
async def test_a_structured_sidecar_says_prompt_and_parameters(
    world: World, name: str, content: str
) -> None:
    """
    In every notation: what it says is sent, and it goes with its image to `done/`.
    """
    world.tell(model="gpt-image-2.5-flare")
    put(world, name, content)
    world.drop("cat.png", None)

    assert Ending.DRAINED is await world.once()

    (fields,) = sent(world)
    assert {
        "prompt": "改成蓝色",
        "n": "2",
        "size": "1024x1536",
        "frame_count": "7",
    }.items() <= fields.items()
    assert world.tree("outbox") == ["cat-1.png", "cat-2.png"]
    assert {name, "cat.png", "cat.job.json"} == set(world.tree("done"))
    said = world.record("done/cat.job.json")["request"]["from"]
    assert {
        "prompt": name,
        "n": name,
        "frame_count": name,
        "model": "config",
    }.items() <= said.items()


async def test_the_nearest_place_wins_key_by_key(world: World) -> None:
    """
    Sidecar, folder, folder above, configuration; the record says where each key came from.
    """
    world.tell(parameters={"quality": "low", "size": "1024x1024", "moderation": "low"})
    put(world, "_edit.toml", 'quality = "medium"\nbackground = "opaque"\nn = 3\n')
    put(world, "_prompt.txt", "make it grey")
    put(world, "shoes/_Edit.YAML", "background: auto\nn: 2\n")
    put(world, "shoes/red.json", '{"n": 1, "prompt": "make it red"}')
    world.drop("shoes/red.png", None, image=photo(seed=1))
    world.drop("shoes/old.png", None, image=photo(seed=2))

    await world.once()

    by_prompt = {fields["prompt"]: fields for fields in sent(world)}
    common = {"quality": "medium", "size": "1024x1024", "moderation": "low", "background": "auto"}
    assert {**common, "n": "1"}.items() <= by_prompt["make it red"].items()
    assert {**common, "n": "2"}.items() <= by_prompt["make it grey"].items()
    request = world.record("done/shoes/red.job.json")["request"]
    assert request["from"] == {
        "prompt": "shoes/red.json",
        "n": "shoes/red.json",
        "background": "shoes/_Edit.YAML",
        "quality": "_edit.toml",
        "size": "config",
        "moderation": "config",
        "model": "config",
    }
    assert world.record("done/shoes/old.job.json")["request"]["from"]["prompt"] == "_prompt.txt"


async def test_text_and_structured_sidecar_stand_together(world: World) -> None:
    """
    The prompt comes from the text, the rest from the other; both go with the image.
    """
    put(world, "猫.toml", 'size = "1536x1024"\n')
    world.drop("猫.png", "改成蓝色")

    await world.once()

    assert {"prompt": "改成蓝色", "size": "1536x1024"}.items() <= sent(world)[0].items()
    assert world.tree("done") == ["猫.job.json", "猫.png", "猫.toml", "猫.txt"]


async def test_two_prompts_are_never_a_guess(world: World) -> None:
    """
    A text and a structured sidecar that both say what is to be done: the person decides.
    """
    put(world, "cat.toml", 'prompt = "sepia"\n')
    world.drop("cat.png", "make it blue")

    await world.once()

    assert world.requests == []
    assert world.record("error/cat.job.json")["error"]["code"] == "sidecar_ambiguous"
    assert "cat.png has two prompts: cat.txt and the one in cat.toml." in reason(
        world, "cat.error.txt"
    )


async def test_a_sidecar_without_a_prompt_waits_for_one(world: World) -> None:
    """
    Parameters alone do not say what is to be done; a `_prompt.txt` that comes later does.
    """
    put(world, "cat.toml", "n = 1\n")
    world.drop("cat.png", None)

    async with world.running() as daemon:
        await world.noticed(daemon, "cat.png")
        assert "waits for its prompt, cat.txt" in (await world.reasons(daemon))["cat.png"]
        put(world, "_prompt.txt", "make it blue")
        await world.until(lambda: world.tree("outbox") == ["cat.png"], within=120)


FAULTS = [
    ("unknown", 'promt = "blue"', "promt is not a known key; did you mean prompt?"),
    ("type", 'prompt = "blue"\nn = "many"', "n must be a whole number"),
    ("value", 'prompt = "blue"\nsize = "1000x1000"', "1000x1000"),
    ("syntax", 'prompt = "blue', "line 1"),
    ("reference", 'prompt = "blue"\nimages = ["../x.png"]', "../x.png leads out of the inbox"),
    ("itself", 'prompt = "blue"\nimages = ["cat.png"]', "cat.png is the picture itself"),
    ("count", 'prompt = "blue"\nimages = ["/etc/passwd"]', "/etc/passwd starts outside the inbox"),
]


@pytest.mark.parametrize(
    ("content", "words"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
async def test_a_fault_of_its_own_sidecar_sends_an_image_to_error(
    world: World, content: str, words: str
) -> None:
    """
    Nothing is asked for; the reason names the sidecar and what is wrong in it.
    """
    put(world, "cat.toml", content)
    world.drop("cat.png", None)

    await world.once()

    assert world.requests == []
    assert words in reason(world, "cat.error.txt")
    assert {"cat.png", "cat.toml", "cat.job.json", "cat.error.txt"} == set(world.tree("error"))


@pytest.mark.parametrize(
    ("content", "words"),
    [row[1:] for row in FAULTS if row[0] != "itself"],
    ids=[row[0] for row in FAULTS if row[0] != "itself"],
)
async def test_a_fault_of_a_folder_file_moves_nothing(
    world: World, content: str, words: str
) -> None:
    """
    Its images wait with the reason, even those that have a prompt of their own, and go on once it is mended.
    """
    put(world, "_edit.toml", content)
    world.drop("cat.png", None, image=photo(seed=1))
    if "prompt" in content and "size" in content:
        world.drop("dog.png", "make it grey", image=photo(seed=2))

    async with world.running() as daemon:
        await asyncio.sleep(7200)
        assert world.requests == []
        assert world.tree("error") == []
        told = await world.reasons(daemon)
        assert "_edit.toml" in told["cat.png"]
        assert words in told["cat.png"]
        assert len(world.events("file.held")) == 1
        put(world, "_edit.toml", 'prompt = "make it blue"')
        await world.until(lambda: "cat.png" in world.tree("outbox"), within=120)


async def test_references_are_copied_and_sent_after_the_image(world: World) -> None:
    """
    A sidecar's and a folder's: named relative to the file that names them; they stay where they are.
    """
    cat, dog, own, shared = (photo(seed=number) for number in range(4))
    put(world, "shoes/_refs/背景.png", shared)
    put(world, "shoes/_edit.toml", 'prompt = "make it blue"\nimages = ["_refs/背景.png"]\n')
    put(world, "shoes/own.png", own)
    put(world, "shoes/cat.toml", 'images = ["own.png", "_refs/背景.png"]\nprompt = "sepia"\n')
    world.drop("shoes/cat.png", None, image=cat)
    world.drop("shoes/dog.png", None, image=dog)

    await world.once()

    by_prompt = dict(zip(world.prompts(), pictures(world), strict=True))
    assert by_prompt["sepia"] == [digest(cat), digest(own), digest(shared)]
    assert by_prompt["make it blue"] == [digest(dog), digest(shared)]
    assert world.tree("inbox") == ["shoes/_edit.toml", "shoes/_refs/背景.png", "shoes/own.png"]
    request = world.record("done/shoes/cat.job.json")["request"]
    assert request["images"] == ["cat.png", "shoes/own.png", "shoes/_refs/背景.png"]
    assert request["from"]["images"] == "shoes/cat.toml"


async def test_a_reference_is_no_job_of_its_own(world: World) -> None:
    """
    Neither before nor after the job that uses it, nor after a restart; with a prompt of its own it is one.
    """
    put(world, "_prompt.txt", "make it grey")
    put(world, "backdrop.png", photo(seed=9))
    put(world, "cat.toml", 'images = ["backdrop.png"]\n')
    world.drop("cat.png", None)

    await world.once()
    daemon = world.daemon()
    await world.once(daemon)

    assert len(world.requests) == 1
    assert world.tree("inbox") == ["_prompt.txt", "backdrop.png"]
    assert (
        "a reference picture: sent along with an earlier picture"
        in (await world.reasons(daemon))["backdrop.png"]
    )

    put(world, "backdrop.txt", "make it blue")
    await world.once()

    assert world.prompts() == ["make it grey", "make it blue"]
    assert world.tree("inbox") == ["_prompt.txt"]


async def test_a_missing_reference_is_waited_for(world: World) -> None:
    """
    The image says what it waits for, and goes on by itself once the reference has arrived.
    """
    put(world, "cat.toml", 'prompt = "make it blue"\nimages = ["_refs/late.png"]\n')
    world.drop("cat.png", None)

    async with world.running() as daemon:
        await world.noticed(daemon, "cat.png")
        told = (await world.reasons(daemon))["cat.png"]
        assert told == "waits for its reference picture _refs/late.png, which is not there"
        put(world, "_refs/late.png", photo(seed=3))
        await world.until(lambda: world.tree("outbox") == ["cat.png"], within=120)

    assert len(pictures(world)[0]) == 2


async def test_patience_with_a_missing_reference_ends(world: World) -> None:
    """
    Its own sidecar's fault: after the orphans' time the image goes to `error/` with the path in the reason.
    """
    put(world, "cat.toml", 'prompt = "make it blue"\nimages = ["_refs/late.png"]\n')
    world.drop("cat.png", None)

    async with world.running():
        await world.until(lambda: "cat.error.txt" in world.tree("error"), within=4000)

    assert world.requests == []
    assert "cat.toml names _refs/late.png as a reference image, but that is not there." in reason(
        world, "cat.error.txt"
    )


async def test_all_that_is_wrong_with_a_sidecar_is_told_at_once(world: World) -> None:
    """
    Misspelt keys, values of another kind, references that lie outside, parameters that the model does not take.
    """
    put(
        world,
        "cat.toml",
        'promt = "make it blue"\nbackground = 5\nn = 99\nquality = "superb"\nimages = ["../x.png"]\n',
    )
    world.drop("cat.png", None)

    await world.once()

    told = reason(world, "cat.error.txt")
    for words in ("promt is not a known key", "background must be", "../x.png", "n ", "superb"):
        assert words in told, words
    problems = world.record("error/cat.job.json")["error"]["problems"]
    assert [each["code"] for each in problems].count("parameter_invalid") == 2


async def test_a_reference_that_never_comes_hides_no_other_fault(world: World) -> None:
    """
    When patience ends with it, the parameters are told of as well.
    """
    put(world, "cat.toml", 'prompt = "blue"\nn = 99\nimages = ["_refs/late.png"]\n')
    world.drop("cat.png", None)

    async with world.running():
        await world.until(lambda: "cat.error.txt" in world.tree("error"), within=4000)

    told = reason(world, "cat.error.txt")
    assert "_refs/late.png" in told
    assert "cat.toml: n " in told


@pytest.mark.parametrize("kind", ["link", "behind", "folder", "damaged"])
async def test_a_reference_of_a_folder_file_that_cannot_be_used_only_holds(
    world: World, kind: str, tmp_path: Path
) -> None:
    """
    A link, a way over a link, a folder, a damaged picture: nothing is followed, nothing is moved.
    """
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "x.png").write_bytes(photo())
    place = world.folders.inbox / "_refs"
    match kind:
        case "link":
            place.mkdir()
            (place / "x.png").symlink_to(secret / "x.png")
        case "behind":
            place.symlink_to(secret)
        case "folder":
            (place / "x.png").mkdir(parents=True)
        case _:
            put(world, "_refs/x.png", photo()[:-20])
    put(world, "_edit.toml", 'prompt = "make it blue"\nimages = ["_refs/x.png"]\n')
    world.drop("cat.png", None)

    async with world.running() as daemon:
        await asyncio.sleep(7200)
        assert world.requests == []
        assert world.tree("error") == []
        told = (await world.reasons(daemon))["cat.png"]
        assert "_refs/x.png" in told
        assert "_edit.toml" in told
        shutil.rmtree(place) if kind != "behind" else place.unlink()
        put(world, "_refs/x.png", photo(seed=4))
        await world.until(lambda: world.tree("outbox") == ["cat.png"], within=200)


async def test_a_damaged_reference_of_its_own_is_an_error(world: World) -> None:
    """
    The reason names the reference, which stays where it is.
    """
    put(world, "_refs/x.png", photo()[:-20])
    put(world, "cat.toml", 'prompt = "make it blue"\nimages = ["_refs/x.png"]\n')
    world.drop("cat.png", None)

    await world.once()

    assert world.requests == []
    error = world.record("error/cat.job.json")["error"]
    assert error["code"] == "reference_invalid"
    assert "_refs/x.png" in error["message"]
    assert world.tree("inbox") == ["_refs/x.png"]


async def test_more_references_than_the_model_takes(world: World) -> None:
    """
    Counted with the image, and told before anything is sent.
    """
    for number in range(16):
        put(world, f"_refs/{number}.png", photo(seed=number))
    names = ", ".join(f'"_refs/{number}.png"' for number in range(16))
    put(world, "cat.toml", f'prompt = "make it blue"\nimages = [{names}]\n')
    world.drop("cat.png", None)

    await world.once()

    assert world.requests == []
    assert "The request has 17 pictures" in reason(world, "cat.error.txt")


async def test_two_edit_files_in_one_folder_hold_its_images(world: World) -> None:
    """
    Which of them holds is nobody's guess; the images below wait.
    """
    put(world, "_edit.toml", "n = 1\n")
    put(world, "_edit.json", '{"n": 2}')
    world.drop("cat.png", "make it blue")
    daemon = world.daemon()

    await world.once(daemon)

    assert world.requests == []
    told = (await world.reasons(daemon))["cat.png"]
    assert "_edit.json and _edit.toml both say what parameters hold" in told


async def test_an_edit_file_that_changes_while_jobs_wait_holds_for_those_not_yet_claimed(
    world: World,
) -> None:
    """
    What a job was claimed with stays; what is claimed later gets the new values.
    """
    put(world, "_edit.toml", 'quality = "low"\n')
    async with world.running():
        world.drop("a.png", "make it blue", image=photo(seed=1))
        await world.until(lambda: "a.png" in world.tree("outbox"), within=200)
        put(world, "_edit.toml", 'quality = "high"\n')
        world.drop("b.png", "make it blue", image=photo(seed=2))
        await world.until(lambda: "b.png" in world.tree("outbox"), within=200)

    assert [fields["quality"] for fields in sent(world)] == ["low", "high"]


async def test_references_survive_a_kill(world: World) -> None:
    """
    A job that died while its request was out is repeated with the very references it was claimed with.
    """
    first = photo(seed=5)
    put(world, "_refs/x.png", first)
    put(world, "cat.toml", 'prompt = "make it blue"\nimages = ["_refs/x.png"]\n')
    world.drop("cat.png", None)
    from retouchd.sandbox.faults import Fault, FaultKind

    world.faults(Fault(kind=FaultKind.STALL, times=1))
    async with world.killing():
        await world.asked(1)
    put(world, "_refs/x.png", photo(seed=6))

    await world.once()

    assert [names[1] for names in pictures(world)] == [digest(first)] * 2
    assert world.tree("outbox") == ["cat.png"]
